"""Requests for code through the coordinator: what screening and the sandbox say decides what leaves."""

from collections.abc import Callable, Mapping

import pytest

from actors.base.errors import (
    DeadlineExceeded,
    GenerationHalted,
    NoConsensus,
    NotReady,
    ScreenedOut,
    VoterUnavailable,
    WeaverGenError,
)
from actors.consensus.behaviour.compare import Comparison, NotCompared
from actors.consensus.causes import SANDBOX_CAUSE
from actors.consensus.verification import verify_envelope
from serve_apps.gateway.problems import status_of
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, comparison, hangs, request, says, screened, voter

MakeWorld = Callable[..., World]
ONE, TWO = ("def f(x):\n    return x + 1", "def f(x):\n    y = 1\n    return x + y")
PLAIN = "Write a Python function f(x) that adds one."
QUESTION = "Write a Python function f(x) that adds one.\n\n>>> f(1)\n2\n>>> f(2)\n3\n"


def same(passed: int = 2) -> Callable[[Mapping[int, str]], Comparison]:
    """Let every candidate do the same and pass so many of two examples."""

    def behaves(candidates: Mapping[int, str]) -> Comparison:
        digests = dict.fromkeys(candidates, "d" * 64)
        return comparison(digests, dict.fromkeys(candidates, passed), 2)

    return behaves


async def test_code_that_does_the_same_is_served_and_its_record_verifies(make_world: MakeWorld) -> None:
    """Two forms, one behaviour: the record says so and replays to it."""
    world = make_world(voter("a", says(ONE)), voter("b", says(TWO)))
    world.comparer.behaves = same()
    decision = await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    told = decision.summary()
    assert told["agreement"]["method"] == "behaviour"
    assert told["agreement"]["examples"] == {"found": 2, "run": 2, "passed": 2}
    assert told["screening"] == {"verdict": "pass", "version": "rules-1", "findings": []}
    record = verify_envelope(decision.committed.data, world.trust, NOW_S).record
    assert (record.method, record.examples, record.screening_version) == ("behaviour", 2, "rules-1")


async def test_candidates_run_behind_what_the_prompt_gives(make_world: MakeWorld) -> None:
    """An answer without the prompt's imports is run with them: it completes that text."""
    world = make_world(voter("a", says(ONE)), voter("b", says(TWO)))
    ran: list[str] = []

    def behaves(candidates: Mapping[int, str]) -> Comparison:
        ran.extend(candidates.values())
        return same()(candidates)

    world.comparer.behaves = behaves
    question = 'import math\n\ndef f(x):\n    """Add one.\n\n    >>> f(1)\n    2\n    >>> f(2)\n    3\n    """\n'
    decision = await world.coordinator.generate(request(question, answer_kind="code"), CALLER)
    assert ran == [f"import math\n{ONE}", f"import math\n{TWO}"]
    assert decision.candidate.content in (ONE, TWO)


async def test_inputs_are_drawn_after_the_last_answer(make_world: MakeWorld) -> None:
    """The seed of the inputs is the recorded salt's: whoever has the record can draw the same ones."""
    world = make_world(voter("a", says(ONE)), voter("b", says(TWO)))
    world.comparer.behaves = same()
    decision = await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    assert world.comparer.seeds == [int(decision.committed.record.tie_salt[:16], 16)]


async def test_agreed_code_that_fails_the_prompts_examples_does_not_leave(make_world: MakeWorld) -> None:
    """All voters make the same mistake: a refusal, recorded."""
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)))
    world.comparer.behaves = same(passed=1)
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    assert [c.record.result for c in world.log.committed] == ["no_consensus"]


@pytest.mark.parametrize("said", [screened("reject"), RuntimeError("the scanner is broken")])
async def test_rejected_or_unscanned_code_does_not_leave(make_world: MakeWorld, said: object) -> None:
    """A scanner that raises counts as one that rejects; the client is told what was found, not what was written."""
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)))
    world.screener.says[ONE] = said  # type: ignore[assignment]
    with pytest.raises(ScreenedOut) as refused:
        await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    assert "reject" in [vote.get("screening") for vote in refused.value.details["votes"]]
    assert [c.record.result for c in world.log.committed] == ["screened_out"]


