"""``POST /v1/traces``: what is taken, what is told, and what is counted."""

import asyncio
import gzip
from typing import Any

import msgspec
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from actors.base.errors import InvalidKey, StorageUnavailable
from actors.spans.otlp.config import OtlpConfig
from actors.spans.otlp.json_form import to_json
from actors.spans.otlp.mapping import whole
from actors.store.auth import Principal, Role
from actors.store.tenants import renewed
from tests.unit.actors.consensus.world import until
from tests.unit.actors.spans.otlp.sent import pair, request, sent
from tests.unit.serve_apps.gateway.taking import JSON, PROTOBUF, post, salts, taking

TWO = request(sent(number=1), sent(number=2))
MIXED = request(
    sent(number=1), sent(number=2, attributes=[pair("weavergen.voter", "m1")]), sent(number=3, trace_id=b"x")
)
KIB = 1024


def writers(key: str) -> Principal:
    """Know keys by their role; what begins with ``writer`` is one."""
    roles: dict[str, Role] = {"client": "client", "operator": "operator", "auditor": "auditor"}
    if key not in roles and not key.startswith("writer"):
        raise InvalidKey("unknown key")
    return Principal(f"id-{key}", "acme", roles.get(key, "writer"), frozenset(), 0)


def in_json(message: ExportTraceServiceRequest) -> bytes:
    """Write a request as JSON."""
    return msgspec.json.encode(to_json(message))


@pytest.mark.parametrize(
    ("body", "content_type", "headers"),
    [
        (TWO.SerializeToString(), PROTOBUF, {}), (in_json(TWO), JSON, {}),
        (gzip.compress(TWO.SerializeToString()), PROTOBUF, {"content_encoding": "gzip"}),
        (gzip.compress(in_json(TWO)), f"{JSON}; charset=utf-8", {"content_encoding": "GZIP"}),
        (in_json(TWO), JSON, {"content_encoding": "identity"}),
    ],
)  # fmt: skip
async def test_what_is_taken_is_what_was_sent(body: bytes, content_type: str, headers: dict[str, str]) -> None:
    """In both encodings, compressed or not: answered 200 in the request's, with nothing in it."""
    intake, log, _ = taking(writers)
    told = await post(intake, body, content_type, **headers)
    kind = content_type.partition(";")[0]
    assert (told.status, told.headers["content-type"], told.body) == (200, kind, b"{}" if kind == JSON else b"")
    assert [whole(row).scope_spans[0].spans[0] for row in log.rows] == list(TWO.resource_spans[0].scope_spans[0].spans)
    assert {(row.sender, row.tenant) for row in log.rows} == {("id-writer", "pseudonym of acme")}
    shown = intake.shown()
    assert (shown.received, shown.accepted, shown.rejected, shown.refused) == (2, 2, 0, 0)


async def test_what_is_rejected_is_told_and_the_rest_is_kept() -> None:
    """Partial success, in both encodings; every span is counted."""
    intake, log, _ = taking(writers)
    told = await post(intake, MIXED.SerializeToString())
    partial = ExportTraceServiceResponse.FromString(told.body).partial_success
    assert (told.status, partial.rejected_spans) == (200, 2)
    assert "'weavergen.voter'" in partial.error_message
    assert "trace id" in partial.error_message
    as_json = await post(intake, in_json(MIXED), JSON)
    assert msgspec.json.decode(as_json.body)["partialSuccess"]["rejectedSpans"] == "2"
    shown = intake.shown()
    assert (shown.received, shown.accepted, shown.rejected, shown.refused) == (6, 2, 4, 0)
    assert len(log.rows) == 2
    assert intake.gauges() == {
        "otlp_spans_received": 6, "otlp_spans_accepted": 2, "otlp_spans_rejected": 4, "otlp_spans_refused": 0,
    }  # fmt: skip


