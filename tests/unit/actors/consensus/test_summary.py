"""The ``weavergen`` object of a response."""

import msgspec

from actors.base.signing import SigningKey
from actors.consensus.ports import Committed
from actors.consensus.summary import summary
from actors.consensus.vocabulary import Answered, State
from actors.spans.record import Envelope, Promise
from tests.unit.actors.consensus.courses import run
from tests.unit.actors.consensus.panels import FAILS, recounted
from tests.unit.actors.consensus.test_records import finished, record
from tests.unit.actors.consensus.test_replay_layers import course
from tests.unit.actors.consensus.world import candidate


def test_the_summary_is_the_contracts_object() -> None:
    """Every promised field is there, JSON-encodable, and says what the record says."""
    state = finished(*(Answered(i, candidate(text), 4) for i, text in enumerate(["Paris", "It is Paris.", "Rome"])))
    made = record(state)
    signature = SigningKey.from_seed(b"\x01" * 32).sign("t", b"p")
    told = summary(state, Committed(made, Envelope("", signature, [], None), b""), "local")
    msgspec.json.encode(told)
    assert set(told) >= {
        "decision_id", "policy", "degraded", "cache", "layer", "agreement", "votes", "screening", "signature", "log",
    }  # fmt: skip
    assert told["agreement"]["lineages"] == 2
    assert told["agreement"]["examples"] == {"found": 0, "run": 0, "passed": 0}
    assert (told["agreement"]["runner_up"], told["agreement"]["calibrated_error"]) == (0.0, None)
    assert [vote["outcome"] for vote in told["votes"]] == ["agreed", "agreed", "cancelled"]
    assert told["log"] == {"status": "none", "merge_by": None, "durability": "local"}
    assert "answer" not in told["votes"][0]
    assert (
        summary(state, Committed(made, Envelope("", signature, [], None), b""), "local", explain=True)["votes"][0][
            "answer"
        ]["content"]
        == "Paris"
    )


def test_the_runner_up_and_the_error_that_policy_states_are_told() -> None:
    """How close another group came, of those that were waited for, and what the policy says it is calibrated for."""
    answers = [Answered(ask_id, candidate(text), 4) for ask_id, text in enumerate(["Paris", "Paris", "Rome"])]
    state = finished(*answers, hear_everyone=True)
    made = record(state)
    made = msgspec.structs.replace(made, policy=msgspec.structs.replace(made.policy, calibrated_error="0.050000"))
    signature = SigningKey.from_seed(b"\x01" * 32).sign("t", b"p")
    told = summary(state, Committed(made, Envelope("", signature, [], None), b""), "local")["agreement"]
    assert (told["support"], told["runner_up"], told["calibrated_error"]) == (0.666666, 0.333333, 0.05)


def test_every_promise_is_told_to_the_second() -> None:
    """Also one that was told before, after another."""
    state = finished(*(Answered(ask_id, candidate("Paris"), 4) for ask_id in range(3)))
    signed = Envelope("", SigningKey.from_seed(b"\x01" * 32).sign("t", b"p"), [], None)

    def told(merge_by: int) -> str:
        made = msgspec.structs.replace(record(state), promise=Promise(log_id="a" * 16, merge_by=merge_by))
        by: str = summary(state, Committed(made, signed, b""), "local")["log"]["merge_by"]
        return by

    assert [told(s) for s in (1_800_000_000, 1_800_000_001, 1_800_000_000)] == [
        "2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z", "2027-01-15T08:00:00Z",
    ]  # fmt: skip


def test_an_answer_is_shown_once_and_of_no_layer_while_halted() -> None:
    """Carried over, it is shown with the last layer that it counted in; a halt hides those of all layers."""
    does = {"a": "Paris", "b": FAILS, "c": FAILS, "d": "Paris"}
    state = run(course(("a", "b", "c"), ("a", "d"), does=does), "abcd")

    def shown(last: State) -> list[tuple[str, str]]:
        signed = Envelope("", SigningKey.from_seed(b"\x01" * 32).sign("t", b"p"), [], None)
        told = summary(last, Committed(record(last), signed, b""), "local", explain=True)
        return [(vote["layer"], vote["voter"]) for vote in told["votes"] if "answer" in vote]

    assert shown(state) == [("layer1", "a"), ("layer1", "d")]
    assert shown(recounted(state, frozenset(), halted=True)) == []
    alone = run(course(("a", "b", "c"), ("d", "b"), does=does), "abcd")
    assert shown(alone) == [("layer0", "a")]
    assert shown(recounted(alone, frozenset(), halted=True)) == []
