"""What fits into a model's context, and how an engine says that something does not. Pure.

Rules:
- A request's ``max_tokens`` is an upper bound. Where prompt and ``max_tokens`` together do not fit, the engine is asked once
  more without ``max_tokens``: it then fills the room the prompt leaves, which is less than what the request allowed.
- Only a prompt that leaves no room is too long. That is certain beforehand where it has as many words as the context has
  tokens (no tokenizer packs two words into one token), and then the engine is spared; nearer to the bound only it can tell.

Left out: counting tokens. That takes each model's own tokenizer, which lives with its engine.
"""

import re
from collections.abc import Sequence

from models.errors import VoterTooLong
from models.voter import Message, VoterInfo

# "This model's maximum context length is …", "context_length_exceeded", "… longer than the maximum model length of …",
# "max_tokens=… cannot be greater than max_model_len=…": OpenAI's servers and vLLM's.
_TOO_LONG = re.compile(r"context.length|maximum model length|max_model_len", re.IGNORECASE)


def says_too_long(complaint: str) -> bool:
    """Tell whether an engine refused a request because prompt and answer do not fit its context."""
    return _TOO_LONG.search(complaint) is not None


def require_room(info: VoterInfo, messages: Sequence[Message]) -> None:
    """Raise ``VoterTooLong`` if the prompt certainly leaves this voter no room for an answer."""
    # A text has at most half as many words as characters: most prompts need no counting.
    if sum(len(message.content) // 2 + 1 for message in messages) < info.context_tokens:
        return
    words = sum(len(message.content.split()) for message in messages)
    if words >= info.context_tokens:
        raise VoterTooLong(info.id, f"the prompt has {words} words, its context {info.context_tokens} tokens")
