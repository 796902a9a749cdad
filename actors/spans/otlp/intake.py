"""Which spans of a request may come in, as rows; the others are counted, with the reason. Pure.

Rules:
- What is wrong with one span rejects that span (OTLP's partial success), what is wrong with a resource or scope all of its
  spans. A sender that gets the same answer again would send the same again: rejected is never to be retried.
- Names under ``weavergen.`` are this system's own, in whatever case: no span, event, link, scope or resource of others has an
  attribute of such a name, nor is a span or scope called so. A decision's id has a column: nobody else names one.
- Ids are ids, times are of now, give or take the configuration: whoever chose a date freely would make files by the thousand.
- A resource or scope without spans says nothing of any: nothing is looked at in it, and nothing kept.
- Content is put away (``content``) of a span that has its ids, its times and no more of anything than it may: hashing is work.
  What was long is measured after that, by what is kept of it.
- Everything has a bound. Of reasons, a few are told, shortened, with how many spans each was for.
- The work grows with a request's size and with what is kept of it, and with nothing else: a resource is copied once, and once
  more for each span of it that is taken.
- ``breathe`` is called every few resources, scopes and spans, and within a span that holds much: whoever lets this run beside an
  event loop gives the loop its turn then.

Left out: reading requests (``exchange``), rates and disks (the gateway).
"""

from collections import Counter
from collections.abc import Callable, Collection

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from actors.base.errors import PromptTooLarge
from actors.spans.otlp.config import OtlpConfig
from actors.spans.otlp.content import Commit, put_away
from actors.spans.otlp.mapping import KINDS, STATUSES, frame_of, kept_of, resource_of, row_bytes, row_of, scope_of
from actors.spans.otlp.message import INT64_MAX
from actors.spans.span import Span

OWN = "weavergen"
DECISION_NAMES = frozenset({"decision_id", "decision.id"})
STEPS_A_BREATH = 16
"""Resources, scopes and spans."""
ITEMS_A_STEP = 16
"""Attributes, events and links."""
BYTES_AN_ITEM = 32
"""So much of an attribute counts as an item more: its value may be a long list."""
MAX_REASONS = 5
MAX_REASONS_KEPT = 64
MAX_SHOWN_CHARS = 64
OTHER_REASONS = "other reasons"
_NS = 1_000_000_000


class Rejected(Exception):
    """A span, or all spans of a resource or scope, cannot be taken; says why."""


class Taken(msgspec.Struct):
    """What became of a request's spans."""

    rows: list[Span]
    rejected: dict[str, int]
    """Why → how many spans."""

    @property
    def rejected_spans(self) -> int:
        """Return how many spans were rejected."""
        return sum(self.rejected.values())

    @property
    def error_message(self) -> str:
        """Say why spans were rejected; empty if none was."""
        told = sorted(self.rejected.items(), key=lambda item: (-item[1], item[0]))
        words = [f"{count} spans: {why}" if count > 1 else f"1 span: {why}" for why, count in told[:MAX_REASONS]]
        left = sum(count for _, count in told[MAX_REASONS:])
        return "; ".join([*words, f"{left} spans: {OTHER_REASONS}"] if left else words)


def count_spans(request: ExportTraceServiceRequest) -> int:
    """Return how many spans a request holds."""
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def take(
    request: ExportTraceServiceRequest, sender: str, tenant: str, config: OtlpConfig, now_ns: int,
    breathe: Callable[[], None] = lambda: None, commit: Commit | None = None,
) -> Taken:  # fmt: skip
    """Return a request's spans as rows of a sender, and why others are none.

    ``commit`` commits to their content, which is put away then (``content``); without it all is kept as it came.
    Raises ``PromptTooLarge`` if the rows together would take more than they may.
    """
    return _Intake(sender, tenant, config, now_ns, breathe, commit).take(request)


