"""The transitions a person or a detector asks for, as pure successors of the snapshot in force.

Rules:
- A successor's version is one higher, it names its predecessor's digest, and its time never runs backwards.
- A transition that would change nothing is refused and says so: the caller learns that somebody was faster.
- A halt keeps its reason and its author; what an isolation was for is kept in the policy history.

Left out: who may sign what (``acceptance``, ``tightening``).
"""

import msgspec

from actors.base.errors import InvalidRequest, ModelNotFound, VersionConflict
from actors.policy.snapshot import Halt, PolicySnapshot, VoterState

MAX_REASON = 500
MAX_NAME = 200


def successor(old: PolicySnapshot, now_ms: int, **changes: object) -> PolicySnapshot:
    """Return the next version of ``old`` with ``changes`` to its fields."""
    return msgspec.structs.replace(
        old,
        **changes,
        version=old.version + 1,
        issued_at=max(now_ms, old.issued_at),
        prev_sha256=old.sha256,
    )


def expect_version(snapshot: PolicySnapshot, if_version: int | None) -> None:
    """Raise ``VersionConflict`` if the caller decided on another version than the one in force."""
    if if_version is not None and if_version != snapshot.version:
        raise VersionConflict(
            f"policy version {snapshot.version} is in force, not {if_version}: read it and try again", "if_version"
        )


def halted(snapshot: PolicySnapshot, reason: str, by: str, now_ms: int) -> PolicySnapshot:
    """Stop generation on every replica."""
    if snapshot.halt.on:
        raise InvalidRequest(f"generation is already halted by {snapshot.halt.by}: {snapshot.halt.reason}")
    return successor(snapshot, now_ms, halt=_halt(True, reason, by))


def resumed(snapshot: PolicySnapshot, reason: str, by: str, now_ms: int) -> PolicySnapshot:
    """Let generation go on (a loosening: an operator signs it)."""
    if not snapshot.halt.on:
        raise InvalidRequest("generation is not halted")
    return successor(snapshot, now_ms, halt=_halt(False, reason, by))


def isolated(snapshot: PolicySnapshot, voter: str, now_ms: int) -> PolicySnapshot:
    """Make a voter's ballots count for nothing, in every layer."""
    return _moved(snapshot, voter, "isolated", now_ms)


def readmitted(snapshot: PolicySnapshot, voter: str, now_ms: int) -> PolicySnapshot:
    """Let an isolated voter's ballots count again (a loosening: an operator signs it)."""
    return _moved(snapshot, voter, "active", now_ms)


def frozen(snapshot: PolicySnapshot, now_ms: int) -> PolicySnapshot:
    """Have nothing learned from what is decided from here on."""
    if snapshot.learning_frozen:
        raise InvalidRequest(f"learning is already frozen by policy version {snapshot.version}")
    return successor(snapshot, now_ms, learning_frozen=True)


def unfrozen(snapshot: PolicySnapshot, now_ms: int) -> PolicySnapshot:
    """Let learning go on (a loosening: an operator signs it)."""
    if not snapshot.learning_frozen:
        raise InvalidRequest("learning is not frozen")
    return successor(snapshot, now_ms, learning_frozen=False)


def _moved(snapshot: PolicySnapshot, voter: str, state: VoterState, now_ms: int) -> PolicySnapshot:
    voters = sorted(snapshot.voter_state.keys() | {member for layer in snapshot.layers for member in layer.members})
    if voter not in voters:
        raise ModelNotFound(f"no voter is named {voter[:MAX_NAME]!r}; the voters are {', '.join(voters)}", "target")
    if snapshot.isolated(voter) == (state == "isolated"):
        raise InvalidRequest(f"voter {voter!r} is already {state}", "target")
    return successor(snapshot, now_ms, voter_state=snapshot.voter_state | {voter: state})


def _halt(on: bool, reason: str, by: str) -> Halt:
    if not 1 <= len(reason) <= MAX_REASON:
        raise InvalidRequest(f"reason takes 1 to {MAX_REASON} characters", "reason")
    if not 1 <= len(by) <= MAX_NAME:
        raise InvalidRequest(f"the author's name takes 1 to {MAX_NAME} characters", "by")
    return Halt(on=on, reason=reason, by=by)