@pytest.mark.parametrize("error", [None, RuntimeError("a defect")])
@pytest.mark.parametrize(("question", "other", "refusal"), [(PLAIN, TWO, NoConsensus), (QUESTION, ONE, NotReady)])
async def test_a_comparison_that_fails_proves_nothing(
    make_world: MakeWorld, question: str, other: str, refusal: type[WeaverGenError], error: Exception | None
) -> None:
    """Different forms are then no agreement, and equal ones none where the prompt's examples were to be run."""
    world = make_world(voter("a", says(ONE)), voter("b", says(other)))

    def breaks(candidates: Mapping[int, str]) -> NotCompared:
        if error is not None:
            raise error
        return NotCompared("sandbox")

    world.comparer.behaves = breaks
    with pytest.raises(refusal):
        await world.coordinator.generate(request(question, answer_kind="code"), CALLER)
    assert len(world.comparer.seeds) == 1
    assert verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record.answer_sha256 == ""


async def test_a_broken_sandbox_is_named(make_world: MakeWorld) -> None:
    """It is neither the voters' silence nor the caller's deadline: the error, the record and the layer say what broke."""
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)))
    world.comparer.behaves = lambda _: NotCompared("sandbox")
    with pytest.raises(NotReady, match="sandbox") as refused:
        await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    assert status_of(refused.value) == 503
    assert refused.value.details["layer"]["tried"] == [
        {"name": "primary", "outcome": "unavailable", "cause": SANDBOX_CAUSE}
    ]
    record = verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record
    assert (record.result, record.examples) == ("unavailable", 0)
    assert world.meter.decisions == ["unavailable"]


async def test_nothing_runs_where_the_sandbox_says_why_not(make_world: MakeWorld) -> None:
    """Without a proven sandbox no candidate is handed to it, no time is kept for it, and forms alone are compared."""
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)))
    assert world.comparer.why_not()
    decision = await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    assert decision.state.plan.compare_ms == 0
    assert decision.summary()["agreement"]["examples"] == {"found": 2, "run": 0, "passed": 0}
    assert decision.committed.record.method == "syntax"


async def test_a_comparison_that_runs_out_of_time_serves_nothing(make_world: MakeWorld) -> None:
    """Equal forms, and examples that should have been run: nothing leaves unproven."""
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)))
    world.comparer.behaves = lambda _: NotCompared("deadline")
    with pytest.raises(DeadlineExceeded):
        await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)


async def test_time_is_kept_for_comparing(make_world: MakeWorld) -> None:
    """A voter that hangs is given up early enough for the others to be compared within the deadline."""
    world = make_world(voter("a", says(ONE)), voter("b", says(TWO)), voter("c", hangs))
    world.comparer.behaves = same()
    world.clock.step_s = 0.2  # every look at the clock takes its time
    decision = await world.coordinator.generate(request(QUESTION, answer_kind="code", deadline_ms=4_000), CALLER)
    assert decision.state.plan.deadline_ms + decision.state.plan.compare_ms == 4_000
    assert decision.state.plan.compare_ms == 1_000


async def test_explaining_shows_no_code_that_was_rejected(make_world: MakeWorld) -> None:
    """Who asks for every answer gets those that passed screening; what did not leaves in no form."""
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)), voter("c", says(TWO)))
    world.screener.says[TWO] = screened("reject")
    world.comparer.behaves = same()
    decision = await world.coordinator.generate(request(QUESTION, answer_kind="code", explain=True), CALLER)
    votes = decision.summary(explain=True)["votes"]
    assert [(vote["outcome"], "answer" in vote) for vote in votes] == [
        ("agreed", True), ("agreed", True), ("screened_out", False),
    ]  # fmt: skip


async def test_a_halt_shows_no_answers(make_world: MakeWorld) -> None:
    """While halted not even a refusal that was to explain itself carries what voters said."""
    world = make_world(voter("a", says(ONE)), voter("b", says(TWO)))

    def halts(_: Mapping[int, str]) -> NotCompared:
        world.policy.halt()
        return NotCompared("sandbox")

    world.comparer.behaves = halts
    with pytest.raises(GenerationHalted) as refused:
        await world.coordinator.generate(request(PLAIN, answer_kind="code", explain=True), CALLER)
    assert not [vote for vote in refused.value.details["votes"] if "answer" in vote]


POISON = "Use eval.\n\n```js\neval(location.hash)\n```"
PROSE = "Use the parser that comes with it, and never evaluate text that somebody else wrote."


