"""Whatever a panel does, what was kept of its decision comes to the recorded groups again; what was changed does not."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.digests import commitment
from actors.base.errors import IntegrityError
from actors.base.ids import ulid
from actors.consensus.choosing import choose_served
from actors.consensus.reading.examples import examples_of
from actors.consensus.reading.kind import answer_kind
from actors.consensus.records import Facts, build_record
from actors.consensus.replay import check_ballots, check_form
from actors.consensus.request import AskedKind
from actors.consensus.retention.content import Content, content_of, encode_content, prompt_bytes, read_content
from actors.consensus.retention.regrouping import regroup
from actors.consensus.screening.difference import asked_sinks
from actors.consensus.screening.findings import Screening
from actors.consensus.tally import NO_GROUP, Rule
from actors.spans.record import DecisionRecord, WriterRef
from models.voter import Message
from tests.examples import examples
from tests.unit.actors.consensus.courses import Course, courses, run
from tests.unit.actors.consensus.panels import Script, play, recounted, scripts
from tests.unit.actors.consensus.world import NOW_S, WRITER, screened, snapshot

SALT, TIE_SALT = b"s" * 32, "07" * 16
DECISION = ulid(NOW_S * 1000, b"0123456789")
CODE = "Write a Python function f(x)."
QUESTIONS: dict[str, tuple[AskedKind, tuple[str, ...]]] = {
    "value": ("value", ("What is the capital of France?",)),
    "text": ("text", ("Tell me of Paris.",)),
    "json": ("json", ("Give me JSON.",)),
    "code:python": ("code", (CODE, f"{CODE}\n\n>>> f(1)\n2\n", f"{CODE} It reads from a file.\n\n>>> f(1)\n2\n>>> f(2)\n3\n")),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Kept:
    """A decision, its content, and the screener that looked at its answers."""

    record: DecisionRecord
    content: Content
    script: Script

    def screens(self, code: str, language: str) -> Screening:
        """Say of a code what was said then."""
        return self.script.screenings.get(code, screened())


@st.composite
def decisions(draw: st.DrawFn) -> Kept:
    """Draw decisions of every kind and end, with what is kept of them."""
    script = draw(scripts())
    asked_kind, questions = QUESTIONS[script.plan.kind]
    question = draw(st.sampled_from(questions))
    assert answer_kind(asked_kind, question) == script.plan.kind
    found = examples_of(question) if asked_kind == "code" else ()
    plan = replace(script.plan, question=question, examples=found, asked_sinks=asked_sinks(question))
    if draw(st.integers(0, 5)) == 0:
        alone = Rule(1_000_000, 1, 1_000_000, 0)
        plan = replace(
            plan, policy="direct", seats=plan.seats[:1], spares=(), isolated=frozenset(), rule=alone, compare_ms=0
        )
    script = dataclasses.replace(script, plan=plan)
    state = play(script, draw(st.permutations(script.voters)))
    if draw(st.integers(0, 3)) == 0:
        gone = draw(st.frozensets(st.sampled_from(script.voters), min_size=1, max_size=2))
        state = recounted(state, gone, halted=draw(st.booleans()))
    messages = (Message("system", "Be brief."), Message("user", question))
    facts = Facts(
        DECISION, NOW_S * 1000, "tenant", commitment(SALT, prompt_bytes(messages)), "c" * 64, snapshot("abc"), "d" * 64,
        TIE_SALT,
    )  # fmt: skip
    record = build_record(state, choose_served(state, TIE_SALT), facts, WriterRef(id=WRITER, seq=7))
    return Kept(record, content_of(state, DECISION, messages, asked_kind, SALT), script)


@settings(max_examples=examples(150), deadline=None)
@given(decisions())
def test_every_decision_is_grouped_again(kept: Kept) -> None:
    """Failures, substitutes, late and rejected answers, isolation, halts, policies and kinds: all of it comes out as recorded."""
    check_form(kept.record, NOW_S)
    check_ballots(kept.record)
    again = regroup(kept.record, read_content(encode_content(kept.content)), kept.screens)
    assert again.complete
    assert again.steps[-1].name in {"grouping", "choice"}


@settings(max_examples=examples(100), deadline=None)
@given(decisions(), st.data())
def test_no_answer_of_any_decision_can_be_another(kept: Kept, data: st.DataObject) -> None:
    """One character more in any text that came is found, whatever became of its ballot."""
    came = [place for place, said in enumerate(kept.content.said) if said.came]
    place = data.draw(st.sampled_from([-1, *came]))
    if place < 0:
        turn = kept.content.messages[0]
        changed = replace(
            kept.content, messages=[replace(turn, content=turn.content + " "), *kept.content.messages[1:]]
        )
        named = "the question"
    else:
        said = list(kept.content.said)
        said[place] = replace(said[place], content=said[place].content + " ")
        changed, named = replace(kept.content, said=said), f"the answer of {said[place].voter}"
    assert named in told(kept.record, changed, kept)


@settings(max_examples=examples(100), deadline=None)
@given(decisions(), st.data())
def test_no_ballot_of_any_decision_can_stand_in_another_group(kept: Kept, data: st.DataObject) -> None:
    """A ballot that is moved is named, by the answers alone: the record's own contradictions are not looked at here."""
    counted = [place for place, ballot in enumerate(kept.record.ballots) if ballot.group != NO_GROUP]
    if not counted:
        return
    place = data.draw(st.sampled_from(counted))
    ballot = kept.record.ballots[place]
    moved = replace(ballot, group=data.draw(st.integers(0, 4).filter(lambda group: group != ballot.group)))
    ballots = [moved if number == place else other for number, other in enumerate(kept.record.ballots)]
    assert f"{ballot.voter}: group {ballot.group}, recorded as {moved.group}" in told(
        replace(kept.record, ballots=ballots), kept.content, kept
    )