async def test_an_idempotency_key_is_refused() -> None:
    """Spans that are sent again are taken again."""
    intake, log, _ = taking(writers)
    told = await post(intake, b"", idempotency_key="once")
    assert (told.status, told.was_read, log.rows) == (400, False, [])
    assert b"leave it out" in told.body


@pytest.mark.parametrize(("kept", "is_kept"), [((), False), (("other",), False), (("acme",), True), (("*",), True)])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_content_is_kept_only_of_tenants_whose_content_is(
    kept: tuple[str, ...], content_type: str, *, is_kept: bool
) -> None:
    """Of others a commitment is that follows from the tenant's salts, and nothing opens it once these are erased."""
    message = request(sent(attributes=[pair("gen_ai.prompt", "sell everything"), pair("a", "sell everything else")]))
    body = message.SerializeToString() if content_type == PROTOBUF else in_json(message)
    intake, log, _ = taking(writers, kept=kept)
    assert (await post(intake, body, content_type)).status == 200
    (row,) = log.rows
    (span,) = message.resource_spans[0].scope_spans[0].spans
    found = {item.key: item.value.string_value for item in whole(row).scope_spans[0].spans[0].attributes}
    value = span.attributes[0].value.SerializeToString(deterministic=True)
    before, after = salts("acme"), renewed(salts("acme"), bytes)
    said = [f"hmac-sha256:{each.span_commitment(span.trace_id, span.span_id, value)}" for each in (before, after)]
    assert found == {"gen_ai.prompt": "sell everything" if is_kept else said[0], "a": "sell everything else"}
    assert said[0] != said[1]


async def test_an_empty_request_is_fine_and_touches_no_log() -> None:
    """No spans, nothing to record."""
    intake, log, _ = taking(writers)
    log.error = StorageUnavailable("nobody may ask")
    assert (await post(intake, b"")).status == 200
    assert (await post(intake, b"{}", JSON)).body == b"{}"


@pytest.mark.parametrize(
    ("key", "status", "code"), [("", 401, 16), ("forged", 401, 16), ("client", 403, 7), ("operator", 403, 7)]
)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_whoever_may_not_write_is_told_in_its_own_encoding(
    key: str, status: int, code: int, content_type: str
) -> None:
    """A status of google.rpc; the body is not read."""
    intake, _, _ = taking(writers)
    told = await post(intake, TWO.SerializeToString(), content_type, key)
    assert (told.status, told.headers["content-type"], told.was_read) == (status, content_type, False)
    found = Status.FromString(told.body).code if content_type == PROTOBUF else msgspec.json.decode(told.body)["code"]
    assert found == code
    assert ("www-authenticate" in told.headers) == (status == 401)
    assert "retry-after" not in told.headers


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status", "says"),
    [
        (b"\xff", PROTOBUF, {}, 400, "no ExportTraceServiceRequest"), (b"{", JSON, {}, 400, "no ExportTraceServiceRequest"),
        (b"", "text/plain", {}, 415, "application/x-protobuf or application/json"), (b"", "", {}, 415, "application/json"),
        (b"", PROTOBUF, {"content_encoding": "br"}, 415, "gzip or none"),
        (b"", PROTOBUF, {"content_encoding": "gzip, gzip"}, 415, "gzip or none"),
        (b"no", PROTOBUF, {"content_encoding": "gzip"}, 400, "not gzip"),
        (b"x" * 9000, PROTOBUF, {}, 413, "more than 8192 bytes"), (b"", PROTOBUF, {"content_length": "8193"}, 413, "8192"),
        (b" " * 5000, JSON, {}, 413, "more than 4096 bytes"),
        (gzip.compress(bytes(5000)), PROTOBUF, {"content_encoding": "gzip"}, 413, "more than 4096 bytes"),
        (request(*(sent(number=n + 1) for n in range(4))).SerializeToString(), PROTOBUF, {}, 413, "may have 3"),
        (b"\x0a\x08" + b"\x12\x00" * 4, PROTOBUF, {}, 413, "5 resources and scopes, and may have 4"),
        (b'{"resourceSpans": [{"scopeSpans": [{}, {}, {}, {}]}]}', JSON, {}, 413, "5 resources and scopes, and may have 4"),
        (request(sent(), service="s" * 1500).SerializeToString() * 2, PROTOBUF, {}, 413, "send fewer at a time"),
    ],
)  # fmt: skip
async def test_what_never_helps_to_be_sent_again_says_so(
    body: bytes, content_type: str, headers: dict[str, str], status: int, says: str
) -> None:
    """Bad data, other encodings and what is too large: no ``Retry-After``, and a sentence."""
    bounds = OtlpConfig(
        max_body_bytes=8 * KIB,
        max_decompressed_bytes=4 * KIB,
        max_spans=3,
        max_scopes=4,
        max_rows_bytes=2 * KIB,
        max_span_bytes=2 * KIB,
    )
    intake, log, _ = taking(writers, bounds)
    told = await post(intake, body, content_type, **headers)
    message = (
        Status.FromString(told.body).message if content_type == PROTOBUF else msgspec.json.decode(told.body)["message"]
    )
    assert (told.status, "retry-after" in told.headers, log.rows) == (status, False, [])
    assert says in message


