"""``weavergen learn`` from the job's report to the policy in force, with the submission replaced."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from actors.base.canonical import canonical_json
from actors.base.errors import InvalidRequest, VersionConflict
from actors.consensus.adapters.registry import WeightsRegistry
from actors.consensus.independence import n_eff_micro
from actors.consensus.planning import layer_rule
from actors.consensus.vocabulary import Seat
from actors.consensus.weights import Weights, weight_micro
from actors.learning.counts import Counts, PairSums, VoterSums
from actors.learning.release import next_weights
from actors.policy.snapshot import PolicySnapshot, WeightsRef
from actors.policy.transitions import halted, successor
from actors.spans.adapters.storm import Pin, pin_file
from cluster.cli import jobs
from cluster.jobs.learn import learned, paired
from cluster.profile_policy import publish_weights
from cluster.succession import Note
from cluster.trust import operator_key
from tests.shells.cluster.cli_home import Terminal, terminal
from tests.shells.cluster.governed import Governed, governed

BOUND_MICRO = 100_000
"""``learning.max_change`` of a home that says nothing about it."""
COUNTS = Counts(
    {"a": {"value": VoterSums(40, 10, 0, 0)}, "b": {"value": VoterSums(40, 40, 40, 4000)}},
    {"a|b": PairSums(40, 0, 30, 0)},
)
Meanwhile = Callable[[Governed], object]


class Job:
    """Stands for the job: leaves the weights that counts give under some bound, and a report."""

    def __init__(self, system: Governed) -> None:
        self.system, self.submitted = system, list[list[str]]()
        self.counts, self.bound_micro, self.frozen_versions = COUNTS, BOUND_MICRO, list[int]()
        self.meanwhile: Meanwhile = lambda _: None
        """What happens to policy while the job runs."""

    def __call__(self, _node: object, job_id: str, module: str, arguments: list[str], *_: object, detach: bool) -> Any:
        """Do as ``submit`` does."""
        assert (module, job_id.partition("-")[0]) == ("cluster.jobs.learn", "learn")
        self.submitted.append(arguments)
        named = dict(word.removeprefix("--").split("=", 1) for word in arguments)
        old = WeightsRegistry(self.system.home.registry).weights(named["weights"])
        new = next_weights(old, self.counts, 20, self.bound_micro)
        self.meanwhile(self.system)
        report = {
            "files": 3, "took_s": 0.5, "old": named["weights"], "frozen_versions": self.frozen_versions,
            "new": publish_weights(self.system.home, canonical_json(new)),
            "rows": list(learned(old, new, self.counts)), "since_ns": int(named["since-ns"]),
            "pairs": list(paired(old, new, self.counts)),
        }  # fmt: skip
        return None if detach else report


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a shell beside a home whose policy came into force just now."""
    return terminal(governed(tmp_path, int(time.time())), monkeypatch)


