"""SpanActor whose table lies in a bucket: rows arrive, outages cost nothing, a backup takes over, and readers see it all."""

from pathlib import Path

import pytest

from actors.base.errors import HomeError, StorageUnavailable
from actors.spans.adapters.located import NAME
from actors.spans.adapters.objects import ObjectPath
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind
from tests.shells.actors.spans.adapters.backed import Backed, until
from tests.shells.s3_server import Server, in_bucket
from tests.unit.actors.spans.telemetry import Home, SegmentBytes, at


class InBucket(Backed):
    """A home whose first storage is a bucket, with a backup in a directory."""

    def __init__(self, folder: Path, server: Server, **config: object) -> None:
        super().__init__(folder, **config)
        self.server, self.location = server, server.bucket(retries=0)
        self.config = in_bucket(self.config, self.location)

    def breaks(self) -> None:
        """Have the store answer nobody."""
        self.server.fails("drop")

    def mends(self) -> None:
        """Have it answer again."""
        self.server.mends()


@pytest.fixture
def home(tmp_path: Path, s3: Server) -> InBucket:
    """Return a home without a backup."""
    return InBucket(tmp_path, s3, backup="")


def test_rows_go_into_the_bucket_and_nowhere_else(home: InBucket) -> None:
    """A restart goes on where they stand; the home keeps the log, the word on where they lie, and notes."""
    actor = home.begun()
    home.write(3)
    home.tick(actor)
    actor.close()
    actor = home.opened()
    home.segment.end(FrameKind.CLOSED, home.next_seq).save(home.wal)
    health = home.tick(actor)
    assert (home.is_whole(), home.rows(), home.segments()) == (True, [1, 2, 3, 4, 5], [])
    assert (health["table_error"], health["log_error"], health["log_size"]) == ("", "", 2)
    assert [path.name for path in (home.path / "spans").iterdir()] == [NAME]
    assert list((ObjectPath(home.location) / "_delta_log").glob("*.json"))


def test_an_outage_of_the_store_costs_nothing(home: InBucket) -> None:
    """Rows stay in the log, and health says why; they are there once it answers again."""
    actor = home.begun()
    home.breaks()
    home.write()
    home.segment.end(FrameKind.CLOSED, home.next_seq).save(home.wal)
    health = home.tick(actor, 2)
    assert "cannot be" in health["table_error"]
    assert len(home.segments()) == 1
    assert "span_table_unavailable" in home.incidents.kinds
    home.mends()
    health = home.tick(actor, 2)
    assert (health["table_error"], home.rows(), home.segments(), home.is_whole()) == ("", [1, 2, 3, 4], [], True)


def test_an_actor_waits_for_a_store_that_is_away(home: InBucket) -> None:
    """And whoever tries again in the same process is not kept out by the attempt."""
    home.begun().close()
    home.breaks()
    with pytest.raises(StorageUnavailable):
        home.opened()
    home.mends()
    home.write()
    actor = home.opened()
    home.tick(actor)
    assert home.is_whole()


def test_a_backup_takes_over_and_gives_back(tmp_path: Path, s3: Server) -> None:
    """As from a directory that is away."""
    home = InBucket(tmp_path, s3)
    actor = home.begun()
    home.fails_over(actor)
    assert home.incidents.kinds[-1] == "span_storage_failover"
    home.write()
    home.tick(actor)
    actor.close()
    actor = home.opened()
    home.tick(actor)
    home.mends()
    until(home.is_back, lambda: home.tick(actor))
    home.write()
    home.tick(actor)
    assert (home.is_whole(), home.rows()) == (True, list(range(1, home.next_seq)))
    assert home.incidents.kinds.count("span_storage_reconciled") == 1


def test_a_home_does_not_forget_where_its_rows_lie(home: InBucket, s3: Server) -> None:
    """Neither for its own directory nor for another bucket; the refusal keeps nobody out."""
    home.begun().close()
    for config in (SpansConfig(), in_bucket(home.config, s3.bucket())):
        with pytest.raises(HomeError, match=r"spans\.storage"):
            home.actor(config)
    home.opened().close()


def test_a_place_without_rows_may_still_be_another(home: InBucket, s3: Server) -> None:
    """Whoever mistook a bucket's name, and was told that it is not there, names the right one."""
    wrong = home.config.model_copy(update={"storage": "s3://nobody-made-it/spans"})
    with pytest.raises(StorageUnavailable, match="make it"):
        home.actor(wrong)
    home.begun()
    assert home.is_whole()


def test_a_home_with_rows_of_its_own_begins_no_bucket(tmp_path: Path, s3: Server) -> None:
    """They would be gone for everybody."""
    home = Home(tmp_path)
    SegmentBytes(1).batch((1, 2)).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    actor.close()
    with pytest.raises(HomeError, match="leave it empty"):
        home.actor(in_bucket(SpansConfig(), s3.bucket()))
    assert home.rows() == [1, 2]
