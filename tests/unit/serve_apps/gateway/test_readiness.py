"""Readiness."""

from dataclasses import replace

import pytest

from serve_apps.gateway.readiness import Observed, judge

WELL = Observed(
    policy=True, policy_stale=False, halted=False, keys=True, wal="", certificate_left_s=100.0, answering_lineages=3,
    needed_lineages=2, failing=[], isolated=[], standing=["root: co-located"],
)  # fmt: skip


def test_a_whole_replica_is_ready() -> None:
    """Nothing missing: ready, and what always stands is still said."""
    judged = judge(WELL)
    assert (judged.ready, judged.reasons, judged.degraded) == (True, [], ["root: co-located"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"policy": False}, "policy"),
        ({"keys": False}, "AuthSnapshot"),
        ({"wal": "no space"}, "no space"),
        ({"certificate_left_s": 0.0}, "certificate"),
        ({"answering_lineages": 1}, "1 lineages"),
    ],
)
def test_anything_an_answer_needs_makes_it_unready(change: dict[str, object], word: str) -> None:
    """Each missing need is a reason of its own."""
    judged = judge(replace(WELL, **change))  # type: ignore[arg-type]
    assert not judged.ready
    assert len(judged.reasons) == 1
    assert word in judged.reasons[0]


def test_what_is_less_than_whole_is_degraded_not_unready() -> None:
    """Halted, stale, isolated and failing voters are said and do not make the replica unready."""
    judged = judge(replace(WELL, halted=True, policy_stale=True, isolated=["a"], failing=["b"]))
    assert judged.ready
    assert set(judged.degraded) == {
        "root: co-located", "halted", "policy: stale", "voter a: isolated", "voter b: failing",
    }  # fmt: skip
