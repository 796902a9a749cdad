"""When an engine began to answer, by its own word. Pure.

Rules:
- vLLM tells of each request, where its server is started so (``TELLS_TIMES``), how long it waited in the engine's queue and how
  long its first token took from then on: the sum is the time to the first token.
- It is told beside the answer and is no part of it: what is missing, or no time, makes an answer no worse.

Left out: what is on the way to the engine, which the engine cannot know.
"""

from collections.abc import Mapping

TELLS_TIMES: Mapping[str, bool] = {"enable_per_request_metrics": True}
"""Arguments of vLLM's server, beside the engine's own."""
_MOST_MS = 3_600_000


def first_token_ms(metrics: object) -> int | None:
    """Return the time to the first token from what vLLM tells of a request; ``None`` if that tells of none."""
    if not isinstance(metrics, Mapping):
        return None
    queued_ms, first_ms = (_time_ms(metrics.get(name)) for name in ("queue_time_ms", "time_to_first_token_ms"))
    return None if first_ms is None else round((queued_ms or 0.0) + first_ms)


def _time_ms(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MOST_MS else None
