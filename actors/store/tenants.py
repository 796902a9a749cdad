"""What one tenant's content is committed to, named and sealed with: its own, so that erasing it erases nobody else's. Pure.

Rules:
- All of it is random and derived from nothing: what was erased cannot be made again.
- A decision's salt follows from its tenant's: whoever is given one opens no other decision's commitment.
- Erasing puts other salts in the place of all but the pseudonym: records stay their tenant's, and open to nobody.
- An earlier version derived everything from one secret of the home. ``derived`` gives the same once more, so that commitments of
  before open as they did; only an end user's commitment is another one from then on.

Left out: where it lies (``adapters.tenant_files``).
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.base.digests import commitment

SALT_BYTES = 32
ANSWER_BYTES = 64
MAX_TENANTS = 4096
"""Tenants that are kept at hand."""
_ANSWERS = "weavergen/kept-answers/1/"
_PSEUDONYM_CHARS = 32


class TenantSalts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The salts and keys of one tenant, in hex."""

    schema: Literal["weavergen.tenant/1"]
    tenant: str
    pseudonym: str
    """What records call it."""
    prompts: str
    notes: str
    users: str
    answers: str
    """What answers under an ``Idempotency-Key`` are named and sealed with."""

    def __repr__(self) -> str:
        return "TenantSalts(…)"

    def prompt_salt(self, decision_id: str) -> bytes:
        """Return the salt of one decision's prompt."""
        return bytes.fromhex(commitment(bytes.fromhex(self.prompts), decision_id.encode()))

    def span_commitment(self, trace_id: bytes, span_id: bytes, value: bytes) -> str:
        """Commit to what a span of this tenant's says of a question or answer, with a salt of that span's own."""
        return commitment(self.prompt_salt(f"span:{trace_id.hex()}:{span_id.hex()}"), value)

    def note_commitment(self, note: str) -> str:
        """Commit to a note of this tenant's; empty for an empty one."""
        return commitment(bytes.fromhex(self.notes), note.encode()) if note else ""

    def user_commitment(self, end_user: str) -> str:
        """Commit to a name that this tenant gave one of its users; empty for an empty one."""
        return commitment(bytes.fromhex(self.users), end_user.encode()) if end_user else ""

    def opens(self, decision_id: str, prompt_salt: str) -> bool:
        """Tell whether a decision's salt (hex) is of this tenant; an earlier version had one salt for all."""
        return prompt_salt in {self.prompt_salt(decision_id).hex(), self.prompts}


Tenants = Callable[[str], TenantSalts]
"""Name of a tenant → what is in force for it now; asked again for every use, for it may have been erased."""


def drawn(tenant: str, randomness: Callable[[int], bytes]) -> TenantSalts:
    """Draw everything for a tenant that has nothing yet."""
    pseudonym = randomness(SALT_BYTES).hex()[:_PSEUDONYM_CHARS]
    return renewed(TenantSalts("weavergen.tenant/1", tenant, pseudonym, "", "", "", ""), randomness)


def renewed(salts: TenantSalts, randomness: Callable[[int], bytes]) -> TenantSalts:
    """Draw everything anew but the pseudonym."""
    prompts, notes, users = (randomness(SALT_BYTES).hex() for _ in range(3))
    answers = randomness(ANSWER_BYTES).hex()
    return msgspec.structs.replace(salts, prompts=prompts, notes=notes, users=users, answers=answers)


def derived(secret: bytes, tenant: str) -> TenantSalts:
    """Derive what an earlier version derived from a home's secret whenever it was needed."""
    info = (_ANSWERS + tenant).encode()
    return TenantSalts(
        schema="weavergen.tenant/1",
        tenant=tenant,
        pseudonym=commitment(secret, f"tenant:{tenant}".encode())[:_PSEUDONYM_CHARS],
        prompts=commitment(secret, f"prompt:{tenant}".encode()),
        notes=commitment(secret, f"note:{tenant}".encode()),
        users=commitment(secret, f"users:{tenant}".encode()),
        answers=HKDF(algorithm=SHA256(), length=ANSWER_BYTES, salt=None, info=info).derive(secret).hex(),
    )


def derived_tenants(secret: bytes) -> Tenants:
    """Return tenants that lie nowhere: for simulations."""
    return lru_cache(maxsize=MAX_TENANTS)(partial(derived, secret))
