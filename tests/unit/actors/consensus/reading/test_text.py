"""Similarity of prose."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.text import normal_text, similarity_micro


@given(st.text(max_size=80), st.text(max_size=80))
def test_similarity_is_symmetric_and_bounded(left: str, right: str) -> None:
    """Similarity lies in 0..1,000,000, whichever text comes first."""
    a, b = normal_text(left), normal_text(right)
    assert similarity_micro(a, b) == similarity_micro(b, a)
    assert 0 <= similarity_micro(a, b) <= 1_000_000


def test_case_and_punctuation_change_nothing() -> None:
    """Texts with the same words are wholly similar, texts without a common word not at all."""
    assert similarity_micro(normal_text("Hello, World!"), normal_text("hello world")) == 1_000_000
    assert similarity_micro(normal_text("one two"), normal_text("three four")) == 0
