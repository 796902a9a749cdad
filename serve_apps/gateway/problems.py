"""Errors on the wire: status, body and headers of every ``WeaverGenError``. Pure; the table is the contract with clients."""

from dataclasses import dataclass

import msgspec

from actors.base.errors import UnavailableError, WeaverGenError

STATUS = {
    "invalid_request": 400, "unsupported_parameter": 400, "prompt_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_key": 401, "role_required": 403, "policy_not_allowed": 403, "operator_signature_required": 403,
    "model_not_found": 404, "not_found": 404, "version_conflict": 409,
    "no_consensus": 422, "screened_out": 422, "idempotency_mismatch": 422, "rate_limited": 429, "overloaded": 429,
    "generation_halted": 503, "all_layers_failed": 503, "voter_unavailable": 503, "not_ready": 503,
    "deadline_exceeded": 504, "internal_error": 500,
}  # fmt: skip
"""Every code a client may see → its status."""
_TYPE = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    409: "conflict_error", 413: "invalid_request_error", 415: "invalid_request_error", 422: "consensus_error",
    429: "rate_limit_error",
}  # fmt: skip
_TYPE_OF_CODE = {"idempotency_mismatch": "idempotency_error"}
"""Where a code's type is not its status's."""
_CLIENTS_MUST_NOT_RETRY = {"generation_halted", "all_layers_failed", "deadline_exceeded"}
_ASK_AGAIN = "ask_again"
SAME_KEY = {_ASK_AGAIN: "same_key"}
"""Detail of an error after which the same request is to be sent again with the same ``Idempotency-Key``, whatever its code."""
OVERLOADED_RETRY_AFTER_S = 1
"""What a client is told to wait where too much is under way here, and nobody knows for how long."""

Header = tuple[bytes, bytes]
JSON_HEADER: Header = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error ready to be sent."""

    status: int
    body: bytes
    headers: tuple[Header, ...]


def _code(error: WeaverGenError) -> str:
    return "not_ready" if error.code == "storage_unavailable" else error.code


def status_of(error: WeaverGenError) -> int:
    """Return the HTTP status of an error."""
    return STATUS.get(_code(error), 500)


def _wait_s(error: WeaverGenError, status: int) -> int | None:
    """Return in how many seconds asking again can make sense, if that is known."""
    known_s = error.retry_after_s if isinstance(error, UnavailableError) else None
    return OVERLOADED_RETRY_AFTER_S if known_s is None and status == 429 else known_s


def problem(error: WeaverGenError) -> Problem:
    """Return how an error looks on the wire."""
    code, status = _code(error), status_of(error)
    body: dict[str, object] = {
        "error": {
            "message": str(error) if status != 500 else "internal error; the operator's log has the cause",
            "type": _TYPE_OF_CODE.get(code) or _TYPE.get(status, "server_error"),
            "code": code if status != 500 else "internal_error",
            "param": error.param if status < 500 else None,
        }
    }
    if error.details and status != 500:
        body["weavergen"] = error.details
    headers: list[Header] = [JSON_HEADER]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if (wait_s := _wait_s(error, status)) is not None:
        headers.append((b"retry-after", str(wait_s).encode()))
    if _ASK_AGAIN in error.details or code in _CLIENTS_MUST_NOT_RETRY:
        headers.append((b"x-should-retry", b"true" if _ASK_AGAIN in error.details else b"false"))
    if decision := error.details.get("decision_id"):
        headers.append((b"x-weavergen-decision", str(decision).encode()))
    return Problem(status, msgspec.json.encode(body), tuple(headers))
