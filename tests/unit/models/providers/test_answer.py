"""What an answer means for a ballot."""

from dataclasses import replace

import pytest

from models.errors import VoterEmpty, VoterError, VoterInvalid, VoterRefused
from models.providers.answer import Other, ProviderAnswer, Text, ToolCall, Usage, candidate_of
from models.voter import Candidate

WHOLE = ProviderAnswer(
    "i", "m", (Text("Pa"), Other("thinking"), Text("ris")), None, "stop", "stop", Usage(3, 5, 2, 1, 4)
)


def test_a_whole_text_is_a_candidate() -> None:
    """Pieces are joined, other parts passed over, tokens counted as the provider did."""
    assert candidate_of(WHOLE, "v", 7) == Candidate("Paris", "stop", 3, 5, 7)
    assert candidate_of(replace(WHOLE, finish="length", usage=None), "v") == Candidate("Paris", "length", 0, 0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"refusal": "no"}, VoterRefused),
        ({"finish": "refused"}, VoterRefused),
        ({"finish": "tool_calls"}, VoterInvalid),
        ({"parts": (Text("I'll look."), ToolCall("1", "f", "{}"))}, VoterInvalid),
        ({"finish": "unknown"}, VoterInvalid),
        ({"finish": None}, VoterInvalid),
        ({"parts": (Text(" \n"),)}, VoterEmpty),
        ({"parts": (Other("thinking"),)}, VoterEmpty),
        ({"parts": ()}, VoterEmpty),
        ({"parts": (Other("fallback"), Text("Paris"))}, VoterInvalid),
        ({"parts": (Text("Paris"), Other("fallback"))}, VoterInvalid),
        ({"parts": (Other("fallback"),), "finish": "refused"}, VoterInvalid),
    ],
)
def test_everything_else_costs_the_ballot(change: dict[str, object], error: type[VoterError]) -> None:
    """Refusals, tool calls nobody offered, unknown ends, empty answers and another model's are never candidates."""
    with pytest.raises(error) as caught:
        candidate_of(replace(WHOLE, **change), "v")
    assert type(caught.value) is error
