"""Canonical JSON against the reference implementation of RFC 8785, strict decoding, decimals and base64."""

import contextlib

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from actors.base.canonical import MAX_SAFE_INTEGER, b64, canonical_json, decimal_str, decode, micro, to_builtins, unb64
from actors.base.errors import IntegrityError


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A nested structure."""

    name: str
    count: int


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of every kind that signed structures hold; deliberately not in alphabetical order."""

    zeta: str
    alpha: int
    flag: bool
    leaves: list[Leaf]
    table: dict[str, int]
    maybe: str | None


texts = st.text(st.characters(exclude_categories=["Cs"]))
ints = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
samples = st.builds(
    Sample,
    zeta=texts,
    alpha=ints,
    flag=st.booleans(),
    leaves=st.lists(st.builds(Leaf, name=texts, count=ints), max_size=3),
    table=st.dictionaries(st.text(st.characters(codec="ascii")), ints, max_size=5),
    maybe=st.none() | texts,
)
SIMPLE = Sample(zeta="é\u2028", alpha=1, flag=True, leaves=[Leaf("a", 2)], table={"b": 1, "a": 2}, maybe=None)


@given(samples)
def test_bytes_are_those_of_the_reference_implementation(sample: Sample) -> None:
    """Any structure encodes to exactly what the rfc8785 library writes."""
    assert canonical_json(sample) == rfc8785.dumps(to_builtins(sample))


@given(samples)
def test_decoding_inverts_encoding(sample: Sample) -> None:
    """What is written is read back as the same value."""
    assert decode(canonical_json(sample), Sample, "sample") == sample


@given(samples, st.data())
def test_no_other_bytes_decode_to_a_changed_value_unnoticed(sample: Sample, data: st.DataObject) -> None:
    """A changed byte is refused, or it is the canonical form of a different value; never an alias of the same one."""
    raw = bytearray(canonical_json(sample))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(IntegrityError):
        assert decode(bytes(raw), Sample, "sample") != sample


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b' {"count":1,"name":"a"}',
        b'{"count":1,"name":"a"} ',
        b'{"name":"a","count":1}',
        b'{"count":1,"name":"\\u0061"}',
        b'{"count":1.0,"name":"a"}',
        b'{"count":1e0,"name":"a"}',
        b'{"count":-0,"name":"a"}',
        b'{"count":1,"count":1,"name":"a"}',
        b'{"count":1,"extra":0,"name":"a"}',
        b'{"count":"1","name":"a"}',
        b'{"count":9007199254740992,"name":"a"}',
        b'{"count":-9007199254740992,"name":"a"}',
    ],
)
def test_anything_but_canonical_bytes_is_refused(data: bytes) -> None:
    """Other spellings, unknown fields, other types and unsafe integers are refused, naming what was read."""
    with pytest.raises(IntegrityError, match="leaf") as caught:
        decode(data, Leaf, "leaf")
    assert caught.value.param == "leaf"


@given(
    st.dictionaries(texts.filter(str.isascii), st.integers(-(2**63), 2**63 - 1), max_size=4), texts.filter(str.isascii)
)
@example({"a": 2**53}, "")
@example({"a": 2**53 - 1}, ":1234567890123456")
@example({"a": -(2**53)}, "1")
@example({"\x7f\x01": 10**15, "b": 9999999999999999}, "[1234567890123456789")
def test_what_is_out_of_bounds_is_refused_and_nothing_else(table: dict[str, int], name: str) -> None:
    """Whatever the words beside it look like."""
    raw = canonical_json(msgspec.structs.replace(SIMPLE, table=table, zeta=name))
    if all(key.isascii() and abs(value) < 2**53 for key, value in table.items()):
        assert decode(raw, Sample, "sample").table == table
    else:
        with pytest.raises(IntegrityError):
            decode(raw, Sample, "sample")


def test_keys_beyond_ascii_are_refused() -> None:
    """Where sorting by code point and by UTF-16 unit could differ, nothing is accepted."""
    raw = canonical_json(msgspec.structs.replace(SIMPLE, table={"ключ": 1}))
    with pytest.raises(IntegrityError, match="not ASCII"):
        decode(raw, Sample, "sample")


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_decimals_round_trip(value: int) -> None:
    """Millionths written as a decimal read back as the same millionths."""
    assert micro(decimal_str(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.410000", 410_000), ("1", 1_000_000), ("0.6", 600_000), ("-0.5", -500_000), ("12.000001", 12_000_001)],
)
def test_decimals_have_known_values(text: str, value: int) -> None:
    """Fewer than six places are filled up."""
    assert micro(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "-", ".5", "1.", "1.0000001", "+1", "--1", "1e3", "NaN", " 1", "1\n", "٣", "1_0", "9" * 10, "9" * 10_000],
)
def test_what_is_no_decimal_is_refused(text: str) -> None:
    """Other notations and oversized numbers are refused as integrity errors, never as ValueError."""
    with pytest.raises(IntegrityError):
        micro(text)


@given(st.binary(max_size=64))
def test_base64_round_trips(data: bytes) -> None:
    """Bytes survive base64."""
    assert unb64(b64(data), "blob") == data


@pytest.mark.parametrize("text", ["YQ", "YR==", "YQ==\n", "Y Q==", "YQ=", "-_==", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    """Missing padding, stray bits, white space and the URL alphabet are refused."""
    with pytest.raises(IntegrityError, match="blob"):
        unb64(text, "blob")
