"""StatisticalAnomalyDetector: rows that are unlike the accepted ones before them.

Rules:
- Each measure of a row, and how it ended, is tested against the baseline of its cell (``statistical_sights``): conformal
  p-values, of which a batch's are believed as Benjamini and Hochberg do at ``LEVEL``. So of the measures that are called odd a
  hundredth is like those before on average, however many rows a batch has.
- A row that is odd by itself is a NOTICE. A WARNING is one beyond ``ROW_P``, or that ended in a way which comes more often,
  whose cell has *moved*: the last ``WINDOW`` rows are not drawn like the baseline (``MOVED_P``), by an octave or three tenths
  of the rows, and most of the other voters have not moved with it: what moves everybody is the work, not the rows.
- Slow is not corrupt: no latency, rate, mix of kinds or failure makes more than a WARNING. CRITICAL takes *overwhelming*
  evidence about what a voter said: at least two of verdicts, tokens in and tokens out moved beyond ``SURE_P`` and by two
  octaves or half of the rows, in at least ``LEAST_WINDOW`` rows, beside at least one voter that did not. Then those rows are
  set aside that are themselves what moves.
- A new state is not fought for ever: after ``MAX_HELD`` rows of a cell were set aside as critical it is forgotten and learned
  anew. A voter that was replaced by another costs that many rows, which an operator can release. Judging a row counts for
  nothing here: one that has to wait is judged again at each tick.
- Rows enter the baseline once ``WINDOW`` newer ones of their cell were accepted: what is just moving does not teach yet.
- A cell with less than ``WARM`` rows in the baseline judges nothing, and is told of as warming up. Who poisons slowly enough
  teaches the baseline: it sees what changes, not what is wrong.

Left out: what one row says of another (``cross_reference``), and keeping the baseline (``adapters.baseline``).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from actors.spans.checkers.baseline import CANARY_OUTPUT, CANARY_VOTERS, WARM, WORDS, Baseline, Canaries, Cell
from actors.spans.checkers.finding import Arrivals, Finding, Severity
from actors.spans.checkers.statistical_sights import CALL, Looked, Sight, look
from actors.spans.checkers.statistical_tests import (
    Bools,
    Floats,
    Ints,
    believed,
    bins_of,
    moved_values,
    moved_words,
    row_p,
    word_p,
)

NAME: Final = "StatisticalAnomalyDetector"
LEVEL: Final = 0.01
WINDOW: Final = 256
LEAST_WINDOW: Final = 64
MOVED_P: Final = 1e-6
MOVED_OCTAVES: Final = 1.0
MOVED_SHARE: Final = 0.3
SURE_P: Final = 1e-12
SURE_OCTAVES: Final = 2.0
SURE_SHARE: Final = 0.5
ROW_P: Final = 0.05
RISING_SHARE: Final = 0.1
MAX_HELD: Final = 1_000
_ENDED: Final = "outcome"
_VERDICT: Final = "verdict"
_SAYS: Final = (_VERDICT, "input", "output")
"""Measures of what a voter said, not of how it fared."""
_CRITICAL_KIND: Final = "another_voter"
_VOTED: Final = [WORDS.index(word) for word in ("agreed", "dissented")]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one measure of a cell has moved."""

    p: float
    by: float
    """Octaves of the median (signed), or the share of rows that would have to end otherwise."""
    rising: Bools | None = None
    """Which words came more often by a tenth of all rows; none for values."""

    @property
    def clearly(self) -> bool:
        """Tell whether it has moved, and far enough to speak of."""
        return self.p <= MOVED_P and abs(self.by) >= (MOVED_OCTAVES if self.rising is None else MOVED_SHARE)

    @property
    def surely(self) -> bool:
        """Tell whether it has moved beyond anything that a working voter does."""
        return self.p <= SURE_P and abs(self.by) >= (SURE_OCTAVES if self.rising is None else SURE_SHARE)


@dataclass(slots=True)
class _Latest:
    """The newest accepted rows of a cell: what is not in the baseline yet."""

    values: dict[str, Ints] = field(default_factory=dict)
    words: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    held: int = 0
    """Rows of the cell that were set aside as critical."""


@dataclass(frozen=True, slots=True)
class Odd:
    """One measure of every row of one cell in a batch."""

    key: str
    measure: str
    rows: Ints
    """Places among all rows that came."""
    p: Floats
    words: Ints | None
    """Which word each is, where the measure is of words."""
    moved: Moved
    shared: bool
    """Most others have moved, too."""

    @property
    def is_canary(self) -> bool:
        """Tell whether its rows were made up."""
        return "|\0" in self.key

    @property
    def moves(self) -> Bools:
        """Tell which rows are what moves their cell."""
        return self.p <= ROW_P if self.words is None or self.moved.rising is None else self.moved.rising[self.words]


