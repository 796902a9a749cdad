"""What sources tell about inputs."""

from actors.consensus.behaviour.shapes import INT, STR, Shape
from actors.consensus.behaviour.sources import MAX_CONSTANTS, constants, signatures, trees_of


def test_signatures_come_from_the_function_asked_for() -> None:
    """Annotations tell, names fill what they leave open, defaults say what may be missing; other functions do not matter."""
    trees = trees_of(["def g(x: str): ...\ndef f(words: list, n=3): ..."])
    (signature,) = signatures(trees, "f")
    assert signature.shapes == (Shape("list", (STR,)), INT)
    assert signature.required == 1
    assert signatures(trees, "h") == ()


def test_the_most_frequent_signature_comes_first_and_none_is_lost() -> None:
    """One source with another signature adds it, last."""
    trees = trees_of(["def f(s: str): return 1", "def f(n: int): return 2", "def f(n: int): return 3"])
    assert [signature.shapes for signature in signatures(trees, "f")] == [(INT,), (STR,)]


def test_constants_are_what_code_decides_by() -> None:
    """Numbers and texts in expressions count, those compared with first; docstrings, booleans and giants do not."""
    source = 'def f(s):\n    """Doc."""\n    y = 5 + 10**10\n    z = True, 99999999999\n    return s == "quux" or y > 7'
    found = constants(trees_of([source]))
    assert set(found) == {"quux", 7, 5, 10}
    assert set(found[:2]) == {"quux", 7}


def test_no_source_crowds_out_another() -> None:
    """However many constants one source holds, those of the other are there."""
    flood = "x = [" + ", ".join(map(str, range(1000))) + "]"
    found = constants(trees_of([flood, "y = 'rare'"]))
    assert "rare" in found
    assert len(found) <= MAX_CONSTANTS


def test_the_order_of_sources_does_not_matter() -> None:
    """Trees, signatures and constants depend on the set of sources alone; what cannot be read is left out."""
    sources = ["def f(a): return 1", "def f(b): return 'x'", "def f(:"]
    forwards, backwards = trees_of(sources), trees_of(sources[::-1])
    assert len(forwards) == 2
    assert signatures(forwards, "f") == signatures(backwards, "f")
    assert constants(forwards) == constants(backwards)
