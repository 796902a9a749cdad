"""The guard on the whole path: what cannot be so is set aside with its evidence, and a check that fails is never a pass."""

import json
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest

from actors.base.certificates import Revocation, TrustBundle, revoke
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.actor import SpanActor
from actors.spans.adapters.check import check_log
from actors.spans.adapters.quarantined import entries
from actors.spans.adapters.table import SpanTable
from actors.spans.checkers import canaries, cryptographic, temporal
from actors.spans.checkers.finding import Arrivals, Checker, Finding, Severity
from actors.spans.frames import FrameKind, encode_spans
from actors.spans.quarantined import Interval, in_force
from actors.spans.span import Span
from tests.unit.actors.spans.signed import CERTIFIED_S, signed_row
from tests.unit.actors.spans.telemetry import ISSUER, NOW_S, ROOT, SMALL, Home, SegmentBytes, at, span, writer_id

W, X = writer_id(1), writer_id(2)
NOW_NS = int(NOW_S * 1e9)
FORGER = SigningKey.from_seed(b"f" * 32)


def log(*rows: Span, writer: str = W, number: int = 1, first_seq: int = 1) -> SegmentBytes:
    """Return a closed segment of these rows, a frame each."""
    made = SegmentBytes(number, writer)
    for seq, row in enumerate(rows, first_seq):
        made.raw(seq, 1, encode_spans([row]))
    return made.end(FrameKind.CLOSED, first_seq + len(rows))


def words(home: Home, name: str = names.ROW_QUARANTINED) -> list[tuple[str, str, str, str]]:
    """Return writer, numbers and place of each entry."""
    return [
        (entry[names.ROW_WRITER], entry[names.ROW_FIRST], entry[names.ROW_LAST], entry[names.ROW_PLACE])
        for entry in home.entries(name)
    ]


def apart(home: Home) -> Mapping[str, Sequence[Interval]]:
    """Return the rows of the table that whoever learns leaves out, by the words that it believes."""
    return in_force(entries(SpanTable(home.path / "spans", 10), home.authority.trust())).in_table


BAD: dict[str, Callable[[int], Span]] = {
    "signature": lambda seq: signed_row(W, seq, key=FORGER),
    "misplaced": lambda seq: signed_row(W, seq + 50),
    "record_unreadable": lambda seq: span(seq, b"{}"),
    "actor_s_name": lambda seq: span(seq, name=names.ROW_RELEASED),
    "copied_span": lambda _: span(1),
    "end_before_start": lambda seq: span(seq, end_unix_nano=NOW_NS - 1),
    "too_long": lambda seq: span(seq, start_unix_nano=NOW_NS - 3700 * 10**9),
    "latency": lambda seq: span(seq, latency_ms=5000),
    "future": lambda seq: span(seq, end_unix_nano=NOW_NS + 400 * 10**9),
    "before_writer": lambda seq: span(seq, start_unix_nano=NOW_NS - 400 * 10**9),
}


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_is_set_aside_alone_with_its_evidence(home: Home, kind: str) -> None:
    """The rows before and behind it are in the table; file, entry, investigation and incident all name the kind."""
    log(span(1), BAD[kind](2), span(3)).save(home.wal)
    actor = home.actor()
    report = actor.tick(at(), flush=True)
    assert (home.rows(), words(home)) == ([1, 3], [(W, "2", "2", "aside")])
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined) == (3, 2, 1)
    name = f"{W}-000000000002.json"
    (kept,) = json.loads((home.path / "quarantine" / "rows" / name).read_bytes())
    assert kind in [found["kind"] for found in kept["findings"]]
    assert kept["score"] == 0.0
    investigation = json.loads((home.path / "quarantine" / "investigations" / name).read_bytes())
    assert investigation["rows"] == [2]
    assert {row["seq"] for row in investigation["around"]} >= {1, 2, 3}
    ((incident, evidence),) = home.incidents.opened
    assert (incident, kind in evidence["found"]) == ("span_quarantined", True)
    (entry,) = home.entries(names.ROW_QUARANTINED)
    assert kind in entry[names.ROW_REASON]
    actor.tick(at(1))
    assert check_log(home.path, home.authority.trust(), 10).damage == ()
    actor.close()


