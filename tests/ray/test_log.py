"""The transparency log of a running system, as strangers read it: through HAProxy, with a program that shares no code with it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from actors.base.certificates import read_trust
from actors.base.ids import new_ulid
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import FrameKind, SegmentHeader, encode_header, encode_spans, frame_header, read_header
from actors.spans.log.checkpoint import read_checkpoint
from actors.spans.log.note import read_key
from actors.spans.log.tiles import Hashes, Tile, tiles_of
from actors.spans.merkle import stored_root
from actors.spans.record import read_envelope
from actors.spans.span import Span
from cluster.node import REPOSITORY
from tests.ray.waiting import until
from tests.ray.world import AGREED, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_a_decision_is_checked_by_a_page_of_code_that_is_not_ours(system: System) -> None:
    """Once its batch is sealed, from the record to the newest tiles; every tile of the checkpoint is there."""
    headers = {"Authorization": f"Bearer {system.client_key}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=60) as http:
        body = {"model": "consensus", "messages": [{"role": "user", "content": AGREED}]}
        decision_id = http.post("/v1/chat/completions", json=body).json()["weavergen"]["decision_id"]
        until(lambda: json.loads(http.get(f"/v1/decisions/{decision_id}").content)["proof"] is not None, 60)
        signed = read_checkpoint(http.get("/v1/log/checkpoint").content)
        keys = [read_key(line) for line in http.get("/v1/log/key").text.splitlines()]
        assert set(signed.note.signed_by(keys)) == set(keys)

        def read(tile: Tile) -> bytes:
            given = http.get(f"/v1/log/tile/{tile.path}")
            assert (given.status_code, given.headers["content-type"]) == (200, "application/octet-stream")
            return given.content

        assert stored_root(signed.head.size, Hashes(signed.head.size, read)) == signed.head.root
        assert all(read(tile) for tile in tiles_of(signed.head.size))
        assert http.get("/v1/log/tile/0/999").status_code == 404
    trust = system.home / "trust.json"
    program, root = REPOSITORY / "docs" / "verify_decision.py", read_trust(trust.read_bytes()).root
    command = [sys.executable, str(program), system.base_url, system.client_key, decision_id, str(trust), root]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert "goes on from there" in done.stdout


def test_two_witnesses_sign_what_is_sealed(system: System, tmp_path: Path) -> None:
    """As ``up`` makes them of the shipped profile, said to share the machine; whoever has the trust bundle counts them."""
    headers = {"Authorization": f"Bearer {system.client_key}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=60) as http:
        assert "witness: co-located" in http.get("/readyz").json()["degraded"]
        body = {"model": "consensus", "messages": [{"role": "user", "content": AGREED}]}
        decision_id = http.post("/v1/chat/completions", json=body).json()["weavergen"]["decision_id"]

        def lines() -> int:
            envelope = read_envelope(http.get(f"/v1/decisions/{decision_id}").content)
            return 0 if envelope.proof is None else len(envelope.proof.entry.checkpoint.note.signatures)

        until(lambda: lines() == 4, 60)  # the log's own two, and one of each witness
        envelope = tmp_path / "decision.json"
        envelope.write_bytes(http.get(f"/v1/decisions/{decision_id}").content)
    trust = tmp_path / "trust.json"
    trust.write_bytes((system.home / "trust.json").read_bytes())
    elsewhere = ("verify", str(envelope), "--trust", str(trust), "--home", str(tmp_path / "none"))
    counted = system.weavergen(*elsewhere, "--require-witnesses", "2", timeout_s=120)
    assert (counted.returncode, "(2 of 2)" in counted.stdout) == (0, True), counted.stdout + counted.stderr
    verified = system.weavergen("log", "verify")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.count("and the log goes on from there") == 2
    assert len(list((system.operator_dir / "witnesses").rglob("seen"))) == 2


def test_a_forged_row_is_set_aside_and_the_system_s_own_never_are(system: System) -> None:
    """Somebody writes a vote, an hour before its writer was, into a log of the running home; nobody else's rows are touched."""
    headers = {"Authorization": f"Bearer {(system.home / 'keys' / 'operator.key').read_text().strip()}"}
    client = {"Authorization": f"Bearer {system.client_key}"}
    forger, now_ns = new_ulid(), time.time_ns()
    start = encode_header(SegmentHeader(forger, 1, SPAN_SCHEMA_VERSION, b"n" * 16, b"{}"))
    began_ns = now_ns - 3600 * 10**9
    vote = Span(
        b"t" * 16, b"s" * 8, b"", "chat m1", "client", began_ns, began_ns + 10**9, "ok", "", "t", {},
        voter="m1", outcome="agreed",
    )  # fmt: skip
    payload, seed = encode_spans([vote]), read_header(start).seed
    frame = frame_header(FrameKind.SPANS, 1, 1, payload, len(start), seed) + payload
    closed = frame_header(FrameKind.CLOSED, 2, 0, b"", len(start) + len(frame), seed)
    with httpx.Client(base_url=system.base_url, timeout=60) as http:
        body = {"model": "consensus", "messages": [{"role": "user", "content": AGREED}]}
        for _ in range(5):
            assert http.post("/v1/chat/completions", json=body, headers=client).status_code == 200
        folder = system.home / "wal" / forger
        folder.mkdir()
        (folder / ".new").write_bytes(start + frame + closed)
        (folder / ".new").rename(folder / "00000001.wal")

        def shown() -> list[dict[str, object]]:
            return list(http.get("/ops/quarantine", headers=headers).json()["entries"])

        until(lambda: shown() != [], 60)
        assert [(entry["writer_id"], entry["place"]) for entry in shown()] == [(forger, "aside")]
        kinds = [item["kind"] for item in http.get("/ops/incidents", headers=headers).json()]
        assert ("span_quarantined" in kinds, "span_checker_blind" in kinds) == (True, False)

        def rows() -> dict[str, int]:
            return dict(http.get("/ops/status", headers=headers).json()["spans"] or {})

        until(lambda: rows().get("rows_quarantined") == 1, 60)
        counted = rows()
        assert counted["rows_read"] == counted["rows_accepted"] + 1 > 5
    listed = system.weavergen("quarantine", "show", forger, "1", "--json")
    assert "before_writer" in [one["kind"] for one in json.loads(listed.stdout)["row"]["findings"]]
    assert system.weavergen("log", "verify").returncode == 0
