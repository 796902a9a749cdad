import pytest

from actors.base.errors import ConfigurationError
from cluster.evals.recording import Recording, Sample
from cluster.evals.regeneration import compared, drawn, single_answers
from tests.unit.cluster.evals.suite import ADD, NEGATE, answers, header, recording, sampling

ALONE = Recording(header("m1", sampling(concurrency=1)), (answers(ADD, "a"), answers(NEGATE, "n")), 0)


def sample(*tokens: int) -> Sample:
    """Return an answer of these tokens."""
    return Sample("text", "stop", len(tokens), tokens)


def test_only_answers_made_alone_are_made_again() -> None:
    """The recording made one answer at a time is found among others."""
    assert single_answers([recording("m2", answers(ADD, "b")), ALONE]) is ALONE


@pytest.mark.parametrize("recordings", [[], [ALONE, ALONE]])
def test_none_or_two_such_recordings_are_told(recordings: list[Recording]) -> None:
    """Which one is meant is not guessed."""
    with pytest.raises(ConfigurationError, match="instead of one"):
        single_answers(recordings)


def test_the_seed_draws_the_tasks() -> None:
    """The same seed draws the same tasks, in whatever order they were recorded; no more than there are."""
    backwards = Recording(ALONE.header, tuple(reversed(ALONE.tasks)), 0)
    assert drawn(ALONE, 1, seed=4) == drawn(backwards, 1, seed=4)
    assert {drawn(ALONE, 1, seed)[0].task_id for seed in range(20)} == {ADD.task_id, NEGATE.task_id}
    assert len(drawn(ALONE, 9, seed=4)) == 2


@pytest.mark.parametrize(
    ("recorded", "made", "agreeing"),
    [((1, 2, 3), (1, 2, 3), 3), ((1, 2, 3), (1, 5, 3), 1), ((1, 2), (1, 2, 3), 2), ((1,), (2,), 0), ((), (1,), 0)],
)
def test_tokens_agree_up_to_the_first_that_differs(
    recorded: tuple[int, ...], made: tuple[int, ...], agreeing: int
) -> None:
    """Tokens after the first difference do not count, even if they are equal."""
    found = compared("t", sample(*recorded), sample(*made), recorded_passed=True, made_passed=True)
    assert (found.agreeing_tokens, found.recorded_tokens, found.made_tokens) == (agreeing, len(recorded), len(made))


@pytest.mark.parametrize("recorded", [True, False])
def test_verdicts_are_equal_or_not(recorded: bool) -> None:
    """Whether tokens agree has no say in it."""
    assert compared("t", sample(1), sample(2), recorded_passed=recorded, made_passed=recorded).same_verdict
    assert not compared("t", sample(1), sample(1), recorded_passed=recorded, made_passed=not recorded).same_verdict
