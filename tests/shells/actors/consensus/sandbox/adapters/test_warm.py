"""A warm parent: bounds of a job, restarts, and nothing left behind."""

import dataclasses
import os
import select
import signal
import threading
import time
from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.warm import SandboxBroken, WarmParent
from actors.consensus.sandbox.confinement import Confinement
from actors.consensus.sandbox.protocol import Job
from tests.shells.actors.consensus.sandbox.conftest import CONFIG, PATIENT

GOOD = Job("", ("1 + 1",))
PAUSE = threading.Event()


def inside(bwrap_pid: int) -> list[int]:
    """Return the processes below bubblewrap, outermost first."""
    found, pending = [], [bwrap_pid]
    while pending:
        pid = pending.pop()
        try:
            children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        found += children
        pending += children
    return found


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pids: list[int]) -> bool:
    """Wait on each process's end, bounded."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([handle], [], [], 10)
        finally:
            os.close(handle)
    return all(map(gone, pids))


def test_processor_time_is_bounded(bwrap: str, confined: Confinement) -> None:
    """Where the clock allows much, the processor's own limit ends a loop, as ``timeout``."""
    limits = confined.settings["limits"]
    slow = {"call_ms": 20_000, "job_ms": 20_000, "cpu_s": 1}
    tight = {**limits, "candidate": {**limits["candidate"], "RLIMIT_CPU": 1}}
    patient = dataclasses.replace(confined, settings=confined.settings | slow | {"limits": tight})
    parent = WarmParent(bwrap, patient, CONFIG.model_copy(update={"job_ms": 20_000}))
    try:
        assert parent.run(Job("while True: pass", ())).end == "timeout"
        assert parent.alive
    finally:
        parent.close()


def test_a_whole_job_is_bounded(warm: WarmParent) -> None:
    """Calls that each stay within their bound cannot together outlast the job's."""
    ran = warm.run(Job("import time", ("time.sleep(0.5)",) * 9))
    assert ran.end == "timeout"
    ends = [seen.end for seen in ran.calls]
    assert ends == sorted(ends, key=["value", "timeout", "not_run"].index)
    assert 1 <= ends.count("value") <= 4


@pytest.mark.parametrize(
    "job",
    [
        Job("x" * (CONFIG.max_code_bytes + 1), ("1",)),
        Job("", ("1",) * (CONFIG.max_calls + 1)),
        Job("", ("1" * (CONFIG.max_call_bytes + 1),)),
        Job("'\ud800'", ("1",)),
    ],
)
def test_a_job_out_of_bounds_is_not_run(job: Job, patient: WarmParent) -> None:
    """It fails with a reason, and the parent goes on."""
    ran = patient.run(job)
    assert ran.end == "failed"
    assert ran.detail
    assert {seen.end for seen in ran.calls} == {"not_run"}
    assert patient.run(GOOD).end == "ran"


def test_output_of_a_job_is_bounded(bwrap: str, confined: Confinement) -> None:
    """Values that each fit end the job once all that it may send is used up."""
    small = dataclasses.replace(confined, settings=confined.settings | {"output_bytes": 5000, "call_ms": 5000})
    parent = WarmParent(bwrap, small, PATIENT.model_copy(update={"output_bytes": 5000}))
    try:
        ran = parent.run(Job("", ("'x' * 2000",) * 4))
        assert [seen.end for seen in ran.calls] == ["value", "value", "crash", "not_run"]
        assert parent.alive
    finally:
        parent.close()


def test_nothing_of_a_job_is_in_the_next(patient: WarmParent) -> None:
    """Modules changed, names set and files tried by one candidate are not there for another."""
    patient.run(Job("import math, builtins\nmath.pi = 3\nbuiltins.left = 'behind'\nimport sys\nsys.left = 1", ()))
    again = patient.run(
        Job("import math, builtins, sys", ("math.pi", "hasattr(builtins, 'left') or hasattr(sys, 'left')"))
    )
    assert [seen.value for seen in again.calls] == [["f", "3.141592653589793"], False]


def test_one_candidate_at_a_time_is_inside(warm: WarmParent) -> None:
    """Soon after any job there are the warm parent, and the runner and process waiting for the next one: no more."""
    for code in ("while True: pass", "import os\nos._exit(0)", "x = 1"):
        warm.run(Job(code, ()))
        give_up = time.monotonic() + 10
        while len(left := inside(warm.pid)) > 3:  # whoever asked need not wait for the end of what ran
            assert time.monotonic() < give_up, left
            PAUSE.wait(0.01)


def test_closing_leaves_nothing(bwrap: str, confined: Confinement) -> None:
    """Every process inside ends with the parent, and bubblewrap is reaped."""
    parent = WarmParent(bwrap, confined, CONFIG)
    parent.run(GOOD)
    pids = [parent.pid, *inside(parent.pid)]
    assert len(pids) >= 2
    parent.close()
    assert wait_until_gone(pids)
    assert not Path(f"/proc/{parent.pid}").exists()
    assert not parent.alive


@pytest.mark.parametrize("victim", [0, 1])
def test_a_parent_that_is_killed_leaves_nothing(victim: int, bwrap: str, confined: Confinement) -> None:
    """Whether bubblewrap or the harness dies, everything inside goes, and the next job is refused before it begins."""
    parent = WarmParent(bwrap, confined, CONFIG)
    pids = [parent.pid, *inside(parent.pid)]
    os.kill(pids[victim], signal.SIGKILL)
    assert wait_until_gone(pids)
    with pytest.raises(SandboxBroken, match="between two jobs"):
        parent.run(GOOD)
    assert not parent.alive


def test_a_parent_that_dies_under_a_job_makes_it_a_crash(bwrap: str, confined: Confinement) -> None:
    """The job in flight ends, with nothing observed."""
    parent = WarmParent(bwrap, confined, PATIENT)
    victim = threading.Timer(0.3, parent.kill)
    victim.start()
    assert parent.run(Job("while True: pass", ())).end in {"crash", "timeout"}
    victim.join()
    parent.close()


def test_one_that_cannot_start_says_why(bwrap: str, confined: Confinement) -> None:
    """The last line of what bubblewrap or Python says is in the error."""
    with pytest.raises(SandboxBroken, match="cannot be started"):
        WarmParent("/nonexistent/bwrap", confined, CONFIG)
    wrong = dataclasses.replace(confined, arguments=(*confined.arguments, "--no-such-option"))
    with pytest.raises(SandboxBroken, match="no-such-option"):
        WarmParent(bwrap, wrong, CONFIG)


def test_the_harness_refuses_to_share_a_process_namespace(bwrap: str, confined: Confinement) -> None:
    """Where it could not end everything for certain, nothing runs."""
    shared = tuple(word for word in confined.arguments if word != "--as-pid-1")
    with pytest.raises(SandboxBroken, match="pid namespace of its own"):
        WarmParent(bwrap, dataclasses.replace(confined, arguments=shared), CONFIG)
