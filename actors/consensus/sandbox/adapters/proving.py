"""Makes a proof: runs the self-test in a sandbox of its own and looks at that sandbox from outside."""

import time
from collections.abc import Callable
from pathlib import Path

from actors.consensus.sandbox.adapters.proof_file import ProofFile
from actors.consensus.sandbox.adapters.warm import HARNESS, SandboxBroken, WarmParent
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Confinement
from actors.consensus.sandbox.selftest import NAMESPACES, Proof, job, judge, judge_outside, made_with, probes, why_not

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_ENDLESS_MS = 500


class Prover:
    """Proves one way of building a sandbox, or reads that another process of this node did."""

    def __init__(
        self,
        bwrap: str,
        confined: Confinement,
        config: SandboxConfig,
        shared: ProofFile | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bwrap = bwrap
        self._confined = confined
        self._config = config
        self._shared = shared
        self._monotonic = monotonic
        self._boot = _BOOT.read_text().strip()
        self._made_with = made_with(confined, HARNESS.read_text(), bwrap)

    def started(self) -> WarmParent:
        """Return a warm parent built in the way that is proven; raise ``SandboxBroken`` if it does not start."""
        return WarmParent(self._bwrap, self._confined, self._config)

    def why_not(self, proof: Proof | None) -> str:
        """Return in one line why a proof does not allow the sandbox to be used now; empty if it does."""
        return why_not(proof, self._boot, self._made_with, self._monotonic(), self._config.self_test_expiry_s)

    def due(self, proof: Proof | None) -> bool:
        """Tell whether it is time for a new proof: there is none of this sandbox, or it is a period old (a failed one less)."""
        if proof is None or (proof.boot, proof.made_with) != (self._boot, self._made_with):
            return True
        period_s = self._config.self_test_period_s / (4 if proof.failed else 1)
        return not 0 <= self._monotonic() - proof.at_s < period_s

    def prove(self) -> Proof | None:
        """Return the node's proof, made now if it is due and no other process makes it; ``None`` if there is none yet.

        Raises ``StorageUnavailable`` if it cannot be shared.
        """
        if self._shared is None:
            return self._made()
        with self._shared.turn() as ours:
            proof = self._shared.read()
            if ours and self.due(proof):
                proof = self._made()
                self._shared.write(proof)
        return proof

    def _made(self) -> Proof:
        try:
            failed = self._failed()
        except (SandboxBroken, OSError) as error:
            failed = (str(error) or type(error).__name__,)
        return Proof(self._monotonic(), self._boot, self._made_with, failed)

    def _failed(self) -> tuple[str, ...]:
        """Run everything; the bounds of time are the only ones that differ from what candidates get."""
        quicker = {"call_ms": min(self._config.call_ms, _ENDLESS_MS), "job_ms": self._config.start_ms}
        settings = {**self._confined.settings, **quicker}
        confined = Confinement(self._confined.arguments, self._confined.command, settings)
        allowed = self._config.model_copy(update={"job_ms": self._config.start_ms})
        tried = probes(self._config, [path for path in (str(HARNESS), "/etc/passwd") if Path(path).exists()])
        parent = WarmParent(self._bwrap, confined, allowed)
        try:
            theirs, status = _seen(parent.pid)
            ours = {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in NAMESPACES}
            return (*judge_outside(ours, theirs, status), *judge(tried, parent.run(job(tried))))
        finally:
            parent.close()


def _seen(bwrap: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return namespaces and status of the warm parent, the one child of bubblewrap."""
    child = Path(f"/proc/{bwrap}/task/{bwrap}/children").read_text().split()[0]
    namespaces = {name: str(Path(f"/proc/{child}/ns/{name}").readlink()) for name in NAMESPACES}
    lines = (line.partition(":") for line in Path(f"/proc/{child}/status").read_text().splitlines())
    return namespaces, {name: value.strip() for name, _, value in lines}
