"""The verifier of ``docs``, as a program of its own against the log over HTTP: what holds passes, anything else is named."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import InvalidKey
from actors.spans.adapters.lookup import ArchivedDecisions
from actors.spans.columns import Rows
from actors.spans.log.checkpoint import origin, sign_checkpoint
from actors.store.auth import Principal
from serve_apps.gateway.access import Access
from serve_apps.gateway.app import create_app
from serve_apps.gateway.published_log import PublishedLog
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import span

PROGRAM = Path(__file__).parents[4] / "docs" / "verify_decision.py"
MAX_LINES = 150
Change = Callable[[str, bytes], bytes]


class Site:
    """A home with sealed batches, one decision among them, behind a gateway's application on a real socket."""

    def __init__(self, home: Path) -> None:
        made = self.made = Sealed(home)
        made.batches(3)
        row = signed_row(W, made.next_seq + 1)
        data, self.decision_id = row.record, row.decision_id
        rows = Rows(W, made.next_seq, 1, [span(1), row, span(3)])
        made.sealer.seal(made.table.append([rows], {W: made.next_seq + 2}, NOW_MS), NOW_MS)
        made.next_seq += 3
        self.archive = ArchivedDecisions(home, 10, made.authority.trust)
        self.given = self.archive.prove(data)
        self.trust = home / "trust.json"
        self.trust.write_bytes(canonical_json(made.authority.trust()))
        backend: Any = SimpleNamespace(
            access=Access(_known), chat=None, traces=None, settings=None, decision=self._decision,
            published_log=PublishedLog(made.files, made.authority.trust, 8),
        )  # fmt: skip
        self.app = create_app(backend)
        self.change: Change = lambda _, body: body

    async def _decision(self, decision_id: str, principal: Principal) -> bytes:
        assert decision_id == self.decision_id
        return self.given

    async def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """Ask the application."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://g") as client:
            return await client.get(path, headers=headers)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on loopback; yield the address."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = asyncio.run(site.get(self.path, {"Authorization": self.headers["Authorization"]}))
                body = site.change(self.path, answer.content)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()

    def verify(self, root: str = "") -> subprocess.CompletedProcess[str]:
        """Run the program."""
        root = root or self.made.authority.trust().root
        with self.served() as url:
            command = [sys.executable, "-I", str(PROGRAM), url, "key", self.decision_id, str(self.trust), root]
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603


def _known(key: str) -> Principal:
    if key != "key":
        raise InvalidKey("unknown key")
    return Principal("id", "acme", "auditor", frozenset(), 0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site."""
    return Site(tmp_path)


def test_a_decision_is_checked_end_to_end_by_a_page_of_code(site: Site) -> None:
    """Also once the log has grown on: the proof's checkpoint is the beginning of the newest."""
    assert len(PROGRAM.read_text().splitlines()) <= MAX_LINES
    done = site.verify()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["record", "proof", "log"]
    site.made.batches(2)
    assert "of 6 batches now" in site.verify().stdout


def edited(part: str, change: Callable[[Any], None]) -> Change:
    """Return a change of a JSON answer."""

    def apply(path: str, body: bytes) -> bytes:
        if part not in path:
            return body
        told = json.loads(body)
        change(told)
        return json.dumps(told).encode()

    return apply


def flipped(part: str, at: int) -> Change:
    """Return a change of one bit of an answer."""
    return lambda path, body: body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if part in path else body


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (edited("decisions", lambda told: told["proof"].update(rest_sha256="00" * 32)), "row is not in the batch"),
        (edited("decisions", lambda told: told.update(payload="e30=")), ""),
        (edited("decisions", lambda told: told["signature"].update(alg="none")), "row is not in the batch"),
        (edited("decisions", lambda told: told.update(proof=None)), "no proof yet"),
        (flipped("tile/0/", 40), "tiles are not the newest"), (flipped("tile/entries/", 1000), "leaf is another"),
        (flipped("log/checkpoint", 10), "another log"), (flipped("log/checkpoint", 40), ""),
    ],
)  # fmt: skip
def test_what_was_changed_on_its_way_is_told(site: Site, change: Change, why: str) -> None:
    """In the decision, its proof, the tiles, the leaves, the checkpoint."""
    site.change = change
    done = site.verify()
    assert done.returncode == 1
    assert why in done.stderr


def test_a_log_that_forked_or_was_set_back_is_told(site: Site) -> None:
    """Whoever holds the log's key can sign another history: it does not go on from what the client was given."""
    trust, files = site.made.authority.trust(), site.made.files
    files.put(sign_checkpoint(site.made.authority.key(), origin(trust), 2, files.root(2), NOW_MS))
    assert "not the newest" in site.verify().stderr
    leaves = [b"another"] * 5
    fork = Sealed(site.made.home / "fork").files
    root = fork.extend(0, leaves)
    fork.put(sign_checkpoint(site.made.authority.key(), origin(trust), 5, root, NOW_MS))
    (files.path / "tile").rename(files.path / "was")
    (fork.path / "tile").rename(files.path / "tile")
    (fork.path / "checkpoint").rename(files.path / "checkpoint")
    assert "does not go on" in site.verify().stderr


def test_another_root_is_not_believed(site: Site) -> None:
    """The bundle is the operator's word only under the root that the client knows."""
    assert "another root" in site.verify(root="ab" * 32).stderr
