"""A webhook that signs what it posts, so that its receiver can tell our messages from others and from replays.

``X-Weavergen-Timestamp`` is Unix seconds; ``X-Weavergen-Signature`` is ``v1=`` and the hex HMAC-SHA256, under the shared
secret, of the timestamp, a full stop and the body. A receiver compares in constant time and refuses old timestamps.
Connection failures, 429 and 5xx are tried again, each attempt signed anew; redirects are not followed.
"""

import hmac
import json
import time
from collections.abc import Callable

import httpx
import stamina

from actors.base.errors import StorageUnavailable
from actors.base.ids import new_ulid
from actors.base.ports import IncidentLevel
from actors.store.config import WebhookConfig

TIMESTAMP = "X-Weavergen-Timestamp"
SIGNATURE = "X-Weavergen-Signature"


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature header's value."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, "sha256").hexdigest()


class SignedWebhook:
    """The ``Notifier`` that posts to one URL."""

    def __init__(self, config: WebhookConfig, clock: Callable[[], float] = time.time) -> None:
        self._config, self._clock = config, clock

    def send(self, title: str, body: str, level: IncidentLevel) -> None:
        """Deliver the message with an id of its own; raise ``StorageUnavailable`` if no attempt got through."""
        message = {"id": new_ulid(), "title": title, "body": body, "level": level}
        content = json.dumps(message, sort_keys=True).encode()
        config = self._config
        attempts = stamina.retry_context(
            on=_worth_retrying,
            attempts=config.attempts,
            timeout=None,
            wait_initial=config.first_wait_s,
            wait_max=config.max_wait_s,
            wait_jitter=config.first_wait_s,
        )
        try:
            for attempt in attempts:
                with attempt:
                    self._post(content)
        except httpx.HTTPError as error:
            raise StorageUnavailable(
                f"the webhook took no message ({_reason(error)}): check its URL and secret"
            ) from error

    def _post(self, content: bytes) -> None:
        timestamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._config.secret.get_secret_value().encode(), timestamp, content),
        }
        url, timeout = str(self._config.url), self._config.timeout_s
        with httpx.stream("POST", url, content=content, headers=headers, timeout=timeout) as response:
            if not response.is_success:
                raise httpx.HTTPStatusError("refused", request=response.request, response=response)


def _worth_retrying(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def _reason(error: httpx.HTTPError) -> str:
    """Say what went wrong without the URL, which may hold a token."""
    return f"status {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
