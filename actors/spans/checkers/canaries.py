"""Canaries: rows made up to be bad, each in one way, and some made up to be good, by which checkers prove that they see.

Rules:
- They are judged beside real rows, in one call, again and again and from the first. They are never committed.
- A checker is blind if it has no canaries, misses one that is bad, or has anything grave to say of one that is good.
- Every kind of finding that a checker has, has a canary here. Those that need a signed record are made from the last one that
  was accepted, by changing it, and that itself is a good one: so the very keys of the home are what is proved.
- No writer can be taken for one: their writers' ids end in ``MARK``, their numbers begin at ``FIRST``, and a row from a log
  that has either is refused (``adapters.guard``).

Left out: when they are judged, and what becomes of rows while a checker is blind (``adapters.guard``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import msgspec

from actors.base.canonical import canonical_json
from actors.base.ids import ulid
from actors.spans import conventions as names
from actors.spans.authenticity import MAX_SKEW_S
from actors.spans.checkers import cryptographic, temporal
from actors.spans.checkers.finding import Finding, by_row, judge
from actors.spans.checkers.temporal import Bounds
from actors.spans.columns import Rows
from actors.spans.record import Envelope
from actors.spans.sequence import MAX_SEQ
from actors.spans.span import Span

_MARK = b"\0canary\0"
MARK = ulid(0, bytes(2) + _MARK)[-12:]
"""How the ids of canaries' writers end."""
FIRST = MAX_SEQ - 1023
"""Numbers from here on are canaries'."""
FAR_AHEAD_NS = 7_258_118_400_000_000_000
"""The year 2200: ahead of whatever the actor's clock, which may be set back at any time, ever showed."""
_AGO_NS = 60_000_000_000
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Canary:
    """Rows of which the last is what is made up."""

    rows: Rows
    checker: str = ""
    """Who must find it; empty if it is good, and nobody may."""
    kind: str = ""
    """As what."""

    @property
    def place(self) -> tuple[str, int]:
        """Return writer and number of the row."""
        return self.rows.writer_id, self.rows.first_seq + len(self.rows.spans) - 1


@dataclass(frozen=True, slots=True)
class Given:
    """What canaries are made from."""

    now_s: float
    bounds: Bounds
    sample: Rows | None
    """A row with a record that was accepted under the keys that are believed now; ``None`` before there was one."""
    is_trusting: bool = True
    """Whether anybody knows whom to believe now: else no record can be judged."""


Maker = Callable[[Given], Sequence[Canary]]


def is_canary(writer_id: str, seq: int) -> bool:
    """Tell whether a row is, or calls itself, a canary."""
    return writer_id.endswith(MARK) or seq >= FIRST


def plain(given: Given, number: int, **changes: object) -> Span:
    """Return a span that is good but for the changes, as canary ``number`` of its checker, which ended a minute ago."""
    end_ns = round(given.now_s * _S) - _AGO_NS
    span = Span(
        b"", b"", b"", "canary", "internal", end_ns - _S, end_ns, "ok", "", "", {}, latency_ms=_S // 1_000_000
    )  # fmt: skip
    return msgspec.structs.replace(span, **_ids(number) | changes)


def _ids(number: int) -> dict[str, object]:
    return {"trace_id": _MARK + number.to_bytes(8, "big"), "span_id": number.to_bytes(8, "big")}


def rows_of(given: Given, number: int, *spans: Span) -> Rows:
    """Return rows of a canary writer of their own, which began two minutes ago."""
    born_ms = round(given.now_s * 1000) - 2 * _AGO_NS // 1_000_000
    return Rows(ulid(max(0, born_ms), number.to_bytes(2, "big") + _MARK), FIRST, names.SPAN_SCHEMA_VERSION, list(spans))


def temporal_canaries(given: Given) -> list[Canary]:
    """Return a row for every way in which times cannot be."""
    now_ns, good = round(given.now_s * _S), plain(given, 0)
    far_ns = round((given.bounds.max_span_s + 2 * given.bounds.skew_s) * _S) + _AGO_NS
    old_ns = round(given.bounds.stale_after_s * _S)
    ahead_ns, born_ns = round(given.bounds.skew_s * _S) + _S, now_ns - 2 * _AGO_NS
    made: dict[str, tuple[dict[str, int], ...]] = {
        "end_before_start": ({"start_unix_nano": good.end_unix_nano + 1, "latency_ms": -1},),
        "too_long": ({"start_unix_nano": good.end_unix_nano - far_ns, "latency_ms": -1},),
        "latency": ({"latency_ms": good.latency_ms + 1 + temporal.LATENCY_SLACK_MS},),
        "future": ({"start_unix_nano": FAR_AHEAD_NS - _S, "end_unix_nano": FAR_AHEAD_NS},),
        "before_writer": ({"start_unix_nano": born_ns - ahead_ns, "latency_ms": -1},),
        "backwards": ({}, _moved(good, far_ns)),
        "stale": (_moved(good, old_ns),),
    }
    bad = []
    for at, (kind, several) in enumerate(made.items(), 1):
        spans = [plain(given, 8 * at + place, **changes) for place, changes in enumerate(several)]
        bad.append(Canary(rows_of(given, at, *spans), temporal.NAME, kind))
    root = plain(given, 101, record=b"{}", decision_id="canary")
    child = plain(
        given, 102, trace_id=root.trace_id, parent_span_id=root.span_id, decision_id="canary",
        end_unix_nano=root.end_unix_nano + 2 * temporal.CHILD_SLACK_NS, latency_ms=-1,
    )  # fmt: skip
    return [*bad, Canary(rows_of(given, 9, root, child), temporal.NAME, "child_outside_parent")]


