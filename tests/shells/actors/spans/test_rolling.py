"""How much is committed at once, and what happens to rows that no commit can hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from actors.spans import columns
from actors.spans.adapters.check import check_log
from actors.spans.adapters.gathered import SHOWN_TIMES
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import unwritable
from actors.spans.adapters.wal import WalWriter
from actors.spans.columns import Rows
from actors.spans.config import KIB, MIB
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import FrameKind, encode_spans
from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.span import Span
from tests.unit.actors.spans.otlp.sent import pair, request, sent
from tests.unit.actors.spans.telemetry import SMALL, Home, SegmentBytes, at, builder, bulky, identity, span, writer_id

WIDE = SMALL.model_copy(update={"segment_bytes": MIB, "max_frame_bytes": 256 * KIB, "table_roll_bytes": 64 * KIB})


def commits(home: Home) -> list[list[int]]:
    """Return the first writer's numbers in each commit, in their order."""
    table = home.table().read(["writer_id", "writer_seq", "log_index"]).to_pylist()
    found: dict[int, list[int]] = {}
    for row in table:
        if row["writer_id"] == writer_id(1):
            found.setdefault(row["log_index"], []).append(row["writer_seq"])
    return [found[index] for index in sorted(found)]


def is_whole(home: Home) -> bool:
    """Tell whether the log proves every row."""
    return check_log(home.path, home.authority.trust(), 10).damage == ()


async def test_a_commit_has_a_bound_in_bytes(home: Home) -> None:
    """Rows come in their order, each once, no more at a time than has room; all in one tick, and the log is taken away."""
    actor, wal = home.actor(WIDE), WalWriter(home.wal, identity(), WIDE)
    for _ in range(20):
        await wal.append(2, bulky(2, 10 * KIB))
    wal.close()
    report = actor.tick(at(), flush=True)
    assert (report.rows_committed, report.damage, report.adopted) == (40, 0, 0)
    assert commits(home) == [list(range(first, min(first + 6, 41))) for first in range(1, 41, 6)]
    assert (home.segments(), is_whole(home)) == ([], True)
    actor.close()


async def test_a_frame_that_is_larger_goes_alone(home: Home) -> None:
    """Between others, which are not held up."""
    actor, wal = home.actor(WIDE), WalWriter(home.wal, identity(), WIDE)
    for count, size in ((1, KIB), (3, 50 * KIB), (1, KIB), (1, KIB)):
        await wal.append(count, bulky(count, size))
    wal.close()
    assert actor.tick(at(), flush=True).rows_committed == 6
    assert commits(home) == [[1], [2, 3, 4], [5, 6]]
    actor.close()


async def test_rows_that_wait_for_their_age_count(home: Home) -> None:
    """What a tick before left in memory takes room, and being large enough is a reason to commit."""
    config = WIDE.model_copy(update={"table_roll_age_s": 60.0})
    actor, wal = home.actor(config), WalWriter(home.wal, identity(), WIDE)
    await wal.append(3, bulky(3, 10 * KIB))
    assert actor.tick(at()).commits == 0
    await wal.append(4, bulky(4, 10 * KIB))
    assert actor.tick(at(1)).commits == 1
    assert actor.health(at(1))["lag_rows"] == 4
    await wal.append(3, bulky(3, 10 * KIB))
    await wal.append(1, bulky(1, 90 * KIB))
    actor.tick(at(2))
    assert commits(home) == [[1, 2, 3], [4, 5, 6, 7], [8, 9, 10], [11]]
    wal.close()
    actor.close()


def others(count: int, size: int) -> list[Span]:
    """Return rows of another service, each with that much in an attribute."""
    message = request(*(sent(number=n + 1, attributes=[pair("a", "x" * size)]) for n in range(count))).resource_spans[0]
    around = frame_of(message, message.scope_spans[0])
    return [row_of(around, one, "key-1", "t-1") for one in message.scope_spans[0].spans]


