"""The screener: threads, memo, and proof that it sees."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from actors.base.python_source import ATTEMPTS
from actors.consensus.adapters import screener as screener_module
from actors.consensus.adapters.screener import FAILED, Screener, all_rules, build_screener
from actors.consensus.screening import screen as rules
from actors.consensus.screening.config import ScreeningConfig
from actors.consensus.screening.findings import Screening, refusal
from actors.consensus.screening.screen import ExtraCheck

AGE_S = 10.0


class FakeClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        """Return the time set."""
        return self.now_s

    def time_ns(self) -> int:
        """Return the same as nanoseconds."""
        return int(self.now_s * 1e9)


class Rules:
    """The real rules, counted; blind on demand."""

    def __init__(self) -> None:
        self.blind = False
        self.seen: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, code: str, language: str) -> Screening:
        """Screen, once the gate is open."""
        self.seen.append(code)
        self.gate.wait(10.0)
        return Screening("pass", "v") if self.blind else rules.screen(code, language)


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock at zero."""
    return FakeClock()


@pytest.fixture
def counted() -> Rules:
    """Return counted rules."""
    return Rules()


@pytest.fixture
def screener(counted: Rules, clock: FakeClock) -> Iterator[Screener]:
    """Return a screener of two memo entries."""
    made = Screener(counted, clock, ScreeningConfig(memo_entries=2, max_waiting=2, canary_max_age_s=AGE_S))
    counted.seen.clear()
    yield made
    counted.gate.set()
    made.close()


async def test_the_same_code_is_looked_into_once(screener: Screener, counted: Rules) -> None:
    """At the same time or later, one look serves all; another language is another key."""
    found = await asyncio.gather(*(screener.screen("x = 1", "python") for _ in range(5)))
    assert {each.verdict for each in found} == {"pass"}
    await screener.screen("x = 1", "python")
    await screener.screen("x = 1", "javascript")
    assert counted.seen == ["x = 1", "x = 1"]


async def test_the_memo_is_bounded(screener: Screener, counted: Rules) -> None:
    """The least recently used goes first."""
    for code in ("a = 1", "b = 1", "a = 1", "c = 1", "a = 1", "b = 1"):
        await screener.screen(code, "python")
    assert counted.seen == ["a = 1", "b = 1", "c = 1", "b = 1"]


async def test_a_blind_screener_closes_the_gate(screener: Screener, counted: Rules, clock: FakeClock) -> None:
    """Once canaries are missed everything is rejected, what was remembered too, until they are seen again."""
    assert (await screener.screen("x = 1", "python")).verdict == "pass"
    counted.blind = True
    assert (await screener.screen("x = 1", "python")).verdict == "pass"
    clock.now_s += AGE_S + 1
    blind = await screener.screen("x = 1", "python")
    assert (blind.verdict, blind.findings[0].rule) == ("reject", "scanner-blind")
    assert "blind" in screener.state()
    counted.blind = False
    clock.now_s += AGE_S + 1
    assert (await screener.screen("x = 1", "python")).verdict == "pass"
    assert screener.state() == ""


async def test_more_than_may_wait_is_rejected(screener: Screener, counted: Rules) -> None:
    """Code beyond the bound is rejected at once, and looked into when asked for later."""
    counted.gate.clear()
    waiting = [asyncio.ensure_future(screener.screen(code, "python")) for code in ("a = 1", "b = 1")]
    await asyncio.sleep(0)
    busy = await screener.screen("c = 1", "python")
    counted.gate.set()
    assert busy.findings[0].rule == "scanner-busy"
    assert {(await each).verdict for each in waiting} == {"pass"}
    assert (await screener.screen("c = 1", "python")).verdict == "pass"


async def test_one_callers_cancellation_leaves_the_others(screener: Screener, counted: Rules) -> None:
    """Who gives up does not take the look away from who waits for the same code."""
    counted.gate.clear()
    first, second = (asyncio.ensure_future(screener.screen("a = 1", "python")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    counted.gate.set()
    assert (await second).verdict == "pass"
    assert first.cancelled()


async def test_all_rules_together_see_every_canary(clock: FakeClock) -> None:
    """With Bandit beside them the rules are not blind, and Bandit's findings are among theirs."""
    screener = build_screener(clock, ScreeningConfig())
    assert screener.state() == ""
    found = await screener.screen("import subprocess\nsubprocess.call(x, shell=True)", "python")
    assert {"bandit-B602", "danger-shell"} <= {finding.rule for finding in found.findings}
    screener.close()


@pytest.mark.parametrize("failed", ["SystemError", "RecursionError", "BanditFailed"])
def test_a_rule_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch, failed: str) -> None:
    """A parse that another thread disturbed rejects nobody; what fails every time is rejected."""
    left = [True] * (ATTEMPTS - 1)

    def disturbed(code: str, language: str, extra: Sequence[ExtraCheck]) -> Screening:
        if left and left.pop():
            return refusal(FAILED, f"a rule failed: {failed}", "v")
        return rules.screen(code, language, extra)

    monkeypatch.setattr(screener_module, "screen", disturbed)
    look = all_rules()
    assert look("x = 1", "python").verdict == "pass"
    left[:] = [True] * ATTEMPTS
    assert look("x = 1", "python").verdict == "reject"


def test_screening_lets_one_thread_parse_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bandit parses by itself, and a disturbed parse looks there as if the code were none."""
    asked: list[bool] = []
    monkeypatch.setattr(screener_module, "parse_one_at_a_time", lambda: asked.append(True))
    all_rules()
    assert asked == [True]
