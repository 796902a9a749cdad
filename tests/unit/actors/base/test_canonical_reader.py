"""The fast reading of canonical bytes is the slow one: the same bytes, the same values, the same refusals."""

import contextlib
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.base.canonical import MAX_SAFE_INTEGER, canonical_json, decode
from actors.base.canonical_reader import CanonicalReader
from actors.base.errors import IntegrityError
from tests.examples import examples


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A nested structure."""

    name: str
    count: int
    more: list[str] = []


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field of every kind that records hold; deliberately not in alphabetical order."""

    zeta: str
    kind: Literal["one", "two"]
    leaves: list[Leaf]
    table: dict[str, int]
    maybe: Leaf | None
    alpha: int = 0
    flag: bool = False


READER = CanonicalReader(Sample, "sample")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ints = st.integers(-MAX_SAFE_INTEGER - 2, MAX_SAFE_INTEGER + 2)
leaves = st.builds(Leaf, texts, ints, st.lists(texts, max_size=2))
samples = st.builds(
    Sample, texts, st.sampled_from(["one", "two"]), st.lists(leaves, max_size=3), st.dictionaries(texts, ints, max_size=3),
    st.none() | leaves, ints, st.booleans(),
)  # fmt: skip
PLAIN = Sample("z", "one", [Leaf("l", 1)], {"k": 2}, None, 3)


def slowly(data: bytes) -> object:
    """Return what ``decode`` makes of bytes: a value as it is written, or why there is none."""
    try:
        return canonical_json(decode(data, Sample, "sample"))
    except IntegrityError as error:
        return str(error)


def fast(data: bytes) -> object:
    """Return the same of the reader."""
    try:
        return canonical_json(READER.read(data))
    except IntegrityError as error:
        return str(error)


@settings(max_examples=examples(400), deadline=None)
@given(samples)
def test_what_is_written_is_read_as_ever(sample: Sample) -> None:
    """Also where it is too large an integer or a key that is not ASCII: then in the same words."""
    data = canonical_json(sample)
    assert fast(data) == slowly(data)


@settings(max_examples=examples(400), deadline=None)
@given(samples, st.data())
def test_bytes_that_were_changed_are_refused_as_ever(sample: Sample, data: st.DataObject) -> None:
    """One byte more, less or another, anywhere."""
    whole = canonical_json(sample)
    at, byte = data.draw(st.integers(0, len(whole))), bytes([data.draw(st.integers(0, 255))])
    for changed in (whole[:at] + byte + whole[at:], whole[:at] + whole[at + 1 :], whole[:at] + byte + whole[at + 1 :]):
        assert fast(changed) == slowly(changed)


@pytest.mark.parametrize(
    "change",
    [
        (b'"alpha":3', b'"alpha":9007199254740992'), (b'"k":2', b'"k":-9007199254740992'), (b'"z"', b'"\\u007a"'),
        (b'"k":2', b'"\\u00e9":2'), (b'"alpha":3,', b""), (b'"alpha":3', b'"alpha":0'), (b'"alpha":3', b'"alpha":3.0'),
        (b'"kind":"one"', b'"kind":"three"'), (b'"maybe":null,', b""), (b'"zeta":"z"', b'"zeta":"z","zz":1'),
        (b'"alpha":3,', b'"alpha":3,"alpha":3,'),
    ],
)  # fmt: skip
def test_another_spelling_is_none(change: tuple[bytes, bytes]) -> None:
    """Nor what is out of bounds: exactly what ``decode`` takes is taken, and the twin takes no more than that."""
    data = canonical_json(PLAIN).replace(*change)
    assert data != canonical_json(PLAIN)
    assert fast(data) == slowly(data)
    if isinstance(slowly(data), str):
        assert READER.twin(data) is None


def test_what_is_usual_is_read_by_the_twin() -> None:
    """It has the type's values, field by field."""
    twin = READER.twin(canonical_json(PLAIN))
    assert twin is not None
    assert msgspec.to_builtins(twin) == msgspec.to_builtins(PLAIN)
    assert READER.read(canonical_json(PLAIN)).leaves[0].count == 1


@pytest.mark.parametrize("kind", [float, object, list[float], Literal[1, 2], Annotated[str, "words"]])
def test_of_other_types_there_is_no_twin(kind: object) -> None:
    """A bound or a word that nobody checks would be one less; so would a form that no object has."""
    with pytest.raises(TypeError, match="has no twin"):
        CanonicalReader(msgspec.defstruct("Other", [("field", kind)]), "other")
    with contextlib.suppress(TypeError), pytest.raises(TypeError, match="has no twin"):
        CanonicalReader(msgspec.defstruct("Other", [("field", str)], array_like=True), "other")
