"""Holds mutants against the table of threats: each is drawn, struck, judged, and compared with what its cell claims.

Rules:
- A mutant that means what the home meant before (``meaning``) is none: it is counted and held against nothing. A check that
  names what was struck is right even so, for those bytes are not what was written; one that finds anything else in such a home
  raises a false alarm. Where a cell says that nothing changes, its mutants have to be such,
  and the rows that are in the table in the end those of the home that nobody touched.
- A mutant is its number: seed and number draw the same one again.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cluster.acceptance.tamper import meaning
from cluster.acceptance.tamper.defence import Outcome, judge, restart
from cluster.acceptance.tamper.mutate import LAST, Layouts, moment_of, mutate
from cluster.acceptance.tamper.site import Shape, Site, build
from cluster.acceptance.tamper.threats import Place, Verdict, claimed, places
from cluster.acceptance.tamper.work import link

EARLIER = ("roll back home", "fork")
"""Threats whose mutants are made of a copy of earlier: they mean something else than the home's last state."""
TALL_EVERY = 15
"""Of so many mutants one is of the tallest home."""


@dataclass(frozen=True, slots=True)
class Held:
    """What became of one mutant."""

    number: int
    place: Place
    what: str
    got: Verdict | None
    """``None`` where an alarm names another place than the one that was struck."""
    neutral: bool
    by: str
    """Who said something first; empty where nobody did."""
    alarms: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Tell whether it is as its cell claims; one that changes nothing agrees unless the check finds damage elsewhere."""
        if self.neutral:
            return self.by != "check" or (self.got is Verdict.LOCATED and self.got is claimed(self.place))
        return self.got is claimed(self.place)


@dataclass(slots=True)
class Tally:
    """Many of them."""

    cells: dict[Place, Counter[str]] = field(default_factory=dict)
    """Cell → how many mutants agreed, were neutral, differed, and who spoke first."""
    differing: list[Held] = field(default_factory=list)

    def add(self, held: Held) -> None:
        """Count one."""
        cell = self.cells.setdefault(held.place, Counter())
        cell["neutral" if held.neutral else "mutants"] += 1
        if held.agrees:
            cell["agreed"] += not held.neutral
        else:
            cell["differed"] += 1
            self.differing.append(held)
        if held.by and not held.neutral:
            cell[f"by {held.by}"] += 1

    def total(self, what: str) -> int:
        """Return a count over all cells."""
        return sum(cell[what] for cell in self.cells.values())


class Bench:
    """Homes to make mutants of, in a folder of one process."""

    def __init__(self, folder: Path, shapes: Iterable[Shape]) -> None:
        self._folder = folder
        self._sites = [build(folder / f"site{shape.seed}", shape) for shape in shapes]
        self._layouts = Layouts()
        self._meanings: dict[tuple[int, str], meaning.Meaning] = {}
        self._rows: dict[tuple[int, str, int], meaning.Meaning] = {}

    def hold(self, seed: int, number: int, place: Place) -> Held:
        """Make a mutant, judge it, and say what became of it; taller homes come less often."""
        site = self._sites[-1] if number % TALL_EVERY == 0 else self._sites[number % max(1, len(self._sites) - 1)]
        root = Path(tempfile.mkdtemp(dir=self._folder)) / "home"
        try:
            mutation = mutate(self._layouts, site, place, f"{seed}/{number}/{place[0]}/{place[1].name}", root)
            base = LAST if place[0] in EARLIER else moment_of(place)
            same = _meaning(site, root) == self._meaning_of(site, base)
            outcome = judge(root, site, mutation)
            if same and claimed(place) is Verdict.NO_EFFECT and _by(outcome) != "check":
                same = meaning.rows(root, _writers(site)) == self._rows_of(site, base, mutation.late_s)
            told = tuple(f"{alarm.by}: {alarm.text}" for alarm in outcome.alarms[:3])
            return Held(number, place, mutation.what, outcome.verdict, same, _by(outcome), told)
        finally:
            shutil.rmtree(root.parent)

    def _meaning_of(self, site: Site, moment: str) -> meaning.Meaning:
        key = site.shape.seed, moment
        if key not in self._meanings:
            self._meanings[key] = _meaning(site, site.copy(moment))
        return self._meanings[key]

    def _rows_of(self, site: Site, moment: str, late_s: int) -> meaning.Meaning:
        """Return the rows that come out of a home that nobody touched, when its defender has run."""
        key = site.shape.seed, moment, late_s
        if key not in self._rows:
            root = Path(tempfile.mkdtemp(dir=self._folder)) / "home"
            link(site.copy(moment), root)
            restart(root, site, late_s)
            self._rows[key] = meaning.rows(root, _writers(site))
            shutil.rmtree(root.parent)
        return self._rows[key]


def _by(outcome: Outcome) -> str:
    return outcome.alarms[0].by if outcome.alarms else ""


def _meaning(site: Site, root: Path) -> meaning.Meaning:
    return *meaning.stored(root, _writers(site), site.authority.trust()), *meaning.waiting(root)


def _writers(site: Site) -> list[str]:
    return [*(writer.id for writer in site.writers), site.authority.writer(8_000).id]


def drawn(count: int, every: int = 1, offset: int = 0) -> Iterator[tuple[int, Place]]:
    """Yield numbers and cells, each cell in its turn; of several processes each takes every so many."""
    cells = places()
    for number in range(offset, count, every):
        yield number, cells[number % len(cells)]