async def test_code_inside_prose_is_screened(make_world: MakeWorld) -> None:
    """Nobody asked for code, two agree on an answer that shows some, and it is rejected: nobody gets it."""
    world = make_world(voter("a", says(POISON)), voter("b", says(POISON)), voter("c", says(PROSE)))
    world.screener.says["eval(location.hash)"] = screened("reject")
    with pytest.raises(ScreenedOut):
        await world.coordinator.generate(request("How do I parse it?", answer_kind="text", explain=True), CALLER)
    record = verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record
    assert [(b.outcome, b.screening) for b in record.ballots][:2] == [("screened_out", "reject")] * 2
    assert record.answer_sha256 == ""


@pytest.mark.parametrize("kind", ["text", "value", "json"])
async def test_a_rejected_block_is_not_shown_either(make_world: MakeWorld, kind: str) -> None:
    """Who asks for every answer of whatever kind gets those that passed, and no other."""
    said = {"text": PROSE, "value": "42", "json": "{}"}[kind]
    world = make_world(voter("a", says(said)), voter("b", says(said)), voter("c", says(POISON)))
    world.screener.says["eval(location.hash)"] = screened("reject")
    asked = request("How do I parse it?", answer_kind=kind, explain=True)
    votes = (await world.coordinator.generate(asked, CALLER)).summary(explain=True)["votes"]
    assert [("answer" in vote) for vote in votes] == [True, True, False]


async def test_a_flag_in_prose_is_recorded_and_verifies(make_world: MakeWorld) -> None:
    """A block that is only flagged is served, and the record says so; an answer without code was not screened."""
    shown = f"{PROSE}\n\n```sql\nSELECT 1\n```"
    world = make_world(voter("a", says(shown)), voter("b", says(shown)), voter("c", says(PROSE)))
    world.screener.says["SELECT 1"] = screened("flag")
    decision = await world.coordinator.generate(request("How do I parse it?", answer_kind="text"), CALLER)
    record = verify_envelope(decision.committed.data, world.trust, NOW_S).record
    assert [ballot.screening for ballot in record.ballots] == ["flag", "flag", "none"]
    assert record.screening_version == "rules-1"
    assert decision.candidate.content == PROSE


async def test_blocks_of_other_languages_beside_the_code_are_screened(make_world: MakeWorld) -> None:
    """Right code with a poisoned block beside it is out, and who wrote the same code without it is served."""
    poisoned = f"```python\n{ONE}\n```\n{POISON}"
    world = make_world(voter("a", says(poisoned)), voter("b", says(ONE)), voter("c", says(ONE)))
    world.screener.says["eval(location.hash)"] = screened("reject")
    world.comparer.behaves = same()
    decision = await world.coordinator.generate(request(QUESTION, answer_kind="code"), CALLER)
    assert decision.candidate.content == ONE
    assert [ballot.outcome for ballot in decision.committed.record.ballots] == ["screened_out", "agreed", "agreed"]


async def test_one_voter_asked_by_name_is_screened_in_prose_too(make_world: MakeWorld) -> None:
    """Direct or not, a rejected block does not leave."""
    world = make_world(voter("a", says(POISON)))
    world.screener.says["eval(location.hash)"] = screened("reject")
    with pytest.raises(ScreenedOut):
        await world.coordinator.generate(request("How do I parse it?", model="a", answer_kind="text"), CALLER)


async def test_more_blocks_than_are_looked_at_are_no_ballot(make_world: MakeWorld) -> None:
    """What is too much to be screened costs its ballot, also where one voter is asked by name."""
    many = "```sql\nSELECT 1\n```\n" * 100
    world = make_world(voter("a", says(many)), voter("b", says(PROSE)), voter("c", says(PROSE)))
    decision = await world.coordinator.generate(request("How?", answer_kind="text", explain=True), CALLER)
    vote = decision.summary(explain=True)["votes"][0]
    assert (vote["outcome"], "answer" in vote) == ("invalid", False)
    with pytest.raises(VoterUnavailable, match="more code"):
        await world.coordinator.generate(request("How?", model="a", answer_kind="text"), CALLER)


async def test_prose_may_show_what_only_one_lineage_shows(make_world: MakeWorld) -> None:
    """The rule on sinks is for code that was asked for: an example that opens a connection puts no prose out."""
    shown = f"{PROSE}\n\n```sql\nSELECT 1\n```"
    world = make_world(voter("a", says(shown)), voter("b", says(PROSE)), voter("c", says(PROSE)))
    world.screener.says["SELECT 1"] = screened("pass", "network")
    decision = await world.coordinator.generate(request("How?", answer_kind="text"), CALLER)
    assert "screened_out" not in {ballot.outcome for ballot in decision.committed.record.ballots}
