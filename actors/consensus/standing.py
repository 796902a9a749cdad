"""What the ballots of a deliberation come to at a moment: which answers are one group, and how they count. Pure.

Rules:
- What is open counts as nothing yet and may become anything; what screening put out or policy isolates is dissent.

Left out: what follows from it (``deliberation``), and the counting itself (``counting``).
"""

from actors.consensus.counting import DISSENT, Cast, Counted, count
from actors.consensus.grouping import Answer, group_answers
from actors.consensus.tally import NO_GROUP, Tally, Vote, could_agree, tally
from actors.consensus.vocabulary import OPEN, Ballot, State


def form_of(ballot: Ballot) -> str:
    """Return the digest of a readable answer's normal form; empty for any other ballot."""
    return ballot.reading.sha256 if ballot.reading else ""


def groups_of(state: State) -> dict[int, int]:
    """Return ask_id → group of every readable answer."""
    readable = [(b, b.reading) for b in state.ballots if b.state == "readable" and b.reading is not None]
    if len(readable) == 1:
        return {readable[0][0].ask_id: 0}
    vectors = state.comparison.vector_sha256 if state.comparison else {}
    answers = [
        Answer(b.ask_id, read.form, read.sha256, read.method, b.seat.weight_micro, vectors.get(b.ask_id, ""))
        for b, read in readable
    ]
    return group_answers(answers, state.plan.similarity_micro)


def casts_of(state: State, groups: dict[int, int]) -> list[Cast]:
    """Return every ballot as it counts, in the order of the ballots."""
    seats, passed = len(state.plan.seats), state.comparison.examples_passed if state.comparison else {}
    return [
        Cast(
            Vote(
                b.seat.lineage, b.seat.weight_micro, groups.get(b.ask_id, NO_GROUP), b.state in OPEN,
                b.outcome in DISSENT, b.ask_id >= seats,
            ),
            passed.get(b.ask_id, 0),
        )
        for b in state.ballots
    ]  # fmt: skip


def spare_votes(state: State) -> list[Vote]:
    """Return the votes of those who may yet be asked in somebody's place."""
    left = state.plan.max_substitutes - state.substituted
    return [
        Vote(seat.lineage, seat.weight_micro, NO_GROUP, outstanding=True, substitute=True)
        for seat in state.spares[: max(left, 0)]
    ]


def counted_in(state: State, groups: dict[int, int]) -> Counted:
    """Return how the ballots count under the plan's policy."""
    return count(casts_of(state, groups), state.plan.rule, state.plan.policy, examples_run(state))


def forms_alone(state: State, groups: dict[int, int]) -> Tally:
    """Return how the forms alone stand."""
    return tally([cast.vote for cast in casts_of(state, groups)], state.plan.rule)


def examples_run(state: State) -> int:
    """Return how many of the prompt's examples the candidates were held to; 0 if nothing was run."""
    return state.comparison.examples_total if state.comparison else 0


def is_hopeless(state: State) -> bool:
    """Tell whether nobody could win whatever everybody on the panel and standing by answers: then nobody is asked."""
    if state.plan.policy != "strict":
        return False
    everyone = [cast.vote for cast in casts_of(state, {})] + spare_votes(state)
    return not could_agree(everyone, state.plan.rule)


def ballots_told(state: State) -> list[tuple[State, Ballot]]:
    """Return each ask of a request once, with the last layer that it counted in, layer by layer."""
    told = [(state, ballot) for ballot in state.ballots]
    layers = (*state.earlier, state)
    for place in reversed(range(len(state.earlier))):
        carried = {b.seat.voter for later in layers[place + 1 :] for b in later.ballots if b.carried}
        told = [(layers[place], b) for b in layers[place].ballots if b.seat.voter not in carried] + told
    return told
