"""The recorder against real files; the engine is a function."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError
from cluster.evals.recorder import Made, RecordingFile, Wanted, record
from cluster.evals.recording import Header, Sample, pack, read_recording
from tests.unit.cluster.evals.suite import ADD, NEGATE, TASKS, answers, header, recording, sampling

SAMPLED = header("m1", sampling(samples=3, temperature=0.8))


class Killed(Exception):
    """The process ends here."""


class FakeEngine:
    """Answers with the sample's seed, several under way, the last asked first; may die after so many answers."""

    def __init__(self, dies_after: int = 1_000) -> None:
        self.asked: list[Wanted] = []
        self._left = dies_after

    def answers(self, wanted: Iterable[Wanted]) -> Iterator[Made]:
        """Yield answers in batches of four, backwards."""
        source = iter(wanted)
        while batch := [one for _, one in zip(range(4), source, strict=False)]:
            self.asked += batch
            for one in reversed(batch):
                if not self._left:
                    raise Killed
                self._left -= 1
                yield Made(one, Sample(f"{one.task_id} {one.seed}", "stop", 3), 20)


def make(path: Path, engine: FakeEngine, head: Header = SAMPLED, stop: Callable[[], bool] = lambda: False) -> list[int]:
    """Record the two tasks; return what was told."""
    told: list[int] = []
    file = RecordingFile(path, head)
    try:
        record(file, head, TASKS, engine, stop, lambda done, _: told.append(done))
        file.pack()
    finally:
        file.close()
    return told


def test_every_task_is_recorded_with_all_its_samples_in_order(tmp_path: Path) -> None:
    """Samples that finish in another order stand in their own, each with its own seed."""
    assert make(tmp_path / "r.jsonl", FakeEngine()) == [1, 2]
    found = read_recording((tmp_path / "r.jsonl.gz").read_bytes(), "r")
    assert {task.task_id for task in found.tasks} == {ADD.task_id, NEGATE.task_id}
    seeds = [[sample.content.split()[1] for sample in task.samples] for task in found.tasks]
    assert len({seed for row in seeds for seed in row}) == 6
    again = FakeEngine()
    make(tmp_path / "other.jsonl", again)
    assert (tmp_path / "other.jsonl.gz").read_bytes() == (tmp_path / "r.jsonl.gz").read_bytes()


def test_a_recording_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """Whole tasks are kept and not asked for again; the half one is."""
    path = tmp_path / "r.jsonl"
    with pytest.raises(Killed):
        make(path, FakeEngine(dies_after=4))
    assert [task.task_id for task in read_recording(path.read_bytes(), "r").tasks] == [ADD.task_id]
    engine = FakeEngine()
    make(path, engine)
    assert {one.task_id for one in engine.asked} == {NEGATE.task_id}
    assert len(read_recording(path.read_bytes(), "r").tasks) == 2


def test_a_torn_line_is_overwritten(tmp_path: Path) -> None:
    """Of a line that was being written when the machine stopped nothing is left."""
    path = tmp_path / "r.jsonl"
    make(path, FakeEngine())
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    make(path, FakeEngine())
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_packed_recording_is_continued(tmp_path: Path) -> None:
    """Where only the packed file lies, its tasks are taken over."""
    (tmp_path / "r.jsonl.gz").write_bytes(pack(recording("m1", answers(ADD, "old"))))
    engine = FakeEngine()
    make(tmp_path / "r.jsonl", engine, header("m1"))
    assert [one.task_id for one in engine.asked] == [NEGATE.task_id]
    assert engine.asked[0].seed is None
    assert len(read_recording((tmp_path / "r.jsonl.gz").read_bytes(), "r").tasks) == 2


def test_answers_drawn_otherwise_are_not_mixed(tmp_path: Path) -> None:
    """A recording made under another header is refused, and the difference named."""
    make(tmp_path / "r.jsonl", FakeEngine())
    with pytest.raises(ConfigurationError, match="voter is m1, now m2"):
        RecordingFile(tmp_path / "r.jsonl", header("m2", SAMPLED.sampling))
    RecordingFile(tmp_path / "r.jsonl", SAMPLED).close()


def test_two_processes_do_not_write_one_recording(tmp_path: Path) -> None:
    """Whoever comes second is refused and changes nothing."""
    path = tmp_path / "r.jsonl"
    file = RecordingFile(path, SAMPLED)
    path.write_bytes(path.read_bytes() + b"half a li")
    with pytest.raises(ConfigurationError, match="another process"):
        RecordingFile(path, SAMPLED)
    assert path.read_bytes().endswith(b"half a li")
    file.close()
    RecordingFile(path, SAMPLED).close()


def test_out_of_time_no_task_is_taken_up(tmp_path: Path) -> None:
    """What was begun is finished, and nothing else is begun."""
    looks = iter([False, True])
    assert make(tmp_path / "r.jsonl", FakeEngine(), stop=lambda: next(looks)) == [1]
