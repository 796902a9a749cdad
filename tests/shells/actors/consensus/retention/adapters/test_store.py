"""The store of content on a real disk: whole files or none, nobody else's to read, and never more than was allowed."""

import multiprocessing
import os
import resource
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.base.errors import ConfigurationError, IntegrityError, StorageUnavailable
from actors.base.ids import ulid
from actors.consensus.retention.adapters.store import BLOCK, SUFFIX, ContentStore, find_content
from actors.consensus.retention.config import ContentConfig
from actors.consensus.retention.content import encode_content
from tests.shells.actors.consensus.retention.adapters.test_keeper import content

NOW_S = 1_800_000_000.0
DAY_S = 86_400
"""Of a clock that stands still unless a test moves it."""


def name(number: int, at_s: float = NOW_S) -> str:
    """Return the id of a decision, in the order of their numbers."""
    return ulid(int(at_s * 1000) + number, b"0123456789")


def noise(size: int) -> bytes:
    """Return bytes that do not compress."""
    return os.urandom(size)


def kept(folder: Path) -> list[str]:
    """Return the decisions that are kept, oldest first."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def on_disk(folder: Path) -> int:
    """Return the blocks that are taken."""
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in folder.glob(f"*{SUFFIX}"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where content is to be kept; the store makes it."""
    return tmp_path / "content"


def store(folder: Path, now_s: float = NOW_S, **bounds: object) -> ContentStore:
    """Open a store."""
    return ContentStore(folder, ContentConfig(tenants=("*",), **bounds), lambda: now_s)  # type: ignore[arg-type]


def test_what_is_kept_comes_back_and_is_nobody_elses(folder: Path) -> None:
    """Byte for byte, compressed, 0600 in a folder of 0700, and nothing else lies there but the lock."""
    text = b'{"a": "' + b"words " * 1000 + b'"}'
    store(folder).put(name(1), text)
    path = folder / f"{name(1)}{SUFFIX}"
    assert (find_content(folder, name(1)), find_content(path, name(1))) == (text, text)
    assert path.stat().st_size < len(text) / 10
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert sorted(file.name for file in folder.iterdir()) == [".lock", path.name]


