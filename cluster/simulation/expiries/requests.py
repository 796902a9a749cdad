"""Lifetimes of what requests meet: breakers, policy, proofs, limits, kept answers, certificates, money.

Each function lets one thing begin at 0 and returns what production's class says of it ``age_s`` later, by its injected clock.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.admission.adapters.leases import SharedLeases
from actors.admission.idempotency import Held, LastChance, Slot
from actors.admission.quotas import MINUTE_S, Amount, Book, Leases, Reserved, Want
from actors.admission.sealing import BOX_BYTES
from actors.base.files import write_atomic
from actors.consensus.adapters.decision_log import WalDecisionLog
from actors.consensus.adapters.screener import Screener
from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.merging import Report
from actors.consensus.breakers.outliers import Outliers
from actors.consensus.breakers.vocabulary import Permit
from actors.consensus.breakers.window import Counts
from actors.consensus.sandbox.selftest import Proof, why_not
from actors.consensus.screening.canaries import CANARIES
from actors.consensus.screening.findings import Finding, Screening
from actors.policy.adapters.watcher import PolicyView
from actors.store.adapters.database import Database
from actors.store.adapters.tables import metadata
from cluster.config import Config
from cluster.simulation import authority
from cluster.simulation.loop import VirtualLoop
from cluster.simulation.questions import CODE
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import SimulatedClock, SimulatedWal
from cluster.simulation.voters import Character, SimulatedVoter
from cluster.simulation.weather import Weather
from models.providers.spend import SpendLedger
from models.voter import VoterInfo
from serve_apps.gateway.guards import Guards
from serve_apps.gateway.idempotency import CHANCE_SHARE

T = TypeVar("T")
_SLOT = Slot("slot", "key", "request")


def cooldown(config: Config, age_s: float, _: Path) -> str:
    """Return whether an opened breaker lets a probe through."""
    admitted, _moves = _opened(config).admit(age_s)
    return "probed" if isinstance(admitted, Permit) else "open"


def silent_probes(config: Config, age_s: float, _: Path) -> str:
    """Return the state of a breaker all of whose probes are silent."""
    breaker, since_s = _opened(config), config.breakers.open_s
    for _probe in range(config.breakers.half_open_permits):
        breaker.admit(since_s)
    breaker.admit(since_s + age_s)
    return breaker.view(since_s + age_s).state


def window(config: Config, age_s: float, _: Path) -> int:
    """Return how many failures a window of time holds after one."""
    breaker = Breaker(config.breakers.model_copy(update={"window": "time", "minimum_calls": 2}))
    _fail(breaker, 0.0)
    return breaker.view(age_s).failed


def ejection(config: Config, age_s: float, _: Path) -> str:
    """Return whether failures of a voter that was ejected once count again."""
    outliers = _outliers(config)
    _eject(outliers, config, 0.0, after_s=0.0)
    return "counts" if _eject(outliers, config, age_s, after_s=0.0) else "ejected"


def longest_ejection(config: Config, age_s: float, _: Path) -> str:
    """Return the same of one that was ejected again and again."""
    outliers, at_s = _outliers(config), 0.0
    while (until_s := _eject(outliers, config, 0.0, after_s=at_s)) is not None:
        if until_s - at_s == config.breakers.outliers.max_s:
            return "counts" if _eject(outliers, config, age_s, after_s=at_s) else "ejected"
        at_s = until_s
    raise ValueError("no ejection lasts as long as the longest")


def ejections_in_a_row(config: Config, age_s: float, _: Path) -> int:
    """Return how many ejections in a row the third is, so long after the second ended."""
    short = config.breakers.outliers.model_copy(update={"base_s": 1.0, "max_s": 3600.0})
    config = config.model_copy(update={"breakers": config.breakers.model_copy(update={"outliers": short})})
    outliers, at_s = _outliers(config), 0.0
    for _earlier in range(2):
        at_s = _eject(outliers, config, 0.0, after_s=at_s) or at_s
    until_s = _eject(outliers, config, age_s, after_s=at_s) or at_s
    return round(until_s - at_s - age_s)


def staleness(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a policy that nobody confirms halts, where staleness does."""
    snapshot = SiteSettings((), ()).first_policy()
    return PolicyView(snapshot, snapshot.sha256, 0.0, False, config.policy.policy_max_stale_s, "halt").halted(age_s)


def canaries(config: Config, age_s: float, _: Path) -> str:
    """Return what becomes of harmless code at a screener that saw when it began and has been blind since."""
    loop, rules, said = VirtualLoop(), Rules(), list[Screening]()  # type: ignore[abstract]  # what is left out raises
    screener = Screener(rules, SimulatedClock(loop), config.screening)
    rules.is_blind = True

    async def screened() -> None:
        said.append(await screener.screen(CODE[0].right[0], "python"))

    loop.call_at(age_s, loop.create_task, screened())
    loop.run(age_s + 1.0)
    screener.close()
    return said[0].verdict


@dataclass(slots=True)
class Rules:
    """Rules of screening that say of every canary what is right, until they are blind."""

    is_blind: bool = False

    def __call__(self, code: str, _language: str) -> Screening:
        """Return what is known of code."""
        known = next((one for one in CANARIES if one.code == code), None)
        if self.is_blind or known is None or not known.rule:
            return Screening("pass", "rules")
        verdict: Literal["flag", "reject"] = "flag" if known.verdict == "flag" else "reject"
        return Screening(verdict, "rules", (Finding(known.rule, "CWE-0", 1, verdict, "found"),))


