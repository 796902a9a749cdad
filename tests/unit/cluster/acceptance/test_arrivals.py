"""A trace is scaled to a mean rate and keeps its bursts."""

from itertools import pairwise
from pathlib import Path

import pytest

from cluster.acceptance.arrivals import (
    Phase,
    Span,
    Traced,
    evenly,
    poisson,
    read_trace,
    scheduled,
    spiked,
    stretched,
)

TRACE = tuple(Traced(at_s, 100, 10) for at_s in (0.0, 1.0, 2.0, 10.0))


def test_a_trace_is_read_as_it_is_published() -> None:
    """Times begin with the first request; a voter takes its time for every token."""
    found = read_trace(
        [
            "TIMESTAMP,ContextTokens,GeneratedTokens\n",
            "2023-11-16 18:17:03.9799600,4808,10\n",
            "2023-11-16 18:17:05.0319600,0,1\n",
        ]
    )
    assert [round(one.at_s, 3) for one in found] == [0.0, 1.052]
    assert (found[0].prompt_tokens, found[0].answer_tokens) == (4808, 10)
    assert found[0].latency_ms == round(4808 * 0.0065 + 31)
    assert found[1].latency_ms == 3


def test_a_trace_without_requests_is_refused() -> None:
    """A head alone makes no load."""
    with pytest.raises(ValueError, match="holds no requests"):
        read_trace(["TIMESTAMP,ContextTokens,GeneratedTokens\n"])


def test_the_public_trace_is_read_whole(shared_data: Path) -> None:
    """Every row counts, in the order of time."""
    with (shared_data / "traffic" / "azure_llm_2023_code.csv").open() as lines:
        found = read_trace(lines)
    assert len(found) == 8819
    assert [one.at_s for one in found] == sorted(one.at_s for one in found)


def test_a_phase_has_the_mean_rate_to_the_request_and_the_traces_own_gaps() -> None:
    """Eight seconds at half a request a second are four requests; the gaps keep their ratio."""
    due = stretched(TRACE, Phase("p", 8.0, 0.5))
    assert len(due) == 4
    assert due == pytest.approx([0.0, 0.6, 1.2, 6.0])


def test_the_trace_begins_anew_after_its_last_arrival() -> None:
    """More requests than the trace has, and a phase that begins in the middle of it, go on with the first."""
    once = stretched(TRACE, Phase("p", 8.0, 0.5))
    twice = stretched(TRACE, Phase("p", 16.0, 0.5))
    assert len(twice) == 8
    assert twice == sorted(twice)
    assert twice[-1] < 16.0
    gaps = [late - early for early, late in pairwise(twice)]
    assert gaps[:3] == pytest.approx(gaps[4:7])
    assert stretched(TRACE, Phase("p", 8.0, 0.5, first=4)) == pytest.approx(once)


def test_a_step_is_so_many_times_as_much_and_the_last_phase_repeats_the_first() -> None:
    """50 x the mean for a while, then the very arrivals of before the step: windows of both can be held against each other."""
    phases = spiked(2.0, 50.0, 10.0, 6.0, 1)
    schedule = scheduled(TRACE, phases)
    assert [phase.arrivals for phase in phases] == [20, 600, 20]
    assert schedule.spans == (Span("normal", 0.0, 10.0), Span("spike", 10.0, 16.0), Span("after", 16.0, 26.0))
    assert list(schedule.due_s) == sorted(schedule.due_s)
    before, spike, after = (
        [due - span.begin_s for due in schedule.due_s if span.begin_s <= due < span.end_s] for span in schedule.spans
    )
    assert (len(before), len(spike)) == (20, 600)
    assert after == pytest.approx(before)
    assert schedule.numbers[:20] == schedule.numbers[620:] == tuple(range(20))
    assert schedule.numbers[20] == 20


def test_normal_load_comes_as_often_as_is_said() -> None:
    """Arrival by arrival, so that chance is told from what the spike did."""
    schedule = scheduled(TRACE, spiked(2.0, 50.0, 10.0, 6.0, 3))
    assert [span.name for span in schedule.spans] == ["normal", "normal", "normal", "spike", "after"]
    each = [
        [due - span.begin_s for due in schedule.due_s if span.begin_s <= due < span.end_s] for span in schedule.spans
    ]
    for again in (1, 2, 4):
        assert each[again] == pytest.approx(each[0])
    assert schedule.numbers[:20] == schedule.numbers[20:40] == schedule.numbers[40:60] == schedule.numbers[660:]


def test_arrivals_without_memory_have_the_rate_and_follow_from_the_seed() -> None:
    """Poisson: the count is near rate times seconds, another seed gives others."""
    due = poisson(100.0, 50.0, 1)
    assert abs(len(due) - 5000) < 300
    assert due == sorted(due)
    assert due[-1] < 50.0
    assert due == poisson(100.0, 50.0, 1) != poisson(100.0, 50.0, 2)


def test_a_few_rows_have_the_latencies_of_all() -> None:
    """They are taken evenly over the order of latency."""
    trace = [Traced(0.0, 0, tokens) for tokens in range(1000)]
    assert [one.answer_tokens for one in evenly(trace, 4)] == [125, 375, 625, 875]
