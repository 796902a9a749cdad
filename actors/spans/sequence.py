"""Continuity of a writer's sequence: what of a frame is new, what was read before, what is missing.

Rules:
- Sequence numbers begin at 1, rise by one a row and end at 2^53 − 1: a frame that says otherwise is none (``frames``).
- Rows below the next expected number were taken before (the log is delivered at least once) and are skipped.
- Rows between the next expected number and the frame are lost, and are said to be.

Left out: where frames come from and what becomes of the numbers.
"""

import msgspec

from actors.base.canonical import MAX_SAFE_INTEGER

FIRST_SEQ = 1
MAX_SEQ = MAX_SAFE_INTEGER
"""Highest number of a row: what a signed record and a manifest can say."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """What one frame does to a writer's sequence."""

    skip: int
    """Leading rows of the frame that were taken before."""
    lost: int
    """Rows missing before the frame."""
    next_seq: int
    """First number that is expected after it."""


def advance(next_seq: int, first_seq: int, count: int) -> Step:
    """Place a frame of ``count`` rows from ``first_seq`` on against the next expected number."""
    skip = min(count, max(0, next_seq - first_seq))
    lost = max(0, first_seq - next_seq)
    return Step(skip, lost, max(next_seq, first_seq + count))
