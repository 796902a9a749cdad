"""Two libraries check signatures, and what counts is what the stricter-spoken of them, OpenSSL, says alone."""

import hashlib
from collections import Counter
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from actors.base import signing
from actors.base.canonical import b64
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey, Signature, SigningKey, pae

KEY = SigningKey.from_seed(bytes(32))
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
NOTHING: Point = (0, 1)


def add(left: Point, right: Point) -> Point:
    """Add two points of edwards25519 (RFC 8032 §5.1)."""
    (x1, y1), (x2, y2) = left, right
    both = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + both, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - both, -1, P) % P


def times(number: int, point: Point) -> Point:
    """Add a point to itself."""
    total = NOTHING
    while number:
        total = add(total, point) if number & 1 else total
        point, number = add(point, point), number >> 1
    return total


def with_y(y: int) -> Point | None:
    """Return a point with that y; none where there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    return (x, y) if x * x % P == square else None


def encoded(point: Point) -> bytes:
    """Write a point as 32 bytes."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def of_order_eight() -> Point:
    """Return one of the points that eight times make nothing, and four times do not."""
    found = (times(ORDER, point) for y in range(2, 1000) if (point := with_y(y)))
    return next(point for point in found if times(4, point) != NOTHING)


BASE = next(point for point in (with_y(4 * pow(5, -1, P) % P),) if point)
BASE = BASE if BASE[0] % 2 == 0 else (P - BASE[0], BASE[1])
SMALL = of_order_eight()


def by_openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    """Say what OpenSSL alone says."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def accepted(key: bytes, text: bytes, signature: bytes) -> bool:
    """Tell whether our key takes a signature over a text."""
    try:
        PublicKey(key.hex()).verify_text(text, signature, "test")
    except IntegrityError:
        return False
    return True


def crafted() -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield key, text and signature where key, first half or both have a part of small order, down to nothing else."""
    for number in range(256):
        of_key, of_first, secret, drawn = number % 8, number // 8 % 8, 1 + number % 5, 1 + number % 3
        secret, drawn = (0 if number // 64 == 1 else secret), (0 if number // 64 == 2 else drawn)
        key = encoded(add(times(secret, BASE), times(of_key, SMALL)))
        first = encoded(add(times(drawn, BASE), times(of_first, SMALL)))
        text = b"%d" % number
        challenge = int.from_bytes(hashlib.sha512(first + key + text).digest(), "little") % ORDER
        yield key, text, first + ((drawn + challenge * secret) % ORDER).to_bytes(32, "little")


def test_points_of_small_order_count_as_openssl_says() -> None:
    """A key's holder can craft signatures over which libraries differ: ours never differs from OpenSSL, here and there."""
    said = Counter[tuple[bool, bool]]()
    for key, text, signature in crafted():
        said[accepted(key, text, signature), by_openssl(key, text, signature)] += 1
    assert set(said) == {(True, True), (False, False)}
    assert min(said.values()) > 20


def test_libsodium_alone_would_refuse_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those it refuses points of small order: who asked it alone would put another's words aside."""
    whole = sum(accepted(*one) for one in crafted())
    monkeypatch.setattr(signing, "_holds_by_openssl", lambda *_: False)
    assert sum(accepted(*one) for one in crafted()) < whole


def test_a_libsodium_that_accepts_more_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may multiply by the cofactor: what a key's holder can craft would be taken in, and refused by others."""
    signing._libsodium_is_strict.cache_clear()
    monkeypatch.setattr(signing, "crypto_sign_open", lambda signed, _: signed[64:])
    try:
        assert [accepted(*one) for one in crafted()] == [by_openssl(*one) for one in crafted()]
    finally:
        signing._libsodium_is_strict.cache_clear()


def test_what_libsodium_is_tried_with_holds_with_the_cofactor_only() -> None:
    """The key is the base point and a part of small order; with that taken out of account the signature is its holder's."""
    key, first, text = encoded(add(BASE, SMALL)), encoded(BASE), b"text"
    challenge = int.from_bytes(hashlib.sha512(first + key + text).digest(), "little") % ORDER
    signature = first + ((1 + challenge) % ORDER).to_bytes(32, "little")
    assert (key, signature + text) == (signing._CRAFTED_KEY, signing._CRAFTED)
    assert times(challenge % 8, SMALL) != NOTHING
    assert not by_openssl(key, text, signature)
    assert signing._libsodium_is_strict()


def test_what_libsodium_accepts_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is there for."""
    monkeypatch.setattr(signing, "_holds_by_openssl", lambda *_: False)
    KEY.public.verify("type", b"payload", KEY.sign("type", b"payload"), "test")


@given(st.binary(max_size=80), st.integers(0, 511), st.integers(0, 255))
def test_a_bit_that_is_changed_anywhere_counts_as_openssl_says(text: bytes, of_signature: int, of_key: int) -> None:
    """Bits of the signature, and of the key."""
    text = b"text " + text  # no encoding begins so
    signature, key = bytearray(KEY.sign_text(text)), bytearray(KEY.public.raw)
    signature[of_signature // 8] ^= 1 << of_signature % 8
    assert not accepted(bytes(key), text, bytes(signature))
    key[of_key // 8] ^= 1 << of_key % 8
    assert accepted(bytes(key), text, KEY.sign_text(text)) == by_openssl(bytes(key), text, KEY.sign_text(text))


def test_a_second_half_beyond_the_order_is_refused() -> None:
    """RFC 8032 §5.1.7: else every signature would have another one that holds."""
    signature = KEY.sign_text(b"text")
    more = int.from_bytes(signature[32:], "little") + ORDER
    assert not accepted(KEY.public.raw, b"text", signature[:32] + more.to_bytes(32, "little"))


def test_a_signature_that_brings_a_text_s_beginning_along_is_refused() -> None:
    """A text that ends like something of ours was signed: its beginning behind the signature must not make it that."""
    ours, before = pae("type", b"payload"), b"a note, and then "
    longer = KEY.sign_text(before + ours) + before
    with pytest.raises(IntegrityError, match="does not match"):
        KEY.public.verify("type", b"payload", Signature("ed25519", KEY.public.key_id, b64(longer)), "test")
    assert not accepted(KEY.public.raw, ours, longer)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    """It is none."""
    signature = (KEY.sign_text(b"text") * 2)[:length]
    assert not accepted(KEY.public.raw, b"text", signature)