def test_what_was_set_aside_is_set_aside_once(home: Home) -> None:
    """A restart reads it again, and neither counts nor enters it again."""
    log(span(1), BAD["latency"](2)).save(home.wal)
    actor = home.actor()
    actor.tick(at())
    actor.close()
    actor = home.actor()
    report = actor.tick(at(1), flush=True)
    assert (report.rows_quarantined, words(home), home.rows()) == (0, [(W, "2", "2", "aside")], [1])
    assert actor.health(at(1))["checkers_blind"] == 0
    actor.close()


def test_a_log_under_the_actor_s_own_id_is_left_where_it_is(home: Home) -> None:
    """Nobody but the actor writes as it: nothing of it is taken in, and it is said."""
    actor = home.actor()
    log(span(1), writer=writer_id(901)).save(home.wal)
    actor.tick(at(), flush=True)
    assert (home.rows(901), home.segments()) == ([], [f"{writer_id(901)}/00000001.wal"])
    ((kind, evidence),) = home.incidents.opened
    assert (kind, "move that log away" in evidence["cause"]) == ("span_ingest_blocked", True)
    actor.close()


def test_a_row_that_calls_itself_a_canary_is_none(home: Home) -> None:
    """It is set aside, and the checkers' canaries are judged by others."""
    writer = writer_id(1)[:10] + "0000" + canaries.MARK
    log(span(1), writer=writer).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    assert words(home) == [(writer, "1", "1", "aside")]
    assert actor.health(at())["checkers_blind"] == 0
    actor.close()


def test_a_backlog_makes_no_checker_look_blind(home: Home) -> None:
    """A record that is taken in at the last moment serves for no canary: a second later nobody could tell of it any more."""
    late_s = CERTIFIED_S + home.log.merge_promise_s + SMALL.wal_max_age_s
    actor = home.actor(SMALL.model_copy(update={"canary_every_ticks": 1}))
    log(signed_row(W, 1)).save(home.wal)
    actor.tick(at(late_s - 1), flush=True)
    actor.tick(at(late_s + 5), flush=True)
    assert (home.rows(), actor.health(at())["checkers_blind"], home.incidents.opened) == ([1], 0, [])
    actor.close()


def test_an_accepted_record_serves_for_canaries_while_it_is_young_and_the_keys_are_the_same(home: Home) -> None:
    """It, and what can be wrong with it: six more than without; keys that were rotated or revoked since make no checker blind."""
    actor = home.actor(SMALL.model_copy(update={"canary_every_ticks": 1}))
    log(signed_row(W, 1)).save(home.wal)
    judged = []
    for second in (0, 1, 601, 602):
        before = actor._guard.canaries
        actor.tick(at(second), flush=True)
        judged.append(actor._guard.canaries - before)
    assert judged == [judged[0], judged[0] + 6, judged[0], judged[0]]
    log(signed_row(X, 1), writer=X).save(home.wal)
    actor.tick(at(3), flush=True)
    revocation = revoke(ROOT, Revocation(ISSUER.public.key_id, int(NOW_S) - 60, "stolen"))
    home.authority._trust = msgspec.structs.replace(home.authority.trust(), revocations=[revocation])
    actor.tick(at(4), flush=True)
    assert (home.rows(2), actor.health(at(4))["checkers_blind"]) == ([1], 0)
    actor.close()


