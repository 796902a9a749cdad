"""Stacks of the profiler become stages."""

from collections import Counter

import pytest

from cluster.bench import stages
from cluster.bench.stages import count, shares, stage_of

ROOT = "run_until_complete (uvloop/loop.pyx:1)"
CHAT = "__call__ (serve_apps/gateway/chat.py:40)"
GENERATE = "generate (actors/consensus/actor.py:120)"


@pytest.mark.parametrize(
    ("inner", "stage"),
    [
        (["ask (models/openai_http.py:128)", "feed (httptools/parser.pyx:8)"], stages.VOTERS),
        (["step (actors/consensus/deliberation.py:196)", "<genexpr> (dataclasses.py:3)"], stages.DELIBERATION),
        (["build_record (actors/consensus/records.py:70)"], stages.RECORD),
        (["read_answer (actors/consensus/reading/reading.py:40)", "parse (ast.py:50)"], stages.READ),
        (
            ["_deliberate (actors/consensus/actor.py:1)", "act (actors/consensus/adapters/effects.py:80)"],
            stages.COORDINATOR,
        ),
        (["commit (actors/consensus/adapters/decision_log.py:33)", "sign (actors/base/signing.py:116)"], stages.RECORD),
        (["create_task (asyncio/tasks.py:384)"], stages.COORDINATOR),
        (["_asked (models/providers/sdk_clients.py:90)", "validate (pydantic/main.py:1)"], stages.VOTERS),
        (["inc (ray/util/metrics.py:133)"], stages.METRICS),
    ],
)
def test_the_innermost_part_of_ours_decides(inner: list[str], stage: str) -> None:
    """Library frames count for whoever called them."""
    assert stage_of([ROOT, "handle (ray/serve/_private/replica.py:1)", CHAT, GENERATE, *inner]) == stage


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        ([ROOT], stages.LOOP),
        ([ROOT, "send (uvicorn/protocols/http/httptools_impl.py:524)"], stages.SERVER),
        ([ROOT, CHAT, "send (uvicorn/protocols/http/httptools_impl.py:524)"], stages.SERVER),
        ([ROOT, CHAT, "parse_body (serve_apps/gateway/parsing.py:15)"], stages.PARSE),
        ([ROOT, "data_received (models/http1.py:266)"], stages.VOTERS),
        ([ROOT, CHAT, "parse_body (serve_apps/gateway/parsing.py:15)", "validate (pydantic/main.py:1)"], stages.PARSE),
        (
            [
                "run (concurrent/futures/thread.py:58)",
                "issues (actors/consensus/adapters/bandit.py:40)",
                "visit (bandit/x.py:1)",
            ],
            stages.SCREEN,
        ),
        (
            ["run (concurrent/futures/thread.py:58)", "run (actors/consensus/sandbox/adapters/warm.py:9)"],
            stages.COMPARE,
        ),
        (["_run (actors/spans/adapters/wal.py:205)", "_write (actors/spans/adapters/wal.py:280)"], stages.LOG),
    ],
)
def test_stacks_outside_the_coordinator(stack: list[str], stage: str) -> None:
    """Servers, callbacks, the log's thread and the bare loop have stages of their own."""
    assert stage_of(stack) == stage


def test_counts_add_up_and_other_lines_are_ignored() -> None:
    """Equal stages of different stacks are one stage."""
    raw = f"{ROOT} 3\n{ROOT};{CHAT};{GENERATE} 2\n{ROOT};{GENERATE} 1\nnot a stack\n"
    assert count(raw) == Counter({stages.LOOP: 3, stages.COORDINATOR: 3})


def test_stacks_are_counted_by_any_name() -> None:
    """What a stack is called may be somebody else's to say."""
    assert count(f"{ROOT};{CHAT} 2\n{ROOT} 1\n", lambda frames: str(len(frames))) == Counter({"2": 2, "1": 1})


def test_shares_are_percent_and_microseconds_a_request() -> None:
    """Fifty samples at 100 Hz are half a second: over 1000 requests 500 µs each; what was not sampled is the rest."""
    found = shares(Counter({"a": 150, "b": 50, stages.LOOP: 7}), 100, 1000, 2500)
    assert [(share.stage, share.percent, share.us_per_request) for share in found] == [
        ("a", 60, 1500),
        ("b", 20, 500),
        (stages.LOOP, 20, 500),
    ]


def test_sampling_may_see_more_than_the_kernel_counted() -> None:
    """Then nothing remains, and the parts still make a whole."""
    found = shares(Counter({"a": 150, "b": 50}), 100, 1000, 1900)
    assert [share.us_per_request for share in found] == [1500, 500, 0]
    assert sum(share.percent for share in found) == 100