def test_rows_of_other_services_count_more(home: Home) -> None:
    """By what the table shows of them: fewer go together, and none is lost."""
    rows = others(12, 4000)
    segment = SegmentBytes(schema=SPAN_SCHEMA_VERSION)
    for seq, row in enumerate(rows, 1):
        segment.raw(seq, 1, encode_spans([row]))
    segment.end(FrameKind.CLOSED, 13).save(home.wal)
    actor = home.actor(WIDE)
    assert actor.tick(at(), flush=True).rows_external == 12
    each = (1 + SHOWN_TIMES) * len(encode_spans(rows[:1]))
    assert {len(commit) for commit in commits(home)} == {WIDE.table_roll_bytes // each}
    assert [seq for commit in commits(home) for seq in commit] == list(range(1, 13))
    actor.close()


# What nobody foresaw.


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have Arrow refuse maps with a certain word, as it does where they are too large; undone by the one who asks."""
    real = columns._maps

    def maps(values: Sequence[Mapping[str, str]]) -> Any:
        if any("poison" in one for one in values):
            raise TypeError("Cannot convert ChunkedArray to Array")
        return real(values)

    monkeypatch.setattr(columns, "_maps", maps)
    return monkeypatch


async def test_only_the_writer_whose_rows_cannot_be_committed_waits(home: Home, poison: pytest.MonkeyPatch) -> None:
    """The process goes on, it is told, others' rows are committed and sealed; once it can be, so are these, each once."""
    actor = home.actor()
    bad, good = WalWriter(home.wal, identity(2), SMALL), WalWriter(home.wal, identity(1), SMALL)
    await bad.append(1, lambda seq: [span(seq + 100)])
    await bad.append(1, lambda seq: [span(seq + 100, attributes={"poison": "x"})])
    await good.append(3, builder(3))
    assert actor.tick(at()).rows_committed == 3
    assert set(home.incidents.kinds) == {"span_table_unavailable", "span_ingest_blocked"}
    assert any(evidence.get("writer_id") == writer_id(2) for _, evidence in home.incidents.opened)
    health = actor.health(at(5))
    assert (health["lag_rows"], health["lag_s"], health["held_writers"], health["table_error"]) == (2, 5, 1, "")
    assert f"rows of {writer_id(2)} cannot be committed: TypeError: Cannot convert" in health["held_why"]
    assert health["merge_delay_s"] == 5
    await bad.append(1, lambda seq: [span(seq + 100)])
    await good.append(1, builder(1))
    bad.close()
    assert (actor.tick(at(1)).rows_committed, actor.tick(at(61)).rows_committed) == (1, 0)
    assert (home.rows(1), home.rows(2), is_whole(home)) == ([1, 2, 3, 4], [], True)
    assert [name for name in home.segments() if name.startswith(writer_id(2))]
    poison.undo()
    assert actor.tick(at(130)).rows_committed == 2
    assert actor.tick(at(131)).rows_committed == 1
    assert (home.rows(2), is_whole(home), actor.health(at(131))["held_why"]) == ([1, 2, 3], True, "")
    assert not [name for name in home.segments() if name.startswith(writer_id(2))]
    good.close()
    actor.close()


async def test_a_process_that_ends_meanwhile_reads_such_rows_again(home: Home, poison: pytest.MonkeyPatch) -> None:
    """They are in the log still, and nothing says that they were taken."""
    actor, wal = home.actor(), WalWriter(home.wal, identity(), SMALL)
    await wal.append(2, lambda seq: [span(seq), span(seq + 1, attributes={"poison": "x"})])
    wal.close()
    assert actor.tick(at()).rows_committed == 0
    actor.close()
    poison.undo()
    actor = home.actor()
    assert actor.tick(at(1)).rows_committed == 2
    assert (home.rows(), home.segments()) == ([1, 2], [])
    actor.close()


async def test_where_it_is_nobody_s_rows_all_wait_and_are_tried_again(home: Home) -> None:
    """A defect of whatever writes: told, shown, and the rows are there once it is gone."""
    broken = True

    def sync(path: Any) -> None:
        if broken and path.suffix == ".parquet":
            raise TypeError("not foreseen")
        Disk().sync_file(path)

    actor, wal = home.actor(disk=Disk(sync_file=sync)), WalWriter(home.wal, identity(), SMALL)
    await wal.append(2, builder(2))
    wal.close()
    for second in range(3):
        assert actor.tick(at(second)).commits == 0
    assert home.incidents.kinds == ["span_table_unavailable"]
    health = actor.health(at(3))
    assert (health["table_error"], health["held_why"], health["lag_rows"]) == ("TypeError: not foreseen", "", 2)
    broken = False
    assert actor.tick(at(4)).commits == 1
    assert (home.rows(), actor.health(at(4))["table_error"], is_whole(home)) == ([1, 2], "", True)
    actor.close()


def test_rows_are_tried_for_all_that_a_commit_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests, columns, file."""
    rows = [Rows(writer_id(1), 1, 2, [span(1)])]
    assert unwritable(rows) == ""
    for name in ("row_hashes", "by_date", "parquet_bytes"):
        with monkeypatch.context() as patch:
            patch.setattr(f"actors.spans.adapters.table.{name}", None)
            assert unwritable(rows).startswith("TypeError")