@pytest.mark.parametrize("begin", [lambda opened: opened.expire(), lambda opened: opened.put(name(1), b"{}")])
def test_a_folder_that_is_open_to_others_is_closed(folder: Path, begin: Callable[[ContentStore], object]) -> None:
    """Whoever made it: with the first look already, before anything is kept in it."""
    folder.mkdir()
    folder.chmod(0o755)
    begin(store(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_a_look_that_was_not_due_is_told_from_one_that_was(folder: Path) -> None:
    """Only the latter says that old content goes; one that failed is due again."""
    opened = store(folder)
    assert (opened.expire(), opened.expire()) == (True, False)
    (folder / ".lock").unlink()
    (folder / ".lock").mkdir()
    opened = store(folder)
    with pytest.raises(StorageUnavailable):
        opened.expire()
    (folder / ".lock").rmdir()
    assert opened.expire()


def test_the_oldest_go_first_and_the_bound_on_space_holds(folder: Path) -> None:
    """After every decision no more blocks are taken than allowed; what is left is the newest."""
    opened, bound = store(folder, max_bytes=2**20), 2**20
    for number in range(400):
        opened.put(name(number), noise(5000))
        assert on_disk(folder) <= bound
    left = kept(folder)
    assert left == [name(number) for number in range(400 - len(left), 400)]
    assert on_disk(folder) > bound * 0.9


def test_the_bound_on_number_holds(folder: Path) -> None:
    """However small they are."""
    opened = store(folder, max_files=16)
    for number in range(50):
        opened.put(name(number), b"{}")
        assert len(kept(folder)) <= 16
    assert kept(folder)[-1] == name(49)


def test_replicas_hold_the_bounds_together(folder: Path) -> None:
    """Two stores on one folder count what the other wrote."""
    pair = [store(folder, max_files=16), store(folder, max_files=16)]
    for number in range(60):
        pair[number % 2].put(name(number), b"{}")
        assert len(kept(folder)) <= 16


def test_what_is_too_old_goes_though_there_is_room(folder: Path) -> None:
    """By the decision's own time, with the next look: also where nothing more is to be kept."""
    old, new = name(1, NOW_S - 3 * DAY_S), name(1)
    store(folder).put(old, b"{}")
    store(folder).put(new, b"{}")
    assert kept(folder) == [old, new]
    store(folder, max_age_days=2).expire()
    assert kept(folder) == [new]
    store(folder, NOW_S + 3 * DAY_S, max_age_days=2).expire()
    assert kept(folder) == []


def test_other_peoples_files_are_left_alone(folder: Path) -> None:
    """Only decisions, and what a killed writer left half-written, are counted or removed."""
    opened = store(folder, max_files=16)
    opened.put(name(0), b"{}")
    other, half = folder / "notes.txt", folder / f".{name(1)}{SUFFIX}.abcd1234"
    link = folder / f"{name(2)}{SUFFIX}"
    other.write_bytes(b"mine")
    half.write_bytes(b"{")
    link.symlink_to(other)
    for number in range(3, 30):
        opened.put(name(number), b"{}")
    assert (other.read_bytes(), half.exists(), link.is_symlink()) == (b"mine", False, True)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the kernel refuse what is longer, as it does on a full disk: half of the bytes are written before it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_write_that_fails_leaves_nothing_and_the_next_succeeds(folder: Path) -> None:
    """The decision is not kept, which is said; no half of it stays, and nothing is counted for it."""
    opened = store(folder)
    opened.put(name(1), b"{}")
    with files_of_at_most(10_000), pytest.raises(StorageUnavailable, match="content cannot be kept"):
        opened.put(name(2), noise(50_000))
    assert sorted(file.name for file in folder.iterdir()) == [".lock", f"{name(1)}{SUFFIX}"]
    opened.put(name(3), noise(50_000))
    assert kept(folder) == [name(1), name(3)]
    assert (folder / ".lock").read_bytes().split() == [str(on_disk(folder)).encode(), b"2"]


def test_one_that_is_larger_than_the_store_is_not_kept(folder: Path) -> None:
    """And nothing goes for it."""
    opened = store(folder, max_bytes=2**20)
    opened.put(name(1), b"{}")
    with pytest.raises(StorageUnavailable, match="larger than what may be kept"):
        opened.put(name(2), noise(2**20))
    assert kept(folder) == [name(1)]


def write_for_ever(folder: Path, written: "multiprocessing.synchronize.Semaphore") -> None:
    """Keep one decision after another until killed."""
    opened = store(folder, max_files=64)
    for number in range(100_000):
        opened.put(name(number), noise(3000))
        written.release()


def test_a_killed_writer_leaves_whole_files_and_no_lock(folder: Path) -> None:
    """Every file that is there can be read, the next writer goes on, and the count is right again."""
    context = multiprocessing.get_context("spawn")
    written = context.Semaphore(0)
    writer = context.Process(target=write_for_ever, args=(folder, written))
    writer.start()
    for _ in range(100):
        assert written.acquire(timeout=60)
    writer.kill()
    writer.join()
    assert all(len(find_content(folder, each) or b"") == 3000 for each in kept(folder))
    assert len(kept(folder)) <= 64
    store(folder, max_files=64).put(name(200_000), b"{}")
    used, files = map(int, (folder / ".lock").read_bytes().split())
    assert (used, files) == (on_disk(folder), len(kept(folder)))
    assert [file.name for file in folder.iterdir() if file.name.startswith(f".{name(0)[:2]}")] == []


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    """Whatever stands in its place."""
    folder.write_bytes(b"")
    with pytest.raises(StorageUnavailable):
        store(folder).put(name(1), b"{}")
    with pytest.raises(StorageUnavailable):
        store(folder).expire()


def test_what_is_no_content_is_said(folder: Path) -> None:
    """A damaged file, one that is not there, and one that somebody unpacked."""
    store(folder).put(name(1), b'{"a": 1}')
    path = folder / f"{name(1)}{SUFFIX}"
    assert find_content(folder, name(2)) is None
    with pytest.raises(ConfigurationError, match="not there"):
        find_content(folder / "missing", name(1))
    data = path.read_bytes()
    for damaged in (data[:-9], data[:12] + b"\xff\xff\xff" + data[15:], data + b"more"):
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError, match="content"):
            find_content(folder, name(1))
    path.write_bytes(b'{"a": 1}')
    assert find_content(path, name(1)) == b'{"a": 1}'


def test_replicas_that_write_at_once_lose_no_count(folder: Path) -> None:
    """One lock: after two have written side by side, and made room while they did, the sum is that of the folder."""

    def fill(first: int) -> None:
        opened = store(folder, max_files=64)
        for number in range(first, first + 300, 2):
            opened.put(name(number), b"{}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, (0, 1)))
    used, files = map(int, (folder / ".lock").read_bytes().split())
    assert (used, files) == (on_disk(folder), len(kept(folder)))


def of(number: int, salt: str) -> bytes:
    """Return the content of a decision under a salt."""
    return encode_content(replace(content(number), decision_id=name(number), prompt_salt=salt))


def test_what_is_somebody_s_goes_and_nothing_else(folder: Path) -> None:
    """What cannot be read is counted: nobody can tell whose it is. What a killed writer left goes in any case."""
    opened = store(folder)
    for number in range(6):
        opened.put(name(number), of(number, "aa" if number % 2 else "bb"))
    (folder / f"{name(6)}{SUFFIX}").write_bytes(b"\x1f\x8bbroken")
    half = folder / f".{name(7)}{SUFFIX}.abcd1234"
    half.write_bytes(b"{")
    done: list[list[str]] = []
    assert opened.erase(lambda found: found.prompt_salt == "aa", lambda: done.append(kept(folder))) == (3, 1)
    assert kept(folder) == [name(0), name(2), name(4), name(6)] == done[0]
    assert not half.exists()
    assert opened.erase(lambda found: found.prompt_salt == "aa", lambda: None) == (0, 1)


def test_nothing_is_kept_while_something_is_erased(folder: Path) -> None:
    """Whoever comes meanwhile waits, and asks once more whether it is wanted when it is its turn."""
    erased = threading.Event()
    with ThreadPoolExecutor(1) as threads:

        def then() -> None:
            waits.append(threads.submit(store(folder).put, name(1), of(1, "aa"), lambda: not erased.is_set()))
            assert not waits[0].done()
            erased.set()

        waits: list[Future[bool]] = []
        store(folder).erase(lambda _: True, then)
        assert waits[0].result(60) is False
    assert kept(folder) == []
    assert store(folder).put(name(2), of(2, "bb"), lambda: True)
