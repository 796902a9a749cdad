"""Limits of voters in the simulator: learnt as in a gateway's replica, and the judge names what does not hold of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.admission.config import ConcurrencyConfig
from actors.consensus.breakers.config import BreakerConfig, BulkheadConfig
from cluster.simulation.limits_judge import ENOUGH, RECOVERS_S, Held, LimitsJudge
from cluster.simulation.storm import SPELL
from cluster.simulation.voters import ASKED, Asked, Character, SimulatedVoter
from cluster.simulation.weather import Fault, Kind, Weather
from cluster.simulation.world import World
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

BULKHEAD = 6
TRAFFIC = Fault(1.0, "traffic", "key", 119.0, 240)


def spell(folder: Path, *faults: Fault, **changes: object) -> World:
    """Return what becomes of steady traffic in such weather; nothing may be broken."""
    world = World(replace(SPELL, **changes), "limits", folder / "spend")  # type: ignore[arg-type]
    world.play([TRAFFIC, *faults], [], 120.0)
    assert [str(breach) for breach in world.judge.breaches] == []
    return world


def lowest(folder: Path, *faults: Fault) -> dict[str, int]:
    """Return the lowest limit of each voter of the first layer in such weather."""
    found: dict[str, int] = {}
    heard = LimitsJudge.told

    def told(judge: LimitsJudge, held: Held, slow_until_s: float, *, is_late: bool) -> None:
        heard(judge, held, slow_until_s, is_late=is_late)
        found[held.voter] = min(found.get(held.voter, BULKHEAD), held.limit())

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LimitsJudge, "told", told)
        spell(folder, *faults)
    return {voter: found[voter] for voter in SPELL.layers[0].members}


def test_a_voter_that_becomes_slow_is_asked_less_and_no_other(tmp_path: Path) -> None:
    """By what it tells of its first tokens; in fair weather all have their bulkheads or nearly."""
    fair = lowest(tmp_path / "fair")
    slow = lowest(tmp_path / "slow", Fault(20.0, "slow", "a", 20.0, 10.0))
    assert min(fair.values()) >= BULKHEAD - 1
    assert slow["a"] <= BULKHEAD // 2
    assert min(limit for voter, limit in slow.items() if voter != "a") >= BULKHEAD - 1


def test_a_replica_whose_own_loop_is_late_blames_no_voter(tmp_path: Path) -> None:
    """Both replicas are late while the voter is slow: nothing is learnt."""
    late = [Fault(10.0, "late", f"replica {number}", 100.0, 0.4) for number in (0, 1)]
    assert lowest(tmp_path, *late, Fault(20.0, "slow", "a", 20.0, 10.0))["a"] == BULKHEAD


def test_without_learning_voters_have_their_bulkheads(tmp_path: Path) -> None:
    """``concurrency.enabled: false`` is heeded as in a gateway; so is a site without admission."""
    assert SPELL.admission is not None
    off = SPELL.admission.model_copy(update={"concurrency": ConcurrencyConfig(enabled=False)})
    breakers = SPELL.breakers.model_copy(update={"bulkhead": BulkheadConfig(max_calls=5)})
    for changes in ({"admission": off, "breakers": breakers}, {"admission": None, "breakers": breakers}):
        world = World(replace(SPELL, **changes), "off", tmp_path / "off")  # type: ignore[arg-type]
        assert {voter.limit for one in world.replicas for voter in one.guards.voters.values()} == {5}
        world.play([], [], 1.0)


def answered(*kinds: Kind) -> tuple[SimulatedVoter, Candidate, float]:
    """Return a voter, what it answers in such weather, and when."""
    world = World(replace(SPELL, admission=None), "tokens")
    weather = Weather()
    for kind in kinds:
        weather.begin(Fault(0.0, kind, "a", 9.0, 10.0))
    character = Character(VoterInfo("a", "a", "a"), "cloud", 1.0, 0.5, 0.25)
    voter = SimulatedVoter(character, weather, world.clock.time, world.judge.billed)
    kept: list[tuple[Candidate, float]] = []

    async def ask() -> None:
        ASKED.set(Asked(0, 8, 100, 10, world.draws.sub("request", 0)))
        candidate = await voter.ask(VoterRequest("r", (Message("user", "?"),), Sampling(max_tokens=64)))
        kept.append((candidate, world.loop.now_s))

    world.loop.create_task(ask())
    world.loop.run(500.0)
    return voter, *kept[0]


def test_the_first_token_takes_its_share_and_a_slow_spell_lengthens_it() -> None:
    """Half a second of three; ten times as long in a slow spell, and the voter says until when."""
    calm, fair, fair_s = answered()
    struck, slow, slow_s = answered("slow")
    assert fair.first_token_ms is not None
    assert slow.first_token_ms is not None
    assert fair.first_token_ms == pytest.approx(fair_s * 1000 / 6, abs=1)
    assert slow.first_token_ms == pytest.approx(10 * fair.first_token_ms, abs=10)
    assert calm.slow_until_s == 0.0
    assert struck.slow_until_s == pytest.approx(slow_s)


class Looking:
    """A judge of its own, with a clock and a limit that are set by hand."""

    def __init__(self) -> None:
        self.now_s, self.limit = 0.0, BULKHEAD
        self.found: list[str] = []
        config = ConcurrencyConfig(min_limit=2)
        self.judge = LimitsJudge(config, BULKHEAD, lambda: self.now_s, lambda rule, _: self.found.append(rule))
        self.held = Held("replica 0", "a", lambda: self.limit)

    def tokens(self, count: int, *, slow_until_s: float = 0.0, is_late: bool = False) -> None:
        """Tell of first tokens."""
        for _ in range(count):
            self.judge.told(self.held, slow_until_s, is_late=is_late)


@pytest.fixture
def looking() -> Iterator[Looking]:
    """Return it, three asks being under way."""
    made = Looking()
    for _ in range(3):
        made.judge.let_in(made.held)
    assert made.found == []
    return made


def test_an_ask_too_many_is_seen(looking: Looking) -> None:
    """Beyond what is learnt, and beyond the bulkhead; what is under way when a limit falls is none."""
    looking.limit = 4
    looking.judge.let_in(looking.held)
    looking.limit = 3
    looking.judge.ended(looking.held)
    assert looking.found == []
    looking.judge.let_in(looking.held)
    assert looking.found == ["bulkhead"]


@pytest.mark.parametrize(("limit", "rules"), [(2, []), (6, []), (1, ["bounds"]), (7, ["bounds"])])
def test_a_limit_out_of_bounds_is_seen(looking: Looking, limit: int, rules: list[str]) -> None:
    """Below the least or above the bulkhead."""
    looking.limit = limit
    looking.tokens(1)
    assert looking.found == rules


def after_a_spell(looking: Looking) -> None:
    """Let the limit fall in a spell whose last answer comes at 10 s."""
    looking.limit = 2
    looking.tokens(5, slow_until_s=10.0)
    looking.now_s = 10.0 + RECOVERS_S


def test_a_limit_that_stays_low_is_seen(looking: Looking) -> None:
    """Once, when time and first tokens are enough."""
    after_a_spell(looking)
    looking.tokens(ENOUGH - 1, slow_until_s=10.0)
    assert looking.found == []
    looking.tokens(2, slow_until_s=10.0)
    assert looking.found == ["recovery"]


def test_a_limit_that_came_back_once_has_come_back(looking: Looking) -> None:
    """Whatever it is later: first tokens differ."""
    after_a_spell(looking)
    looking.limit = BULKHEAD
    looking.tokens(1, slow_until_s=10.0)
    looking.limit = BULKHEAD - 1
    looking.tokens(2 * ENOUGH, slow_until_s=10.0)
    assert looking.found == []


def test_too_soon_too_idle_too_late_or_slow_again_is_no_breach(looking: Looking) -> None:
    """Only ordinary traffic brings a limit back."""
    after_a_spell(looking)
    looking.now_s -= 1.0
    looking.tokens(2 * ENOUGH, slow_until_s=10.0)
    looking.held.busy, looking.now_s = 0, looking.now_s + 1.0
    looking.tokens(2 * ENOUGH, slow_until_s=10.0, is_late=True)
    looking.tokens(2 * ENOUGH, slow_until_s=looking.now_s + 1.0)
    looking.limit = 3
    looking.now_s += 2.0 + RECOVERS_S
    for _ in range(2):
        looking.judge.ended(looking.held)
    looking.tokens(2 * ENOUGH, slow_until_s=0.0)
    assert looking.found == []


def test_the_sites_are_such_that_limits_matter() -> None:
    """A replica takes more at a time than a voter holds there; where nothing is said, a voter holds what a replica takes."""
    assert SPELL.breakers.bulkhead.max_calls == BULKHEAD < SPELL.consensus.max_concurrent
    assert BreakerConfig().bulkhead.max_calls == 256