class StatisticalAnomalyDetector:
    """Compares rows with a baseline that it learns."""

    name = NAME

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        for key, cell in _canaries():
            baseline.give(key, cell)
        self._latest: dict[str, _Latest] = {}
        self._unjudged = 0

    @property
    def warming(self) -> int:
        """Return how many cells cannot be judged by yet."""
        return len(self.baseline.cells) - self.baseline.warm

    @property
    def unjudged_rows(self) -> int:
        """Return how many rows came for which there was no baseline to judge by."""
        return self._unjudged

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return rows that are unlike those before."""
        looked = arrivals.once(look)
        odd = list(self.odd(looked))
        return list(_findings(looked, odd, _overwhelmed(odd)))

    def set_aside(self, findings: Iterable[Finding]) -> None:
        """Count what was set aside by cells; begin a cell anew of which that was too much."""
        found = Counter(one.evidence["cell"] for one in findings if (one.checker, one.kind) == (NAME, _CRITICAL_KIND))
        for key, rows in found.items():
            latest = self._latest.setdefault(key, _Latest())
            latest.held += rows
            if latest.held > MAX_HELD:
                self.baseline.forget(key)
                del self._latest[key]

    def learn(self, accepted: Arrivals) -> None:
        """Take in accepted rows: the newest of a cell wait until others are newer."""
        for sight in accepted.once(look).sights:
            for code, key in enumerate(sight.keys):
                self._take(key, sight, np.flatnonzero(sight.cell == code))

    def recall(self, earlier: Arrivals, reached: Mapping[str, int]) -> None:  # noqa: ARG002 - a checker's
        """Have each cell's newest rows be its newest again. A baseline that was kept has none of them, and gets none here."""
        for sight in look(earlier.rows).sights:
            for code, key in enumerate(sight.keys):
                at = np.flatnonzero(sight.cell == code)
                latest = self._latest.setdefault(key, _Latest())
                values = {name: _joined(latest.values.get(name), bins[at]) for name, bins in sight.values.items()}
                latest.values = {name: bins[-WINDOW:] for name, bins in values.items()}
                latest.words = _joined(latest.words, sight.words[at])[-WINDOW:]

    def odd(self, looked: Looked) -> Iterator[Odd]:
        """Yield the p-values of every measure that there is a baseline for, and how far its cell has moved."""
        self._unjudged = 0
        for sight in looked.sights:
            places = {key: np.flatnonzero(sight.cell == code) for code, key in enumerate(sight.keys)}
            moved = {key: self._moved(key, sight, at) for key, at in places.items()}
            for key, at in places.items():
                cell = self.baseline.known(key)
                if cell is None:
                    self._unjudged += len(at)
                    continue
                for measure, rows, p, words in _row_ps(cell, sight, at):
                    now = moved[key].get(measure, Moved(1.0, 0.0))
                    yield Odd(key, measure, rows, p, words, now, _is_shared(key, measure, moved))

    # Deciding.

    def _moved(self, key: str, sight: Sight, at: Ints) -> dict[str, Moved]:
        """Return how far the cell's newest rows, those that came now among them, are from its baseline."""
        cell = self.baseline.known(key)
        if cell is None:
            return {}
        latest = self._latest.get(key, _Latest())
        found = {}
        for name, bins in sight.values.items():
            window = _joined(latest.values.get(name), bins[at])[-WINDOW:]
            window = window[window >= 0]
            if len(window) >= LEAST_WINDOW:
                found[name] = Moved(*moved_values(cell.values[name], window))
        words = np.bincount(_joined(latest.words, sight.words[at])[-WINDOW:], minlength=len(WORDS))
        if words.sum() >= LEAST_WINDOW:
            found[_ENDED] = _moved_words(cell.words, words)
        if words[_VOTED].sum() >= LEAST_WINDOW:
            found[_VERDICT] = _moved_words(cell.words[_VOTED], words[_VOTED])
        return found

    # Learning.

    def _take(self, key: str, sight: Sight, at: Ints) -> None:
        if not len(at) or (cell := self.baseline.cell(key)) is None:
            self.baseline.refused += len(at)
            return
        latest = self._latest.setdefault(key, _Latest())
        values = {name: _joined(latest.values.get(name), bins[at]) for name, bins in sight.values.items()}
        words = _joined(latest.words, sight.words[at])
        old = max(0, len(words) - WINDOW)
        if old:
            cell.add({name: bins[:old] for name, bins in values.items()}, words[:old])
        latest.values, latest.words = {name: bins[old:] for name, bins in values.items()}, words[old:]


