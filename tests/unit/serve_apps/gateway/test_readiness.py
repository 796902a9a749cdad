"""Readiness."""

from dataclasses import replace

import pytest

from serve_apps.gateway.layers import LayerStanding
from serve_apps.gateway.readiness import RESTART_HEADER, SYSTEM_HEADER, Observed, judge, signs


def layer(answering: int, restartable: int = 3, name: str = "primary") -> LayerStanding:
    """Return a layer that needs two lineages."""
    return LayerStanding(
        name, 0, "0.6", 2, "1.0", "1.0", "full", "open", {}, answering, max(answering, restartable), able=answering >= 2
    )


WELL = Observed(
    policy=True, policy_stale=False, halted=False, keys=True, weights="", wal="", certificate_left_s=100.0,
    layers=[layer(3)], failing=[], isolated=[], standing=["root: co-located"], spans="", database="",
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
        ({"layers": [layer(1)]}, "1 lineages"),
    ],
)
def test_anything_an_answer_needs_makes_it_unready(change: dict[str, object], word: str) -> None:
    """Each missing need is a reason of its own."""
    judged = judge(replace(WELL, **change))  # type: ignore[arg-type]
    assert not judged.ready
    assert len(judged.reasons) == 1
    assert word in judged.reasons[0]


def test_what_is_less_than_whole_is_degraded_not_unready() -> None:
    """Halted, stale, isolated and failing voters, a table or a database that takes nothing are said; the replica stays ready."""
    less = replace(
        WELL,
        halted=True,
        policy_stale=True,
        isolated=["a"],
        failing=["b"],
        spans="no space",
        database="too many clients",
    )
    judged = judge(less)
    assert judged.ready
    assert set(judged.degraded) == {
        "root: co-located", "halted", "policy: stale", "voter a: isolated", "voter b: failing", "spans: no space",
        "state database: too many clients",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        ({"policy": False}, False),
        ({"keys": False}, False),
        ({"weights": "no such file"}, False),
        ({"wal": "no space"}, False),
        ({"certificate_left_s": 0.0}, True),
        ({"layers": [layer(1)]}, True),  # our own engines are silent
        ({"layers": [layer(1, 1)]}, False),  # isolated, or somebody else's servers
        ({"layers": [layer(1)], "wal": "no space"}, False),
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
    assert signs(judge(replace(WELL, layers=[layer(0)])), "s") == {SYSTEM_HEADER: "s", RESTART_HEADER: "helps"}


def test_one_layer_that_can_decide_is_enough_and_the_others_are_told() -> None:
    """While the backup votes, a first layer that cannot is degraded, not unready; with neither, both are reasons."""
    judged = judge(replace(WELL, layers=[layer(1), layer(2, name="backup")]))
    assert judged.ready
    assert "layer primary: 1 lineages can vote, 2 are needed" in judged.degraded
    judged = judge(replace(WELL, layers=[layer(1), layer(0, name="backup")]))
    assert judged.reasons == [
        "layer primary: 1 lineages can vote, 2 are needed; layer backup: 0 lineages can vote, 2 are needed"
    ]
