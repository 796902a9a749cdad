"""When span storage is given up for its backup, and the word about which of the two holds the rows.

Rules:
- A storage is given up after so many failures in a row, or when it still fails so long after the first of a row. Reading and
  writing are counted apart: a full disk reads well.
- Failures that follow one another faster than ``spacing_s`` are one: a single moment in which several writers were asked for
  is no row of failures.
- Which storage holds the newest rows is said in one place, by one file, and nowhere else. Whoever does not find that storage
  waits for it: there are never two that go on.

Left out: the file (``adapters.handover``), moving rows (``adapters.backup``).
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from actors.base.canonical import canonical_json, decode
from actors.base.errors import IntegrityError

SCHEMA = "weavergen.handover/1"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a failing storage is borne."""

    failures: int
    """So many in a row are enough."""
    for_s: float
    """So long after the first of a row the next one is enough."""
    spacing_s: float
    """Failures closer than this to the one before count with it."""


@dataclass(frozen=True, slots=True)
class Streak:
    """Failures in a row; none of them is the empty one."""

    count: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    """When the last one was that counted."""


def failed(streak: Streak, patience: Patience, now_s: float) -> Streak:
    """Return the row with one more failure."""
    if streak.count == 0:
        return Streak(1, now_s, now_s)
    if now_s - streak.last_s < patience.spacing_s:
        return streak
    return Streak(streak.count + 1, streak.first_s, now_s)


def gives_up(streak: Streak, patience: Patience, now_s: float) -> bool:
    """Tell whether a row of failures, the last of them now, is enough."""
    return streak.count >= patience.failures or (streak.count > 0 and now_s - streak.first_s >= patience.for_s)


class Handover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the newest rows go: to the first storage while ``state`` is ``ready``, to the backup while it is ``in_use``."""

    state: Literal["ready", "in_use"]
    directory: str
    """The backup's table; of this handover alone."""
    first_batch: int = 0
    """Number of the first batch that the backup holds, while it is in use."""
    retired: str = ""
    """The table of the handover before this one: its rows are in the first storage, and it goes at ``retire_at_ms``."""
    retire_at_ms: int = 0
    schema: str = SCHEMA

    @property
    def in_use(self) -> bool:
        """Tell whether the backup holds the newest rows."""
        return self.state == "in_use"


def encode_handover(handover: Handover) -> bytes:
    """Return a handover as the file holds it."""
    return canonical_json(handover)


def read_handover(data: bytes) -> Handover:
    """Read what the file holds; raise ``IntegrityError`` if that is no handover of this version."""
    found = decode(data.rstrip(b"\n"), Handover, "handover")
    if found.schema != SCHEMA or found.first_batch < 0 or not found.directory:
        raise IntegrityError(f"it is no {SCHEMA}", "handover")
    return found
