"""Effects that only one lineage's candidates have."""

import pytest

from actors.consensus.screening.difference import asked_sinks, unshared

NOTHING: frozenset[str] = frozenset()
FILE = frozenset({"file"})


def test_an_effect_of_one_lineage_is_reported() -> None:
    """All its candidates that have the effect are named, nobody else."""
    candidates = {"a": ("l1", FILE | {"network"}), "b": ("l1", FILE), "c": ("l2", FILE), "d": ("l3", NOTHING)}
    assert unshared(candidates) == {"a": ("network",)}


def test_one_lineage_alone_differs_from_nobody() -> None:
    """Without a second lineage there is nothing to compare with."""
    assert unshared({"a": ("l1", FILE), "b": ("l1", NOTHING)}) == {}


def test_what_is_asked_for_is_expected() -> None:
    """A kind the prompt asks for is never reported."""
    candidates = {1: ("l1", FILE), 2: ("l2", NOTHING)}
    assert unshared(candidates) == {1: ("file",)}
    assert unshared(candidates, FILE) == {}


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("Write a function that reads a CSV file and returns rows.", {"file"}),
        ("Download the page at the given URL.", {"network"}),
        ("Run a shell command and return its output.", {"process"}),
        ("Return the SHA-256 hash of a string.", {"crypto"}),
        ("Use pickle to store it; unpickle it again.", {"eval"}),
        ("Return the sum of two numbers.", set()),
        ("Given a list of strings, return the longest.", set()),
    ],
)
def test_prompts_ask_for_effects(question: str, kinds: set[str]) -> None:
    """What a prompt plainly asks for is known; in doubt nothing is."""
    assert asked_sinks(question) == kinds
