"""What a storm's window would hold, from the newest rows of the table: who ends the process makes no bad row unseen. Pure.

Rules:
- What the actor said of a row that it set aside, or of rows that were lost, is dated by its own clock: it counts if that was
  since a given time. An operator's word is none of these, and rows that were not checked are not bad.
- Of rows that were accepted nobody wrote down when they came. Those count that ended since then, and all that were committed
  with the first bad row or behind it, however old: a backlog is no storm.
- The last clean point is where the commit began that tells of the first bad row, or further back where files were merged since.
- Rows of other services are not counted, as in ``ingest``. An entry that names no number of rows counts none.

Left out: rows that were read and not committed, which are read again; reading the table (``adapters.recall``).
"""

from collections.abc import Callable, Mapping, Sequence

from actors.spans import conventions as names
from actors.spans.checkers.arrays import is_external
from actors.spans.checkers.storm import Seen
from actors.spans.columns import Rows
from actors.spans.sequence import MAX_SEQ
from actors.spans.span import Span

Begun = Callable[[int], int]
"""Number of a batch → number of the first batch that may have been committed with it."""


def seen_before(batches: Sequence[Rows], begun: Begun, since_s: float, now_s: float) -> list[tuple[float, Seen]]:
    """Return what came since then (Unix seconds), as far as these batches tell, oldest first: when, and what."""
    told = [
        (at_s, index, said)
        for batch in batches
        if _is_own(batch)
        for span in batch.spans
        if (said := _said(span)) is not None and (at_s := min(now_s, span.start_unix_nano / 1e9)) >= since_s
        for index in [batch.log_index or 0]
    ]
    bad = sorted((at_s, begun(index), said) for at_s, index, said in told if said[1])
    first_s, clean = (bad[0][0], min(size for _, size, _ in bad)) if bad else (now_s, None)
    found = [(at_s, Seen(rows, count, first, clean or 0)) for at_s, _, (rows, count, first) in bad]
    for batch in batches:
        if _is_own(batch):
            continue
        late = clean is not None and (batch.log_index or 0) >= clean
        ended = [min(now_s, span.end_unix_nano / 1e9) for span in batch.spans if not is_external(span)]
        came = [max(at_s, first_s) if late else at_s for at_s in ended if late or at_s >= since_s]
        found += [(at_s, Seen(1, 0, "", 0)) for at_s in came]
    return sorted(found, key=lambda one: one[0])


def _is_own(batch: Rows) -> bool:
    return any(span.name in names.ACTOR_S for span in batch.spans)


def _said(span: Span) -> tuple[int, int, str] | None:
    """Return how many rows an entry counts as read, how many as bad, and which is the first; ``None`` if it counts none."""
    said = span.attributes
    if span.name == names.WAL_DAMAGED:
        lost = _lost(said)
        return lost, lost, f"{said.get(names.WAL_WRITER, '')} {said.get(names.WAL_NEXT_SEQ, '')}"
    if span.name != names.ROW_QUARANTINED or names.ROW_SCORE not in said:
        return None
    read = said.get(names.ROW_PLACE) == "aside"  # one that was set apart later was counted when it came
    return int(read), 1, f"{said.get(names.ROW_WRITER, '')} {said.get(names.ROW_FIRST, '')}"


def _lost(said: Mapping[str, str]) -> int:
    """Return how many rows an entry says were lost; 0 where that is no number of rows that a writer can have."""
    try:
        lost = int(said.get(names.WAL_LOST_ROWS, "0"))
    except ValueError:
        return 0
    return lost if 0 <= lost <= MAX_SEQ else 0
