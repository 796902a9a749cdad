"""What ``up`` shows: real questions to the real voters over HTTP, what each said, and what they agreed on, if anything."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cluster.client import GatewayClient

DEADLINE_S = 60.0
MAX_TOKENS = 24
CODE_MAX_TOKENS = 128
AT_ONCE = 4
"""How many questions wait for answers at a time: an engine computes several answers in little more time than one."""
VALUE_QUESTIONS = (
    "What is the capital of France?",
    "What language is spoken in Brazil?",
    "How many days are there in a week?",
    "In which year did the Second World War end?",
    "What is the chemical symbol for water?",
    "What is 7 times 8?",
    "What is the largest planet in the solar system?",
    "How many legs does a spider have?",
    "What is the capital of Japan?",
    "What colour do you get by mixing blue and yellow?",
)
CODE_QUESTION = "Write a Python function is_even(n) that returns True if n is even. Answer with code only."


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of one question."""

    question: str
    agreed: str | None
    """The answer, ``None`` if there was none."""
    outcome: str
    """``agreed``, or the error code of the refusal."""
    said: tuple[tuple[str, str, str], ...]
    """Voter, vote outcome, and what it said in short."""
    why: str = ""
    """What the refusal says of itself; empty for an answer."""


def questions(count: int = len(VALUE_QUESTIONS)) -> Iterator[tuple[str, str, int]]:
    """Yield question, kind and token bound."""
    for question in VALUE_QUESTIONS[:count]:
        yield question, "value", MAX_TOKENS
    yield CODE_QUESTION, "code", CODE_MAX_TOKENS


def show(client: GatewayClient, tell: Callable[[Shown], None], count: int = len(VALUE_QUESTIONS)) -> list[Shown]:
    """Ask everything, a few at once, the longest first; tell each outcome in its place as soon as it can be told."""
    asked = list(questions(count))
    told: list[Shown] = []
    with ThreadPoolExecutor(AT_ONCE, "demo") as pool:
        longest_first = sorted(asked, key=lambda question: -question[2])
        answers = {question: pool.submit(_ask, client, *question) for question in longest_first}
        try:
            for question in asked:
                told.append(answers[question].result())
                tell(told[-1])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return told


def _ask(client: GatewayClient, question: str, kind: str, max_tokens: int) -> Shown:
    body = request_body(question, kind=kind, max_tokens=max_tokens, deadline_ms=int(DEADLINE_S * 1000))
    return read(question, *client.ask(body, DEADLINE_S))


def request_body(
    prompt: str,
    *,
    kind: str = "auto",
    max_tokens: int | None = None,
    deadline_ms: int | None = None,
    model: str = "consensus",
) -> dict[str, Any]:
    """Return a chat completion request that asks for an explanation."""
    options: dict[str, Any] = {"answer_kind": kind, "explain": True}
    if deadline_ms is not None:
        options["deadline_ms"] = deadline_ms
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "weavergen": options,
    }
    return body if max_tokens is None else body | {"max_tokens": max_tokens}


def read(question: str, status: int, body: dict[str, Any]) -> Shown:
    """Read a completion or a refusal."""
    said = tuple(
        (str(vote.get("voter")), str(vote.get("outcome")), in_short(vote))
        for vote in (body.get("weavergen") or {}).get("votes", [])
    )
    if status == 200:
        return Shown(question, str(body["choices"][0]["message"]["content"]), "agreed", said)
    error = body.get("error") or {}
    return Shown(question, None, str(error.get("code", f"status {status}")), said, str(error.get("message", "")))


def in_short(vote: dict[str, Any], width: int = 60) -> str:
    """Return what a voter said, or why it said nothing, on one line."""
    text = str((vote.get("answer") or {}).get("content") or vote.get("note") or "")
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
