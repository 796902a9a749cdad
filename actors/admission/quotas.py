"""What a key may use of its limit in one replica, and how replicas share it: reserve, reconcile, refund; leases. Pure.

Rules:
- A limit is of one minute of the clock. What is reserved in a minute is reconciled in that minute; afterwards it is nothing.
- Over all replicas together no more is used than the limit (Σ leases ≤ limit), whatever fails: there are as many *slots* as
  there may be replicas, each slot has limit / slots (its *share*), and who holds no slot has what it leases.
- Ahead of a minute, a replica joins it: half of its share stays its own, the other half goes into the pool that everybody leases
  from. Shares of slots that nobody holds go there whole; what division leaves over goes with slot 0's. A replica that could not
  join (the store is away) has its share, alone, and leases nothing in that minute: if word is left that the share is spoken for,
  which is done before a minute is joined, not when its share is first used. Without a word, and while it is not known whether it
  joined, a replica has nothing of its own. It asks again until the store answers, and once the note names it, in whatever answer,
  half of its share is its own: a note that names a replica counts that half as kept, so nobody leases it.
- Minutes only rise in a book. A clock that goes back by a minute is waited for. One that goes back further (it was ahead before)
  would lock every key out until it is there again: then the book is left behind, and its replica goes on as one that is started
  now, with a book that has nothing, and by another name in notes. What the two have together follows from the words in slots'
  files, as for any two replicas that hold a slot one after the other; a word that is ahead is waited out there.
- A request reserves the most that it can use, is let in or not at once, and gives back what it did not use; one that was refused
  or cancelled gives back everything. Nobody waits here for the store.
- More is leased ahead of need: once less than half of what was had is left, or somebody fell short. What he fell short of is
  leased whole or not at all, and nothing for a request that is greater than what one replica can have beside the others.
- With the joining of a minute, one request like the largest of the last one is leased for keys that were seen lately, where what
  stays the replica's own is less than that: as long as every replica could have as much.

Left out: where notes lie and who holds a slot (``adapters``), and what a request can use at most (``estimate``).
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

MINUTE_S = 60
UNLIMITED = 10**15
"""What a limit is that nobody set."""
LATELY_MINUTES = 10
"""For how long a key that was seen is leased for ahead."""
VACANT = ""
"""Holder of a slot that nobody holds."""

_AWAY_FROM = 2
"""Failures in a row from which on nobody is told that the store will have more in a second."""

Standing = Literal["asked", "kept", "leases", "alone"]
"""Of a replica in a minute: it has asked to join; joined; only leases; has its share and leases nothing."""


class Amount(msgspec.Struct, frozen=True):
    """Requests and tokens."""

    requests: int = 0
    tokens: int = 0


class Want(msgspec.Struct, frozen=True):
    """What one key needs more of."""

    limit: Amount
    least: Amount
    """What somebody fell short of."""
    ahead: bool = False
    """Nobody did so far: ``least`` is what one request may need, and no more is wanted."""


class Note(msgspec.Struct, frozen=True):
    """What replicas together know of one minute."""

    minute: int
    of: int
    """How many slots there are."""
    slots: dict[int, str] = {}
    """Slots whose share is in the pool, and who held them."""
    leased: dict[str, Amount] = {}
    """Key → what was leased of its pool."""


class Leases(msgspec.Struct, frozen=True):
    """What a replica was given."""

    minute: int
    joined: bool
    """Half of its slot's share is its own."""
    given: dict[str, Amount]
    left: dict[str, Amount]
    """Key → what the pool still holds; nothing of one that is not leased for."""
    others: int = 0
    """How many other replicas keep half of their share."""


def share(limit: int, slots: int) -> int:
    """Return a slot's share of a limit."""
    return limit // slots


def kept(limit: int, slots: int) -> int:
    """Return what a replica that joined keeps of its share."""
    return share(limit, slots) // 2


def pool(limit: int, slots: int, note: Note) -> int:
    """Return what may be leased of a limit in all: what was put into this note, whatever became of another."""
    held = sum(holder != VACANT for holder in note.slots.values())
    rest = limit - share(limit, slots) * slots if 0 in note.slots else 0
    return share(limit, slots) * len(note.slots) + rest - kept(limit, slots) * held


