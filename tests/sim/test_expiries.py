"""Whatever runs out: every duration of the configuration is known, and every lifetime ends when it says and not before."""

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from cluster.config import Config, load_profile, read_config
from cluster.simulation.expiries import requests
from cluster.simulation.expiries.table import LIFETIMES, OTHERS, Lifetime, _passed, durations, passed, seconds

CONFIG = read_config(load_profile("gpu"), "profile gpu")
CONSTANTS = ("actors.", "models.", "serve_apps.")
"""What the name of a lifetime begins with that no key configures."""


def test_every_duration_of_the_configuration_is_a_lifetime_or_said_to_be_none() -> None:
    """Whoever adds one adds it to the table, with what is different after its end, or with why nothing ends by it."""
    listed = [one.where for one in LIFETIMES if not one.where.startswith(CONSTANTS)]
    listed += [where for others in OTHERS.values() for where in others]
    assert sorted(listed) == sorted(durations(Config))


class Inner(BaseModel):
    """A section below another."""

    keep_days: float = 1.0
    count: int = 3


class Outer(BaseModel):
    """A configuration with sections in every way in which they can be there."""

    wait_ms: int = Field(default=5, ge=1)
    inner: Inner = Inner()
    perhaps: Inner | None = None
    many: tuple[Inner, ...] = ()
    limit_s: float | None = None
    bytes: int = 1


def test_durations_are_found_wherever_they_are() -> None:
    """In sections, in those that may be missing, and in those that there are many of."""
    assert list(durations(Outer)) == ["wait_ms", "inner.keep_days", "perhaps.keep_days", "many.keep_days", "limit_s"]


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: lifetime.where)
def test_a_lifetime_ends_when_it_says(lifetime: Lifetime) -> None:
    """Just before its end production's class says one thing, just after another."""
    found = _passed(lifetime, CONFIG)
    assert (found.before, found.after) == (lifetime.before, lifetime.after)
    assert found.as_it_must
    assert lifetime.before != lifetime.after
    assert found.lasts_s > lifetime.margin_s


@pytest.mark.parametrize(
    ("where", "changed"),
    [("idempotency.keep_s", 3600.0), ("screening.canary_max_age_s", 7.0), ("breakers.open_s", 11.0)],
)
def test_what_is_configured_is_what_is_passed(where: str, changed: float) -> None:
    """Another value is another end: nothing goes by the default."""
    section, name = where.split(".")
    config = CONFIG.model_copy(update={section: getattr(CONFIG, section).model_copy(update={name: changed})})
    found = next(one for one in passed(config) if one.where == where)
    assert found.lasts_s == changed
    assert found.as_it_must


def test_what_never_ends_or_ends_too_soon_is_told() -> None:
    """A class that forgot its clock."""
    endless = Lifetime("policy.policy_max_stale_s", lambda *_: "there", "there", "gone")
    hasty = Lifetime("policy.policy_max_stale_s", lambda *_: "gone", "there", "gone")
    assert not _passed(endless, CONFIG).as_it_must
    assert not _passed(hasty, CONFIG).as_it_must


def test_durations_are_told_in_seconds() -> None:
    """Whatever unit their names say."""
    assert seconds(CONFIG, "content.max_age_days") == 86_400 * CONFIG.content.max_age_days
    assert seconds(CONFIG, "policy.poll_ms") == CONFIG.policy.poll_ms / 1000
    with pytest.raises(TypeError, match="is no duration"):
        seconds(CONFIG, "policy.on_stale")


def test_rules_that_are_blind_say_that_everything_is_well(tmp_path: Path) -> None:
    """And see every canary before: else the screener would be blind from its start."""
    assert requests.canaries(CONFIG, 0.0, tmp_path) == "pass"
    rules = requests.Rules()
    before = {rules(one.code, one.language).verdict for one in requests.CANARIES if one.rule}
    rules.is_blind = True
    assert {rules(one.code, one.language).verdict for one in requests.CANARIES} == {"pass"}
    assert before <= {"reject", "flag"}
