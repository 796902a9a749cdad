"""What bring-up shows, from bodies to words."""

import threading
from typing import Any

import pytest

from cluster.cli.asking import ask
from cluster.client import GatewayClient, NotRunning
from cluster.config import load_profile, read_config
from cluster.demo import (
    AT_ONCE,
    CODE_QUESTION,
    DEADLINE_S,
    VALUE_QUESTIONS,
    Shown,
    in_short,
    questions,
    read,
    request_body,
    show,
)

VOTES = [
    {"voter": "a", "outcome": "agreed", "answer": {"content": "Paris"}},
    {"voter": "b", "outcome": "invalid", "note": "no value stands in the answer"},
    {"voter": "c", "outcome": "cancelled"},
]


def test_ten_value_questions_and_one_of_code() -> None:
    """The list is fixed; each question carries its kind and a bound."""
    asked = list(questions())
    assert len(VALUE_QUESTIONS) == len(set(VALUE_QUESTIONS)) == 10
    assert [kind for _, kind, _ in asked] == ["value"] * 10 + ["code"]
    assert asked[-1][0] == CODE_QUESTION


def test_an_answer_is_shown_with_what_each_voter_said() -> None:
    """Agreed text, outcomes, and the reason of a voter without an answer."""
    body = {"choices": [{"message": {"content": "Paris"}}], "weavergen": {"votes": VOTES}}
    shown = read("q", 200, body)
    assert (shown.agreed, shown.outcome) == ("Paris", "agreed")
    assert shown.said == (
        ("a", "agreed", "Paris"),
        ("b", "invalid", "no value stands in the answer"),
        ("c", "cancelled", ""),
    )


def test_no_consensus_is_shown_as_that() -> None:
    """A refusal is an outcome with its votes, never an answer; so is one without a body."""
    body: dict[str, Any] = {"error": {"code": "no_consensus"}, "weavergen": {"votes": VOTES}}
    shown = read("q", 422, body)
    assert (shown.agreed, shown.outcome, len(shown.said)) == (None, "no_consensus", 3)
    assert read("q", 502, {}).outcome == "status 502"


def test_long_answers_are_cut_to_one_line() -> None:
    """Line breaks become spaces and the width is kept."""
    assert in_short({"answer": {"content": "a\n\n b"}}) == "a b"
    assert len(in_short({"answer": {"content": "x" * 99}}, 20)) == 20


def test_every_question_is_asked_and_told_in_order(monkeypatch: Any) -> None:
    """A few are on their way at once, no more, the longest first; each is told in its place, whenever it is answered."""
    waiting, most, lock, rest = 0, 0, threading.Lock(), threading.Event()
    asked: list[str] = []

    def answer(_self: GatewayClient, body: dict[str, Any], _timeout_s: float) -> tuple[int, dict[str, Any]]:
        nonlocal waiting, most
        question = body["messages"][0]["content"]
        with lock:
            waiting, most = waiting + 1, max(most, waiting + 1)
            asked.append(question)
        if question == VALUE_QUESTIONS[-1]:
            rest.set()
        assert question != VALUE_QUESTIONS[0] or rest.wait(30)
        with lock:
            waiting -= 1
        return 422, {"error": {"code": f"no_consensus on {question}"}}

    monkeypatch.setattr(GatewayClient, "ask", answer)
    told: list[Shown] = []
    assert show(GatewayClient("http://127.0.0.1:1", "k", frozenset()), told.append) == told
    assert [item.question for item in told] == [*VALUE_QUESTIONS, CODE_QUESTION]
    assert all(item.outcome.endswith(item.question) for item in told)
    assert CODE_QUESTION in asked[:AT_ONCE]
    assert 1 < most <= AT_ONCE


def test_a_gateway_that_goes_away_ends_the_showing(monkeypatch: Any) -> None:
    """What one question met is met by its asker, and the questions behind it are not asked any more."""
    asked: list[str] = []

    def answer(_self: GatewayClient, body: dict[str, Any], _timeout_s: float) -> tuple[int, dict[str, Any]]:
        asked.append(body["messages"][0]["content"])
        raise NotRunning("gone")

    monkeypatch.setattr(GatewayClient, "ask", answer)
    with pytest.raises(NotRunning):
        show(GatewayClient("http://127.0.0.1:1", "k", frozenset()), lambda _: None)
    assert CODE_QUESTION in asked[:AT_ONCE]


def test_a_request_leaves_out_what_was_not_asked_for() -> None:
    """Without a bound or deadline the gateway's own apply."""
    assert request_body("p") == {
        "model": "consensus",
        "messages": [{"role": "user", "content": "p"}],
        "weavergen": {"answer_kind": "auto", "explain": True},
    }


SLOWEST_TOKENS_PER_S = 5
"""What an engine of the cpu profile yields at least while all three share two cores."""


def test_a_voter_that_goes_on_to_its_bound_is_heard_within_every_deadline() -> None:
    """Default bounds, the demonstration's and `ask`'s belong together: the base model of the cpu profile stops only there."""
    config = read_config(load_profile("cpu"), "cpu").consensus
    given_s = {option.name: option.default for option in ask.params}["deadline_s"]
    longest_s = config.default_max_tokens / SLOWEST_TOKENS_PER_S
    assert longest_s < config.deadline_ms / 1000 <= config.max_deadline_ms / 1000
    assert longest_s < given_s
    assert max(tokens for _, _, tokens in questions()) / SLOWEST_TOKENS_PER_S < DEADLINE_S
