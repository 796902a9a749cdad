"""ULIDs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.ids import is_ulid, new_ulid, ulid, ulid_time_ms

times = st.integers(0, 2**48 - 1)
noise = st.binary(min_size=10, max_size=10)


def test_known_answer_of_the_specification() -> None:
    """The specification's example time encodes to the specification's prefix."""
    assert ulid(1_469_918_176_385, b"\0" * 10) == "01ARYZ6S41" + "0" * 16


def test_largest_ulid_of_the_specification() -> None:
    """All bits set is the largest ULID the specification allows."""
    assert ulid(2**48 - 1, b"\xff" * 10) == "7" + "Z" * 25


@given(times, noise)
def test_time_reads_back(now_ms: int, randomness: bytes) -> None:
    """A ULID is well formed and carries its time."""
    text = ulid(now_ms, randomness)
    assert is_ulid(text)
    assert ulid_time_ms(text) == now_ms


@given(times, noise, times, noise)
def test_text_sorts_by_time_then_noise(ms_a: int, noise_a: bytes, ms_b: int, noise_b: bytes) -> None:
    """Sorting the text sorts by time, then by randomness."""
    assert (ulid(ms_a, noise_a) < ulid(ms_b, noise_b)) == ((ms_a, noise_a) < (ms_b, noise_b))


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "U", "0" * 25 + "a", "0" * 25 + "é"]
)
def test_malformed_text_is_no_ulid(text: str) -> None:
    """Wrong length, overflow and letters outside the alphabet are told apart, and have no time."""
    assert not is_ulid(text)
    with pytest.raises(ValueError, match="not a ULID"):
        ulid_time_ms(text)


def test_randomness_has_ten_bytes() -> None:
    """Fewer bytes would leave part of the id constant."""
    with pytest.raises(ValueError, match="ten"):
        ulid(0, b"\0" * 9)


def test_drawn_ulids_differ() -> None:
    """Two draws in the same millisecond differ."""
    assert len({new_ulid() for _ in range(1000)}) == 1000
