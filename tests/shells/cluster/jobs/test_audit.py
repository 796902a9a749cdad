"""The audit job on a real disk: rows in the log and in the table, whole, changed and unreadable."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from actors.base.canonical import canonical_json
from actors.consensus.audit import Recorded
from actors.spans.adapters.check import Checked, Damage
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.wal import WalWriter
from actors.spans.columns import Rows, pinned_schema
from actors.spans.config import SpansConfig
from cluster.home import Home, create_home
from cluster.jobs import audit as job
from cluster.jobs.audit import MAX_LISTED, audit, audit_home, main
from cluster.records import Unread
from tests.shells.actors.spans.adapters.sealed import not_utf_8, rewritten
from tests.shells.cluster.acceptance.decisions import Decided, decided
from tests.shells.cluster.governed import config_of
from tests.unit.actors.consensus import conftest as consensus
from tests.unit.actors.consensus.world import LOG_KEY, NOW_S, Keys, World
from tests.unit.actors.spans.telemetry import identity, span

trust_chain, make_world = consensus.trust_chain, consensus.make_world
MakeWorld = Callable[..., World]
HOUR_S = 3600


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home that was configured."""
    made = create_home(tmp_path / "home")
    made.write_config(config_of("a", "b"))
    return made


def stored(home: Home, one: Decided, *rows: Recorded) -> list[Path]:
    """Write rows into a home's table, each in a commit of its own, and return the table's files."""
    table = SpanTable(home.root / "spans", SpansConfig().table_checkpoint_commits)
    sealer = Sealer(LogFiles(home.root / "log"), table, Keys(one.world.trust, LOG_KEY), 100, 1000)
    sealer.begin(NOW_S * 1000)
    for row in rows:
        spans = [span(row.seq, row.envelope, decision_id=row.decision_id, start_unix_nano=NOW_S * 10**9)]
        table.append([Rows(row.writer_id, row.seq, 1, spans)], {row.writer_id: row.seq}, NOW_S * 1000)
    sealer.seal((), NOW_S * 1000)
    home.trust_file.write_bytes(canonical_json(one.world.trust))
    return table.current_files()


def flip(file: Path) -> None:
    """Change one byte amid a file's records."""
    group = pq.ParquetFile(file).metadata.row_group(0)
    places = (group.column(place) for place in range(group.num_columns))
    column = next(found for found in places if found.path_in_schema == "record")
    data = bytearray(file.read_bytes())
    begin = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    data[begin + column.total_compressed_size - 20] ^= 1  # at the end of the last page: no header is there
    file.write_bytes(data)


def told(_line: str) -> None:
    """Take progress and keep it to ourselves."""


async def test_what_is_right_is_all_verified(home: Home, make_world: MakeWorld) -> None:
    """A withheld answer has two records, one of them still in the log as well."""
    one = await decided(make_world, halted=True)
    stored(home, one, *one.rows)
    report = audit_home(home, 1, NOW_S, told)
    assert (report["ok"], report["decisions"], report["records"]) == (True, 1, 2)
    assert report["results"] == {"withheld": 1}
    assert report["inclusion"] == {"included": 2}
    assert (report["log"]["size"], report["log"]["whole"], report["log"]["rows"]) == (2, 2, 2)


async def test_rows_that_are_still_in_the_log_are_audited_too(home: Home, make_world: MakeWorld) -> None:
    """Nothing has to reach the table first; a record in another writer's log is out of its place."""
    one = await decided(make_world)
    stored(home, one)
    (row,) = one.rows
    wal = WalWriter(home.root / "wal", identity(), SpansConfig())
    await wal.append(1, lambda seq: [span(seq, row.envelope, decision_id=row.decision_id)])
    wal.close()
    report = audit_home(home, 24 * 366, NOW_S, told)
    assert (report["records"], report["ok"]) == (1, False)
    assert [finding["step"] for finding in report["findings"]] == ["place"]


async def test_only_the_last_hours_are_audited(home: Home, make_world: MakeWorld) -> None:
    """What began before the window is left out, and the report says which window it was."""
    one = await decided(make_world)
    stored(home, one, *one.rows)
    assert audit_home(home, 1, NOW_S + HOUR_S - 1, told)["records"] == 1
    later = audit_home(home, 1, NOW_S + HOUR_S + 1, told)
    assert (later["records"], later["since"]) == (0, "2027-01-15T08:00:01+00:00")


