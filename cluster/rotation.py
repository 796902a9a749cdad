"""Replacing the keys that root certifies: issuer, policy, operator, log.

The order keeps everything verifiable at every instant, and whatever an interrupted rotation leaves is mended by rotating
once more:

1. the new key is kept beside the old one, then root certifies it: ``trust.json`` holds both, and whoever runs reads it
   again by itself;
2. the new key takes the old one's place in its file: the next signature is its own;
3. what is judged *now* is signed anew: an operator's signature over the policy in force, the AuthSnapshot; writers that
   run get certificates of the new issuer;
4. root revokes every older key of the same holder, from this second on; an issuer, and the log's key, from a second that
   has yet to come.

Records issued before stay verifiable: their certificates are judged at the record's own time, in whole seconds. Writers
look at ``trust.json`` before every signature, so an issuer's revocation that lies on the disk before its second begins
leaves no record on its far side, and none on the near side is touched. So too checkpoints, commits and entries: SpanActor
reads the log's key before each signature, which dates from no later than that; witnesses take a checkpoint of the old key
until its second, and of the new one once the log has grown.

Left out: the root key (a new root is a new installation), witnesses (``cluster.witness_register``).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actors.base.canonical import decode
from actors.base.certificates import (
    Revocation,
    Role,
    SignedCertificate,
    TrustBundle,
    revoke,
    revoked_since,
)
from actors.base.errors import HomeError, IntegrityError
from actors.base.files import sync_folder
from actors.base.signing import PublicKey, SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.transitions import successor
from actors.store.adapters.auth_publisher import AuthPublisher
from actors.store.adapters.database import Database
from cluster.config import Config
from cluster.home import Home
from cluster.issuer import writer_is_alive
from cluster.succession import Note, Succession, policy_in_force
from cluster.trust import certified, changing, load_trust, operator_key, put_trust, root_key

Rotated = Literal["issuer", "policy", "operator", "log"]
_ANEW: tuple[Rotated, ...] = ("policy", "operator")
"""Whose signatures are judged now, and are given anew: the policy in force and the API keys."""
SETTLE_ATTEMPTS = 5
WRITERS_WAIT_S = 30.0
_POLL_S = 0.2
AHEAD_S = 2
"""How many full seconds lie between the revocation of an issuer, or of a log's key, and its effect: for a slow disk, and for a
writer to take up a certificate that lies there."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """One key that took another's place."""

    role: Rotated
    key_id: str
    revoked: list[str]
    """Key ids that are believed no more."""
    file: Path


