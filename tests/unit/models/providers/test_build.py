"""Settings become the voter they describe."""

import pytest

from models.http1 import ConnectionPool
from models.providers.build import BASE_URLS, Settings, cloud_voter, dialect_of
from models.providers.cloud import Limits
from models.voter import Sampling
from tests.providers import INFO


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_provider_has_its_protocol_and_its_address(provider: str) -> None:
    """Each of the three, over TLS unless told otherwise."""
    assert dialect_of(Settings(provider, "m")).name == provider  # type: ignore[arg-type]
    assert BASE_URLS[provider].startswith("https://")  # type: ignore[index]


async def test_a_voter_says_what_it_leaves_out() -> None:
    """Who configures a sampling can be told what a provider cannot honour."""
    voter = cloud_voter(INFO, Settings("anthropic", "m", adapter="thin"), None, ConnectionPool(1))
    assert "seed" in voter.unsupported
    assert voter.left_out(Sampling(8, seed=1)) == ("seed",)
    assert voter.info is INFO


def test_settings_reach_the_protocol() -> None:
    """The bound's name and the version of the API are the configured ones."""
    assert "temperature" not in dialect_of(Settings("anthropic", "m", api_version="2023-06-01")).unsupported
    with pytest.raises(ValueError, match="max_tokens"):
        dialect_of(Settings("openai", "m", max_tokens_name="tokens"))


@pytest.mark.parametrize("limits", [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, -1.0)])
def test_a_limit_of_no_time_is_refused(limits: tuple[float, float, float]) -> None:
    """Nought is not taken for unset."""
    with pytest.raises(ValueError, match="above 0"):
        Limits(*limits)
