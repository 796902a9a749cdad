"""What the operator is told of requests that the service could not answer: each kind of fault, and seldom."""

import logging
import time
from collections.abc import Callable

from actors.base.errors import WeaverGenError


class Complaints:
    """Writes a fault's cause to the log, of each error code at most once in ``period_s``, with how many came between.

    A hung disk refuses every request, so one line a request would fill the disk that it complains of.
    """

    def __init__(
        self, log: logging.Logger, period_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._period_s = period_s
        self._clock = clock
        self._last_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def about(self, error: WeaverGenError) -> None:
        """Note that a request was refused with ``error``; codes are few, each is remembered once."""
        now_s = self._clock()
        if now_s - self._last_s.get(error.code, float("-inf")) < self._period_s:
            self._unsaid[error.code] = self._unsaid.get(error.code, 0) + 1
            return
        more = self._unsaid.pop(error.code, 0)
        self._last_s[error.code] = now_s
        self._log.warning(
            "a request was refused, %s: %s%s", error.code, error, f" ({more} more before)" if more else ""
        )
