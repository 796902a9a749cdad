"""The transparency log as anyone with a key reads it: C2SP's tlog-tiles over HTTP.

Rules:
- What is given is what the newest checkpoint vouches for: a tile or bundle beyond it does not exist.
- A partial tile is given as long as anybody may ask for it: from the full one once that stands for it.
- Tiles never change and may be kept for ever by whoever asked; the checkpoint and the keys are asked for anew.
- The disk is asked in threads of its own and a bounded number of times at once.

Left out: believing any of it: that is for who reads it (``docs/verify_decision.py`` does).
"""

import time
from collections.abc import Callable

from actors.base.certificates import TrustBundle, role_keys
from actors.base.errors import IntegrityError, NotFound, NotReady
from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import SignedCheckpoint, log_keys, origin
from actors.spans.log.tiles import read_path, tile_of
from serve_apps.gateway.threads import BoundedThreads

THREADS = 2
FRESH = {"Cache-Control": "no-cache"}
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}


class PublishedLog:
    """Gives out the log's files."""

    def __init__(self, files: LogFiles, trust: Callable[[], TrustBundle], max_lookups: int) -> None:
        self._files = files
        self._trust = trust
        self._threads = BoundedThreads(THREADS, max_lookups, "log")

    async def checkpoint(self) -> bytes:
        """Return the newest checkpoint; raise ``NotFound`` before there is one, ``NotReady`` if it cannot be read."""
        return (await self._threads.run(self._checkpoint)).data

    async def tile(self, path: str) -> bytes:
        """Return the tile or bundle at a path below ``tile/``; raise ``NotFound`` where the log has none."""
        return await self._threads.run(lambda: self._tile(path))

    def keys(self, now_s: int | None = None) -> bytes:
        """Return the keys that checkpoints may be signed with now, a line each, as verifiers of notes take them."""
        trust = self._trust()
        good = role_keys(trust, "log", int(time.time()) if now_s is None else now_s)
        return "".join(f"{key.text}\n" for each in good.values() for key in log_keys(origin(trust), each)).encode()

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    def _checkpoint(self) -> SignedCheckpoint:
        try:
            found = self._files.checkpoint()
        except IntegrityError as error:
            raise NotReady(f"the log's checkpoint cannot be read ({error}); an operator has to look at it") from error
        if found is None:
            raise NotFound("nothing was logged yet; the log's first checkpoint comes with the span actor")
        return found

    def _tile(self, path: str) -> bytes:
        tile = read_path(path)
        missing = NotFound(f"the log has no tile {path[:64]!r}; what it has follows from its checkpoint's size")
        if tile is None or tile_of(tile.level, tile.number, self._checkpoint().head.size).width < tile.width:
            raise missing
        try:
            return self._files.tile(tile)
        except IntegrityError as error:
            raise NotReady(f"the log is damaged ({error}); `weavergen log verify` tells") from error
