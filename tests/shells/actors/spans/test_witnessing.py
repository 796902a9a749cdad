"""SpanActor has its log witnessed while it works, and says who is away or has seen another log."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.spans.actor import SpanActor
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.witness import Witness
from actors.spans.config import LogConfig, WitnessConfig
from actors.spans.frames import FrameKind
from actors.spans.log.note import KeyKind, NoteKey, sign_line
from cluster.trust import certified_as
from cluster.witness import WitnessServer
from serve_apps.actors import span_gauges
from tests.unit.actors.spans.telemetry import NOW_S, ROOT, Home, SegmentBytes, at

NAME = "witness.example/1"


@contextmanager
def watched(home: Home, away: Path) -> Iterator[None]:
    """Give a home's log a witness of its own for a while; its configuration keeps the address."""
    home.path.mkdir(exist_ok=True)
    trust = home.path / "trust.json"
    trust.write_bytes(canonical_json(home.authority.trust()))
    witness = Witness(away, NAME, trust)
    server = WitnessServer(witness, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    one = WitnessConfig(url=f"http://127.0.0.1:{server.server_port}", key=witness.key.text)
    home.log = LogConfig(witnesses=(one,), witness_interval_s=0, witness_timeout_s=60)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        witness.close()


def tick(actor: SpanActor, at_s: float) -> tuple[int, int]:
    """Tick, and once more when the witness has answered; return how many signed and how many contradicted."""
    for step in (0.0, 0.5):
        actor.tick(at(at_s + step), flush=True)
        actor._witnesses.settle(60)
    health = actor.health(at(at_s + 1))
    return health["log_witnessed"], health["log_contradicted"]


def test_what_is_sealed_is_witnessed(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whenever it has grown; the numbers are shown, and nothing is said while all is well."""
    with watched(home, tmp_path_factory.mktemp("away")):
        actor = home.actor()
        for number, first in ((1, 1), (2, 3)):
            SegmentBytes(number).batch((first, 2)).end(FrameKind.ROTATED, first + 2).save(home.wal)
            assert tick(actor, number) == (1, 0)
            signed = LogFiles(home.path / "log").witnessed()
            assert signed is not None
            assert (signed.head.size, len(signed.note.signatures)) == (number, 3)
        gauges = span_gauges(actor.health(at(9)))
        assert (gauges["span_log_witnesses"], gauges["span_log_witnessed"]) == (1.0, 1.0)
        actor.close()
    assert home.incidents.kinds == []


def test_what_witnesses_signed_is_counted_by_whom_root_certifies(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A signature that counts stays beside a newer one of somebody who is asked, and whom root does not know."""
    key = SigningKey.from_seed(b"certified".ljust(32))
    known, files = NoteKey("witness.example/2", KeyKind.COSIGNATURE, key.public), LogFiles(home.path / "log")
    trust, certified = home.authority.trust(), certified_as(ROOT, "witness", known.name, key.public, int(NOW_S))
    home.authority._trust = replace(trust, certificates=[*trust.certificates, certified])
    with watched(home, tmp_path_factory.mktemp("away")):
        actor = home.actor()
        for number, first in ((1, 1), (2, 3)):
            SegmentBytes(number).batch((first, 2)).end(FrameKind.ROTATED, first + 2).save(home.wal)
            assert tick(actor, number) == (1, 0)
            if number == 1 and (own := files.checkpoint()) is not None:
                files.put_witnessed(own.cosigned([sign_line(own.note.text, known.name, key, 7)]), [known])
        actor.close()
    assert {each.head.size: each.cosigners([known]) for each in files.cosigned()} == {2: 0, 1: 1}


def test_a_witness_that_is_away_stops_nothing_and_is_said(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rows are sealed; whoever looks after the system hears who does not answer."""
    with watched(home, tmp_path_factory.mktemp("away")):
        pass
    actor = home.actor()
    SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3).save(home.wal)
    assert tick(actor, 1) == (0, 0)
    assert (actor.health(at(3))["log_size"], set(home.incidents.kinds)) == (1, {"witness_unavailable"})
    actor.close()


def test_a_home_that_was_set_back_is_an_incident(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Log and table together, which look whole from inside; serving and sealing go on."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with watched(home, elsewhere / "away"):
        actor = home.actor()
        SegmentBytes(1).batch((1, 2)).end(FrameKind.ROTATED, 3).save(home.wal)
        tick(actor, 1)
        actor.close()
        shutil.copytree(home.path, elsewhere / "before")
        actor = home.actor()
        SegmentBytes(2).batch((3, 2)).end(FrameKind.ROTATED, 5).save(home.wal)
        assert tick(actor, 5) == (1, 0)
        actor.close()
        shutil.rmtree(home.path)
        (elsewhere / "before").rename(home.path)
        actor = home.actor()
        assert tick(actor, 9) == (0, 1)
        assert actor.health(at(10))["log_error"] == ""
        assert home.incidents.kinds == ["log_contradicted"]
        actor.close()
