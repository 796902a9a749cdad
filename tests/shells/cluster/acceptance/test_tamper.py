"""The campaign against tampering, in its short form: every cell of the table of threats has mutants that agree with it."""

import dataclasses
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.spans.adapters import check, ingest, log_check, rows_check
from actors.spans.adapters.check import check_log
from actors.spans.adapters.vouched import Vouched
from actors.spans.adapters.witnesses import Round
from actors.spans.checkers import inspection
from cluster.acceptance.tamper import campaign, defence, meaning
from cluster.acceptance.tamper.clean import Grown, Way, grow
from cluster.acceptance.tamper.held import Bench, Held, Tally, drawn
from cluster.acceptance.tamper.site import FLAT, Incidents
from cluster.acceptance.tamper.strikes_table import edit_other, unsay
from cluster.acceptance.tamper.threats import Place, Stage, Verdict, places
from cluster.acceptance.tamper.watching import Watched
from cluster.acceptance.tamper.work import Layout, Work

SEED = 11


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Build one home, where copies are made fastest."""
    logging.disable()
    try:
        with campaign.scratch() as folder:
            yield Bench(folder, [FLAT])
    finally:
        logging.disable(logging.NOTSET)


def hold(bench: Bench, *cells: Place, count: int = 1) -> list[Held]:
    """Hold some mutants of some cells."""
    return [bench.hold(SEED, number, place) for number in range(count) for place in cells]


@pytest.mark.parametrize("stage", Stage)
def test_mutants_of_every_cell_agree_with_the_table(bench: Bench, stage: Stage) -> None:
    """One of each here, thousands in the campaign."""
    tally, cells = Tally(), [(number, place) for number, place in drawn(len(places())) if place[1] is stage]
    for number, place in cells:
        tally.add(bench.hold(SEED, number, place))
    assert [(held.place, held.what, held.alarms) for held in tally.differing] == []
    assert tally.total("mutants") == tally.total("agreed") > len(cells) // 2
    assert set(tally.cells) == {place for _, place in cells}


def test_the_same_number_is_the_same_mutant(bench: Bench) -> None:
    """Whoever wants to see one again has its number."""
    place = "edit another row", Stage.SEALED
    one, again, other = (bench.hold(SEED, number, place) for number in (3, 3, 4))
    assert one == again
    assert one.what != other.what


def test_a_blind_check_is_found_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its look at rows, tiles, what others have seen or signed, commits, or frames of one number, cells differ."""
    cells = [
        ("edit another row", Stage.SEALED), ("flip bits in tiles", Stage.SEALED), ("fork", Stage.WITNESSED),
        ("edit another row", Stage.TABLE), ("flip bits in cosignatures", Stage.WITNESSED), ("delete at an edge", Stage.TABLE),
    ]  # fmt: skip
    old, rival = ("insert an old row", Stage.SEALED), ("forge a rival", Stage.WAL)
    assert all(held.agrees for held in [*hold(bench, *cells, old), *hold(bench, rival, count=6)])
    monkeypatch.setattr(rows_check, "root_of", lambda _: _Anything())
    monkeypatch.setattr(log_check.LogCheck, "_check_written", lambda *_: None)
    monkeypatch.setattr(defence, "check_log", lambda *given, **said: check_log(*given, **said | {"seen": {}}))
    monkeypatch.setattr(Vouched, "held", lambda self, batches: self.fresh(batches))
    monkeypatch.setattr(check, "spoiled", lambda *_: [])
    monkeypatch.setattr(ingest, "displaced", lambda *_: {})
    blind = hold(bench, *cells)
    assert [held.agrees for held in blind] == [False] * len(cells)
    assert not all(held.agrees for held in hold(bench, rival, count=6)), "some of them would be named by what they say"
    monkeypatch.setattr(rows_check.RowsCheck, "_check_others", lambda *_: None)
    assert [held.agrees for held in hold(bench, old)] == [False]


