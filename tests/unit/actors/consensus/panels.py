"""Random panels and what their voters do, played to the end in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.digests import sha256_hex
from actors.consensus.behaviour.compare import Comparison
from actors.consensus.deliberation import begin, recount, step
from actors.consensus.independence import Pair
from actors.consensus.reading.examples import Example
from actors.consensus.screening.findings import Screening
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import (
    Answered,
    Command,
    Compare,
    Compared,
    DeadlinePassed,
    Event,
    Failed,
    Plan,
    PolicyChanged,
    Screen,
    Screened,
    Seat,
    Slow,
    State,
    TimedOut,
)
from tests.unit.actors.consensus.world import candidate, comparison, plan, screened

DEADLINE_MS = 1_000
FAILS, TIMES_OUT, LATE, HANGS = "<fails>", "<times out>", "<late>", "<hangs>"
CODES = [
    *(f"def f(x):\n    return x + {n}" for n in (1, 2, 3)),
    "def f(x):\n    return 1 + x",
    "def f(x):\n    return x + 1  # same",
    "def f(x):\n    return sum((x, 1))",
    "def f(x):\n    return max((x + 1,))",
]
"""The last four do what the first does: the second of them in its form too, the others with a part of their own each."""
ALIKE = (CODES[0], *CODES[3:])
SCREENINGS = [
    screened(),
    screened(),
    screened("flag"),
    screened("reject"),
    screened("pass", "network"),
    screened("pass", "file"),
]
VALUES = ["Paris", "It is Paris.", "London", "Rome"]
WEIGHTS = [100_000, 300_000, 500_000, 900_000]
RULES = st.builds(
    Rule, st.sampled_from([300_000, 510_000, 600_000, 1_000_000]), st.sampled_from([2, 3]),
    st.sampled_from([1_000_000, 1_300_000, 1_600_000]), st.sampled_from([0, 500_000]), st.sampled_from([0, 0, 200_000, 400_000]),
    st.dictionaries(st.sampled_from([("L", "M"), ("L", "O"), ("M", "N")]), st.sampled_from([100_000, 900_000])).map(
        lambda known: tuple(Pair(a, b, rho) for (a, b), rho in sorted(known.items()))
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Script:
    """A panel and what each voter on it or beside it will do when asked."""

    plan: Plan
    does: Mapping[str, str]
    screenings: Mapping[str, Screening] = field(default_factory=dict)
    """What screening says of a code, unless nothing."""
    passes: Mapping[str, int] = field(default_factory=dict)
    """How many of the prompt's examples a code passes, unless all."""
    runs: bool = True
    """Whether the sandbox answers: else comparing never ends."""
    breaks: bool = False
    """Whether the sandbox answers that it ran nothing."""
    unseen: frozenset[str] = frozenset()
    """Codes that screening never comes to."""
    slow: frozenset[str] = frozenset()
    """Voters that take so long that another is asked beside them, whatever comes of them then."""

    @property
    def voters(self) -> list[str]:
        """Return everybody, seated or standing by."""
        return [seat.voter for seat in (*self.plan.seats, *self.plan.spares)]


@st.composite
def scripts(draw: st.DrawFn, *, spares: int = 2, isolation: bool = True, answers: Sequence[str] = VALUES) -> Script:
    """Small panels with shared lineages, failures, late answers, spares and isolated seats."""
    seats = draw(st.integers(2, 4))
    standing_by = draw(st.integers(0, spares))
    everyone = [
        Seat(f"v{n}", f"f{n}", draw(st.sampled_from("LMNO")), draw(st.sampled_from(WEIGHTS)))
        for n in range(seats + standing_by)
    ]
    kind = draw(st.sampled_from(["value", "text", "json", "code:python", "code:python"]))
    contents = {"json": ['{"a": 1}', '{ "a" : 1 }', "[2]"], "code:python": CODES}.get(kind, list(answers))
    does = {
        seat.voter: draw(st.sampled_from([*contents, *contents, FAILS, TIMES_OUT, LATE, HANGS])) for seat in everyone
    }
    named = [seat.voter for seat in everyone[:seats]]
    isolated = draw(st.frozensets(st.sampled_from(named), max_size=2)) if isolation else frozenset()
    made = plan(
        everyone[:seats],
        spares=tuple(everyone[seats:]),
        isolated=isolated,
        max_substitutes=draw(st.integers(0, 2)),
        rule=draw(RULES),
        kind=kind,
        policy=draw(st.sampled_from(["strict", "evidence"])),
        deadline_ms=DEADLINE_MS,
        hear_everyone=draw(st.booleans()),
        compare_ms=draw(st.sampled_from([0, 100])) if kind == "code:python" else 0,
        examples=(Example("f(1)", "2"),) * draw(st.sampled_from([0, 1, 2])) if kind == "code:python" else (),
        schema=draw(st.sampled_from(["", '{"type":"object"}'])) if kind == "json" else "",
        asked_sinks=draw(st.sampled_from([frozenset(), frozenset({"file"})])),
    )
    screenings = {code: draw(st.sampled_from(SCREENINGS)) for code in CODES}
    passes = {code: draw(st.sampled_from([0, 2, 2])) for code in CODES}
    runs, breaks = draw(st.sampled_from([(True, False), (True, False), (True, True), (False, False)]))
    slow = draw(st.frozensets(st.sampled_from([seat.voter for seat in everyone]), max_size=2))
    return Script(made, does, screenings, passes, runs, breaks, slow)