class Dull:
    """A checker that sees nothing, raises, or speaks of rows that came before, as it is told."""

    name = temporal.NAME

    def __init__(self, sound: Checker) -> None:
        self.sound = sound
        self.sees = True
        self.raises: Callable[[Arrivals], bool] = lambda _: False
        self.late: list[Finding] = []
        self.learned: list[tuple[str, int]] = []

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Find what the validator of times finds, or not."""
        if self.raises(arrivals):
            raise KeyError("what nobody foresaw")
        return [*self.late, *(self.sound.check(arrivals) if self.sees else [])]

    def learn(self, accepted: Arrivals) -> None:
        """Remember what was accepted."""
        rows = accepted.arrays
        self.learned += [rows.place(place) for place in range(len(rows.spans))]
        self.sound.learn(accepted)


def dulled(actor: SpanActor) -> Dull:
    """Put a dull checker in the place of the validator of times."""
    checkers = actor._guard._checkers
    dull = Dull(checkers[1])
    actor._guard._checkers = [checkers[0], dull]
    return dull


def test_the_checkers_of_a_home_are_these(home: Home) -> None:
    """One that is taken out of the guard turns this red, and one without canaries is blind."""
    actor = home.actor()
    assert [checker.name for checker in actor._guard._checkers] == [cryptographic.NAME, temporal.NAME]
    actor.close()


def test_rows_wait_for_a_checker_that_is_blind_and_then_come_in_as_unchecked(home: Home) -> None:
    """Never as if they had been checked: they are quarantined where they lie, nothing is learned, and it is said throughout."""
    actor = home.actor()
    dull = dulled(actor)
    dull.sees = False
    log(span(1), BAD["signature"](2), span(3)).save(home.wal)
    actor.tick(at(), flush=True)
    assert (home.rows(), len(home.segments())) == ([], 1)
    health = actor.health(at())
    assert (health["checkers_blind"], "misses latency" in health["checker_blind_why"]) == (1, True)
    assert set(home.incidents.kinds) == {"span_checker_blind", "span_ingest_blocked"}
    report = actor.tick(at(SMALL.unchecked_wait_s), flush=True)
    assert (home.rows(), report.rows_unchecked, dull.learned) == ([1, 3], 2, [])
    assert sorted(words(home)) == [(W, "1", "1", "table"), (W, "2", "2", "aside"), (W, "3", "3", "table")]
    assert check_log(home.path, home.authority.trust(), 10).damage == ()
    assert apart(home) == {W: [(1, 1), (3, 3)]}
    actor.close()


def test_a_checker_that_sees_again_is_believed_again(home: Home) -> None:
    """At the next tick, not after the next round; rows that waited come in checked."""
    actor = home.actor()
    dull = dulled(actor)
    dull.sees = False
    log(span(1)).save(home.wal)
    actor.tick(at(), flush=True)
    dull.sees = True
    actor.tick(at(1), flush=True)
    assert actor.health(at(1))["checkers_blind"] == 0
    report = actor.tick(at(2), flush=True)
    assert (home.rows(), words(home), report.rows_unchecked, dull.learned) == ([1], [], 0, [(W, 1)])
    actor.close()


def test_a_checker_goes_blind_within_a_round_of_ticks(home: Home) -> None:
    """Canaries run through continuously, with rows and without."""
    actor = home.actor(SMALL.model_copy(update={"canary_every_ticks": 5}))
    dull = dulled(actor)
    actor.tick(at())
    dull.sees = False
    blind = []
    for second in range(1, 7):
        actor.tick(at(second))
        blind.append(actor.health(at(second))["checkers_blind"])
    assert blind == [0, 0, 0, 0, 1, 1]
    assert actor.health(at(7))["canaries_judged"] > 0
    actor.close()


def test_rows_over_which_a_checker_raises_keep_nobody_else_out(home: Home) -> None:
    """Those wait, the others do not; in the end they come in as unchecked, and each failure is an incident, never a pass."""
    actor = home.actor()
    dull = dulled(actor)
    dull.raises = lambda arrivals: any(row.name == "poison" for row in arrivals.arrays.spans)
    log(span(1), span(2, name="poison")).save(home.wal)
    log(span(7), writer=X).save(home.wal)
    actor.tick(at(), flush=True)
    assert (home.rows(), home.rows(2)) == ([], [1])
    assert set(home.incidents.kinds) == {"integrity_checker_failure", "span_ingest_blocked"}
    assert actor.health(at())["checks_failed"] == 2
    assert actor.health(at())["checkers_blind"] == 0
    actor.tick(at(SMALL.unchecked_wait_s - 1), flush=True)
    assert home.rows() == []
    actor.tick(at(SMALL.unchecked_wait_s), flush=True)
    assert (home.rows(), words(home)) == ([1, 2], [(W, "1", "1", "table"), (W, "2", "2", "table")])
    actor.close()


@pytest.mark.parametrize("fails", ["raises", "sees nothing"])
@pytest.mark.parametrize("name", [names.ROW_RELEASED, names.ROW_QUARANTINED, names.TABLE_EXPIRED])
def test_a_forged_entry_is_set_aside_whatever_becomes_of_the_checkers(home: Home, name: str, fails: str) -> None:
    """Rows beside it come in as unchecked; it never does, for whoever reads the table would take it for the actor's word."""
    actor = home.actor()
    dull = Dull(actor._guard._checkers[0])
    dull.name = cryptographic.NAME
    actor._guard._checkers = [dull, actor._guard._checkers[1]]
    dull.sees, dull.raises = fails == "raises", lambda _: fails == "raises"
    log(span(1), span(2, name=name, attributes={names.ROW_WRITER: W, names.ROW_PLACE: "aside"}), span(3)).save(home.wal)
    for second in (0, SMALL.unchecked_wait_s):
        report = actor.tick(at(second), flush=True)
    assert (home.rows(), report.rows_unchecked, report.rows_quarantined) == ([1, 3], 2, 1)
    assert (apart(home), len(home.entries(name))) == ({W: [(1, 1), (3, 3)]}, 3 if name == names.ROW_QUARANTINED else 0)
    (kept,) = json.loads((home.path / "quarantine" / "rows" / f"{W}-000000000002.json").read_bytes())
    assert [found["kind"] for found in kept["findings"]] == ["actor_s_name"]
    actor.close()


