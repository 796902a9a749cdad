"""Hears the witnesses of a log, for whoever checks it: each remembers how far the log was, whoever owns the home.

Rules:
- Who must be heard is not the home's word alone: every witness that root certified and did not revoke, and every one that lies
  on this machine (``local_witnesses``). The profile may name more: they are asked, and neither count nor are missed.
- Where a witness is, is nobody's word: it was heard if its own signature, made now, is under what an address shows. Another
  one's, or one that somebody recorded, is none; whatever the log's own key signed is evidence all the same.
- A witness counts once, whatever keys it has. One that signed nothing yet has nothing to compare: it was not heard.

Left out: whoever strikes certificates from the home's ``trust.json`` strikes who is elsewhere: give a copy that was kept, or
how many must be heard. What is done with what they have seen: ``actors.spans.adapters.check``.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from actors.base.certificates import TrustBundle, revoked_since
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.witnesses import seen_by
from actors.spans.config import LogConfig
from actors.spans.log.checkpoint import SignedCheckpoint, witness_keys
from actors.spans.log.note import NoteKey
from actors.spans.log.witness import hold_fresh
from cluster.local_witnesses import LocalWitness


@dataclass(frozen=True, slots=True)
class Watcher:
    """A witness that is asked."""

    name: str
    keys: tuple[NoteKey, ...]
    """Any of which speaks for it."""
    urls: tuple[str, ...]
    """Where it may be, likeliest first."""
    counts: bool
    """Whether it is missed where it is not heard."""


@dataclass(slots=True)
class Hearing:
    """What came of asking all of them."""

    seen: dict[str, SignedCheckpoint] = field(default_factory=dict)
    """Who showed which checkpoint that the log's key signed."""
    heard: list[str] = field(default_factory=list)
    """Names of those that count and were heard."""
    away: list[str] = field(default_factory=list)
    """Why others were not."""
    wanted: int = 0
    """How many count."""

    def missing(self, least: int | None) -> bool:
        """Tell whether fewer were heard than ``least``, or than all that count where that is ``None``. Pure."""
        return len(self.heard) < (self.wanted if least is None else least)


def watchers(log: LogConfig, local: Iterable[LocalWitness], trust: TrustBundle, now_s: int) -> list[Watcher]:
    """Return whom to ask: those that count, then others that the profile names. Pure."""
    revoked, named = revoked_since(trust), [(each.url, each.note_key) for each in log.witnesses]
    here = [(each.config.url, each.config.note_key) for each in local]
    counted = [*witness_keys(trust, now_s), *(key for _, key in here)]
    others = [key for _, key in named if key.name not in {each.name for each in counted}]
    found = dict[str, Watcher]()
    for key in (*counted, *others):
        if key.public.key_id not in revoked:
            before = found.get(key.name)
            keys = dict.fromkeys((*(before.keys if before else ()), key))
            urls = dict.fromkeys(url for url, of in (*here, *named) if of.name == key.name)
            found[key.name] = Watcher(key.name, tuple(keys), tuple(urls), key in counted)
    return list(found.values())


def hear(
    asked: Sequence[Watcher], trust: TrustBundle, timeout_s: float, skew_s: float,
    ask: Callable[[str, float], SignedCheckpoint | None] = seen_by, clock: Callable[[], float] = time.time,
) -> Hearing:  # fmt: skip
    """Ask each of them what it has seen."""
    hearing = Hearing(wanted=sum(watcher.counts for watcher in asked))
    for watcher in asked:
        why = [] if watcher.urls else ["nobody says where it is; name its address in the profile"]
        for url in watcher.urls:
            try:
                _hold(ask(url, timeout_s), url, watcher, trust, hearing, clock(), skew_s)
            except (StorageUnavailable, IntegrityError) as error:
                why.append(str(error))
            else:
                why.clear()
                break
        if why:
            hearing.away.append(f"witness {watcher.name} was not heard: {'; '.join(why)}")
        elif watcher.counts:
            hearing.heard.append(watcher.name)
    return hearing


def _hold(
    shown: SignedCheckpoint | None, url: str, watcher: Watcher, trust: TrustBundle, hearing: Hearing, now_s: float, skew_s: float,
) -> None:  # fmt: skip
    """Keep what an address shows if the log's key signed it; raise unless it is the witness's word, too."""
    if shown is None:
        raise StorageUnavailable(f"whoever is at {url} has signed nothing yet")
    shown.verify(trust)
    try:
        hold_fresh(shown, watcher.keys, now_s, skew_s)
    except IntegrityError:
        hearing.seen[f"whoever is at {url}"] = shown
        raise
    hearing.seen[f"witness {watcher.name}"] = shown
