"""A home whose span storage fails for real, with a backup beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.spans.actor import SpanActor
from actors.spans.adapters.check import check_log
from actors.spans.adapters.handover import HandoverFile
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.stores import SpanStores
from actors.spans.failover import Handover
from tests.unit.actors.spans.telemetry import SMALL, Home, SegmentBytes, at, held, writer_id


class Backed(Home):
    """A home with a backup, a writer whose log grows, and a table's directory that can be taken away."""

    def __init__(self, folder: Path, **config: object) -> None:
        super().__init__(folder / "home")
        self.first, self.backup, self.away = self.path / "spans", folder / "backup", folder / "away"
        for each in (self.path, self.backup):
            each.mkdir(exist_ok=True)
        given = {"backup": str(self.backup), "backup_after_failures": 2, "backup_return_s": 0.0, "storage_retry_ms": 1}
        self.config = SMALL.model_copy(update=given | config)
        self.segment, self.next_seq = SegmentBytes(), 1
        self.lock = -1
        """The writer's, while it lives."""
        self.now_s = 0.0

    def write(self, rows: int = 2) -> None:
        """Have the writer add rows to its log."""
        self.saved(self.segment.batch((self.next_seq, rows)), rows)

    def saved(self, segment: SegmentBytes, rows: int) -> None:
        """Have the segment lie in the log, with so many rows more, held by its writer."""
        path = segment.save(self.wal)
        self.next_seq += rows
        if self.lock < 0:
            self.lock = held(path)

    def opened(self, disk: Disk | None = None) -> SpanActor:
        """Open an actor."""
        return self.actor(self.config, disk)

    def begun(self, disk: Disk | None = None) -> SpanActor:
        """Open an actor and have it take in the first rows."""
        actor = self.opened(disk)
        self.write()
        self.tick(actor)
        return actor

    def tick(self, actor: SpanActor, times: int = 1) -> dict[str, Any]:
        """Tick, a second later each time; return the actor's health."""
        for _ in range(times):
            self.now_s += 1
            actor.tick(at(self.now_s))
        return actor.health(at(self.now_s))

    def breaks(self) -> None:
        """Take the first storage away: in its place lies a file."""
        self.first.rename(self.away)
        self.first.write_bytes(b"no directory")

    def mends(self) -> None:
        """Bring it back."""
        self.first.unlink()
        self.away.rename(self.first)

    def fails_over(self, actor: SpanActor, rows: int = 3) -> None:
        """Have rows come that only the backup takes."""
        self.breaks()
        self.write(rows)
        assert self.tick(actor, 2)["backup_in_use"] == 1

    def word(self) -> Handover | None:
        """Return the word."""
        return HandoverFile(self.path).read()

    def stores(self) -> SpanStores:
        """Open the table as a reader does."""
        return SpanStores(self.path, 10, location=self.location)

    def seen(self, writer: int = 1) -> list[int]:
        """Return a writer's numbers as a reader sees them, sorted."""
        rows = self.stores().read(["writer_id", "writer_seq"]).to_pylist()
        return sorted(row["writer_seq"] for row in rows if row["writer_id"] == writer_id(writer))

    def found(self) -> tuple[int, list[tuple[int, str]]]:
        """Check the log; return how many rows are whole, and what is not."""
        checked = check_log(self.path, self.authority.trust(), 10, location=self.location)
        return checked.rows, [(item.batch, item.kind) for item in checked.damage]

    def is_whole(self) -> bool:
        """Tell whether every row that was written is there once, sealed, and nothing is damaged."""
        rows = self.stores().read(["log_index"]).num_rows
        return self.seen() == list(range(1, self.next_seq)) and self.found() == (rows, [])

    def is_back(self) -> bool:
        """Tell whether all of it is in the first storage, which is in use."""
        word = self.word()
        return word is not None and not word.in_use and self.is_whole() and self.rows() == self.seen()


def until(condition: Callable[[], bool], step: Callable[[], object], at_most: int = 20) -> None:
    """Go on until something is so."""
    for _ in range(at_most):
        if condition():
            return
        step()
    raise AssertionError(f"it was not so after {at_most} steps")
