"""Selection by consensus: a task's candidates before the very deliberation that the gateway runs, in the same sandbox.

Rules:
- Every candidate is a ballot of its voter's lineage. Samples of one voter are one lineage, which counts once, divided over the
  groups its samples fall into.
- What is served is what ``choosing`` serves under the policy. Ranked first is the served candidate, else the best standing.
- Candidates are ranked by whether their group passed all examples of the prompt (a single example may rank; serving by examples
  takes two, as ever), by its lineages, and then by how much they do as others do: with each lineage as its candidates do on
  average, times its weight. Where nothing was run, that is its share in their group.
- The seed of a task's inputs and ties follows from the evaluation's seed and the task.

Left out: where weights come from, and how many candidates a voter gives (``budget``).
"""

from collections.abc import Mapping, Sequence

from actors.base.canonical import MICRO
from actors.base.digests import sha256_hex
from actors.base.errors import NotReady
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin, step
from actors.consensus.pieces import joined
from actors.consensus.ports import CodeScreener, Comparer
from actors.consensus.readable import looked_at
from actors.consensus.reading.context import context_of, in_context
from actors.consensus.reading.examples import entry_point_of, examples_of
from actors.consensus.screening.difference import asked_sinks
from actors.consensus.standing import examples_run
from actors.consensus.tally import LEAST_LINEAGES, Rule
from actors.consensus.vocabulary import (
    RUNNABLE,
    Answered,
    Ballot,
    Command,
    Compare,
    Compared,
    Event,
    Plan,
    Screen,
    Screened,
    Seat,
    State,
)
from actors.policy.snapshot import PolicyName
from cluster.config import QUORUM
from cluster.evals.closeness import Closeness
from cluster.evals.selection import Candidate, Ranking
from cluster.evals.tasks import Task, question_of
from models.voter import Candidate as Answer

QUORUM_MICRO = round(QUORUM * MICRO)
RHO_MICRO = 500_000
EVEN_MICRO = MICRO // 2
"""Weight of a voter of which nothing is learned."""
COMPARE_S = 60.0
"""Time of one comparison: an evaluation has more of it than a request."""
MAX_ANSWER_BYTES = 262_144
_SURE_BY_EXAMPLES = 10


def plan_of(task: Task, candidates: Sequence[Candidate], policy: PolicyName, weights: Mapping[str, int]) -> Plan:
    """Return the plan of a task: every candidate has a seat, and everybody is heard; ``weights`` are in millionths."""
    question = question_of(task)
    entry_point = entry_point_of(question)
    seats = tuple(Seat(f"{c.voter}#{c.id}", c.voter, c.lineage, weights.get(c.voter, EVEN_MICRO)) for c in candidates)
    return Plan(
        policy=policy, kind=RUNNABLE, question=question, layer="evaluation", seats=seats, spares=(), isolated=frozenset(),
        max_substitutes=0, rule=Rule(QUORUM_MICRO, LEAST_LINEAGES, MICRO, RHO_MICRO), similarity_micro=MICRO,
        max_answer_bytes=MAX_ANSWER_BYTES, deadline_ms=1, hear_everyone=True, examples=examples_of(question),
        entry_point=entry_point, context=context_of(question, entry_point), compare_ms=1,
        asked_sinks=asked_sinks(question),
    )  # fmt: skip


async def deliberate(
    task: Task,
    candidates: Sequence[Candidate],
    policy: PolicyName,
    weights: Mapping[str, int],
    screener: CodeScreener,
    comparer: Comparer,
    salt: str,
) -> State:
    """Let a task's candidates be screened, compared and counted; return the ended deliberation.

    Raises ``NotReady`` where the sandbox runs nothing: figures of what was not compared would be wrong without a word.
    """
    plan = plan_of(task, candidates, policy, weights)
    state, commands = begin(plan)
    answers = [Answer(c.content, "stop", prompt_tokens=0, completion_tokens=0) for c in candidates]
    pending: list[Event] = [Answered(place, answer, 0) for place, answer in enumerate(answers)]
    while pending:
        state, commands = step(state, pending.pop(0))
        for command in commands:
            pending += await _effect(command, plan, screener, comparer, salt)
    return state


async def _effect(
    command: Command, plan: Plan, screener: CodeScreener, comparer: Comparer, salt: str
) -> Sequence[Event]:
    if isinstance(command, Screen):
        pieces = looked_at(command.code, command.language, command.beside)
        screenings = [await screener.screen(piece.code, piece.language) for piece in pieces]
        return [Screened(command.ask_id, joined(pieces, screenings))]
    if isinstance(command, Compare):
        asked = Asked(plan.entry_point, plan.examples)
        sources = {ask_id: in_context(plan.context, code) for ask_id, code in command.candidates.items()}
        found = await comparer.compare(asked, sources, int(salt[:16], 16), COMPARE_S)
        if isinstance(found, NotCompared) and found.reason == "sandbox":
            why = comparer.why_not() or "it is overloaded"
            raise NotReady(f"the sandbox ran nothing, so nothing is chosen: {why}")
        return [Compared(found if isinstance(found, Comparison) else None)]
    return []


def ranking(state: State, candidates: Sequence[Candidate], salt: str, closeness: Closeness) -> Ranking:
    """Rank the candidates of an ended deliberation."""
    served = choose_served(state, salt)
    standing = {ballot.ask_id: _standing(state, ballot, closeness) for ballot in state.ballots}
    ordered = sorted(
        state.ballots, key=lambda ballot: (ballot is not served, *standing[ballot.ask_id], _tie(salt, ballot))
    )
    _, proven, _, close = standing[ordered[0].ask_id]
    weights = {ballot.seat.lineage: ballot.seat.weight_micro for ballot in state.ballots}
    return Ranking(
        tuple(candidates[ballot.ask_id].id for ballot in ordered),
        confidence=-close / sum(weights.values()) + _SURE_BY_EXAMPLES * -proven,
        served=served is not None,
    )


def _standing(state: State, ballot: Ballot, closeness: Closeness) -> tuple[bool, int, int, int]:
    """Return where a ballot stands, least first: out, examples passed by its whole group, lineages, closeness to all."""
    groups = state.conclusion.groups if state.conclusion else {}
    if ballot.ask_id not in groups:
        return (True, 0, 0, 0)
    members = [other for other in state.ballots if groups.get(other.ask_id) == groups[ballot.ask_id]]
    run = examples_run(state)
    passes = state.comparison.examples_passed if state.comparison else {}
    proven = min(run, 2) if all(passes.get(member.ask_id, 0) == run for member in members) else 0
    lineages = {other.seat.lineage for other in state.ballots}
    close = sum(_close_to_lineage(state, groups, ballot, lineage, closeness) for lineage in lineages)
    return (False, -proven, -len({member.seat.lineage for member in members}), -close)


def _close_to_lineage(
    state: State, groups: Mapping[int, int], ballot: Ballot, lineage: str, closeness: Closeness
) -> int:
    """Return a lineage's weight as far as its candidates do what a ballot does; those that are out do nothing."""
    own = [other for other in state.ballots if other.seat.lineage == lineage and other.ask_id in groups]
    if not own:
        return 0
    alike = (
        MICRO
        if groups[other.ask_id] == groups[ballot.ask_id]
        else closeness.get((min(other.ask_id, ballot.ask_id), max(other.ask_id, ballot.ask_id)), 0)
        for other in own
    )
    return max(other.seat.weight_micro for other in own) * sum(alike) // (len(own) * MICRO)


def _tie(salt: str, ballot: Ballot) -> str:
    return sha256_hex(f"{salt}{ballot.candidate_sha256}".encode())
