"""Readiness."""

from dataclasses import replace

import pytest

from serve_apps.gateway.readiness import RESTART_HEADER, SYSTEM_HEADER, Observed, count_lineages, judge, signs

WELL = Observed(
    policy=True, policy_stale=False, halted=False, keys=True, weights="", wal="", certificate_left_s=100.0,
    answering_lineages=3, restartable_lineages=3, needed_lineages=2, failing=[], isolated=[],
    standing=["root: co-located"], spans="",
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
        ({"weights": "no such file"}, "no such file"),
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
    """Halted, stale, isolated and failing voters and a table that takes no rows are said and do not make the replica unready."""
    judged = judge(replace(WELL, halted=True, policy_stale=True, isolated=["a"], failing=["b"], spans="no space"))
    assert judged.ready
    assert set(judged.degraded) == {
        "root: co-located", "halted", "policy: stale", "voter a: isolated", "voter b: failing", "spans: no space",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        ({"policy": False}, False),
        ({"keys": False}, False),
        ({"weights": "no such file"}, False),
        ({"wal": "no space"}, False),
        ({"certificate_left_s": 0.0}, True),
        ({"answering_lineages": 1, "restartable_lineages": 3}, True),  # our own engines are silent
        ({"answering_lineages": 1, "restartable_lineages": 1}, False),  # isolated, or somebody else's servers
        ({"answering_lineages": 1, "wal": "no space"}, False),
        ({}, False),
    ],
)
def test_a_restart_is_offered_only_where_it_mends(change: dict[str, object], helps: bool) -> None:
    """Each reason says whether a restart can help; one that it cannot mend decides."""
    assert judge(replace(WELL, **change)).restart_helps is helps  # type: ignore[arg-type]


def test_the_supervisor_needs_no_key_to_know() -> None:
    """Headers say whose answer it is and, when not ready, whether a restart could help: nothing else."""
    assert signs(judge(WELL), "s") == {SYSTEM_HEADER: "s"}
    assert signs(judge(replace(WELL, wal="full")), "s") == {SYSTEM_HEADER: "s", RESTART_HEADER: "no"}
    assert signs(judge(replace(WELL, answering_lineages=0)), "s") == {SYSTEM_HEADER: "s", RESTART_HEADER: "helps"}


def test_a_voter_that_fails_does_not_answer() -> None:
    """Its lineage counts only through another voter of it; an engine of our own could be restarted, a foreign server not."""
    deployed = {"a": "x", "b": "x", "c": "y", "d": "z"}
    assert count_lineages(deployed, [], {"a", "b", "c"}) == (3, 3)
    assert count_lineages(deployed, ["a"], {"a", "b", "c"}) == (3, 3)
    assert count_lineages(deployed, ["a", "b", "d"], {"a", "b", "c"}) == (1, 2)
    assert count_lineages({}, ["a"], {"a"}) == (0, 0)
