"""The self-test's probes and how they are judged."""

import msgspec
import pytest

from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Interpreter, confinement
from actors.consensus.sandbox.protocol import Observed, Ran
from actors.consensus.sandbox.selftest import (
    NAMESPACES,
    STATUS,
    Proof,
    cut_short,
    job,
    judge,
    judge_outside,
    made_with,
    probes,
    why_not,
)

CONFIG = SandboxConfig()
TRIED = probes(CONFIG, ["/etc/passwd"])
SOUND = Ran("timeout", tuple(probe.sees for probe in TRIED))
PROOF = Proof(at_s=100.0, boot="b", made_with="m", failed=())


def test_a_sound_sandbox_passes() -> None:
    """If every probe sees what it must, nothing is wrong."""
    assert judge(TRIED, SOUND) == ()


@pytest.mark.parametrize("at", range(len(TRIED)))
@pytest.mark.parametrize(
    "instead", [Observed("value", ["s", "nothing stopped it"]), Observed("not_run"), Observed("crash")]
)
def test_each_probe_counts(at: int, instead: Observed) -> None:
    """One barrier that does not hold, or of which nothing is known, is named."""
    calls = (*SOUND.calls[:at], instead, *SOUND.calls[at + 1 :])
    assert judge(TRIED, msgspec.structs.replace(SOUND, calls=calls)) == (TRIED[at].barrier,)


@pytest.mark.parametrize("end", ["crash", "unavailable", "failed"])
def test_a_blind_sandbox_fails(end: str) -> None:
    """A sandbox in which nothing runs proves nothing, however much it blocks."""
    assert judge(TRIED, Ran(end)) == ("the self-test runs",)  # type: ignore[arg-type]
    blocked = Ran("ran", tuple(Observed("not_run") for _ in TRIED))
    assert "good code runs" in judge(TRIED, blocked)


def test_a_run_that_the_clock_cut_short_is_worth_another_try() -> None:
    """Only the last probe may be ended by the clock; a wrong observation is final."""
    assert not cut_short(TRIED, SOUND)
    late = (*SOUND.calls[:2], Observed("timeout"), *(Observed("not_run") for _ in SOUND.calls[3:]))
    assert cut_short(TRIED, Ran("timeout", late))
    wrong = (Observed("value", ["i", "0"]), *SOUND.calls[1:])
    assert not cut_short(TRIED, Ran("timeout", wrong))


def test_the_endless_probe_comes_last() -> None:
    """What ends the job is tried when everything else has been."""
    assert [probe.barrier for probe in TRIED if probe.sees.end == "timeout"] == [TRIED[-1].barrier]
    assert job(TRIED).calls == tuple(probe.call for probe in TRIED)


def test_the_view_from_outside() -> None:
    """Own namespaces and dropped privileges pass; each that is shared, kept or unknown is named."""
    ours, theirs = ({name: f"{name}:[{n}]" for name in NAMESPACES} for n in (1, 2))
    assert judge_outside(ours, theirs, STATUS) == ()
    for name in NAMESPACES:
        assert judge_outside(ours, theirs | {name: ours[name]}, STATUS) == (f"a {name} namespace of its own",)
        assert judge_outside(ours, {k: v for k, v in theirs.items() if k != name}, STATUS) != ()
    for name in STATUS:
        assert judge_outside(ours, theirs, STATUS | {name: "0000003fffffffff"}) != ()


def test_a_fresh_proof_of_this_sandbox_counts() -> None:
    """Until it expires, and not a moment longer."""
    assert why_not(PROOF, "b", "m", 100.0, 120.0) == ""
    assert why_not(PROOF, "b", "m", 219.9, 120.0) == ""
    assert "older than 120 s" in why_not(PROOF, "b", "m", 220.0, 120.0)


@pytest.mark.parametrize(
    ("proof", "boot", "made", "now_s", "reason"),
    [
        (None, "b", "m", 100.0, "not been run"),
        (msgspec.structs.replace(PROOF, failed=("no network",)), "b", "m", 100.0, "failed: no network"),
        (PROOF, "another", "m", 100.0, "another sandbox"),
        (PROOF, "b", "another", 100.0, "another sandbox"),
        (PROOF, "b", "m", 99.0, "older"),
    ],
)
def test_anything_else_does_not(proof: Proof | None, boot: str, made: str, now_s: float, reason: str) -> None:
    """A proof that is missing, failed, from another start or build, or from the future counts for nothing; one line says so."""
    why = why_not(proof, boot, made, now_s, 120.0)
    assert reason in why
    assert "\n" not in why


def test_the_digest_covers_everything_it_is_built_from() -> None:
    """Any other setting, harness or program is another sandbox."""
    python = Interpreter("/p", "/l", (), (), "x86_64")
    confined = confinement(CONFIG, python)
    digests = {
        made_with(confined, "source", "/bwrap"),
        made_with(confined, "other", "/bwrap"),
        made_with(confined, "source", "/other"),
        made_with(confinement(CONFIG.model_copy(update={"cpu_s": 9}), python), "source", "/bwrap"),
        made_with(confinement(CONFIG, with_a_library(python)), "source", "/bwrap"),
    }
    assert len(digests) == 5


def with_a_library(python: Interpreter) -> Interpreter:
    """Return the interpreter with one more shared library."""
    return Interpreter(python.executable, python.library, python.packages, ("/x.so",), python.machine)
