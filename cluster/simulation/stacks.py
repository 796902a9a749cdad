"""The stacks that are compared: a shipped profile's layers, one provider alone, and retry, then fall back.

Rules:
- Layers, breakers, deadlines, caps and the number of replicas of a site are the profile's own, as ``up`` would read them.
- What the profile cannot say of its voters (how often right, how fast) is stated here; it decides how often they agree, not
  how often they are there.
- The two baselines ask the same simulated providers in the same weather as everybody does without this project: a call, or
  three with pauses and then three of the next provider; whoever is silent is not asked again. Any text that comes in time
  counts as an answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from actors.base.canonical import MICRO
from cluster.config import Config, load_profile, read_config
from cluster.profile_policy import profile_rules
from cluster.simulation.settings import SiteSettings
from cluster.simulation.voters import Character, SimulatedVoter
from cluster.voter_config import PriceConfig, VoterConfig
from models.errors import VoterError
from models.providers.prices import Price
from models.voter import Message, Sampling, VoterInfo, VoterRequest

ACCURACY: Mapping[str, float] = {
    "gpt-4.1": 0.92, "claude-sonnet-4.5": 0.93, "gemini-2.5-pro": 0.92, "mistral-large": 0.85, "llama-3.1-8b": 0.65,
    "mistral-7b": 0.40, "qwen2.5-coder-7b": 0.83, "qwen2.5-coder-0.5b": 0.52, "smollm2-135m": 0.05, "gemma-3-270m": 0.02,
}  # fmt: skip
"""Share of HumanEval that such models solve, by their makers' reports (the last three: measured here)."""
LOCAL = "machine"
"""Who runs the local voters: the home's own machine, one for all of them and the gateway."""
ALONE_S, TRIES, PAUSE_S = 60.0, 3, 1.0
NAIVE_CALL_S = 20.0
"""How long retry-then-fallback waits for one call: so short that the second provider still has time."""


def site_of(profile: str) -> SiteSettings:
    """Return the site that a profile describes."""
    config = read_config(load_profile(profile), f"profile {profile}")
    rules = profile_rules(config)
    return SiteSettings(
        characters=tuple(_character(voter, config) for voter in config.voters), layers=tuple(rules.layers),
        consensus=config.consensus, breakers=config.breakers, policy=config.policy, thresholds=rules.thresholds,
        replicas=config.gateway.replicas,
    )  # fmt: skip


def _character(voter: VoterConfig, config: Config) -> Character:
    local = voter.provider == "vllm"
    return Character(
        info=VoterInfo(voter.id, voter.family or voter.id, voter.lineage or voter.id, voter.context_tokens or 8192),
        provider=LOCAL if local else _operator(voter), accuracy=ACCURACY.get(voter.id, 0.5),
        first_token_s=0.3 if local else 0.6, per_token_s=0.02, price=_price(voter.price),
        timeout_s=config.consensus.max_deadline_ms / 1000,
    )  # fmt: skip


def _operator(voter: VoterConfig) -> str:
    return "mistral" if voter.provider == "openai" and "mistral" in (voter.base_url or "") else voter.provider


def _price(price: PriceConfig | None) -> Price | None:
    return None if price is None else Price(round(price.input_usd * MICRO), round(price.output_usd * MICRO))


def free(site: SiteSettings) -> SiteSettings:
    """Return the site with voters that cost nothing, where spending is not what is looked at."""
    return replace(site, characters=tuple(replace(one, price=None) for one in site.characters), spend_per_day_usd=0.0)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A way to ask providers, by name; ``ask`` tells whether any text came."""

    name: str
    ask: Callable[[Mapping[str, SimulatedVoter], str], Awaitable[bool]]


async def _text(voter: SimulatedVoter, question: str, within_s: float) -> bool | None:
    """Tell whether one call brings text; ``None`` if it brings nothing in time."""
    request = VoterRequest("baseline", (Message("user", question),), Sampling(max_tokens=512))
    try:
        async with asyncio.timeout(within_s):
            await voter.ask(request)
    except TimeoutError:
        return None
    except VoterError:
        return False
    return True


async def _retried(voters: Sequence[SimulatedVoter], question: str) -> bool:
    for voter in voters:
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSE_S * 2**attempt)
            came = await _text(voter, question, NAIVE_CALL_S)
            if came:
                return True
            if came is None:
                break
    return False


def baselines(first: str, second: str) -> tuple[Baseline, Baseline]:
    """Return the two baselines: ``first`` alone, and ``first`` with ``second`` to fall back to."""

    async def alone(voters: Mapping[str, SimulatedVoter], question: str) -> bool:
        return bool(await _text(voters[first], question, ALONE_S))

    async def retried(voters: Mapping[str, SimulatedVoter], question: str) -> bool:
        try:
            async with asyncio.timeout(ALONE_S):
                return await _retried((voters[first], voters[second]), question)
        except TimeoutError:
            return False

    return Baseline(f"{first} alone", alone), Baseline(f"{first}, three tries, then {second}", retried)
