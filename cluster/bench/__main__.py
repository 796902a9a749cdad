"""Runs the benchmark: ``python -m cluster.bench``. Takes about ten minutes; the machine should do nothing else."""

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from cluster.bench import facts, systems
from cluster.bench.driving import arguments, driven, samples_of, say, started, take_turns
from cluster.bench.figures import CONNECTIONS, CONSENSUS, EMPTY, LITELLM, PORTKEY, SINGLE, UPSTREAM, tabulate
from cluster.bench.load import Figures, Target
from cluster.bench.page import write_page
from cluster.bench.report import SYSTEMS, Run, as_json, markdown
from cluster.home import Home


def main() -> int:
    """Measure everything and write the report."""
    options = arguments("cluster.bench", __doc__).parse_args()
    run = driven("run-", lambda wrk, folder: Bench(wrk, folder, options, facts.machine()).run())
    write_page(options.out, markdown(run), as_json(run))
    print(markdown(run))
    return 0


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
            say("our gateway")
            home, port, client_key = stack.enter_context(
                systems.our_gateway(self._folder, systems.profile_of(ports), key)
            )
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
            cells = {name: (targets[name], CONNECTIONS[-1]) for name in (CONSENSUS, SINGLE)}
            seen = samples_of(home, self._wrk, self._folder, self._missing, cells)
            table, versions = tabulate(samples), facts.versions(self._wrk, list(targets))
        p50s, p99s = zip(*syncs, strict=True)
        return Run(
            self._machine, versions, self._options.seconds, self._options.rounds, table, self._missing,
            statistics.median(p50s), statistics.median(p99s),
            {name: found.by() for name, found in seen.items()},
        )  # fmt: skip

    def _peer(
        self, stack: ExitStack, targets: dict[str, Target], name: str, system: AbstractContextManager[Target]
    ) -> None:
        if (target := started(stack, self._missing, name, system)) is not None:
            targets[name] = target

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
            take_turns(self._wrk, self._folder, self._options, targets, number + 1, samples)
        return samples, syncs


@contextmanager
def _empty(home: Home, port: int) -> Iterator[Target]:
    """Deploy the empty application; it ends with the node."""
    yield systems.request(port, systems.deploy_empty(home), "none", "none")


if __name__ == "__main__":
    sys.exit(main())