def lease(
    note: Note,
    slots: int,
    slot: int | None,
    holder: str,
    vacant: Iterable[int],
    wants: Mapping[str, Want],
    max_keys: int,
) -> tuple[Note, Leases]:
    """Return the note once a replica has joined the minute and leased, and what it was given.

    ``vacant`` are the slots that nobody holds now. A slot that another replica held in this minute keeps nothing for the next.
    A minute that began with another number of slots gives nothing more.
    """
    if note.of != slots:
        nothing = dict.fromkeys(wants, Amount())
        return note, Leases(note.minute, joined=False, given=nothing, left=nothing)
    pooled = {**dict.fromkeys(vacant, VACANT), **note.slots}
    if slot is not None:
        pooled.setdefault(slot, holder)
    note = replace(note, slots=pooled)
    live = slots - sum(each == VACANT for each in pooled.values())
    replicas = max(1, sum(each != VACANT for each in pooled.values()))
    leased, given, left = dict(note.leased), dict[str, Amount](), dict[str, Amount]()
    for key, want in wants.items():
        had = leased.get(key)
        if had is None and len(leased) >= max_keys:
            given[key] = left[key] = Amount()
            continue
        had = had or Amount()
        free = Amount(
            max(0, pool(want.limit.requests, slots, note) - had.requests),
            max(0, pool(want.limit.tokens, slots, note) - had.tokens),
        )
        if want.ahead:
            got = Amount(
                _ahead(free.requests, want.least.requests, want.limit.requests, slots, live),
                _ahead(free.tokens, want.least.tokens, want.limit.tokens, slots, live),
            )
        else:
            got = Amount(
                _part(free.requests, want.least.requests, want.limit.requests, replicas),
                _part(free.tokens, want.least.tokens, want.limit.tokens, replicas),
            )
        given[key] = got
        leased[key] = Amount(had.requests + got.requests, had.tokens + got.tokens)
        left[key] = Amount(free.requests - got.requests, free.tokens - got.tokens)
    joined = slot is not None and pooled[slot] == holder
    others = sum(each not in (VACANT, holder) for each in pooled.values())
    return replace(note, leased=leased), Leases(note.minute, joined, given, left, others)


