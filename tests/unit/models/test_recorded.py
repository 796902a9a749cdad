"""Recorded voters: strict to read, faithful to play."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import AnswersError, VoterBusy, VoterEmpty, VoterFailed, VoterRefused, VoterTooLong
from models.recorded import HANG_S, MAX_LINE_BYTES, RecordedVoter, Take, load_recorded
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

WHO = {"voter": "m1", "family": "f", "lineage": "l"}


def sha(prompt: str) -> str:
    """Hash a prompt as the file format does."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def line(prompt: str, *answers: dict[str, Any], **who: str) -> dict[str, Any]:
    """Return one line for one prompt."""
    return {"prompt_sha256": sha(prompt), **WHO, **who, "answers": list(answers)}


def write(path: Path, *lines: Any) -> Path:
    """Write lines to ``path/answers.jsonl``; strings as they are."""
    file = path / "answers.jsonl"
    file.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), encoding="utf-8")
    return file


def request(prompt: str, seed: int | None = None, sample: int = 0) -> VoterRequest:
    """Return a request whose last user message is ``prompt``."""
    messages = (
        Message("user", "earlier"),
        Message("assistant", "yes"),
        Message("user", prompt),
        Message("assistant", "and"),
    )
    return VoterRequest("r", messages, Sampling(max_tokens=8, seed=seed), sample)


class Naps:
    """A sleep that only remembers."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Return at once."""
        self.slept.append(seconds)


def voter(file: Path, sleep: Naps | None = None, name: str = "m1") -> RecordedVoter:
    """Load ``file`` and return one of its voters."""
    answers = load_recorded([file])
    return RecordedVoter(answers.voters[name].info, answers, sleep or Naps())


async def test_plain_answer_is_played_with_usage_and_latency(tmp_path: Path) -> None:
    """Content, token counts, first token and finish reason come out as recorded, after the recorded time."""
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    answer = {"content": "Paris", "latency_ms": 850, "first_token_ms": 90, "usage": usage, "finish_reason": "length"}
    naps = Naps()
    played = await voter(write(tmp_path, line("capital?", answer)), naps).ask(request("capital?"))
    assert played == Candidate("Paris", "length", 3, 5, 90)
    assert naps.slept == [0.85]


@pytest.mark.parametrize(
    ("answer", "error", "retry_after_s", "slept"),
    [
        ({"error": {"status": 429, "retry_after_s": 2}}, VoterBusy, 2, []),
        ({"error": {"status": 529, "retry_after_s": 1_234_567}}, VoterFailed, 3600, []),
        ({"error": {"status": 413}}, VoterTooLong, None, []),
        ({"error": {"status": 500}, "latency_ms": 40}, VoterFailed, None, [0.04]),
        ({"content": "a long answer", "cut_after_chars": 4, "latency_ms": 10}, VoterFailed, None, [0.01]),
        ({"content": ""}, VoterEmpty, None, []),
        ({"content": " \n"}, VoterEmpty, None, []),
        ({"content": "no", "finish_reason": "content_filter"}, VoterRefused, None, []),
        ({"hang": True}, VoterFailed, None, [HANG_S]),
    ],
)
async def test_fault_costs_the_ballot(
    tmp_path: Path, answer: dict[str, Any], error: type[Exception], retry_after_s: float | None, slept: list[float]
) -> None:
    """Errors, cuts, empty answers, refusals and silence each raise what a tally records, a fresh instance each time."""
    naps = Naps()
    playing = voter(write(tmp_path, line("p", answer)), naps)
    raised = []
    for _ in range(2):
        with pytest.raises(error) as caught:
            await playing.ask(request("p"))
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert type(raised[0]) is error
    assert raised[0].args == raised[1].args
    assert getattr(raised[0], "retry_after_s", None) == retry_after_s
    assert naps.slept == slept * 2


