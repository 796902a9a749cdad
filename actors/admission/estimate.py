"""The most tokens that a request can use, and what it did use. Pure.

Rules:
- A token is at least a byte, so a prompt has no more tokens than bytes, and what chat templates put around its turns.
- Everybody who may be asked is counted, substitutes and later layers too: nobody is asked twice.
- What was used is what the answers say they used, each once, hedges too; whoever was asked and cancelled before he answered has
  taken in the prompt, which is as long as the longest that the others tell.

Left out: money (``models.providers.spend``), and tokenizers: each voter has its own.
"""

from actors.consensus.request import GenerationRequest
from actors.consensus.standing import ballots_told
from actors.consensus.vocabulary import State

TURN_TOKENS, FRAME_TOKENS = 16, 64
"""What a chat template puts around each turn, and around all of them."""


def most_tokens(request: GenerationRequest, voters: int) -> int:
    """Return the most that a request can use if every one of so many voters is asked."""
    prompt = sum(len(message.content.encode("utf-8", "surrogatepass")) + TURN_TOKENS for message in request.asked)
    return max(1, voters) * (prompt + FRAME_TOKENS + request.sampling.max_tokens)


def used_tokens(state: State) -> int:
    """Return what a deliberation used, over all its layers."""
    ballots = [ballot for _, ballot in ballots_told(state)]
    answers = [ballot.candidate for ballot in ballots if ballot.candidate is not None]
    prompt = max((answer.prompt_tokens for answer in answers), default=0)
    told = sum(answer.prompt_tokens + answer.completion_tokens for answer in answers)
    return told + prompt * sum(ballot.state == "outstanding" for ballot in ballots)
