"""Measures cloud voters: ``python -m cluster.bench.cloud``. Takes about sixteen minutes; the machine should do nothing else.

Rules:
- One server a provider that speaks its protocol, and the peers, are up all the time. Our system comes up twice: with voters
  through the thin adapter, then through the providers' SDKs. Within a panel all take turns.
- Before anything is measured each request is sent once; its answer, the refusal of a wrong key and our record are checked.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from importlib.metadata import version
from pathlib import Path

from cluster.bench import cloud_systems, facts, systems
from cluster.bench.cloud_page import (
    TITLE,
    CloudRun,
    Panel,
    alone,
    as_json,
    consensus,
    ours,
    section,
    single,
    singles,
    yardsticks,
)
from cluster.bench.cloud_systems import ADAPTERS, PROVIDERS
from cluster.bench.driving import arguments, driven, samples_of, say, started, take_turns
from cluster.bench.figures import CONNECTIONS, LITELLM, PORTKEY, tabulate
from cluster.bench.holders import holder_of
from cluster.bench.hop import Hop
from cluster.bench.load import Figures, Target
from cluster.bench.page import write_section
from cluster.bench.stages import stage_of
from cluster.bench.started import run
from cluster.home import Home
from cluster.node import REPOSITORY, Node
from models.providers.build import Adapter, Provider

_HOP_WAIT_S = 120.0
_PACKAGES = ("openai", "anthropic", "google-genai", "httpx2")


def main() -> int:
    """Measure and write the section into the page of benchmarks."""
    parser = arguments("cluster.bench.cloud", __doc__)
    parser.add_argument("--no-profile", action="store_true", help="leave out what holds the replica's time")
    options = parser.parse_args()
    found = driven("cloud-", lambda wrk, folder: CloudBench(wrk, folder, options).run())
    text = section(found)
    write_section(options.out, TITLE, text, {"cloud": as_json(found)})
    print(text)
    return 0


class CloudBench:
    """One run: start everything, check it, measure in turns, profile, end everything."""

    def __init__(self, wrk: str, folder: Path, options: argparse.Namespace) -> None:
        self._wrk = wrk
        self._folder = folder
        self._options = options
        self._missing: dict[str, str] = {}
        self._hops: list[Hop] = []

    def run(self) -> CloudRun:
        """Return what was found."""
        name = "load average before the run (1 min)"
        machine = {name: facts.machine()[name]}
        with ExitStack() as stack:
            ports, key = stack.enter_context(cloud_systems.providers(self._folder))
            peers: dict[str, Target] = {}
            self._peer(stack, peers, LITELLM, systems.litellm(self._folder, ports["openai"], key))
            self._peer(stack, peers, PORTKEY, systems.portkey(self._folder, ports["openai"], key))
            panels = [self._panel(adapter, ports, key, peers) for adapter in ADAPTERS]
            versions = facts.versions(self._wrk, list(peers)) | {name: version(name) for name in _PACKAGES}
        return CloudRun(machine, versions, self._options.seconds, self._options.rounds, panels, self._hops)

    def _peer(
        self, stack: ExitStack, peers: dict[str, Target], name: str, system: AbstractContextManager[Target]
    ) -> None:
        if (target := started(stack, self._missing, name, system)) is not None:
            self._check(target, None)
            peers[name] = target

    def _panel(
        self, adapter: Adapter, ports: Mapping[Provider, int], key: str, peers: Mapping[str, Target]
    ) -> Panel:  # fmt: skip
        """Bring our system up with voters of one adapter, measure it beside the peers, and end it."""
        say(f"our gateway, adapter {adapter}")
        folder = self._folder / adapter
        folder.mkdir()
        samples: dict[tuple[str, int], list[Figures]] = {}
        with systems.our_gateway(folder, cloud_systems.profile_of(ports, adapter), key) as (home, port, client_key):
            targets = {consensus(adapter): systems.completions(port, "consensus", client_key)}
            for provider in singles(adapter):
                targets[single(provider, adapter)] = systems.completions(port, provider, client_key)
            for target in targets.values():
                self._check(target, home)
            targets |= peers
            directly = {alone(provider): cloud_systems.direct(provider, ports[provider], key) for provider in PROVIDERS}
            targets |= {row: directly[row] for row in yardsticks(adapter)}
            for number in range(self._options.rounds):
                take_turns(self._wrk, self._folder, self._options, targets, number + 1, samples)
            cells = {row: (targets[row], CONNECTIONS[-1]) for row in ours(adapter)[:2]}
            missing = dict(self._missing)
            seen = {} if self._options.no_profile else samples_of(home, self._wrk, self._folder, missing, cells)
            if adapter == ADAPTERS[-1]:
                self._hops = self._hop(home)
        stages, holders = (
            {row: found.by(name_of) for row, found in seen.items()} for name_of in (stage_of, holder_of)
        )  # fmt: skip
        return Panel(adapter, tabulate(samples), missing, stages, holders)

    def _check(self, target: Target, home: Home | None) -> None:
        body = systems.answer_of(target)
        systems.require_refusal(target)
        if home is not None:
            systems.verify(home, body["weavergen"]["decision_id"])

    def _hop(self, home: Home) -> list[Hop]:
        say("a hop through a Serve handle")
        command = [sys.executable, "-m", "cluster.bench.hop", "--home", str(home.root)]
        environment = Node(home, home.read_config()).environment()
        printed = run(command, _HOP_WAIT_S, environment, REPOSITORY).splitlines()[-1]
        return [Hop(**hop) for hop in json.loads(printed)]


if __name__ == "__main__":
    sys.exit(main())
