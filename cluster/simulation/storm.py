"""Bad minutes: everything goes wrong at once at a small site, to find what breaks an invariant.

Rules:
- A seed draws a schedule of faults and requests; everything else follows from the seed and the schedule.
- Times are those of a minute, not of production: short deadlines, cool-downs and staleness, so that a schedule meets many
  edges. What decides is production's.
- The site has what a weaker jury, a leaked permit or a lost lease needs to show: a layer that asks for less, probes, and a
  cap that is reached.
- Every fourth storm is one of load as well, at a site with admission: keys with limits, bursts of more than replicas take, loops
  that are late, leases that are away or slow, and a turn of the minute in between.
- Every eighth (1, 9, …) is one in which clients ask again under an ``Idempotency-Key``: the same with the same key at any
  replica, now and then another request with it, while policy forbids what was answered, the table is away, or a replica ends.
- Every thirty-second is a slow spell instead: steady traffic at such a site, voters that become slow and well again, and time
  for what they may hold to come back.
- Every sixty-fourth is eleven minutes under a clock that is ahead by hours and goes back, with replicas that die meanwhile:
  a key with a limit asks all the time, and is let in again.
- A schedule that breaks something is shrunk to a shortest one that breaks the same rule.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from actors.admission.config import AdmissionConfig, QuotaConfig, SheddingConfig
from actors.admission.idempotency_config import IdempotencyConfig
from actors.consensus.breakers.config import BreakerConfig, BulkheadConfig
from actors.consensus.config import ConsensusConfig
from actors.policy.config import PolicyConfig
from cluster.simulation.draws import Draws
from cluster.simulation.invariants import Breach
from cluster.simulation.questions import QUESTIONS
from cluster.simulation.settings import SiteSettings, layer
from cluster.simulation.shrink import shortest
from cluster.simulation.voters import Character
from cluster.simulation.weather import Fault, Kind
from cluster.simulation.world import KEYS, Arrival, World
from models.providers.prices import Price
from models.voter import VoterInfo

LASTS_S, SOON_S = 40.0, 0.7
MOST_FAULTS, REQUESTS = 9, 36
MOST_RUNS = 400
"""Of one shrinking."""
_VOTERS = tuple("abcdefgh")
_PRICE = Price(2_000_000, 30_000_000)
Event = Fault | Arrival


def _character(name: str) -> Character:
    info, provider = VoterInfo(name, name, name), f"cloud {name}" if name in "abc" else "cloud"
    return Character(info, provider, 0.7, 0.2, 0.01, _PRICE, 6.0)


SITE = SiteSettings(
    characters=tuple(map(_character, _VOTERS)),
    layers=(
        layer("primary", ("a", "b", "c"), quorum=0.6, min_n_eff=1.3, time_share=0.4),
        layer("backup", ("d", "e", "f"), quorum=0.6, min_n_eff=1.3, time_share=0.3),
        layer("emergency", ("g", "h"), quorum=0.5, min_n_eff=1.0, time_share=0.3),
    ),
    consensus=ConsensusConfig(default_max_tokens=64, record_grace_ms=500, max_substitutes=1),
    breakers=BreakerConfig.model_validate({
        "minimum_calls": 2, "window_calls": 4, "failure_rate": 0.5, "open_s": 3, "half_open_permits": 2, "half_open_max_s": 20,
        "patience_s": 1.0, "slow_call_s": 4, "slow_call_rate": 0.9, "retries": {"within_s": 2.0},
        "hedge": {"min_samples": 4, "window": 16}, "outliers": {"base_s": 2, "max_s": 8},
    }),
    policy=PolicyConfig(on_stale="halt", policy_max_stale_s=5),
    replicas=2, spend_per_day_usd=0.16,
)  # fmt: skip

LOADED_EVERY = 4
LOADED = replace(
    SITE,
    layers=(
        layer("primary", ("a", "b", "c", "d", "e"), quorum=0.6, min_n_eff=1.3, time_share=0.6),
        layer("backup", ("f", "g", "h"), quorum=0.6, min_n_eff=1.3, time_share=0.4),
    ),
    consensus=ConsensusConfig(default_max_tokens=64, record_grace_ms=500, max_substitutes=1, max_concurrent=8),
    spend_per_day_usd=0.6, begins_s=35.0,
    admission=AdmissionConfig.model_validate({
        "tiers": {
            1: {"requests_per_minute": 12}, 2: {"tokens_per_minute": 20_000},
            3: {"requests_per_minute": 60, "tokens_per_minute": 100_000, "priority": "batch"},
        },
        "line": {"max_waiting": 6, "batch_max_wait_ms": 2000}, "shedding": {"look_ms": 50, "min_limit": 2},
        "brownout": {"window_s": 1.0}, "concurrency": {"min_limit": 2, "queue_size": 1, "smoothing": 0.5},
    }),
    breakers=SITE.breakers.model_copy(update={"bulkhead": BulkheadConfig(max_calls=6)}),
)  # fmt: skip
"""Its panel is large enough to be cut, a voter holds less than a replica takes, and a minute turns 25 s after it begins."""
MOST_OF_LOAD = 5
_OF_LOAD: tuple[Kind, ...] = ("burst", "burst", "burst", "late", "leases_away", "leases_slow", "killed")

REPEATED_EVERY = 8
REPEATED = replace(
    SITE, consensus=ConsensusConfig(default_max_tokens=64, record_grace_ms=500, max_substitutes=1, max_concurrent=32),
    spend_per_day_usd=0.6,
    idempotency=IdempotencyConfig(keep_s=604_800, lease_s=3, timeout_s=1, max_waiting=8, max_waiting_by_key=6),
)  # fmt: skip
"""Its clients have keys, its claims lapse within a storm, few may wait, and answers are kept longer than its clocks jump."""
REPEATED_KEYS, KEYED_SHARE, OTHER_SHARE = 7, 0.8, 0.05
"""Idempotency keys, how many requests carry one, and how many of those ask something else under it."""
MOST_OF_REPEATS = 4
_OF_REPEATS: tuple[Kind, ...] = ("halt", "isolate", "invalidate", "invalidate", "table_away", "log_slow", "killed")

SPELL_EVERY, SPELL_LASTS_S = 32, 180.0
SPELL = replace(
    LOADED,
    characters=tuple(replace(one, first_token_s=0.5, per_token_s=0.25, price=None) for one in SITE.characters),
    breakers=LOADED.breakers.model_copy(update={"slow_call_s": 120.0}), spend_per_day_usd=0.0,
)  # fmt: skip
"""Its voters take so long that some requests a second keep them busy, and no breaker minds that they are slow."""
A_SECOND = 2
"""Requests of its steady traffic."""
MOST_SPELLS = 3

CLOCKS_EVERY, CLOCKS_LAST_S = 64, 660.0
MOST_CLOCKS, ASKS_EVERY_S = 2, 8.0
CLOCKS = replace(
    LOADED, spend_per_day_usd=0.0, characters=tuple(replace(one, price=None) for one in SITE.characters),
    admission=AdmissionConfig(
        tiers=LOADED.admission.tiers if LOADED.admission else {}, shedding=SheddingConfig(look_ms=1000),
        quotas=QuotaConfig(look_s=1.0),
    ),
)  # fmt: skip
"""Its replicas look up seldom: nothing is to happen for minutes but time."""

_OF_VOTERS: tuple[Kind, ...] = ("down", "hung", "busy", "failing", "slow", "wrong", "poisoned")
_OF_SITE: tuple[Kind, ...] = ("policy_away", "sandbox_away", "screener_blind", "spend_away", "halt")
_OF_REPLICAS: tuple[Kind, ...] = ("log_away", "log_slow", "killed")
_FORGED: tuple[Kind, ...] = ("loosened", "rolled_back")
FORGED_SHARE = 0.3
"""Of storms in which somebody puts a policy there that is no successor."""
_VALUES: dict[Kind, tuple[float, ...]] = {
    "busy": (0.5, 3.0), "failing": (0.3, 0.7), "slow": (3.0, 10.0), "log_slow": (0.3, 1.6, 3.0),
    "clock_jump": (-3600.0, 60.0, 86_400.0), "burst": (12.0, 30.0), "late": (0.1, 0.4), "leases_slow": (0.3, 3.0),
}  # fmt: skip
_KINDS: tuple[Kind, ...] = (
    *_OF_VOTERS,
    *_OF_SITE,
    *_OF_REPLICAS,
    "log_slow",
    "halt",
    "isolate",
    "isolate",
    "clock_jump",
)


class Found(msgspec.Struct, frozen=True):
    """A schedule that breaks an invariant."""

    seed: int
    breach: Breach
    schedule: tuple[Event, ...]
    """The shortest that breaks the same rule."""
    events: int
    """In the schedule that was drawn."""

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.schedule)} of {self.events} events are enough", *map(str, self.schedule)]
        return "\n  ".join([*lines, str(self.breach)])


def is_loaded(seed: int) -> bool:
    """Tell whether a seed's storm is one of load."""
    return seed % LOADED_EVERY == LOADED_EVERY - 1 and not is_spell(seed) and not is_of_clocks(seed)