class _Intake:
    def __init__(
        self, sender: str, tenant: str, config: OtlpConfig, now_ns: int, breathe: Callable[[], None],
        commit: Commit | None,
    ) -> None:  # fmt: skip
        self._commit = commit
        self._sender, self._tenant, self._config, self._breathe = sender, tenant, config, breathe
        self._earliest_ns = now_ns - config.max_age_s * _NS
        self._latest_ns = min(now_ns + config.max_ahead_s * _NS, INT64_MAX)
        self._rows: list[Span] = []
        self._bytes = 0
        self._items_left = 0
        """Before the next breath."""
        self._rejected: Counter[str] = Counter()

    def take(self, request: ExportTraceServiceRequest) -> Taken:
        for resource in request.resource_spans:
            self._step()
            if any(len(scope.spans) for scope in resource.scope_spans):
                self._take_resource(resource)
        return Taken(self._rows, dict(self._rejected))

    def _step(self, items: int = ITEMS_A_STEP) -> None:
        if self._items_left <= 0:
            self._breathe()
            self._items_left = STEPS_A_BREATH * ITEMS_A_STEP
        self._items_left -= items

    def _take_resource(self, sent: ResourceSpans) -> None:
        around = resource_of(sent)
        why = self._why(lambda: self._check_resource(around))
        for scope in sent.scope_spans:
            self._step()
            if len(scope.spans):
                self._take_scope(around, scope, why)

    def _take_scope(self, resource: ResourceSpans, sent: ScopeSpans, why: str) -> None:
        scope = scope_of(sent)
        why = why or self._why(lambda: self._check_scope(scope))
        around = resource.ByteSize(), scope.ByteSize()
        if not why and sum(around) > self._config.max_span_bytes:
            why = "resource and scope are larger than a span may be"
        if why:
            self._reject(why, len(sent.spans))
            return
        frame: ResourceSpans | None = None
        for whole in sent.spans:
            self._step()
            try:
                span = self._checked(whole, around)
            except Rejected as error:
                self._reject(str(error), 1)
            else:
                frame = frame or frame_of(resource, scope)
                self._take_span(frame, span)

    def _checked(self, sent: Message, around: tuple[int, int]) -> Message:
        """Return a span without its content; raise ``Rejected`` unless it can be taken. ``around``: see ``_check_kept``."""
        self._check_span(sent)
        self._check_counts(sent)
        span = sent
        if self._commit is not None:
            span = put_away(sent, self._commit, self._config.content_attributes, lambda: self._step(1))
        self._check_kept(span, around)
        return span

    def _take_span(self, around: ResourceSpans, span: Message) -> None:
        row = row_of(around, span, self._sender, self._tenant)
        self._bytes += len(row.otlp)
        if self._bytes > self._config.max_rows_bytes:
            raise PromptTooLarge(
                f"the request's spans, each with its resource and scope, have more than {self._config.max_rows_bytes} bytes: "
                "send fewer at a time, or smaller resources",
                "body",
            )
        self._rows.append(row)

    def _reject(self, why: str, count: int) -> None:
        if why not in self._rejected and len(self._rejected) >= MAX_REASONS_KEPT:
            why = OTHER_REASONS
        if count:
            self._rejected[why] += count

    @staticmethod
    def _why(check: Callable[[], None]) -> str:
        try:
            check()
        except Rejected as error:
            return str(error)
        return ""

    # What may be said.

    def _check_resource(self, resource: ResourceSpans) -> None:
        self._check_count(resource.resource.attributes, "resource")
        self._check_attributes(resource.resource.attributes, "resource")

    def _check_scope(self, scope: ScopeSpans) -> None:
        self._check_name(scope.scope.name, "scope")
        self._check_count(scope.scope.attributes, "scope")
        self._check_attributes(scope.scope.attributes, "scope")

    def _check_span(self, span: Message) -> None:
        _check_id(span.trace_id, 16, "trace id")
        _check_id(span.span_id, 8, "span id")
        if span.parent_span_id and len(span.parent_span_id) != 8:
            raise Rejected("the parent's span id has neither 8 bytes nor none")
        if span.kind not in KINDS or span.status.code not in STATUSES:
            raise Rejected(f"kind {span.kind} or status {span.status.code} is none that is known here")
        if not self._earliest_ns <= span.start_time_unix_nano <= self._latest_ns:
            raise Rejected(f"it began more than {self._config.max_age_s} s ago, or is ahead of now")
        if span.end_time_unix_nano > self._latest_ns:
            raise Rejected("it ends after now")
        self._check_name(span.name, "span")
        self._check_length(span.trace_state, "trace state")
        self._check_length(span.status.message, "status message")

    def _check_counts(self, span: Message) -> None:
        self._check_count(span.attributes, "span")
        for items, most, what, each in (
            (span.events, self._config.max_events, "events", "event"), (span.links, self._config.max_links, "links", "link"),
        ):  # fmt: skip
            if len(items) > most:
                raise Rejected(f"more than {most} {what}")
            for item in items:
                self._step(1)
                self._check_count(item.attributes, each)

    def _check_count(self, attributes: Collection[KeyValue], what: str) -> None:
        if len(attributes) > self._config.max_attributes:
            raise Rejected(f"more than {self._config.max_attributes} attributes of a {what}")

    def _check_kept(self, span: Message, around: tuple[int, int]) -> None:
        """Look at what is kept of a span; ``around`` are the sizes of its resource and scope."""
        self._check_attributes(span.attributes, "span")
        self._check_events(span)
        self._check_links(span)
        self._check_size(span, around)

    def _check_size(self, span: Message, around: tuple[int, int]) -> None:
        """Before anything is copied: a large resource would be, for each of many spans that are too large with it."""
        most = self._config.max_span_bytes
        if row_bytes(*around, span.ByteSize()) > most and row_bytes(*around, kept_of(span).ByteSize()) > most:
            raise Rejected(f"a span with its resource and scope has more than {most} bytes")

    def _check_events(self, span: Message) -> None:
        for event in span.events:
            self._check_length(event.name, "event's name")
            if event.time_unix_nano > INT64_MAX:
                raise Rejected("an event's time is no time")
            self._check_attributes(event.attributes, "event")

    def _check_links(self, span: Message) -> None:
        for link in span.links:
            self._check_length(link.trace_state, "link's trace state")
            self._check_attributes(link.attributes, "link")

    def _check_name(self, name: str, what: str) -> None:
        self._check_length(name, f"{what}'s name")
        if is_own(name):
            raise Rejected(f"{what} name {_short(name)}: names under {OWN}. are this system's own")

    def _check_length(self, text: str, what: str) -> None:
        if len(text.encode()) > self._config.max_name_bytes:
            raise Rejected(f"a {what} has more than {self._config.max_name_bytes} bytes")

    def _check_attributes(self, attributes: Collection[KeyValue], what: str) -> None:
        for item in attributes:
            self._step(1 + item.ByteSize() // BYTES_AN_ITEM)
            if is_own(item.key):
                raise Rejected(f"{what} attribute {_short(item.key)}: names under {OWN}. are this system's own")
            if item.key.casefold() in DECISION_NAMES:
                raise Rejected(
                    f"{what} attribute {_short(item.key)}: only this system says which decision a span is of"
                )
            if item.ByteSize() > self._config.max_attribute_bytes:
                raise Rejected(
                    f"{what} attribute {_short(item.key)} has more than {self._config.max_attribute_bytes} bytes"
                )
            if _depth(item.value, self._config.max_value_depth) > self._config.max_value_depth:
                raise Rejected(
                    f"{what} attribute {_short(item.key)} is nested more than {self._config.max_value_depth} deep"
                )


def is_own(name: str) -> bool:
    """Tell whether a name is one that only this system uses."""
    folded = name.strip().casefold()
    return folded == OWN or folded.startswith(f"{OWN}.")


def _check_id(data: bytes, size: int, what: str) -> None:
    if len(data) != size or not any(data):
        raise Rejected(f"its {what} is not {size} bytes that are not all zero")


def _depth(value: AnyValue, most: int) -> int:
    """Return how deep lists and maps lie in one another, or ``most`` + 1 where that is more."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        inner = list(value.array_value.values)
    elif kind == "kvlist_value":
        inner = [item.value for item in value.kvlist_value.values]
    else:
        return 0
    if most <= 0:
        return 1
    return 1 + max((_depth(item, most - 1) for item in inner), default=0)


def _short(name: str) -> str:
    return repr(name if len(name) <= MAX_SHOWN_CHARS else f"{name[:MAX_SHOWN_CHARS]}…")