def event_of(ask_id: int, does: str) -> Event | None:
    """Return what becomes of an ask before the deadline, if anything does."""
    match does:
        case "<fails>":
            return Failed(ask_id, "failed", "x", 5)
        case "<times out>":
            return TimedOut(ask_id, 6)
        case "<refuses>":
            return Failed(ask_id, "refused", "declined", 5)
        case "<late>":
            return Answered(ask_id, candidate("Paris"), DEADLINE_MS + 1)
        case "<hangs>":
            return None
        case _:
            return Answered(ask_id, candidate(does), 7)


def play(
    script: Script, order: Sequence[str], change: tuple[int, PolicyChanged] | None = None, earlier: tuple[State, ...] = ()
) -> State:  # fmt: skip
    """Feed every voter's deed in the given order, asks of substitutes included; then what comes late, then the deadline.

    ``change`` is a policy change that comes before the given turn; ``earlier`` are layers that were tried before.
    """
    state = acted(script, *begin(script.plan, earlier))
    for voter in script.voters:
        asked = next((b for b in state.ballots if b.seat.voter == voter and b.state == "outstanding"), None)
        state = advance(script, state, Slow(asked.ask_id)) if asked and voter in script.slow else state
    for turn, voter in enumerate([*order] * (len(order) + 1)):
        if change is not None and change[0] == turn:
            state = advance(script, state, change[1])
        if script.does[voter] != LATE:
            state = _answer(script, state, voter)
    for voter in order:
        state = _answer(script, state, voter)
    state = advance(script, state, DeadlinePassed(DEADLINE_MS))
    return advance(script, state, DeadlinePassed(DEADLINE_MS + 100))


def _answer(script: Script, state: State, voter: str) -> State:
    asked = next((b for b in state.ballots if b.seat.voter == voter and b.state == "outstanding"), None)
    event = event_of(asked.ask_id, script.does[voter]) if asked else None
    return advance(script, state, event) if event else state


def advance(script: Script, state: State, event: Event) -> State:
    """Take an event in, and whatever screening and comparing bring after it."""
    return acted(script, *step(state, event))


def acted(script: Script, state: State, commands: Sequence[Command]) -> State:
    """Take in what screening and comparing bring."""
    for command in commands:
        if isinstance(command, Screen) and command.code not in script.unseen:
            state = advance(script, state, Screened(command.ask_id, script.screenings.get(command.code, screened())))
        if isinstance(command, Compare) and script.runs:
            found = None if script.breaks else behaviour(script, command.candidates)
            state = advance(script, state, Compared(found))
    return state


def behaviour(script: Script, candidates: Mapping[int, str]) -> Comparison:
    """Return what running the codes shows: those that add one do the same."""
    total = len(script.plan.examples)
    return comparison(
        {ask_id: sha256_hex(("same" if code in ALIKE else code).encode()) for ask_id, code in candidates.items()},
        {ask_id: min(total, script.passes.get(code, total)) for ask_id, code in candidates.items()},
        total,
    )


def verdict(state: State) -> tuple[str, str | None]:
    """Return how it ended, and what the winning group said."""
    assert state.conclusion is not None
    winner, groups = state.conclusion.tally.winner, state.conclusion.groups
    said = [b.reading.form for b in state.ballots if winner and b.reading and groups[b.ask_id] == winner.group]
    return state.conclusion.outcome, min(said, default=None)


def recounted(state: State, isolated: frozenset[str], *, halted: bool = False) -> State:
    """Count again with more voters isolated."""
    return recount(state, replace(state.plan, isolated=state.plan.isolated | isolated), halted=halted)
