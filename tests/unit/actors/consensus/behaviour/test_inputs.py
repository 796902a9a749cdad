"""Inputs worth trying."""

import ast
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.behaviour.atoms import MAX_WHOLE
from actors.consensus.behaviour.inputs import (
    MAX_CALL_CHARS,
    MAX_HEAVY,
    MAX_LARGE,
    around,
    calls_in,
    demanding,
    generate,
    own_calls,
)
from actors.consensus.reading.examples import Example

EXAMPLES = (Example("f([1, 2, 3], 'ab')", "1"), Example("f([], 'c')", "0"))
SOURCE = "def f(items, text):\n    return 1 if text == 'quux' or len(items) > 77 else 0"


def arguments(calls: tuple[str, ...], name: str = "f") -> list[tuple[object, ...]]:
    """Return the positional arguments of calls."""
    return [tuple(value for _, value in found) for call in calls for found in calls_in(call, name)]


def test_the_examples_come_first() -> None:
    """The examples' own calls, each once, in their order, before anything that was thought of."""
    calls = generate("f", (*EXAMPLES, EXAMPLES[0]), [SOURCE], 1, 60)
    assert calls[:2] == ("f([1, 2, 3], 'ab')", "f([], 'c')")
    assert len(calls) == len(set(calls)) == 60


def test_types_are_kept() -> None:
    """Every generated call passes what the examples pass: a list and a text."""
    for items, text in arguments(generate("f", EXAMPLES, [SOURCE], 1, 120)):
        assert type(items) is list
        assert type(text) is str


def test_constants_of_candidates_are_tried() -> None:
    """A text that a candidate compares with is passed, alone and within another."""
    texts = [str(found[1]) for found in arguments(generate("f", EXAMPLES, [SOURCE], 1, 120))]
    assert "quux" in texts
    assert any("quux" in text and text != "quux" for text in texts)


def test_numbers_beside_a_constant_are_tried() -> None:
    """A trigger on one number, and the numbers beside it, are reached."""
    found = arguments(
        generate("f", (Example("f(3)", "6"),), ["def f(n):\n    return 0 if n == 7919 else 2 * n"], 1, 60)
    )
    assert {(7918,), (7919,), (7920,)} & set(found) >= {(7919,)}


@given(st.integers(0, 2**63), st.integers(2, 40))
def test_inputs_depend_on_the_seed_alone(seed: int, limit: int) -> None:
    """The same seed gives the same calls in whatever order the candidates come, another seed others."""
    sources = [SOURCE, "def f(items, text):\n    return 2", "def f(items, text, more=1):\n    return 'zz'"]
    wanted = generate("f", EXAMPLES, sources, seed, limit)
    assert len(wanted) <= limit
    for order in permutations(sources):
        assert generate("f", EXAMPLES, order, seed, limit) == wanted
    if limit > 10:
        assert generate("f", EXAMPLES, sources, seed + 1, limit) != wanted


def test_without_examples_annotations_and_names_are_followed() -> None:
    """Annotated parameters get their types and boundaries; unannotated ones what their names suggest."""
    typed = arguments(generate("f", (), ["from typing import *\ndef f(a: List[int], b: Dict[str, int]): ..."], 1, 60))
    assert all(type(a) is list and type(b) is dict for a, b in typed)
    assert any(a == [] for a, _ in typed)
    named = arguments(generate("f", (), ["def f(text, n): ..."], 1, 60))
    assert all(type(text) is str and type(n) is int for text, n in named)
    assert {0, 1, -1} <= {n for _, n in named}


def test_every_signature_has_its_turn() -> None:
    """A candidate with misleading annotations cannot keep the others' inputs from being tried."""
    sources = ["def f(n: int): return n", "def f(n: str): return 1"]
    kinds = [type(found[0]) for found in arguments(generate("f", (), sources, 1, 60))]
    assert min(kinds.count(int), kinds.count(str)) >= 15