class Rotation:
    """Rotates keys of one home. Needs root's key, and the operator's where policy is signed anew."""

    def __init__(
        self,
        home: Home,
        config: Config,
        operators: Path,
        database: Database,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._home, self._config, self._operators, self._database = home, config, operators, database
        self._clock, self._sleep = clock, sleep
        self._trust = load_trust(home.trust_file)
        self._root = root_key(operators, self._trust)
        self._chain = Succession(home, config.policy, lambda: self._trust, database, clock)

    def rotate(
        self,
        roles: Sequence[Rotated],
        author: str,
        *,
        at_once: bool = False,
        told: Callable[[Replaced], None] = lambda _: None,
    ) -> list[Replaced]:
        """Replace the keys of ``roles``; ``at_once`` does not wait for writers that still use the old issuer.

        ``told`` hears of each as soon as it is replaced, whatever becomes of the next.
        """
        done: list[Replaced] = []
        with changing(self._home):
            self._trust = load_trust(self._home.trust_file)
            self._chain.require_trust()
            for role in roles:
                done.append(self._rotate(role, author, at_once=at_once))
                told(done[-1])
        return done

    def _rotate(self, role: Rotated, author: str, *, at_once: bool) -> Replaced:
        if role in _ANEW:
            self._chain.current()  # what cannot be proven is not signed anew: said before anything changes
            operator_key(self._operators)
        new = SigningKey.generate()
        put = self._keep(role, new)
        self._certify(role, new)
        put()
        if role == "issuer" and not at_once:
            self._await_writers(new.public.key_id)
        if role in _ANEW:
            self._sign_anew(role, author)
        before, revoked = self._trust, self._revoke_others(role, new)
        if role in _ANEW:
            self._settle(before, role, author)
            self._publish_auth()
        self._chain.require_trust()  # notes the revocations: no start believes an older bundle any more
        return Replaced(role, new.public.key_id, revoked, self._file(role))

    def _keep(self, role: Rotated, key: SigningKey) -> Callable[[], None]:
        """Write the key beside the old one; return what puts it in its place, which needs no space any more."""
        file = self._file(role)
        beside = file.with_suffix(".new")
        try:
            key.replace(beside)
        except OSError as error:
            raise HomeError(f"{beside} cannot be written ({error.strerror}): nothing changed; try again") from error
        return lambda: _put(beside, file)

    def _certify(self, role: Rotated, key: SigningKey) -> None:
        certificate = certified(self._root, role, key, int(self._clock()))
        self._write(certificates=[*self._trust.certificates, certificate])

    def _revoke_others(self, role: Rotated, new: SigningKey) -> list[str]:
        now_s, gone = int(self._clock()), revoked_since(self._trust)
        since = now_s if role in _ANEW else now_s + 1 + AHEAD_S
        found = [signed.read() for signed in self._trust.certificates]
        subject = next(item.subject for item in reversed(found) if item.public_key == new.public.hex)
        same = {PublicKey(item.public_key).key_id for item in found if (item.role, item.subject) == (role, subject)}
        old = sorted(same - {new.public.key_id} - gone.keys())
        revocations = [
            revoke(self._root, Revocation(key_id, since, f"replaced by {new.public.key_id}")) for key_id in old
        ]
        self._write(revocations=[*self._trust.revocations, *revocations])
        return old

    def _write(self, **changes: object) -> None:
        self._trust = put_trust(self._home, self._trust, **changes)

    def _sign_anew(self, role: Role, author: str) -> None:
        """Have an operator vouch for the policy in force, so that nothing depends on the old key's signatures."""
        current = self._chain.current()
        if current is None:
            return
        note = Note("pin", role, f"new {role} key", author)
        keys = (operator_key(self._operators), SigningKey.load(self._file("policy")))
        self._chain.publish(current, successor(current, self._chain.now_ms()), note, *keys)

    def _settle(self, before: TrustBundle, role: Role, author: str) -> None:
        """Sign anew once more if the old key tightened policy between the signature and its revocation."""
        after = self._trust
        for _ in range(SETTLE_ATTEMPTS):
            try:
                policy_in_force(self._home, after, int(self._clock()), config=self._config.policy)
            except IntegrityError:
                self._trust = before
                self._sign_anew(role, author)
                self._trust = after
            else:
                return
        raise HomeError("others keep signing with the old key; end them (`weavergen down`) and rotate again")

    def _publish_auth(self) -> None:
        key, directory = SigningKey.load(self._file("policy")), SnapshotDirectory(self._home.auth)
        AuthPublisher(self._database, directory, key, self._trust, self._clock).publish()

    def _await_writers(self, issuer: str) -> None:
        waited = 0.0
        while left := sorted(self._writers_of_others(issuer)):
            if waited >= WRITERS_WAIT_S:
                raise HomeError(
                    f"{len(left)} writers still hold certificates of the old issuer ({', '.join(left[:3])}), which is not "
                    "revoked: see `weavergen status`, rotate again, or use --at-once (they refuse until they have new ones)"
                )
            self._sleep(_POLL_S)
            waited += _POLL_S

    def _writers_of_others(self, issuer: str) -> Iterator[str]:
        for path in self._home.certs.glob("*.crt"):
            try:
                certificate = decode(path.read_bytes(), SignedCertificate, path.name).read()
            except (FileNotFoundError, IntegrityError):
                continue  # swept meanwhile, or no certificate at all: nobody signs with it
            ended = certificate.not_after <= int(self._clock())
            if not ended and certificate.issued_by != issuer and writer_is_alive(self._home.root / "wal", path.stem):
                yield path.stem

    def _file(self, role: Rotated) -> Path:
        return self._operators / "operator.key" if role == "operator" else self._home.keys / f"{role}.key"


def _put(beside: Path, file: Path) -> None:
    """Rename durably: after a crash the revoked key must not lie there again."""
    beside.replace(file)
    sync_folder(file.parent)
