"""A campaign's results as a page of their own, and as a part of another. Pure."""

from collections.abc import Sequence
from typing import Any


def render(name: str, about: str, results: dict[str, Any]) -> str:
    """Return Markdown: what the campaign does, and one table a stage."""
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`"]
    for stage, result in results.items():
        parts += ["", f"## {stage}", "", "| figure | value |", "|---|---|"]
        parts += [f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in result.items()]
    return "\n".join(parts) + "\n"


def with_part(page: str, name: str, lines: Sequence[str]) -> str:
    """Return another page with the campaign's part between its two comments renewed; ``ValueError`` if they are not there."""
    begin, end = f"<!-- {name}: written by its campaign -->", f"<!-- {name} ends -->"
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has no part between the lines {begin} and {end}: put them where it shall stand")
    return "\n".join([before + begin, "", *lines, "", end + after])


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a stage measured
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    return str(value)