async def test_a_log_that_takes_nothing_is_a_503_that_says_when_to_come_again() -> None:
    """The spans are refused, not lost: nothing of the key's rate is used up."""
    intake, log, _ = taking(writers, OtlpConfig(burst_spans=2, spans_per_second=1, retry_after_s=7))
    log.error = StorageUnavailable("the disk is full")
    for _ in range(3):
        told = await post(intake, TWO.SerializeToString())
        assert (told.status, told.headers["retry-after"]) == (503, "7")
        assert Status.FromString(told.body).code == 14
    shown = intake.shown()
    assert (shown.received, shown.accepted, shown.rejected, shown.refused) == (6, 0, 0, 6)
    log.error = None
    assert (await post(intake, TWO.SerializeToString())).status == 200


async def test_a_key_that_sends_too_much_waits_and_is_not_read() -> None:
    """429 with the seconds; other keys go on; afterwards it may again. Replicas share the rate."""
    intake, _, clock = taking(writers, OtlpConfig(burst_spans=8, spans_per_second=4), replicas=2)
    for _ in range(2):
        assert (await post(intake, TWO.SerializeToString())).status == 200
    told = await post(intake, TWO.SerializeToString())
    assert (told.status, told.headers["retry-after"], told.was_read) == (429, "1", False)
    assert Status.FromString(told.body).code == 8
    assert (await post(intake, TWO.SerializeToString(), key="writer-2")).status == 200
    clock.now_s = 0.6
    assert (await post(intake, TWO.SerializeToString())).status == 200
    assert intake.shown().refused == 0


@pytest.mark.parametrize(
    ("body", "price"),
    [
        (b"", 1), (TWO.SerializeToString(), 2), (b"\x0a\x10" + b"\x12\x00" * 8, 4), (b"\x0a\x00" * 8, 4),
        (request(sent(attributes=[pair("a", "x" * 1000)])).SerializeToString(), 4), (b"\xff" * 1030, 4), (b"\xff", 1),
        (request(*(sent(number=n + 1) for n in range(9))).SerializeToString(), 9), (b"\x0a\x00" * 129, 1),
    ],
    ids=["nothing", "spans", "scopes", "resources", "bytes", "unread bytes", "unread", "too many", "too many resources"],
)  # fmt: skip
async def test_whatever_is_read_has_a_price(body: bytes, price: int) -> None:
    """Its spans, its pairs of resource and scope or its bytes, whichever is most, and never nothing."""
    config = OtlpConfig(burst_spans=1, spans_per_second=1, bytes_a_span=256, max_scopes=128, max_spans=8)
    intake, _, clock = taking(writers, config)
    await post(intake, body)
    told = await post(intake, body)
    assert (told.status, int(told.headers["retry-after"]), told.was_read) == (429, price, False)
    clock.now_s = price + 0.1
    assert (await post(intake, body)).status != 429


