"""What the benchmarks that drive wrk have in common."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cluster.acceptance.guarded import ASKED
from cluster.bench import driving, systems
from cluster.bench.driving import arguments, driven, samples_of, started, take_turns
from cluster.bench.load import Figures, Target
from cluster.bench.started import BenchError
from cluster.home import create_home

TARGET = Target("http://h/", "{}", {})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return where runs have their folders; wrk is there, and what ends this process stays as it was."""
    monkeypatch.setattr(systems, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(driving.shutil, "which", lambda name: f"/bin/{name}")
    before = {number: signal.getsignal(number) for number in ASKED}
    yield tmp_path / "cache"
    for number, handler in before.items():
        signal.signal(number, handler)


def failing(*_: object) -> None:
    """Fail as a system that does not answer."""
    raise BenchError("it does not  answer")


def test_a_run_has_a_folder_of_its_own_that_goes(cache: Path) -> None:
    """What is found comes back; the folder is there while it is looked for."""
    wrk, folder, was_there = driven("run-", lambda wrk, folder: (wrk, folder, folder.is_dir()))
    assert (wrk, folder.parent, was_there, folder.exists()) == ("/bin/wrk", cache, True, False)


@pytest.mark.parametrize("first", ASKED)
def test_a_run_that_is_ended_brings_down_in_peace(cache: Path, first: signal.Signals) -> None:
    """Whoever asks again while it does: a second signal ended the bringing down that the first had begun."""
    down = list[str]()

    def ended(*_: object) -> None:
        try:
            signal.raise_signal(first)
        finally:
            for again in ASKED:
                signal.raise_signal(again)
            down.append("done")

    with pytest.raises(SystemExit) as asked:
        driven("run-", ended)
    assert (asked.value.code, down, list(cache.iterdir())) == (128 + first, ["done"], [])


def test_a_run_that_finds_nothing_says_why(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that failed and one without wrk end the process with different codes, and leave no folder."""
    with pytest.raises(SystemExit) as failed:
        driven("run-", failing)
    assert (failed.value.code, list(cache.iterdir())) == (1, [])
    monkeypatch.setattr(driving.shutil, "which", lambda _: None)
    with pytest.raises(SystemExit) as lacking:
        driven("run-", failing)
    told = capsys.readouterr().err
    assert (lacking.value.code, "does not  answer" in told, "wrk is not installed" in told) == (2, True, True)


def test_a_peer_that_does_not_start_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """The report says why in one line, and the others go on; one that starts is ended with the rest."""
    ended, missing = list[str](), dict[str, str]()

    @contextmanager
    def system(*, lacks: bool) -> Iterator[Target]:
        if lacks:
            failing()
        yield TARGET
        ended.append("it")

    with ExitStack() as stack:
        assert started(stack, missing, "peer", system(lacks=False)) is TARGET
        assert started(stack, missing, "other", system(lacks=True)) is None
        assert ended == []
    assert (ended, missing) == (["it"], {"other": "it does not answer"})


def test_a_replica_that_is_not_found_has_no_profile(tmp_path: Path) -> None:
    """The report has no stages then, and says so."""
    missing = dict[str, str]()
    assert samples_of(create_home(tmp_path / "home"), "wrk", tmp_path, missing, {"row": (TARGET, 1)}) == {}
    assert "replica was not found" in missing["profile"]


def test_systems_take_turns_at_each_number_of_connections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is warmed up and then measured; what is found goes beside what earlier rounds found."""
    wrk = tmp_path / "wrk"
    told = '{"requests":10,"duration_us":1000000,"p50_us":1,"p99_us":2,"errors":{}}'.replace(
        "{}", '{"connect":0,"read":0,"write":0,"timeout":0,"status":0}'
    )
    wrk.write_text(f"#!/bin/sh\necho $2 $3 >> {tmp_path}/asked\necho 'RESULT {told}'\n")
    wrk.chmod(0o755)
    options = arguments("cluster.bench", "words").parse_args(["--seconds", "3"])
    samples = {("b", 1): [Figures(1.0, 1.0, 1.0)]}
    take_turns(str(wrk), tmp_path, options, {"a": TARGET, "b": TARGET}, 1, samples)
    assert (tmp_path / "asked").read_text().split("\n")[:-1] == [
        f"-c{count} -d{seconds}s" for count in (1, 1, 16, 16) for seconds in (2, 3)
    ]
    assert {cell: len(found) for cell, found in samples.items()} == {
        ("a", 1): 1,
        ("b", 1): 2,
        ("a", 16): 1,
        ("b", 16): 1,
    }
    assert "round 1, 16 conn., b: 10/s" in capsys.readouterr().err


def test_each_takes_the_same_options() -> None:
    """A page to write, and how long and how often is measured."""
    options = arguments("cluster.bench", "words").parse_args(["--rounds", "1"])
    assert (options.rounds, options.seconds, options.warm_up, options.out.name) == (1, 8, 2, "benchmarks.md")