@pytest.mark.parametrize("source", ["def g(n): ...", "x = 1", "def f(:", ""])
def test_nothing_is_guessed_for_a_function_that_is_not_there(source: str) -> None:
    """Without the function there are no calls; one without parameters has one call."""
    assert generate("f", (), [source], 1, 60) == ()
    assert generate("f", (), [source, "def f(): return 1"], 1, 60) == ("f()",)


def test_a_name_that_is_none_is_not_called() -> None:
    """Whatever the question calls the function, only an identifier is put in front of arguments."""
    assert generate("f(1) or g", (), [SOURCE], 1, 60) == ()
    assert generate("", EXAMPLES, [SOURCE], 1, 60) == own_calls(EXAMPLES)


def test_calls_within_examples_are_found() -> None:
    """Arguments are taken from calls inside other expressions, keywords included; computed arguments are none."""
    assert calls_in("round(f([1, 2], k=3), 2)", "f") == [((None, [1, 2]), ("k", 3))]
    assert calls_in("f(f(2))", "f") == [((None, 2),)]
    assert calls_in("f(*x) or f(**y) or f(z) or g(1)", "f") == []
    assert calls_in("f(", "f") == []
    words = generate("f", (Example("f(1, k=3)", "1"),), [], 1, 20)
    assert all(call.startswith("f(") and "k=" in call for call in words)


def test_an_input_is_no_bomb() -> None:
    """Calls are short; whole numbers beyond the bound are no more than a few constants, whatever the seed and the source."""
    source = (
        "def f(n, text=''):\n    return n in (" + ", ".join(str(10**9 - i) for i in range(50)) + ") or text * 10**8"
    )
    for seed in range(20):
        calls = generate("f", (Example("f(5)", "1"), Example("f(7, 'x')", "2")), [source], seed, 100)
        assert max(map(len, calls)) <= MAX_CALL_CHARS
        assert sum(abs(found[0]) > MAX_WHOLE for found in arguments(calls)) <= MAX_LARGE  # type: ignore[arg-type]


def test_what_may_take_long_comes_last() -> None:
    """Calls with more than any example passes are at the end in rising order; few pass more than twice as much."""
    examples = (Example("f(30)", "1"), Example("f(4)", "2"))
    calls = generate("f", examples, ["def f(n):\n    return n in (500, 600, 700, 800, 900)"], 1, 60)
    sizes = [abs(found[0]) for found in arguments(calls)]  # type: ignore[arg-type]
    last = demanding("f", calls, examples)
    assert last
    assert calls[-len(last) :] == last
    assert sizes[-len(last) :] == sorted(size for size in sizes if size > 30)
    assert sum(size > 60 for size in sizes) <= MAX_HEAVY


def test_a_large_constant_is_tried() -> None:
    """A trigger on a number beyond the bound is reached, too."""
    source = "def f(n):\n    return 0 if n == 20240131 else n"
    assert (20240131,) in arguments(generate("f", (Example("f(3)", "3"),), [source], 1, 60))


def test_the_search_goes_on_around_what_is_known() -> None:
    """Further calls are new, of the same types, bounded, by seed, and none come from nowhere."""
    known = generate("f", EXAMPLES, [SOURCE], 1, 40)
    more = around("f", known[:8], known, EXAMPLES, [SOURCE], 2, 30)
    assert len(more) == 30
    assert not set(more) & set(known)
    assert more == around("f", known[:8], known, EXAMPLES, [SOURCE], 2, 30)
    assert all(type(items) is list for items, *_ in arguments(more))
    assert around("f", (), known, EXAMPLES, [SOURCE], 2, 30) == ()


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60))
def test_no_example_or_source_makes_generating_fail(call: str, value: str, source: str) -> None:
    """Whatever stands there, what comes out beyond the examples' own calls is a call that Python can read."""
    own = own_calls((Example(call, value),))
    for made in generate("f", (Example(call, value),), [source, SOURCE], 1, 20)[len(own) :]:
        assert isinstance(ast.parse(made, mode="eval").body, ast.Call)
