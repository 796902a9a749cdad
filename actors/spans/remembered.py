"""What a span storage holds, as far as its only writer can tell without asking it.

Rules:
- What was read of it or confirmed by it is known. A commit that was begun and not confirmed may have taken effect or not; one
  that was numbered behind it shows that it did, one that has the same numbers that it did not.
- So what may be there follows on what is known, in one way only: whoever writes it elsewhere under the same numbers is right
  in both cases.

Left out: asking (``adapters.table``), and a storage that does later what it was asked for once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.base.errors import IntegrityError
from actors.spans.columns import Rows


@dataclass(frozen=True, slots=True)
class Transactions:
    """Application id → the last number committed, as of a version of the table; −1 is that of one that does not exist."""

    version: int
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A commit that was begun: what it does if it takes effect, whatever its caller was told."""

    batches: Sequence[Rows]
    reached: Mapping[str, int]

    @property
    def first(self) -> int:
        """Return the number of its first batch."""
        return self.batches[0].log_index or 0


NOTHING = Transactions(-1, {})


def begun(attempts: Sequence[Attempt], attempt: Attempt) -> tuple[Attempt, ...]:
    """Return the attempts whose end is open, with one more; one without batches changes nothing that anybody counts on."""
    if not attempt.batches:
        return tuple(attempts)
    return (*(each for each in attempts if each.first < attempt.first), attempt)


def beyond(known: Transactions, last: int, attempts: Sequence[Attempt]) -> tuple[list[Rows], dict[str, int]]:
    """Return the batches that may be there behind ``last``, the last that is known, and what each id reached with them.

    Raises ``IntegrityError`` if something was committed in between that nobody here knows.
    """
    batches, numbers = list[Rows](), dict(known.numbers)
    for attempt in attempts:
        if attempt.first <= last:  # it was confirmed since
            continue
        if attempt.first > last + 1:
            raise IntegrityError(
                f"batches {last + 1} to {attempt.first - 1} are known to the first storage alone", "table"
            )
        batches += attempt.batches
        numbers |= attempt.reached
        last = attempt.first + len(attempt.batches) - 1
    return batches, numbers
