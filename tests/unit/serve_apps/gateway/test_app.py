"""Which requests take the short way, and that nothing is read or done for whoever has no key."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from actors.admission.config import AdmissionConfig, LineConfig
from actors.base.errors import InvalidKey, NoConsensus, NotFound, Overloaded, StorageUnavailable, WeaverGenError
from actors.consensus.config import ConsensusConfig
from actors.store.auth import Principal, Role
from serve_apps.gateway.access import Access
from serve_apps.gateway.admission import Admission
from serve_apps.gateway.app import create_app, create_entry
from serve_apps.gateway.chat import ChatCompletions
from serve_apps.gateway.operations import OPERATIONS, Operation
from tests.unit.actors.consensus.world import until
from tests.unit.serve_apps.gateway.admitting import MAX_LIMIT, admission
from tests.unit.serve_apps.gateway.taking import taking

MAX_BODY = 1000
REASON = b'{"reason": "x"}'
CHAT = "/v1/chat/completions"


def principals(key: str) -> Principal:
    """Know a key by its role."""
    roles: dict[str, Role] = {"client": "client", "operator": "operator", "auditor": "auditor", "writer": "writer"}
    if key not in roles:
        raise InvalidKey("unknown key")
    return Principal(f"id-{key}", "acme", roles[key], frozenset(), 0)


@dataclass
class Told:
    """What came back, and how much of the request was taken."""

    status: int
    headers: dict[str, str]
    body: bytes
    bytes_read: int

    @property
    def error(self) -> dict[str, Any]:
        """Return the error object of the body."""
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


class World:
    """An entry in front of a backend that notes what reached it."""

    def __init__(
        self, chat: Callable[..., Awaitable[None]] | None = None, max_concurrent: int = 4, max_waiting: int = 0
    ) -> None:
        self.reached: list[Any] = []
        bounds = SimpleNamespace(
            max_body_bytes=MAX_BODY,
            body_timeout_s=0.05,
            places=max_concurrent + max_waiting,
        )
        backend: Any = SimpleNamespace(
            access=Access(principals), chat=chat or self._chat, traces=taking(principals)[0], settings=bounds,
            transition=self._transition, feedback=self._feedback, models=self._broken, readiness=self._broken,
            system="s", crowded=self._crowded,
        )  # fmt: skip
        self.entry = create_entry(backend)
        self.app = create_app(backend)

    def _crowded(self, why: str) -> Overloaded:
        self.reached.append(why)
        return Overloaded(why, retry_after_s=7)

    async def _chat(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append((scope["method"], scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _transition(self, verb: str, body: Any, principal: Principal) -> Any:
        self.reached.append((verb, body.reason))
        raise InvalidKey("enough seen")

    async def _feedback(self, receive: Any, principal: Principal) -> Any:
        self.reached.append(("feedback", principal.tenant))
        raise NotFound("there is none")

    def _broken(self) -> Any:
        raise RuntimeError("a secret path")

    async def send(
        self, method: str, path: str, *, key: str = "", pieces: Sequence[bytes] = (b"",), ends: bool = True,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Told:  # fmt: skip
        """Send a request in pieces; one that does not end leaves its receiver waiting."""
        sent: list[dict[str, Any]] = []
        left, read = list(pieces), 0

        async def receive() -> dict[str, Any]:
            nonlocal read
            if not left:
                await asyncio.Event().wait()
            piece = left.pop(0)
            read += len(piece)
            return {"type": "http.request", "body": piece, "more_body": bool(left) or not ends}

        async def send(message: Any) -> None:
            sent.append(message)

        given = [*headers, *([(b"authorization", f"Bearer {key}".encode())] if key else [])]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": given, "http_version": "1.1", "scheme": "http", "root_path": "", "server": ("127.0.0.1", 1),
            "client": ("127.0.0.1", 2),
        }  # fmt: skip
        await self.entry(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Told(sent[0]["status"], told, body, read)


async def test_chat_completions_go_straight_to_their_endpoint() -> None:
    """The framework is passed by."""
    world = World()
    assert (await world.send("POST", CHAT)).status == 200
    assert world.reached == [("POST", CHAT)]


async def test_spans_of_others_go_straight_to_their_endpoint() -> None:
    """Whatever is wrong is told as their protocol tells it, a missing key among it."""
    told = await World().send("POST", "/v1/traces", headers=[(b"content-type", b"application/json")])
    assert (told.status, json.loads(told.body)["code"]) == (401, 16)


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", CHAT, "client", 405),
        ("GET", CHAT, "", 401),
        ("GET", "/v1/models", "", 401),
        ("POST", "/ops/halt", "", 401),
        ("GET", "/healthz", "", 200),
        ("POST", f"{CHAT}/x", "", 401),
        ("POST", f"{CHAT}/x", "client", 404),
        ("GET", "/openapi.json", "", 401),
        ("GET", "/openapi.json", "auditor", 200),
        ("GET", "/v1/traces", "writer", 405),
        ("POST", "/v1/traces/x", "writer", 404),
    ],
)
async def test_everything_else_goes_through_the_application(method: str, path: str, key: str, status: int) -> None:
    """Other methods and paths are routed, and authenticated before that, as ever."""
    world = World()
    assert (await world.send(method, path, key=key)).status == status
    assert world.reached == []


@pytest.mark.parametrize("pieces", [[b"x" * 400] * 1000, [b"{"], [REASON]])
@pytest.mark.parametrize(("key", "status"), [("", 401), ("forged", 401), ("client", 403), ("auditor", 403)])
async def test_no_byte_of_a_body_is_taken_from_whoever_may_not_act(pieces: list[bytes], key: str, status: int) -> None:
    """Oversized, malformed and good bodies alike are refused for the key or its role, unread."""
    world = World()
    told = await world.send("POST", "/ops/halt", key=key, pieces=pieces)
    assert (told.status, told.bytes_read, world.reached) == (status, 0, [])


async def test_an_oversized_body_is_refused_where_the_bound_lies() -> None:
    """413 names the body, and no more of it is read than the bound and the piece that crossed it."""
    told = await World().send("POST", "/ops/halt", key="operator", pieces=[b"x" * 400] * 1000)
    assert (told.status, told.error["code"], told.error["param"]) == (413, "prompt_too_large", "body")
    assert told.bytes_read == 1200


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """After the configured time the request is refused, naming the body."""
    told = await World().send("POST", "/ops/halt", key="operator", pieces=[b"{"], ends=False)
    assert (told.status, told.error["param"]) == (400, "body")


@pytest.mark.parametrize(
    ("verb", "body", "param"),
    [
        ("halt", {"reason": "x", "target": "m1"}, "target"),
        ("halt", {"reason": "x", "transition": "{}"}, "transition"),
        ("isolate", {"reason": "x", "target": "m1", "transition": "{}"}, "transition"),
        ("isolate", {"reason": "x"}, "target"),
        ("resume", {"reason": "x", "target": "m1"}, "target"),
        ("readmit", {"reason": "x"}, "target"),
        ("halt", {}, "reason"),
        ("halt", {"reason": 1}, "reason"),
    ],
)
async def test_each_verb_takes_its_own_fields_only(verb: str, body: dict[str, Any], param: str) -> None:
    """What a verb would ignore is refused by name, and so is what it misses."""
    world = World()
    told = await world.send("POST", f"/ops/{verb}", key="operator", pieces=[json.dumps(body).encode()])
    assert (told.status, told.error["param"], world.reached) == (400, param, [])


async def test_a_good_body_arrives() -> None:
    """In one piece or in several."""
    world = World()
    await world.send("POST", "/ops/halt", key="operator", pieces=[REASON[:4], REASON[4:]])
    assert world.reached == [("halt", "x")]


@pytest.mark.parametrize("header", [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")])
async def test_paths_that_take_no_body_refuse_one(header: tuple[bytes, bytes]) -> None:
    """Nobody would read it, and it would lie in memory as long as the answer takes."""
    told = await World().send("GET", "/v1/models", key="client", headers=[header], pieces=[b"12345"])
    assert (told.status, told.error["param"], told.bytes_read) == (400, "body", 0)


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/feedback", "client"), ("/ops/halt", "operator"), ("/ops/breakers", "operator")]
)
async def test_an_idempotency_key_is_refused_where_nothing_keeps_answers(path: str, key: str) -> None:
    """Before the body is read, and with what to do; the hot path takes it, and whoever has no key learns nothing."""
    header, world = (b"idempotency-key", b"once"), World()
    told = await world.send("POST", path, key=key, headers=[header], pieces=[REASON])
    assert (told.status, told.error["param"], told.bytes_read) == (400, "Idempotency-Key", 0)
    assert "leave it out" in told.error["message"]
    assert world.reached == []
    assert (await world.send("POST", path, headers=[header])).status == 401
    await world.send("POST", "/v1/chat/completions", key="client", headers=[header])
    assert world.reached == [("POST", "/v1/chat/completions")]


async def test_a_defect_is_told_as_json_and_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    """The body says nothing of it; the log has it all; it does not reach the server, which would answer in plain text."""
    told = await World().send("GET", "/v1/models", key="client")
    assert (told.status, told.headers["content-type"]) == (500, "application/json")
    assert told.error["code"] == "internal_error"
    assert b"secret" not in told.body
    assert "a secret path" in caplog.text


async def test_too_many_at_once_are_told_so_at_once_and_a_halt_still_acts() -> None:
    """Beyond the bound and those who may wait a client gets 429 with Retry-After, a stranger 401; operators do not queue."""
    waiting = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await waiting.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    world = World(slow, max_concurrent=1, max_waiting=1)
    running = [asyncio.create_task(world.send("POST", CHAT, key="client")) for _ in range(2)]
    await asyncio.sleep(0)
    told = await world.send("POST", CHAT, key="client")
    assert (told.status, told.error["code"], told.headers["retry-after"]) == (429, "overloaded", "7")
    assert (await world.send("POST", CHAT)).status == 401
    await world.send("POST", "/ops/halt", key="operator", pieces=[REASON])
    assert world.reached == ["too many requests are under way", ("halt", "x")]
    waiting.set()
    assert [answer.status for answer in await asyncio.gather(*running)] == [200, 200]
    assert (await world.send("POST", CHAT, key="client")).status == 200


def test_the_document_holds_every_route_and_no_other() -> None:
    """What can be called is described, and what is described can be called."""
    app = World().app
    routes = {
        (method.lower(), route.path.replace(":path}", "}"))  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    described = {(method, path) for path, methods in app.openapi()["paths"].items() for method in methods}
    assert described == routes


ROLES = ("client", "operator", "auditor", "writer")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_the_document_says_whose_keys_are_taken(operation: Operation) -> None:
    """401 without a key and 403 for a role that is not named, wherever a key is needed; neither anywhere else."""
    config: Any = None
    nothing: Any = None
    chat = ChatCompletions(nothing, Access(principals), admission(), nothing, config, MAX_BODY, 0.05)
    world = World(chat)
    path = operation.path.format(model="x", decision_id="x", path="x") if operation.parameters else operation.path
    for role in ("", *ROLES):
        told = await world.send(operation.method.upper(), path, key=role)
        expected = 401 if not role else 403
        assert (told.status == expected) == (bool(operation.roles) and role not in operation.roles), (role, told)


@pytest.mark.parametrize(
    ("error", "logged"), [(StorageUnavailable("the disk hangs"), 1), (NoConsensus("three minds"), 0)]
)
async def test_a_request_that_the_service_could_not_answer_is_told_to_the_operator(
    error: WeaverGenError, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The cause of a 503 stands in the log; voters who disagree are no fault of the service."""

    class Failing:
        async def generate(self, request: object, caller: object, ended: object) -> object:
            raise error

    coordinator: Any = Failing()
    no_keys: Any = None
    chat = ChatCompletions(coordinator, Access(principals), admission(), no_keys, ConsensusConfig(), MAX_BODY, 5)
    world = World(chat)
    body = json.dumps({"model": "consensus", "messages": [{"role": "user", "content": "x"}]}).encode()
    for _ in range(2):  # once in the log, whatever comes right after
        assert (await world.send("POST", "/v1/chat/completions", key="client", pieces=(body,))).status in (422, 503)
    assert caplog.text.count(str(error)) == logged


