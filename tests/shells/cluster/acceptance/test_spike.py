"""Both systems get the same requests; figures and page come from what was seen."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster.acceptance.arrivals import Traced, scheduled, spiked
from cluster.acceptance.looks import Held, Look
from cluster.acceptance.sent import Report, Sent
from cluster.acceptance.spike import (
    GENERATOR,
    OURS,
    PEER,
    ROWS,
    SAMPLE,
    Ran,
    body,
    figures,
    profile,
    prompt,
    recordings,
    sampled,
    traced,
)
from cluster.acceptance.spike_figures import Step
from cluster.acceptance.spike_page import page, svg
from cluster.bench.systems import ANSWER, VOTERS
from cluster.config import read_config
from models.recorded import load_recorded

TRACE = tuple(Traced(float(second), 1000, 1 + second) for second in range(1000))
RATE = 5.0


def ran(slow_after_s: float = 0.0) -> Ran:
    """Return a run of twice 20 s, 10 s and 20 s: half of the spike is refused, and for a while after it answers are slow."""
    schedule = scheduled(TRACE, spiked(RATE, 50.0, 20.0, 10.0, 2))
    _, normal, spike, after = schedule.spans
    sent = list[Sent]()
    for number, due_s in enumerate(schedule.due_s):
        if spike.begin_s <= due_s < spike.end_s and number % 2:
            sent.append(Sent(due_s, due_s, due_s + 0.01, 429, "429 overloaded", retry_after=True))
        else:
            took_s = 1.0 if spike.end_s <= due_s < after.begin_s + slow_after_s else 0.1
            sent.append(Sent(due_s, due_s, due_s + took_s, 200, decision_id=f"d{number}"))
    looks = [
        Look(1000.0 + second, {"gateway replica": Held((1,), 100.0 if second < normal.end_s else 120.0, 9, 9)})
        for second in range(0, 71, 2)
    ]
    report = Report(1000.0, 70.0, sent, 5.0, [0.1] * 70, 0.5, 12)
    steps = [Step(10.0, 1.0, 50.0, 100.0, 0.1), Step(50.0, 1.0, 50.0, 150.0, 0.1), Step(55.0, 0.5, 50.0, 900.0, 0.1)]
    return Ran(steps, schedule, report, looks, 1.0)


def test_every_voter_takes_the_traces_time_for_a_prompt(tmp_path: Path) -> None:
    """What is recorded is what a recorded server reads; any two hundred prompts in a row have the trace's latencies."""
    lines = recordings(TRACE)
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    voters = load_recorded([file]).voters
    assert list(voters) == list(VOTERS)
    for number in (0, 7, ROWS - 1):
        takes = [voters[voter].take(prompt(number)) for voter in VOTERS]
        assert len({take.answers[0].delay_ms for take in takes if take is not None}) == 1
        assert takes[0] is not None
        assert takes[0].answers[0].content == ANSWER
    latencies = sorted(line["answers"][0]["latency_ms"] for line in lines if line["voter"] == VOTERS[0])
    assert len(set(latencies)) == ROWS
    assert latencies != [line["answers"][0]["latency_ms"] for line in lines if line["voter"] == VOTERS[0]]


def test_both_get_the_same_requests() -> None:
    """Apart from the model."""
    ours, peer = json.loads(body("consensus", 3)), json.loads(body(VOTERS[0], 3))
    assert ours.pop("model") != peer.pop("model")
    assert ours == peer
    assert ours["messages"][0]["content"] == prompt(3)


def test_the_profile_is_one(tmp_path: Path) -> None:
    """Three voters behind servers, whose key is in a file."""
    config = read_config(profile([1025, 1026, 1027], tmp_path / "key"), "profile")
    assert [voter.id for voter in config.voters] == list(VOTERS)
    assert {voter.api_key_file for voter in config.voters} == {tmp_path / "key"}


def test_without_the_trace_it_is_said_where_it_belongs(tmp_path: Path) -> None:
    """No other arrivals are made up."""
    with pytest.raises(RuntimeError, match=r"trace\.csv is not there: put the trace"):
        traced(tmp_path / "trace.csv")


