"""Whoever reads the spans table finds it in a bucket, by the home's configuration alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from actors.base.canonical import canonical_json
from actors.base.errors import HomeError, StorageUnavailable
from actors.consensus.audit import Recorded
from actors.learning.counts import Counts, merge
from actors.spans.adapters.lookup import open_lookup
from actors.spans.adapters.stores import SpanStores
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind, encode_spans
from actors.spans.record import read_envelope
from cluster.cli.main import cli
from cluster.home import Home
from cluster.jobs import learn
from cluster.jobs.audit import audit_home
from cluster.records import Unread, read_records
from serve_apps.gateway.quarantine import QuarantineView
from tests.shells.cluster.governed import config_of, governed
from tests.shells.s3_server import Server, in_bucket
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import NOW_S, SegmentBytes, at, decision, span, writer_id
from tests.unit.actors.spans.telemetry import Home as SpansHome

W = writer_id(1)


@dataclass
class System:
    """A home, and the weights in force."""

    home: Home
    weights: str


@pytest.fixture
def system(tmp_path: Path, s3: Server) -> System:
    """Return a governed home whose actor took in a decision, a vote and a row that it set aside, into a bucket."""
    made = governed(tmp_path)
    config = config_of("a", "b")
    config = config.model_copy(update={"spans": in_bucket(config.spans, s3.bucket(retries=0), table_roll_age_s=0.0)})
    made.up(config)
    made.home.write_config(config)
    spans = SpansHome(made.home.root)
    vote = span(2, voter="a", outcome="agreed", answer_kind="value")
    rows = [signed_row(W, 1), vote, span(3, latency_ms=9999)]
    SegmentBytes(1).raw(1, 3, encode_spans(rows)).end(FrameKind.CLOSED, 4).save(spans.wal)
    actor = spans.actor(made.home.read_config().spans)
    for _ in range(2):
        actor.tick(at(), flush=True)
    actor.close()
    weights = made.succession.in_force().weights.sha256
    made.home.trust_file.write_bytes(canonical_json(spans.authority.trust()))
    return System(made.home, weights)


def spans_of(home: Home) -> SpansConfig:
    """Return what the home's configuration says."""
    return home.read_config().spans


def run(home: Home, *words: str) -> Any:
    """Run a command."""
    return CliRunner().invoke(cli, [*words, "--home", str(home.root)], standalone_mode=False)


async def test_a_replica_finds_proves_and_shows(system: System) -> None:
    """A decision whose rows are in no log any more, its proof, and what is quarantined."""
    home = system.home
    assert list((home.root / "wal").glob("*/*")) == []
    trust = SpansHome(home.root).authority.trust
    lookup, archive = open_lookup(home.root, spans_of(home), trust)
    data = lookup.find(decision(1))
    assert data is not None
    assert read_envelope(archive.prove(data)).proof is not None
    view = QuarantineView(home.root, spans_of(home), trust)
    assert (await view.listed())["total"] == 1
    view.close()


def test_commands_read_it(system: System) -> None:
    """``log verify`` light and deep, ``spans export`` and ``quarantine list``."""
    for words in ([], ["--deep"]):
        told = json.loads(run(system.home, "log", "verify", "--json", *words).output)
        assert (told["damage"], told["size"], told["rows"] > 2) == ([], told["whole"], True)
    lines = run(system.home, "spans", "export", "--since", "36500d").output.splitlines()
    assert any('"invoke_workflow"' in line for line in lines)
    assert json.loads(run(system.home, "quarantine", "list", "--json").output)["total"] == 1


def test_an_audit_reads_it(system: System) -> None:
    """Records and log; a file that cannot be fetched is told with its whole address."""
    report = audit_home(system.home, 24 * 365, NOW_S + 60, lambda _: None)
    assert (report["records"], report["unread"], report["log"]["damage"]) == (1, [], [])
    location = spans_of(system.home).location
    for file in SpanStores(system.home.root, 10, location=location).current_files():
        file.unlink()
    found = list(read_records(system.home.root, spans_of(system.home)))
    assert not any(isinstance(one, Recorded) for one in found)
    assert all(isinstance(one, Unread) and one.place.startswith(location.url) for one in found)
    assert found


def test_learning_reads_it(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job hands names of files to other processes, which find them again."""

    def counted(paths: Any, *rest: Any) -> Counts:
        told = learn.count_batch({"item": [str(path) for path in paths]}, *rest)
        return merge(msgspec.msgpack.decode(part, type=Counts) for part in told["counts"])

    counts: list[Counts] = []
    monkeypatch.setattr(learn, "count_files", lambda *given: counts.append(counted(*given)) or counts[0])
    report = learn.learn_home(system.home, system.weights, 0)
    assert report["files"] > 0
    assert counts[0].voters["a"]["value"].n == 1


def test_a_store_that_is_away_is_said_by_everyone(system: System, s3: Server) -> None:
    """Nobody takes it for a table that is empty, or damaged."""
    s3.fails("drop")
    home = system.home
    lookup, _ = open_lookup(home.root, spans_of(home), SpansHome(home.root).authority.trust)
    with pytest.raises(StorageUnavailable):
        lookup.find(decision(1))
    assert isinstance(run(home, "spans", "export").exception, StorageUnavailable)
    assert isinstance(run(home, "quarantine", "list").exception, StorageUnavailable)
    told = json.loads(run(home, "log", "verify", "--json").output)
    assert (told["ok"], {item["kind"] for item in told["damage"]}) == (False, {"checkpoint"})
    with pytest.raises(StorageUnavailable):
        learn.learn_home(home, system.weights, 0)


def test_whoever_looks_into_the_home_alone_is_told_where_to_look(system: System) -> None:
    """A reader that was not given the place finds no empty table."""
    home = system.home
    home.write_config(config_of("a", "b"))
    for words in (["spans", "export"], ["quarantine", "list"], ["log", "verify"]):
        found = run(home, *words).exception
        assert isinstance(found, HomeError), words
        assert "spans.storage" in str(found)
