"""Availability over co-occurrence as one SVG: time lost in a year, on a logarithmic axis, with intervals. Pure.

Colours are Okabe and Ito's, which colour-blind readers tell apart; each line is also named in the legend.
"""

import math
from collections.abc import Mapping
from html import escape

from cluster.simulation.strata import Interval

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_WIDTH, _HEIGHT, _LEFT, _TOP, _LEGEND_PX = 480, 300, 84, 16, 18
_LOW, _HIGH = 1e-6, 1e-1
"""Of the share of time that is lost; what is below is drawn at the edge."""
_YEAR_MIN = 365.25 * 24 * 60


def sweep_svg(available: Mapping[str, Mapping[str, Interval]], title: str) -> str:
    """Return a picture: co-occurrence on the horizontal axis, time without service on the vertical one."""
    shares = sorted({float(share) for each in available.values() for share in each})
    bottom = _TOP + _HEIGHT
    parts = _axes(shares, title)
    for number, (name, each) in enumerate(available.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [
            (_x(float(share), shares, number), one)
            for share, one in sorted(each.items(), key=lambda item: float(item[0]))
        ]
        line = " ".join(f"{x:.1f},{_y(1 - one.value):.1f}" for x, one in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        for x, one in points:
            parts.append(f'<path d="M{x:.1f} {_y(1 - one.low):.1f}V{_y(1 - one.high):.1f}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{_y(1 - one.value):.1f}" r="3" fill="{colour}"/>')
        row = bottom + 52 + number * _LEGEND_PX
        parts.append(f'<rect x="{_LEFT}" y="{row - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + 18}" y="{row}">{escape(name)}</text>')
    width, height = _LEFT + _WIDTH + 24, bottom + 52 + len(available) * _LEGEND_PX
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts) + "\n</svg>\n"
    )  # fmt: skip


def _axes(shares: list[float], title: str) -> list[str]:
    bottom = _TOP + _HEIGHT
    lines = [f"<title>{escape(title)}</title>"]
    for power in range(round(math.log10(_LOW)), round(math.log10(_HIGH)) + 1):
        y = _y(10.0**power)
        lines.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + _WIDTH}" stroke="#ddd"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_lost(10.0**power)}</text>')
    lines += [
        f'<text x="{_x(share, shares, 0):.1f}" y="{bottom + 16}" text-anchor="middle">{share:g}</text>'
        for share in shares
    ]
    lines.append(
        f'<text x="{_LEFT + _WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">share of incidents that co-occur</text>'
    )
    middle = _TOP + _HEIGHT / 2
    lines.append(
        f'<text x="14" y="{middle}" transform="rotate(-90 14 {middle})" text-anchor="middle">lost in a year</text>'
    )
    return lines


def _lost(share: float) -> str:
    minutes = share * _YEAR_MIN
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def _x(share: float, shares: list[float], number: int) -> float:
    spread = (shares[-1] - shares[0]) or 1.0
    return _LEFT + 24 + (share - shares[0]) / spread * (_WIDTH - 56) + 4 * number


def _y(lost: float) -> float:
    low, high = math.log10(_LOW), math.log10(_HIGH)
    place = (math.log10(min(max(lost, _LOW), _HIGH)) - low) / (high - low)
    return _TOP + (1 - place) * _HEIGHT
