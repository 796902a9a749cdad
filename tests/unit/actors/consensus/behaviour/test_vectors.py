"""Outcome vectors."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.behaviour.values import encode
from actors.consensus.behaviour.vectors import (
    Outcome,
    Vector,
    fault_of,
    observed_pairs,
    outcome,
    vector_sha256,
)
from actors.consensus.sandbox.protocol import Observed, Ran

CONFIG = BehaviourConfig(min_informative=5, min_values=3, max_nondeterministic_permille=100)
VALUE = Outcome("value", "1")
RAISED = Outcome("exception", "E")


def value(content: Any, *arguments: Any, printed: str = "") -> Observed:
    """Observe a value."""
    return Observed("value", encode(content), "", tuple(map(encode, arguments)), printed)


def vector(*outcomes: Outcome) -> Vector:
    """Build a vector over numbered calls."""
    return Vector(tuple(f"f({i})" for i in range(len(outcomes))), outcomes)


def test_what_is_seen_twice_alike_is_an_outcome() -> None:
    """Equal values, classes, arguments and printing are one outcome; float noise and trailing blanks do not matter."""
    assert outcome(value(0.1 + 0.2, [1], printed="a\n"), value(0.3, [1], printed="a")).mark == "value"
    once, twice = Observed("exception", None, "KeyError"), Observed("exception", None, "KeyError")
    assert outcome(once, twice).mark == "exception"


@pytest.mark.parametrize(
    "other",
    [value(2, [1]), value(1, [2]), value(1), value(1, [1], printed="passed"), value(1.0, [1]), Observed("exception")],
)
def test_value_arguments_and_printing_all_tell(other: Observed) -> None:
    """A difference in any part is another outcome, and nondeterminism within one candidate."""
    base = value(1, [1])
    assert outcome(base, base) != outcome(other, other)
    assert outcome(base, other) == Outcome("nondeterministic")


def test_exceptions_tell_by_class_alone() -> None:
    """Another class is another outcome."""
    key, index = Observed("exception", None, "KeyError"), Observed("exception", None, "IndexError")
    assert outcome(key, key) != outcome(index, index)


@pytest.mark.parametrize(
    "observed",
    [Observed("value", ["x", "Sly"]), Observed("value", ["i", "01"]), Observed("value", None, "", (["x", "A"],))],
)
def test_unrepresentable_values_are_opaque(observed: Observed) -> None:
    """Objects, malformed encodings, and arguments turned into objects are opaque."""
    assert outcome(observed, observed) == Outcome("opaque")


def test_runs_in_different_orders_are_paired_by_call() -> None:
    """Whatever order the second run made the calls in, pairs are of the same call."""
    first, second = (
        (("f(1)", "f(2)"), Ran("ran", (value(1), value(2)))),
        (("f(2)", "f(1)"), Ran("ran", (value(2), value(1)))),
    )
    pairs = observed_pairs(first, second)
    assert pairs == {"f(1)": (value(1), value(1)), "f(2)": (value(2), value(2))}


@pytest.mark.parametrize("ran", [Ran("failed"), Ran("crash"), Ran("ran", (value(1),)), Ran("ran", (value(1),) * 3)])
def test_a_run_without_its_calls_tells_nothing(ran: Ran) -> None:
    """Too few results, or too many, are none."""
    pairs = observed_pairs((("f(1)", "f(2)"), ran), (("f(2)", "f(1)"), ran))
    assert [outcome(*pair).mark for pair in pairs.values()] == ["not_run", "not_run"]


def test_what_one_run_did_not_come_to_the_other_tells() -> None:
    """A process that ended early leaves calls to the other run; two different accidents are chance."""
    missed, hung, died = Observed("not_run"), Observed("timeout"), Observed("crash")
    assert outcome(missed, value(1)) == outcome(value(1), missed) == outcome(value(1), value(1))
    assert outcome(missed, hung) == Outcome("timeout")
    assert outcome(hung, value(1)) == outcome(hung, died) == Outcome("nondeterministic")


def test_calls_can_be_left_out() -> None:
    """What told nothing is named, and a vector without some calls is that of the others."""
    seen = vector(VALUE, Outcome("timeout"), RAISED, Outcome("opaque"), Outcome("nondeterministic"))
    assert seen.unanswered() == {"f(1)", "f(3)", "f(4)"}
    assert seen.without(seen.unanswered()) == Vector(("f(0)", "f(2)"), (VALUE, RAISED))


@dataclass(frozen=True)
class Case:
    """Outcomes and the fault they are."""

    outcomes: tuple[Outcome, ...]
    fault: str | None


@pytest.mark.parametrize(
    "case",
    [
        Case((VALUE,) * 5, None),
        Case((VALUE,) * 3 + (RAISED,) * 2, None),
        Case((), "broken"),
        Case((Outcome("not_run"),) * 9, "broken"),
        Case((Outcome("timeout"),) * 9, "broken"),
        Case((RAISED,) * 50, "uninformative"),
        Case((VALUE,) * 2 + (RAISED,) * 50, "uninformative"),
        Case((VALUE,) * 4 + (Outcome("timeout"),) * 20, "uninformative"),
        Case((VALUE,) * 50 + (Outcome("opaque"),), "opaque"),
        Case((VALUE,) * 18 + (Outcome("nondeterministic"),) * 2, None),
        Case((VALUE,) * 17 + (Outcome("nondeterministic"),) * 2, "nondeterministic"),
    ],
)
def test_a_vector_must_be_able_to_vouch(case: Case) -> None:
    """Enough calls must be informative, some of them values; one opaque value, or much chance, is too much."""
    assert fault_of(vector(*case.outcomes), CONFIG) == case.fault


@given(st.lists(st.sampled_from([VALUE, RAISED, Outcome("timeout")]), max_size=5).map(lambda o: vector(*o)))
def test_equal_vectors_have_equal_digests(left: Vector) -> None:
    """The digest changes with any outcome and with the calls."""
    assert vector_sha256(left) == vector_sha256(Vector(left.calls, left.outcomes))
    longer = left.with_more(["g(1)"], [VALUE])
    other = left.with_more(["g(2)"], [VALUE])
    assert len({vector_sha256(left), vector_sha256(longer), vector_sha256(other)}) == 3


def test_the_digest_is_known() -> None:
    """SHA-256 over the JSON of calls and outcomes: anyone can recompute it."""
    assert (
        vector_sha256(Vector(("f(1)",), (VALUE,))) == "a7e0932fc537114915e726f6217ef93a36a53cf9f06aa965e9d74def95ec0b01"
    )