def is_of_clocks(seed: int) -> bool:
    """Tell whether a seed's storm is one of clocks that go back."""
    return seed % CLOCKS_EVERY == CLOCKS_EVERY // 2 - 1


def is_spell(seed: int) -> bool:
    """Tell whether a seed's storm is a slow spell."""
    return seed % SPELL_EVERY == SPELL_EVERY // 2 - 1


def is_repeated(seed: int) -> bool:
    """Tell whether a seed's storm is one in which clients ask again."""
    return seed % REPEATED_EVERY == 1


def schedule_of(seed: int) -> list[Event]:
    """Draw a schedule."""
    draws = Draws(("storm", seed))
    if is_spell(seed):
        return _spell(draws)
    if is_of_clocks(seed):
        return _clocks(draws)
    faults: list[Fault] = []
    for number in range(1 + draws.below(MOST_FAULTS, "faults")):
        faults.append(_fault(draws.sub("fault", number), faults))
    for number in range(1 + draws.below(MOST_OF_LOAD, "loads")) if is_loaded(seed) else ():
        faults.append(_load(draws.sub("load", number), faults))
    for number in range(1 + draws.below(MOST_OF_REPEATS, "repeats")) if is_repeated(seed) else ():
        faults.append(_repeat(draws.sub("repeat", number), faults))
    arrivals = [_arrival(draws.sub("arrival", number), number, faults) for number in range(REQUESTS)]
    if draws.unit("forged") < FORGED_SHARE:
        faults.append(_forged(draws.sub("forgery"), faults))
    if is_repeated(seed):
        arrivals = [_under_a_key(draws, one) for one in arrivals]
    if is_loaded(seed):
        arrivals = [msgspec.structs.replace(one, key=draws.choice(KEYS, "key", one.number)) for one in arrivals]
    return sorted([*faults, *arrivals], key=lambda event: event.at_s)


