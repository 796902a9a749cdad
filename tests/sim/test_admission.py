"""Admission in the simulator: production's door and limits hold in its weather, and the judge names what does not."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.admission.config import AdmissionConfig, TierConfig
from actors.admission.quotas import Amount, Leases, Standing
from actors.base.errors import DeadlineExceeded, NoConsensus, NotReady, Overloaded, RateLimited
from actors.consensus.actor import Decision
from actors.consensus.config import ConsensusConfig
from actors.spans.record import DecisionRecord
from cluster.simulation.admission_judge import AdmissionJudge, Gate, InHand
from cluster.simulation.replica import Replica
from cluster.simulation.settings import SiteSettings, layer
from cluster.simulation.voters import Sent
from cluster.simulation.weather import Fault
from cluster.simulation.world import CALLERS, Arrival, World
from models.voter import Message
from tests.sim.test_world import WORD, site, sure

CONFIG = AdmissionConfig.model_validate(
    {"tiers": {1: {"requests_per_minute": 12}, 3: {"priority": "batch"}}, "shedding": {"look_ms": 50, "min_limit": 1}}
)


ASKED_FOR = (Message("user", "hello"),)


def admitting(**changes: object) -> SiteSettings:
    """Return a site with admission, 20 s before a minute turns."""
    consensus = ConsensusConfig(max_concurrent=4)
    return site(**({"admission": CONFIG, "begins_s": 40.0, "consensus": consensus} | changes))


def ends(folder: Path, *faults: Fault, until_s: float = 30.0) -> list[str]:
    """Return how requests end, in the order in which they came; nothing may be broken."""
    world = World(admitting(), "admission", folder / "spend")
    world.play(faults, [], until_s)
    assert [str(breach) for breach in world.judge.breaches] == []
    return [outcome.result for outcome in sorted(world.outcomes, key=lambda outcome: outcome.arrival.number)]


def test_a_key_has_its_limit_over_all_replicas_and_again_in_the_next_minute(tmp_path: Path) -> None:
    """Twelve of forty, then twelve more."""
    found = ends(tmp_path, Fault(2.0, "burst", "limited", 12.0, 40), Fault(22.0, "burst", "limited", 8.0, 20))
    assert (found[:40].count("answered"), found[40:].count("answered")) == (12, 12)
    assert set(found) == {"answered", "limited"}


def test_a_killed_replica_takes_its_leases_along_and_gives_nobody_more(tmp_path: Path) -> None:
    """Whoever comes after it, in its slot, does not begin the minute anew."""
    killed = Fault(6.0, "killed", "0", 1.0)
    found = ends(tmp_path, Fault(2.0, "burst", "limited", 4.0, 30), killed, Fault(8.0, "burst", "limited", 4.0, 30))
    assert found.count("answered") <= 12
    assert "limited" in found


def test_without_the_store_replicas_have_their_shares(tmp_path: Path) -> None:
    """It is away while their third minute begins: two of three shares of four."""
    away, burst = Fault(30.0, "leases_away", "", 70.0), Fault(81.0, "burst", "limited", 8.0, 40)
    found = ends(tmp_path, away, burst, until_s=90.0)
    assert found.count("answered") == 8


def test_a_slow_store_makes_nobody_wait(tmp_path: Path) -> None:
    """What is in hand is used, and more comes with its answers."""
    found = ends(tmp_path, Fault(0.5, "leases_slow", "", 29.0, 1.0), Fault(2.0, "burst", "limited", 12.0, 40))
    assert found.count("answered") == 12


def test_more_than_replicas_take_is_refused_and_a_late_loop_takes_less(tmp_path: Path) -> None:
    """Both replicas take four at a time; whose loop is late takes one."""
    burst = Fault(10.0, "burst", "key", 0.0, 30)
    calm = ends(tmp_path / "calm", burst)
    assert (calm.count("answered"), calm.count("overloaded")) == (8, 22)
    taught = Fault(5.0, "burst", "key", 3.0, 12)
    before = ends(tmp_path / "before", taught, burst)
    late = ends(tmp_path / "late", Fault(1.0, "late", "replica 0", 20.0, 0.4), taught, burst)
    assert before[12:].count("answered") == 8
    assert late[12:].count("answered") == 5


def test_who_comes_after_a_killed_replica_takes_its_slot(tmp_path: Path) -> None:
    """However often: locks end with whoever held them."""
    world = World(admitting(), "slots", tmp_path / "spend")
    for at_s in (1.0, 3.0, 5.0):
        world.loop.call_at(at_s, world.strike, Fault(at_s, "killed", "0", 1.0))
    world.loop.run(7.0)
    assert [one.admission and one.admission.slot for one in world.replicas] == [0, 1]


def judged(limited: TierConfig = CONFIG.tiers[1]) -> tuple[AdmissionJudge, list[tuple[str, str]]]:
    """Return a judge of its own at 100 s, and what it finds."""
    config = CONFIG.model_copy(update={"tiers": {**CONFIG.tiers, 1: limited}})
    found: list[tuple[str, str]] = []
    names = {name: name for name in "abcdef"}
    return AdmissionJudge(config, 3, names, lambda: 100.0, lambda rule, detail: found.append((rule, detail))), found


@pytest.mark.parametrize(("key", "may_s"), [("key", 0.35), ("batches", 10.1)])
def test_whoever_waits_too_long_is_seen(key: str, may_s: float) -> None:
    """People and batches by their own bounds."""
    judge, found = judged()
    visit = judge.came(Gate("replica 0"), CALLERS[key], "interactive", 0.0, ASKED_FOR, {})
    visit.came_s = 100.0 - may_s + 0.01
    judge.let_in(visit)
    assert found == []
    visit.came_s = 100.0 - may_s - 0.01
    judge.let_in(visit)
    assert [rule for rule, _ in found] == ["wait"]


def test_a_key_that_is_let_in_nowhere_for_long_is_seen() -> None:
    """Six minutes after the last that went wrong; a request that is let in begins them anew."""
    now, found = [0.0], []
    judge = AdmissionJudge(CONFIG, 3, {}, lambda: now[0], lambda rule, _: found.append(rule))

    def refused_at(at_s: float) -> list[str]:
        now[0] = at_s
        visit = judge.came(Gate("replica 0"), CALLERS["limited"], "interactive", at_s, ASKED_FOR, {})
        judge.failed(visit, RateLimited("used up", retry_after_s=1), Nothing())
        return found

    assert refused_at(0.0) == refused_at(360.0) == []
    judge.disturbed()
    assert refused_at(720.0) == []
    judge.let_in(judge.came(Gate("replica 0"), CALLERS["limited"], "interactive", 720.0, ASKED_FOR, {}))
    assert refused_at(730.0) == refused_at(1090.0) == []
    assert refused_at(1091.0) == ["locked"]


class Nothing:
    """A replica of which nothing can be told."""

    def inside(self) -> tuple[int, int]:
        """Return that nobody is there."""
        return 0, 0

    def in_hand(self) -> None:
        """Return that it cannot be told."""


def test_a_minute_that_comes_again_after_long_is_another_one() -> None:
    """Its limit counts anew; within two minutes it does not."""
    now, found = [0.0], []
    judge = AdmissionJudge(CONFIG, 3, {}, lambda: now[0], lambda rule, _: found.append(rule))
    for at_s, used in ((0.0, 12), (130.0, 12), (140.0, 1)):
        now[0] = at_s
        for _ in range(used):
            visit = judge.came(Gate("replica 0"), CALLERS["limited"], "interactive", 30.0, ASKED_FOR, {})
            judge.failed(visit, NoConsensus("none", details={"decision_id": "d"}), Nothing())
        assert found == (["quota"] if at_s == 140.0 else [])


def test_a_refusal_without_retry_after_is_seen() -> None:
    """Of those that load or limits are the reason of."""
    judge, found = judged()
    judge.refused(RateLimited("used up", retry_after_s=7))
    judge.refused(Overloaded("full", retry_after_s=1))
    assert found == []
    judge.refused(Overloaded("full"))
    judge.refused(RateLimited("used up", retry_after_s=0))
    assert [rule for rule, _ in found] == ["retry", "retry"]


class Says:
    """A replica's admission that says what it is told to."""

    def __init__(self, left: int) -> None:
        self.says = InHand(0, "kept", {"limited": (left, 0)}, -1)

    def in_hand(self) -> InHand:
        """Return it."""
        return self.says

    def inside(self) -> tuple[int, int]:
        """Return that nobody is there."""
        return 0, 0


