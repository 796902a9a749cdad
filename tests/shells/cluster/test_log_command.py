"""``weavergen log verify`` on a real home: whole, and with a byte of the table that is another."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from actors.base.canonical import canonical_json
from actors.spans.adapters.check import check_log
from actors.spans.columns import Rows
from cluster.cli.log import told
from cluster.cli.main import cli
from cluster.home import Home, create_home
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W
from tests.shells.cluster.governed import config_of
from tests.unit.actors.spans.telemetry import decision, span


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    """Return a home that was configured, with a log of three batches."""
    home: Home = create_home(tmp_path / "home")
    home.write_config(config_of("a", "b"))
    made = Sealed(home.root)
    made.batches(3)
    home.trust_file.write_bytes(canonical_json(made.authority.trust()))
    return made


def verify(made: Sealed, *more: str) -> tuple[int, str]:
    """Run the command; return its exit code and what a terminal sees."""
    words = ["log", "verify", "--home", str(made.home), *more]
    result = CliRunner().invoke(cli, words, color=True, standalone_mode=False)
    return int(result.return_value), result.output


def test_a_log_that_is_whole_is_said_so(sealed: Sealed) -> None:
    """Exit 0, nothing red, how many batches and rows."""
    code, output = verify(sealed)
    assert (code, "3 batches of 9 rows are what was sealed" in output, "\x1b[31m" in output) == (0, True, False)


@pytest.mark.parametrize("where", ["page", "page header", "statistics", "footer", "magic"])
def test_a_flipped_byte_of_a_file_is_red_and_names_its_batch(sealed: Sealed, where: str) -> None:
    """Wherever it lies: exit 1, and the number is in words and in JSON."""
    path = sealed.file_of(1)
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    begin = column.dictionary_page_offset or column.data_page_offset
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    places = {
        "page": begin + column.total_compressed_size - 1, "page header": begin + 1, "statistics": footer + 200,
        "footer": len(data) - 20, "magic": 0,
    }  # fmt: skip
    data[places[where]] ^= 1
    path.write_bytes(data)
    code, output = verify(sealed)
    assert code == 1
    assert "\x1b[31mDAMAGED  batch 1: file: " in output
    code, output = verify(sealed, "--json")
    report = json.loads(output)
    assert (code, report["ok"]) == (1, False)
    assert (1, "file") in {(item["batch"], item["kind"]) for item in report["damage"]}


def test_what_waits_is_told_and_red_once_it_waited_longer_than_was_promised(sealed: Sealed) -> None:
    """How many batches and for how long, in words and in JSON; rows of these tests are dated long ago."""
    sealed.commit()
    code, output = verify(sealed)
    assert code == 1
    assert "\x1b[31mLATE  1 batches wait to be sealed, for " in output
    code, output = verify(sealed, "--json")
    report = json.loads(output)
    assert (code, report["ok"], report["late"], report["waiting"], report["damage"]) == (1, False, True, 1, [])
    assert report["waited_s"] > 86_400
    sealed.sealer.seal((), NOW_MS)
    assert verify(sealed)[0] == 0


def test_what_waits_within_its_promise_is_no_fault(sealed: Sealed) -> None:
    """It is said all the same."""
    sealed.commit()
    checked = check_log(sealed.home, sealed.authority.trust(), 10)
    assert told(checked, NOW_MS / 1000 + 60, 60.5)[2] == "1 batches wait to be sealed, for 60 s"
    assert told(checked, NOW_MS / 1000 + 61, 60)[2].startswith("LATE  1 batches wait to be sealed, for 61 s, and 60 s")
    assert told(replace(checked, waiting_since_ms=None), 0, 60)[2].endswith("nobody can tell since when")


def test_a_deep_check_verifies_every_record_too(sealed: Sealed) -> None:
    """A record that was sealed and is nobody's word is what was sealed, and is found; so by default nothing is."""
    rows = Rows(W, sealed.next_seq, 1, [span(sealed.next_seq, b"{}")])
    sealed.sealer.seal(sealed.table.append([rows], {W: sealed.next_seq}, NOW_MS), NOW_MS)
    assert verify(sealed)[0] == 0
    code, output = verify(sealed, "--deep")
    assert (code, "1 records of 1 decisions were verified" in output) == (1, True)
    assert f"\x1b[31mFAILED  decision {decision(sealed.next_seq)}, {W} row {sealed.next_seq}: envelope" in output
    code, output = verify(sealed, "--deep", "--json")
    report = json.loads(output)
    assert (code, report["ok"], report["records"]["findings_total"]) == (1, False, 1)


def test_how_far_a_check_is_is_told(sealed: Sealed) -> None:
    """File after file, of all that there are."""
    seen: list[tuple[int, int]] = []
    check_log(sealed.home, sealed.authority.trust(), 10, lambda done, total: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3)]
