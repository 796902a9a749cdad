"""The page and the picture of the campaign of bad spans. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_WIDTH, _HEIGHT, _LEFT, _TOP, _LEGEND_PX = 480, 320, 56, 40, 18
_LEAST = 1e-4
_NO_MORE = 3
Curve = Sequence[Sequence[float]]


def page(name: str, about: str, results: Mapping[str, Any]) -> str:
    """Return Markdown."""
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`", ""]
    if (found := results.get("in order")) is not None:
        parts += ["## Rows in order", "", *_figures(found), ""]
    if (found := results.get("kinds")) is not None:
        parts += ["## Kinds of bad rows", "", *_kinds(found), ""]
    if (found := results.get("shifts")) is not None:
        parts += ["## Shifts", "", *_shifts(name, found), ""]
    return "\n".join(parts).rstrip() + "\n"


def svg(results: Mapping[str, Any]) -> str:
    """Return each shift's curve at its largest magnitude: recall over the share of rows in order that would be called bad."""
    kinds: Mapping[str, Any] = results.get("shifts", {}).get("kinds", {})
    curves = {
        f"{name}, {list(one['magnitudes'])[-1]} {one['unit']}": one["curve"] for name, one in kinds.items() if "curve" in one
    }  # fmt: skip
    height = _TOP + _HEIGHT + 56 + _LEGEND_PX * len(curves)
    width = _LEFT + _WIDTH + 24
    lines = [*_axes(), *_lines(curves)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">\n<title>recall of shifts</title>\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _figures(found: Mapping[str, Any]) -> list[str]:
    rows = [f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in found.items()]
    return ["| figure | value |", "|---|---|", *rows]


def _kinds(found: Mapping[str, Any]) -> list[str]:
    heads = [
        f"{found['caught']} of {found['instances']} instances of {found['kinds']} kinds were caught.", "",
        "| kind | instances | caught | what was found, rows |", "|---|---:|---:|---|",
    ]  # fmt: skip
    return heads + [
        f"| {name} | {one['instances']} | {_marked(one['caught'], one['instances'])} | {_by(one['by'])} |"
        for name, one in found["by_kind"].items()
    ]  # fmt: skip


def _marked(caught: int, of: int) -> str:
    return str(caught) if caught == of else f"**{caught}**"


def _by(found: Mapping[str, int]) -> str:
    most = list(found.items())[:_NO_MORE]
    return ", ".join(f"`{what.split(' ')[-1]}` {count}" for what, count in most) or "nothing"


def _shifts(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    calm = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in found["calm"].items())
    yield f"Of {found['calm_rows']} rows as they were: {calm}. Recall is at the score that one in a thousand of them exceeds;"
    yield "*warned* and *set aside* are what the guard does of itself, at the severities that it has."
    yield ""
    yield f"![recall of shifts]({name}.svg)"
    yield ""
    yield "| shift | magnitude | rows | AUC | recall at 0.1 % | warned | set aside | others set aside |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for kind, one in found["kinds"].items():
        for magnitude, told in one["magnitudes"].items():
            if not told["rows"]:
                continue
            yield (
                f"| {kind} | {magnitude} {one['unit']} | {told['rows']} | {told['auc']:g} "
                f"| {told['recall_at_0.1_percent']:.1%} | {told['warned']:.1%} | {told['set_aside']:.1%} "
                f"| {told['others_set_aside']:.2%} |"
            )


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    return str(value)


def _axes() -> Iterator[str]:
    bottom = _TOP + _HEIGHT
    yield f'<text x="{_LEFT}" y="20" font-size="14">recall over the share of rows in order called bad</text>'
    for power in range(-4, 1):
        x = _x(10.0**power)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{10.0**power:g}</text>'
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield f'<path d="M{_LEFT} {_y(tick):.1f}H{_LEFT + _WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'


def _lines(curves: Mapping[str, Curve]) -> Iterator[str]:
    for number, (name, curve) in enumerate(curves.items()):
        colour, row = _COLOURS[number % len(_COLOURS)], _TOP + _HEIGHT + 44 + number * _LEGEND_PX
        points = " ".join(f"{_x(share):.1f},{_y(recall):.1f}" for share, recall in curve)
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>'
        yield f'<rect x="{_LEFT}" y="{row - 9}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{_LEFT + 18}" y="{row}">{escape(name)}</text>'


def _x(share: float) -> float:
    return _LEFT + (1 + math.log10(max(share, _LEAST)) / 4) * _WIDTH


def _y(recall: float) -> float:
    return _TOP + (1 - recall) * _HEIGHT
