"""What a defender runs on a home, and what comes of it: the check, a restart of SpanActor, the deep check, and clients who ask.

Each is asked only where those before it saw nothing: what is seen first is what is told.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.consensus.verification import verify_envelope
from actors.spans.actor import SpanActor
from actors.spans.adapters.check import Checked, Damage, check_log
from actors.spans.adapters.lookup import open_lookup
from actors.spans.adapters.progress import Instant
from actors.spans.log.checkpoint import SignedCheckpoint
from actors.spans.record import read_envelope
from cluster.acceptance.tamper.people import NOW_S, PROMISE_S
from cluster.acceptance.tamper.site import LOG, Incidents, Site, config_of, disk
from cluster.acceptance.tamper.threats import Verdict
from cluster.acceptance.tamper.work import Mutation
from cluster.jobs.audit import audit
from cluster.records import read_records

RESTART_S = NOW_S + PROMISE_S // 2
"""When the defender's SpanActor starts: what clients were promised is not due yet."""
MAX_TICKS = 100
"""What cannot be read back is come upon by small steps."""
CLIENT = "a client"
ASKING = 3
"""Clients who ask, of those whose decisions were struck."""
_BATCHES = re.compile(r"\bbatch(?:es)? (\d+)(?: to (\d+))?")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a defender says."""

    by: str
    """``check``, ``witness``, ``ingest``, ``deep check``, ``client``."""
    batch: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a mutant."""

    verdict: Verdict | None
    """``None`` where an alarm names no place that was struck."""
    alarms: tuple[Alarm, ...]


def judge(root: Path, site: Site, mutation: Mutation) -> Outcome:
    """Run what a defender runs, and tell what is seen."""
    seen = {} if mutation.unwatched else dict(site.memory)
    checked = check_log(root, site.authority.trust(), site.shape.commits_a_checkpoint, seen=seen, deep=False)
    alarms = _of_check(checked) or _of_restart(root, site, mutation, seen)
    others = [alarm for alarm in alarms if alarm.by != "client"]
    if others:
        located = any(_is_located(alarm, mutation) for alarm in others)
        return Outcome(Verdict.LOCATED if located else None, tuple(others))
    told = alarms or _of_clients(root, site, mutation)
    return Outcome(Verdict.PROMISE if told else Verdict.NOT_CLAIMED, tuple(told))


def _is_located(alarm: Alarm, mutation: Mutation) -> bool:
    """Tell whether an alarm names a batch that was struck, alone or in a range, or one of the words."""
    named = {alarm.batch}
    for first, last in _BATCHES.findall(alarm.text):
        named |= set(range(int(first), int(last or first) + 1))
    return bool(named & mutation.batches) or any(word in alarm.text for word in mutation.words)


def _of_check(checked: Checked) -> list[Alarm]:
    return [Alarm(_who(item), item.batch, str(item)) for item in checked.damage]


def _who(item: Damage) -> str:
    """Tell whose memory made the check find it; ``check`` where nobody's was needed."""
    return next((who for who in ("client", "witness") if item.why.startswith((f"a {who} has", f"{who} "))), "check")


def _of_restart(root: Path, site: Site, mutation: Mutation, seen: dict[str, SignedCheckpoint]) -> list[Alarm]:
    """Start SpanActor, let it take in what there is, and check again, deep this time, beside the proof that a client kept."""
    incidents = restart(root, site, mutation.late_s)
    if incidents.opened:
        return [Alarm("ingest", None, f"{kind} {evidence}") for kind, evidence in incidents.opened]
    trust = site.authority.trust()
    kept = {} if site.proof is None else {CLIENT: site.proof}
    checked = check_log(root, trust, site.shape.commits_a_checkpoint, seen={**seen, **kept})
    if checked.damage:
        light = check_log(root, trust, site.shape.commits_a_checkpoint, seen={**seen, **kept}, deep=False)
        return _of_check(light) or [Alarm("deep check", item.batch, str(item)) for item in checked.damage]
    now_s = RESTART_S + mutation.late_s
    found = audit(read_records(root, config_of(site.shape)), trust, checked, now_s, lambda _: None)
    said = [*found["findings"], *found["unread"]]
    return [Alarm("deep check", None, str(item)) for item in said]


def restart(root: Path, site: Site, late_s: int) -> Incidents:
    """Start SpanActor, let it take in and seal what there is, and end it; return the incidents that it opened."""
    incidents = Incidents()
    name, config = site.authority.writer(9_001).id, config_of(site.shape)
    actor = SpanActor(root, name, config, incidents, site.authority, LOG, disk(), more=())
    try:
        for step in range(MAX_TICKS):
            now = Instant(RESTART_S + late_s + step, float(step))
            actor.tick(now, flush=True)
            if incidents.opened or (step > 1 and not actor.health(now)["merge_delay_s"]):
                break
    finally:
        actor.close()
    return incidents


def _of_clients(root: Path, site: Site, mutation: Mutation) -> list[Alarm]:
    """Let clients ask for what they kept: those whose decisions were struck."""
    found = (_asked(root, site, each) for each in sorted(mutation.decisions)[:ASKING])
    return [Alarm("client", None, why) for why in found if why]


def _asked(root: Path, site: Site, decision: str) -> str:
    """Return what a client who kept a decision's record finds, once the promise is due; empty if it was kept."""
    lookup, archive = open_lookup(root, config_of(site.shape), site.authority.trust)
    kept, trust = site.kept[decision], site.authority.trust()
    by = len(site.witness_keys) if decision in site.witnessed else 0
    due = read_envelope(kept).read().promise
    try:
        found = lookup.find(decision)
        if found is None:
            return f"decision {decision} is not found"
        if canonical_json(read_envelope(found)) != kept:
            return f"decision {decision} is another record than the one that was answered"
        verified = verify_envelope(archive.prove(found), trust, (due.merge_by if due else 0) + 1, site.witness_keys)
    except (IntegrityError, StorageUnavailable) as error:
        return f"decision {decision}: {error}"
    if verified.inclusion != "included":
        return f"decision {decision}: {verified.inclusion}"
    return (
        ""
        if len(verified.witnesses) >= by
        else f"decision {decision}: {len(verified.witnesses)} of {by} witnesses signed"
    )
