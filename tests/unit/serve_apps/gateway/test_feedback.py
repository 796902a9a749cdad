"""What clients say became of an answer: whose word is taken, on which decision, and when it is refused."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from actors.base.errors import StorageUnavailable
from actors.base.ids import is_ulid
from actors.consensus.config import ConsensusConfig
from actors.policy.config import PolicyConfig
from actors.spans.config import SpansConfig
from actors.spans.span import Span
from actors.store.config import StoreConfig
from actors.store.tenants import derived_tenants
from serve_apps.gateway.documentation import openapi
from serve_apps.gateway.feedback import MAX_BODY_BYTES, FeedbackDesk
from serve_apps.gateway.schemas import MAX_NOTE_CHARS
from serve_apps.gateway.settings import GatewaySettings
from tests.documented import undescribed
from tests.unit.serve_apps.gateway.test_app import Told, World
from tests.unit.serve_apps.gateway.test_decisions import ID, NOW_MS, Shelf, decisions

PATH = "/v1/feedback"
TENANTS = derived_tenants(b"s" * 32)
WORD = {"decision_id": ID, "outcome": "accepted"}


class Log:
    """A log that keeps rows, refuses them or never answers."""

    def __init__(self) -> None:
        self.rows: list[Span] = []
        self.error: Exception | None = None
        self.hangs = False

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Keep what was announced."""
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()
        built = build(7)
        assert len(built) == rows
        self.rows += built


class Office(World):
    """A gateway whose feedback goes to a desk in front of one decision of ``acme``'s and a log."""

    def __init__(self, tmp_path: Any, tenant: str = "acme", **more: Any) -> None:
        self.log, self.shelf, self.tenant = Log(), Shelf(), tenant
        domains = {"consensus": ConsensusConfig(), "policy": PolicyConfig(), "store": StoreConfig()}
        settings = GatewaySettings(
            home=tmp_path, config_sha256="0" * 64, profile="t", spans=SpansConfig(stall_after_ms=20), body_timeout_s=5,
            **domains, **more,
        )  # fmt: skip
        self.desk = FeedbackDesk(decisions(self.shelf).find, self.log, TENANTS, settings, lambda: NOW_MS * 1_000_000)
        super().__init__()

    async def _feedback(self, receive: Any, principal: Any) -> Any:
        holder = type(principal)(principal.key_id, self.tenant, principal.role, principal.policies, principal.tier)
        return await self.desk.take(receive, holder)

    async def tell(self, body: dict[str, Any] | bytes, key: str = "client") -> Told:
        """Send one word."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.send("POST", PATH, key=key, pieces=[data])


@pytest.fixture
def office(tmp_path: Any) -> Office:
    """Return a gateway with a desk."""
    return Office(tmp_path)


@pytest.mark.parametrize("outcome", ["accepted", "failed_tests", "reverted", "security_issue"])
async def test_a_word_is_one_row_with_its_decision(office: Office, outcome: str) -> None:
    """What is answered is as described; what is written names decision, tenant and outcome and holds no note's text."""
    told = await office.tell(WORD | {"outcome": outcome, "note": "it broke prod"})
    assert undescribed(openapi(), "post", PATH, told.status, "application/json", told.body) == []
    answer = json.loads(told.body)
    assert (told.status, answer["decision_id"], answer["outcome"]) == (200, ID, outcome)
    assert is_ulid(answer["feedback_id"])
    (row,) = office.log.rows
    assert (row.name, row.decision_id, row.tenant, row.outcome) == (
        "weavergen.feedback", ID, TENANTS("acme").pseudonym, outcome,
    )  # fmt: skip
    assert row.attributes == {
        "weavergen.feedback.id": answer["feedback_id"],
        "weavergen.feedback.note_commitment": TENANTS("acme").note_commitment("it broke prod"),
    }
    assert "broke" not in repr(row)


