"""What fits into a model's context."""

import pytest

from models.context import require_room, says_too_long
from models.errors import VoterTooLong
from models.voter import Message, VoterInfo


@pytest.mark.parametrize(
    "complaint",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 2048 output tokens",
        "The decoder prompt (length 3000) is longer than the maximum model length of 2048. Make sure that …",
        "max_tokens=4096 cannot be greater than max_model_len=max_total_tokens=2048. Please request fewer output tokens.",
        "Input length (3000) exceeds model's maximum context length (2048).",
        '{"error": {"code": "context_length_exceeded"}}',
    ],
)
def test_every_engine_s_complaint_is_understood(complaint: str) -> None:
    """What vLLM and OpenAI's servers say of a prompt that does not fit is told from other refusals."""
    assert says_too_long(complaint)
    assert not says_too_long("the chat template of this model is broken")


@pytest.mark.parametrize(("words", "fits"), [(255, True), (256, False), (100_000, False)])
def test_a_prompt_of_as_many_words_as_the_context_has_tokens_leaves_no_room(words: int, *, fits: bool) -> None:
    """Words of every turn count: each takes a token at least."""
    info = VoterInfo("v", "f", "l", context_tokens=256)
    messages = [Message("system", "a\n"), Message("user", "b " * (words - 1))]
    if fits:
        assert require_room(info, messages) is None
    else:
        with pytest.raises(VoterTooLong, match=f"v: the prompt has {words} words, its context 256 tokens"):
            require_room(info, messages)


def test_long_words_may_fit() -> None:
    """Characters are no bound: what a tokenizer makes of one word only the engine can tell."""
    require_room(VoterInfo("v", "f", "l", context_tokens=256), [Message("user", "x" * 10_000 + " " * 10_000)])