@pytest.mark.parametrize(("left", "rules"), [(5, []), (4, ["refund"]), (6, ["refund"])])
def test_a_book_is_compared_with_what_was_given(left: int, rules: list[str]) -> None:
    """Half of a share of four is its own, three were leased, and what was refused takes nothing and brings nothing."""
    judge, found = judged()
    gate = Gate("replica 0")
    visit = judge.came(gate, CALLERS["limited"], "interactive", 0.0, ASKED_FOR, {})
    judge.leased(gate, Leases(0, True, {"limited": Amount(3, 0)}, {}))
    judge.failed(visit, Overloaded("full", retry_after_s=1), Says(left))
    assert [rule for rule, _ in found] == rules


HEARD, SILENT = {("r", "a"): (12, 30), ("r", "b"): None}, {("r", "a"): None, ("r", "b"): None}


@pytest.mark.parametrize(
    ("error", "sent", "used"),
    [
        (None, HEARD, (1, 42 + 12)),
        (DeadlineExceeded("x", details={"decision_id": "d"}), HEARD, (1, 42 + 12)),
        (DeadlineExceeded("x", details={"decision_id": "d"}), SILENT, (1, 2 * (5 + 16 + 64))),
        (NotReady("the log is away"), SILENT, (1, 2 * (5 + 16 + 64))),
        (DeadlineExceeded("x", details={"decision_id": "d"}), {}, (1, 0)),
        (NotReady("no policy"), {}, (0, 0)),
        (Overloaded("x", details={"decision_id": "d"}, retry_after_s=1), HEARD, (0, 0)),
        (asyncio.CancelledError(), HEARD, (0, 0)),
    ],
)
def test_what_voters_were_sent_is_used_whatever_is_said_of_it(
    error: BaseException | None, sent: Sent, used: tuple[int, int]
) -> None:
    """The book may have no token more, and none less."""
    for wrong in (0, 1, -1):
        judge, found = judged(TierConfig(tokens_per_minute=1200))
        gate = Gate("replica 0")
        visit = judge.came(gate, CALLERS["limited"], "interactive", 0.0, ASKED_FOR, sent)
        says = Says(0)
        says.says = InHand(0, "kept", {"limited": (0, 200 - used[1] + wrong)}, -1)
        judge.answered(visit, says) if error is None else judge.failed(visit, error, says)
        assert gate.used["limited", 0, "requests"] == used[0]
        assert [rule for rule, _ in found] == (["refund"] if wrong else [])


