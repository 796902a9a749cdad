"""A campaign's results as a page. Pure."""

from typing import Any


def render(name: str, about: str, results: dict[str, Any]) -> str:
    """Return Markdown: what the campaign does, and one table a stage."""
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`"]
    for stage, result in results.items():
        parts += ["", f"## {stage}", "", "| figure | value |", "|---|---|"]
        parts += [f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in result.items()]
    return "\n".join(parts) + "\n"


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a stage measured
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    return str(value)