def test_a_row_that_is_found_bad_later_is_quarantined_where_it_lies(home: Home) -> None:
    """Once, however often it is found; it stays in the table and sealed."""
    actor = home.actor()
    dull = dulled(actor)
    log(span(1), span(2)).save(home.wal)
    actor.tick(at(), flush=True)
    dull.late = [Finding(W, 1, temporal.NAME, "learned_better", Severity.CRITICAL)]
    live = log(span(3), number=2, first_seq=3)
    live.save(home.wal)
    actor.tick(at(1), flush=True)
    actor.tick(at(25), flush=True)
    assert (home.rows(), words(home)) == ([1, 2, 3], [(W, "1", "1", "table")])
    assert actor.totals.rows_set_apart == 1
    assert home.incidents.kinds == ["span_quarantined"]
    assert apart(home) == {W: [(1, 1)]}
    actor.close()


def test_what_the_actor_sets_apart_waits_for_the_key_that_signs_it(home: Home) -> None:
    """While nobody can sign, nothing is committed; then it is, once, as whoever learns believes it."""
    actor = home.actor()
    dull = dulled(actor)
    log(span(1), span(2)).save(home.wal)
    actor.tick(at(), flush=True)
    dull.late = [Finding(W, 1, temporal.NAME, "learned_better", Severity.CRITICAL)]
    log(span(3), number=2, first_seq=3).save(home.wal)
    key, home.authority.signing = home.authority.signing, FORGER
    actor.tick(at(1), flush=True)
    assert (home.rows(), "cannot sign" in actor.health(at(1))["log_error"]) == ([1, 2], True)
    home.authority.signing = key
    actor.tick(at(2), flush=True)
    assert (home.rows(), words(home), apart(home)) == ([1, 2, 3], [(W, "1", "1", "table")], {W: [(1, 1)]})
    actor.close()


def test_doubts_of_several_checkers_set_a_row_aside_and_one_does_not(home: Home) -> None:
    """The score decides, against the threshold of the configuration."""
    actor = home.actor()
    dull, other = dulled(actor), Dull(actor._guard._checkers[0])
    other.name = cryptographic.NAME
    actor._guard._checkers = [other, dull]
    dull.late = [Finding(W, seq, temporal.NAME, "odd", Severity.WARNING) for seq in (1, 2)]
    other.late = [Finding(W, 2, cryptographic.NAME, "odd too", Severity.WARNING)]
    log(span(1), span(2)).save(home.wal)
    actor.tick(at(), flush=True)
    assert (home.rows(), words(home)) == ([1], [(W, "2", "2", "aside")])
    (kept,) = json.loads((home.path / "quarantine" / "rows" / f"{W}-000000000002.json").read_bytes())
    assert kept["score"] == pytest.approx(0.49)
    actor.close()