def test_a_run_that_sheds_and_recovers_reached_what_was_wanted() -> None:
    """Served as before, the rest refused with 429 and Retry-After, memory bounded, normal at once."""
    found = figures(ran())
    assert found["verdict"] == dict.fromkeys(found["verdict"], True)
    assert (found["saturation_per_s"], found["saturation_left_at_per_s"]) == (50.0, 55.0)
    assert found["phases"]["spike"]["requests_per_s"] == RATE * 50
    assert found["phases"]["spike"]["refused_429_share"] == 0.5
    assert found["rss_mib"]["all"] == {"normal": 100.0, "most": 120.0, "at_the_end": 120.0, "most_over_normal": 1.2}
    assert len(found["series"]["due"]) == 70
    assert (found["phases"]["normal"]["seconds"], found["phases"]["normal"]["requests"]) == (40.0, 200)
    assert found["beyond_saturation"] == [{"seconds": 0, "requests": 0, "refused_429": 0}] * 3


def test_a_run_that_stays_slow_did_not() -> None:
    """Slow for eleven seconds after the end is one second too long."""
    found = figures(ran(slow_after_s=11.0))
    assert found["back_to_normal_after_s"] == 11
    assert [key for key, reached in found["verdict"].items() if not reached] == ["back to normal within 10 s"]


@pytest.mark.parametrize(("served", "checked"), [(3, 3), (SAMPLE, SAMPLE), (SAMPLE * 2 + 1, 3334)])
def test_records_are_looked_for_evenly(served: int, checked: int) -> None:
    """All where they are few, else every so manieth: never more than the sample."""
    found = sampled([Sent(float(number), 0.0, 0.0, 200, decision_id=f"d{number}") for number in range(served)])
    assert len(found) == checked <= SAMPLE
    assert found[0].decision_id == "d0"


def results() -> dict[str, object]:
    """Return what a campaign keeps, as it is read again."""
    ours = figures(ran()) | {"records": {"checked_on_disk": 7, "answers_without_verifiable_record": 1, "examples": []}}
    tried = [
        {
            "per_s": 500.0,
            "p50_ms": 1.0,
            "p99_ms": 2.0,
            "late_p99_ms": 0.5,
            "not_served": 0,
            "cores": 0.1,
            "connections": 3,
        }
    ]
    found = {
        GENERATOR: {"limit_per_s": 500.0, "tried": tried},
        OURS: ours,
        PEER: {"version": "1.2"} | figures(ran(slow_after_s=11.0)),
    }
    told: dict[str, object] = json.loads(json.dumps(found))
    return told


def test_the_page_sets_both_beside_each_other() -> None:
    """What was reached and what was not, the absolute loads, the records, the generator's limit."""
    text = page("spike", "about", results())
    assert "| back to normal within 10 s | yes | **no** |" in text
    assert f"| spike, requests/s (mean) | {RATE * 50} | {RATE * 50} |" in text
    assert "Records looked for on disk: 7, missing or wrong: 1." in text
    assert "keeps up with 500 requests a second" in text
    assert "Version 1.2" in text
    assert "was refused: 0 of 0, 0 of 0 in the repetitions before the spike, 0 of 0 after it." in text
    assert "(spike.svg)" in text


def stages_of(names: Sequence[str]) -> dict[str, object]:
    """Return some stages only."""
    return {name: found for name, found in results().items() if name in names}


@pytest.mark.parametrize("names", [(), (GENERATOR,), (GENERATOR, OURS), (GENERATOR, OURS, PEER)])
def test_page_and_picture_show_what_there_is(names: Sequence[str]) -> None:
    """A campaign that was interrupted has its page, too."""
    assert page("spike", "about", stages_of(names)).startswith("# spike")
    text = svg(stages_of(names))
    assert text.startswith("<svg")
    assert all((name in text) is (name in names) for name in (OURS, PEER))
