"""Brings a signed transition into force: checked as every replica will check it, then published once.

Rules:
- What replicas would refuse is refused here first, as the caller's error.
- Of two transitions of one version the first stands; the other is a ``VersionConflict``.
- A file that holds the version's place and that every replica refuses is set aside: garbage must not stop a halt.
"""

import time
from collections.abc import Callable

from actors.base.canonical import canonical_json, decode
from actors.base.errors import (
    IntegrityError,
    InvalidRequest,
    OperatorSignatureRequired,
    RequestError,
    VersionConflict,
)
from actors.policy.acceptance import ANCHOR, CHAIN, GAP, LOOSENING, PAYLOAD, ROLLBACK, accept
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.trust_file import TrustSource
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot


class PolicyPublisher:
    """Publishes transitions to the directory that replicas follow."""

    def __init__(
        self, directory: SnapshotDirectory, trust: TrustSource, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory, self._trust, self._clock = directory, trust, clock

    def publish(self, current: PolicySnapshot | None, signed: SignedSnapshot) -> PolicySnapshot:
        """Publish the successor of ``current`` (``None``: the first snapshot) and return it.

        Raises ``OperatorSignatureRequired``, ``VersionConflict`` or ``InvalidRequest`` for what may not follow
        ``current``, and ``StorageUnavailable``.
        """
        try:
            new = accept(current, signed, self._trust(), int(self._clock()))
        except IntegrityError as error:
            raise _for_caller(error) from error
        data = canonical_json(signed)
        try:
            self._directory.publish(new.version, data)
        except VersionConflict:
            self._clear(current, new.version)
            self._directory.publish(new.version, data)
        return new

    def _clear(self, current: PolicySnapshot | None, version: int) -> None:
        """Set the file of ``version`` aside if no replica accepts it; else raise ``VersionConflict``."""
        try:
            digest = self._directory.digest(version)
            signed = decode(self._directory.read(version), SignedSnapshot, PAYLOAD)
            accept(current, signed, self._trust(), int(self._clock()))
        except FileNotFoundError:
            return
        except IntegrityError:
            self._directory.set_aside(version, digest)
            return
        raise VersionConflict(f"policy version {version} was published by somebody else: read it and try again")


def _for_caller(error: IntegrityError) -> RequestError:
    if error.param in (LOOSENING, ANCHOR):
        return OperatorSignatureRequired(
            f"{error}; sign it with an operator's key (the command line does)", "transition"
        )
    if error.param in (ROLLBACK, GAP, CHAIN):
        return VersionConflict(f"{error}; read the policy in force and try again", "if_version")
    return InvalidRequest(str(error), "transition")
