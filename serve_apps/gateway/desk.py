"""Where operators change policy over HTTP: tightenings are signed here, loosenings must come signed by an operator."""

import time
from collections.abc import Callable

from actors.base.canonical import decode
from actors.base.errors import IntegrityError, InvalidRequest, NotReady, OperatorSignatureRequired, VersionConflict
from actors.base.signing import SigningKey
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import expect_version, frozen, halted, isolated

ATTEMPTS = 5
"""How often a tightening is tried again when another transition came first."""

Change = Callable[[PolicySnapshot, int], PolicySnapshot]


class PolicyDesk:
    """Applies transitions to the policy in force. Blocks on the disk: call it from a thread."""

    def __init__(
        self, watcher: PolicyWatcher, publisher: PolicyPublisher, policy_key: Callable[[], SigningKey]
    ) -> None:
        """``policy_key`` is read for each transition, so that a replaced key is used at once."""
        self._watcher = watcher
        self._publisher = publisher
        self._key = policy_key

    def halt(self, reason: str, by: str, if_version: int | None) -> PolicySnapshot:
        """Halt generation, signed by the policy key."""
        return self._tighten(lambda now, now_ms: halted(now, reason, by, now_ms), if_version)

    def isolate(self, voter: str, if_version: int | None) -> PolicySnapshot:
        """Isolate a voter, signed by the policy key."""
        return self._tighten(lambda now, now_ms: isolated(now, voter, now_ms), if_version)

    def freeze_learning(self) -> PolicySnapshot:
        """Freeze learning, signed by the policy key."""
        return self._tighten(frozen, None)

    def resume(self, transition: str | None, if_version: int | None) -> PolicySnapshot:
        """Resume with an operator's signed snapshot."""
        return self._loosen(transition, if_version, lambda new: not new.halt.on, "resumes nothing")

    def readmit(self, voter: str, transition: str | None, if_version: int | None) -> PolicySnapshot:
        """Readmit a voter with an operator's signed snapshot."""
        return self._loosen(transition, if_version, lambda new: not new.isolated(voter), f"does not readmit {voter!r}")

    def current(self) -> PolicySnapshot:
        """Return the snapshot in force, as fresh as the disk; raise ``NotReady`` if there is none."""
        self._watcher.poll_once()
        view = self._watcher.current
        if view is None:
            raise NotReady("no verified policy snapshot is in force")
        return view.snapshot

    def _tighten(self, change: Change, if_version: int | None) -> PolicySnapshot:
        for attempt in range(ATTEMPTS):
            current = self.current()
            expect_version(current, if_version)
            new = change(current, time.time_ns() // 1_000_000)
            try:
                return self._publish(current, sign_snapshot(new, self._key()))
            except VersionConflict:
                if if_version is not None or attempt == ATTEMPTS - 1:
                    raise
        raise VersionConflict("other transitions kept coming first; try again")

    def _loosen(
        self, transition: str | None, if_version: int | None, does: Callable[[PolicySnapshot], bool], otherwise: str
    ) -> PolicySnapshot:
        if transition is None:
            raise OperatorSignatureRequired(
                "this loosens policy: send 'transition', the new snapshot signed by an operator key "
                "(`weavergen resume` and `weavergen readmit` do)",
                "transition",
            )
        current = self.current()
        expect_version(current, if_version)
        try:
            signed = decode(transition.encode(), SignedSnapshot, "transition")
            new = signed.read()
        except IntegrityError as error:
            raise InvalidRequest(f"the transition cannot be read: {error}", "transition") from error
        if not does(new):
            raise InvalidRequest(f"the transition {otherwise}", "transition")
        return self._publish(current, signed)

    def _publish(self, current: PolicySnapshot, signed: SignedSnapshot) -> PolicySnapshot:
        new = self._publisher.publish(current, signed)
        self._watcher.poll_once()
        return new
