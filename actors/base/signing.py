"""Ed25519 (RFC 8032) signatures over DSSE's pre-authentication encoding, so that no signature means two things.

Rules:
- What is signed is ``PAE(payload_type, payload)`` (github.com/secure-systems-lab/dsse, protocol.md, v1); but for notes
  (``sign_text``), whose formats are others' and whose text never begins as an encoding does.
- Whether a signature holds is OpenSSL's word (Ed25519 as RFC 8032 §5.1.7, without cofactor). libsodium is asked first, which
  takes half as long: it refuses more (keys and points of small order) and accepts nothing else. One that is built to check with
  the cofactor would: each process tries its own once, and does not ask one that does.
- A key's id is the first 16 hex characters of SHA-256 over its 32 raw public bytes.
- Private keys never appear in ``repr``, logs or errors.
- A key file appears whole or not at all; a temporary file that a killed process left beside it means nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from actors.base.canonical import b64, unb64
from actors.base.digests import sha256_hex
from actors.base.errors import HomeError, IntegrityError
from actors.base.files import sync_folder, write_atomic, write_new

_PAE_BEGINS = b"DSSEv1 "
_SIGNATURE_BYTES = 64
_CRAFTED_KEY = bytes.fromhex("98519eadf35b995233b51b5cd23e9cc5a28b639b5a4af0ec903cb960d81b7819")
_CRAFTED = (
    bytes.fromhex(
        "5866666666666666666666666666666666666666666666666666666666666666"
        "e5781c5973ab28b58cdc9ec43d2103470bbef54be6df47d236ecaa3757b04c0e"
    )
    + b"text"
)
"""A signature with its text that holds with the cofactor only: the key is the base point and a point of order eight."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding of a payload and its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@lru_cache(maxsize=256)  # the keys are a few writers'
def _id_and_bytes(key: "PublicKey") -> tuple[str, bytes]:
    return key.key_id, key.raw


def _holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature is a key's over a message."""
    if len(signature) != _SIGNATURE_BYTES:  # libsodium takes both in one piece, and would begin the message earlier
        return False
    if _libsodium_is_strict() and _holds_by_libsodium(key, signature + message):
        return True
    return _holds_by_openssl(key, message, signature)


@cache
def _libsodium_is_strict() -> bool:
    """Tell whether the libsodium that is here checks without the cofactor, as OpenSSL does."""
    return not _holds_by_libsodium(_CRAFTED_KEY, _CRAFTED)


def _holds_by_libsodium(key: bytes, signed: bytes) -> bool:
    try:
        crypto_sign_open(signed, key)
    except BadSignatureError:
        return False
    return True


def _holds_by_openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature: ``sig`` is strict base64 of 64 bytes."""

    alg: str
    key_id: str
    sig: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key: 32 raw bytes in lower-case hex."""

    hex: str

    @property
    def key_id(self) -> str:
        """Short name of the key."""
        return sha256_hex(self.raw)[:16]

    @property
    def raw(self) -> bytes:
        """Return the 32 raw bytes; raise ``IntegrityError`` if there are not exactly that many."""
        try:
            data = bytes.fromhex(self.hex)
        except ValueError as error:
            raise IntegrityError("a public key is 64 hex characters", "key") from error
        if len(data) != 32 or data.hex() != self.hex:
            raise IntegrityError("a public key is 64 lower-case hex characters", "key")
        return data

    def verify(self, payload_type: str, payload: bytes, signature: Signature, step: str) -> None:
        """Raise ``IntegrityError`` naming ``step`` unless ``signature`` is this key's over the payload."""
        if signature.alg != "ed25519":
            raise IntegrityError(f"{step}: unknown signature algorithm {signature.alg!r}", step)
        key_id, key = _id_and_bytes(self)
        if signature.key_id != key_id:
            raise IntegrityError(f"{step}: signed by key {signature.key_id!r}, expected {key_id}", step)
        self._check(key, pae(payload_type, payload), unb64(signature.sig, step), step)

    def verify_text(self, text: bytes, signature: bytes, step: str) -> None:
        """Raise ``IntegrityError`` naming ``step`` unless ``signature`` is this key's over a text as it stands."""
        self._check(self.raw, text, signature, step)

    @staticmethod
    def _check(key: bytes, message: bytes, signature: bytes, step: str) -> None:
        if not _holds(key, message, signature):
            raise IntegrityError(f"{step}: the signature does not match", step)


class SigningKey:
    """An Ed25519 private key held in memory."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw().hex())
        self._key_id = self.public.key_id

    @classmethod
    def generate(cls) -> "SigningKey":
        """Draw a new key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Build a key from its 32-byte seed (RFC 8032 §5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a key file written by ``save``; it must not be readable by others."""
        try:
            mode = path.stat().st_mode
            text = path.read_text().strip()
        except OSError as error:
            raise HomeError(
                f"key {path} cannot be read ({error.strerror}); restore it or run `weavergen up`"
            ) from error
        if mode & 0o077:
            raise HomeError(f"key {path} is readable by others; run: chmod 600 {path}")
        try:
            return cls.from_seed(bytes.fromhex(text))
        except ValueError as error:
            raise HomeError(f"key {path} is not a key file (64 hex characters)") from error

    def save(self, path: Path) -> None:
        """Write the seed as hex with mode 0600; an existing file is never overwritten."""
        self._write(path, write_new)

    def replace(self, path: Path) -> None:
        """Put this key where another one lies; whoever reads finds the old one or the new one, whole."""
        self._write(path, write_atomic)

    def _write(self, path: Path, write: Callable[[Path, bytes], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(path.parent.parent)  # whoever made it may have died before that
        write(path, f"{self._private.private_bytes_raw().hex()}\n".encode("ascii"))

    def sign(self, payload_type: str, payload: bytes) -> Signature:
        """Sign a payload under its type."""
        raw = self._private.sign(pae(payload_type, payload))
        return Signature(alg="ed25519", key_id=self._key_id, sig=b64(raw))

    def sign_text(self, text: bytes) -> bytes:
        """Return the 64 bytes of a signature over a text as it stands; one that may be read as an encoding is refused."""
        if text.startswith(_PAE_BEGINS):
            raise ValueError(
                "a text that begins like DSSE's encoding could be taken for something else that was signed"
            )
        return self._private.sign(text)

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"
