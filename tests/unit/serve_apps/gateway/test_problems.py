"""Errors on the wire."""

import json

import pytest

from actors.base import errors
from actors.base.errors import WeaverGenError
from serve_apps.gateway.problems import SAME_KEY, problem


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidRequest("x", "f"), 400, "invalid_request"),
        (errors.UnsupportedParameter("x", "f"), 400, "unsupported_parameter"),
        (errors.PromptTooLarge("x"), 413, "prompt_too_large"),
        (errors.InvalidKey("x"), 401, "invalid_key"),
        (errors.RoleRequired("x"), 403, "role_required"),
        (errors.PolicyNotAllowed("x"), 403, "policy_not_allowed"),
        (errors.OperatorSignatureRequired("x"), 403, "operator_signature_required"),
        (errors.ModelNotFound("x"), 404, "model_not_found"),
        (errors.NoConsensus("x"), 422, "no_consensus"),
        (errors.Overloaded("x"), 429, "overloaded"),
        (errors.GenerationHalted("x"), 503, "generation_halted"),
        (errors.CriticalSystemFailure("x"), 503, "all_layers_failed"),
        (errors.VoterUnavailable("x"), 503, "voter_unavailable"),
        (errors.NotReady("x"), 503, "not_ready"),
        (errors.StorageUnavailable("x"), 503, "not_ready"),
        (errors.DeadlineExceeded("x"), 504, "deadline_exceeded"),
        (errors.IntegrityError("x"), 500, "internal_error"),
    ],
)
def test_every_error_has_its_status_and_code(error: WeaverGenError, status: int, code: str) -> None:
    """The table is the contract's."""
    told = problem(error)
    assert (told.status, json.loads(told.body)["error"]["code"]) == (status, code)


def test_clients_are_told_not_to_retry_what_retries_make_worse() -> None:
    """Halted, all layers failed and deadline carry ``x-should-retry: false``; not_ready may be retried."""
    for error in (errors.GenerationHalted("x"), errors.CriticalSystemFailure("x"), errors.DeadlineExceeded("x")):
        assert (b"x-should-retry", b"false") in problem(error).headers
    assert (b"x-should-retry", b"false") not in problem(errors.NotReady("x")).headers


def test_whoever_holds_a_key_is_told_to_ask_again() -> None:
    """Once, whatever the code says otherwise, and in the body too."""
    told = problem(errors.DeadlineExceeded("x", "f", SAME_KEY))
    assert [value for name, value in told.headers if name == b"x-should-retry"] == [b"true"]
    assert json.loads(told.body)["weavergen"] == {"ask_again": "same_key"}


def test_overload_says_when_to_come_back_and_401_how() -> None:
    """429 carries Retry-After, 401 WWW-Authenticate."""
    assert any(name == b"retry-after" for name, _ in problem(errors.Overloaded("x")).headers)
    assert any(name == b"www-authenticate" for name, _ in problem(errors.InvalidKey("x")).headers)


def test_clients_are_told_when_asking_again_can_make_sense() -> None:
    """Where that is known, whatever the status; clients that are told not to repeat what makes it worse stay told so."""

    def told(error: WeaverGenError) -> tuple[str | None, bool]:
        headers = dict(problem(error).headers)
        wait = headers.get(b"retry-after")
        return wait.decode() if wait else None, headers.get(b"x-should-retry") == b"false"

    assert told(errors.Overloaded("x", retry_after_s=30)) == ("30", False)
    assert told(errors.Overloaded("x")) == ("1", False)
    assert told(errors.VoterUnavailable("x", retry_after_s=60)) == ("60", False)
    assert told(errors.VoterUnavailable("x")) == (None, False)
    assert told(errors.CriticalSystemFailure("x", retry_after_s=60)) == ("60", True)
    assert told(errors.CriticalSystemFailure("x")) == (None, True)


def test_internal_errors_tell_nothing() -> None:
    """The text of an unexpected error stays in the log."""
    assert b"secret" not in problem(WeaverGenError("secret path")).body
    assert b"secret" not in problem(errors.IntegrityError("x", details={"file": "a secret path"})).body


def test_details_and_decision_are_passed_on() -> None:
    """A recorded refusal names its decision in body and header."""
    told = problem(errors.NoConsensus("x", details={"decision_id": "01D", "votes": []}))
    assert json.loads(told.body)["weavergen"]["decision_id"] == "01D"
    assert (b"x-weavergen-decision", b"01D") in told.headers