async def test_hanging_voter_can_be_cancelled(tmp_path: Path) -> None:
    """Silence ends with the task that listens to it."""
    answers = load_recorded([write(tmp_path, line("p", {"hang": True}))])
    task = asyncio.create_task(RecordedVoter(answers.voters["m1"].info, answers).ask(request("p")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@given(seed=st.integers(-(2**63), 2**63), sample=st.integers(0, 100), count=st.integers(1, 9))
def test_seed_plus_sample_modulo_count_picks_the_answer(seed: int, sample: int, count: int) -> None:
    """The same seed and sample always give the same answer, and a seeded request does not move the counter."""
    take = Take(answers=(None,) * count, outcomes=())  # type: ignore[arg-type]
    assert take.pick(seed, sample) == (seed + sample) % count
    assert take.asked == 0


@given(count=st.integers(1, 7), asked=st.integers(1, 30))
def test_without_a_seed_a_counter_goes_round(count: int, asked: int) -> None:
    """Unseeded requests see every answer in turn, whatever sample they claim to be."""
    take = Take(answers=(None,) * count, outcomes=())  # type: ignore[arg-type]
    assert [take.pick(None, 5) for _ in range(asked)] == [i % count for i in range(asked)]


@given(content=st.text(min_size=1).filter(str.strip), prompt=st.text())
async def test_any_prompt_and_content_round_trip(
    tmp_path_factory: pytest.TempPathFactory, content: str, prompt: str
) -> None:
    """Whatever UTF-8 a prompt or an answer holds, the recorded answer is found and unchanged."""
    file = write(tmp_path_factory.mktemp("any"), line(prompt, {"content": content}))
    assert (await voter(file).ask(request(prompt))).content == content


async def test_unknown_prompt_is_an_error_without_a_default(tmp_path: Path) -> None:
    """A prompt nobody recorded costs the ballot."""
    with pytest.raises(VoterFailed, match="no answer is recorded"):
        await voter(write(tmp_path, line("known", {"content": "x"}))).ask(request("unknown"))


@pytest.mark.parametrize(
    "default",
    [
        {"default": [{"content": "d"}]},
        {"default": {"content": "d"}},
        {"default": {**WHO, "answers": [{"content": "d"}]}},
        {"default": True, **WHO, "answers": [{"content": "d"}]},
        {"default": [{"content": "d"}], **WHO},
    ],
)
async def test_default_answers_unknown_prompts_only(tmp_path: Path, default: dict[str, Any]) -> None:
    """Every way to write a default means the same for this voter, and a recorded prompt goes before it."""
    playing = voter(write(tmp_path, default, line("known", {"content": "k"})))
    assert (await playing.ask(request("unknown"))).content == "d"
    assert (await playing.ask(request("known"))).content == "k"


async def test_own_default_goes_before_the_common_one(tmp_path: Path) -> None:
    """A common default serves every voter that has none of its own."""
    file = write(
        tmp_path,
        {"default": [{"content": "common"}]},
        {"default": {**WHO, "answers": [{"content": "own"}]}},
        line("p", {"content": "x"}, voter="m2"),
    )
    assert (await voter(file).ask(request("?"))).content == "own"
    assert (await voter(file, name="m2").ask(request("?"))).content == "common"


def test_voters_of_several_files_are_one_panel(tmp_path: Path) -> None:
    """Files add up; voters keep family and lineage, in order of appearance."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = write(tmp_path / "a", line("p", {"content": "x"}), "")
    two = write(tmp_path / "b", line("p", {"content": "y"}, voter="m2", lineage="l2"), line("q", {"content": "z"}))
    infos = load_recorded([one, two]).infos
    assert infos == [VoterInfo("m1", "f", "l", tags=("recorded",)), VoterInfo("m2", "f", "l2", tags=("recorded",))]


GOOD = line("p", {"content": "x"})


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("{", "truncated"),
        ("[]", "Expected"),
        ("nonsense", "malformed"),
        ({**GOOD, "surprise": 1}, "surprise"),
        ({**WHO, "answers": [{"content": "x"}]}, "either prompt_sha256 or default"),
        ({**GOOD, "default": [{"content": "x"}]}, "either prompt_sha256 or default"),
        ({**GOOD, "prompt_sha256": "A" * 64}, "hex"),
        ({**GOOD, "prompt_sha256": "a" * 63}, "hex"),
        ({**GOOD, "answers": []}, "at least one"),
        ({k: v for k, v in GOOD.items() if k != "answers"}, "at least one"),
        ({**GOOD, "voter": ""}, "voter, family and lineage"),
        ({k: v for k, v in GOOD.items() if k != "lineage"}, "voter, family and lineage"),
        ({**GOOD, "prompt_sha256": "b" * 64, "lineage": "other"}, "another family or lineage"),
        (GOOD, "earlier line"),
        (line("q", {}), "exactly one of"),
        (line("q", {"content": "x", "hang": True}), "exactly one of"),
        (line("q", {"content": "x", "latency_ms": -1}), "latency_ms"),
        (line("q", {"content": "x", "latency_ms": 5, "first_token_ms": 6}), "first_token_ms"),
        (line("q", {"content": "x", "first_token_ms": 3_600_001}), "first_token_ms"),
        (line("q", {"content": "x", "usage": {"prompt_tokens": -1}}), "usage"),
        ('{"default": ' + "[" * 100_000, "recursion"),
        (line("q", {"content": "x", "finish_reason": "tool_calls"}), "tool_calls"),
        (line("q", {"hang": True, "cut_after_chars": 3}), "cut_after_chars"),
        (line("q", {"error": {"status": 200}}), "error.status"),
        (line("q", {"error": {"status": 429, "retry_after_s": -1}}), "retry_after_s"),
        (line("q", {"error": {"status": 429, "why": 1}}), "why"),
        ({"default": None}, "Expected"),
        ({"default": [{"content": "x"}], "answers": [{"content": "x"}]}, "stand either"),
        ({"default": [{"content": "x"}], "voter": "m1"}, "voter, family and lineage"),
    ],
)
def test_bad_line_is_refused_with_its_number(tmp_path: Path, bad: Any, complaint: str) -> None:
    """Every malformed line is named by file and number, with what is wrong."""
    file = write(tmp_path, GOOD, bad)
    with pytest.raises(AnswersError, match=complaint) as caught:
        load_recorded([file])
    assert f"{file}:2" in str(caught.value)


def test_second_default_for_the_same_voters_is_refused(tmp_path: Path) -> None:
    """Two defaults would make the answer depend on the order of lines."""
    common = {"default": [{"content": "x"}]}
    own = {"default": True, **WHO, "answers": [{"content": "x"}]}
    for twice in (common, own):
        with pytest.raises(AnswersError, match="earlier line"):
            load_recorded([write(tmp_path, GOOD, twice, twice)])


def test_file_without_voters_or_without_file_is_refused(tmp_path: Path) -> None:
    """A default alone names nobody who could answer; a missing file is named."""
    with pytest.raises(AnswersError, match="name no voter"):
        load_recorded([write(tmp_path, {"default": [{"content": "x"}]})])
    with pytest.raises(AnswersError, match="absent"):
        load_recorded([tmp_path / "absent.jsonl"])


def test_endless_line_is_refused(tmp_path: Path) -> None:
    """A line is read up to its bound and no further."""
    file = tmp_path / "long.jsonl"
    file.write_bytes(b'"' + b"x" * (MAX_LINE_BYTES + 1) + b'"\n')
    with pytest.raises(AnswersError, match="longer than"):
        load_recorded([file])


async def test_an_answer_without_latency_takes_as_long_as_its_first_token(tmp_path: Path) -> None:
    """A recording that only knows the first token's time plays it."""
    naps = Naps()
    playing = voter(write(tmp_path, line("p", {"content": "x", "first_token_ms": 90})), naps)
    assert ((await playing.ask(request("p"))).first_token_ms, naps.slept) == (90, [0.09])


def test_a_file_that_changed_since_it_was_pinned_is_refused(tmp_path: Path) -> None:
    """What is played is what was pinned, byte by byte."""
    file = write(tmp_path, GOOD)
    pinned = {file: hashlib.sha256(file.read_bytes()).hexdigest()}
    assert load_recorded([file], pinned).infos
    with file.open("a") as more:
        more.write("\n")
    with pytest.raises(AnswersError, match=f"instead of {pinned[file]}") as caught:
        load_recorded([file], pinned)
    assert "\n" not in str(caught.value)
