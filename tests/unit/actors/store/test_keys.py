"""The text of API keys."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.ids import ulid
from actors.store.keys import key_digest, key_id_of, key_text

KEY_ID = ulid(1_700_000_000_000, b"0123456789")
TEXT = key_text(KEY_ID, bytes(32))


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10), st.binary(min_size=32, max_size=32))
def test_the_id_reads_back(now_ms: int, noise: bytes, secret: bytes) -> None:
    """Any id and secret give a key of fixed length whose id is found again."""
    text = key_text(ulid(now_ms, noise), secret)
    assert len(text) == 73
    assert key_id_of(text) == ulid(now_ms, noise)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_secrets_tell_keys_apart(left: bytes, right: bytes) -> None:
    """Two secrets give two texts and two digests."""
    one, other = key_text(KEY_ID, left), key_text(KEY_ID, right)
    assert (one == other) == (left == right) == (key_digest(one) == key_digest(other))


@pytest.mark.parametrize(
    "text",
    ["", "wg_", TEXT[:-1], TEXT + "A", "sk" + TEXT[2:], TEXT[:29] + "-" + TEXT[30:], TEXT[:-1] + "é", "x" * 10_000],
)
def test_other_shapes_are_no_keys(text: str) -> None:
    """What has not a key's shape has no id and is never hashed."""
    assert key_id_of(text) is None


def test_the_digest_covers_the_whole_text() -> None:
    """The id is hashed with the secret: a secret cannot be moved to another id."""
    assert key_digest(TEXT) == hashlib.sha256(TEXT.encode()).digest()
    other = key_text(ulid(1, b"0123456789"), bytes(32))
    assert key_digest(other) != key_digest(TEXT)


@pytest.mark.parametrize(("key_id", "secret"), [("short", bytes(32)), (KEY_ID, bytes(31))])
def test_keys_are_made_of_enough(key_id: str, secret: bytes) -> None:
    """A key is not made with a foreign id or too little randomness."""
    with pytest.raises(ValueError, match="32 secret bytes"):
        key_text(key_id, secret)
