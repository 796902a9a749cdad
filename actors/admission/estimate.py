"""The most tokens that a request can use, and what it did use. Pure.

Rules:
- A token is at least a byte, so a prompt has no more tokens than bytes, and what chat templates put around its turns.
- Everybody who may be asked is counted, substitutes and later layers too. Who was cancelled in one layer may be asked again by a
  later one, which is beyond that: his prompt leaves the key in debt.
- What was used is one sum, whether an answer or a refusal came of it: each ask that went out counts once, hedges too, as its
  answer says. One without an answer (failed, out of time, cancelled) has taken in the prompt, which is as long as the longest
  that others tell, or as it can be at most if nobody does.
- An answer that says nothing of its prompt, or of itself, counts as long as that can be: a server without ``usage`` is no way
  around a limit.
- However often an ask was tried, it counts once: tries that failed are free. Retries come out of a budget that all requests of a
  replica share, so nobody has more of them by asking for them.

Left out: money (``models.providers.spend``), which counts every try, and tokenizers: each voter has its own.
"""

from actors.consensus.request import GenerationRequest
from actors.consensus.vocabulary import State
from models.voter import Candidate

TURN_TOKENS, FRAME_TOKENS = 16, 64
"""What a chat template puts around each turn, and around all of them."""


def most_tokens(request: GenerationRequest, voters: int) -> int:
    """Return the most that a request can use if every one of so many voters is asked."""
    return max(1, voters) * (_most_prompt(request) + request.sampling.max_tokens)


def used_tokens(state: State, request: GenerationRequest) -> int:
    """Return what a deliberation used, over all its layers."""
    asks = [layer.ballots[ask_id].candidate for layer in (*state.earlier, state) for ask_id in layer.sent]
    answers = [answer for answer in asks if answer is not None]
    prompt = max((answer.prompt_tokens for answer in answers), default=0) or _most_prompt(request)
    silent = (len(asks) - len(answers)) * prompt
    return silent + sum(_used(answer, prompt, request.sampling.max_tokens) for answer in answers)


def _most_prompt(request: GenerationRequest) -> int:
    turns = sum(_octets(message.content) + TURN_TOKENS for message in request.asked)
    return turns + FRAME_TOKENS


def _used(answer: Candidate, prompt: int, max_tokens: int) -> int:
    answered = answer.completion_tokens or min(_octets(answer.content), max_tokens)
    return (answer.prompt_tokens or prompt) + answered


def _octets(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
