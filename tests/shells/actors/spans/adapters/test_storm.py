"""The storm's pin: durable, first, and there until an operator puts it away."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters import storm
from actors.spans.adapters.storm import UNREADABLE, Pin, StormWatch, pin_file, put_away, read_pin
from actors.spans.checkers.storm import Seen, StormWindow

NOW_S = 1_790_000_000.0


class Sink:
    """An incident sink that remembers levels, too."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, str, dict[str, str]]] = []

    def open(self, kind: str, level: str, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Remember."""
        self.opened.append((kind, level, dict(evidence)))


def root_at(size: int) -> bytes:
    """Return a root that names its size."""
    return size.to_bytes(32, "big")


def bad(log_size: int, first: str = "w 3") -> Seen:
    """Return a look in which all rows were set aside."""
    return Seen(100, 100, first, log_size)


@pytest.fixture
def sink() -> Sink:
    """Return a sink."""
    return Sink()


@pytest.fixture
def watch(tmp_path: Path, sink: Sink) -> StormWatch:
    """Return a watch over an empty home."""
    return StormWatch(tmp_path, StormWindow(60, 50, 0.02), sink)


def test_a_storm_pins_what_was_clean_and_is_a_critical_incident(watch: StormWatch, sink: Sink, tmp_path: Path) -> None:
    """Once; the evidence names the size, its root, the rows and what to do."""
    watch.see(Seen(100, 0, "", 4), root_at, 0, NOW_S)
    assert (read_pin(tmp_path), sink.opened) == (None, [])
    for second in (1, 2, 3):
        watch.see(bad(5 + second), root_at, second, NOW_S + second)
    pin = Pin("weavergen.storm/1", int(NOW_S + 1) * 1000, 6, root_at(6).hex(), 200, 100, "w 3")
    assert read_pin(tmp_path) == watch.pin == pin
    ((kind, level, evidence),) = sink.opened
    assert (kind, level) == ("span_corruption_storm", "level_1_critical")
    assert (evidence["clean_log_size"], evidence["clean_log_root"]) == ("6", root_at(6).hex())
    assert "last clean at 6 batches" in str(pin)


def test_a_pin_outlives_the_process(watch: StormWatch, sink: Sink, tmp_path: Path) -> None:
    """A later storm does not move it: what was clean before the first is clean before all."""
    watch.see(bad(6), root_at, 0, NOW_S)
    later = StormWatch(tmp_path, StormWindow(60, 50, 0.02), sink)
    assert later.pin is not None
    later.see(bad(90), root_at, 0, NOW_S + 900)
    assert (later.pin.log_size, len(sink.opened)) == (6, 1)


def test_an_operator_puts_it_away_and_begins_anew(watch: StormWatch, sink: Sink, tmp_path: Path) -> None:
    """The file is kept under another name; only new bad rows make another storm."""
    watch.see(bad(6), root_at, 0, NOW_S)
    aside = put_away(tmp_path)
    assert aside is not None
    assert aside.name == f"storm-{int(NOW_S) * 1000}.json"
    watch.see(Seen(10, 0, "", 8), root_at, 1, NOW_S + 1)
    assert (watch.pin, len(sink.opened)) == (None, 1)
    watch.see(bad(9), root_at, 2, NOW_S + 2)
    assert watch.pin is not None
    assert (watch.pin.log_size, len(sink.opened)) == (9, 2)
    assert put_away(tmp_path) != aside
    assert put_away(tmp_path) is None


def test_a_log_whose_root_cannot_be_told_is_pinned_all_the_same(watch: StormWatch) -> None:
    """Its size is what counts."""

    def no_root(_: int) -> bytes:
        raise IntegrityError("damaged")

    watch.see(bad(6), no_root, 0, NOW_S)
    assert watch.pin is not None
    assert (watch.pin.log_size, watch.pin.root) == (6, "")


def test_a_pin_that_cannot_be_read_is_a_pin(watch: StormWatch, tmp_path: Path) -> None:
    """Garbage in its place freezes as well, and can be put away."""
    pin_file(tmp_path).parent.mkdir()
    pin_file(tmp_path).write_bytes(b"garbage")
    assert read_pin(tmp_path) == UNREADABLE
    watch.see(Seen(1, 0, "", 1), root_at, 0, NOW_S)
    assert watch.pin == UNREADABLE
    assert put_away(tmp_path) is not None
    pin_file(tmp_path).mkdir()
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        read_pin(tmp_path)


def test_a_disk_that_takes_no_pin_is_told_of_and_tried_again(watch: StormWatch, sink: Sink, tmp_path: Path) -> None:
    """The incident is opened all the same."""
    folder = pin_file(tmp_path).parent
    folder.write_text("a file where the folder belongs")
    watch.see(bad(6), root_at, 0, NOW_S)
    assert watch.pin is None
    assert "cannot be" in watch.problem
    assert len(sink.opened) == 1
    folder.unlink()
    watch.see(Seen(1, 0, "", 8), root_at, 1, NOW_S + 1)
    assert watch.pin is not None
    assert (watch.pin.log_size, watch.problem) == (6, "")


def test_a_storm_that_is_over_before_the_disk_takes_its_pin_is_pinned(
    watch: StormWatch, sink: Sink, tmp_path: Path
) -> None:
    """What was clean before it is no less worth knowing; it was told of once."""
    folder = pin_file(tmp_path).parent
    folder.write_text("a file where the folder belongs")
    for second in range(3):
        watch.see(bad(6), root_at, second, NOW_S)
    folder.unlink()
    watch.see(Seen(1, 0, "", 90), root_at, 600, NOW_S + 600)
    assert watch.pin is not None
    assert (watch.pin.log_size, watch.problem, len(sink.opened)) == (6, "", 1)


def test_a_pin_that_could_not_be_read_for_a_moment_leaves_no_trace(watch: StormWatch, tmp_path: Path) -> None:
    """Else gateways would go on freezing what an operator lets go, for as long as the process lives."""
    pin_file(tmp_path).mkdir(parents=True)
    watch.see(Seen(1, 0, "", 1), root_at, 0, NOW_S)
    assert (watch.pin, "cannot be read" in watch.problem) == (None, True)
    pin_file(tmp_path).rmdir()
    watch.see(Seen(1, 0, "", 1), root_at, 1, NOW_S)
    assert (watch.pin, watch.problem) == (None, "")


def test_a_pin_that_cannot_be_read_is_not_written_over(
    sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was clean before the first storm is clean before all, also where a new process cannot read it yet."""
    StormWatch(tmp_path, StormWindow(60, 50, 0.02), sink).see(bad(6), root_at, 0, NOW_S)

    def unreadable(_: Path) -> Pin | None:
        raise StorageUnavailable("the disk hiccups")

    with monkeypatch.context() as patched:
        patched.setattr(storm, "read_pin", unreadable)
        later = StormWatch(tmp_path, StormWindow(60, 50, 0.02), sink)
        later.see(bad(90), root_at, 0, NOW_S + 900)
        assert (later.pin, later.problem, len(sink.opened)) == (None, "the disk hiccups", 2)
    later.see(bad(91), root_at, 1, NOW_S + 901)
    assert later.pin is not None
    assert later.pin.log_size == 6
