"""Rows of real voters: how many of them a running system sets aside. Every one is a mistake.

Three small models on this machine's processors answer short questions for as long as there are minutes; their SpanActor
judges every row while it comes.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from cluster.acceptance.bad_spans import arrived
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.system import System, running

PORT = 8189
SPANS = 2_000
"""What is wanted."""
ROWS_OF_A_DECISION = 5
CONNECTIONS = 8
MOST_S = 540.0


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run the one stage there is."""
    if "real voters" not in done:
        with running("bad_spans_real", PORT, ["--profile", "cpu"]) as system:
            save("real voters", asyncio.run(_asked(system)))


async def _asked(system: System) -> dict[str, Any]:
    load, began = Load(), time.monotonic()
    sending = asyncio.create_task(
        stream(system, value_question, load, SPANS // ROWS_OF_A_DECISION + CONNECTIONS, CONNECTIONS, 120.0)
    )
    await asyncio.wait({sending}, timeout=MOST_S)
    load.stop = True
    await sending
    told = {
        "requests": len(load.outcomes), "answered": len(load.answered()), "seconds": round(time.monotonic() - began),
        "wanted_spans": SPANS,
    }  # fmt: skip
    return told | await arrived(system)
