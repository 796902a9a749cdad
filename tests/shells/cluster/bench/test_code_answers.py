"""What is asked for and answered where code is measured."""

import asyncio
import json
import shutil

import pytest

from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.compare import Asked, Comparison
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.reading.code import code_of
from actors.consensus.reading.elements import parts_of
from actors.consensus.reading.examples import entry_point_of, examples_of
from actors.consensus.reading.kind import answer_kind
from actors.consensus.reading.reading import read_answer
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.screening.config import ScreeningConfig
from actors.consensus.screening.screen import screen
from cluster.bench.code_answers import (
    JSON_QUESTION,
    NUMBERS,
    OTHER_ANSWERS,
    SAME_ANSWERS,
    STEP,
    code_answer,
    json_answer,
    question,
    recordings,
)
from models.recorded import MAX_LINE_BYTES

KIND = "code:python"
VOTERS = range(3)


def form(number: int, voter: int) -> str:
    """Return the normal form's digest of an answer that can be read."""
    reading = read_answer(KIND, question(number), code_answer(number, voter))
    assert (reading.method, reading.why_invalid) == ("syntax", "")
    return reading.sha256


def test_an_even_number_brings_one_code_and_the_next_one_another() -> None:
    """All voters agree by form, and no two questions get the same code."""
    numbers = range(SAME_ANSWERS, 20, STEP)
    assert all(len({form(number, voter) for voter in VOTERS}) == 1 for number in numbers)
    assert len({form(number, 0) for number in numbers}) == len(numbers)


def test_an_odd_number_brings_as_many_forms_as_voters() -> None:
    """No two voters agree by form, so only their behaviour can make them one group."""
    assert all(len({form(number, voter) for voter in VOTERS}) == 3 for number in range(OTHER_ANSWERS, 9, STEP))


def test_strict_serves_the_first_way() -> None:
    """None of its parts is its own: else what is measured is a refusal."""
    texts = [code_answer(OTHER_ANSWERS, voter) for voter in VOTERS]
    first, *others = [parts_of(text, code_of(text, "python"), question(OTHER_ANSWERS)) for text in texts]
    assert first is not None
    assert first.code <= frozenset().union(*(other.code for other in others if other))
    assert first.words <= frozenset().union(*(other.words for other in others if other))


@pytest.mark.parametrize("voter", VOTERS)
def test_every_way_passes_screening_without_a_finding(voter: int) -> None:
    """What is measured is looking, not rejecting."""
    code = code_of(code_answer(OTHER_ANSWERS, voter), "python")
    assert code is not None
    assert screen(code, "python").findings == ()


def test_the_question_asks_for_a_function_by_name_and_gives_no_example() -> None:
    """With examples even equal forms would be run."""
    asked = question(7)
    assert (answer_kind("auto", asked), examples_of(asked), entry_point_of(asked)) == (KIND, (), "moving_totals")


def test_json_is_read_as_such_and_is_of_the_code_s_size() -> None:
    """Within one member."""
    assert read_answer("json", JSON_QUESTION, json_answer()).why_invalid == ""
    assert 0 <= len(json_answer()) - len(code_answer(0, 0)) < 20


def test_more_codes_are_recorded_than_a_screener_remembers() -> None:
    """Even with those forgotten that a run may ask for and not count."""
    assert ScreeningConfig().memo_entries * 1.4 < NUMBERS // STEP


def test_recordings_answer_every_number_at_its_place() -> None:
    """A request's number, as its seed, is the place of its answer; every line fits."""
    lines = recordings(("a", "b", "c"))
    answers = [line["default"]["answers"] for line in lines if "default" in line]
    assert [len(found) for found in answers] == [NUMBERS] * 3
    assert answers[2][11]["content"] == code_answer(11, 2)
    assert max(len(json.dumps(line)) for line in lines) < MAX_LINE_BYTES


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")
def test_the_ways_behave_alike() -> None:
    """The comparison in the real sandbox puts all three into one group."""

    async def compared() -> object:
        sandbox = BubblewrapSandbox(SandboxConfig(call_ms=5000, job_ms=20_000))
        await sandbox.start()
        try:
            codes = {voter: code_of(code_answer(OTHER_ANSWERS, voter), "python") or "" for voter in VOTERS}
            comparer = BehaviourComparer(sandbox, BehaviourConfig())
            return await comparer.compare(Asked("moving_totals"), codes, 1, 60.0)
        finally:
            await sandbox.close()

    found = asyncio.run(compared())
    assert isinstance(found, Comparison)
    assert found.groups == {0: 0, 1: 0, 2: 0}