async def test_a_flipped_byte_of_a_file_is_found_and_the_others_are_read(home: Home, make_world: MakeWorld) -> None:
    """The file is named; records in other files are verified all the same."""
    one, other = await decided(make_world), await decided(make_world)
    (row,), (second,) = one.rows, other.rows
    first_file, _ = stored(home, one, row, replace(second, seq=row.seq + 1))
    flip(first_file)
    report = audit_home(home, 1, NOW_S, told)
    assert not report["ok"]
    assert [item["place"].rpartition("/")[2] for item in report["unread"]] == [first_file.name]
    assert report["records"] == 1
    named = [item for item in report["log"]["damage"] if item["batch"] >= 0]
    assert [item["kind"] for item in named] == ["file", "missing"]
    assert len({item["batch"] for item in named}) == 1


async def test_a_row_that_was_sealed_otherwise_is_found(home: Home, make_world: MakeWorld) -> None:
    """Its own record verifies: only the log knows that the row said something else."""
    one = await decided(make_world)
    stored(home, one, *one.rows)
    table = SpanTable(home.root / "spans", SpansConfig().table_checkpoint_commits)
    (file,) = table.current_files()
    rows = pq.read_table(file, schema=pinned_schema(), partitioning=None)
    changed = rows.set_column(rows.schema.get_field_index("end_unix_nano"), "end_unix_nano", [[NOW_S * 10**9]])
    pq.write_table(changed, file)
    report = audit_home(home, 1, NOW_S, told)
    assert (report["ok"], report["findings_total"], report["inclusion"]) == (False, 0, {"none": 1})
    assert [(item["batch"], item["kind"]) for item in report["log"]["damage"]] == [(0, "changed"), (0, "file")]


async def test_words_that_are_not_utf_8_end_no_audit(home: Home, make_world: MakeWorld) -> None:
    """The file is named as one that cannot be read, and its batch as damaged."""
    one = await decided(make_world)
    (file,) = stored(home, one, *one.rows)
    rewritten(file, not_utf_8("decision_id"))
    report = audit_home(home, 1, NOW_S, told)
    assert [item["place"].rpartition("/")[2] for item in report["unread"]] == [file.name]
    assert [(item["batch"], item["kind"]) for item in report["log"]["damage"]] == [(0, "changed"), (0, "file")]


async def test_the_job_leaves_its_report_and_ends_by_what_it_found(
    home: Home, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 for nothing found, 1 otherwise; the report is whole before the job ends. Requests go before it."""
    niceness: list[int] = []
    monkeypatch.setattr(job, "time", SimpleNamespace(time=lambda: NOW_S, monotonic=time.monotonic))
    monkeypatch.setattr(job, "os", SimpleNamespace(nice=niceness.append))
    one = await decided(make_world)
    stored(home, one, *one.rows)
    file = home.root / "reports" / "audit-1.json"
    assert main([f"--home={home.root}", "--hours=1", f"--report={file}"]) == 0
    assert json.loads(file.read_bytes())["records"] == 1
    stored(home, one, replace(one.rows[0], seq=one.rows[0].seq + 1))
    assert main([f"--home={home.root}", "--hours=1", f"--report={file}"]) == 1
    assert json.loads(file.read_bytes())["findings_total"] == 2
    assert niceness == [10, 10]


async def test_a_report_is_bounded_and_counts_everything(make_world: MakeWorld) -> None:
    """However much is wrong, the list ends and the count does not; a place told twice is one."""
    one = await decided(make_world)
    (row,) = one.rows
    rows = [replace(row, seq=seq, decision_id=f"d{seq}") for seq in range(MAX_LISTED)]
    torn = Unread("spans/x", "torn")
    damage = tuple(Damage(batch, "missing", "gone") for batch in range(MAX_LISTED + 1))
    log = Checked(MAX_LISTED + 1, "00", 0, frozenset(), damage)
    report = audit([*rows, torn, torn], one.world.trust, log, NOW_S, told)
    assert report["findings_total"] == 2 * MAX_LISTED - (row.seq < MAX_LISTED)
    assert (len(report["findings"]), report["unread_total"]) == (MAX_LISTED, 1)
    assert (len(report["log"]["damage"]), report["log"]["damage_total"]) == (MAX_LISTED, MAX_LISTED + 1)
