"""A period is bounded load with a fault in it; the verdict is about what the system holds."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from cluster.acceptance.load import Outcome
from cluster.acceptance.looks import Held, Look, Looks
from cluster.acceptance.providers import provider
from cluster.acceptance.sent import Sent
from cluster.acceptance.soak import PER_S, QUICK, SPIKE_TIMES, VERDICT, Soaked, Times, plan, requests, tasks_in, verdict
from cluster.acceptance.soak_faults import FAULTS, NONE, SPIKE, struck
from cluster.acceptance.soak_figures import LEAST_WINDOWS
from cluster.acceptance.soak_page import page, svg
from cluster.acceptance.system import System, write_answers
from cluster.home import create_home

TIMES = Times(period_s=100, fault_at_s=20, fault_s=10)
ROLE = "gateway replica"


def soaked(rss_grows: float = 0.0, tasks_grow: float = 0.0) -> Soaked:
    """Return 45 minutes in which memory and tasks grew by so much an hour."""
    looks = [
        Look(at, {ROLE: Held((1,), 300.0 + rss_grows * at / 3600, 40, 20)}) for at in map(float, range(0, 2701, 5))
    ]
    tasks = [(look.at_s, 20.0 + tasks_grow * look.at_s / 3600) for look in looks]
    return Soaked(0.0, Looks(looks), tasks, received=[Outcome(0.0, 1.0, 200, "d")], ended_s=2700.0)


def test_there_are_as_many_faults_as_periods_of_45_minutes() -> None:
    """Control actors die early, the last period has no fault."""
    names = list(FAULTS)
    assert len(names) * Times().period_s == 45 * 60
    assert names[-1] == NONE
    assert {"SpanActor killed", "HealthActor killed"} == set(names[:2])


def test_a_spike_is_in_the_plan_of_its_period() -> None:
    """Twenty times as many requests while the fault lasts, the usual number before and after."""
    calm, spiked = (plan("http://h", "k", TIMES, 1, spiked=which) for which in (False, True))
    assert abs(len(calm.due_s) - PER_S * TIMES.period_s) < 150
    inside = [due for due in spiked.due_s if 20 <= due < 30]
    assert abs(len(inside) - PER_S * SPIKE_TIMES * 10) < 200
    assert [due for due in spiked.due_s if not 20 <= due < 30] == [due for due in calm.due_s if not 20 <= due < 30]
    assert spiked.due_s == sorted(spiked.due_s)
    assert json.loads(calm.bodies[0])["model"] == "consensus"


def test_a_checkpoint_tells_what_failed_and_for_how_long() -> None:
    """Failures after the fault's end are told from those in it."""
    sent = [Sent(float(second), 0.0, second + 0.1, 200) for second in range(100)]
    sent[25] = Sent(25.0, 0.0, 25.1, 503, "503 all_layers_failed")
    sent[33] = Sent(33.0, 0.0, 33.1, 0, "timed out")
    found = requests(sent, 100.0, 30.0)
    assert (found["requests"], found["served"]) == (100, 98)
    assert found["other_outcomes"] == {"503 all_layers_failed": 1, "timed out": 1}
    assert found["last_not_served_s_after_the_fault"] == 3.0
    assert (found["requests_after_the_fault"], found["served_after_the_fault"]) == (70, 69)


def test_tasks_are_read_from_the_metrics() -> None:
    """All replicas' together; before they are exported they are unknown, which is not none."""
    line = b'weavergen_event_loop_tasks{replica="%b",x="y"} %b\n'
    assert tasks_in(b"# HELP\n" + line % (b"a", b"21.0") + line % (b"b", b"2.0")) == 23.0
    assert tasks_in(b"weavergen_under_way 3\n") is None


def test_what_stays_is_flat_and_what_grows_is_named() -> None:
    """3 MiB an hour are within the bound, 60 are not; tasks count as well."""
    assert verdict(soaked(3.0), Times())["flat"]
    found = verdict(soaked(60.0, 60.0), Times())
    assert not found["flat"]
    assert [climb.split(":")[0] for climb in found["not_flat"]] == [f"{ROLE}, rss_mib", f"{ROLE}, tasks"]
    assert found["trends"][ROLE]["rss_mib"]["lows_per_day"] == pytest.approx(1440, abs=1)


