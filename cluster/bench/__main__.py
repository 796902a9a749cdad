"""Runs the benchmark: ``python -m cluster.bench``. Takes about ten minutes; the machine should do nothing else."""

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from actors.base.files import write_atomic
from cluster.bench import facts, systems
from cluster.bench.figures import CONNECTIONS, CONSENSUS, EMPTY, LITELLM, PORTKEY, SINGLE, UPSTREAM, tabulate
from cluster.bench.load import Figures, Target, drive, warm_up
from cluster.bench.page import with_others
from cluster.bench.profiling import profile, replica_pid
from cluster.bench.report import SYSTEMS, Run, as_json, markdown
from cluster.bench.stages import Share
from cluster.bench.started import BenchError
from cluster.home import Home
from cluster.node import REPOSITORY


def main() -> int:
    """Measure everything and write the report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that was started is ended
    options = _options()
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is not installed (Debian: apt-get install wrk)", file=sys.stderr)
        return 2
    systems.CACHE.mkdir(parents=True, exist_ok=True)
    machine = facts.machine()
    try:
        with tempfile.TemporaryDirectory(prefix="run-", dir=systems.CACHE) as name:
            run = Bench(wrk, Path(name), options, machine).run()
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    plain = options.out.with_suffix(".json")
    page, whole = (path.read_text() if path.exists() else empty for path, empty in ((options.out, ""), (plain, "{}")))
    write_atomic(options.out, with_others(markdown(run), page).encode())
    write_atomic(plain, (json.dumps(json.loads(whole) | as_json(run), indent=1) + "\n").encode())
    print(markdown(run))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cluster.bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="measured time of one cell")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds before each cell that do not count")
    parser.add_argument("--rounds", type=int, default=3, help="how often every cell is measured")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    return parser.parse_args()


class Bench:
    """One run: start everything, check it, measure in turns, profile, end everything."""

    def __init__(self, wrk: str, folder: Path, options: argparse.Namespace, machine: Mapping[str, str]) -> None:
        self._wrk = wrk
        self._folder = folder
        self._options = options
        self._machine = machine
        self._missing: dict[str, str] = {}

    def run(self) -> Run:
        """Return what was found."""
        with ExitStack() as stack:
            ports, key = stack.enter_context(systems.upstreams(self._folder, systems.recordings()))
            _say("our gateway")
            home, port, client_key = stack.enter_context(systems.our_gateway(self._folder, ports, key))
            targets = {
                CONSENSUS: systems.completions(port, "consensus", client_key),
                SINGLE: systems.completions(port, systems.VOTERS[0], client_key),
                UPSTREAM: systems.completions(ports[0], systems.VOTERS[0], key),
            }
            self._peer(stack, targets, LITELLM, systems.litellm(self._folder, ports[0], key))
            self._peer(stack, targets, PORTKEY, systems.portkey(self._folder, ports[0], key))
            for name, target in targets.items():
                self._check(name, target, home)
            self._peer(stack, targets, EMPTY, _empty(home, port))
            ordered = {name: targets[name] for name in SYSTEMS if name in targets}
            samples, syncs = self._measure(ordered)
            profiles = self._profiles(home, targets)
            table, versions = tabulate(samples), facts.versions(self._wrk, list(targets))
        p50s, p99s = zip(*syncs, strict=True)
        return Run(
            self._machine, versions, self._options.seconds, self._options.rounds, table, self._missing,
            statistics.median(p50s), statistics.median(p99s), profiles,
        )  # fmt: skip

    def _peer(
        self, stack: ExitStack, targets: dict[str, Target], name: str, system: AbstractContextManager[Target]
    ) -> None:
        """Start a system that may be missing; the report then says why."""
        _say(name)
        try:
            targets[name] = stack.enter_context(system)
        except BenchError as error:
            self._missing[name] = " ".join(str(error).split())[-200:]
            _say(f"{name}: {error}")

    def _check(self, name: str, target: Target, home: Home) -> None:
        body = systems.answer_of(target)
        systems.require_refusal(target)
        if name in (CONSENSUS, SINGLE):
            systems.verify(home, body["weavergen"]["decision_id"])

    def _measure(
        self, targets: Mapping[str, Target]
    ) -> tuple[dict[tuple[str, int], list[Figures]], list[tuple[float, float]]]:
        samples: dict[tuple[str, int], list[Figures]] = {}
        syncs: list[tuple[float, float]] = []
        for number in range(self._options.rounds):
            pace = facts.sync_pace(self._folder)
            syncs.append((pace.p50_us / 1e3, pace.p99_us / 1e3))
            for connections in CONNECTIONS:
                for name, target in targets.items():
                    warm_up(self._wrk, target, self._folder, connections, self._options.warm_up)
                    found = drive(self._wrk, target, self._folder, connections, self._options.seconds)
                    samples.setdefault((name, connections), []).append(found)
                    _say(
                        f"round {number + 1}, {connections} conn., {name}: {found.requests_per_s:.0f}/s, "
                        f"p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms"
                    )
        return samples, syncs

    def _profiles(self, home: Home, targets: Mapping[str, Target]) -> dict[str, list[Share]]:
        _say("where the time goes")
        try:
            pid = replica_pid(home)
            return {
                name: profile(pid, self._wrk, targets[name], self._folder, CONNECTIONS[-1])
                for name in (CONSENSUS, SINGLE)
            }
        except BenchError as error:
            self._missing["profile"] = str(error)
            _say(f"no profile: {error}")
            return {}


@contextmanager
def _empty(home: Home, port: int) -> Iterator[Target]:
    """Deploy the empty application; it ends with the node."""
    yield systems.request(port, systems.deploy_empty(home), "none", "none")


def _say(text: str) -> None:
    print(f"· {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
