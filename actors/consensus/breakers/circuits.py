"""Every voter's breaker in one replica, and what opens or passes them across voters. Pure.

Rules:
- One voter, one breaker, in however many layers it sits; for panic it sits in the first of them, so that layers that share
  voters do not count as room twice. Ejection is a cause of that breaker, not a state beside it.
- Failures in a row are counted of the calls that the breaker counts: late ones eject nobody.
- A call that its breaker denies is let in if the layer of its voter is in panic, unless an operator forced the breaker open or
  the voter itself asked to be left alone. It is a call past the breaker: it takes no permit and counts as a late one.
- State lies in this replica alone. What others report may tighten (``merging``).

Left out: asking, retrying, publishing (``adapters/guarded.py``).
"""

from collections.abc import Mapping, Sequence

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.merging import Report
from actors.consensus.breakers.outliers import Outliers, in_panic
from actors.consensus.breakers.vocabulary import Admission, Force, Moves, Permit, Verdict, View


class Circuits:
    """The breakers of a replica's voters. ``layers`` are sets of voters, first asked first; each voter is in one at least."""

    def __init__(self, config: BreakerConfig, layers: Sequence[Sequence[str]]) -> None:
        self._config = config
        first = {voter: number for number, layer in reversed([*enumerate(layers)]) for voter in layer}
        self._layers = [[voter for voter in first if first[voter] == number] for number in range(len(layers))]
        self._breakers = {voter: Breaker(config) for layer in layers for voter in layer}
        self._outliers = Outliers(config.outliers, self._breakers)

    def of(self, voter: str) -> "Circuit":
        """Return one voter's part; ``KeyError`` names a voter that is in no layer."""
        return Circuit(self, voter, self._breakers[voter])

    def panics(self, voter: str, now_s: float) -> bool:
        """Tell whether the layer of the voter ignores health now."""
        panicking = in_panic(
            self._layers, lambda name: self._breakers[name].available(now_s), self._config.outliers.panic_below
        )
        return any(panic and voter in layer for panic, layer in zip(panicking, self._layers, strict=True))

    def learn(self, voter: str, verdict: Verdict, now_s: float) -> Moves:
        """Take a counted call's verdict; return what an ejection that follows from it changed."""
        if verdict == "healthy":
            self._outliers.succeeded(voter)
        elif verdict == "sick" and (until_s := self._outliers.failed(voter, now_s)) is not None:
            return self._breakers[voter].open(until_s, "outlier", now_s)
        return ()

    def force(self, voter: str, force: Force, now_s: float) -> Moves:
        """Do what an operator wants."""
        return self._breakers[voter].force(force, now_s)

    def hear(self, reports: Mapping[str, Sequence[Report]], now_s: float) -> dict[str, Moves]:
        """Take other replicas' reports by voter; return what moved. Voters that are not asked here are passed over."""
        known = {voter: tuple(told) for voter, told in reports.items() if voter in self._breakers}
        moved = {voter: self._breakers[voter].hear(told, now_s) for voter, told in known.items()}
        return {voter: moves for voter, moves in moved.items() if moves}

    def reports(self, now_s: float) -> dict[str, Report]:
        """Return what this replica saw, for the others."""
        return {voter: breaker.report(now_s) for voter, breaker in self._breakers.items()}

    def views(self, now_s: float) -> dict[str, View]:
        """Return every breaker as it is shown."""
        return {voter: breaker.view(now_s) for voter, breaker in self._breakers.items()}


class Circuit:
    """One voter's breaker among the others'."""

    def __init__(self, circuits: Circuits, voter: str, breaker: Breaker) -> None:
        self._circuits = circuits
        self._voter = voter
        self._breaker = breaker

    def admit(self, now_s: float) -> Admission:
        """Let a call in or not."""
        admission = self._breaker.admit(now_s)
        if isinstance(admission[0], Permit) or not self._circuits.panics(self._voter, now_s):
            return admission
        past, more = self._breaker.admit(now_s, ignore_health=True)
        return past, admission[1] + more

    def settle(self, permit: Permit, verdict: Verdict, now_s: float, retry_after_s: float | None = None) -> Moves:
        """Take a call's end."""
        counted = not permit.settled and self._breaker.counts(permit)
        moves = self._breaker.settle(permit, verdict, now_s, retry_after_s)
        return moves + self._circuits.learn(self._voter, verdict, now_s) if counted else moves
