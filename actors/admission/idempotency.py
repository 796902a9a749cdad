"""One answer for one ``Idempotency-Key``: what becomes of a request that carries one. Pure.

Rules:
- A key belongs to one API key. While it is held, the first request with it is the only one that is worked on; the same request
  sent again waits for that one's answer, and another request with the same key is told that the key is taken.
- Whoever works holds a *claim* that has to be renewed. One that was given back because no answer came of it is as if it had never
  been: errors are not kept, so trying again tries again. One that lapsed has a last chance: it is taken over only once whoever
  waits has seen it unchanged for longer than renewing takes, so that a machine that stood still as a whole gives nothing away.
- A kept answer's time is over once the clock says so and it was kept that long ago by one that only rises, as far as a replica
  can tell (``Passed``): a clock that is a day ahead for a minute ends nothing. Claims go by the clock alone: theirs are seconds.
- An answer is kept once, by whoever holds the claim then, before it leaves. Nobody sends an answer that was not kept.
- A kept answer is for its key, request, decision and time alone (``Binding``), and leaves only while everything holds that it
  rested on: its signed record, the bytes that the record names, screening, epochs, and no counted voter isolated.

Left out: the table, clocks and waiting (adapter and gateway), halting (whoever sends looks at the policy last), and admission.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from actors.base.canonical import canonical_json
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, InvalidRequest
from actors.policy.snapshot import Epochs, PolicySnapshot
from actors.spans.record import DecisionRecord
from models.voter import FinishReason

HEADER = "Idempotency-Key"
MOST_OFFSETS = 1000
"""Steps of a clock that are told apart."""
Verdict = Literal["claim", "wait", "replay", "mismatch"]


class Slot(msgspec.Struct, frozen=True):
    """Where a request's answer is kept, and what the request is; both as names that tell nothing."""

    id: str
    """Of API key and idempotency key."""
    api_key_id: str
    request: str
    """Of everything that the request asks for."""


class Held(msgspec.Struct, frozen=True):
    """What the table holds of a slot."""

    request: str
    claim_id: str
    expires_at_ms: int
    """End of the claim's lease, or of the kept answer's time."""
    decision_id: str = ""
    box: bytes = b""
    """The sealed answer; empty while it is worked on."""


Found = tuple[Verdict, Held | None]
"""What is to be done with a request, and what its slot holds."""


class LastChance(msgspec.Struct, frozen=True):
    """A lapsed claim as somebody who waits has seen it, and since when (monotonic seconds)."""

    claim: Held | None = None
    since_s: float = 0.0

    def looked(self, held: Held | None, now_ms: int, now_s: float) -> "LastChance":
        """Return it after a look at the slot: a claim that was renewed since, however little, begins anew."""
        claim = held if lapsed(held, now_ms) else None
        return self if claim == self.claim else LastChance(claim, now_s)

    def given_up(self, now_s: float, chance_s: float) -> Held | None:
        """Return the claim if it has had its chance."""
        return self.claim if now_s - self.since_s >= chance_s else None


class Binding(msgspec.Struct, frozen=True):
    """What a kept answer belongs to: authenticated with it."""

    tenant: str
    api_key_id: str
    slot: str
    request: str
    decision_id: str
    expires_at_ms: int

    @property
    def data(self) -> bytes:
        """Return it as the bytes that are authenticated."""
        return canonical_json(self)


class Rested(msgspec.Struct, frozen=True):
    """What policy said of screening and invalidation before the answer was worked on."""

    screening_version: str
    epochs: Epochs


class Kept(msgspec.Struct, frozen=True):
    """An answer with everything that is needed to send it again, and to judge whether it may be."""

    envelope: bytes
    """Canonical bytes of the signed record's envelope."""
    content: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    told: bytes
    """The response's ``weavergen`` object, as JSON."""
    rested: Rested


def key_of(values: Sequence[bytes], max_chars: int) -> str:
    """Return the key that a request's headers name; raise ``InvalidRequest`` unless there is exactly one good one."""
    if len(values) != 1:
        raise InvalidRequest(f"{HEADER} is given more than once; give it once", HEADER)
    key = values[0].strip(b" \t")
    if not 1 <= len(key) <= max_chars or any(not 0x20 <= byte <= 0x7E for byte in key):
        raise InvalidRequest(f"{HEADER} takes 1 to {max_chars} printable ASCII characters, e.g. a UUID", HEADER)
    return key.decode("ascii")


def lapsed(held: Held | None, now_ms: int) -> bool:
    """Tell whether a slot holds a claim that was not renewed in time."""
    return held is not None and not held.box and held.expires_at_ms <= now_ms


