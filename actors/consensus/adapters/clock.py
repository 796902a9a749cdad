"""The machine's own clocks."""

import time


class SystemClock:
    """Wall and monotonic time."""

    def time_ns(self) -> int:
        """Return Unix nanoseconds."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return seconds that only rise."""
        return time.monotonic()
