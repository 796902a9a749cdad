"""The gateway as clients meet it: the official OpenAI client, unmodified, and plain HTTP, against a real node."""

import base64
import concurrent.futures
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest

from actors.base.certificates import read_trust
from actors.consensus.verification import verify_envelope
from actors.spans.record import Envelope, read_envelope
from tests.documented import undescribed
from tests.ray.waiting import until
from tests.ray.world import AGE, AGREED, BROKEN, DISAGREED, MAX_CONCURRENT, SLOW, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture
def client(system: System) -> Iterator[openai.OpenAI]:
    """Open the official client with its default retries."""
    with openai.OpenAI(base_url=f"{system.base_url}/v1", api_key=system.client_key) as opened:
        yield opened


@pytest.fixture
def http(system: System) -> Iterator[httpx.Client]:
    """Open a plain client with the client's key."""
    headers = {"Authorization": f"Bearer {system.client_key}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=60) as opened:
        yield opened


def user(text: str) -> list[Any]:
    """Return a conversation of one user turn."""
    return [{"role": "user", "content": text}]


def ops(system: System) -> httpx.Client:
    """Open a plain client with the operator's key."""
    return httpx.Client(
        base_url=system.base_url, headers={"Authorization": f"Bearer {system.operator_key}"}, timeout=60
    )


@contextmanager
def holder(system: System, role: str) -> Iterator[httpx.Client]:
    """Open a plain client with a key of a role that is made for it, once replicas know the key."""
    key = json.loads(system.weavergen("keys", "create", "--role", role, "--json").stdout)["key"]
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=60) as made:
        until(lambda: made.get("/openapi.json").status_code == 200, 10)
        yield made


def test_models_are_listed(client: openai.OpenAI) -> None:
    """``consensus`` and every voter, with family, lineage, layers and state."""
    models = {model.id: model.model_extra or {} for model in client.models.list()}
    assert set(models) == {"consensus", "m1", "m2", "m3"}
    assert models["m1"]["weavergen"] == {"family": "m1", "lineage": "one", "layers": ["primary"], "state": "active"}
    assert client.models.retrieve("consensus").id == "consensus"


def test_an_answer_comes_with_its_record(client: openai.OpenAI, http: httpx.Client, system: System) -> None:
    """The completion is OpenAI's shape; the record it names is there at once and verifies offline."""
    raw = client.chat.completions.with_raw_response.create(model="consensus", messages=user(AGREED))
    completion = raw.parse()
    told = (completion.model_extra or {})["weavergen"]
    assert completion.choices[0].message.content in ("Paris", "The capital of France is Paris.")
    assert completion.choices[0].finish_reason == "stop"
    assert told["agreement"]["method"] == "value"
    assert raw.headers["x-weavergen-decision"] == told["decision_id"]
    envelope = http.get(f"/v1/decisions/{told['decision_id']}").content
    trust = read_trust((system.home / "trust.json").read_bytes())
    assert verify_envelope(envelope, trust, int(time.time())).record.result == "answered"


@pytest.mark.parametrize("stream", [False, True])
def test_json_is_held_to_the_schema(http: httpx.Client, stream: bool) -> None:
    """Streamed or not, the voter that does not satisfy it counts for nobody, and what leaves satisfies it."""
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    asked: Any = {"type": "json_schema", "json_schema": {"name": "age", "schema": schema, "strict": True}}
    body = {"model": "consensus", "messages": user(AGE), "response_format": asked, "stream": stream}
    told = http.post("/v1/chat/completions", json=body | {"weavergen": {"explain": True}})
    assert told.status_code == 200, told.text
    events = [json.loads(line.removeprefix("data: ")) for line in told.text.splitlines() if line.startswith("data: {")]
    parts = events if stream else [told.json()]
    choices = [choice for part in parts for choice in part["choices"]]
    content = "".join(choice.get("message", choice.get("delta", {})).get("content", "") for choice in choices)
    assert json.loads(content) == {"age": 36}
    votes = next(part["weavergen"]["votes"] for part in parts if "weavergen" in part)
    assert [vote["outcome"] for vote in votes] == ["invalid", "agreed", "agreed"]


