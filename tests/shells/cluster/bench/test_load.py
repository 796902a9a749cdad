"""What is sent to wrk and how its result is read."""

import json

import pytest

from cluster.bench.load import NUMBER, NothingAnswered, Numbers, Target, lua_string, read_result, script
from cluster.bench.started import BenchError

BODY = '{"a": 1}'
NO_ERRORS = {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0}


def said(errors: dict[str, int] | None = None, requests: int = 1000) -> str:
    """Return what wrk prints, with our line in the middle."""
    told = {
        "requests": requests,
        "duration_us": 2_000_000,
        "p50_us": 1500,
        "p99_us": 4250,
        "errors": errors or NO_ERRORS,
    }
    return f"Running 2s test\n  1 threads\nRESULT {json.dumps(told)}\nRequests/sec: 1.0\n"


def test_the_result_is_in_requests_per_second_and_milliseconds() -> None:
    """A thousand requests in two seconds are 500 a second; microseconds become milliseconds."""
    found = read_result(said())
    assert (found.requests_per_s, found.p50_ms, found.p99_ms) == (500.0, 1.5, 4.25)


@pytest.mark.parametrize("kind", sorted(NO_ERRORS))
def test_one_failed_request_spoils_the_measurement(kind: str) -> None:
    """Any error is named and nothing is measured."""
    with pytest.raises(BenchError, match=f"1 × {kind}"):
        read_result(said(NO_ERRORS | {kind: 1}))


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1", said(requests=0)])
def test_no_answers_are_no_measurement(output: str) -> None:
    """Silence, a refusal and a run without a single answer are errors."""
    with pytest.raises(BenchError):
        read_result(output)


def test_no_text_can_end_a_lua_string() -> None:
    """Quotes, backslashes, newlines and letters beyond ASCII are written as numbers."""
    assert lua_string('a"\\\n]') == '"\\097\\034\\092\\010\\093"'
    assert lua_string("é") == '"\\195\\169"'


def test_the_script_sends_headers_and_body_and_reports() -> None:
    """Method, body, every header and the function that reports are in it."""
    text = script(Target("http://h/x", BODY, {"X-One": "1"}))
    assert 'wrk.method = "POST"' in text
    assert f"wrk.body = {lua_string(BODY)}" in text
    for name, value in (("X-One", "1"), ("Content-Type", "application/json")):
        assert f"wrk.headers[{lua_string(name)}] = {lua_string(value)}" in text
    assert "done = function" in text


def test_a_load_that_ended_too_soon_is_told_apart() -> None:
    """That nothing was answered yet is another error than that a request failed."""
    with pytest.raises(NothingAnswered):
        read_result(said(requests=0))


def test_what_a_refusal_said_is_told() -> None:
    """The error holds the first answer that was none."""
    with pytest.raises(BenchError, match=r"2 × status; REFUSED 503 .*not_ready"):
        read_result('REFUSED 503 {"code": "not_ready"}\n' + said(NO_ERRORS | {"status": 2}))


def test_numbers_go_into_each_request() -> None:
    """The first comes first, the next is a step on, and they come round; text around them stays text."""
    text = script(Target("http://h/x", f'{{"a": {NUMBER}, "b": "{NUMBER}"}}', {}, Numbers(6, 2, 100)))
    assert "local n = 4" in text
    assert "n = (n + 2) % 100" in text
    pieces = (lua_string('{"a": '), lua_string(', "b": "'), lua_string('"}'))
    assert f"return wrk.format(nil, nil, nil, {' .. n .. '.join(pieces)})" in text
    assert "request =" not in script(Target("http://h/x", BODY, {}))


def test_a_key_is_not_shown() -> None:
    """A target's headers are not in its text."""
    assert "secret" not in repr(Target("http://h", "{}", {"Authorization": "Bearer secret"}))
