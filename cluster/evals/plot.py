"""Error over coverage of several selectors as one SVG. Pure; a picture of six lines needs no library.

Colours are Okabe and Ito's, which colour-blind readers tell apart; each line is also named where it ends.
"""

from collections.abc import Mapping, Sequence
from html import escape

from cluster.evals.statistics import CurvePoint

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_WIDTH, _HEIGHT, _LEFT, _TOP, _LEGEND_PX = 480, 320, 56, 16, 18
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def curves_svg(curves: Mapping[str, Sequence[CurvePoint]], title: str) -> str:
    """Return a picture with coverage from 0 to 1 on the horizontal axis and error on the vertical one."""
    bottom = _TOP + _HEIGHT
    parts = [_axes(bottom, title)]
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{_x(point.coverage):.1f},{_y(point.error):.1f}" for point in curve)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
        parts += [
            f'<circle cx="{_x(point.coverage):.1f}" cy="{_y(point.error):.1f}" r="3" fill="{colour}"/>'
            for point in curve
        ]
        row = bottom + 52 + number * _LEGEND_PX
        parts.append(f'<rect x="{_LEFT}" y="{row - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + 18}" y="{row}">{escape(name)}</text>')
    width, height = _LEFT + _WIDTH + 24, bottom + 52 + len(curves) * _LEGEND_PX
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts) + "\n</svg>\n"
    )  # fmt: skip


def _axes(bottom: int, title: str) -> str:
    lines = [f"<title>{escape(title)}</title>"]
    for tick in _TICKS:
        lines += [
            f'<path d="M{_LEFT} {_y(tick):.1f}H{_LEFT + _WIDTH}M{_x(tick):.1f} {_TOP}V{bottom}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 6}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>',
            f'<text x="{_x(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>',
        ]
    lines.append(f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">coverage</text>')
    lines.append(f'<text x="14" y="{_TOP + _HEIGHT / 2}" transform="rotate(-90 14 {_TOP + _HEIGHT / 2})">error</text>')
    return "\n".join(lines)


def _x(coverage: float) -> float:
    return _LEFT + coverage * _WIDTH


def _y(error: float) -> float:
    return _TOP + (1 - error) * _HEIGHT
