"""``weavergen quarantine`` on a real home, with the actor that works off what it asks for."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.base.canonical import canonical_json
from actors.base.errors import ConfigurationError, IntegrityError, NotFound
from actors.base.signing import SigningKey
from actors.spans.adapters.requests import folder_of
from actors.spans.frames import FrameKind, encode_spans
from cluster.cli import quarantine
from cluster.cli.main import cli
from cluster.home import create_home
from tests.shells.actors.spans.answering import as_it_lies, with_a_changed_batch
from tests.shells.cluster.governed import config_of
from tests.unit.actors.spans.telemetry import NOW_S, Home, SegmentBytes, at, certificate_of, span, writer_id

W = writer_id(1)
OPERATOR = SigningKey.from_seed(b"o" * 32)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home that was configured, with a row that was set aside, and the operator's key beside it."""
    made = create_home(tmp_path / "home")
    made.write_config(config_of("a", "b"))
    home = Home(made.root)
    known = home.authority.trust()
    home.authority._trust = msgspec.structs.replace(
        known, certificates=[*known.certificates, certificate_of("operator", OPERATOR)]
    )
    made.trust_file.write_bytes(canonical_json(home.authority.trust()))
    OPERATOR.save(tmp_path / "operator" / "operator.key")
    monkeypatch.setenv("WEAVERGEN_OPERATOR_DIR", str(tmp_path / "operator"))
    monkeypatch.setattr(quarantine.time, "time_ns", lambda: int(NOW_S * 1e9))
    rows = [span(1), span(2, latency_ms=9999), span(3)]
    SegmentBytes(1).raw(1, 3, encode_spans(rows)).end(FrameKind.CLOSED, 4).save(home.wal)
    ticked(home, 0)
    return home


def ticked(home: Home, second: float) -> None:
    """Let an actor work off what there is."""
    actor = home.actor()
    actor.tick(at(second), flush=True)
    actor.tick(at(second), flush=True)
    actor.close()


def run(home: Home, *words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, ["quarantine", *words, "--home", str(home.path)], standalone_mode=False)


def test_what_was_set_aside_is_listed_and_shown(home: Home) -> None:
    """In words and in JSON, with findings, evidence, the row and what lay around it."""
    (head, line) = run(home, "list").output.splitlines()
    assert head == "1 entries; 0 rows of the table are quarantined now"
    assert f"quarantined  {W} 2 (aside): latency (latency_ms 9999" in line
    assert json.loads(run(home, "list", "--json").output)["entries"][0]["state"] == "quarantined"
    said = run(home, "show", W, "2").output
    assert "CRITICAL TemporalConsistencyValidator latency: latency_ms 9999" in said
    assert "3 rows around it" in said
    found = json.loads(run(home, "show", W, "2", "--json").output)
    assert (found["row"]["span"]["latency_ms"], found["investigation"]["rows"]) == (9999, [2])
    assert isinstance(run(home, "show", W, "1").exception, NotFound)
    assert isinstance(run(home, "show", "../x", "1").exception, ConfigurationError)


def test_an_investigation_that_cannot_be_read_is_named(home: Home) -> None:
    """With what to do; one that was moved away is not there, and the row is shown all the same."""
    (record,) = (home.path / "quarantine" / "investigations").glob("*.json")
    record.write_text("[")
    failed = run(home, "show", W, "2").exception
    assert isinstance(failed, IntegrityError)
    assert f"{record.name} cannot be read" in str(failed)
    record.unlink()
    assert json.loads(run(home, "show", W, "2", "--json").output)["investigation"] is None


def test_letting_go_is_signed_and_waits_for_the_actor(home: Home) -> None:
    """Without one it lies there and that is said; then it is done, and listed as that."""
    result = run(home, "release", W, "2", "--reason", "the clock was wrong", "--wait-s", "0")
    assert (result.return_value, "is carried out when the span actor runs" in result.output) == (0, True)
    ticked(home, 1)
    assert (home.rows(), list(folder_of(home.path).glob("*.json"))) == ([1, 2, 3], [])
    (entry,) = json.loads(run(home, "list", "--json").output)["entries"]
    assert entry["state"] == "released"
    assert "the clock was wrong" in run(home, "show", W, "2").output


def test_rows_of_the_table_are_set_apart(home: Home) -> None:
    """From the first to the last, by whom and why."""
    run(home, "set", W, "1", "3", "--reason", "key stolen", "--wait-s", "0")
    ticked(home, 1)
    told = run(home, "list").output
    assert "3 rows of the table are quarantined now" in told
    assert f"{W} 1 to 3 (table) by operator " in told
    assert isinstance(run(home, "set", W, "3", "1", "--reason", "x").exception, ConfigurationError)


def test_how_long_it_is_waited_for(tmp_path: Path) -> None:
    """Until it is done or refused, or time is up."""
    path, now = tmp_path / "requests" / "a.json", [0.0]
    path.parent.mkdir()
    path.touch()

    def passing(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 5:
            path.unlink(missing_ok=True)

    assert quarantine.waited(path, 2, lambda: now[0], passing) == "waits"
    assert quarantine.waited(path, 9, lambda: now[0], passing) == "done"
    (path.parent / "refused").mkdir()
    (path.parent / "refused" / "a.json").touch()
    assert quarantine.waited(path, 1, lambda: now[0], passing) == "refused"


def test_a_refusal_ends_with_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody quarantined that row, and that is what is said."""
    monkeypatch.setattr(quarantine, "waited", lambda *_: ticked(home, 1) or "refused")
    result = run(home, "release", W, "1", "--reason", "x")
    assert (result.return_value, "refused: none of these rows is quarantined" in result.output) == (1, True)
    told = json.loads(run(home, "release", W, "1", "--reason", "x", "--json").output)
    assert (told["state"], told["cause"]) == ("refused", "none of these rows is quarantined")
    assert home.incidents.kinds[-1] == "quarantine_request_refused"


def test_an_operator_answers_for_a_batch_that_is_not_as_committed(home: Home) -> None:
    """What was said and what lies there is shown before it is signed; one that is as it was committed needs nobody."""
    batch = with_a_changed_batch(home)
    waiting = as_it_lies(home, batch)
    result = run(home, "seal", str(batch), "--reason", "restored", "--wait-s", "0")
    assert result.output.splitlines()[:3] == [
        f"batch {batch} holds rows {waiting.first_seq} to {waiting.last_seq} of {waiting.writer_id}",
        f"its commit said   {waiting.said}",
        f"what lies there is {waiting.found}",
    ]
    ticked(home, 1)
    ticked(home, 2)
    found = json.loads(
        CliRunner().invoke(cli, ["log", "verify", "--json", "--home", str(home.path)], standalone_mode=False).output
    )
    assert [(told["batch"], told["said"], told["found"]) for told in found["answered"]] == [
        (batch, waiting.said, waiting.found)
    ]
    told = CliRunner().invoke(cli, ["log", "verify", "--home", str(home.path)], standalone_mode=False)
    assert (told.return_value, f"ANSWERED  batch {batch}: rows {waiting.first_seq} to " in told.output) == (0, True)
    assert (
        f"{waiting.writer_id} {waiting.first_seq} to {waiting.last_seq} (table) by operator "
        in run(home, "list").output
    )
    for other, error, why in (
        (str(batch + 1), ConfigurationError, "is what its commit said"),
        ("99", IntegrityError, "no row is in the table"),
    ):
        failed = run(home, "seal", other, "--reason", "x").exception
        assert isinstance(failed, error)
        assert why in str(failed)
