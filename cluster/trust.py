"""First bring-up makes who is to be believed: keys, certificates, trust bundle, the first policy snapshot.

Rules:
- Root's and the operator's private keys lie in ``WEAVERGEN_OPERATOR_DIR``, never under home; policy, log and issuer keys in
  ``home/keys`` (0600). Existing keys are used, never overwritten.
- ``trust.json`` is written after every key it names, so a half-made home is completed by doing the same again.
- The policy in force must name the profile's layers. Where it does not, the operator's key signs the next version;
  halt, isolation and epochs stay as they are: bringing up a home loosens nothing by itself.

Left out: API keys (``cluster.access``), writer certificates (``cluster.issuer``).
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

from actors.base.canonical import MICRO, canonical_json, decimal_str, decode
from actors.base.certificates import Certificate, Role, SignedCertificate, TrustBundle, certify, read_trust
from actors.base.digests import sha256_hex
from actors.base.errors import HomeError, IntegrityError
from actors.base.signing import SigningKey
from actors.consensus.weights import default_weights
from actors.policy.acceptance import accept
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.snapshot import (
    GENESIS,
    Epochs,
    Halt,
    LayerRule,
    PolicySnapshot,
    SignedSnapshot,
    WeightsRef,
    sign_snapshot,
)
from actors.policy.transitions import successor
from cluster.config import Config
from cluster.home import Home, write_atomic

CERTIFIED_S = 5 * 365 * 24 * 3600
"""How long root's certificates last."""
SALT_BYTES = 32
_SKEW_S = 300
HOME_KEYS: tuple[Role, ...] = ("policy", "log", "issuer")
NO_SCREENING = "none"


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
        _key(home.keys / "salt.key")  # the secret behind pseudonyms and commitments: 32 random bytes in hex, like a key
        keys = [("operator", operator), *((role, _key(home.keys / f"{role}.key")) for role in HOME_KEYS)]
        _ensure_salt(home.keys / "salt.key")
        certificates = [_certified(root, role, key, now_s) for role, key in keys]
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


def policy_in_force(home: Home, trust: TrustBundle, now_s: int) -> PolicySnapshot | None:
    """Return the newest published snapshot, believed from the last one that an operator signed."""
    directory = SnapshotDirectory(home.policy)
    chain: list[SignedSnapshot] = []
    for version in reversed(directory.versions()):
        chain.insert(0, decode(directory.read(version), SignedSnapshot, "policy snapshot"))
        try:
            current = accept(None, chain[0], trust, now_s)
        except IntegrityError:
            continue
        for signed in chain[1:]:
            current = accept(current, signed, trust, now_s)
        return current
    if chain:
        raise IntegrityError(
            "no policy snapshot in home/policy is signed by an operator that trust.json knows", "policy"
        )
    return None


def ensure_policy(
    home: Home, config: Config, lineages: Mapping[str, str], operators: Path, now_ms: int
) -> PolicySnapshot:
    """Return the policy in force after making sure that it names the profile's layers and voters."""
    trust = load_trust(home.trust_file)
    current = policy_in_force(home, trust, now_ms // 1000)
    if current is not None and follows(current, config):
        return current
    weights = publish_weights(home, default_weights(sorted(lineages.items())))
    wanted = follow_profile(current, config, weights, now_ms)
    return PolicyPublisher(SnapshotDirectory(home.policy), trust, lambda: now_ms / 1000).publish(
        current, sign_snapshot(wanted, operator_key(operators))
    )


def follows(current: PolicySnapshot, config: Config) -> bool:
    """Tell whether a snapshot names the profile's layers, thresholds and voters."""
    known = all(voter.id in current.voter_state for voter in config.voters)
    return known and current.layers == layer_rules(config) and current.thresholds == _thresholds(config)


def follow_profile(current: PolicySnapshot | None, config: Config, weights: str, now_ms: int) -> PolicySnapshot:
    """Return the snapshot that gives a profile's layers force; what was tightened stays tightened."""
    layers = layer_rules(config)
    voters = sorted(voter.id for voter in config.voters)  # those outside every layer too: they answer when named
    if current is None:
        return PolicySnapshot(
            version=1,
            issued_at=now_ms,
            prev_sha256=GENESIS,
            layers=layers,
            voter_state=dict.fromkeys(voters, "active"),
            weights=WeightsRef(sha256=weights),
            thresholds=_thresholds(config),
            halt=Halt(on=False, reason="", by=""),
            screening_version=NO_SCREENING,
            invalidation_epochs=Epochs(voter={}, rule={}, tenant={}),
            learning_frozen=False,
        )
    return successor(
        current,
        now_ms,
        layers=layers,
        voter_state=dict.fromkeys(voters, "active") | current.voter_state,
        weights=WeightsRef(sha256=weights),
        thresholds=_thresholds(config),
    )


def layer_rules(config: Config) -> list[LayerRule]:
    """Return the profile's layers as a snapshot writes them."""
    return [
        LayerRule(
            name=layer.name,
            members=list(layer.members),
            quorum=_decimal(layer.quorum),
            min_lineages=layer.min_lineages,
            min_n_eff=_decimal(layer.min_n_eff),
            time_share=_decimal(layer.time_share),
        )
        for layer in config.layers
    ]


def publish_weights(home: Home, data: bytes) -> str:
    """Keep a weights file under its digest and return that."""
    digest = sha256_hex(data)
    path = home.registry / f"{digest}.json"
    if not path.exists():
        write_atomic(path, data)
    return digest


def _thresholds(config: Config) -> dict[str, str]:
    return {name: _decimal(value) for name, value in sorted(config.thresholds.items())}


def _decimal(value: float) -> str:
    return decimal_str(round(value * MICRO))


def _key(path: Path) -> SigningKey:
    if not path.exists():
        try:
            SigningKey.generate().save(path)
        except FileExistsError:
            return SigningKey.load(path)  # another first bring-up was faster
    return SigningKey.load(path)


def _ensure_salt(path: Path) -> None:
    """Make the secret behind pseudonyms and commitments."""
    if not path.exists():
        write_atomic(path, secrets.token_hex(SALT_BYTES).encode())


def _certified(root: SigningKey, role: Role, key: SigningKey, now_s: int) -> SignedCertificate:
    subject = "operator" if role == "operator" else f"weavergen {role}"
    return certify(
        root,
        Certificate(
            role=role,
            subject=subject,
            public_key=key.public.hex,
            issued_by=root.public.key_id,
            not_before=now_s - _SKEW_S,
            not_after=now_s + CERTIFIED_S,
        ),
    )