@pytest.mark.parametrize("forged_first", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_forged_frame_takes_no_signed_one_s_place(home: Home, forged_first: bool, count: int) -> None:
    """Wherever it lies and whatever numbers it claims: the writer's own is taken in, and it is said that there were two."""
    true, forged = encode_spans([signed_row(W, 2), span(3)]), encode_spans([span(90 + at) for at in range(count)])
    frames = [(2, 2, true), (2, count, forged)]
    made = SegmentBytes(1, W).raw(1, 1, encode_spans([span(1)]))
    for frame in frames[::-1] if forged_first else frames:
        made.raw(*frame)
    made.raw(4, 1, encode_spans([span(4)])).end(FrameKind.CLOSED, 5).save(home.wal)
    actor = home.actor()
    report = actor.tick(at(), flush=True)
    assert (report.rows_accepted, report.rows_quarantined, report.lost_rows, home.rows()) == (4, 0, 0, [1, 2, 3, 4])
    ((kind, evidence),) = home.incidents.opened
    last = 2 + count - 1
    assert (kind, evidence[names.WAL_WRITER]) == ("wal_damaged", W)
    assert f"rows 2 to {last} at {made.spots[1 if forged_first else 2]} are there twice" in evidence[names.WAL_REASON]
    actor.tick(at(1), flush=True)
    (kept,) = (home.path / "quarantine" / "wal").iterdir()
    assert kept.read_bytes() == made.data
    signed = signed_row(W, 2)
    assert SpanTable(home.path / "spans", 10).find(signed.decision_id) == signed.record
    actor.close()


def test_of_two_frames_that_nobody_signed_the_first_stays(home: Home) -> None:
    """Also where they lie in two segments; the other is kept as evidence. What is written again as it was is no rival."""
    SegmentBytes(1, W).raw(1, 1, encode_spans([span(1)])).raw(2, 1, encode_spans([span(2)])).zeros(9).save(home.wal)
    again = SegmentBytes(2, W).raw(2, 1, encode_spans([span(2)])).raw(2, 1, encode_spans([span(80)]))
    again.raw(3, 1, encode_spans([span(3)])).end(FrameKind.CLOSED, 4).save(home.wal)
    actor = home.actor()
    report = actor.tick(at(), flush=True)
    assert (report.rows_accepted, report.duplicates, report.damage, home.rows()) == (3, 1, 1, [1, 2, 3])
    ((_, evidence),) = home.incidents.opened
    assert (evidence[names.WAL_SEGMENT], "of segment 1 stay" in evidence[names.WAL_REASON]) == ("2", True)
    ids = {
        row["writer_seq"]: row["span_id"]
        for row in SpanTable(home.path / "spans", 10).read().to_pylist()
        if row["writer_id"] == W
    }
    assert ids[2] == span(2).span_id
    actor.close()


def test_a_forged_record_takes_no_signed_one_s_place(home: Home) -> None:
    """What is signed is what its writer's key signed, not what has a record."""
    forged, true = signed_row(W, 1, key=FORGER), signed_row(W, 1)
    SegmentBytes(1, W).raw(1, 1, encode_spans([forged])).raw(1, 1, encode_spans([true])).end(FrameKind.CLOSED, 2).save(
        home.wal
    )
    actor = home.actor()
    report = actor.tick(at(), flush=True)
    assert (report.rows_accepted, report.rows_quarantined, home.rows()) == (1, 0, [1])
    assert home.incidents.kinds == ["wal_damaged"]
    assert SpanTable(home.path / "spans", 10).find(true.decision_id) == true.record
    actor.close()


def test_between_rivals_nobody_chooses_who_cannot_tell_whose_word_they_are(home: Home) -> None:
    """Else a moment without a trust bundle would let the forged one in for good: the writer waits."""
    SegmentBytes(1, W).raw(1, 1, encode_spans([span(90)])).raw(1, 1, encode_spans([signed_row(W, 1)])).end(
        FrameKind.CLOSED, 2
    ).save(home.wal)
    actor, trust = home.actor(), home.authority.trust

    def away() -> TrustBundle:
        raise FileNotFoundError(2, "No such file", "trust.json")

    home.authority.trust = away  # type: ignore[method-assign]
    actor.tick(at(), flush=True)
    assert (home.rows(), home.incidents.kinds.count("wal_damaged")) == ([], 0)
    assert "span_ingest_blocked" in home.incidents.kinds
    home.authority.trust = trust  # type: ignore[method-assign]
    actor.tick(at(1), flush=True)
    assert (home.rows(), home.incidents.kinds.count("wal_damaged")) == ([1], 1)
    assert SpanTable(home.path / "spans", 10).find(signed_row(W, 1).decision_id) is not None
    actor.close()
