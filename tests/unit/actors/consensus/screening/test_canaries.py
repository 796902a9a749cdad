"""Snippets a screener must still see."""

from actors.consensus.screening.canaries import CANARIES, check
from actors.consensus.screening.findings import Screening, refusal
from actors.consensus.screening.screen import screen


def test_the_rules_see_every_canary() -> None:
    """The rules by themselves, without Bandit, say the right thing of each."""
    assert check(screen) == ()


def test_a_blind_screener_is_found() -> None:
    """Passing everything misses what is bad, rejecting everything what is good."""
    assert set(check(lambda *_: Screening("pass", "v"))) == {c.name for c in CANARIES if c.rule}
    assert check(lambda *_: refusal("scanner-error", "m", "v")) == tuple(c.name for c in CANARIES)


def test_losing_one_family_is_found() -> None:
    """Each family has canaries that only it answers for."""
    families = {canary.rule.split("-")[0] for canary in CANARIES if canary.rule}
    for family in families:

        def without(code: str, language: str, family: str = family) -> Screening:
            whole = screen(code, language)
            kept = tuple(f for f in whole.findings if not f.rule.startswith(family + "-"))
            return Screening(whole.verdict, whole.version, kept)

        assert check(without), family