@pytest.fixture
def job(shell: Terminal, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Stand for the job that the shell's commands submit."""
    made = Job(shell.system)
    monkeypatch.setattr(jobs, "submit", made)
    return made


def weights(system: Governed) -> Weights:
    """Return the weights in force."""
    return WeightsRegistry(system.home.registry).weights(system.succession.in_force().weights.sha256)


def changed(system: Governed, **changes: object) -> PolicySnapshot:
    """Bring a changed policy into force, signed by the operator."""
    current = system.succession.in_force()
    wanted = successor(current, system.now_s * 1000, **changes)
    return system.succession.publish(current, wanted, Note("test", "", "r", "t"), operator_key(system.operators))


def refused(result: Result, kind: type[Exception], why: str) -> None:
    """Expect that a command was refused, and with these words."""
    assert isinstance(result.exception, kind)
    assert why in str(result.exception)


def test_the_table_tells_what_was_counted_and_what_moved(shell: Terminal, job: Job) -> None:
    """A row a voter and kind; the weights in force are within the bound of those before, and the note says whose they are."""
    before = weights(shell.system)
    result = shell.run("learn")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["voter", "kind", "n", "agreement", "old", "->", "new", "latency"]
    assert lines[1] == ["a", "value", "40", "0.250000", "0.500000", "->", "0.400000", "-"]
    assert lines[2] == ["b", "value", "40", "1.000000", "0.500000", "->", "0.600000", "100", "ms"]
    assert "policy version 2 is in force; 3 files, 0.5 s" in result.stdout
    assert "a|b" not in result.stdout  # one of them never dissented: nothing is known of the pair
    after = weights(shell.system)
    for voter in ("a", "b"):
        assert abs(weight_micro(after, voter, "value") - weight_micro(before, voter, "value")) == BOUND_MICRO
    assert after.version == before.version + 1
    newest = shell.system.succession.history.list()[0]
    assert (newest.kind, newest.target) == ("learn", shell.system.succession.in_force().weights.sha256)


def test_pairs_that_moved_are_told_and_count(shell: Terminal, job: Job) -> None:
    """Whoever signs sees which voters err together; from then on their lineages count as less independent."""
    job.counts = Counts(COUNTS.voters, {"a|b": PairSums(1000, 500, 500, 500)})
    told = shell.run("learn").stdout.splitlines()
    assert "a|b: correlation 0.500000 -> 0.600000, 500 of 1000 dissented together" in told
    current = shell.system.succession.in_force()
    seats = [Seat("a", "f", "la", 500_000), Seat("b", "f", "lb", 500_000)]
    rule = layer_rule(current.layers[0], current, weights(shell.system), seats)
    assert n_eff_micro(["la", "lb"], rule.rho_micro, rule.pairs) == 1_250_000


def test_a_candidate_whose_pairs_move_further_is_not_signed(shell: Terminal, job: Job) -> None:
    """The bound holds for pairs as it does for weights."""
    job.counts, job.bound_micro = Counts({}, {"a|b": PairSums(1000, 500, 500, 500)}), BOUND_MICRO + 1
    why = "the correlation of a|b would move by 0.100001, more than learning.max_change"
    refused(shell.run("learn"), InvalidRequest, why)
    assert shell.system.versions == [1]


def test_the_window_is_the_configured_one_unless_everything_is_wanted(shell: Terminal, job: Job) -> None:
    """``--full`` begins at the beginning."""
    month_ns = 30 * 86_400 * 10**9
    assert abs(shell.told("learn")["since_ns"] - (time.time_ns() - month_ns)) < 60 * 10**9
    assert shell.told("learn", "--full")["since_ns"] == 0


def test_releases_follow_each_other_within_the_bound(shell: Terminal, job: Job) -> None:
    """Each brings a version; once the counts are reached nothing is signed any more."""
    versions = [shell.told("learn")["policy_version"] for _ in range(6)]
    assert versions == [2, 3, 4, 5, 5, 5]
    assert [weight_micro(weights(shell.system), voter, "value") for voter in ("a", "b")] == [333_333, 833_333]
    assert "nothing changes; policy version 5 is in force" in shell.run("learn").stdout


def test_a_candidate_that_moves_further_is_not_signed(shell: Terminal, job: Job) -> None:
    """Whatever the job left: the bound is checked by whoever signs."""
    job.bound_micro = BOUND_MICRO + 1
    refused(shell.run("learn"), InvalidRequest, "a on value would move by 0.100001, more than learning.max_change")
    assert shell.system.versions == [1]


def test_weights_that_came_meanwhile_are_not_overwritten(shell: Terminal, job: Job) -> None:
    """What was learned follows other weights than those in force."""

    def other(system: Governed) -> None:
        named = publish_weights(system.home, canonical_json(next_weights(weights(system), COUNTS, 20, 50_000)))
        changed(system, weights=WeightsRef(sha256=named))

    job.meanwhile = other
    refused(shell.run("learn"), VersionConflict, "other weights came into force meanwhile")
    assert shell.system.versions == [1, 2]


def test_another_policy_that_came_meanwhile_stays(shell: Terminal, job: Job) -> None:
    """The weights are brought into what is in force by then, not into what was at the beginning."""
    job.meanwhile = lambda system: changed(system, screening_version="next")
    assert shell.told("learn")["policy_version"] == 3
    assert shell.system.succession.in_force().screening_version == "next"


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize(
    ("tighten", "why"),
    [
        (lambda system: changed(system, learning_frozen=True), "learning is frozen by policy version 2"),
        (lambda system: system.tighten(halted, "wrong", "me"), "generation is halted by policy version 2"),
    ],
)
def test_nothing_is_learned_while_policy_forbids_it(
    shell: Terminal, job: Job, tighten: Meanwhile, why: str, when: str
) -> None:
    """Frozen or halted, no job is submitted; if that came while one ran, what it learned is not signed."""
    if when == "before":
        tighten(shell.system)
    else:
        job.meanwhile = tighten
    refused(shell.run("learn"), InvalidRequest, why)
    assert len(job.submitted) == (when == "meanwhile")
    assert shell.system.versions == [1, 2]


@pytest.mark.parametrize("frozen", [False, True])
def test_nothing_is_learned_while_a_storm_is_pinned(shell: Terminal, job: Job, frozen: bool) -> None:
    """Whether policy was frozen for it yet or not; the last clean point is named, and the way back."""
    pin = Pin("weavergen.storm/1", 5, 42, "ab", 1000, 70, "w 3")
    pin_file(shell.system.home.root).parent.mkdir(exist_ok=True)
    pin_file(shell.system.home.root).write_bytes(msgspec.json.encode(pin))
    if frozen:
        changed(shell.system, learning_frozen=True)
    result = shell.run("learn")
    refused(result, InvalidRequest, "last clean at 42 batches")
    refused(result, InvalidRequest, "policy unfreeze")
    assert job.submitted == []
    shell.told("policy", "unfreeze", "--reason", "looked at")
    assert not shell.system.succession.in_force().learning_frozen
    assert shell.told("learn")["policy_version"] == (4 if frozen else 3)  # what was heard of the pin is older than 2


def test_without_the_operator_s_key_no_job_runs(shell: Terminal, job: Job) -> None:
    """Whoever cannot sign is told before the work; detached, nobody signs anyway."""
    (shell.system.operators / "operator.key").unlink()
    assert shell.run("learn").exception is not None
    assert job.submitted == []
    assert shell.run("learn", "--detach").exception is None
    assert len(job.submitted) == 1


def test_a_detached_job_brings_nothing_into_force(shell: Terminal, job: Job) -> None:
    """It is named with where its report will be, and nothing is signed."""
    assert "reports/learn-" in shell.run("learn", "--detach").stdout
    assert shell.system.versions == [1]


@pytest.mark.parametrize(
    ("versions", "told"),
    [([3, 4], "versions 3, 4,"), (list(range(1, 31)), "11, 12"), (list(range(1, 31)), "and 10 before,")],
)
def test_decisions_that_were_left_out_are_told(shell: Terminal, job: Job, versions: list[int], told: str) -> None:
    """By the versions that had frozen learning, the newest of very many."""
    job.frozen_versions = versions
    (line,) = (line for line in shell.run("learn").stdout.splitlines() if line.startswith("left out"))
    assert told in line
