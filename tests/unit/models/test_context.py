"""What fits into a model's context."""

import pytest

from models.context import says_too_long, words_of
from models.voter import Message


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


def test_a_prompt_has_at_least_as_many_tokens_as_words() -> None:
    """Words of every turn count, whatever stands between them."""
    assert words_of([Message("system", " be  brief\n"), Message("user", "x=1"), Message("user", "")]) == 3