def sandbox_proof(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a sandbox that was proven may still be used."""
    proof = Proof(0.0, "this start", "as built", ())
    return not why_not(proof, "this start", "as built", age_s, config.sandbox.self_test_expiry_s)


def minute_in_hand(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a key that used all it had may ask, at a replica whose store says nothing more."""
    book, limit = Book(config.gateway.replicas, 0.0), Amount(4 * config.gateway.replicas, 0)
    book.asked(0)
    book.answered(Leases(0, joined=True, given={}, left={}))
    book.asked(1)
    book.failed(1, for_certain=True, has_share=True)
    while isinstance(book.reserve("key", limit, 0, 0.0), Reserved):
        pass
    return isinstance(book.reserve("key", limit, 0, age_s), Reserved)


def minute_of_leases(config: Config, age_s: float, folder: Path) -> bool:
    """Return whether more of a key's limit is leased when all of it was."""
    store = SharedLeases(folder, "replica", 1, config.admission.quotas)
    wants = {"key": Want(Amount(8, 0), Amount(1, 0))}
    while store.lease(0, wants).given.get("key", Amount()).requests:
        pass
    given = store.lease(int(age_s // MINUTE_S), wants).given.get("key", Amount())
    store.close()
    return given.requests > 0


def claim(config: Config, age_s: float, folder: Path) -> str:
    """Return what a duplicate is told while the first has claimed its key and gives no sign of life."""
    chance_s = config.idempotency.lease_s * CHANCE_SHARE
    lapses_s = config.idempotency.lease_s - chance_s

    def asked_twice(table: KeptAnswers) -> str:
        table.claim(_SLOT, "first", 0, round(lapses_s * 1000))
        _, held = table.look(_SLOT, round(lapses_s * 1000))
        chance = LastChance().looked(held, round(lapses_s * 1000), lapses_s)
        return table.look(_SLOT, round(age_s * 1000), chance.given_up(age_s, chance_s))[0]

    return _in_table(config, folder, asked_twice)


def kept_answer(config: Config, age_s: float, folder: Path) -> str:
    """Return what a duplicate is told once the answer is kept."""
    keep_ms, age_ms = round(config.idempotency.keep_s * 1000), round(age_s * 1000)

    def answered_twice(table: KeptAnswers) -> str:
        table.claim(_SLOT, "first", 0, 1000)
        table.keep(_SLOT.id, "first", Held(_SLOT.request, "first", keep_ms, "decision", b"box"))
        return table.look(_SLOT, age_ms)[0]

    return _in_table(config, folder, answered_twice)


def breaker_report(config: Config, age_s: float, folder: Path) -> list[str]:
    """Return whom a replica does not ask because of another's report; files are dated by the machine's clock."""
    loop, weather = VirtualLoop(), Weather()  # type: ignore[abstract]  # what is left out raises
    clock, names = SimulatedClock(loop), ("a", "b", "c")
    voters = {
        name: SimulatedVoter(Character(VoterInfo(name, name, name), "", 1.0, 1.0, 0.0), weather, clock.time, _unheard)
        for name in names
    }
    guards = Guards(voters, [names], config.breakers, clock, Nobody(), _unheard, folder, "replica 0")
    report = folder / "replica 1.json"
    write_atomic(report, msgspec.json.encode({"a": Report(Counts(), 30.0)}))
    dated_s = time.time() - age_s
    os.utime(report, (dated_s, dated_s))
    loop.create_task(guards.exchange())
    loop.run(0.1)
    return guards.denying()


class Nobody:
    """Is told of incidents."""

    def open(self, kind: str, level: str, evidence: object, dedup_key: str) -> None:
        """Hear of one."""


def certificate(config: Config, age_s: float, _: Path) -> bool:  # noqa: ARG001 - as all of them
    """Return whether a writer may sign with its certificate."""
    identity = authority.writer(0, 1, authority.EPOCH_S)
    log = WalDecisionLog(SimulatedWal(Weather(), "replica 0", _unheard), identity, authority.trust)
    return log.seconds_left(identity.certificate.read().not_before + age_s) > 0


def day_of_cap(config: Config, age_s: float, _: Path) -> bool:  # noqa: ARG001 - as all of them
    """Return whether there is money again when a day's cap is spent."""
    ledger, reservation = SpendLedger(100).reserve(100, 0.0)
    if reservation is None:
        raise ValueError("an empty ledger has room for its cap")
    return ledger.reconcile(reservation, 100, 0.0).reserve(100, age_s)[1] is not None


def _unheard(*_: object) -> None:
    """Hear what nobody asks about."""


def _fail(breaker: Breaker, now_s: float) -> None:
    permit, _ = breaker.admit(now_s)
    if isinstance(permit, Permit):
        breaker.settle(permit, "sick", now_s)


def _opened(config: Config) -> Breaker:
    breaker = Breaker(config.breakers)
    while breaker.view(0.0).state != "open":
        _fail(breaker, 0.0)
    return breaker


def _outliers(config: Config) -> Outliers:
    return Outliers(config.breakers.outliers, ("a", "b"))


def _eject(outliers: Outliers, config: Config, age_s: float, *, after_s: float) -> float | None:
    """Let a voter fail as often in a row as ejects it; return until when it is ejected, if that begins now."""
    failures = range(config.breakers.outliers.consecutive_failures)
    return [outliers.failed("a", after_s + age_s) for _ in failures][-1]


def _in_table(config: Config, folder: Path, do: Callable[[KeptAnswers], T]) -> T:
    database = Database(f"sqlite:///{folder}/state.db")
    try:
        metadata.create_all(database.engine)
        bounds = config.idempotency
        return do(KeptAnswers(database, bounds.max_keys, bounds.max_kept_bytes, bounds.max_answer_bytes + BOX_BYTES))
    finally:
        database.close()
