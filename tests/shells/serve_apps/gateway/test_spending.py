"""Leases of a day's cap, on real files."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.base import files
from models.providers.spend import DAY_S
from serve_apps.gateway.spending import LEASES, Lease, Wallet, give_back, lease

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


def test_what_is_leased_outlives_a_loss_of_power(tmp_path: Path, day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's name is durable before the note in it is relied on, whoever made it: else the day began with a new cap."""
    synced = list[Path]()
    monkeypatch.setattr(files, "sync_folder", synced.append)
    (tmp_path / "spend").mkdir()
    wallet(tmp_path / "spend", day)
    assert synced == [tmp_path, tmp_path / "spend"]


async def test_a_new_day_begins_with_nothing_leased(tmp_path: Path, day: Day) -> None:
    """Yesterday's lease is not spent today, and today's cap is whole."""
    one = wallet(tmp_path / "spend", day)
    day.now_s += DAY_S
    assert not spend(one, 1)
    await one.look()
    assert one.ledger.left_micro == PART
    assert lease(tmp_path / "spend", CAP_MICRO, CAP_MICRO, day.now_s) == Lease(CAP_MICRO - PART, is_last=True)
    assert lease(tmp_path / "spend", CAP_MICRO, CAP_MICRO, NOW_S) == Lease(
        0
    )  # a clock that went back brings no day back


def test_many_processes_lease_no_more_than_there_is(tmp_path: Path) -> None:
    """Whoever comes at the same time waits for the lock."""
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: lease(tmp_path / "spend", 100, 7, NOW_S), range(40)))
    assert sum(one.micro for one in got) == 100
    assert [one.micro for one in got if not one.is_last] == [7] * 14


async def test_money_is_back_with_the_next_day_once_all_of_this_one_is_leased(tmp_path: Path, day: Day) -> None:
    """While there is more to lease nobody knows, nor if what is leased is only held by calls that have not ended."""
    one = wallet(tmp_path / "spend", day)
    left_s = DAY_S - 100.0
    assert one.refused(10 * PART, NOW_S) is None
    rest = lease(tmp_path / "spend", CAP_MICRO, CAP_MICRO - 2 * PART, NOW_S)
    assert rest == Lease(CAP_MICRO - 2 * PART)
    one.ledger, held = one.ledger.reserve(PART, NOW_S)
    assert held is not None
    await one.look()  # the last part
    assert one.refused(2 * PART, NOW_S) is None
    assert one.refused(2 * PART + 1, NOW_S) == left_s
    one.ledger = one.ledger.reconcile(held, PART, NOW_S)
    assert one.refused(PART + 1, NOW_S + 1) == left_s - 1
    day.now_s += DAY_S
    assert one.refused(1, day.now_s) is None  # the next lease brings it


async def test_a_call_that_costs_more_than_a_part_is_leased_for(tmp_path: Path, day: Day) -> None:
    """Once it found no room, and only if the day has so much: else it would take what smaller calls can spend."""
    one = wallet(tmp_path / "spend", day)
    await one.look()
    assert one.ledger.left_micro == PART
    assert [one.refused(parts * PART, NOW_S) for parts in (5, 2)] == [None, None]
    await one.look()
    assert one.ledger.left_micro == 5 * PART
    assert spend(one, 5 * PART)
    await one.look()
    assert one.ledger.left_micro == PART  # nothing was refused since
    one.refused(CAP_MICRO, NOW_S)
    await one.look()
    assert one.ledger.left_micro == PART


async def test_what_others_give_back_is_leased_before_the_day_is_over(tmp_path: Path, day: Day) -> None:
    """Then nobody knows again how long it lasts."""
    one = wallet(tmp_path / "spend", day)
    lease(tmp_path / "spend", CAP_MICRO, CAP_MICRO, NOW_S)
    spend(one, PART)
    await one.look()
    assert one.refused(1, NOW_S) == DAY_S - 100.0
    give_back(tmp_path / "spend", 3 * PART, one.ledger.day)
    await one.look()
    assert (one.ledger.left_micro, one.refused(2 * PART, NOW_S)) == (PART, None)


class Midnight(Day):
    """A clock of which a day passes once it has been looked at so often."""

    looks = 10**6

    def __call__(self) -> float:
        """Return Unix seconds."""
        self.looks -= 1
        return super().__call__() + (DAY_S if self.looks < 0 else 0)


async def test_a_lease_that_midnight_overtook_is_not_spent(tmp_path: Path) -> None:
    """It is of the cap of the day before."""
    clock = Midnight()
    one = wallet(tmp_path / "spend", clock)
    spend(one, PART)
    clock.looks = 2  # whether there is need, and for which day
    await one.look()
    assert (one.ledger.day, one.ledger.left_micro) == (int(NOW_S // DAY_S) + 1, 0)
    await one.look()
    assert one.ledger.left_micro == PART


def test_without_its_note_nobody_knows_when_there_is_money_again(tmp_path: Path, day: Day) -> None:
    """It is not the day's cap that is reached."""
    os.close(os.open(tmp_path / "spend", os.O_CREAT))
    assert wallet(tmp_path / "spend", day).refused(1, NOW_S) is None


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
