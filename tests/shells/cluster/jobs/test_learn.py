"""The learning job on real files: equal to a query over the same files, and blind to what was decided under a freeze."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError
from actors.learning.counts import Counts, PairSums, VoterSums, merge
from actors.policy.snapshot import PolicySnapshot
from actors.policy.transitions import successor
from actors.spans import conventions as names
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows, by_date
from actors.spans.quarantined import Quarantined
from actors.spans.record import PolicyRef, seal
from actors.spans.span import Span
from cluster.bench.learning import FROZEN, as_found, queried
from cluster.bench.spans import write_spans
from cluster.jobs import learn
from cluster.jobs.learn import count_batch, count_file, frozen_policies
from cluster.succession import Note
from cluster.trust import operator_key
from tests.shells.cluster.governed import Governed, config_of, governed
from tests.unit.actors.spans.asked import word
from tests.unit.actors.spans.telemetry import span
from tests.unit.actors.spans.test_record import RECORD, WRITER


def written(path: Path, spans: list[Span]) -> Path:
    """Write spans of one day as the table does."""
    (_, table), = by_date([Rows("w", 0, 1, spans)])  # fmt: skip
    pq.write_table(table, path, write_page_checksum=True)
    return path


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with a policy in force."""
    made = governed(tmp_path)
    made.up(config_of("a", "b"))
    return made


def changed(system: Governed, *, frozen: bool) -> PolicySnapshot:
    """Freeze learning, or let it go on."""
    current = system.succession.in_force()
    wanted = successor(current, system.now_s * 1000, learning_frozen=frozen)
    return system.succession.publish(current, wanted, Note("freeze", "", "r", "t"), operator_key(system.operators))


@pytest.mark.parametrize("frozen", [(), FROZEN])
@pytest.mark.parametrize("files", [1, 40])
def test_counts_equal_a_query_over_the_same_files(tmp_path: Path, files: int, frozen: tuple[str, ...]) -> None:
    """One file or many, also where a column appears only in the last ones, sums are those of DuckDB."""
    paths = write_spans(tmp_path, 1000, files, seed=3)
    counts = merge(count_file(path, 0, frozen) for path in paths)
    voters, pairs = queried(paths, 0, frozen)
    assert as_found(counts) == (voters, pairs)
    assert len(voters) == 24
    assert len(pairs) == 12  # three voters in a row of six
    assert (sum(row[2] for row in voters) > sum(row[4] for row in voters)) is (files > 1)


def test_spans_before_the_window_are_not_counted(tmp_path: Path) -> None:
    """Neither by the job nor by the query; with nothing left there are no sums."""
    paths = write_spans(tmp_path, 1000, 3, seed=4)
    middle = 1_790_000_000_000_000_000 + 500 * 1_000_000
    assert as_found(merge(count_file(path, middle, ()) for path in paths)) == queried(paths, middle, ())
    assert count_file(paths[0], middle, FROZEN) == Counts({}, {})
    encoded = count_batch({"item": [str(path) for path in paths]}, 2**62, ())["counts"]
    assert [msgspec.msgpack.decode(part, type=Counts) for part in encoded] == [Counts({}, {})]


def test_what_was_decided_under_a_freeze_is_never_counted(system: Governed, tmp_path: Path) -> None:
    """Not when the freeze is lifted either: the record names the policy, and its version stays what it was."""
    policies = [system.succession.in_force(), changed(system, frozen=True), changed(system, frozen=False)]
    spans = []
    for number, policy in enumerate(policies):
        named = msgspec.structs.replace(RECORD, policy=PolicyRef("strict", policy.version, policy.sha256))
        record = canonical_json(seal(named, WRITER.key, WRITER.certificate))
        of = {"decision_id": f"d{number}", "answer_kind": "value"}
        spans += [
            span(3 * number, record, **of),
            span(3 * number + 1, voter="a", outcome="agreed", latency_ms=10**number, **of),
            span(3 * number + 2, voter="b", outcome="dissented", latency_ms=1, **of),
        ]
    frozen = frozen_policies(system.home, 10**6)
    assert frozen == {policies[1].sha256: 2}
    path = written(tmp_path / "spans.parquet", spans)
    counts = count_file(path, 0, frozen)
    assert counts.voters["a"] == {"value": VoterSums(2, 2, 2, 101)}
    assert counts.pairs == {"a|b": PairSums(2, 0, 0, 2)}
    assert as_found(counts) == queried([path], 0, frozen)
    assert count_file(path, 0, ()).voters["a"]["value"].n == 3