def _moved(span: Span, by_ns: int) -> dict[str, int]:
    """Return the times of a span that much earlier."""
    return {
        "start_unix_nano": max(0, span.start_unix_nano - by_ns),
        "end_unix_nano": max(0, span.end_unix_nano - by_ns),
        "latency_ms": -1,
    }


def cryptographic_canaries(given: Given) -> list[Canary]:
    """Return a row for every way in which a row is not its writer's word, as far as there is a record to change."""
    name, copy = cryptographic.NAME, plain(given, 110)
    bad = [
        Canary(rows_of(given, 11, plain(given, 111, name=names.CANARY)), name, "actor_s_name"),
        Canary(rows_of(given, 12, copy, copy), name, "copied_span"),
    ]
    if given.is_trusting:
        bad.append(Canary(rows_of(given, 13, plain(given, 113, record=b"{}")), name, "record_unreadable"))
    return bad if given.sample is None else [*bad, *_changed(given.sample)]


def _changed(sample: Rows) -> list[Canary]:
    """Return an accepted row, changed in each of the ways that only a record can be; and as it was."""
    (row,) = sample.spans
    envelope = msgspec.json.decode(row.record, type=Envelope)
    signature = envelope.signature.sig
    other = signature[:1] + ("A" if signature[1] != "A" else "B") + signature[2:]
    unsigned = msgspec.structs.replace(envelope, signature=msgspec.structs.replace(envelope.signature, sig=other))
    uncertified = msgspec.structs.replace(envelope, certificates=[])
    later_ns = 2 * MAX_SKEW_S * _S
    made: dict[str, dict[str, object]] = {
        "signature": {"record": canonical_json(unsigned)},
        "certificate": {"record": canonical_json(uncertified)},
        "other_decision": {"decision_id": "canary"},
        "issued_outside_span": {
            "start_unix_nano": row.start_unix_nano + later_ns, "end_unix_nano": row.end_unix_nano + later_ns,
        },
        "misplaced": {},
    }  # fmt: skip
    return [
        Canary(
            replace(sample, first_seq=FIRST + at, spans=[msgspec.structs.replace(row, **_ids(120 + at) | changes)]),
            cryptographic.NAME, kind,
        )
        for at, (kind, changes) in enumerate(made.items())
    ]  # fmt: skip


def good_canaries(given: Given) -> list[Canary]:
    """Return rows that nobody may have anything grave to say of."""
    made = Canary(rows_of(given, 0, plain(given, 0)))
    return [made] if given.sample is None else [made, Canary(given.sample)]


MAKERS: Mapping[str, Maker] = {
    temporal.NAME: temporal_canaries,
    cryptographic.NAME: cryptographic_canaries,
}
"""Name of a checker → what makes its canaries."""


@runtime_checkable
class Proving(Protocol):
    """A checker whose canaries depend on what it has learned: it makes them itself."""

    def canaries(self, given: Given) -> Sequence[Canary]:
        """Return rows that it must find, and as what."""


def blind(
    checkers: Iterable[str], canaries: Sequence[Canary], findings: Iterable[Finding], threshold: float
) -> dict[str, str]:
    """Return which checkers did not see what their canaries are → why. Pure."""
    found, faults = by_row(findings), dict[str, list[str]]()
    for canary in canaries:
        said = found.get(canary.place, [])
        if canary.checker:
            if not any((one.checker, one.kind) == (canary.checker, canary.kind) for one in said):
                faults.setdefault(canary.checker, []).append(f"misses {canary.kind}")
        elif judge(said, threshold).action_taken != "accept":
            for one in said:
                faults.setdefault(one.checker, []).append(f"finds {one.kind} where nothing is")
    bad = {canary.checker for canary in canaries}
    return {
        name: "; ".join(faults.get(name, [])) or "has no canaries"
        for name in checkers
        if name in faults or name not in bad
    }