def _part(free: int, least: int, limit: int, replicas: int) -> int:
    """Return how much of what is free one replica gets: half of what would be its, no crumbs; what is waited for, or nothing."""
    return 0 if least > free else min(free, max(least, free // (2 * replicas), limit // 50, 1))


def _ahead(free: int, least: int, limit: int, slots: int, live: int) -> int:
    """Return what is leased ahead of need: ``least``, if there is as much for each replica that may be there."""
    return least if least <= free and least * live <= limit - kept(limit, slots) * live else 0


class Account:
    """One key's minute in one replica."""

    __slots__ = ("asked", "fell_short", "had", "key", "left", "limit", "minute", "pooled", "tokens_left")

    def __init__(self, key: str, limit: Amount, own: Amount, minute: int) -> None:
        self.key, self.limit, self.minute = key, limit, minute
        self.asked = 0
        """The most tokens that one request asked for."""
        self.left, self.tokens_left = own.requests, own.tokens
        self.had = own
        """What it had in hand when it was last given something."""
        self.pooled: Amount | None = None
        """What the pool held when last heard of."""
        self.fell_short = Amount()

    def give(self, more: Amount) -> None:
        """Add to what is in hand."""
        self.left += more.requests
        self.tokens_left += more.tokens
        self.had, self.fell_short = Amount(self.left, self.tokens_left), Amount()

    def runs_short(self) -> bool:
        """Tell whether less than half of what was had is left, or somebody fell short, and the pool may have more."""
        pooled, had, short = self.pooled, self.had, self.fell_short
        return ((2 * self.left < had.requests or short.requests > 0) and (pooled is None or pooled.requests > 0)) or (
            (2 * self.tokens_left < had.tokens or short.tokens > 0) and (pooled is None or pooled.tokens > 0)
        )


class Reserved(msgspec.Struct, frozen=True):
    """What a request holds until it is over."""

    account: Account
    tokens: int
    minute: int


Why = Literal["spent", "fetching", "alone", "too_much"]
"""Why there is not enough: it is used; more is being leased; the store is away; no replica can have as much, in no minute."""


class Short(msgspec.Struct, frozen=True):
    """Not enough is left."""

    of: Literal["requests", "tokens"]
    why: Why
    retry_after_s: int
    """When there may be more."""
    most: int
    """What one replica can have of it in a minute, beside the others."""


class Book:
    """What the keys of one replica have in hand. Used from one event loop, or by a simulator."""

    def __init__(self, slots: int, now_s: float, ahead_keys: int = 1000) -> None:
        self._slots, self._ahead_keys = slots, ahead_keys
        self._accounts: dict[str, Account] = {}
        self._seen: dict[str, Account] = {}
        """Each key's last account, of so many keys as are leased for ahead; who came last is last."""
        self._given: dict[int, dict[str, Amount]] = {}
        """Minute → what was leased for keys that have no account in it so far."""
        self._standings: dict[int, Standing] = {}
        self._unknown: set[int] = set()
        """Minutes of which it is not known whether they were joined."""
        self._spoken_for: set[int] = set()
        """Minutes that were not joined so far and whose share is this replica's alone, if they are not."""
        self._others = self._failures = 0
        """Other replicas that keep something, and how often in a row the store could not be asked."""
        self.minute = int(now_s // MINUTE_S)

    @property
    def standing(self) -> Standing | None:
        """Return how this replica stands in this minute; ``None`` before it is known."""
        return self._standings.get(self.minute)

    def is_left_behind(self, now_s: float) -> bool:
        """Tell whether the clock went back further than is waited for."""
        return int(now_s // MINUTE_S) < self.minute - 1

    def reserve(self, key: str, limit: Amount, tokens: int, now_s: float) -> Reserved | Short:
        """Take one request and so many tokens, both or none."""
        self._turn(now_s)
        account = self._accounts.get(key) or self._opened(key, limit)
        if account.left >= 1 and account.tokens_left >= tokens:
            account.asked = max(account.asked, tokens)
            account.left -= 1
            account.tokens_left -= tokens
            return Reserved(account, tokens, self.minute)
        return self._short(account, tokens, now_s)

    def settle(self, held: Reserved, used_tokens: int) -> None:
        """Give back what a request did not use of its tokens; what it used beyond them is owed."""
        held.account.tokens_left += held.tokens - used_tokens

    def refund(self, held: Reserved) -> None:
        """Give back everything."""
        held.account.left += 1
        held.account.tokens_left += held.tokens

    def runs_short(self, held: Reserved) -> bool:
        """Tell whether the key of a reservation should be leased more."""
        return held.account.runs_short()

    def shown(self, key: str, limit: Amount, now_s: float) -> tuple[Amount, int]:
        """Return what a key may still use, as far as this replica knows, and for how many seconds that holds."""
        account, reset_s = self._accounts.get(key), MINUTE_S - int(now_s % MINUTE_S)
        if account is None:
            return limit, reset_s
        pooled = account.pooled or Amount()
        left = Amount(account.left + pooled.requests, account.tokens_left + pooled.tokens)
        return Amount(max(0, left.requests), max(0, left.tokens)), reset_s

    def to_ask(self, now_s: float, ahead_s: float) -> tuple[int, dict[str, Want]] | None:
        """Return the minute to join or lease in, and what for; ``None`` if nothing is needed."""
        self._turn(now_s)
        standing = self._standings.get(self.minute)
        wants = self._wants() if standing != "alone" else {}
        if standing is None or self.minute in self._unknown or (wants and standing != "asked"):
            return self.minute, wants
        following = self.minute + 1
        is_near = following * MINUTE_S - now_s <= ahead_s
        is_open = following not in self._standings or following in self._unknown
        return (following, self._wants_ahead()) if is_near and is_open else None

    def asked(self, minute: int) -> None:
        """Note that the store is being asked about a minute."""
        self._standings.setdefault(minute, "asked")

    def answered(self, leases: Leases) -> None:
        """Take what the store gave; what comes when its minute is over is nothing."""
        self._others, self._failures = leases.others, 0
        self._unknown.discard(leases.minute)
        was = self._standings.get(leases.minute)
        has_joined = leases.joined and was in ("asked", "leases")
        if was == "asked" or has_joined:
            self._standings[leases.minute] = "kept" if leases.joined else "leases"
        if leases.minute < self.minute:
            return
        accounts = self._accounts if leases.minute == self.minute else {}
        for account in accounts.values() if has_joined else ():
            account.give(self._own(account.limit))
        for key, given in leases.given.items():
            if key not in accounts:
                self._given.setdefault(leases.minute, {})[key] = given
                continue
            accounts[key].give(given)
            if was != "asked":  # of a pool that others have not joined yet nothing follows
                accounts[key].pooled = leases.left[key]

    def failed(self, minute: int, *, for_certain: bool, has_share: bool) -> None:
        """Note that the store could not be asked; ``for_certain`` says that it noted nothing.

        ``has_share`` says that the minute's share is this replica's alone, and that word of that is left.
        """
        self._failures += 1
        if self._standings.get(minute) != "asked":
            return
        self._spoken_for.discard(minute)
        if not for_certain and not has_share:
            self._standings[minute] = "leases"
            self._unknown.add(minute)
        elif has_share and minute == self.minute:
            self._stand_alone()
        else:
            del self._standings[minute]  # it can be tried again
            if has_share:
                self._spoken_for.add(minute)

    def _turn(self, now_s: float) -> None:
        minute = int(now_s // MINUTE_S)
        if minute <= self.minute:
            return
        self.minute = minute
        self._accounts.clear()
        self._standings = {at: standing for at, standing in self._standings.items() if at >= minute}
        self._given = {at: given for at, given in self._given.items() if at >= minute}
        self._unknown = {at for at in self._unknown if at >= minute}
        if minute in self._spoken_for and minute not in self._standings:
            self._stand_alone()
        self._spoken_for = {at for at in self._spoken_for if at > minute}

    def _stand_alone(self) -> None:
        """Have the slot's share and lease nothing, for the rest of this minute."""
        self._standings[self.minute] = "alone"
        for account in self._accounts.values():
            account.give(self._own(account.limit))

    def _own(self, limit: Amount) -> Amount:
        """Return what this replica has of a limit without a lease."""
        standing = self._standings.get(self.minute)
        part = share if standing == "alone" else kept
        if standing not in ("alone", "kept"):
            return Amount()
        return Amount(part(limit.requests, self._slots), part(limit.tokens, self._slots))

    def _opened(self, key: str, limit: Amount) -> Account:
        own, given = self._own(limit), self._given.get(self.minute, {}).pop(key, Amount())
        has = Amount(own.requests + given.requests, own.tokens + given.tokens)
        account = self._accounts[key] = Account(key, limit, has, self.minute)
        self._seen.pop(key, None)
        self._seen[key] = account
        if len(self._seen) > self._ahead_keys:
            del self._seen[next(iter(self._seen))]
        return account

    def _short(self, account: Account, tokens: int, now_s: float) -> Short:
        """Say what is short, why, and when there may be more: soon, if the pool may have it, else in the next minute."""
        most, rest_s = self._most(account.limit), MINUTE_S - int(now_s % MINUTE_S)
        if tokens > most.tokens:
            return Short("tokens", "too_much", rest_s, most.tokens)
        account.asked = max(account.asked, tokens)
        of: Literal["requests", "tokens"] = "requests" if account.left < 1 else "tokens"
        most_of = most.requests if of == "requests" else most.tokens
        if self.standing == "alone":
            return Short(of, "alone", rest_s, most_of)
        pooled = account.pooled
        if pooled is not None and (pooled.requests + account.left < 1 or pooled.tokens + account.tokens_left < tokens):
            return Short(of, "spent", rest_s, most_of)
        account.fell_short = Amount(
            max(account.fell_short.requests, 1 - account.left),
            max(account.fell_short.tokens, tokens - account.tokens_left),
        )
        is_away = self._failures >= _AWAY_FROM
        return Short(of, "alone" if is_away else "fetching", rest_s if is_away else 1, most_of)

    def _most(self, limit: Amount) -> Amount:
        """Return what one replica can have of a limit in a minute, beside those that keep something."""
        others, slots = self._others, self._slots
        return Amount(
            limit.requests - others * kept(limit.requests, slots), limit.tokens - others * kept(limit.tokens, slots)
        )

    def _wants(self) -> dict[str, Want]:
        return {key: Want(a.limit, a.fell_short) for key, a in self._accounts.items() if a.runs_short()}

    def _wants_ahead(self) -> dict[str, Want]:
        """Return what the next minute's first request of each key may need beyond what stays this replica's own."""
        wants = {}
        for key, seen in reversed(self._seen.items()):  # a store may take only so many, the first ones
            own = Amount(kept(seen.limit.requests, self._slots), kept(seen.limit.tokens, self._slots))
            least = Amount(max(0, 1 - own.requests), max(0, seen.asked - own.tokens))
            if least != Amount() and seen.minute > self.minute - LATELY_MINUTES:
                wants[key] = Want(seen.limit, least, ahead=True)
        return wants
