"""A witness's memory and key on a disk of its own, away from the log that it watches.

Layout of its folder:

    key            its private key (0600)
    trust.json     the newest trust bundle of the log that it was shown: who may sign that log's checkpoints
    seen           the last checkpoint that it signed, of that log
    lock           held by the process that is this witness

Rules:
- What is remembered is durable before anything is signed; one request is judged at a time.
- The log's root key was given to it once, when it was made. A bundle of that root is taken over where it holds all that the
  one before held: a log that gets a new key needs nobody's help, and no revocation is ever forgotten.
- Whoever asks what it signed last is told so in its own name, with the time: what anybody recorded earlier is no answer now.
- While it runs its times never run backwards: where the clock does, it signs with the time of the last one.

Left out: the protocol (``log.witness``), HTTP.
"""

import os
import threading
from collections.abc import Container
from pathlib import Path

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle, extends, read_trust, role_keys
from actors.base.errors import HomeError, IntegrityError
from actors.base.files import sync_folder, write_atomic
from actors.base.locks import only_one
from actors.base.signing import SigningKey
from actors.spans.log.checkpoint import SignedCheckpoint, TreeHead, log_keys, origin, read_checkpoint
from actors.spans.log.note import KeyKind, NoteKey, SignatureLine, sign_line
from actors.spans.log.witness import Verdict, judge


class Witness:
    """One witness of one log. Raises ``HomeError`` if its folder is another process's, or not to be used."""

    def __init__(self, folder: Path, name: str, source: Path) -> None:
        """``source`` is where the log's trust bundle may grow; what is believed lies in the folder."""
        self.name = name
        self._folder, self._source = folder, source
        self._lock = threading.Lock()
        self._held = _hold(folder / "lock")
        self._key = _key(folder / "key")
        self._trust = self._first_bundle()
        self._time_s = 0

    @property
    def key(self) -> NoteKey:
        """Return the key that its signatures are checked with."""
        return NoteKey(self.name, KeyKind.COSIGNATURE, self._key.public)

    def add_checkpoint(self, data: bytes, now_s: int) -> Verdict:
        """Judge a request; remember and sign what passes. Raises ``OSError`` if the disk does not take it: nothing is signed."""
        with self._lock:
            self._follow_bundle()
            verdict = judge(data, lambda of: self._keys(of, now_s), self._last)
            if verdict.remember is None:
                return verdict
            write_atomic(self._folder / "seen", verdict.remember.data)
            return Verdict(200, self._line(verdict.remember, now_s).text)

    def tell(self, now_s: int) -> SignedCheckpoint | None:
        """Return the last checkpoint that it signed, signed anew; ``None`` if it signed none. Raises like ``seen``."""
        with self._lock:
            seen = self.seen()
            return None if seen is None else seen.cosigned([self._line(seen, now_s)])

    def _line(self, signed: SignedCheckpoint, now_s: int) -> SignatureLine:
        self._time_s = max(self._time_s, now_s)
        return sign_line(signed.note.text, self.name, self._key, self._time_s)

    def close(self) -> None:
        """Let another process be this witness."""
        os.close(self._held)

    def _keys(self, of: str, now_s: int) -> list[NoteKey]:
        if of != origin(self._trust):
            return []
        return [log_keys(of, key)[0] for key in role_keys(self._trust, "log", now_s).values()]

    def _last(self, of: str) -> TreeHead | None:
        seen = self.seen()
        return seen.head if seen is not None and seen.head.origin == of else None

    def seen(self) -> SignedCheckpoint | None:
        """Return the last checkpoint that it signed; raise ``IntegrityError`` if that cannot be read, and sign nothing."""
        try:
            return read_checkpoint((self._folder / "seen").read_bytes())
        except FileNotFoundError:
            return None

    def _first_bundle(self) -> TrustBundle:
        kept = self._folder / "trust.json"
        if not kept.exists():
            write_atomic(kept, canonical_json(read_trust(_bytes(self._source))))
        return read_trust(_bytes(kept))

    def _follow_bundle(self) -> None:
        """Take over what the log's bundle has grown by; one that is gone, damaged or another's changes nothing."""
        try:
            newer = read_trust(self._source.read_bytes())
        except (OSError, IntegrityError):
            return
        if newer != self._trust and extends(newer, self._trust):
            write_atomic(self._folder / "trust.json", canonical_json(newer))
            self._trust = newer


def witness_key(folder: Path, name: str) -> NoteKey:
    """Return the verifier key of the witness in a folder; make its key if there is none."""
    return NoteKey(name, KeyKind.COSIGNATURE, _key(folder / "key").public)


def unrevoked_key(folder: Path, name: str, revoked: Container[str]) -> NoteKey:
    """Return the key of the witness in a folder; put another in its place, for good, if its id is among those revoked."""
    key = witness_key(folder, name)
    if key.public.key_id not in revoked:
        return key
    (folder / "key").replace(folder / "key.revoked")
    return witness_key(folder, name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HomeError(
            f"a witness needs the trust bundle of its log, and {path} cannot be read: {error.strerror}"
        ) from error


def _key(path: Path) -> SigningKey:
    if not path.exists():
        SigningKey.generate().save(path)
    return SigningKey.load(path)


def _hold(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sync_folder(path.parent.parent)  # whoever made it may have died before that
    return only_one(path, f"another process is the witness in {path.parent}; end it first")
