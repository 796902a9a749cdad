"""A picture shows every line where it belongs."""

from xml.etree import ElementTree as ET

import pytest

from cluster.acceptance.timeline import Panel, picture, scale

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> ET.Element:
    """Read a picture."""
    return ET.fromstring(text)  # noqa: S314 - our own picture


def test_systems_stand_beside_each_other_and_panels_below() -> None:
    """Every line is drawn and named, in a colour of its own; names are escaped; the band is in every panel."""
    panels = [
        Panel("a", {"x < y": [(0.0, 1.0), (10.0, 2.0)], "z": [(0.0, 3.0), (10.0, 4.0)]}),
        Panel("b", {"w": [(0.0, 1.0), (10.0, 5.0)]}),
    ]
    root = drawn(picture("t", {"ours": panels, "peer": panels}, (2.0, 4.0)))
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == 6
    assert len({line.get("stroke") for line in lines[:2]}) == 2
    assert {"t", "ours", "peer", "a", "b", "x < y", "z", "w"} <= {text.text for text in root.iter() if text.text}
    assert len([box for box in root.findall(f"{SVG}rect") if box.get("fill") == "#f2f2f2"]) == 4


@pytest.mark.parametrize("log", [False, True])
def test_more_is_higher_and_later_is_further_right(log: bool) -> None:
    """On both scales; what is not above zero has no place on the logarithmic one."""
    root = drawn(picture("t", {"s": [Panel("p", {"l": [(0.0, 1.0), (5.0, 0.0), (10.0, 90.0)]}, log=log)]}))
    line = root.find(f"{SVG}polyline")
    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in str(line.get("points")).split()]
    assert len(points) == (2 if log else 3)
    assert points[0][0] < points[-1][0]
    assert points[0][1] > points[-1][1]


def test_axes_end_at_round_values() -> None:
    """From zero to the next half of the leading unit, or over whole powers of ten."""
    line = {"l": [(0.0, 3.2), (1.0, 120.0)]}
    assert scale(Panel("p", line)).high == 150.0
    assert (scale(Panel("p", line, log=True)).low, scale(Panel("p", line, log=True)).high) == (1.0, 1000.0)


def test_nothing_to_show_is_an_empty_picture() -> None:
    """A stage that was not run, or a second without a served request, breaks nothing."""
    assert drawn(picture("t", {}, None)).tag == f"{SVG}svg"
    assert drawn(picture("t", {"s": [Panel("p", {"l": [(0.0, 0.0)]}, log=True)]}, (0.0, 1.0))).tag == f"{SVG}svg"
