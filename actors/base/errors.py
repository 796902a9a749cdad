"""Errors by who can act on them, under one root.

Rules:
- The caller mends a ``RequestError``; an operator mends an ``OperatorError``; only time mends an ``UnavailableError``.
- Every argument goes to ``super().__init__`` so that an error survives pickling between processes.
- ``code`` is the stable word a client sees; the message says what to do.

Left out: HTTP statuses (the gateway maps ``code`` to one) and errors of voters (``models.errors.VoterError``).
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class WeaverGenError(Exception):
    """Root of the project's own errors.

    ``message`` is a sentence for people, ``param`` the request field at fault if there is one, ``details`` what the
    gateway adds under ``weavergen`` (decision id, votes, causes); it never holds secrets or prompt text.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, param: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, param, details)
        self.message = message
        self.param = param
        self.details: Mapping[str, Any] = details or {}

    def __str__(self) -> str:
        return self.message


class RequestError(WeaverGenError):
    """The caller can mend it."""

    code = "invalid_request"


class InvalidRequest(RequestError):
    """A field is missing, of the wrong type or out of bounds."""


class UnsupportedParameter(RequestError):
    """A field that is understood but not honoured here."""

    code = "unsupported_parameter"


class PromptTooLarge(RequestError):
    """The prompt exceeds the configured bound or every voter's context."""

    code = "prompt_too_large"


class UnsupportedMediaType(RequestError):
    """The body is of a type or encoding that is not read here."""

    code = "unsupported_media_type"


class InvalidKey(RequestError):
    """No key, an unknown one or a revoked one."""

    code = "invalid_key"


class RoleRequired(RequestError):
    """The key is valid but its role does not allow this."""

    code = "role_required"


class PolicyNotAllowed(RequestError):
    """The key does not hold the policy that was asked for."""

    code = "policy_not_allowed"


class OperatorSignatureRequired(RequestError):
    """The transition loosens policy and no operator signed it."""

    code = "operator_signature_required"


class ModelNotFound(RequestError):
    """No such model or voter."""

    code = "model_not_found"


class IdempotencyMismatch(RequestError):
    """Another request was sent with the same idempotency key before."""

    code = "idempotency_mismatch"


class NotFound(RequestError):
    """No such object, or not the caller's."""

    code = "not_found"


class VersionConflict(RequestError):
    """Another transition came first; read the current version and try again."""

    code = "version_conflict"


class RefusedAnswer(WeaverGenError):
    """Voters answered and none can be vouched for."""

    code = "no_consensus"


class NoConsensus(RefusedAnswer):
    """No group of answers won: support, lineages, independence or lead fell short of policy."""


class ScreenedOut(RefusedAnswer):
    """Too few answers passed screening for any group to reach the quorum."""

    code = "screened_out"


class UnavailableError(WeaverGenError):
    """Nothing the caller did; trying later may help. ``retry_after_s`` is from when on, where that is known."""

    code = "not_ready"

    def __init__(
        self,
        message: str,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message, param, details)
        self.args = (message, param, details, retry_after_s)
        self.retry_after_s = retry_after_s


class NotReady(UnavailableError):
    """The service cannot answer yet, or cannot record what it would answer."""


class Overloaded(UnavailableError):
    """More is under way than the configuration allows; trying again shortly helps."""

    code = "overloaded"


class RateLimited(UnavailableError):
    """The key has used up what it may use in a minute."""

    code = "rate_limited"


class GenerationHalted(UnavailableError):
    """An operator or a detector halted generation."""

    code = "generation_halted"


class CriticalSystemFailure(UnavailableError):
    """Every consensus layer failed; ``details`` holds each layer's cause."""

    code = "all_layers_failed"


class VoterUnavailable(UnavailableError):
    """The one voter that was asked for by name did not answer."""

    code = "voter_unavailable"


class DeadlineExceeded(UnavailableError):
    """The request's deadline passed before a quorum could be formed."""

    code = "deadline_exceeded"


class OperatorError(WeaverGenError):
    """An operator can mend it: configuration, home directory, keys, disk."""

    code = "operator_error"


class ConfigurationError(OperatorError):
    """Unknown, unsupported or contradictory configuration."""

    code = "configuration_error"


class HomeError(OperatorError):
    """The home directory is missing, damaged, locked or from a newer version."""

    code = "home_error"


class StorageUnavailable(OperatorError):
    """A disk or database cannot take what must be recorded."""

    code = "storage_unavailable"


class IntegrityError(WeaverGenError):
    """Something signed, hashed or chained does not check; ``param`` names the failing step."""

    code = "integrity_error"
