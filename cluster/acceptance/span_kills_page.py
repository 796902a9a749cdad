"""The page of ``span_kills``: one row a story and kind of strike, then the steps by what they do. Pure."""

from collections.abc import Iterator
from typing import Any

from cluster.acceptance.span_kills import BESIDE, FULL, LOST, WAYS
from cluster.acceptance.span_stories import stories

HEAD = [
    "| story | struck | strikes | acknowledged rows looked for | strikes with faults | took s |",
    "|---|---|---|---|---|---|",
]


def page(name: str, about: str, results: dict[str, Any]) -> str:
    """Return Markdown: what the campaign does, what came of every strike, and which steps there are."""
    parts = [f"# {name}", "", about.strip(), "", f"`make acceptance NAME={name}`", "", "## Strikes", "", *HEAD]
    parts += [f"| {' | '.join(str(cell) for cell in row)} |" for row in _rows(results)]
    parts += ["", *_not_run(results)]
    parts += ["", "## Faults", "", *([f"- {fault}" for fault in _faults(results)] or ["None."])]
    parts += ["", "## Requests beside a bad disk", "", "| figure | value |", "|---|---|"]
    parts += [f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in results.get(BESIDE, {}).items()]
    parts += ["", "## Idle files", "", _idle(results), "", "## Steps"]
    for stage, result in results.items():
        if stage.endswith(": steps"):
            parts += ["", f"### {stage.removesuffix(': steps')}: {result['steps']} of {len(result['kinds'])} kinds", ""]
            parts += [f"- `{kind}` {count}" for kind, count in sorted(result["kinds"].items())]
    return "\n".join(parts) + "\n"


def _looks(results: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Yield story, kind of strike, figures and how long it took."""
    for stage, result in results.items():
        story, colon, what = stage.partition(": ")
        if not colon or what == "steps":
            continue
        if "strikes" in result:
            yield story, what, result, result.get("took_s", "")
            continue
        for state, found in result.items():
            if isinstance(found, dict):
                yield story, f"{what}: {state}", found, result.get("took_s", "")


def _rows(results: dict[str, Any]) -> Iterator[list[Any]]:
    for story, what, found, took_s in _looks(results):
        yield [
            story, what, found["strikes"], found["acknowledged_rows_looked_for"], found["strikes_with_faults"], took_s,
        ]  # fmt: skip


def _not_run(results: dict[str, Any]) -> list[str]:
    """Say what was not struck when these results were kept: a page of half a campaign does not pass for a whole one."""
    left, whats = list[str](), (*WAYS, LOST, FULL)
    for name in (lived.name for lived in stories(1)):
        open_ones = [f"{name}: {what}" for what in whats if f"{name}: {what}" not in results]
        left += open_ones if len(open_ones) < len(whats) else [f"{name}: everything"]
    return [f"Not run: {'; '.join(left)}."] if left else ["Everything was run."]


def _faults(results: dict[str, Any]) -> list[str]:
    found = [f"{story}, {what}: {fault}" for story, what, look, _ in _looks(results) for fault in look["faults"]]
    return found + [f"{BESIDE}: {fault}" for fault in results.get(BESIDE, {}).get("faults", ())]


def _idle(results: dict[str, Any]) -> str:
    """Say how many files a kill left that nobody removes."""
    kills = [found for _, what, found, _ in _looks(results) if what in {"killed", "torn"}]
    strikes = sum(found["strikes"] for found in kills)
    left: dict[str, int] = {}
    for found in kills:
        for where, count in found["idle_files_left"].items():
            left[where] = left.get(where, 0) + count
    told = ", ".join(f"{count} {where}" for where, count in sorted(left.items())) or "none"
    return f"After {strikes} kills, files that mean nothing and that nobody removed: {told}."


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a stage measured
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