def told(record: DecisionRecord, content: Content, kept: Kept) -> str:
    """Return what is said of a record and a content that do not fit; empty if they fit."""
    try:
        regroup(record, content, kept.screens)
    except IntegrityError as error:
        return str(error)
    return ""


@st.composite
def through_layers(draw: st.DrawFn) -> Kept:
    """Draw decisions that may have gone through several layers."""
    course = draw(courses())
    asked_kind, questions = QUESTIONS[course.first.plan.kind]
    question = draw(st.sampled_from(questions))
    found = examples_of(question) if asked_kind == "code" else ()
    about = {"question": question, "examples": found, "asked_sinks": asked_sinks(question)}
    first = dataclasses.replace(course.first, plan=replace(course.first.plan, **about))
    later = tuple(replace(plan, **about) for plan in course.later)
    state = run(Course(first, later), draw(st.permutations(sorted(first.does))))
    messages = (Message("user", question),)
    facts = Facts(
        DECISION, NOW_S * 1000, "tenant", commitment(SALT, prompt_bytes(messages)), "c" * 64, snapshot("abc"), "d" * 64,
        state.tie_salt,
    )  # fmt: skip
    record = build_record(state, choose_served(state, state.tie_salt), facts, WriterRef(id=WRITER, seq=7))
    return Kept(record, content_of(state, DECISION, messages, asked_kind, SALT), first)


@settings(max_examples=examples(150), deadline=None)
@given(through_layers())
def test_every_layers_answers_are_grouped_again(kept: Kept) -> None:
    """Also those of layers that failed over: carried, barred, and with rules of their own."""
    assert regroup(kept.record, read_content(encode_content(kept.content)), kept.screens).complete


@settings(max_examples=examples(100), deadline=None)
@given(through_layers(), st.data())
def test_no_answer_of_an_earlier_layer_can_be_another(kept: Kept, data: st.DataObject) -> None:
    """One character more in any text of any earlier layer is found."""
    said = [list(layer) for layer in kept.content.earlier or ()]
    came = [(index, place) for index, layer in enumerate(said) for place, one in enumerate(layer) if one.came]
    if not came:
        return
    index, place = data.draw(st.sampled_from(came))
    voter = said[index][place].voter
    said[index][place] = replace(said[index][place], content=said[index][place].content + " ")
    assert f"the answer of {voter}" in told(kept.record, replace(kept.content, earlier=said), kept)
