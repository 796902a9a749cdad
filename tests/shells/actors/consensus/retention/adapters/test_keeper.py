"""The keeper beside the request path: what waits is written, what cannot be is counted, and nobody waits for it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.base.errors import StorageUnavailable
from actors.base.ids import ulid
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.retention.adapters.keeper import OFF, ContentKeeper, Fate, _words
from actors.consensus.retention.adapters.store import ContentStore, find_content
from actors.consensus.retention.config import ContentConfig
from actors.consensus.retention.content import Compared, Content, Said, Turn, read_content

CONFIG = ContentConfig(tenants=("acme",), max_queued=2)


def content(number: int, text: str = "Paris") -> Content:
    """Build the content of a decision."""
    return Content(
        schema="weavergen.content/1", decision_id=ulid(number, b"0123456789"), prompt_salt="00", asked_kind="auto",
        messages=[Turn("user", "q")], reading_version="1", behaviour_version="1", said=[Said("a", "stop", text)],
        compared=Compared([0], 1, complete=True, config={}),
    )  # fmt: skip


class Store:
    """A store that does what the test says, when the test lets it."""

    def __init__(self) -> None:
        self.put_ids: list[str] = []
        self.error: Exception | None = None
        self.stale: Exception | None = None
        self.looks = True
        self.expired = threading.Semaphore(0)
        self.may_write = threading.Event()
        self.may_write.set()

    def put(self, decision_id: str, data: bytes, still: Callable[[], bool]) -> bool:
        """Wait until it may, then keep or raise."""
        assert self.may_write.wait(30)
        if self.error is not None:
            raise self.error
        if still():
            self.put_ids.append(decision_id)
        return still()

    def expire(self) -> bool:
        """Nothing is old, but what a test says fails."""
        self.expired.release()
        if self.stale is not None:
            raise self.stale
        return self.looks


class Fates:
    """Collects what became of contents, and lets a test wait for them."""

    def __init__(self) -> None:
        self.all: list[Fate] = []
        self._told = threading.Semaphore(0)

    def __call__(self, fate: Fate) -> None:
        """Note one."""
        self.all.append(fate)
        self._told.release()

    def wait(self, count: int) -> list[Fate]:
        """Return them once there are so many more."""
        for _ in range(count):
            assert self._told.acquire(timeout=30)
        return self.all


@pytest.fixture
def fates() -> Fates:
    """Return a fresh collection."""
    return Fates()


Make = Callable[..., ContentKeeper]


@pytest.fixture
def make(fates: Fates, tmp_path: Path) -> Iterator[Make]:
    """Build keepers that are closed at the end."""
    made: list[ContentKeeper] = []

    def build(store: object, config: ContentConfig = CONFIG) -> ContentKeeper:
        keeper = ContentKeeper(store, config, BehaviourConfig(), tmp_path / "off", fates)  # type: ignore[arg-type]
        keeper.start()
        made.append(keeper)
        return keeper

    yield build
    for keeper in made:
        keeper.close()


def test_what_is_put_is_on_disk_once_it_is_counted(make: Make, fates: Fates, tmp_path: Path) -> None:
    """With the bounds of its comparison, and readable again."""
    keeper = make(ContentStore(tmp_path / "content", CONFIG, lambda: 0.0))
    assert (keeper.wants("acme"), keeper.wants("other")) == (True, False)
    keeper.put(content(1))
    assert fates.wait(1) == ["kept"]
    kept = read_content(find_content(tmp_path / "content", content(1).decision_id) or b"")
    assert kept.compared is not None
    assert kept.compared.config == BehaviourConfig().model_dump()
    assert kept == replace(content(1), compared=kept.compared)


def test_a_full_queue_loses_content_and_keeps_nobody_waiting(make: Make, fates: Fates) -> None:
    """While the disk hangs two may wait, the third is lost at once; the two are written when it goes on."""
    store = Store()
    store.may_write.clear()
    keeper = make(store)
    for number in (1, 2, 3):
        keeper.put(content(number))
    assert fates.wait(1) == ["lost"]
    assert "more content waits" in "".join(keeper.problems)
    store.may_write.set()
    assert fates.wait(2) == ["lost", "kept", "kept"]
    keeper.put(content(4))
    fates.wait(1)
    assert store.put_ids == [content(number).decision_id for number in (1, 2, 4)]


def test_large_content_fills_the_queue_by_itself(make: Make, fates: Fates) -> None:
    """What waits is bounded in size too."""
    store = Store()
    keeper = make(store, ContentConfig(tenants=("*",), max_queued_bytes=65_536))
    keeper.put(content(1, "x" * 70_000))
    assert (fates.wait(1), store.put_ids) == (["lost"], [])


def test_the_switch_turns_capture_off_and_on(make: Make, fates: Fates, tmp_path: Path) -> None:
    """While the file is there nothing is kept and the replica says so; without it content is kept again."""
    store = Store()
    keeper = make(store)
    (tmp_path / "off").touch()
    keeper.put(content(1))
    assert fates.wait(1) == ["off"]
    assert (store.put_ids, keeper.problems) == ([], (f"content is not kept: {OFF}",))
    (tmp_path / "off").unlink()
    keeper.put(content(2))
    assert fates.wait(1) == ["off", "kept"]
    assert store.put_ids == [content(2).decision_id]


@pytest.mark.parametrize("error", [StorageUnavailable("no space left"), RuntimeError("secret words")])
def test_what_cannot_be_kept_is_counted_and_told_once_without_content(
    make: Make, fates: Fates, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """A full disk or a defect costs the content and nothing else: the next is kept, and both changes stand in the log."""
    store = Store()
    store.error = error
    keeper = make(store)
    for number in (1, 2):
        keeper.put(content(number))
        fates.wait(1)
    store.error = None
    keeper.put(content(3, "secret words"))
    assert fates.wait(1) == ["lost", "lost", "kept"]
    keeper.close()
    told = [record.getMessage() for record in caplog.records if record.name == "weavergen.content"]
    assert [words.split(":")[0] for words in told] == ["content is not kept", "content is kept again"]
    assert "secret" not in " ".join(told)
    assert keeper.problems == ()


def test_closing_writes_what_waits(make: Make, fates: Fates) -> None:
    """And takes no more."""
    store = Store()
    keeper = make(store)
    keeper.put(content(1))
    keeper.put(content(2))
    keeper.close()
    assert store.put_ids == [content(1).decision_id, content(2).decision_id]
    keeper.put(content(3))
    assert fates.all == ["kept", "kept", "lost"]


@pytest.mark.parametrize("error", [StorageUnavailable("old content cannot be removed"), ValueError("secret words")])
def test_old_content_that_cannot_be_removed_ends_nothing(make: Make, fates: Fates, error: Exception) -> None:
    """It is told, and what comes next is kept all the same."""
    store = Store()
    store.stale = error
    keeper = make(store)
    for number in (1, 2):
        keeper.put(content(number))
        fates.wait(1)
        assert store.expired.acquire(timeout=30)
    keeper.close()
    assert (fates.all, keeper.problems) == (["kept", "kept"], (f"old content is not removed: {_words(error)}",))
    assert "secret" not in keeper.problems[0]


def test_it_is_told_apart_what_does_not_work(make: Make, fates: Fates, caplog: pytest.LogCaptureFixture) -> None:
    """Content that is kept says nothing about what is old, nor a look that was not taken; each is told once as it changes."""
    store = Store()
    store.stale = StorageUnavailable("it is stuck")
    keeper = make(store)
    keeper.put(content(1))
    fates.wait(1)
    for _ in range(2):
        assert store.expired.acquire(timeout=30)
    store.stale, store.looks = None, False
    keeper.put(content(2))
    fates.wait(1)
    assert store.expired.acquire(timeout=30)
    assert keeper.problems == ("old content is not removed: it is stuck",)
    store.looks, store.error = True, StorageUnavailable("no space left")
    keeper.put(content(3))
    fates.wait(1)
    keeper.close()
    assert (fates.all, keeper.problems) == (["kept", "kept", "lost"], ("content is not kept: no space left",))
    told = [record.getMessage() for record in caplog.records if record.name == "weavergen.content"]
    assert told == [
        "old content is not removed: it is stuck",
        "content is not kept: no space left",
        "old content is removed again",
    ]


def test_old_content_goes_as_soon_as_the_process_starts(make: Make, fates: Fates) -> None:
    """Before anything is to be kept: a tenant who asks no more has the same promise."""
    store = Store()
    make(store)
    assert store.expired.acquire(timeout=30)
    assert fates.all == []


def test_what_was_erased_while_it_waited_is_not_kept(make: Make, fates: Fates) -> None:
    """Its salt is asked for once more when it is written, not when it was handed over."""
    store, erased = Store(), threading.Event()
    store.may_write.clear()
    keeper = make(store)
    keeper.put(content(1), lambda: not erased.is_set())
    keeper.put(content(2))
    erased.set()
    store.may_write.set()
    assert fates.wait(2) == ["off", "kept"]
    assert store.put_ids == [content(2).decision_id]
    assert keeper.problems == ()
