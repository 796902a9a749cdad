"""What holds the time that a replica spends on its voters: a provider's SDK, what that stands on, or our own adapters. Pure.

Rules:
- A stack that is not the voters' (``stages``) keeps to ``OTHERS``, or to ``LOOP`` where nothing of Python's shows.
- Of the voters' the innermost frame of a known package decides; what runs compiled counts for the frame that called it, so
  pydantic's core is where its validators are called from.
- The library of the HTTP client that an SDK is given counts for the SDKs: without them nobody needs it. What we put under it
  is ours.
"""

from collections.abc import Iterable, Sequence

from cluster.bench.stages import LOOP, VOTERS, Share, stage_of

OPENAI, ANTHROPIC, GOOGLE, PYDANTIC, HTTPX = (
    "OpenAI's SDK",
    "Anthropic's SDK",
    "Google's SDK",
    "pydantic, called by an SDK",
    "the SDKs' HTTP library",
)
SDKS = (OPENAI, ANTHROPIC, GOOGLE, PYDANTIC, HTTPX)
OURS = "our adapters"
OTHERS = "every other stage of the replica"
_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (OPENAI, ("(openai/",)),
    (ANTHROPIC, ("(anthropic/",)),
    (GOOGLE, ("(genai/", "(google/genai/")),
    (PYDANTIC, ("(pydantic/",)),
    (HTTPX, ("(httpx2/", "(anyio/")),
    (OURS, ("(models/",)),
)


def holder_of(frames: Sequence[str]) -> str:
    """Return what holds the time of one stack."""
    if (stage := stage_of(frames)) != VOTERS:
        return LOOP if stage == LOOP else OTHERS
    for frame in reversed(frames):
        for holder, places in _PLACES:
            if any(place in frame for place in places):
                return holder
    return OURS


def together(shares: Iterable[Share]) -> Share:
    """Return what the SDKs and all that they stand on hold together."""
    held = [share for share in shares if share.stage in SDKS]
    return Share("the SDKs together", sum(s.percent for s in held), sum(s.us_per_request for s in held))