@pytest.mark.parametrize(("standing", "word", "rules"), [("alone", 0, []), ("alone", -1, ["word"]), ("kept", -1, [])])
def test_who_has_its_share_alone_has_left_word_of_it(standing: Standing, word: int, rules: list[str]) -> None:
    """As the slot's file says, not the replica."""
    judge, found = judged()
    says = Says(0)
    says.says = InHand(0, standing, {}, word)
    judge.at_rest(Gate("replica 0"), says)
    assert [rule for rule, _ in found] == rules


def test_a_cut_panel_wins_by_its_policy_whatever_those_say_who_were_not_asked() -> None:
    """Three lineages of five are three fifths; two are less."""
    layers = (layer("primary", tuple("abcde"), quorum=0.6, time_share=1.0),)
    five = site(characters=tuple(map(sure, "abcde")), layers=layers)
    kept: list[DecisionRecord] = []
    world = World(five, "cut")
    delivered = world.judge.delivered

    def keep(replica: Replica, deadline_ms: int, took_s: float, decision: Decision) -> None:
        kept.append(decision.committed.record)
        delivered(replica, deadline_ms, took_s, decision)

    world.judge.delivered = keep  # type: ignore[method-assign]
    world.play([], [Arrival(1.0, 0, WORD)], 1.0)
    judge, found = judged()
    ballots = sorted(kept[0].ballots, key=lambda ballot: ballot.outcome != "agreed")
    for agreeing, counting in ((5, 5), (3, 3), (2, 2), (1, 1)):
        eligible = dict(list(kept[0].tally.eligible_weight.items())[:counting])
        cut = replace(kept[0], ballots=ballots[:agreeing], tally=replace(kept[0].tally, eligible_weight=eligible))
        judge.saved(cut, world.government.current, ("hedges",))
        judge.saved(cut, world.government.current, ("hedges", "voters"))
    assert [detail.rpartition(": ")[2].partition(",")[0] for _, detail in found] == ["2 of 5 agreed", "1 of 5 agreed"]


def test_a_tier_that_is_not_named_is_not_limited() -> None:
    """Whatever its key uses."""
    judge, _ = judged()
    visit = judge.came(Gate("replica 0"), CALLERS["metered"], "interactive", 0.0, ASKED_FOR, {})
    assert visit.tier == TierConfig(priority="interactive")
