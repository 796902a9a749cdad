"""``weavergen log verify`` on a real home: whole, and with a byte of the table that is another."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from actors.base.canonical import canonical_json
from cluster.cli.main import cli
from cluster.home import Home, create_home
from tests.shells.actors.spans.adapters.sealed import Sealed
from tests.shells.cluster.governed import config_of


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
