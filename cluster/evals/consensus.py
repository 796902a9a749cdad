"""Selection by consensus: a task's candidates before the very deliberation that the gateway runs, in the same sandbox.

Rules:
- Every candidate is a ballot of its voter's lineage. Samples of one voter are one lineage, which counts once, divided over the
  groups its samples fall into.
- What is served is what ``choosing`` serves under the policy. Ranked first is the served candidate, else the best group's.
- Groups are ranked by whether all examples of the prompt were passed, then by lineages, support (by weight) and size. A single
  example may rank; serving by examples takes two, as ever.
- The seed of a task's inputs and ties follows from the evaluation's seed and the task.

Left out: where weights come from, and how many candidates a voter gives (``budget``).
"""

from collections.abc import Mapping, Sequence

from actors.base.canonical import MICRO
from actors.base.digests import sha256_hex
from actors.consensus.behaviour.compare import Asked, Comparison
from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin, examples_run, step
from actors.consensus.ports import CodeScreener, Comparer
from actors.consensus.reading.context import context_of, in_context
from actors.consensus.reading.examples import entry_point_of, examples_of
from actors.consensus.screening.difference import asked_sinks
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
from cluster.evals.selection import Candidate, Ranking
from cluster.evals.tasks import Task, question_of
from models.voter import Candidate as Answer

QUORUM_MICRO = 600_000
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
    """Let a task's candidates be screened, compared and counted; return the ended deliberation."""
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
        return [Screened(command.ask_id, await screener.screen(command.code, command.language))]
    if isinstance(command, Compare):
        asked = Asked(plan.entry_point, plan.examples)
        sources = {ask_id: in_context(plan.context, code) for ask_id, code in command.candidates.items()}
        found = await comparer.compare(asked, sources, int(salt[:16], 16), COMPARE_S)
        return [Compared(found if isinstance(found, Comparison) else None)]
    return []


def ranking(state: State, candidates: Sequence[Candidate], salt: str) -> Ranking:
    """Rank the candidates of an ended deliberation."""
    served = choose_served(state, salt)
    ordered = sorted(
        state.ballots, key=lambda ballot: (ballot is not served, *_standing(state, ballot), _tie(salt, ballot))
    )
    first = _standing(state, ordered[0])
    share = -first[-1] / len(state.ballots)
    return Ranking(
        tuple(candidates[ballot.ask_id].id for ballot in ordered),
        confidence=share + _SURE_BY_EXAMPLES * -first[1],
        served=served is not None,
    )


def _standing(state: State, ballot: Ballot) -> tuple[bool, int, int, int, int]:
    """Return where a ballot stands, least first: out, examples passed by its whole group, lineages, support, size."""
    groups = state.conclusion.groups if state.conclusion else {}
    if ballot.ask_id not in groups:
        return (True, 0, 0, 0, 0)
    group = groups[ballot.ask_id]
    members = [other for other in state.ballots if groups.get(other.ask_id) == group]
    run = examples_run(state)
    passes = state.comparison.examples_passed if state.comparison else {}
    proven = min(run, 2) if all(passes.get(member.ask_id, 0) == run for member in members) else 0
    lineages = {member.seat.lineage for member in members}
    support = sum(_support_of_lineage(state, groups, lineage, group) for lineage in lineages)
    return (False, -proven, -len(lineages), -support, -len(members))


def _support_of_lineage(state: State, groups: Mapping[int, int], lineage: str, group: int) -> int:
    """Return a lineage's weight as far as its candidates stand in a group, in millionths; those that are out stand nowhere."""
    own = [ballot for ballot in state.ballots if ballot.seat.lineage == lineage and ballot.ask_id in groups]
    inside = sum(groups[ballot.ask_id] == group for ballot in own)
    return max(ballot.seat.weight_micro for ballot in own) * inside // len(own)


def _tie(salt: str, ballot: Ballot) -> str:
    return sha256_hex(f"{salt}{ballot.candidate_sha256}".encode())
