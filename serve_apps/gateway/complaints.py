"""What the operator is told of requests that the service could not answer, and why: each kind of fault, and seldom."""

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
        self.tell(error.code, f"a request was refused, {error.code}: {error}")

    def tell(self, kind: str, words: str, *, cause: BaseException | None = None) -> None:
        """Note a fault of one of few kinds; ``cause`` is a defect, whose traceback is wanted."""
        now_s = self._clock()
        if now_s - self._last_s.get(kind, float("-inf")) < self._period_s:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        more = self._unsaid.pop(kind, 0)
        self._last_s[kind] = now_s
        self._log.warning("%s%s", words, f" ({more} more before)" if more else "", exc_info=cause)
