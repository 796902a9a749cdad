"""The transparency log of a running system, as strangers read it: through HAProxy, with a program that shares no code with it."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from actors.base.certificates import read_trust
from actors.spans.log.checkpoint import read_checkpoint
from actors.spans.log.note import read_key
from actors.spans.log.tiles import Hashes, Tile, tiles_of
from actors.spans.merkle import stored_root
from actors.spans.record import read_envelope
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
