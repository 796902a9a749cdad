"""``python -m cluster.acceptance NAME``: run a campaign, keep its results, write its page.

With ``--restart`` it begins anew, with ``--page`` nothing is run: the page is written from the results there are. With
``--quick`` a campaign that has a quick form runs through it, to see that it runs: that measures nothing, and its results go to
``.cache``. Ended in the middle, it leaves nothing running and what was found so far: the next run goes on from there.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cluster.acceptance import (
    bad_spans,
    bad_spans_page,
    bad_spans_real,
    control_actors,
    disk_fills,
    failover,
    fault_matrix,
    faults,
    halt,
    provider_faults,
    simulate,
    soak,
    soak_page,
    span_kills,
    span_kills_page,
    spans,
    spike,
    spike_page,
)
from cluster.acceptance.guarded import guarded
from cluster.acceptance.page import render, with_part
from cluster.acceptance.tamper import campaign as tamper
from cluster.node import REPOSITORY

Stages = Callable[[Callable[[str, dict[str, Any]], None], set[str]], None]
CAMPAIGNS: dict[str, Stages] = {
    "bad_spans": bad_spans.stages, "bad_spans_real": bad_spans_real.stages,
    "control_actors": control_actors.stages, "disk_fills": disk_fills.stages, "failover": failover.stages,
    "faults": faults.stages, "halt": halt.stages, "provider_faults": provider_faults.stages, "simulate": simulate.stages,
    "soak": soak.stages, "span_kills": span_kills.stages, "spans": spans.stages, "spike": spike.stages,
    "tamper": tamper.stages,
}  # fmt: skip
QUICK: dict[str, Stages] = {
    "soak": soak.quick_stages, "span_kills": span_kills.quick_stages, "spike": spike.quick_stages,
    "tamper": tamper.quick_stages,
}  # fmt: skip
PAGES: dict[str, Callable[[str, str, dict[str, Any]], str]] = {
    "bad_spans": bad_spans_page.page,
    "provider_faults": fault_matrix.page, "simulate": simulate.page, "soak": soak_page.page,
    "span_kills": span_kills_page.page, "spike": spike_page.page, "tamper": tamper.page,
}  # fmt: skip
"""Of campaigns whose page is no list of stages."""
PICTURES: dict[str, Callable[[dict[str, Any]], str]] = {
    "bad_spans": bad_spans_page.svg,
    "soak": soak_page.svg,
    "spike": spike_page.svg,
}
"""Of campaigns whose page shows one, beside it."""
PARTS: dict[str, Callable[[dict[str, Any]], list[str]]] = {"provider_faults": fault_matrix.short}
"""Of campaigns that README shows a part of."""
RESULTS = REPOSITORY / "docs" / "acceptance"
QUICK_RESULTS = REPOSITORY / ".cache" / "quick"
README = REPOSITORY / "README.md"


def run(name: str, results: Path, restart: bool, campaigns: Mapping[str, Stages] = CAMPAIGNS) -> dict[str, Any]:
    """Run a campaign's open stages; each result is on disk before the next stage begins."""
    partial = REPOSITORY / ".cache" / f"{results.name}-{name}.json"
    partial.parent.mkdir(exist_ok=True)
    if restart:
        partial.unlink(missing_ok=True)
    found: dict[str, Any] = json.loads(partial.read_text()) if partial.exists() else {}

    def save(stage: str, result: dict[str, Any]) -> None:
        found[stage] = result
        partial.write_text(json.dumps(found))
        sys.stdout.write(f"{stage}: {json.dumps(result)}\n")
        sys.stdout.flush()

    campaigns[name](save, set(found))
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    write_pages(name, results, README)
    partial.unlink()
    return found


def write_pages(name: str, results: Path, readme: Path) -> None:
    """Write a campaign's page, and its part of README where it has one, from its results."""
    found: dict[str, Any] = json.loads((results / f"{name}.json").read_text())
    page = PAGES.get(name, render)
    (results / f"{name}.md").write_text(page(name, CAMPAIGNS[name].__globals__["__doc__"], found))
    if name in PICTURES:
        (results / f"{name}.svg").write_text(PICTURES[name](found))
    if name in PARTS:
        readme.write_text(with_part(readme.read_text(), name, PARTS[name](found)))


def main() -> int:
    """Run the campaign that is named."""
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(names) != 1 or names[0] not in CAMPAIGNS:
        sys.stderr.write(
            f"usage: python -m cluster.acceptance [--restart | --page | --quick] {{{','.join(CAMPAIGNS)}}}\n"
        )
        return 2
    if "--page" in sys.argv:
        write_pages(names[0], RESULTS, README)
        return 0
    if "--quick" in sys.argv and names[0] not in QUICK:
        sys.stderr.write(f"{names[0]} has no quick form; these have one: {', '.join(QUICK)}\n")
        return 2
    return guarded(lambda: _campaign(names[0]))


def _campaign(name: str) -> int:
    if "--quick" in sys.argv:
        run(name, QUICK_RESULTS, restart=True, campaigns=QUICK)
    else:
        run(name, RESULTS, "--restart" in sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
