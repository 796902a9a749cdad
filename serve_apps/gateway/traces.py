"""``POST /v1/traces``: spans of other services, OTLP over HTTP. 200 says that every span is durable or was rejected for good.

Rules:
- Key, role, rate and room are looked at before the body is read; then size, encoding and spans, in a thread that lets the event
  loop have its turn every few spans.
- Each span counts once: accepted (durable), rejected (never to be sent again: the answer says how many and why) or refused (the
  request failed as a whole). Received is the sum.
- What helps to be sent again gets 429 or 503 with ``Retry-After``; everything else never helps, and says so by its status.
- Errors are ``google.rpc.Status`` in the request's encoding, as the protocol wants, not the gateway's own.
- A request uses up of its key's rate what its spans, its scopes or its bytes are, whichever is most, and never nothing. One
  that is to be sent again uses up nothing; one that never helps was read, and has its price: where it could not be inflated,
  that of what it might have become.

Left out: which spans may come in (``actors.spans.otlp.intake``) and their log (``external_log``).
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from actors.admission.rate import Buckets
from actors.base.errors import (
    InvalidRequest,
    Overloaded,
    PromptTooLarge,
    RateLimited,
    UnavailableError,
    UnsupportedMediaType,
    WeaverGenError,
)
from actors.spans.otlp.config import OtlpConfig
from actors.spans.otlp.exchange import (
    Encoding,
    count_scopes,
    encoding_of,
    failure,
    inflate,
    most_inflated,
    read_request,
    response,
)
from actors.spans.otlp.intake import Taken, count_spans, take
from actors.spans.span import Span
from actors.store.tenants import Tenants, TenantSalts
from serve_apps.gateway.access import Access
from serve_apps.gateway.complaints import Complaints
from serve_apps.gateway.problems import Header, status_of
from serve_apps.gateway.wire import (
    ClientGone,
    Receive,
    Scope,
    Send,
    read_body,
    require_no_idempotency_key,
    send_response,
)

BREATH_S = 50e-6
BURST_S = 2.0
ALL_KEYS = "all"
_log = logging.getLogger("weavergen.gateway")


class RowLog(Protocol):
    """Where rows of others become durable."""

    async def append(self, rows: Sequence[Span]) -> None:
        """Write rows and return when they are durable; raise if they cannot be made so."""

    @property
    def writer_id(self) -> str:
        """Return whose rows they are."""

    @property
    def queued_bytes(self) -> int:
        """Return what is on its way to the disk."""

    @property
    def unavailable_because(self) -> str:
        """Say why rows would not be taken."""


class TracesShown(msgspec.Struct, frozen=True):
    """Spans of other services in the replica that answers: received = accepted + rejected + refused."""

    received: int
    accepted: int
    """Durable."""
    rejected: int
    """Told never to be sent again."""
    refused: int
    """Of requests that failed as a whole, most of them to be sent again."""
    under_way: int
    writer: str
    """Whose rows they are in the write-ahead log; empty before there were any."""
    queued_bytes: int
    unavailable_because: str
    """Empty while their log takes spans."""


@dataclass(slots=True)
class _Read:
    """What a request holds."""

    taken: Taken
    price: int = 1
    """What it costs of its key's rate."""
    refused: InvalidRequest | PromptTooLarge | None = None
    """Why none of it is taken."""