async def full(max_waiting: int) -> tuple[Admission, World]:
    """Return the application in front of a replica that has all that it takes."""
    coordinator: Any = None
    admitting = admission(AdmissionConfig(line=LineConfig(max_waiting=max_waiting)))
    assert all(admitting.door.enter("interactive", "other", 0.0) for _ in range(MAX_LIMIT))
    no_keys: Any = None
    chat = ChatCompletions(coordinator, Access(principals), admitting, no_keys, ConsensusConfig(), MAX_BODY, 5)
    return admitting, World(chat)


async def test_what_cannot_be_let_in_is_not_read() -> None:
    """The body stays where it is, and a stranger is told that he is one."""
    _, world = await full(max_waiting=0)
    told = await world.send("POST", CHAT, key="client", pieces=(b"{",), ends=False)
    assert (told.status, told.error["code"], told.headers["retry-after"]) == (429, "overloaded", "1")
    assert told.bytes_read == 0
    assert (await world.send("POST", CHAT)).status == 401


async def test_a_request_says_whether_it_is_a_batch() -> None:
    """And waits behind people then."""
    admitting, world = await full(max_waiting=2)
    question = {"model": "consensus", "messages": [{"role": "user", "content": "x"}]}
    waiting = []
    for priority in ("batch", "interactive"):
        body = json.dumps({**question, "weavergen": {"priority": priority}}).encode()
        waiting.append(asyncio.create_task(world.send("POST", CHAT, key="client", pieces=(body,))))
    await until(lambda: len(admitting.door.line) == 2)
    assert (admitting.door.line.waiting("batch"), admitting.door.line.waiting("interactive")) == (1, 1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_an_unknown_model_has_a_code_of_its_own() -> None:
    """Clients tell a model that does not exist from any other thing that does not."""

    class Models(World):
        def _broken(self) -> Any:
            return [{"id": "consensus"}]

    told = await Models().send("GET", "/v1/models/gpt-x", key="client")
    error = json.loads(told.body)["error"]
    assert (told.status, error["code"], error["param"]) == (404, "model_not_found", "model")
