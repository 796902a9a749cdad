"""Scenarios of one breaker, written as a line of steps.

``s`` a call succeeds, ``f`` fails, ``l`` succeeds slowly, ``m`` fails slowly, ``e`` succeeds after exactly the time above which
calls are slow, ``n`` ends and says nothing; ``f@30`` fails and asks to be left alone for 30 s; ``p`` a call is let in and stays
under way, ``d`` a call is denied; ``+60`` time passes; ``!open`` the operator; ``=open`` the state; ``f*5`` five times.
"""

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.vocabulary import Denied, Permit, Transition, Verdict

ENDS: dict[str, tuple[Verdict, float]] = {
    "s": ("healthy", 0.0), "f": ("sick", 0.0), "l": ("healthy", 1.01), "m": ("sick", 1.01),
    "e": ("healthy", 1.0), "n": ("says_nothing", 0.0),
}  # fmt: skip
"""Letter → what its end says, and how long it took as a multiple of the time from which calls are slow."""


def played(config: BreakerConfig, steps: str) -> list[Transition]:
    """Play the steps, checking what they claim; return every transition."""
    breaker, now_s, moves = Breaker(config), 0.0, list[Transition]()
    for token in steps.split():
        step, _, times = token.partition("*")
        for _ in range(int(times or 1)):
            if step.startswith("+"):
                now_s += float(step)
            elif step.startswith("="):
                assert breaker.view(now_s).state == step[1:], f"{token} in {steps}"
            elif step.startswith("!"):
                moves += breaker.force(step[1:], now_s)  # type: ignore[arg-type]
            else:
                moves += called(breaker, config, step, now_s)
    return moves


def called(breaker: Breaker, config: BreakerConfig, step: str, now_s: float) -> list[Transition]:
    """Make one call."""
    letter, _, asked = step.partition("@")
    admitted, moves = breaker.admit(now_s)
    assert isinstance(admitted, Denied if letter == "d" else Permit), f"{step} at {now_s}: {admitted}"
    if letter not in ENDS or isinstance(admitted, Denied):
        return list(moves)
    verdict, share = ENDS[letter]
    admitted.began_s = now_s - share * config.slow_call_s
    return [*moves, *breaker.settle(admitted, verdict, now_s, float(asked) if asked else None)]
