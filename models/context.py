"""What fits into a model's context, and how an engine says that something does not. Pure.

Rules:
- A request's ``max_tokens`` is an upper bound. Where prompt and ``max_tokens`` together do not fit, the engine is asked once
  more without ``max_tokens``: it then fills the room the prompt leaves, which is less than what the request allowed.
- Only a prompt that leaves no room is too long. That is certain beforehand where it has as many words as the context has
  tokens (no tokenizer packs two words into one token); everything nearer to the bound only the engine can tell.

Left out: counting tokens. That takes each model's own tokenizer, which lives with its engine.
"""

import re
from collections.abc import Iterable

from models.voter import Message

# "This model's maximum context length is …", "context_length_exceeded", "… longer than the maximum model length of …",
# "max_tokens=… cannot be greater than max_model_len=…": OpenAI's servers and vLLM's.
_TOO_LONG = re.compile(r"context.length|maximum model length|max_model_len", re.IGNORECASE)


def says_too_long(complaint: str) -> bool:
    """Tell whether an engine refused a request because prompt and answer do not fit its context."""
    return _TOO_LONG.search(complaint) is not None


def words_of(messages: Iterable[Message]) -> int:
    """Return how many words the prompt has: it has at least as many tokens."""
    return sum(len(message.content.split()) for message in messages)