class TraceIntake:
    """The ASGI endpoint of one replica. Used from one event loop."""

    def __init__(
        self, access: Access, log: RowLog, tenants: Tenants, keeps: Callable[[str], bool], config: OtlpConfig, max_replicas: int,
        body_timeout_s: float, monotonic: Callable[[], float], time_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        """Take spans; ``keeps`` tells whether a tenant's content is kept, else commitments to it are."""
        self._access, self._log, self._tenants, self._keeps, self._config = access, log, tenants, keeps, config
        self._body_timeout_s = body_timeout_s
        self._monotonic, self._time_ns = monotonic, time_ns
        rate = config.spans_per_second / max_replicas
        self._of_key = Buckets(rate, max(1.0, config.burst_spans / max_replicas), config.max_keys)
        of_all = config.replica_spans_per_second
        self._of_all = Buckets(of_all, max(1.0, BURST_S * of_all), 1)
        self._places: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, "traces")
        self._complaints = Complaints(_log, clock=monotonic)
        self._accepted = self._rejected = self._refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: list[Header] = scope["headers"]
        encoding = encoding_of(_header(headers, b"content-type"))
        told_in = encoding or Encoding.JSON
        try:
            body = await self._answer(headers, receive, encoding)
        except WeaverGenError as error:
            if status_of(error) >= 500:
                self._complaints.about(error)
            await self._fail(send, error, told_in)
        except ClientGone:
            _log.debug("a sender of spans went away before it was answered")
        except Exception:  # noqa: BLE001 - a defect is logged whole and answered with an error, never with silence
            _log.exception("spans could not be taken")
            await self._fail(send, WeaverGenError("internal error"), told_in)
        else:
            await send_response(send, 200, [(b"content-type", told_in.value.encode())], body)

    def shown(self) -> TracesShown:
        """Return what came so far."""
        return TracesShown(
            received=self._accepted + self._rejected + self._refused, accepted=self._accepted, rejected=self._rejected,
            refused=self._refused, under_way=self._places.total(), writer=self._log.writer_id,
            queued_bytes=self._log.queued_bytes, unavailable_because=self._log.unavailable_because,
        )  # fmt: skip

    def gauges(self) -> dict[str, float]:
        """Return what came so far as numbers."""
        shown = self.shown()
        return {
            "otlp_spans_received": shown.received, "otlp_spans_accepted": shown.accepted,
            "otlp_spans_rejected": shown.rejected, "otlp_spans_refused": shown.refused,
        }  # fmt: skip

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, headers: list[Header], receive: Receive, encoding: Encoding | None) -> bytes:
        principal = self._access.require(headers, "writer")
        require_no_idempotency_key(headers)
        if encoding is None:
            raise UnsupportedMediaType(f"send {' or '.join(Encoding)}", "content-type")
        compressed = _is_compressed(headers)
        self._require_rate(principal.key_id)
        if (announced := _header(headers, b"content-length")).isdecimal() and int(
            announced
        ) > self._config.max_body_bytes:
            raise PromptTooLarge(f"the body has more than {self._config.max_body_bytes} bytes", "body")
        with self._place(principal.key_id):
            data = await self._body(receive)
            tenant = self._tenants(principal.tenant)
            read = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._read, data, compressed, encoding, principal.key_id, tenant
            )
            taken = read.taken
            await self._keep(principal.key_id, read)
        return response(taken.rejected_spans, taken.error_message, encoding)

    async def _body(self, receive: Receive) -> bytes:
        """Return the body; raise ``Overloaded`` if it does not come in time: its spans are as good as before."""
        try:
            return await read_body(receive, self._config.max_body_bytes, self._body_timeout_s)
        except InvalidRequest as error:
            raise Overloaded(str(error)) from error

    def _read(self, data: bytes, compressed: bool, encoding: Encoding, sender: str, tenant: TenantSalts) -> _Read:
        """Read a request's spans (in the thread)."""
        read = _Read(Taken([], {}))
        try:
            self._take(read, data, compressed, encoding, sender, tenant)
        except (InvalidRequest, PromptTooLarge) as error:
            read.refused = error
        return read

    def _take(
        self, read: _Read, data: bytes, compressed: bool, encoding: Encoding, sender: str, tenant: TenantSalts
    ) -> None:  # fmt: skip
        config, most = self._config, self._config.max_decompressed_bytes
        if compressed:
            read.price = self._price(most_inflated(len(data), most, config.max_ratio))
            data = inflate(data, most, config.max_ratio)
        read.price = self._price(len(data))
        if len(data) > most:
            raise PromptTooLarge(f"the body has more than {most} bytes", "body")
        request = read_request(data, encoding, config.max_scopes)
        count = count_spans(request)
        read.price = max(read.price, count, count_scopes(request) // 2)
        read.taken = Taken([], {"refused": count})
        if count > config.max_spans:
            raise PromptTooLarge(f"the request has {count} spans, and may have {config.max_spans}", "body")
        read.taken = take(
            request, sender, tenant.pseudonym, config, self._time_ns(), _breathe,
            None if self._keeps(tenant.tenant) else tenant.span_commitment,
        )  # fmt: skip

    def _price(self, read_bytes: int) -> int:
        """Return what so many bytes cost, whatever they hold."""
        return max(1, read_bytes // self._config.bytes_a_span)

    async def _keep(self, key_id: str, read: _Read) -> None:
        """Make rows durable, and count what became of every span."""
        taken = read.taken
        count = len(taken.rows) + taken.rejected_spans
        try:
            if read.refused is not None:
                self._charge(key_id, read.price)
                raise read.refused
            self._require_rate(key_id)  # others may have taken it while this one was read
            self._charge(key_id, read.price)
            try:
                if taken.rows:
                    await self._log.append(taken.rows)
            except BaseException:
                self._give_rate_back(key_id, read.price)
                raise
        except BaseException:
            self._refused += count
            raise
        self._accepted += len(taken.rows)
        self._rejected += taken.rejected_spans

    # Rates and places.

    def _require_rate(self, key_id: str) -> None:
        now_s = self._monotonic()
        if wait_s := self._of_key.wait_s(key_id, now_s):
            raise self._too_many(f"the key sent more than {self._config.spans_per_second:g} spans a second", wait_s)
        if wait_s := self._of_all.wait_s(ALL_KEYS, now_s):
            raise self._too_many("all keys together send more spans than this replica takes", wait_s)

    def _charge(self, key_id: str, count: int) -> None:
        now_s = self._monotonic()
        self._of_key.take(key_id, count, now_s)
        self._of_all.take(ALL_KEYS, count, now_s)

    def _give_rate_back(self, key_id: str, count: int) -> None:
        now_s = self._monotonic()
        self._of_key.give_back(key_id, count, now_s)
        self._of_all.give_back(ALL_KEYS, count, now_s)

    @staticmethod
    def _too_many(why: str, wait_s: float) -> RateLimited:
        return RateLimited(f"{why}; send the spans again later", retry_after_s=max(1, math.ceil(wait_s)))

    @contextmanager
    def _place(self, key_id: str) -> Iterator[None]:
        most = self._config.max_under_way
        if self._places.total() >= most or self._places[key_id] >= math.ceil(most / 2):
            raise Overloaded("too many requests with spans are under way; send them again shortly")
        self._places[key_id] += 1
        try:
            yield
        finally:
            self._places[key_id] -= 1
            self._places += Counter()  # forgets keys that have none

    async def _fail(self, send: Send, error: WeaverGenError, encoding: Encoding) -> None:
        status = status_of(error)
        message = str(error) if status != 500 else "internal error; the operator's log has the cause"
        headers: list[Header] = [(b"content-type", encoding.value.encode())]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status in (429, 503):
            known_s = error.retry_after_s if isinstance(error, UnavailableError) else None
            headers.append((b"retry-after", str(known_s or self._config.retry_after_s).encode()))
        await send_response(send, status, headers, failure(status, message, encoding))


def _breathe() -> None:
    time.sleep(BREATH_S)


def _header(headers: Iterable[Header], wanted: bytes) -> str:
    return next((value.decode("latin-1").strip() for name, value in headers if name == wanted), "")


def _is_compressed(headers: Iterable[Header]) -> bool:
    """Tell whether a body is gzip; raise ``UnsupportedMediaType`` if it is anything but that or as it is."""
    given = [value.decode("latin-1").strip().lower() for name, value in headers if name == b"content-encoding"]
    if given in ([], [""], ["identity"]):
        return False
    if given == ["gzip"]:
        return True
    raise UnsupportedMediaType(f"content encoding {', '.join(given)[:64]!r}: send gzip or none", "content-encoding")