def test_a_schema_that_leads_out_is_refused(client: openai.OpenAI) -> None:
    """Nothing is fetched: 400 names the field and says what to do instead."""
    asked: Any = {"type": "json_schema", "json_schema": {"name": "age", "schema": {"$ref": "https://example.com/a"}}}
    with pytest.raises(openai.BadRequestError, match="copy it under") as refused:
        client.chat.completions.create(model="consensus", messages=user(AGE), response_format=asked)
    assert refused.value.param == "response_format.json_schema.schema"


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    """Streamed pieces join to a candidate, the last chunks carry the record and the usage, and ``[DONE]`` ends it."""
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="consensus", messages=user(AGREED), stream=True, stream_options=options)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text in ("Paris", "The capital of France is Paris.")
    assert any((chunk.model_extra or {}).get("weavergen") for chunk in chunks)
    assert chunks[-1].usage is not None


def test_one_voter_by_name_is_single_and_degraded(client: openai.OpenAI) -> None:
    """A voter's id as model asks that voter alone and says so."""
    completion = client.chat.completions.create(model="m3", messages=user(AGREED))
    told = (completion.model_extra or {})["weavergen"]
    assert completion.choices[0].message.content == "Lyon"
    assert (told["agreement"]["method"], told["degraded"], told["policy"]) == ("single", True, "direct")


def test_errors_are_the_clients_own_exceptions(client: openai.OpenAI, system: System) -> None:
    """Each refusal arrives as the exception class a user of the client expects, naming code and field."""
    with pytest.raises(openai.UnprocessableEntityError) as disagreed:
        client.chat.completions.create(
            model="consensus", messages=user(DISAGREED), extra_body={"weavergen": {"answer_kind": "value"}}
        )
    assert disagreed.value.code == "no_consensus"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4", messages=user("x"))
    with pytest.raises(openai.BadRequestError) as unsupported:
        client.chat.completions.create(model="consensus", messages=user("x"), n=2)
    assert (unsupported.value.code, unsupported.value.param) == ("unsupported_parameter", "n")
    stranger = openai.OpenAI(base_url=f"{system.base_url}/v1", api_key="wg_made_up")
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    operator = openai.OpenAI(base_url=f"{system.base_url}/v1", api_key=system.operator_key)
    with pytest.raises(openai.PermissionDeniedError):
        operator.chat.completions.create(model="consensus", messages=user("x"))


def test_all_voters_broken_is_not_retried(client: openai.OpenAI, http: httpx.Client) -> None:
    """An error, a cut stream and an empty answer: one 503 with each cause, and the client does not try again."""
    before = decisions(http)
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="consensus", messages=user(BROKEN))
    assert failed.value.status_code == 503
    assert failed.value.code == "all_layers_failed"
    assert decisions(http) == before + 2  # the counting decision itself, and one refusal


def decisions(http: httpx.Client) -> int:
    """Make a decision and return how many the one replica made before it, from its record's place in the log."""
    answer = http.post("/v1/chat/completions", json={"model": "consensus", "messages": user(AGREED)}).json()
    envelope = http.get(f"/v1/decisions/{answer['weavergen']['decision_id']}").json()
    # Every decision here has three ballots, so five rows; the one just made begins at this row.
    return int(json.loads(base64.b64decode(envelope["payload"]))["writer"]["seq"]) // 5


