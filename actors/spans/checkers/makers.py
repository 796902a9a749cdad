"""Who makes whose canaries: one that is not here is blind."""

from collections.abc import Iterable, Mapping

from actors.spans.checkers import canaries, cross_reference, statistical
from actors.spans.checkers.canaries import Canary, Given, Maker, Proving, good_canaries
from actors.spans.checkers.cross_reference_canaries import cross_reference_canaries
from actors.spans.checkers.statistical_canaries import statistical_canaries

MAKERS: Mapping[str, Maker] = {
    **canaries.MAKERS,
    statistical.NAME: statistical_canaries,
    cross_reference.NAME: cross_reference_canaries,
}
"""Name of a checker → what makes its canaries."""


def all_canaries(given: Given, checkers: Iterable[object] = ()) -> list[Canary]:
    """Return the canaries of all checkers, and the good ones. Whose are neither made here nor by itself is blind."""
    own = (canary for checker in checkers if isinstance(checker, Proving) for canary in checker.canaries(given))
    return [*good_canaries(given), *(canary for make in MAKERS.values() for canary in make(given)), *own]
