"""The policy in force as whoever signs the next version must see it: bring-up, the command line, key rotation.

An operator's signature vouches for a snapshot's whole content, so nothing gets one that was not proven first.

Rules:
- What is in force is the newest file, believed up to an operator's signature as replicas believe it, not below the
  highest version ever noted, and with the digest that was noted. Anything else is an incident and ``HomeError``.
- An earlier version is what the digests lead back to, and what was noted. At a recovery they lead on from the version it
  went on with: its content is the recovered one's, its digest the noted one.
- A trust bundle in which a key that was seen revoked is believed again proves nothing.
- What is published is noted with what it was for; a version that came into force unnoted is noted when it is found.
- When the newest versions are lost, ``recovered`` goes on above them, halted: one of them may have been a halt.

Left out: which change is made (``profile_policy``, the command line) and who asks for it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from actors.base.canonical import decode
from actors.base.certificates import TrustBundle, revoked_since
from actors.base.errors import HomeError, IntegrityError, InvalidRequest, NotFound, StorageUnavailable
from actors.base.signing import SigningKey
from actors.policy.acceptance import CHAIN, GAP, PAYLOAD
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.loading import blamed, load, retrace
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.adapters.trust_file import LESS, require_revoked
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import Halt, PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import MAX_REASON, successor
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents
from actors.store.adapters.policy_history import PolicyChange, PolicyHistory
from actors.store.adapters.revocations import NotedRevocations
from cluster.home import Home

WHAT_TO_DO = "restore home/policy from a backup, or run `weavergen policy recover` (it halts)"
RECOVER = "recover"
MAX_LOST = 1000
NOTED = "policy history"
_POLICY = PolicyConfig()


@dataclass(frozen=True, slots=True)
class Note:
    """What a version is for."""

    kind: str
    target: str
    reason: str
    author: str


def policy_in_force(
    home: Home, trust: TrustBundle, now_s: int, floor: int = 0, config: PolicyConfig = _POLICY
) -> PolicySnapshot | None:
    """Return the newest snapshot if it can be believed and is not below ``floor``, ``None`` if there is no file.

    Raises ``IntegrityError`` for a newest file that cannot be believed: an older one never takes its place.
    """
    directory = SnapshotDirectory(home.policy, config.max_snapshot_bytes)
    if directory.newest_version() is None:
        if floor:
            raise IntegrityError(f"{NOTED}: home/policy is empty and version {floor} was in force", NOTED)
        return None
    return load(directory, trust, now_s, floor, config.max_chain)[0]


class Succession:
    """The chain of policy versions of one home."""

    def __init__(
        self,
        home: Home,
        config: PolicyConfig,
        trust: Callable[[], TrustBundle],
        database: Database,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.home = home
        self.history = PolicyHistory(database)
        self._incidents, self._revocations = Incidents(database), NotedRevocations(database, clock)
        self._config, self._trust, self._clock = config, trust, clock
        self._directory = SnapshotDirectory(home.policy, config.max_snapshot_bytes)

    def now_ms(self) -> int:
        """Return Unix milliseconds."""
        return int(self._clock() * 1000)

    def current(self) -> PolicySnapshot | None:
        """Return the policy in force, ``None`` before the first; raise ``HomeError`` if it cannot be relied on."""
        try:
            found = self._proven()
        except IntegrityError as error:
            raise self._refused(error) from error
        if found is not None and self.history.get(found.version) is None:
            self.history.record(found, "found", "", "noted when it was found in force", "")
        return found

    def in_force(self) -> PolicySnapshot:
        """Return the policy in force; raise ``NotFound`` before the first."""
        current = self.current()
        if current is None:
            raise NotFound("this home has no policy yet; run `weavergen up`")
        return current

    def earlier(self, current: PolicySnapshot, version: int) -> PolicySnapshot:
        """Return an earlier version as it was in force; raise ``HomeError`` if its file is another one or gone."""
        if version >= current.version:
            raise NotFound(f"there is no policy version {version} before the one in force, {current.version}")
        try:
            return self._retraced(current, version)
        except IntegrityError as error:
            what = "choose another version, or restore home/policy from a backup"
            if error.param == GAP:  # what is in force is whole: a version that cannot be reached is no attack on it
                raise HomeError(f"{error}; {what}") from error
            raise self._refused(error, what) from error

    def standing(self, kind: str) -> PolicyChange | None:
        """Return the newest note of a kind whose version was not lost."""
        up_to: int | None = None
        while (found := self.history.latest(kind, up_to)) is not None:
            made = self.history.latest(RECOVER, up_to)
            if made is None or made.version <= found.version:
                return found
            up_to = int(made.target)
        return None

    def publish(
        self, current: PolicySnapshot | None, new: PolicySnapshot, note: Note, *keys: SigningKey
    ) -> PolicySnapshot:
        """Sign the successor of ``current``, bring it into force and note it."""
        publisher = PolicyPublisher(self._directory, self._trust, self._clock)
        published = publisher.publish(current, sign_snapshot(new, *keys))
        self.history.record(published, note.kind, note.target, note.reason, note.author)
        return published

    def recover(self, reason: str, author: str, key: SigningKey) -> tuple[PolicySnapshot, list[PolicyChange]]:
        """Go on above versions that were lost, halted; return what is in force now and what is noted of the lost ones."""
        self.require_trust()
        try:
            self._proven()
        except IntegrityError:
            kept = self._newest_believed()
        else:
            raise InvalidRequest("the policy in force is whole: there is nothing to recover")
        lost = [change for change in self.history.list(MAX_LOST) if change.version > kept.version]
        self._set_refused_aside(kept.version)
        new = recovered(kept, lost[0] if lost else None, reason, author, self.now_ms())
        return self.publish(None, new, Note(RECOVER, str(kept.version), reason, author), key), lost

    def _retraced(self, current: PolicySnapshot, version: int) -> PolicySnapshot:
        """Follow the digests back to ``version``, from each recovery to the version that it went on with."""
        found, recovery = current, self.history.latest(RECOVER, current.version)
        while recovery is not None and recovery.version > version:
            kept, found = int(recovery.target), self._back_to(found, recovery.version)
            if kept < version:
                raise NotFound(
                    f"policy version {version} was lost: `recover` went on with {kept}; choose that or before"
                )
            found = self._kept(found, kept)
            recovery = self.history.latest(RECOVER, kept)
        return self._back_to(found, version)

    def _back_to(self, found: PolicySnapshot, version: int) -> PolicySnapshot:
        if found.version == version:
            return found
        return self._as_noted(retrace(self._directory, found, version, self._config.max_chain))

    def _kept(self, made: PolicySnapshot, version: int) -> PolicySnapshot:
        """Return the version that a recovery went on with, if it is the noted one and says what the recovered one says."""
        try:
            data = self._directory.read(version)
        except FileNotFoundError as error:
            raise IntegrityError(f"{GAP}: version {version} is missing", GAP, {"version": str(version)}) from error
        with blamed(version, data):
            kept = decode(data, SignedSnapshot, PAYLOAD).read()
            noted = self.history.get(version)
            same = msgspec.structs.replace(
                kept, version=made.version, issued_at=made.issued_at, prev_sha256=made.prev_sha256, halt=made.halt
            )
            if noted is None or (kept.version, kept.sha256, same) != (version, noted.sha256, made):
                raise IntegrityError(
                    f"{CHAIN}: the file of version {version} is not what `recover` went on with", CHAIN
                )
        return kept

    def require_trust(self) -> None:
        """Raise ``HomeError`` for a trust bundle that lacks a revocation; note those of one that lacks none."""
        try:
            self._believed()
        except IntegrityError as error:
            raise self._refused(error) from error

    def _believed(self) -> TrustBundle:
        trust = self._trust()
        require_revoked(trust, self._revocations.since())
        self._revocations.note(revoked_since(trust))
        return trust

    def _proven(self) -> PolicySnapshot | None:
        trust, floor = self._believed(), self.history.high_water()
        found = policy_in_force(self.home, trust, int(self._clock()), floor, self._config)
        return None if found is None else self._as_noted(found)

    def _newest_believed(self) -> PolicySnapshot:
        now_s, cause = int(self._clock()), IntegrityError("there is none")
        for version in reversed(self._directory.versions()):
            try:
                found, _ = load(self._directory, self._trust(), now_s, 0, self._config.max_chain, version)
                return self._as_noted(found)
            except IntegrityError as error:
                cause = error
        raise HomeError("no file in home/policy can be believed: restore home/policy from a backup") from cause

    def _set_refused_aside(self, kept: int) -> None:
        for version in self._directory.versions():
            if version > kept:
                self._directory.set_aside(version, self._directory.digest(version))

    def _as_noted(self, snapshot: PolicySnapshot) -> PolicySnapshot:
        noted = self.history.get(snapshot.version)
        if noted is not None and noted.sha256 != snapshot.sha256:
            message = f"{NOTED}: version {snapshot.version} is not the one that was in force"
            raise IntegrityError(message, NOTED, {"version": str(snapshot.version), "sha256": snapshot.sha256})
        return snapshot

    def _refused(self, error: IntegrityError, what_to_do: str = WHAT_TO_DO) -> HomeError:
        evidence = {str(key): str(value) for key, value in error.details.items()}
        evidence |= {"step": error.param or "", "reason": str(error), "directory": str(self._directory.path)}
        key = ":".join(("policy", error.param or "", evidence.get("version", ""), evidence.get("sha256", "")))
        self._incidents.record("policy_refused", "level_1_critical", evidence, key)
        return HomeError(str(error) if error.param == LESS else f"{error}; {what_to_do}")


def recovered(
    kept: PolicySnapshot, newest_lost: PolicyChange | None, reason: str, author: str, now_ms: int
) -> PolicySnapshot:
    """Return the version after the lost ones: the content of ``kept``, halted."""
    halt = kept.halt if kept.halt.on else Halt(on=True, reason=f"recovered: {reason}"[:MAX_REASON], by=author)
    version, prev = (kept.version, kept.sha256)
    if newest_lost is not None:
        version, prev = newest_lost.version, newest_lost.sha256
    return msgspec.structs.replace(successor(kept, now_ms, halt=halt), version=version + 1, prev_sha256=prev)


def noted_floor(history: PolicyHistory) -> int | None:
    """Return the highest version ever noted, ``None`` while the database is away: a halt must not depend on it."""
    try:
        return history.high_water()
    except StorageUnavailable:
        return None
