"""What a request under a fault is called, and the page of all of them."""

from typing import Any

import pytest

from cluster.acceptance.fault_matrix import MODES, STRIKES, cell, counted_ballots, judged, key_of, p95, page, totals
from cluster.acceptance.official_client import Heard

TEXT = "Paris, on the Seine"
LAYERS = ("primary", "backup")
TRIED = [{"name": name, "outcome": "unavailable", "cause": "too few"} for name in LAYERS]


def heard(took_s: float = 1.0, **more: Any) -> Heard:
    """Return a right answer, or what else is said of it."""
    right = {"status": 200, "text": TEXT, "finish_reason": "stop", "is_done": True, "decision_id": "01D"}
    return Heard(10.0, 10.0 + took_s, **(right | more))


def refused(status: int = 503, code: str = "all_layers_failed", tried: Any = TRIED, **headers: str) -> Heard:
    """Return a refusal in the contract's form."""
    error = {"message": "m", "type": "server_error", "code": code, "param": None}
    body = {"error": error, "weavergen": {"layer": {"tried": tried}}}
    shown = headers or {"x-should-retry": "false"}
    return Heard(
        10.0, 11.0, status, error=body, headers={name.replace("_", "-"): value for name, value in shown.items()}
    )


RIGHT_OR_NOT: list[tuple[Heard, str]] = [
    (heard(), "right"),
    (heard(text="Paris"), "truncated"),
    (heard(text=""), "truncated"),
    (heard(finish_reason=None), "truncated"),
    (heard(finish_reason="length"), "truncated"),
    (heard(is_done=False), "truncated"),
    (heard(text="Rome"), "wrong"),
    (heard(took_s=4.01), "hang"),
    (heard(status=0), "unclean"),
    (heard(broke="APIError: cut"), "unclean"),
    (heard(status=500, error={}), "unclean"),
    (refused(), "error"),
    (refused(504, "deadline_exceeded"), "error"),
    (refused(429, "overloaded", retry_after="1"), "error"),
    (refused(429, "overloaded"), "unclean"),
    (refused(500), "unclean"),
    (refused(422, "no_consensus"), "unclean"),
    (refused(tried=TRIED[:1]), "unclean"),
    (refused(tried=[TRIED[0], {**TRIED[1], "cause": ""}]), "unclean"),
    (refused(x_should_retry="true"), "unclean"),
    (refused(503, "voter_unavailable"), "unclean"),
]


@pytest.mark.parametrize(("came", "word"), RIGHT_OR_NOT)
def test_what_came_has_one_name(came: Heard, word: str) -> None:
    """Right is whole and in time; clean is the contract's form with every layer's cause; all else is counted against us."""
    assert judged(came, {TEXT}, LAYERS, 3.0) == word


def test_a_voter_that_was_asked_by_name_says_for_itself_why() -> None:
    """It may be unavailable, which a panel may not; no layer has to give a cause."""
    assert judged(refused(503, "voter_unavailable", tried=[]), {TEXT}, (), 3.0) == "error"
    assert judged(refused(503, "all_layers_failed"), {TEXT}, (), 3.0) == "unclean"


def test_a_ballot_of_a_struck_voter_counts_against_us() -> None:
    """Whether it agreed or not, and whether the request was answered or refused."""
    votes = [
        {"voter": "a", "outcome": "dissented"},
        {"voter": "b", "outcome": "agreed"},
        {"voter": "c", "outcome": "failed"},
    ]
    assert counted_ballots(heard(told={"votes": votes}), {"a", "c"}) == 1
    assert counted_ballots(Heard(0.0, status=503, error={"weavergen": {"votes": votes}}), {"a", "b"}) == 2


def test_the_95th_percentile_of_few_is_the_largest() -> None:
    """Nearest rank: of twenty the nineteenth."""
    assert (p95([3.0, 1.0, 2.0]), p95([float(n) for n in range(20, 0, -1)])) == (3.0, 19.0)


def results() -> dict[str, Any]:
    """Return two modes of one row, in which one answer was cut."""
    good = cell([heard(), heard(2.0)], ["right", "right"], 0, 5)
    bad = cell([heard(), heard(text="Paris")], ["right", "truncated"], 1, 1)
    clean = cell([refused()], ["error"], 0, 1)
    cells = {key_of("one", "openai", "silent"): good, key_of("everybody", "all", "silent"): clean}
    records = {"checked_on_disk": 2, "answers_without_verifiable_record": 0}
    modes = {mode: {"load_average": "1.0, 2.0", "cells": dict(cells), "records": records} for mode in MODES}
    modes["streamed"]["cells"] = {key_of("one", "openai", "silent"): bad, key_of("everybody", "all", "silent"): clean}
    return modes


def test_totals_count_what_must_be_none() -> None:
    """Requests of both modes; met is never more than asked."""
    told = totals(results())
    assert (told["requests"], told["right answers"], told["clean errors"], told["truncated successes"]) == (6, 3, 2, 1)
    assert (told["requests that met no fault"], told["ballots of struck voters that counted"]) == (1, 1)
    assert (told["hangs past deadline + 1 s"], told["wrong answers"], told["unclean errors"]) == (0, 0, 0)


def test_the_page_shows_every_strike_and_what_went_wrong() -> None:
    """A cell that is not one word says how many of each; errors bear their codes; the short matrix has both modes in a cell."""
    text = page("n", "about ``this``", results())
    assert all(f"## {title}" in text for title in STRIKES.values())
    assert "whole: 1.0, 2.0; streamed: 1.0, 2.0" in text
    assert "| silent | right, 2.00 s | 1 right, 1 truncated, 1.00 s |" in text
    assert "| silent | error (503 all_layers_failed), 1.00 s | error (503 all_layers_failed), 1.00 s |" in text
    assert "| silent | right / 1 right, 1 truncated 2.0 / 1.0 s |  |  |  | error 1.0 / 1.0 s |" in text
