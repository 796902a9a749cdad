"""Keys of a tenant's kept answers, and the box that each of them lies in. Pure: nonces are handed in.

Rules:
- A tenant's keys are its own (``store.tenants``): nothing follows from one tenant's for another's.
- An answer is sealed with AES-256-GCM (NIST SP 800-38D). What it belongs to is authenticated with it, so that a row that
  was moved to another key, tenant or time does not open.
- Names are kept as HMAC-SHA256 under a key of the tenant's: neither a client's key nor a digest of its prompt can be guessed
  from the table.

Left out: where keys and nonces come from, and what is in an answer.
"""

import hmac
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.base.errors import IntegrityError
from actors.store.tenants import TenantSalts

NONCE_BYTES = 12
BOX_BYTES = NONCE_BYTES + 16
"""What a box takes beside its content: the nonce, and the tag."""
_KEY_BYTES = 32


class TenantKeys(msgspec.Struct, frozen=True):
    """What a tenant's answers are named and sealed with."""

    naming: bytes
    sealing: bytes

    def __repr__(self) -> str:
        return "TenantKeys(…)"

    def name(self, kind: Literal["slot", "request"], *parts: str) -> str:
        """Return the name of something in hex: the same parts always have the same one, and it tells nothing of them."""
        return hmac.digest(self.naming, msgspec.json.encode([kind, *parts]), "sha256").hex()


def tenant_keys(salts: TenantSalts) -> TenantKeys:
    """Return a tenant's keys."""
    both = bytes.fromhex(salts.answers)
    return TenantKeys(both[:_KEY_BYTES], both[_KEY_BYTES:])


def seal(keys: TenantKeys, nonce: bytes, content: bytes, belongs_to: bytes) -> bytes:
    """Return the box: the nonce, then the sealed content and its tag. A nonce is used once."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    return nonce + AESGCM(keys.sealing).encrypt(nonce, content, belongs_to)


def unseal(keys: TenantKeys, box: bytes, belongs_to: bytes) -> bytes:
    """Return what lies in a box; raise ``IntegrityError`` if it is damaged, or was sealed for something else."""
    try:
        return AESGCM(keys.sealing).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], belongs_to)
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            "the kept answer does not open: changed, moved, or sealed under another secret", "seal"
        ) from error