def _near(draws: Draws, faults: Sequence[Fault]) -> float:
    """Return a time, half of the time soon after a fault begins: what breaks things is what comes together."""
    if not faults or draws.unit("alone") < 0.5:
        return round(draws.unit("at") * LASTS_S, 3)
    return round(min(draws.choice(faults, "near").at_s + draws.exponential(SOON_S, "soon"), LASTS_S), 3)


def _fault(draws: Draws, faults: Sequence[Fault]) -> Fault:
    kind = draws.choice(_KINDS, "kind")
    target = ""
    if kind in _OF_VOTERS or kind == "isolate":
        target = draws.choice(_VOTERS, "voter")
    elif kind in _OF_REPLICAS:
        number = draws.below(SITE.replicas, "replica")
        target = f"{number}" if kind == "killed" else f"replica {number}"
    lasts_s = 0.0 if kind == "clock_jump" else round(0.2 + draws.exponential(6.0, "lasts"), 3)
    value = draws.choice(_VALUES[kind], "value") if kind in _VALUES else 0.0
    return Fault(_near(draws, faults), kind, target, lasts_s, value)


def _forged(draws: Draws, faults: Sequence[Fault]) -> Fault:
    """Draw a policy that nobody may believe; it comes last, for whoever does not believe it goes on as without."""
    return Fault(_near(draws, faults), draws.choice(_FORGED, "kind"), "", round(1.0 + 3.0 * draws.unit("lasts"), 3))


def _load(draws: Draws, faults: Sequence[Fault]) -> Fault:
    """Draw what makes it too much: more than replicas take, or less that they take, or share."""
    kind = draws.choice(_OF_LOAD, "kind")
    target = draws.choice(KEYS, "key") if kind == "burst" else ""
    if kind in ("late", "killed"):
        number = draws.below(SITE.replicas, "replica")
        target = f"{number}" if kind == "killed" else f"replica {number}"
    lasts_s = 4.0 * draws.unit("lasts") if kind == "burst" else 0.2 + draws.exponential(4.0, "lasts")
    return Fault(
        _near(draws, faults), kind, target, round(lasts_s, 3), draws.choice(_VALUES.get(kind, (0.0,)), "value")
    )


def _repeat(draws: Draws, faults: Sequence[Fault]) -> Fault:
    """Draw what may forbid an answer that was given, or come between it and whoever asks again."""
    kind = draws.choice(_OF_REPEATS, "kind")
    target = draws.choice(_VOTERS[:3], "voter") if kind in ("isolate", "invalidate") else ""
    if kind in _OF_REPLICAS:
        number = draws.below(SITE.replicas, "replica")
        target = f"{number}" if kind == "killed" else f"replica {number}"
    lasts_s = 0.0 if kind == "invalidate" else round(0.2 + draws.exponential(4.0, "lasts"), 3)
    return Fault(_near(draws, faults), kind, target, lasts_s, draws.choice(_VALUES.get(kind, (0.0,)), "value"))


