"""The word about which storage is in use: whole at any time, and writable on a full disk."""

import errno
from pathlib import Path

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.handover import NAME, HandoverFile
from actors.spans.adapters.segments import Disk
from actors.spans.failover import Handover
from tests.shells.small_disk import fill
from tests.unit.actors.spans.telemetry import Recorder

READY, IN_USE = Handover("ready", "/b/1"), Handover("in_use", "/b/1", 9)


def refuse(*_: object) -> None:
    """Stand for a disk that does not."""
    raise OSError(errno.EIO, "Input/output error")


def test_readers_see_each_new_word(tmp_path: Path) -> None:
    """None before the first; then always the newest, in whichever process it was written."""
    reader, writer = HandoverFile(tmp_path), HandoverFile(tmp_path)
    assert reader.read() is None
    for word in (READY, IN_USE, READY):
        writer.write(word)
        assert (reader.read(), reader.settle(), HandoverFile(tmp_path).read()) == (word, word, word)


def test_a_word_is_durable_before_it_has_its_name(tmp_path: Path) -> None:
    """Bytes, name, the name's directory, in this order."""
    recorder = Recorder(tmp_path)
    HandoverFile(tmp_path, recorder.disk).write(READY)
    assert [call for call in recorder.calls if call[0] != "data"] == [
        ("file", ".handover.next"), ("rename", NAME), ("directory", "."),
    ]  # fmt: skip


@pytest.mark.parametrize(("step", "left"), [("sync_file", READY), ("rename", READY), ("sync_directory", IN_USE)])
def test_after_a_failed_write_the_disk_tells_which_word_there_is(tmp_path: Path, step: str, left: Handover) -> None:
    """The old or the new one, whole; once it is made durable it counts."""
    HandoverFile(tmp_path).write(READY)
    file = HandoverFile(tmp_path, Disk(**{step: refuse}))
    with pytest.raises(StorageUnavailable, match="cannot be written"):
        file.write(IN_USE)
    assert HandoverFile(tmp_path).settle() == left
    if step != "rename":
        with pytest.raises(StorageUnavailable, match="cannot be synced"):
            file.settle()


def test_what_is_no_word_is_not_believed(tmp_path: Path) -> None:
    """A file that was changed says what to do, and so does a path that is none."""
    (tmp_path / NAME).write_bytes(b"{}")
    with pytest.raises(IntegrityError, match="bring the right one back"):
        HandoverFile(tmp_path).read()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        HandoverFile(tmp_path / "file").read()


def test_a_word_that_has_no_room_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(StorageUnavailable, match="shorter paths"):
        HandoverFile(tmp_path).write(Handover("ready", "/" + "b" * 5000))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_takes_the_next_word(small_disk: Path) -> None:
    """Its room was had beforehand; one more would find none."""
    file = HandoverFile(small_disk)
    file.write(READY)
    file.reserve()
    fill(small_disk)
    file.write(IN_USE)
    assert file.settle() == IN_USE
    fill(small_disk)
    with pytest.raises(StorageUnavailable, match="No space"):
        file.write(READY)
    assert file.read() == IN_USE
