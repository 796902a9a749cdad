"""What happened over time as one SVG: panels below each other, systems beside each other. Pure.

Colours are Okabe and Ito's, which colour-blind readers tell apart; every line is also named beside its panel.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_WIDTH, _HEIGHT, _LEFT, _TOP, _ROW_PX, _GAP = 400, 150, 64, 56, 16, 44
_TICKS = 4
Line = Sequence[tuple[float, float]]
"""Points (seconds, value)."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram."""

    title: str
    """What is shown, with its unit."""
    lines: Mapping[str, Line]
    log: bool = False
    """Values on a logarithmic scale; what is not above zero is left out."""


def picture(title: str, columns: Mapping[str, Sequence[Panel]], band: tuple[float, float] | None = None) -> str:
    """Return a picture; a column is a system, ``band`` the seconds that are shaded in all panels."""
    rows = max((len(panels) for panels in columns.values()), default=0)
    depths = [_depth(columns, row) for row in range(rows)]
    width, height = len(columns) * (_LEFT + _WIDTH + 24), _TOP + sum(depths)
    parts = [f"<title>{escape(title)}</title>", '<rect width="100%" height="100%" fill="white"/>']
    for number, (name, panels) in enumerate(columns.items()):
        left, top = _LEFT + number * (_LEFT + _WIDTH + 24), float(_TOP)
        parts.append(f'<text x="{left}" y="24" font-size="15" font-weight="bold">{escape(name)}</text>')
        for panel, depth in zip(panels, depths, strict=False):
            parts += _panel(panel, left, top, band)
            top += depth
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _depth(columns: Mapping[str, Sequence[Panel]], row: int) -> int:
    most = max((len(panels[row].lines) for panels in columns.values() if row < len(panels)), default=0)
    return _HEIGHT + _GAP + math.ceil(most / 2) * _ROW_PX


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """Return where between low (0) and high (1) a value lies."""
        if self.log:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return values to write beside the axis."""
        if not self.log:
            return [self.low + (self.high - self.low) * number / _TICKS for number in range(_TICKS + 1)]
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0**power for power in range(first, last + 1)]


def scale(panel: Panel) -> _Scale:
    """Return the panel's vertical scale: from zero to a round value, or whole powers of ten."""
    values = [value for line in panel.lines.values() for _, value in line if value > 0]
    if not values:
        return _Scale(1.0 if panel.log else 0.0, 10.0 if panel.log else 1.0, panel.log)
    if panel.log:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return _Scale(10.0**low, 10.0 ** max(high, low + 1), log=True)
    unit = 10.0 ** math.floor(math.log10(max(values)))
    return _Scale(0.0, math.ceil(max(values) / unit * 2) / 2 * unit, log=False)


def _panel(panel: Panel, left: float, top: float, band: tuple[float, float] | None) -> Iterator[str]:
    end_s = max((second for line in panel.lines.values() for second, _ in line), default=1.0) or 1.0
    vertical, bottom = scale(panel), top + _HEIGHT

    def at(second: float, value: float) -> str:
        return f"{left + second / end_s * _WIDTH:.1f},{bottom - vertical.share(value) * _HEIGHT:.1f}"

    yield f'<text x="{left}" y="{top - 8:.0f}">{escape(panel.title)}</text>'
    if band is not None:
        begin, width = left + band[0] / end_s * _WIDTH, (min(band[1], end_s) - band[0]) / end_s * _WIDTH
        yield f'<rect x="{begin:.1f}" y="{top}" width="{width:.1f}" height="{_HEIGHT}" fill="#f2f2f2"/>'
    for tick in vertical.ticks():
        y = bottom - vertical.share(tick) * _HEIGHT
        yield f'<path d="M{left} {y:.1f}H{left + _WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for second in (0.0, end_s / 2, end_s):
        x = left + second / end_s * _WIDTH
        yield f'<text x="{x:.1f}" y="{bottom + 14:.0f}" text-anchor="middle">{second:.0f} s</text>'
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(at(second, value) for second, value in line if value > 0 or not panel.log)
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'
        x, y = left + number % 2 * _WIDTH / 2, bottom + 30 + number // 2 * _ROW_PX
        yield f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 16:.0f}" y="{y:.0f}">{escape(name)}</text>'