def _under_a_key(draws: Draws, arrival: Arrival) -> Arrival:
    """Return a request as one of those that are asked under a key: the same each time, or now and then another."""
    own = draws.sub("again", arrival.number)
    if own.unit("keyed") >= KEYED_SHARE:
        return arrival
    key = own.below(REPEATED_KEYS, "key")
    same = draws.sub("under", key)
    question = same.below(len(QUESTIONS), "question")
    if own.unit("other") < OTHER_SHARE:
        question = (question + 1) % len(QUESTIONS)
    return msgspec.structs.replace(
        arrival, question=question, policy="evidence" if same.unit("policy") < 0.4 else "strict",
        deadline_ms=same.choice((3000, 8000), "deadline"), idempotency=f"k{key}",
    )  # fmt: skip


def _spell(draws: Draws) -> list[Event]:
    """Draw steady traffic and what makes it slow for a while."""
    events: list[Event] = [Fault(1.0, "traffic", KEYS[0], SPELL_LASTS_S - 1.0, A_SECOND * (SPELL_LASTS_S - 1.0))]
    for number in range(1 + draws.below(MOST_SPELLS, "spells")):
        own = draws.sub("spell", number)
        target = own.choice((*LOADED.layers[0].members, ""), "voter")
        at_s, lasts_s = 15.0 + 15.0 * own.unit("at"), 2.0 + 8.0 * own.unit("lasts")
        events.append(Fault(round(at_s, 3), "slow", target, round(lasts_s, 3), own.choice(_VALUES["slow"], "value")))
    if draws.unit("late") < 0.3:
        events.append(Fault(round(60.0 * draws.unit("at"), 3), "late", "replica 0", 2.0, 0.4))
    return sorted(events, key=lambda event: event.at_s)


def _clocks(draws: Draws) -> list[Event]:
    """Draw steady traffic of a key with a limit, and a clock that is ahead, goes back, or goes to and fro."""
    lasts_s = CLOCKS_LAST_S - 1.0
    events: list[Event] = [Fault(1.0, "traffic", "limited", lasts_s, lasts_s // ASKS_EVERY_S)]
    for number in range(1 + draws.below(MOST_CLOCKS, "clocks")):
        own = draws.sub("clock", number)
        at_s, ahead_s = 20.0 + 60.0 * own.unit("at"), own.choice((90.0, 3600.0, 18_000.0), "ahead")
        back_s = at_s + own.choice((0.5, 30.0, 100.0), "back")
        events += [Fault(at_s, "clock_jump", "", 0.0, ahead_s), Fault(back_s, "clock_jump", "", 0.0, -ahead_s)]
        if own.unit("killed") < 0.5:
            events.append(Fault(back_s + 20.0 * own.unit("after"), "killed", str(own.below(2, "replica")), 1.0))
    return sorted(
        (msgspec.structs.replace(event, at_s=round(event.at_s, 3)) for event in events), key=lambda one: one.at_s
    )


def _arrival(draws: Draws, number: int, faults: Sequence[Fault]) -> Arrival:
    leaves_s = round(0.1 + draws.exponential(1.0, "leaves"), 3) if draws.unit("stays") < 0.15 else 0.0
    return Arrival(
        at_s=_near(draws, faults), number=number, question=draws.below(len(QUESTIONS), "question"),
        policy="evidence" if draws.unit("policy") < 0.4 else "strict", deadline_ms=draws.choice((3000, 8000), "deadline"),
        prompt_tokens=100, answer_tokens=10 + draws.below(50, "tokens"), leaves_after_s=leaves_s,
    )  # fmt: skip


def play(seed: int, schedule: Sequence[Event]) -> World:
    """Play a schedule; return the world at rest."""
    with TemporaryDirectory(prefix="storm-") as folder:
        world = World(_site_of(seed), ("storm", seed), Path(folder) / "spend")
        faults = [event for event in schedule if isinstance(event, Fault)]
        world.play(faults, [event for event in schedule if isinstance(event, Arrival)], _lasts_s(seed))
        return world


def _site_of(seed: int) -> SiteSettings:
    if is_spell(seed):
        return SPELL
    if is_of_clocks(seed):
        return CLOCKS
    if is_repeated(seed):
        return REPEATED
    return LOADED if is_loaded(seed) else SITE


def _lasts_s(seed: int) -> float:
    if is_of_clocks(seed):
        return CLOCKS_LAST_S
    return SPELL_LASTS_S if is_spell(seed) else LASTS_S


def shrunk(seed: int, schedule: Sequence[Event], breach: Breach) -> Found:
    """Return the shortest schedule that breaks the same rule, with its breach."""

    def fails(events: Sequence[Event]) -> bool:
        return any(found.rule == breach.rule for found in play(seed, events).judge.breaches)

    left = shortest(schedule, fails, MOST_RUNS)
    last = next(found for found in play(seed, left).judge.breaches if found.rule == breach.rule)
    return Found(seed, last, tuple(left), len(schedule))
