"""The page and the picture of the spike campaign. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cluster.acceptance.spike import GENERATOR, OURS, PEER
from cluster.acceptance.timeline import Panel, picture

SYSTEMS = (OURS, PEER)
_WORDS = {True: "yes", False: "**no**", None: "not judged"}
_PHASE_ROWS = {
    "requests_per_s": "requests/s", "served_per_s": "served/s", "served_degraded": "served, degraded",
    "p50_ms": "served, p50 ms", "p99_ms": "served, p99 ms",
    "refused_429_share": "share of 429", "refused_429_by_code": "429 by code",
    "refused_429_without_retry_after": "429 without Retry-After", "refused_429_p99_ms": "429, p99 ms",
    "other_outcomes": "any other outcome",
}  # fmt: skip


def page(name: str, about: str, results: Mapping[str, Any]) -> str:
    """Return Markdown."""
    there = [system for system in SYSTEMS if system in results]
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`", ""]
    parts += [f"![requests, latency and memory over time]({name}.svg)", "", *_verdicts(there, results), ""]
    for system in there:
        parts += [f"## {system}", "", *_system(results[system]), ""]
    if GENERATOR in results:
        parts += ["## The generator", "", *_generator(results[GENERATOR])]
    return "\n".join(parts).rstrip() + "\n"


def svg(results: Mapping[str, Any]) -> str:
    """Return the picture: what was due and what became of it, latency, memory."""
    columns = {system: _panels(results[system]["series"]) for system in SYSTEMS if system in results}
    first = next((results[system]["phases"] for system in SYSTEMS if system in results), None)
    band = (
        None if first is None else (first["normal"]["seconds"], first["normal"]["seconds"] + first["spike"]["seconds"])
    )
    return picture("a step to fifty times the load", columns, band)


def _panels(series: Mapping[str, Any]) -> list[Panel]:
    by_second = {
        key: [(second + 0.5, value) for second, value in enumerate(series[key])] for key in series if key != "rss_mib"
    }
    requests = {"due": "due", "served": "served", "refused": "refused with 429", "failed": "failed otherwise"}
    return [
        Panel("requests a second", {label: by_second[key] for key, label in requests.items()}, log=True),
        Panel("latency of what was served, ms", {"p50": by_second["p50_ms"], "p99": by_second["p99_ms"]}, log=True),
        Panel(
            "resident memory, MiB", {key: [tuple(point) for point in line] for key, line in series["rss_mib"].items()}
        ),
    ]


def _verdicts(there: Sequence[str], results: Mapping[str, Any]) -> list[str]:
    lines = [f"| wanted | {' | '.join(there)} |", "|---|" + "---|" * len(there)]
    wanted = list(dict.fromkeys(key for system in there for key in results[system]["verdict"]))
    for key in wanted:
        words = (_WORDS[results[system]["verdict"].get(key)] for system in there)
        lines.append(f"| {key} | {' | '.join(words)} |")
    figures: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "saturation, requests/s": lambda found: found["saturation_per_s"],
        "normal load, requests/s (mean)": lambda found: found["phases"]["normal"]["requests_per_s"],
        "spike, requests/s (mean)": lambda found: found["phases"]["spike"]["requests_per_s"],
        "back to normal after, s": lambda found: _or_never(found["back_to_normal_after_s"]),
        "memory of all processes, most over normal": lambda found: (
            f"{found['rss_mib']['all']['most_over_normal']:.2f} ×"
        ),
    }
    return lines + [
        f"| {label} | {' | '.join(str(figure(results[system])) for system in there)} |"
        for label, figure in figures.items()
    ]


def _system(found: Mapping[str, Any]) -> list[str]:
    phases = found["phases"]
    lines = [f"| | {' | '.join(phases)} |", "|---|" + "---:|" * len(phases)]
    for key, label in _PHASE_ROWS.items():
        lines.append(f"| {label} | {' | '.join(_shown(phase[key]) for phase in phases.values())} |")
    lines += ["", "| resident MiB | normal | most since | at the end |", "|---|---:|---:|---:|"]
    lines += [
        f"| {role} | {mib['normal']:.0f} | {mib['most']:.0f} | {mib['at_the_end']:.0f} |"
        for role, mib in found["rss_mib"].items()
    ]
    lines += ["", "| requests/s tried | served | p50 ms | p99 ms |", "|---:|---:|---:|---:|"]
    lines += [
        f"| {step['per_s']:.1f} | {step['served_share']:.2%} | {step['p50_ms']} | {step['p99_ms']} |"
        for step in found["saturation_steps"]
    ]
    generator = found["generator"]
    told = [
        f"Load average of the machine at the end {found['load_average']}.",
        f"The generator took {generator['cores']:.2f} cores, {generator['cores_in_the_spike']:.2f} at most in the spike;",
        f"99 % of its requests were sent at most {generator['late_p99_ms']} ms late.",
        *_bursts(found),
        *_below(found),
    ]
    if "version" in found:
        told.append(f"Version {found['version']}, one worker, its defaults.")
    if records := found.get("records"):
        wrong = records["answers_without_verifiable_record"]
        told.append(f"Records looked for on disk: {records['checked_on_disk']}, missing or wrong: {wrong}.")
    return [*lines, "", *told]


def _bursts(found: Mapping[str, Any]) -> list[str]:
    *before, after = [f"{each['refused_429']} of {each['requests']}" for each in found["beyond_saturation"]]
    return [
        f"The trace itself asks for more than saturation in {found['beyond_saturation'][-1]['seconds']} seconds each time.",
        f"Of what came then was refused: {', '.join(before)} in the repetitions before the spike, {after} after it.",
    ]


def _below(found: Mapping[str, Any]) -> list[str]:
    """Return what normal load lost where it was below saturation, second by second; nothing of results that do not tell it."""
    below = found.get("below_saturation")
    if below is None:
        return []
    told = ", ".join(f"{count} of {due} in second {second}" for second, (count, due) in below["seconds"].items())
    refused = f"{below['refused_429']} of {below['requests']}"
    return [f"Of all that came before the spike below saturation was refused: {refused}{': ' * bool(told)}{told}."]


def _generator(found: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Against a server that answers at once it keeps up with {found['limit_per_s']:.0f} requests a second.",
        "",
    ]
    lines += ["| requests/s | p50 ms | p99 ms | sent late, p99 ms | cores |", "|---:|---:|---:|---:|---:|"]
    return lines + [
        f"| {item['per_s']:.0f} | {item['p50_ms']} | {item['p99_ms']} | {item['late_p99_ms']} | {item['cores']} |"
        for item in found["tried"]
    ]


def _or_never(value: float | None) -> str:
    return "not within the phase" if value is None else f"{value:g}"


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a phase has
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {count}" for key, count in value.items()) or "none"
    return "–" if value is None else str(value)
