"""What holds the time that a replica spends on its voters."""

import pytest

from cluster.bench import holders, stages
from cluster.bench.holders import holder_of, together
from cluster.bench.stages import Share

ROOT = "run_until_complete (uvloop/loop.pyx:1)"
ASK = "ask (models/providers/capped.py:70)"
CALL = "_asked (models/providers/sdk_clients.py:100)"


@pytest.mark.parametrize(
    ("stack", "holder"),
    [
        ([ROOT], stages.LOOP),
        ([ROOT, "step (actors/consensus/deliberation.py:196)"], holders.OTHERS),
        ([ROOT, "parse (serve_apps/gateway/parsing.py:15)", "validate (pydantic/main.py:1)"], holders.OTHERS),
        ([ROOT, ASK], holders.OURS),
        ([ROOT, ASK, CALL, "create (openai/resources/chat/completions/completions.py:2)"], holders.OPENAI),
        ([ROOT, ASK, CALL, "create (anthropic/resources/messages/messages.py:2)"], holders.ANTHROPIC),
        ([ROOT, ASK, CALL, "_generate_content (genai/models.py:2)"], holders.GOOGLE),
        ([ROOT, ASK, CALL, "request (openai/_base_client.py:2)", "construct (pydantic/main.py:3)"], holders.PYDANTIC),
        ([ROOT, ASK, CALL, "request (openai/_base_client.py:2)", "send (httpx2/_client.py:3)"], holders.HTTPX),
        (
            [ROOT, ASK, CALL, "send (httpx2/_client.py:3)", "_whole (models/providers/sdk_transport.py:60)"],
            holders.OURS,
        ),
        ([ROOT, ASK, CALL, "create (openai/x.py:1)", "deepcopy (copy.py:128)"], holders.OPENAI),
        ([ROOT, "data_received (models/http1.py:266)"], holders.OURS),
    ],
)
def test_the_innermost_known_package_of_the_voters_decides(stack: list[str], holder: str) -> None:
    """Inside the voters' stage: what calls back into our adapter is ours again, other libraries are their caller's."""
    assert holder_of(stack) == holder


def test_the_sdks_together_are_everything_that_only_they_need() -> None:
    """Their own code, pydantic under them, and the HTTP client; neither our adapters nor the rest of the replica."""
    shares = [Share(name, 10.0, 100.0) for name in (*holders.SDKS, holders.OURS, holders.OTHERS, stages.LOOP)]
    assert together(shares) == Share("the SDKs together", 50.0, 500.0)
    assert together([]) == Share("the SDKs together", 0, 0)