class _Anything:
    """A root that is every other's."""

    def hex(self) -> "_Anything":
        return self

    def __eq__(self, _: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def test_an_alarm_that_names_another_place_does_not_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Located is more than noticed."""
    (held,) = hold(bench, ("edit another row", Stage.WITNESSED))
    assert (held.got, held.by) == (Verdict.LOCATED, "check")
    of_check = defence._of_check
    monkeypatch.setattr(
        defence, "_of_check",
        lambda *given: [dataclasses.replace(alarm, batch=9999, text="somewhere") for alarm in of_check(*given)],
    )  # fmt: skip
    (held,) = hold(bench, ("edit another row", Stage.WITNESSED))
    assert (held.got, held.agrees) == (None, False)


def test_what_a_mutant_means_is_read_without_the_checker(bench: Bench) -> None:
    """Other blanks in Delta's log mean nothing, and another value of one row does."""
    (site,) = bench._sites
    layout, writers = Layout(site, "end"), [writer.id for writer in site.writers]
    trust = site.authority.trust()
    whole = meaning.stored(site.copy("end"), writers, trust)
    work = Work(layout, Stage.SEALED, site.folder / "same", random.Random(1))
    work.amend(work.entry_of(Path(work.files_of(Stage.SEALED)[0]).name), lambda action: action)
    assert meaning.stored(work.root, writers, trust) == whole
    other = Work(layout, Stage.SEALED, site.folder / "other", random.Random(1))
    edit_other(other)
    assert meaning.stored(other.root, writers, trust) != whole
    assert meaning.rows(other.root, writers) != meaning.rows(site.copy("end"), writers)
    unsaid = Work(layout, Stage.TABLE, site.folder / "unsaid", random.Random(1))
    unsay(unsaid)
    assert meaning.stored(unsaid.root, writers, trust) != whole
    sealed = Work(layout, Stage.SEALED, site.folder / "sealed-unsaid", random.Random(1))
    unsay(sealed)
    assert meaning.stored(sealed.root, writers, trust) == whole
    assert meaning.stored(site.copy("end"), writers, trust) == whole


@pytest.mark.parametrize(
    ("seed", "way"), [(0, "plain"), (1, "plain"), (1, "merging"), (2, "expiring"), (3, "expiring")]
)
def test_a_home_that_nobody_touched_raises_no_alarm(tmp_path: Path, seed: int, way: Way) -> None:
    """However its writers ended, whatever was lost or set aside on the way, merged, expired or signed."""
    found = grow(tmp_path / "home", seed, 60, way)
    assert (found.alarms, found.batches >= 60, found.checks > 0) == ((), True, True)
    assert (found.merges > 0, found.expired > 0, found.signed > 0) == (way != "plain", way == "expiring", seed % 2 == 1)


@pytest.mark.parametrize("kind", ["wal_damaged", "span_quarantined"])
def test_an_incident_that_does_not_come_is_an_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What was lost or forged is told of each time."""
    tell = Incidents.open

    def silent(sink: Incidents, of: str, level: str, evidence: dict[str, str], key: str) -> None:
        if of != kind:
            tell(sink, of, level, evidence, key)

    monkeypatch.setattr(Incidents, "open", silent)
    (alarm,) = grow(tmp_path / "home", 102, 60).alarms
    assert alarm.startswith(f"0 incidents {kind}, ")


def test_an_incident_of_nothing_is_a_false_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that calls itself blind where nothing is."""
    monkeypatch.setattr(inspection, "blind", lambda *_: {"a checker": "sees nothing"})
    alarms = grow(tmp_path / "home", 0, 3, "plain").alarms
    assert any("incidents span_checker_blind, 0 expected" in alarm for alarm in alarms)


def test_a_witness_that_is_away_or_has_seen_something_else_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody set this log back, and everybody was there."""
    monkeypatch.setattr(Watched, "ask", lambda *_: Round(1, away=("one is away",), contradicted=("one saw another",)))
    found = grow(tmp_path / "home", 1, 3, "plain")
    assert {"one is away", "one saw another"} <= set(found.alarms)
    assert found.signed == 0


def test_sizes_of_clean_homes_come_to_what_is_wanted() -> None:
    """Also the sizes at which tiles are full."""
    found = campaign.sizes(1, 10_000)
    assert sum(size for _, size in found) == 10_000
    assert {256, 257} <= {size for _, size in found}
    assert len({seed for seed, _ in found}) == len(found)


def test_the_page_tells_claims_and_what_came_of_them() -> None:
    """And every mutant that differs."""
    tally = Tally()
    place = "edit a decision", Stage.SEALED
    tally.add(Held(1, place, "row 1", Verdict.LOCATED, neutral=False, by="check"))
    tally.add(Held(2, place, "row 2", Verdict.NOT_CLAIMED, neutral=False, by=""))
    tally.add(Held(3, place, "row 3", Verdict.NOT_CLAIMED, neutral=True, by=""))
    results: dict[str, Any] = {
        "mutants": campaign.told(tally, 2.0),
        "clean": {
            "batches": 9,
            "rows": 99,
            "homes": 2,
            "checks": 3,
            "false_alarms": 0,
            "incidents": 1,
            "seconds": 4.0,
            "merges": 5,
            "expired": 4,
            "signed": 6,
        },
    }
    assert set(results["mutants"]["cells"]) == {f"{name} / {stage.name}" for name, stage in places()}
    page = campaign.page("tamper", "about ``it``", results)
    for words in (
        "2 mutants, 1 as their cell claims, 1 otherwise; 1 more mean what the home meant before", "**located**, 1 of 2 (check 1)",
        "edit a decision / SEALED, 2: row 2: not claimed", "9 batches of 99 rows in 2 homes, checked 3 times: 0 false alarms",
        "5 merges, 4 batches expired, 6 checkpoints signed by both witnesses",
    ):  # fmt: skip
        assert words in page
    assert (tally.total("differed"), [held.number for held in tally.differing]) == (1, [2])


def test_a_campaign_that_was_ended_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was held is on disk piece by piece, and is not held again; its page adds the pieces up."""
    held, grown = list[int](), list[int]()

    def piece(task: tuple[str, int, int, int]) -> tuple[Tally, float]:
        tally = Tally()
        for number in range(task[2], task[3]):
            held.append(number)
            tally.add(
                Held(number, ("edit a decision", Stage.SEALED), "row", Verdict.LOCATED, neutral=False, by="check")
            )
        return tally, 1.0

    def home(task: tuple[int, int]) -> tuple[Grown, float]:
        grown.append(task[1])
        return Grown(task[1], 2 * task[1], 1, (), 0), 0.5

    monkeypatch.setattr(campaign, "_piece", piece)
    monkeypatch.setattr(campaign, "_grown", home)
    monkeypatch.setattr(campaign, "WORKERS", 1)
    results: dict[str, Any] = {}

    class Ended(Exception):
        """Somebody ended it."""

    def save(name: str, result: dict[str, Any]) -> None:
        results[name] = result
        if len(results) in {2, 4}:
            raise Ended

    for _ in range(2):
        with pytest.raises(Ended):
            campaign.run(save, set(results), 500, 20_000)
    campaign.run(lambda name, result: results.update({name: result}), set(results), 500, 20_000)
    sizes = [size for _, size in campaign.sizes(campaign.SEED, 20_000)]
    assert (sorted(held), grown) == (list(range(500)), sizes)
    mutants, clean = campaign.joined(results, "mutants"), campaign.joined(results, "clean")
    assert (mutants["drawn"], mutants["agreed"], mutants["seconds"], mutants["differing"]) == (500, 500, 3.0, [])
    assert mutants["cells"]["edit a decision / SEALED"] == {"mutants": 500, "agreed": 500, "by check": 500}
    assert (clean["batches"], clean["homes"], clean["false_alarms"]) == (20_000, len(sizes), 0)
    assert "500 mutants, 500 as their cell claims" in campaign.page("tamper", "about", results)