async def test_every_word_is_a_row_of_its_own(office: Office) -> None:
    """A client may say more of one decision: ids, traces and spans differ."""
    for outcome in ("accepted", "reverted"):
        await office.tell(WORD | {"outcome": outcome})
    first, second = office.log.rows
    assert len({first.trace_id, second.trace_id}) == len({first.span_id, second.span_id}) == 2
    assert first.attributes["weavergen.feedback.id"] != second.attributes["weavergen.feedback.id"]
    assert (len(first.trace_id), len(first.span_id)) == (16, 8)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"outcome": "liked"}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"decision_id": 7}, "decision_id"),
        ({"decision_id": ""}, "decision_id"),
        ({"decision_id": "x" * 201}, "decision_id"),
        ({"note": "x" * (MAX_NOTE_CHARS + 1)}, "note"),
        ({"note": ["x"]}, "note"),
        ({"score": 5}, "score"),
    ],
)
async def test_bad_fields_are_named(office: Office, change: dict[str, Any], param: str) -> None:
    """Each refusal says which field; no disk was asked and nothing was written."""
    told = await office.tell(WORD | change)
    assert (told.status, told.error["param"], office.shelf.asked, office.log.rows) == (400, param, 0, [])


@pytest.mark.parametrize("missing", ["decision_id", "outcome"])
async def test_missing_fields_are_named(office: Office, missing: str) -> None:
    """A word without its decision or its outcome is none."""
    told = await office.tell({name: value for name, value in WORD.items() if name != missing})
    assert (told.status, told.error["param"]) == (400, missing)


async def test_a_field_given_twice_is_refused(office: Office) -> None:
    """Two readers of one body must not see two outcomes."""
    told = await office.tell(b'{"decision_id": "x", "outcome": "accepted", "outcome": "reverted"}')
    assert (told.status, told.error["param"], office.log.rows) == (400, "outcome", [])


async def test_the_longest_note_fits_however_it_is_written(office: Office) -> None:
    """Every character an escaped pair; a body longer than any such one is refused."""
    assert (await office.tell(WORD | {"note": "\U0001f600" * MAX_NOTE_CHARS})).status == 200
    told = await office.tell(b" " * (MAX_BODY_BYTES + 1))
    assert (told.status, told.error["param"]) == (413, "body")


@pytest.mark.parametrize(
    ("decision_id", "tenant"), [(ID, "other"), (ID[:-1] + "0", "acme"), ("no ulid", "acme"), (ID.lower(), "acme")]
)
async def test_of_what_is_not_there_nothing_can_be_said(tmp_path: Any, decision_id: str, tenant: str) -> None:
    """Another tenant's decision, an unknown one and what is no name of one are all 404, and nothing is written."""
    office = Office(tmp_path, tenant)
    told = await office.tell(WORD | {"decision_id": decision_id})
    assert (told.status, told.error["code"], office.log.rows) == (404, "not_found", [])


@pytest.mark.parametrize(("key", "status"), [("", 401), ("operator", 403), ("auditor", 403)])
async def test_only_clients_have_a_word(office: Office, key: str, status: int) -> None:
    """No byte of anybody else's is read."""
    told = await office.tell(WORD, key)
    assert (told.status, told.bytes_read, office.log.rows) == (status, 0, [])


async def test_without_a_log_nothing_is_taken(office: Office) -> None:
    """503 where the log refuses, and where it does not answer as long as a disk may hang."""
    office.log.error = StorageUnavailable("the log takes nothing: no space")
    told = await office.tell(WORD)
    assert (told.status, told.error["code"]) == (503, "not_ready")
    office.log.error, office.log.hangs = None, True
    told = await office.tell(WORD)
    assert (told.status, told.error["code"]) == (503, "not_ready")
    office.log.hangs = False
    assert (await office.tell(WORD)).status == 200


async def test_too_many_at_once_are_told_to_wait(tmp_path: Any) -> None:
    """Those whose bodies are still on their way count; one that ended makes room."""
    office = Office(tmp_path, max_feedback=1)
    slow = asyncio.create_task(office.send("POST", PATH, key="client", pieces=[b"{"], ends=False))
    while not office.desk._under_way:  # noqa: ASYNC110 - the request comes to its body in its own time
        await asyncio.sleep(0)
    told = await office.tell(WORD)
    assert (told.status, told.error["code"], told.headers["retry-after"]) == (429, "overloaded", "1")
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    assert (await office.tell(WORD)).status == 200
