"""Scoring of screening."""

import json

from cluster.bench.pairs import read
from cluster.bench.screening import PAIRS, Count, Scorer, _as_json, p95, reached, section


def test_what_is_wanted_is_recall_at_no_more_false_positives() -> None:
    """More recall alone does not reach it, nor fewer false positives alone."""
    assert reached({"vulnerable": Count(10, 9, 5), "fixed": Count(10, 1, 1)})
    assert not reached({"vulnerable": Count(10, 9, 5), "fixed": Count(10, 2, 1)})
    assert not reached({"vulnerable": Count(10, 8, 5), "fixed": Count(10, 0, 1)})


def test_a_file_is_judged_by_both() -> None:
    """One count holds both verdicts, the rules that rejected, and both times; it can be written down."""
    count = Count()
    assert Scorer().judge("import subprocess\nsubprocess.call(x, shell=True)", count) == "reject"
    assert (count.files, count.ours, count.bandit) == (1, 1, 1)
    assert "danger-shell" in count.rules
    assert len(count.ours_ms) == len(count.bandit_ms) == 1
    assert json.loads(json.dumps(_as_json("tuning", {"x": count})))["sets"]["x"]["files"] == 1


def test_the_section_tells_both_and_what_is_wanted() -> None:
    """Counts with their shares, times, and recall as a multiple of Bandit's."""
    counts = {
        "vulnerable": Count(10, 9, 5, ours_ms=[4.0], bandit_ms=[2.0]),
        "fixed": Count(10, 2, 1, 3, ours_ms=[4.0], bandit_ms=[2.0]),
    }
    text = section("held-out", [], counts, "0.1")
    assert "| fixed | 10 | 2 (20.0%) | 1 (10.0%) | 3 (30.0%) | 4.0 | 2.0 |" in text
    assert "Recall: 1.80 × Bandit's, 1.7 × wanted at no more false positives: **not** reached." in text
    assert text.endswith("load average before the run 0.1.")


def test_percentiles() -> None:
    """The 95th of 1 to 100."""
    assert 95 <= p95([float(n) for n in range(1, 101)]) <= 96
    assert p95([3.0]) == 3.0


def test_the_tuning_half_keeps_its_ratio() -> None:
    """On what the rules were tuned on, recall stays 1.7 times Bandit's at no more false positives."""
    scorer = Scorer()
    pairs = [pair for pair in read(PAIRS) if pair.half == "tuning"]
    vulnerable, fixed = scorer.all(p.vulnerable for p in pairs), scorer.all(p.fixed for p in pairs)
    assert reached({"vulnerable": vulnerable, "fixed": fixed})
