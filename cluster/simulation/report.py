"""What a simulation found, as a page of Markdown. Pure."""

from collections.abc import Mapping

from cluster.simulation.availability import Availability
from cluster.simulation.ills import ASSUMED, Ill
from cluster.simulation.outages import MODES
from cluster.simulation.strata import Interval

MOST_CAUSES = 12
_YEAR_H = 365.25 * 24
_ERRORS = (
    "In brackets: what the middle 95 % of histories of this length span that are drawn from the simulated weeks, which is what "
    "so short a history leaves open; behind ± the standard error of so many requests, which is the estimate's own."
)
_COUNTED = (
    "A 422 after a vote is the policy's own word and counts as available: the caller knows that nothing can be vouched for. 503, "
    "504 and cut connections are failures. The baselines take any text for an answer and check none."
)
_HOLDS = (
    "What these figures hold: outages of providers as histories tell them, and of our own side as assumed below. What they do "
    "not hold: load. Requests come at the mean pace of the trace, one independent of the other, everybody is let in at once "
    "(no admission, no limits), and the processors of the machine are never short. So no 429 happens here. What bursts cost is "
    "measured on the running system, which does have a saturation: `spike.md`, also under normal load. Restarts that an operator "
    "orders are left out, too."
)


def percent(value: float) -> str:
    """Return a share with as many digits as tell its nines."""
    return f"{value * 100:.4f} %"


def shown(one: Interval) -> str:
    """Return a figure with both of its errors."""
    return f"{percent(one.value)} ({percent(one.low)} to {percent(one.high)}; ± {percent(one.error)})"


def lines(found: Availability) -> list[str]:
    """Return the availability's part of a page."""
    rate = found.years / found.seconds * 60 if found.seconds else 0.0
    took = f"{found.years:.1f} simulated years in {found.seconds:.0f} s on {found.workers} processors: {rate:.1f} years a minute"
    decided = f"{found.requests} requests decided, {found.fair_requests} of them in fair weather"
    busy = f"{found.processor_s:.0f} s of processor time, so {found.processor_s / found.workers:.0f} s where nothing else runs"
    return [
        f"{took} ({busy}), {decided}. {len(found.breaches)} invariants broken.", "",
        f"Histories: {found.source}. {_ERRORS}", "",
        *_table("available: answered, or honestly refused for want of agreement", found.available), "",
        *_table("answered", found.answered), "",
        *_table("answered rightly", found.right), "",
        _COUNTED, "", _HOLDS, "",
        "| what was under way | lost of all time | hours a year |", "|---|---|---|",
        *(f"| {cause} | {percent(share)} | {share * _YEAR_H:.2f} |" for cause, share in list(found.lost.items())[:MOST_CAUSES]),
        "", "Assumed, for no public history tells it:", "", *assumptions(),
    ]  # fmt: skip


def _table(title: str, by_stack: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    together = sorted({share for each in by_stack.values() for share in each}, key=float)
    return [
        f"| {title} | " + " | ".join(f"co-occurrence {share}" for share in together) + " |", "|---" * (len(together) + 1) + "|",
        *(f"| {stack} | " + " | ".join(shown(each[share]) for share in together) + " |" for stack, each in by_stack.items()),
    ]  # fmt: skip


def assumptions() -> list[str]:
    """Return what the figures rest on beside the histories."""
    modes = ", ".join(f"{share * 100:.0f} % {kind}" for kind, share, _ in MODES)
    head = ["| what | of each | every | lasts |", "|---|---|---|---|"]
    return [
        f"- a provider that answers nothing shows it as: {modes}",
        "- our own side:",
        "",
        *head,
        *map(_row, ASSUMED),
    ]


def _row(ill: Ill) -> str:
    value = f" ({ill.value:g})" if ill.value else ""
    return f"| {ill.kind}{value} | {ill.whom or 'site'} | {ill.every_days:g} days | {ill.lasts_s:g} s |"