def _moved_words(counts: Ints, window: Ints) -> Moved:
    rising = window / window.sum() > counts / max(1, int(counts.sum())) + RISING_SHARE
    return Moved(*moved_words(counts, window), rising)


def _row_ps(cell: Cell, sight: Sight, at: Ints) -> Iterator[tuple[str, Ints, Floats, Ints | None]]:
    """Yield each measure of a cell's rows: its name, the rows that have it, their p-values, and their words if it is of words."""
    for name, bins in sight.values.items():
        mine = bins[at]
        has = mine >= 0
        if has.any():
            yield name, sight.rows[at[has]], row_p(cell.values[name], mine[has], upper=name == "rate"), None
    words = sight.words[at]
    yield _ENDED, sight.rows[at], word_p(cell.words, words), words
    voted = np.isin(words, _VOTED)
    if voted.any():
        verdicts = (words[voted] == _VOTED[1]).astype(np.int64)
        yield _VERDICT, sight.rows[at[voted]], word_p(cell.words[_VOTED], verdicts), verdicts


def _is_shared(key: str, measure: str, moved: Mapping[str, Mapping[str, Moved]]) -> bool:
    """Tell whether others of the same layer and kind moved the same way, or whether there is none to compare with."""
    _, _, where = key.partition("|")[2].partition("|")
    mine = moved[key].get(measure)
    others = [
        found[measure]
        for other, found in moved.items()
        if other != key and other.partition("|")[2].partition("|")[2] == where and measure in found
    ]
    if mine is None or not others:
        return True
    with_it = sum(one.clearly and (one.rising is not None or one.by * mine.by > 0) for one in others)
    return 2 * with_it >= len(others)


def _overwhelmed(odd: list[Odd]) -> dict[int, tuple[Odd, int]]:
    """Return the rows that overwhelming evidence speaks against, with a measure that shows it and the row's place there."""
    by_cell: dict[str, list[Odd]] = {}
    for one in odd:
        if one.key.startswith(CALL) and one.measure in _SAYS and one.moved.surely and not one.shared:
            by_cell.setdefault(one.key, []).append(one)
    return {
        int(one.rows[place]): (one, int(place))
        for said in by_cell.values()
        if len(said) >= 2
        for one in said
        for place in np.flatnonzero(one.moves)
    }


def _findings(looked: Looked, odd: list[Odd], critical: Mapping[int, tuple[Odd, int]]) -> Iterator[Finding]:
    for one, is_odd in _believed(odd):
        moves = one.moves & (one.moved.clearly and not one.shared)
        for place in np.flatnonzero(is_odd | moves).tolist():
            if int(one.rows[place]) in critical:
                continue
            if moves[place]:
                yield _finding(looked, one, place, "moved", Severity.WARNING)
            else:
                yield _finding(looked, one, place, "odd", Severity.NOTICE)
    for one, place in critical.values():
        yield _finding(looked, one, place, _CRITICAL_KIND, Severity.CRITICAL)


def _believed(odd: list[Odd]) -> Iterator[tuple[Odd, Bools]]:
    """Yield each measure with which of its p-values are believed: of those of real rows together, and of canaries' apart."""
    for of_canaries in (False, True):
        group = [one for one in odd if one.is_canary == of_canaries]
        chosen, first = believed(np.concatenate([one.p for one in group]) if group else np.zeros(0), LEVEL), 0
        for one in group:
            yield one, chosen[first : first + len(one.p)]
            first += len(one.p)


def _canaries() -> Iterator[tuple[str, Cell]]:
    """Yield a baseline of what canaries' voters would be like: agreeing, at one length."""
    for layer in (Canaries.ODD, Canaries.MOVED, Canaries.OTHER):
        for voter in CANARY_VOTERS:
            cell, rows = Cell(), 5 * WARM
            output = np.full(rows, bins_of(np.array([float(CANARY_OUTPUT)]))[0])
            cell.add({"output": output}, np.full(rows, _VOTED[0]))
            yield f"{CALL}{voter}|{layer}|text", cell


def _finding(looked: Looked, one: Odd, place: int, kind: str, severity: Severity) -> Finding:
    writer_id, seq = looked.places[int(one.rows[place])]
    evidence = {
        "cell": one.key, "measure": one.measure, "p": f"{one.p[place]:.2g}", "moved_p": f"{one.moved.p:.2g}",
        "moved_by": f"{one.moved.by:+.2f}",
    }  # fmt: skip
    return Finding(writer_id, seq, NAME, kind, severity, evidence)


def _joined(before: Ints | None, now: Ints) -> Ints:
    return now if before is None else np.concatenate((before, now))
