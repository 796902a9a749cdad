"""First bring-up makes who is to be believed: keys, certificates, trust bundle.

Rules:
- Root's and the operator's private keys lie in ``WEAVERGEN_OPERATOR_DIR``, never under home; policy, log and issuer keys in
  ``home/keys`` (0600). Existing keys are used, never overwritten.
- ``trust.json`` is written after every key it names, so a half-made home is completed by doing the same again.
- Whoever runs as the user that owns the operator's directory can read it, server processes too: what lies there while
  the system runs is said (``co_located``), and only moving it away denies it.

Left out: API keys (``cluster.access``), writer certificates (``cluster.issuer``), replacing keys (``cluster.rotation``),
witnesses (``cluster.witness_register``), policy (``cluster.succession``).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, Role, SignedCertificate, TrustBundle, certify, read_trust
from actors.base.errors import HomeError
from actors.base.files import write_atomic
from actors.base.locks import alone
from actors.base.signing import PublicKey, SigningKey
from cluster.home import Home

CERTIFIED_S = 5 * 365 * 24 * 3600
"""How long root's certificates last."""
_SKEW_S = 300
HOME_KEYS: tuple[Role, ...] = ("policy", "log", "issuer")


def operator_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Return where the operator's keys lie; raise ``HomeError`` if that is inside the home."""
    given = environ.get("WEAVERGEN_OPERATOR_DIR")
    path = Path(given).expanduser() if given else Path.home() / ".config" / "weavergen"
    if path.resolve().is_relative_to(home.resolve()):
        raise HomeError(
            f"operator keys must not lie under the home: set WEAVERGEN_OPERATOR_DIR to a place outside {home}"
        )
    return path.absolute()


def ensure_trust(home: Home, operators: Path, now_s: int) -> TrustBundle:
    """Return the home's trust bundle; the first time, make it and every key it needs."""
    if home.trust_file.exists():
        trust = load_trust(home.trust_file)
        for role in HOME_KEYS:
            SigningKey.load(home.keys / f"{role}.key")
        return trust
    try:
        root, operator = _key(operators / "root.key"), _key(operators / "operator.key")
        keys = [("operator", operator), *((role, _key(home.keys / f"{role}.key")) for role in HOME_KEYS)]
        certificates = [certified(root, role, key, now_s) for role, key in keys]
        trust = TrustBundle(schema="weavergen.trust/1", root=root.public.hex, certificates=certificates, revocations=[])
        write_atomic(home.trust_file, canonical_json(trust))
    except OSError as error:
        raise HomeError(f"keys cannot be written ({error}); check space and permissions") from error
    return trust


def load_trust(path: Path) -> TrustBundle:
    """Read a trust bundle; raise ``HomeError`` if it is missing, ``IntegrityError`` if it is damaged."""
    try:
        return read_trust(path.read_bytes())
    except OSError as error:
        raise HomeError(f"{path} cannot be read ({error.strerror}); give a trust bundle with --trust") from error


def operator_key(operators: Path) -> SigningKey:
    """Load the operator's signing key."""
    return SigningKey.load(operators / "operator.key")


def root_key(operators: Path, trust: TrustBundle) -> SigningKey:
    """Load the root key of a trust bundle; raise ``HomeError`` if it is not there, or another one."""
    path = operators / "root.key"
    if not path.exists():
        raise HomeError(f"{path} is not there: bring root.key back from where it is kept for this one command")
    root = SigningKey.load(path)
    if root.public.hex != trust.root:
        raise HomeError(f"{path} is not the root key of trust.json; bring the right one")
    return root


@contextmanager
def changing(home: Home) -> Iterator[None]:
    """Be the only one who changes a home's trust bundle; raise ``HomeError`` if somebody else does."""
    with alone(home.run / "rotation.lock", "another change of keys is under way; wait for it"):
        yield


def put_trust(home: Home, trust: TrustBundle, **changes: object) -> TrustBundle:
    """Write a home's trust bundle with what changed, for whoever is ``changing`` it."""
    changed: TrustBundle = msgspec.structs.replace(trust, **changes)
    try:
        write_atomic(home.trust_file, canonical_json(changed))
    except OSError as error:
        raise HomeError(f"{home.trust_file} cannot be written ({error.strerror}); try again") from error
    return changed


def co_located(operators: Path) -> tuple[str, ...]:
    """Return which of the offline keys a process of this user can read on this machine, as ``/readyz`` says it."""
    return tuple(
        f"{name}: co-located" for name in ("root", "operator") if os.access(operators / f"{name}.key", os.R_OK)
    )


def _key(path: Path) -> SigningKey:
    if not path.exists():
        try:
            SigningKey.generate().save(path)
        except FileExistsError:
            return SigningKey.load(path)  # another first bring-up was faster
    return SigningKey.load(path)


def certified(root: SigningKey, role: Role, key: SigningKey, now_s: int) -> SignedCertificate:
    """Certify a key of one of this installation's roles with the root key."""
    return certified_as(root, role, "operator" if role == "operator" else f"weavergen {role}", key.public, now_s)


def certified_as(root: SigningKey, role: Role, subject: str, key: PublicKey, now_s: int) -> SignedCertificate:
    """Certify somebody's key with the root key."""
    return certify(
        root,
        Certificate(
            role=role,
            subject=subject,
            public_key=key.hex,
            issued_by=root.public.key_id,
            not_before=now_s - _SKEW_S,
            not_after=now_s + CERTIFIED_S,
        ),
    )
