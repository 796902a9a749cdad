"""Spans of a decision."""

from msgspec.structs import replace

from actors.consensus.telemetry import Trace, decision_spans, span_rows, withheld_spans
from actors.consensus.vocabulary import Answered, Failed
from tests.unit.actors.consensus.courses import Course, run
from tests.unit.actors.consensus.panels import FAILS
from tests.unit.actors.consensus.test_records import finished
from tests.unit.actors.consensus.test_replay_layers import course
from tests.unit.actors.consensus.world import NOW_S, candidate

TRACE = Trace(
    "01D", b"t" * 16, b"p" * 8, "tenant", NOW_S * 10**9, NOW_S * 10**9 + 12_000_000, "consensus", "user digest"
)


def test_root_layer_and_ballots_hang_together() -> None:
    """The root hangs under the caller's span, the layer under the root, every ballot under the layer."""
    state = finished(
        Answered(0, candidate("Paris"), 5), Failed(1, "timeout", "slow", 6), Answered(2, candidate("Paris"), 7)
    )
    root, layer, *chats = decision_spans(state, TRACE)
    assert len(chats) + 2 == span_rows(state)
    assert (root.parent_span_id, layer.parent_span_id) == (b"p" * 8, root.span_id)
    assert {chat.parent_span_id for chat in chats} == {layer.span_id}
    assert [(chat.voter, chat.outcome, chat.status) for chat in chats] == [
        ("a", "agreed", "ok"), ("b", "timeout", "error"), ("c", "agreed", "ok"),
    ]  # fmt: skip
    assert (root.status, root.latency_ms, root.kind) == ("ok", 12, "server")
    assert root.attributes["weavergen.end_user"] == "user digest"


def test_a_withheld_answer_adds_one_span_of_its_own() -> None:
    """What the policy took back hangs under the same root and is an error."""
    state = finished(*(Answered(i, candidate("Paris"), 1) for i in range(3)))
    root, *others = decision_spans(state, TRACE)
    (taken_back,) = withheld_spans(state, TRACE)
    assert (taken_back.name, taken_back.outcome, taken_back.status) == ("weavergen.policy", "withheld", "error")
    assert taken_back.parent_span_id == root.span_id
    assert taken_back.span_id not in {root.span_id, *(span.span_id for span in others)}


def test_a_layer_lasts_as_long_as_it_took_and_the_last_until_the_decision() -> None:
    """One in which nobody was asked took no time at all."""
    does = {"a": FAILS, "b": FAILS, "c": "Paris", "d": "Paris"}
    state = run(course(("a", "b"), ("c", "d"), does=does), "abcd")
    first, last = replace(state.earlier[0], took_ms=0), replace(state, began_ms=5, took_ms=3)
    _, *layers = decision_spans(replace(last, earlier=(first,)), TRACE)[:3]
    assert [(span.layer, span.latency_ms) for span in layers] == [("layer0", 0), ("layer1", 7)]
    _, *layers = decision_spans(replace(last, earlier=(replace(first, took_ms=5),)), TRACE)[:3]
    assert [(span.layer, span.latency_ms) for span in layers] == [("layer0", 5), ("layer1", 7)]


def test_a_ballot_that_was_carried_over_lies_where_its_voter_was_asked() -> None:
    """Under the layer that it counted in last, but from when the first one began, and with the time that it took."""
    does = {"a": "Paris", "b": FAILS, "c": FAILS, "d": "Paris", "e": FAILS}
    made = course(("a", "b", "c"), ("a", "e"), ("a", "d"), does=does)
    hurried = Course(made.first, tuple(replace(plan, deadline_ms=6) for plan in made.later))
    state = run(hurried, "abcde")
    earlier = tuple(replace(layer, began_ms=place) for place, layer in enumerate(state.earlier))
    spans = decision_spans(replace(state, began_ms=9, earlier=earlier), TRACE)
    parents = {span.span_id: span.layer for span in spans}
    (carried,) = [span for span in spans if span.voter == "a"]
    assert parents[carried.parent_span_id] == "layer2"
    assert (carried.start_unix_nano - TRACE.started_ns, carried.latency_ms) == (0, 7)
    assert [ballot.carried for ballot in state.ballots] == [True, False]