@pytest.mark.parametrize(
    ("body", "headers", "status", "price"),
    [
        (gzip.compress(bytes(5000)), {"content_encoding": "gzip"}, 413, 16),
        (gzip.compress(bytes(4000))[:-1], {"content_encoding": "gzip"}, 400, 16),
        (gzip.compress(bytes(4000))[:-1] + b"x", {"content_encoding": "gzip"}, 400, 16),
        (gzip.compress(b"\xff" * 1030), {"content_encoding": "gzip"}, 400, 4),
        (gzip.compress(TWO.SerializeToString()), {"content_encoding": "gzip"}, 200, 2), (bytes(5000), {}, 413, 19),
    ],
    ids=["too much", "cut", "other than its sum", "unread", "taken", "too much as it is"],
)  # fmt: skip
async def test_what_is_refused_while_it_is_inflated_has_the_price_of_what_it_may_have_become(
    body: bytes, headers: dict[str, str], status: int, price: int
) -> None:
    """Nobody knows how much that was; of what came out whole, that is its price."""
    config = OtlpConfig(burst_spans=1, spans_per_second=1, bytes_a_span=256, max_decompressed_bytes=4 * KIB)
    intake, _, _ = taking(writers, config)
    assert (await post(intake, body, **headers)).status == status
    assert int((await post(intake, body, **headers)).headers["retry-after"]) == price


async def test_all_keys_together_have_a_rate_as_well() -> None:
    """A replica's time is not for sale to whoever has many keys."""
    intake, _, _ = taking(writers, OtlpConfig(replica_spans_per_second=1.0))
    answers = [(await post(intake, TWO.SerializeToString(), key=f"writer-{n}")).status for n in range(3)]
    assert answers == [200, 429, 429]


async def test_places_are_few_and_no_key_has_them_all() -> None:
    """Beyond them 429 at once; the client that holds half of them may have no more."""
    intake, log, _ = taking(writers, OtlpConfig(max_under_way=4, retry_after_s=3))
    log.gate = asyncio.Event()
    body = TWO.SerializeToString()
    held = [asyncio.create_task(post(intake, body, key=key)) for key in ("writer-1", "writer-1", "writer-2")]
    await until(lambda: intake.shown().under_way == 3)
    greedy = await post(intake, body, key="writer-1")
    assert (greedy.status, greedy.headers["retry-after"], greedy.was_read) == (429, "3", False)
    held.append(asyncio.create_task(post(intake, body, key="writer-3")))
    await until(lambda: intake.shown().under_way == 4)
    assert (await post(intake, body, key="writer-4")).status == 429
    log.gate.set()
    assert [told.status for told in await asyncio.gather(*held)] == [200] * 4
    assert (intake.shown().under_way, dict(intake._places)) == (0, {})


async def test_a_sender_that_goes_away_or_hangs_frees_its_place() -> None:
    """Nothing is sent to whoever is gone; whose body does not come is to send it again: after a 400 it would drop it."""
    intake, _, _ = taking(writers, timeout_s=0.01)
    assert (await post(intake, b"", gone=True)).status == 0
    sent_back: list[Any] = []

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        sent_back.append(message)

    headers = [(b"authorization", b"Bearer writer"), (b"content-type", PROTOBUF.encode())]
    await intake({"type": "http", "headers": headers}, never, send)
    assert sent_back[0]["status"] == 429
    assert b"retry-after" in dict(sent_back[0]["headers"])
    assert intake.shown().under_way == 0


async def test_a_defect_is_logged_whole_and_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    """A status of google.rpc that says nothing of it; its spans count as refused."""
    intake, log, _ = taking(writers)
    log.error = RuntimeError("a secret path")
    told = await post(intake, in_json(TWO), JSON)
    assert (told.status, msgspec.json.decode(told.body)["code"]) == (500, 13)
    assert b"secret" not in told.body
    assert "a secret path" in caplog.text
    assert intake.shown().refused == 2
