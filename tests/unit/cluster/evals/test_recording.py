import gzip

import pytest

from actors.base.errors import ConfigurationError
from cluster.evals import recording as module
from cluster.evals.recording import line_of, pack, read_recording, recorded_answers, sample_seed, unpacked
from models.recorded import _Reader
from tests.unit.cluster.evals.suite import ADD, NEGATE, answers, header, recording, sampling

TWO = (answers(ADD, "a"), answers(NEGATE, "n"))


def test_a_recording_survives_the_way_there_and_back() -> None:
    """What is packed is read back, header, tasks and samples."""
    found = read_recording(pack(recording("m1", *TWO)), "f")
    assert found.header == header("m1")
    assert found.tasks == TWO


def test_packing_knows_no_order_and_no_clock() -> None:
    """Equal recordings pack to equal bytes, in whatever order the tasks were finished."""
    assert pack(recording("m1", *TWO)) == pack(recording("m1", *reversed(TWO)))


def test_a_torn_last_line_is_cut_off() -> None:
    """Of a file whose writer was killed all whole lines are read, and where they end is known."""
    whole = unpacked(header(), TWO)
    found = read_recording(whole + line_of(answers(ADD, "again"))[:-5], "f")
    assert found.tasks == TWO
    assert found.whole_bytes == len(whole)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no header"),
        (b"{}\n", "f:1"),
        (line_of(header()) + b"nonsense\n", "f:2"),
        (unpacked(header(), (TWO[0], TWO[0])), "f:3.*twice"),
        (unpacked(header(), (answers(ADD, "a", "b"),)), "wrong number"),
        (gzip.compress(unpacked(header(), TWO))[:-9], "cut off"),
        (b"\x1f\x8bnonsense", "damaged"),
        (unpacked(header(), TWO).replace(b'"format":1', b'"format":2'), "format 2"),
    ],
)
def test_damage_is_named(data: bytes, complaint: str) -> None:
    """A recording that is no recording is refused with file and line."""
    with pytest.raises(ConfigurationError, match=complaint):
        read_recording(data, "f")


def test_unpacking_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to a large one is not read."""
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(ConfigurationError, match="more than"):
        read_recording(pack(recording("m1", *TWO)), "f")


def test_seeds_differ_between_samples_and_stay_the_same() -> None:
    """A seed depends on run, task and number, and on nothing else."""
    seeds = {sample_seed(run, task, number) for run in (1, 2) for task in ("a", "b") for number in (0, 1)}
    assert len(seeds) == 8
    assert sample_seed(1, "a", 0) == sample_seed(1, "a", 0)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_recordings_can_be_played() -> None:
    """The lines for ``up --answers`` are valid; a voter's greedy answer and samples become one list."""
    greedy, samples = recording("m1", *TWO), recording("m1", answers(ADD, "b", "c"))
    reader = _Reader()
    for number, line in enumerate(recorded_answers([greedy, samples, recording("m2", answers(ADD, "d"))])):
        reader.add(line, f"line {number}")
    voters = reader.finish().voters
    played = voters["m1"].by_prompt[TWO[0].prompt_sha256].answers
    assert [answer.content for answer in played] == ["a", "b", "c"]
    assert played[0].usage.completion_tokens == 9
    assert [info.lineage for info in (script.info for script in voters.values())] == ["lineage of m1", "lineage of m2"]


def test_a_packed_recording_is_told_from_a_plain_one() -> None:
    """Both are read the same."""
    plain = unpacked(header("m1", sampling()), TWO)
    assert read_recording(plain, "f").tasks == read_recording(gzip.compress(plain), "f").tasks