def test_halted_means_one_request_and_one_clear_error(
    client: openai.OpenAI, system: System, http: httpx.Client
) -> None:
    """While halted the official client gets 503 once, without a storm of retries; resuming needs an operator's signature."""
    with ops(system) as operator:
        assert operator.post("/ops/halt", json={"reason": "test"}).status_code == 200
        try:
            sent: list[str] = []
            hooks = {"request": [lambda request: sent.append(request.url.path)]}
            with (
                openai.OpenAI(
                    base_url=f"{system.base_url}/v1",
                    api_key=system.client_key,
                    http_client=httpx.Client(event_hooks=hooks),
                ) as counting,
                pytest.raises(openai.InternalServerError) as halted,
            ):
                counting.chat.completions.create(model="consensus", messages=user(AGREED))
            assert halted.value.code == "generation_halted"
            assert len(sent) == 1
            refused = operator.post("/ops/resume", json={"reason": "test"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "operator_signature_required")
        finally:
            assert system.weavergen("resume", "--reason", "test").returncode == 0
    assert http.post("/v1/chat/completions", json={"model": "consensus", "messages": user(AGREED)}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b'{"model": "consensus", "messages": []}', 400, "invalid_request"),
        (b'{"model": "consensus", "messages": [{"role": "user", "content": " "}]}', 400, "invalid_request"),
        (b'{"model": 1, "messages": [{"role": "user", "content": "x"}]}', 400, "invalid_request"),
        (
            b'{"model": "consensus", "messages": [{"role": "user", "content": "x"}], "tools": []}',
            400,
            "unsupported_parameter",
        ),
        (
            b'{"model": "consensus", "messages": [{"role": "user", "content": "' + b"x" * 100_000 + b'"}]}',
            413,
            "prompt_too_large",
        ),
        (b"x" * 5_000_000, 413, "prompt_too_large"),
    ],
)
def test_bad_input_is_told_what_is_wrong(http: httpx.Client, body: bytes, status: int, code: str) -> None:
    """Malformed, empty, mistyped, unsupported and oversized requests get the documented error."""
    answer = http.post("/v1/chat/completions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]


def test_the_official_client_gets_one_answer_for_one_idempotency_key(client: openai.OpenAI) -> None:
    """Sent again with the same key, whole or streamed, it is the same completion; another request is told."""
    keyed: dict[str, Any] = {"extra_headers": {"Idempotency-Key": "order-1"}}
    first, again = [client.chat.completions.create(model="consensus", messages=user(AGREED), **keyed) for _ in range(2)]
    assert again == first
    raw = client.chat.completions.with_raw_response.create(model="consensus", messages=user(AGREED), **keyed)
    assert raw.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(openai.UnprocessableEntityError, match="another request was sent with this Idempotency-Key"):
        client.chat.completions.create(model="consensus", messages=user(SLOW), **keyed)
    streamed: dict[str, Any] = {"extra_headers": {"Idempotency-Key": "order-2"}, "stream": True}
    events = [
        list(client.chat.completions.create(model="consensus", messages=user(AGREED), **streamed)) for _ in range(2)
    ]
    assert events[0] == events[1]


def test_a_deadline_is_kept(http: httpx.Client) -> None:
    """Voters that take three seconds against a deadline of 300 ms: 504, well before they would have answered."""
    body = {"model": "consensus", "messages": user(SLOW), "weavergen": {"deadline_ms": 300}}
    began = time.monotonic()
    answer = http.post("/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert answer.headers["x-should-retry"] == "false"
    assert time.monotonic() - began < 2.5


def test_overload_is_told_at_once_and_a_halt_still_acts(http: httpx.Client, system: System) -> None:
    """A replica full of slow requests answers more of them 429 with Retry-After, and a halt reaches all the others."""
    body = {"model": "consensus", "messages": user(SLOW)}
    with concurrent.futures.ThreadPoolExecutor(2 * MAX_CONCURRENT) as pool, ops(system) as operator:
        slow = [pool.submit(http.post, "/v1/chat/completions", json=body) for _ in range(MAX_CONCURRENT)]
        give_up = time.monotonic() + 2.5  # of the three seconds that the voters take
        while operator.get("/ops/status").json()["under_way"] < MAX_CONCURRENT:
            assert time.monotonic() < give_up
        refused = list(pool.map(lambda _: http.post("/v1/chat/completions", json=body), range(MAX_CONCURRENT)))
        try:
            began = time.monotonic()
            assert operator.post("/ops/halt", json={"reason": "test"}).status_code == 200
            took = time.monotonic() - began
        finally:
            ended = {answer.result().json()["error"]["code"] for answer in slow}
            assert system.weavergen("resume", "--reason", "test").returncode == 0
    assert took < 1
    assert ended == {"generation_halted"}
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
        assert 1 <= int(answer.headers["retry-after"]) <= 30


def test_a_client_that_goes_away_frees_its_slot(http: httpx.Client, system: System) -> None:
    """Disconnecting cancels the deliberation: nothing stays under way and no decision is recorded for it."""
    before = decisions(http)
    body = {"model": "consensus", "messages": user(SLOW)}
    with ops(system) as operator:
        for _ in range(5):  # each lasts three seconds unless it is cancelled
            with pytest.raises(httpx.ReadTimeout):
                http.post("/v1/chat/completions", json=body, timeout=0.3)
            until(lambda: not operator.get("/ops/status").json()["under_way"], 2)
    assert decisions(http) == before + 1  # the counting decision itself


def test_strangers_get_nothing(system: System) -> None:
    """Without a key every route but ``/healthz`` and the bare status of ``/readyz`` is closed, whatever headers say."""
    forged = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    with httpx.Client(base_url=system.base_url, headers=forged) as stranger:
        assert stranger.get("/healthz").status_code == 200
        ready = stranger.get("/readyz")
        assert (ready.status_code, ready.content) == (200, b"")
        document = httpx.get(
            f"{system.base_url}/openapi.json", headers={"Authorization": f"Bearer {system.client_key}"}
        )
        for path, methods in document.json()["paths"].items():
            for method in methods:
                if path not in ("/healthz", "/readyz"):
                    concrete = path.replace("{decision_id}", "x").replace("{model}", "x")
                    assert stranger.request(method, concrete, json={"reason": "x"}).status_code == 401, path
        assert stranger.get("/nothing/here").status_code == 401
        for path in ("/-/routes", "/-/healthz", "/%2d/routes"):
            hidden = stranger.get(path)
            assert (hidden.status_code, hidden.content) == (404, b""), path
        for body in (b"{", b"x" * 20_000_000):
            refused = stranger.post("/ops/halt", content=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")


OPERATIONS = ("status", "layers", "breakers", "voters", "policy", "incidents", "predictions", "quarantine")
"""What operators may look at."""


def test_what_is_sent_is_what_openapi_describes(http: httpx.Client, system: System) -> None:
    """Answers and refusals of every operation have the described status, media type and fields, and no others."""
    document = http.get("/openapi.json").json()
    asked = {"model": "consensus", "messages": user(AGREED)}
    explained = {**asked, "weavergen": {"explain": True}}
    streamed = {**asked, "stream": True, "stream_options": {"include_usage": True}}
    decision = http.post("/v1/chat/completions", json=asked).json()["weavergen"]["decision_id"]
    with (
        ops(system) as operator, httpx.Client(base_url=system.base_url) as stranger, holder(system, "writer") as writer,
    ):  # fmt: skip
        calls: list[tuple[httpx.Client, str, str, dict[str, Any] | None, int]] = [
            (http, "post", "/v1/chat/completions", asked, 200),
            (http, "post", "/v1/chat/completions", explained, 200),
            (http, "post", "/v1/chat/completions", streamed, 200),
            (http, "post", "/v1/chat/completions", {**explained, "messages": user(DISAGREED)}, 422),
            (http, "post", "/v1/chat/completions", {**asked, "messages": user(BROKEN)}, 503),
            (http, "post", "/v1/chat/completions", {**asked, "model": "gpt-4"}, 404),
            (http, "post", "/v1/chat/completions", {}, 400),
            (http, "get", "/v1/models", None, 200),
            (http, "get", "/v1/models/{model}", None, 200),
            (http, "get", "/v1/decisions/{decision_id}", None, 200),
            (http, "get", "/v1/log/checkpoint", None, 200),
            (http, "get", "/v1/log/tile/{path}", None, 404),
            (http, "get", "/v1/log/key", None, 200),
            (writer, "post", "/v1/traces", {}, 200),
            (writer, "post", "/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}, 200),
            (writer, "post", "/v1/traces", {"resourceSpans": {}}, 400),
            (http, "post", "/v1/traces", {}, 403),
            (stranger, "post", "/v1/traces", {}, 401),
            (http, "post", "/v1/feedback", {"decision_id": decision, "outcome": "accepted", "note": "ok"}, 200),
            (http, "post", "/v1/feedback", {"decision_id": decision, "outcome": "liked"}, 400),
            (http, "post", "/v1/feedback", {"decision_id": "x", "outcome": "accepted"}, 404),
            (operator, "post", "/v1/feedback", {}, 403),
            (http, "get", "/ops/status", None, 403),
            (stranger, "get", "/ops/status", None, 401),
            (stranger, "get", "/healthz", None, 200),
            (http, "get", "/readyz", None, 200),
            (http, "get", "/openapi.json", None, 200),
            *((operator, "get", f"/ops/{name}", None, 200) for name in OPERATIONS),
            (operator, "get", "/metrics", None, 200),
            (operator, "post", "/ops/breakers", {"voter": "m1", "force": "none"}, 200),
            (operator, "post", "/ops/breakers", {"voter": "nobody", "force": "open"}, 404),
            (operator, "post", "/ops/breakers", {"voter": "m1", "force": "shut"}, 400),
            (operator, "post", "/ops/halt", {"reason": "x", "if_version": 10**9}, 409),
            (operator, "post", "/ops/resume", {"reason": "x"}, 403),
            (operator, "post", "/ops/isolate", {"reason": "x", "target": "nobody"}, 404),
            (operator, "post", "/ops/readmit", {}, 400),
        ]
        until(lambda: http.get("/v1/log/checkpoint").status_code == 200, 30)
        for caller, method, path, body, status in calls:
            concrete = path.replace("{model}", "m1").replace("{decision_id}", decision).replace("{path}", "0/999")
            told = caller.request(method, concrete, json=body) if body is not None else caller.request(method, concrete)
            media_type = told.headers["content-type"].partition(";")[0]
            assert told.status_code == status, (path, told.text)
            assert undescribed(document, method, path, status, media_type, told.content) == [], (path, told.text)
    assert {(method, path) for _, method, path, _, _ in calls} == {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }


def test_feedback_is_a_durable_row_even_while_halted(client: openai.OpenAI, http: httpx.Client, system: System) -> None:
    """The official client's word on its answer is one emitted span, found in the table; a halt does not stop it."""
    from actors.spans.adapters.table import SpanTable

    completion = client.chat.completions.create(model="consensus", messages=user(AGREED))
    decision = (completion.model_extra or {})["weavergen"]["decision_id"]
    word = {"decision_id": decision, "outcome": "security_issue", "note": "leaks a secret"}
    with ops(system) as operator:
        before = operator.get("/ops/status").json()["wal"]["emitted_spans"]
        taken: Any = client.post("/feedback", cast_to=object, body=word)
        assert operator.post("/ops/halt", json={"reason": "test"}).status_code == 200
        try:
            halted = http.post("/v1/feedback", json=word | {"outcome": "reverted"})
        finally:
            assert system.weavergen("resume", "--reason", "test").returncode == 0
        status = operator.get("/ops/status").json()
    assert status["wal"]["emitted_spans"] == before + 2
    assert (halted.status_code, taken["decision_id"], taken["outcome"]) == (200, decision, "security_issue")
    table = SpanTable(system.home / "spans", 100)

    def rows() -> int:
        return table.read(["writer_id"])["writer_id"].to_pylist().count(status["replica"])

    until(lambda: rows() >= before + 2, 30)
    words = {taken["feedback_id"]: "security_issue", halted.json()["feedback_id"]: "reverted"}
    assert words_in(table, decision) == words
    known = rows()  # the replica goes on counting what it wrote, in rows of its own
    with ops(system) as operator:
        assert before + 2 <= known <= operator.get("/ops/status").json()["wal"]["emitted_spans"]


def words_in(table: Any, decision_id: str) -> dict[str, str]:
    """Return feedback id → outcome of what the table holds on a decision."""
    import pyarrow.compute as pc

    of = (pc.field("decision_id") == decision_id) & (pc.field("name") == "weavergen.feedback")
    rows = table.read(["outcome", "attributes"], of).to_pylist()
    return {dict(row["attributes"])["weavergen.feedback.id"]: row["outcome"] for row in rows}


def test_another_tenants_decision_is_not_there(http: httpx.Client, system: System) -> None:
    """A decision is its tenant's; for another tenant's clients and operators it does not exist, an auditor reads any.

    Nor does it for their feedback.
    """
    answer = http.post("/v1/chat/completions", json={"model": "consensus", "messages": user(AGREED)}).json()
    decision = answer["weavergen"]["decision_id"]
    path, word = f"/v1/decisions/{decision}", {"decision_id": decision, "outcome": "accepted"}
    for role, status in (("client", 404), ("operator", 404), ("auditor", 200)):
        made = system.weavergen("keys", "create", "--role", role, "--tenant", "somebody-else", "--json")
        key = json.loads(made.stdout)["key"]
        with httpx.Client(base_url=system.base_url, headers={"Authorization": f"Bearer {key}"}) as holder:
            until(lambda: holder.get(path).status_code != 401, 5)
            assert holder.get(path).status_code == status, role
            told = holder.post("/v1/feedback", json=word)
        assert told.status_code == (404 if role == "client" else 403), role


def test_old_decisions_are_found_in_the_table(http: httpx.Client, system: System) -> None:
    """A decision that left the replica's memory and the log is found by its id all the same, with its proof."""
    from actors.spans.adapters.table import SpanTable

    table = SpanTable(system.home / "spans", 100)
    answer = http.post("/v1/chat/completions", json={"model": "consensus", "messages": user(AGREED)}).json()
    decision_id = answer["weavergen"]["decision_id"]
    until(lambda: table.find(decision_id) is not None, 30)

    def given() -> Envelope:
        return read_envelope(http.get(f"/v1/decisions/{decision_id}").content)

    until(lambda: given().proof is not None, 30)
    assert table.find(decision_id) == given().as_logged


def test_metrics_are_the_union_with_a_replica_label(http: httpx.Client, system: System) -> None:
    """Prometheus text with our names only, labelled by replica; clients may not read it."""
    assert http.get("/metrics").status_code == 403
    http.post("/v1/chat/completions", json={"model": "consensus", "messages": user(AGREED)})
    with ops(system) as operator:

        def shown() -> str:
            return operator.get("/metrics").text

        until(lambda: "weavergen_decisions_total{" in shown(), 60, shown)
        text = shown()
    assert 'replica="' in text
    assert "weavergen_metrics_agents_unread 0" in text
    assert "ray_" not in "".join(line for line in text.splitlines() if not line.startswith("#"))


def test_many_clients_at_once_are_all_answered(http: httpx.Client) -> None:
    """Sixteen clients with ten requests each: every one is answered, and no two decisions share an id."""
    body = {"model": "consensus", "messages": user(AGREED)}

    def ask(_: int) -> str:
        answer = http.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["x-weavergen-decision"])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(ask, range(160)))
    assert len(set(ids)) == 160
