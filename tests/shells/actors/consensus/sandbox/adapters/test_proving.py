"""The self-test proves a sound sandbox, and fails for every barrier that is missing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.proof_file import ProofFile
from actors.consensus.sandbox.adapters.proving import Prover
from actors.consensus.sandbox.confinement import Confinement, Interpreter, confinement
from actors.consensus.sandbox.selftest import Proof
from tests.shells.actors.consensus.sandbox.conftest import STEADY as CONFIG
from tests.shells.actors.consensus.sandbox.conftest import Ticks
from tests.shells.actors.consensus.sandbox.lifting import without

AT_A_TIME = 4


@pytest.fixture(scope="module")
def confined(interpreter: Interpreter) -> Confinement:
    """Every barrier, and time to spare."""
    return confinement(CONFIG, interpreter)


def test_a_sound_sandbox_is_proven(bwrap: str, confined: Confinement) -> None:
    """Behind every barrier nothing fails, and the proof counts."""
    prover = Prover(bwrap, confined, CONFIG, None)
    proof = prover.prove()
    assert proof is not None
    assert proof.failed == ()
    assert prover.why_not(proof) == ""


MISSING = [
    ("filter:socket", "no network"),
    ("filter:clone,set_robust_list", "no new processes"),
    ("filter:mmap", "no new native code"),
    ("filter:io_uring_setup", "system calls are filtered"),
    ("landlock", "nothing can be written"),
    ("mount:/etc/passwd", "no files of the machine"),
    ("proc", "no processes to look at"),
    ("without:--hostname", "nothing is told about the machine"),
    ("limit:RLIMIT_AS", "memory is bounded"),
    ("limit:RLIMIT_NOFILE", "RLIMIT_NOFILE is set"),
    ("network", "a net namespace of its own"),
]


@pytest.fixture(scope="module")
def proofs(bwrap: str, confined: Confinement, interpreter: Interpreter) -> dict[str, tuple[Prover, Proof | None]]:
    """Prove a sandbox without each barrier, some at a time: most of a proof is waiting for a call that does not end."""

    def proved(barrier: str) -> tuple[Prover, Proof | None]:
        prover = Prover(bwrap, without(confined, barrier.split(), interpreter)[0], CONFIG, None)
        return prover, prover.prove()

    barriers = [barrier for barrier, _ in MISSING]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(barriers, pool.map(proved, barriers), strict=True))


@pytest.mark.parametrize(("barrier", "found"), MISSING)
def test_a_missing_barrier_is_found(barrier: str, found: str, proofs: dict[str, tuple[Prover, Proof | None]]) -> None:
    """Without one barrier the proof fails and names it: nothing may run."""
    prover, proof = proofs[barrier]
    assert proof is not None
    assert found in proof.failed
    assert found in prover.why_not(proof)


def test_a_sandbox_that_does_not_start_fails(confined: Confinement) -> None:
    """The reason is in the proof."""
    prover = Prover("/nonexistent/bwrap", confined, CONFIG, None)
    assert "cannot be started" in prover.why_not(prover.prove())


def test_a_node_proves_once(bwrap: str, confined: Confinement, tmp_path: Path) -> None:
    """A second replica takes the first one's proof while it is young, and makes its own when that is due."""
    ticks = Ticks(1000.0)
    first, second = (Prover(bwrap, confined, CONFIG, ProofFile(tmp_path), ticks) for _ in range(2))
    proof = first.prove()
    ticks.now_s += 30
    assert second.prove() == proof
    ticks.now_s += 31
    renewed = second.prove()
    assert renewed is not None
    assert renewed.at_s == ticks.now_s
    ticks.now_s += 121
    assert "older" in first.why_not(renewed)


def test_nobody_waits_for_the_other(bwrap: str, confined: Confinement, tmp_path: Path) -> None:
    """While another replica holds the turn, what is on file counts, and without any there is none."""
    file = ProofFile(tmp_path)
    prover = Prover(bwrap, confined, CONFIG, ProofFile(tmp_path))
    with file.turn():
        assert prover.prove() is None
