"""Reads policy snapshots from their directory: the one in force at a start, and those that followed it.

Rules:
- At a start the newest version counts, never an older one in its place: a damaged newest file may be a halt. It is read
  back to the last snapshot an operator signed, at most ``max_chain`` files, and believed from there forward.
- An earlier version is believed because the digests lead back to it from the policy in force, whatever became of the
  keys that signed it.
- Every refusal is an ``IntegrityError`` whose ``details`` name the file's ``version`` and ``sha256``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from actors.base.canonical import decode
from actors.base.certificates import TrustBundle
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.policy.acceptance import ANCHOR, CHAIN, GAP, PAYLOAD, Signers, Vouched, follow, signers, vouch
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot

Loaded = tuple[PolicySnapshot, str]
"""A snapshot that was believed and its file's SHA-256."""


@contextmanager
def blamed(version: int, data: bytes) -> Iterator[None]:
    """Name the file in every ``IntegrityError`` raised inside."""
    try:
        yield
    except IntegrityError as error:
        named = {"version": str(version), "sha256": sha256_hex(data)}
        raise IntegrityError(error.message, error.param, {**named, **error.details}) from error


def load(
    directory: SnapshotDirectory, trust: TrustBundle, now_s: int, floor: int, max_chain: int, newest: int | None = None
) -> Loaded:
    """Return the policy in force at a start; raise ``IntegrityError``, or ``OSError`` if there is nothing to read.

    ``newest`` is the version to look at as if none came after it (recovery does).
    """
    newest = directory.newest_version() if newest is None else newest
    if newest is None:
        raise FileNotFoundError(f"{directory.path} holds no policy snapshot")
    chain = _read_back(directory, signers(trust, now_s), newest, max_chain)
    current: PolicySnapshot | None = None
    for data, vouched in reversed(chain):
        with blamed(vouched.snapshot.version, data):
            current = follow(current, vouched, floor if vouched is chain[0][1] else 0)
    return chain[0][1].snapshot, sha256_hex(chain[0][0])


def advance(
    directory: SnapshotDirectory, trust: TrustBundle, now_s: int, current: PolicySnapshot, newest: int
) -> Iterator[Loaded]:
    """Yield the snapshots after ``current`` up to version ``newest`` one by one, raising at the first refused one."""
    keys = signers(trust, now_s)
    for version in range(current.version + 1, newest + 1):
        data, vouched = _read(directory, keys, version)
        with blamed(version, data):
            current = follow(current, vouched)
        yield current, sha256_hex(data)


def retrace(directory: SnapshotDirectory, current: PolicySnapshot, version: int, max_chain: int) -> PolicySnapshot:
    """Return ``version``, proven by the digests that lead back to it from ``current``; else raise ``IntegrityError``."""
    if not 1 <= current.version - version <= max_chain:
        raise IntegrityError(f"{GAP}: version {version} is not within {max_chain} before {current.version}", GAP)
    found = current
    for number in range(current.version - 1, version - 1, -1):
        expected = found.prev_sha256
        try:
            data = directory.read(number)
        except FileNotFoundError as error:
            raise IntegrityError(f"{GAP}: version {number} is missing", GAP, {"version": str(number)}) from error
        with blamed(number, data):
            found = decode(data, SignedSnapshot, PAYLOAD).read()
            if (found.version, found.sha256) != (number, expected):
                raise IntegrityError(f"{CHAIN}: the file of version {number} is not what was in force", CHAIN)
    return found


def _read_back(directory: SnapshotDirectory, keys: Signers, newest: int, max_chain: int) -> list[tuple[bytes, Vouched]]:
    """Read from ``newest`` down to the last snapshot an operator signed (newest first)."""
    chain: list[tuple[bytes, Vouched]] = []
    for version in range(newest, max(newest - max_chain, 0), -1):
        chain.append(_read(directory, keys, version))
        if chain[-1][1].by_operator:
            return chain
    raise IntegrityError(
        f"{ANCHOR}: no operator signed one of the {len(chain)} snapshots up to version {newest}",
        ANCHOR,
        {"version": str(newest), "sha256": sha256_hex(chain[0][0]) if chain else ""},
    )


def _read(directory: SnapshotDirectory, keys: Signers, version: int) -> tuple[bytes, Vouched]:
    try:
        data = directory.read(version)
    except FileNotFoundError as error:
        raise IntegrityError(f"{GAP}: version {version} is missing", GAP, {"version": str(version)}) from error
    with blamed(version, data):
        vouched = vouch(decode(data, SignedSnapshot, PAYLOAD), keys)
        if vouched.snapshot.version != version:
            raise IntegrityError(f"{PAYLOAD}: the file of version {version} holds another version", PAYLOAD)
    return data, vouched
