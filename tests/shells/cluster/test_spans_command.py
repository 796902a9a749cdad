"""``weavergen spans export`` on a real home."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.base.errors import ConfigurationError, IntegrityError
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.otlp.json_form import read_json
from actors.spans.otlp.mapping import frame_of, row_of
from cluster.cli.main import cli
from cluster.cli.spans import ago_s
from cluster.home import create_home
from tests.shells.cluster.governed import config_of
from tests.unit.actors.spans.otlp.sent import request, sent
from tests.unit.actors.spans.telemetry import span, writer_id

W, V = writer_id(1), writer_id(2)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with a row of ours and one of another service, a minute old, and one of ours that is a day old."""
    made = create_home(tmp_path / "home")
    made.write_config(config_of("a", "b"))
    began = time.time_ns() - 60 * 10**9
    message = request(sent(start_time_unix_nano=began)).resource_spans[0]
    external = row_of(frame_of(message, message.scope_spans[0]), message.scope_spans[0].spans[0], "key-1", "t-1")
    own = [span(1, start_unix_nano=began), span(2, start_unix_nano=began - 86_400 * 10**9)]
    table = SpanTable(made.root / "spans", 100)
    table.append([Rows(W, 1, 2, own), Rows(V, 1, 2, [external])], {W: 2, V: 1}, int(time.time() * 1000))
    return made.root


def names(text: str) -> list[str]:
    """Return the names of all spans of an OTLP JSON file."""
    lines = [read_json(line.encode()) for line in text.splitlines()]
    return [
        one.name for line in lines for part in line.resource_spans for scope in part.scope_spans for one in scope.spans
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"invoke_workflow": 1, "GET /cart": 1}), (["--since", "2d"], {"invoke_workflow": 2, "GET /cart": 1}),
        (["--origin", "external"], {"GET /cart": 1}), (["--origin", "own", "--since", "5m"], {"invoke_workflow": 1}),
        (["--since", "1s"], {}),
    ],
)  # fmt: skip
def test_what_is_exported_is_what_was_asked_for(home: Path, words: list[str], expected: dict[str, int]) -> None:
    """By age and origin, to standard output: a line is a ``TracesData`` that others' tools read."""
    result = CliRunner().invoke(cli, ["spans", "export", "--home", str(home), *words], standalone_mode=False)
    assert result.exception is None
    found = names(result.output)
    assert {name: found.count(name) for name in found} == expected
    assert all(set(json.loads(line)) == {"resourceSpans"} for line in result.output.splitlines())


def test_a_file_is_written_and_the_count_is_said(home: Path, tmp_path: Path) -> None:
    """On standard error."""
    out = tmp_path / "spans.jsonl"
    result = CliRunner().invoke(cli, ["spans", "export", "--home", str(home), "--out", str(out)], standalone_mode=False)
    assert f"2 spans in {out}" in result.stderr
    assert sorted(names(out.read_text())) == ["GET /cart", "invoke_workflow"]


def test_an_export_that_breaks_off_leaves_what_was_there(home: Path, tmp_path: Path) -> None:
    """Whoever reads the file reads a whole one: a span file that does not check is told, and nothing is left beside it."""
    out = tmp_path / "out" / "spans.jsonl"
    out.parent.mkdir()
    out.write_text("before")
    (path,) = [path for path in SpanTable(home / "spans", 100).current_files() if path.stat().st_size][:1]
    path.write_bytes(path.read_bytes()[:-9])
    words = ["spans", "export", "--since", "2d", "--home", str(home), "--out", str(out)]
    failed = CliRunner().invoke(cli, words, standalone_mode=False).exception
    assert isinstance(failed, IntegrityError)
    assert (out.read_text(), list(out.parent.iterdir())) == ("before", [out])


def test_a_count_without_a_file_is_refused(home: Path) -> None:
    """Spans and the word about them would be one stream."""
    result = CliRunner().invoke(cli, ["spans", "export", "--home", str(home), "--json"])
    assert (result.exit_code, "--out FILE" in result.output) == (2, True)


def test_how_long_ago_is_a_number_and_a_unit() -> None:
    """Anything else says how to write it."""
    assert [ago_s(text) for text in ("90s", "15m", "1h", "7d")] == [90, 900, 3600, 604_800]
    for text in ("", "1", "h", "-1h", "1w", "1.5h"):
        with pytest.raises(ConfigurationError, match="like 15m"):
            ago_s(text)
