"""Frames of one writer that hold the same number and not the same rows: which of them counts. Pure.

Rules:
- A writer writes a frame again only after a write that failed, to its next segment, byte for byte. So of two frames that hold
  one number and differ one is somebody else's.
- The one stays that its writer signed: whoever has no key cannot take a decision's place by coming first. Where both are signed
  or neither is, the first stays. Either way somebody has to look.

Left out: frames that were not read together, and rows that are in the table already: those stay.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from actors.spans.frames import Frame, FrameKind


def displaced(frames: Sequence[Frame], next_seq: int, is_signed: Callable[[int], bool]) -> dict[int, int]:
    """Return the place of each frame that is to be passed over, and the place of one that stays instead of it.

    ``next_seq`` is the first number that is not in the table; ``is_signed`` tells whether the writer signed the frame at a place.
    """
    lost: dict[int, int] = {}
    firsts, kept = list[int](), list[int]()  # of frames that share no number, in their order
    for place, frame in enumerate(frames):
        if frame.kind is not FrameKind.SPANS or _end(frame) <= next_seq:
            continue
        begin, end = _among(frames, firsts, kept, frame)
        rivals = [each for each in kept[begin:end] if not _same(frames[each], frame)]
        if rivals and (any(map(is_signed, rivals)) or not is_signed(place)):
            lost[place] = rivals[0]
        elif rivals or begin == end:
            lost |= dict.fromkeys(rivals, place)
            firsts[begin:end], kept[begin:end] = [frame.first_seq], [place]
    return lost


def _among(frames: Sequence[Frame], firsts: Sequence[int], kept: Sequence[int], frame: Frame) -> tuple[int, int]:
    """Return where among the frames that are kept those lie that share a number with this one."""
    begin, end = bisect_right(firsts, frame.first_seq), bisect_left(firsts, _end(frame))
    if begin and _end(frames[kept[begin - 1]]) > frame.first_seq:
        begin -= 1
    return begin, max(begin, end)


def _end(frame: Frame) -> int:
    return frame.first_seq + frame.count


def _same(one: Frame, other: Frame) -> bool:
    return (one.first_seq, one.count, one.payload) == (other.first_seq, other.count, other.payload)