def test_whom_an_earlier_layer_did_not_agree_with_lost_no_verdict(tmp_path: Path) -> None:
    """A layer that disagreed observes nothing; the layer that decided behind it does, and so does a row without a layer."""
    of = {"decision_id": "d1", "answer_kind": "value"}
    spans = [
        span(1, voter="a", outcome="dissented", layer="primary", **of),
        span(2, voter="b", outcome="dissented", layer="primary", **of),
        span(3, voter="c", outcome="agreed", layer="backup", **of),
        span(4, voter="d", outcome="dissented", layer="backup", **of),
        span(5, voter="e", outcome="agreed", decision_id="d2", answer_kind="value"),
    ]
    path = written(tmp_path / "spans.parquet", spans)
    counts = count_file(path, 0, ())
    assert {voter: kinds["value"].agreed for voter, kinds in counts.voters.items()} == {"c": 1, "d": 0, "e": 1}
    assert list(counts.pairs) == ["c|d"]
    assert as_found(counts) == queried([path], 0, ())


def test_what_other_services_say_teaches_nothing(tmp_path: Path) -> None:
    """Were such a row to say how a voter voted, which none can, it would still not be counted."""
    of = {"answer_kind": "value", "voter": "a", "outcome": "agreed"}
    others = [span(number, decision_id=f"d{number}", sender="key-1", **of) for number in (2, 3)]
    path = written(tmp_path / "spans.parquet", [span(1, decision_id="d1", **of), *others])
    assert count_file(path, 0, ()).voters["a"]["value"].n == 1


def test_a_damaged_policy_or_record_is_not_passed_over(system: Governed, tmp_path: Path) -> None:
    """Nobody could tell whether it froze learning."""
    votes = [span(1, b"{}"), span(2, voter="a", outcome="agreed", answer_kind="value")]
    with pytest.raises(IntegrityError, match=r"spans\.parquet holds a record"):
        count_file(written(tmp_path / "spans.parquet", votes), 0, {"00" * 32})
    system.file(1).write_bytes(b"{}")
    with pytest.raises(IntegrityError, match="cannot be read"):
        frozen_policies(system.home, 10**6)


QUARANTINED = Quarantined({"w": [(0, 1), (4, 4)], "x": [(0, 9)]})


def test_rows_in_quarantine_teach_nothing(tmp_path: Path) -> None:
    """The anti-join is by writer and number; what is left is what a query over the other rows finds."""
    spans = [
        span(seq, voter="abc"[seq % 3], outcome="agreed", decision_id=f"d{seq // 3}", answer_kind="value")
        for seq in range(6)
    ]
    whole, left = written(tmp_path / "all.parquet", spans), written(tmp_path / "left.parquet", [*spans[2:4], spans[5]])
    counts = count_file(whole, 0, (), QUARANTINED)
    assert as_found(counts) == queried([left], 0, ())
    assert {voter: kinds["value"].n for voter, kinds in count_file(whole, 0, ()).voters.items()} == {
        "a": 2,
        "b": 2,
        "c": 2,
    }
    (part,) = count_batch({"item": [str(whole)]}, 0, (), QUARANTINED)["counts"]
    assert msgspec.msgpack.decode(part, type=Counts) == counts


def test_the_job_leaves_out_what_the_table_says_is_quarantined(
    system: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read from the table's own entries; the report says how many rows that are."""
    system.home.write_config(config_of("a", "b"))
    said = word("quarantine", 1, 2, "w", operator_key(system.operators), system.now_s * 1000)
    entry = Rows("actor", 1, 1, [span(1, name=names.ROW_QUARANTINED, attributes=said)])
    SpanTable(system.home.root / "spans", 10).append([entry], {"actor": 1}, 0)
    seen = []

    def counted(_paths: object, _since: int, _frozen: object, quarantined: Quarantined, _at: object) -> Counts:
        seen.append(quarantined)
        return Counts({}, {})

    monkeypatch.setattr(learn, "count_files", counted)
    report = learn.learn_home(system.home, system.succession.in_force().weights.sha256, 0)
    assert (seen, report["quarantined_rows"]) == ([Quarantined({"w": [(1, 2)]})], 2)
