"""Objects of a real S3-compatible server as files: whole or not there, and never taken for damaged when the store fails."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.objects import ObjectPath, storage_options
from actors.spans.place import Location
from tests.shells.s3_server import CREDENTIALS, Server

SOON_S = 30.0
"""A machine that has much else to do takes a while for what is quick."""
ASKED: list[Callable[[ObjectPath], object]] = [
    lambda path: path.exists(), lambda path: path.stat(), lambda path: path.read_bytes(), lambda path: path.opened(),
    lambda path: path.write_bytes(b"other"), lambda path: path.unlink(), lambda path: list(path.glob("*")),
]  # fmt: skip
NAMES = ["exists", "stat", "read", "open", "write", "remove", "list"]


@pytest.fixture
def root(s3: Server) -> ObjectPath:
    """Return the root of a table in a bucket of its own."""
    return ObjectPath(s3.bucket(retries=0))


def test_an_object_is_written_read_listed_and_removed(root: ObjectPath) -> None:
    """As a file of the same name would be."""
    path = root / "_delta_log" / "0.json"
    assert (path.name, str(path), path.exists()) == ("0.json", f"{root}/_delta_log/0.json", False)
    for data in (b"one", b"another"):
        path.write_bytes(data)
        assert (path.read_bytes(), path.stat().st_size, path.exists()) == (data, len(data), True)
    (root / "_delta_log" / "1.checkpoint.parquet").write_bytes(b"")
    (root / "_delta_log" / "below" / "2.json").write_bytes(b"")
    assert [each.name for each in (root / "_delta_log").glob("*.json")] == ["0.json"]
    assert len(list((root / "_delta_log").glob("*"))) == 2
    assert list((root / "nothing").glob("*")) == []
    path.unlink()
    path.unlink(missing_ok=True)
    assert not path.exists()
    assert not (root / "_delta_log").exists(), "what names begin with is no object"


def test_what_is_large_is_whole(root: ObjectPath) -> None:
    """It goes in parts, and is there when all of them are."""
    data, path = bytes(range(256)) * 4 * 12 * 1024, root / "large"
    path.write_bytes(data)
    assert path.read_bytes() == data


def test_what_is_not_there_is_no_file(root: ObjectPath) -> None:
    """The same error as of a directory."""
    for ask in (ObjectPath.read_bytes, ObjectPath.stat, ObjectPath.opened):
        with pytest.raises(FileNotFoundError):
            ask(root / "nothing")


def test_a_file_is_read_in_parts(root: ObjectPath, s3: Server) -> None:
    """Of a large one a reader fetches what it asks for."""
    table = pa.table({"a": list(range(300_000)), "b": [str(number) * 5 for number in range(300_000)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=30_000)
    (root / "file.parquet").write_bytes(sink.getvalue().to_pybytes())
    s3.seen()
    assert pq.read_table((root / "file.parquet").opened(), columns=["a"])["a"].to_pylist() == list(range(300_000))
    assert len([each for each in s3.seen() if each.startswith("GET")]) > 1


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
@pytest.mark.parametrize("how", ["slow down", "drop"])
def test_a_store_that_fails_is_away(
    root: ObjectPath, s3: Server, ask: Callable[[ObjectPath], object], how: str
) -> None:
    """Whatever is asked of it, and nothing is taken for missing or damaged."""
    path = root / "a"
    path.write_bytes(b"a")
    s3.fails(how)
    with pytest.raises(StorageUnavailable):
        ask(path)
    s3.mends()
    assert path.exists()


@pytest.mark.parametrize("ask", ASKED, ids=NAMES)
def test_a_store_that_hangs_is_given_up(s3: Server, ask: Callable[[ObjectPath], object]) -> None:
    """After the time that it may take; meanwhile this process goes on."""
    root = ObjectPath(s3.bucket(timeout_s=1.0, retries=0))
    (root / "a").write_bytes(b"a")
    s3.fails("hang")
    turns, stop = [0], threading.Event()

    def turn() -> None:
        while not stop.wait(0.01):
            turns[0] += 1

    thread = threading.Thread(target=turn)
    thread.start()
    began_s = time.monotonic()
    with pytest.raises(StorageUnavailable):
        ask(root / "a")
    took_s = time.monotonic() - began_s
    stop.set()
    thread.join()
    s3.mends()
    assert took_s < SOON_S
    if ask is not ASKED[5]:  # only SpanActor removes, and has nobody to answer
        assert turns[0] > 10


def test_a_file_that_stops_coming_is_not_damaged(root: ObjectPath, s3: Server) -> None:
    """Pyarrow is in the midst of it then."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": list(range(1000))}), sink)
    (root / "file.parquet").write_bytes(sink.getvalue().to_pybytes())
    file = (root / "file.parquet").opened()
    s3.fails("drop")
    with pytest.raises(StorageUnavailable):
        pq.read_table(file)


def test_nobody_listens(s3: Server) -> None:
    """Like any other failure."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        path = ObjectPath(Location("s3://bucket/spans", endpoint, 2.0, 0), "a")
        for ask in ASKED:
            with pytest.raises(StorageUnavailable):
                ask(path)


def test_a_failure_that_passes_is_not_seen(s3: Server) -> None:
    """A request that may be repeated is."""
    path = ObjectPath(s3.bucket(retries=2), "a")
    path.write_bytes(b"a")
    s3.fails("slow down", times=1)
    assert path.read_bytes() == b"a"


def test_credentials_come_from_the_environment_or_a_file(
    s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are in no option of ours."""
    location = s3.bucket()
    assert not any(secret in str(storage_options(location)) for secret in CREDENTIALS.values())
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    path = ObjectPath(s3.bucket(), "a")
    path.write_bytes(b"a")
    path.unlink()
    assert not path.exists()