class Passed:
    """Which time has passed for kept answers, whatever the clock was set to since.

    It goes on as the clock that only rises, and is as far behind it as the wall's clock was in the last ``keep_ms`` when it was
    furthest behind. So whatever was kept in that time, with an end by the wall's clock of then, has not ended; and a clock that
    was set right for good counts from ``keep_ms`` later on.
    """

    def __init__(self, keep_ms: int) -> None:
        self._keep_ms = keep_ms
        self._offsets: list[tuple[int, int]] = []
        """When it was seen last, by the steady clock, and the wall's clock less that one in whole seconds: both ever greater."""

    def at(self, wall_ms: int, steady_ms: int) -> int:
        """Return it now."""
        offset_ms = (wall_ms - steady_ms) // 1000 * 1000
        while self._offsets and self._offsets[-1][1] >= offset_ms:
            self._offsets.pop()
        self._offsets.append((steady_ms, offset_ms))
        if len(self._offsets) > MOST_OFFSETS:
            self._offsets[0] = self._offsets.pop(1)[0], self._offsets[0][1]
        while self._offsets[0][0] <= steady_ms - self._keep_ms:
            del self._offsets[0]
        return min(wall_ms, steady_ms + self._offsets[0][1])


def judge(
    held: Held | None, request: str, now_ms: int, given_up: Held | None = None, *, passed_ms: int | None = None
) -> Verdict:
    """Return what is to be done with a request, given what its slot holds.

    Kept answers are held against ``passed_ms`` (``now_ms`` where it is not given), claims against ``now_ms``.

    ``given_up`` is the lapsed claim that has had its last chance: it is taken over unless it was renewed since.
    """
    if held is None:
        return "claim"
    if lapsed(held, now_ms):
        return "claim" if held == given_up else "wait"
    if held.box and held.expires_at_ms <= (now_ms if passed_ms is None else passed_ms):
        return "claim"
    if held.request != request:
        return "mismatch"
    return "replay" if held.box else "wait"


def rested_on(snapshot: PolicySnapshot) -> Rested:
    """Return what an answer that is now begun rests on, to be kept with it."""
    return Rested(snapshot.screening_version, snapshot.invalidation_epochs)


def encode_kept(kept: Kept) -> bytes:
    """Return a kept answer as bytes."""
    return msgspec.msgpack.encode(kept)


def decode_kept(data: bytes) -> Kept:
    """Read what ``encode_kept`` wrote; raise ``IntegrityError`` for anything else."""
    try:
        return msgspec.msgpack.decode(data, type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError("the kept answer cannot be read", "kept answer") from error


def require_bound(kept: Kept, record: DecisionRecord, decision_id: str, tenant_pseudonym: str) -> None:
    """Raise ``IntegrityError`` unless a verified record is the one that vouches for exactly this answer to this tenant."""
    if record.id != decision_id:
        raise IntegrityError("the kept record is of another decision", "decision")
    if record.tenant != tenant_pseudonym:
        raise IntegrityError("the kept record is of another tenant", "tenant")
    if record.result != "answered":
        raise IntegrityError("the kept record is of a refusal", "result")
    if sha256_hex(kept.content.encode("utf-8", "surrogatepass")) != record.answer_sha256:
        raise IntegrityError("the kept text is not the one that the record names", "answer")


def objection(
    record: DecisionRecord, rested: Rested, snapshot: PolicySnapshot, screening_version: str, tenants: Sequence[str]
) -> str:
    """Return why an answer may not leave under the policy in force; empty if it may.

    Not counted again: a layer that asks for more by now, or has lost a voter, takes no answer back; an epoch does.
    ``screening_version`` is the running screener's; ``tenants`` are the names that the policy may know the tenant by.
    """
    counted = counted_voters(record)
    isolated = ", ".join(sorted(voter for voter in counted if snapshot.isolated(voter)))
    other_rules = _was_screened(record) and record.screening_version != screening_version
    before, now = rested.epochs, snapshot.invalidation_epochs
    checks = (
        (bool(isolated), f"isolated by now, and counted: {isolated}"),
        (snapshot.screening_version != rested.screening_version, "policy names other screening rules now"),
        (other_rules, "code was screened by other rules than those in force"),
        (_risen(before.voter, now.voter, counted), "answers of a voter that was counted were invalidated"),
        (_risen(before.rule, now.rule, now.rule), "answers under a rule that has changed were invalidated"),
        (_risen(before.tenant, now.tenant, tenants), "this tenant's answers were invalidated"),
    )
    return next((why for broken, why in checks if broken), "")


def counted_voters(record: DecisionRecord) -> frozenset[str]:
    """Return the voters that an answer rests on: those that agreed, and where parts are vouched for whoever may have done so."""
    vouched = record.tally.choice == "vouched"
    return frozenset(
        ballot.voter for ballot in record.ballots if ballot.outcome == "agreed" or (vouched and ballot.group >= 0)
    )


def _was_screened(record: DecisionRecord) -> bool:
    return any(ballot.screening != "none" for ballot in record.ballots)


def _risen(before: Mapping[str, int], now: Mapping[str, int], names: Iterable[str]) -> bool:
    return any(now.get(name, 0) > before.get(name, 0) for name in names)