def test_the_page_tells_checkpoints_and_trends() -> None:
    """One line a checkpoint, one a trend; what climbs stands at the top."""
    checkpoint = {
        "minute": 5.0,
        "fault": SPIKE,
        "requests": 3,
        "served": 2,
        "other_outcomes": {"cut": 1},
        "rss_mib": 300,
    }
    told = verdict(soaked(100.0), Times()) | {"records": {"checked_on_disk": 4, "answers_without_verifiable_record": 0}}
    results = json.loads(json.dumps({"checkpoint 1": checkpoint, VERDICT: told}))
    text = page("soak", "about", results)
    assert "**Not flat** after 45 minutes" in text
    assert f"| 5.0 | {SPIKE} | 3 | 2 |" in text
    assert "cut: 1" in text
    assert f"| {ROLE} | rss mib |" in text
    assert "| **grows** |" in text
    assert "| flat |" in text
    assert ROLE in svg(results)


def test_the_page_tells_the_rule_and_its_limits() -> None:
    """With the figures of this run, so that whoever reads the verdict can judge it."""
    told = verdict(soaked(), Times()) | {"records": {"checked_on_disk": 4, "answers_without_verifiable_record": 0}}
    text = page("soak", "about", json.loads(json.dumps({VERDICT: told})))
    assert (
        "`warm_s` 600, `window_s` 400; allowed growth a day: rss mib 256, handles 240, threads 240, tasks 240." in text
    )
    for word in ("Rules:\n\n- ", "*May grow*", "Limits: "):
        assert word in text
    assert text.startswith("# soak")
    assert "Flat after 45 minutes" in text


def test_what_is_left_to_judge_has_room_for_enough_windows() -> None:
    """Also of a control actor that was killed, once its successor is warm."""
    for times in (Times(), QUICK):
        killed_s = max(list(FAULTS).index(name) for name in FAULTS if name.endswith("killed")) * times.period_s
        left_s = len(FAULTS) * times.period_s - killed_s - times.fault_at_s - times.warm_s
        assert left_s >= LEAST_WINDOWS * times.window_s + times.look_s
        assert times.window_s >= 8 * times.look_s


def test_a_page_of_the_first_checkpoint_alone_is_written() -> None:
    """The verdict comes last."""
    assert "## Requests" in page("soak", "about", {"checkpoint 1": {"minute": 5.0}})
    assert svg({}).startswith("<svg")


@pytest.mark.parametrize(
    ("fault", "statuses"), [("one provider unavailable", [503, 200]), ("every provider unavailable", [503, 503])]
)
def test_a_providers_fault_lasts_as_long_as_its_block(tmp_path: Path, fault: str, statuses: list[int]) -> None:
    """It is there inside, of whom it says, and gone after."""
    answers = write_answers(tmp_path / "answers.jsonl", {"a": ["Paris"], "b": ["Paris"]})
    with provider("a", "openai", ["a"], answers) as first, provider("b", "openai", ["b"], answers) as second:

        async def asked() -> list[int]:
            found = []
            async with aiohttp.ClientSession() as session:
                for each in (first, second):
                    headers = {"Authorization": f"Bearer {each.key_file.read_text()}"}
                    body = {"model": each.name, "messages": [{"role": "user", "content": "?"}]}
                    url = f"{each.voters()[0]['base_url']}/chat/completions"
                    async with session.post(url, json=body, headers=headers) as response:
                        found.append(response.status)
            return found

        system = System(create_home(tmp_path / "home"), "", "", "", None, 0.0)  # type: ignore[arg-type]
        with FAULTS[fault](system, [first, second]):
            assert asyncio.run(asked()) == statuses
        assert asyncio.run(asked()) == [200, 200]
        assert struck(NONE, system, [first, second], 0.0, 0.0) > 0
