"""What is said of the span actor: its gauges, and what a replica shows as degraded."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors.spans.actor import Instant, SpanActor
from actors.spans.config import SpansConfig
from serve_apps.actors import SpanWatch, span_gauges, span_problem
from tests.unit.actors.spans.telemetry import Authority, Incidents, writer_id

WELL = {"table_error": "", "log_error": "", "merge_late": False, "lag_s": 0.5, "log_size": 3, "merge_delay_s": 0.25}


def test_lag_totals_and_a_failing_table_are_gauges(tmp_path: Path) -> None:
    """Every number of the actor's health is shown under its name; what is no number is not, but for the table's state."""
    actor = SpanActor(tmp_path, writer_id(1), SpansConfig(), Incidents(), Authority())
    health = actor.health(Instant(1.0, 1.0))
    shown = span_gauges(health)
    assert {"span_lag_s", "span_lag_rows", "span_lost_rows", "span_rows_committed", "span_damage"} <= set(shown)
    assert "span_actor_id" not in shown
    assert {"span_log_size", "log_failing", "log_merge_delay_seconds"} <= set(shown)
    assert [span_gauges(health | {"table_error": said})["span_table_failing"] for said in ("", "full")] == [0.0, 1.0]
    actor.close()


def test_a_failing_table_is_a_problem() -> None:
    """So is an actor that waits for its predecessor; one that works is none."""
    assert span_problem(WELL) == ""
    assert span_problem(WELL | {"table_error": "no space"}) == "no space"
    assert span_problem(WELL | {"log_error": "no space"}) == "no space"
    assert "wait to be sealed" in span_problem(WELL | {"merge_late": True})
    assert "holds the home" in span_problem({"waiting": True})


async def test_whoever_watches_is_never_stopped_by_what_it_watches() -> None:
    """An actor that is away, hangs, or answers nonsense is a problem to show; when it is back there is none."""
    answers: list[Any] = [WELL | {"table_error": "full"}, ConnectionError("gone"), None, {}, WELL]

    async def ask() -> Mapping[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer  # type: ignore[no-any-return]

    watch, said = SpanWatch(ask, timeout_s=0.01), []
    for _ in range(5):
        await watch.look()
        said.append(watch.problem)
        assert watch.log == (None if "answer" in watch.problem else (3, 0.25))  # never an older word than the last
    assert said == [
        "full", "SpanActor does not answer (ConnectionError)", "SpanActor does not answer (TimeoutError)",
        "SpanActor does not answer (KeyError)", "",
    ]  # fmt: skip
