"""A folder in memory that stands for one on disk: syncs take no time there, and a kill leaves as much as on any disk."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own below it
ROOM_BYTES = 1 << 30
TRIES, AGAIN_S = 400, 0.005


@contextmanager
def in_memory(work: Path) -> Iterator[Path]:
    """Yield an empty folder in memory that stands for one on disk, or that one where there is no room; take it away afterwards.

    What a run before this one left of it, because it was killed, is taken away first.
    """
    place = MEMORY / f"weavergen-{crc32(os.fsencode(work.absolute())):08x}" if _has_room() else work
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        for _ in range(TRIES):  # whoever was ended last may still be writing
            shutil.rmtree(place, ignore_errors=True)
            if not place.exists():
                break
            time.sleep(AGAIN_S)


def _has_room() -> bool:
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
