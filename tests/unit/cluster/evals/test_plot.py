from xml.etree import ElementTree as ET

from cluster.evals.plot import curves_svg
from cluster.evals.statistics import CurvePoint

SVG = "{http://www.w3.org/2000/svg}"


def test_every_curve_is_drawn_and_named() -> None:
    """Each has its line, a dot a point, its name, and a colour of its own; names are escaped."""
    curves = {
        "a < b": (CurvePoint(0.9, 0.5, 0.0), CurvePoint(0.1, 1.0, 0.5)),
        "other": (CurvePoint(1.0, 1.0, 0.25),),
    }
    root = ET.fromstring(curves_svg(curves, "error over coverage"))  # noqa: S314 - our own picture
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == 2
    assert len({line.get("stroke") for line in lines}) == 2
    assert len(root.findall(f"{SVG}circle")) == 3
    assert {"a < b", "other", "coverage", "error"} <= {text.text for text in root.findall(f"{SVG}text")}


def test_no_error_at_full_coverage_is_the_corner_at_the_bottom_right() -> None:
    """Coverage grows to the right and error upwards."""
    root = ET.fromstring(  # noqa: S314 - our own picture
        curves_svg({"a": (CurvePoint(1.0, 0.0, 1.0), CurvePoint(0.5, 1.0, 0.0))}, "t")
    )
    line = root.find(f"{SVG}polyline")
    assert line is not None
    (left, high), (right, low) = [tuple(map(float, point.split(","))) for point in str(line.get("points")).split()]
    assert left < right
    assert high < low
