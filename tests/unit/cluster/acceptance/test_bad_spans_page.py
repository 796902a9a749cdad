"""The page of bad spans says what was caught, what was not, and at what cost."""

from xml.etree import ElementTree as ET

from cluster.acceptance.bad_spans_page import page, svg

RESULTS = {
    "in order": {"emitted_spans": 100_000, "set_aside": 3, "why": {"latency": 3}},
    "kinds": {
        "kinds": 2, "instances": 400, "caught": 399,
        "by_kind": {
            "root: dropped": {"instances": 200, "caught": 200, "by": {"CrossReferenceValidator row_without_decision": 800}},
            "voter: odd": {"instances": 200, "caught": 199, "by": {}},
        },
    },
    "shifts": {
        "calm_rows": 5000, "calm": {"notices": 4, "warnings": 0, "set_aside": 0},
        "kinds": {
            "a voter slower": {
                "unit": "times", "curve": [(0.0001, 0.2), (1.0, 1.0)],
                "magnitudes": {
                    "2": {
                        "rows": 90, "auc": 0.9, "recall_at_0.1_percent": 0.5, "warned": 0.25, "set_aside": 0.0,
                        "others_set_aside": 0.0,
                    },
                    "4": {"rows": 0},
                },
            }
        },
    },
}  # fmt: skip


def test_every_part_that_was_measured_is_told() -> None:
    """What was missed stands out; a magnitude that changed nothing is left out."""
    text = page("bad_spans", "About.", RESULTS)
    assert "| emitted spans | 100000 |" in text
    assert "399 of 400 instances of 2 kinds were caught." in text
    assert "| root: dropped | 200 | 200 | `row_without_decision` 800 |" in text
    assert "| voter: odd | 200 | **199** | nothing |" in text
    assert "| a voter slower | 2 times | 90 | 0.9 | 50.0% | 25.0% | 0.0% | 0.00% |" in text
    assert "4 times" not in text
    assert "## Shifts" not in page("bad_spans", "About.", {"in order": RESULTS["in order"]})


def test_the_picture_shows_each_curve_and_names_it() -> None:
    """On a logarithmic share of rows in order; nothing measured makes an empty one."""
    drawn = ET.fromstring(svg(RESULTS))  # noqa: S314 - our own picture
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert [line.get("points") for line in lines] == ["56.0,296.0 536.0,40.0"]
    assert "a voter slower, 4 times" in {text.text for text in drawn.iter() if text.text}
    assert ET.fromstring(svg({})).findall("{http://www.w3.org/2000/svg}polyline") == []  # noqa: S314
