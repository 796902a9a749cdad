"""Leases of a day's cap, on real files."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.providers.spend import DAY_S
from serve_apps.gateway.spending import LEASES, Wallet, lease

CAP_USD, NOW_S = 1.0, 20_000 * DAY_S + 100.0
CAP_MICRO = 1_000_000
PART = CAP_MICRO // LEASES


class Day:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now_s


@pytest.fixture
def day() -> Day:
    """Return a clock in the middle of a day."""
    return Day()


def wallet(folder: Path, day: Day) -> Wallet:
    """Return a started wallet."""
    made = Wallet(folder, CAP_USD, day)
    made.start()
    return made


def spend(of: Wallet, micro: int) -> bool:
    """Spend so much, if there is so much."""
    of.ledger, reserved = of.ledger.reserve(micro, of._now_s())
    if reserved is not None:
        of.ledger = of.ledger.reconcile(reserved, micro, of._now_s())
    return reserved is not None


async def test_replicas_together_never_spend_more_than_the_cap(tmp_path: Path, day: Day) -> None:
    """Each leases part by part, until nothing is left for anybody."""
    wallets = [wallet(tmp_path / "spend", day) for _ in range(3)]
    spent = 0
    for _ in range(100):
        for one in wallets:
            spent += PART // 2 if spend(one, PART // 2) else 0
            await one.look()
    assert CAP_MICRO - 3 * PART <= spent <= CAP_MICRO


def test_a_lease_outlives_whoever_was_killed_with_it(tmp_path: Path, day: Day) -> None:
    """Restarting gives no new cap; closing gives back what was not spent."""
    folder = tmp_path / "spend"
    for _ in range(LEASES - 1):
        assert wallet(folder, day).ledger.left_micro == PART
    last = wallet(folder, day)
    assert wallet(folder, day).ledger.left_micro == 0
    spend(last, PART // 4)
    last.close()
    assert wallet(folder, day).ledger.left_micro == PART - PART // 4


async def test_a_new_day_begins_with_nothing_leased(tmp_path: Path, day: Day) -> None:
    """Yesterday's lease is not spent today, and today's cap is whole."""
    one = wallet(tmp_path / "spend", day)
    day.now_s += DAY_S
    assert not spend(one, 1)
    await one.look()
    assert one.ledger.left_micro == PART
    assert lease(tmp_path / "spend", CAP_MICRO, CAP_MICRO, day.now_s) == CAP_MICRO - PART
    assert lease(tmp_path / "spend", CAP_MICRO, CAP_MICRO, NOW_S) == 0  # a clock that went back brings no day back


def test_many_processes_lease_no_more_than_there_is(tmp_path: Path) -> None:
    """Whoever comes at the same time waits for the lock."""
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: lease(tmp_path / "spend", 100, 7, NOW_S), range(40)))
    assert sum(got) == 100


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"day": "x"}'])
def test_a_note_that_cannot_be_read_leases_nothing(
    tmp_path: Path, day: Day, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows what was spent, and it is said."""
    (tmp_path / "spend").mkdir()
    (tmp_path / "spend" / "spend.json").write_bytes(data)
    assert wallet(tmp_path / "spend", day).ledger.left_micro == 0
    assert "nothing more is spent" in caplog.text
    wallet(tmp_path / "spend", day).close()


def test_a_note_that_cannot_be_written_leases_nothing(
    tmp_path: Path, day: Day, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder is a file."""
    os.close(os.open(tmp_path / "spend", os.O_CREAT))
    assert wallet(tmp_path / "spend", day).ledger.left_micro == 0
    assert "nothing more is spent" in caplog.text
