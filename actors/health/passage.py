"""First passage of a drifted random walk: the probability that it reaches a limit within a time. Pure.

For X(t) = μ·t + σ·W(t) and a limit at distance d > 0, the time τ of the first passage has the inverse Gaussian law

    P(τ ≤ T) = Φ((μT − d) / (σ√T)) + exp(2μd / σ²) · Φ(−(d + μT) / (σ√T))

(Cox and Miller, The Theory of Stochastic Processes, 1965, section 5.7; Folks and Chhikara, J. R. Statist. Soc. B 40, 1978).
A walk that is only looked at every Δ is caught later than it crosses: the limit counts as β·σ·√Δ further away, with
β = −ζ(1/2)/√(2π) (Broadie, Glasserman and Kou, Mathematical Finance 7, 1997).
"""

import math

BETA = 0.5825971579390106
_SQRT2 = math.sqrt(2.0)
_ASYMPTOTIC_FROM = 25.0


def first_passage(distance: float, drift: float, noise: float, horizon_s: float, every_s: float = 0.0) -> float:
    """Return the probability that the limit is reached within ``horizon_s``.

    ``distance`` to the limit, ``drift`` a second, ``noise`` a square root of a second, all in the signal's unit;
    ``every_s`` is the time between looks, 0 for a walk that is watched without a break. At the limit, or past it: 1.
    """
    if distance <= 0:
        return 1.0
    if noise <= 0:
        return 1.0 if drift * horizon_s >= distance else 0.0
    distance += BETA * noise * math.sqrt(every_s)
    spread, gone = noise * math.sqrt(horizon_s), drift * horizon_s
    direct = _upper_tail((distance - gone) / spread)
    return min(direct + _reflected(distance, gone, spread), 1.0)


def _reflected(distance: float, gone: float, spread: float) -> float:
    """Return the second term: walks that crossed and came back."""
    z = (distance + gone) / spread
    if gone <= 0:  # both factors are at most 1
        return math.exp(2 * gone / spread * (distance / spread)) * _upper_tail(z)
    # The first factor may overflow where the second vanishes: together they are a Gauss bell times Mills' ratio.
    return math.exp(-0.5 * ((distance - gone) / spread) ** 2) * _mills(z)


def _upper_tail(z: float) -> float:
    return 0.5 * math.erfc(z / _SQRT2)


def _mills(z: float) -> float:
    """Return exp(z²/2)·P(N > z) for z ≥ 0."""
    if z < _ASYMPTOTIC_FROM:
        return math.exp(0.5 * z * z) * _upper_tail(z)
    return (1 - 1 / z**2 + 3 / z**4) / (z * math.sqrt(2 * math.pi))
