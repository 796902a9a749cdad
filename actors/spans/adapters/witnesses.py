"""Asks the witnesses of the log to sign its newest checkpoint.

Rules:
- Each witness is asked from the size that it signed last, as it says itself: what it answers is believed only as far as
  its signature goes.
- Asking blocks on other machines: it runs in a thread of its own, one round at a time, and sealing never waits for it. A round
  begins when the log has grown, and again while not all have signed; no two within the interval.
- The newest checkpoint with their signatures lies beside the log's own: ``home/log/witnessed``. Where it is gone they are asked
  again; one that more of them signed whose keys count now stays beside it until as many have signed a newer one.
- A witness that cannot be reached is away. One that remembers a larger log than ours, or another one, has seen what we do not
  have: that is reported, and goes on being reported.

Left out: what a witness does (``log.witness``).
"""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import SignedCheckpoint, read_checkpoint, read_number
from actors.spans.log.note import MAX_NOTE_BYTES, NoteKey, SignatureLine, read_lines, verify_line
from actors.spans.log.witness import PATH, SIZE_TYPE, AddCheckpoint

TRIES = 2
"""Times a witness is asked in one round: once more with the size that it told."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness said."""

    status: int
    content_type: str
    body: bytes


class Post(Protocol):
    """Sends a request's body to an address."""

    def __call__(self, url: str, body: bytes, timeout_s: float) -> Answer:
        """Return the answer, whatever its status; raise ``StorageUnavailable`` if there is none."""


def post(url: str, body: bytes, timeout_s: float) -> Answer:
    """Send over HTTP."""
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain"})  # noqa: S310 - the configuration's address
    try:
        try:
            answer = urllib.request.urlopen(request, timeout=timeout_s)  # noqa: S310
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read(MAX_NOTE_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a name that no host can have
        raise StorageUnavailable(f"witness {url} does not answer: {error}") from error


def seen_by(url: str, timeout_s: float) -> SignedCheckpoint | None:
    """Return the checkpoint that the witness at an address signed last, not believed yet; ``None`` if it signed none.

    Raises ``StorageUnavailable`` if it does not tell. What it tells is evidence by the log's own signature.
    """
    try:
        with urllib.request.urlopen(f"{url}/seen", timeout=timeout_s) as answer:  # noqa: S310 - the configuration's address
            return read_checkpoint(answer.read(MAX_NOTE_BYTES))
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code == http.client.NOT_FOUND:
            return None
        raise StorageUnavailable(f"witness {url} does not tell what it saw ({refused.code})") from refused
    except (OSError, http.client.HTTPException, ValueError, IntegrityError) as error:
        raise StorageUnavailable(f"witness {url} does not tell what it saw: {error}") from error


@dataclass(frozen=True, slots=True)
class Round:
    """What came of asking every witness once."""

    size: int
    """Of the checkpoint that they were asked to sign."""
    signed: tuple[str, ...] = ()
    """Names of those that did."""
    away: tuple[str, ...] = ()
    """Why others could not be asked."""
    contradicted: tuple[str, ...] = ()
    """What others have seen that this log is not, in words."""


class Witnesses:
    """Asks for signatures over what ``files`` hold, and puts them beside it."""

    def __init__(
        self, files: LogFiles, asked: Sequence[tuple[str, NoteKey]], timeout_s: float, interval_s: float,
        send: Post = post, counting: Callable[[], Collection[NoteKey]] | None = None,
    ) -> None:  # fmt: skip
        """``asked`` are addresses and keys; ``counting`` returns the keys of the witnesses that count now, else those do."""
        self._files, self._asked, self._timeout_s, self._interval_s = files, asked, timeout_s, interval_s
        self._send, self._counting = send, counting or (lambda: [key for _, key in self._asked])
        self._known: dict[str, int] = {}
        """Name of a witness → the size that it signed last, as far as is known."""
        self._thread: threading.Thread | None = None
        self._begun_s: float | None = None
        self.last = Round(-1)
        """The last round that came to an end."""

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self._asked)

    def follow(self, size: int, steady_s: float) -> Round:
        """Begin a round if one is due for a log of ``size``; return the last one that came to an end."""
        done = self.last.size >= size and len(self.last.signed) == self.count and self._files.is_witnessed
        waits = self._begun_s is not None and steady_s - self._begun_s < self._interval_s
        busy = self._thread is not None and self._thread.is_alive()
        if not (done or waits or busy):
            self._begun_s = steady_s
            self._thread = threading.Thread(target=self._run, name="witnesses", daemon=True)
            self._thread.start()
        return self.last

    def settle(self, timeout_s: float) -> None:
        """Wait for the round that is under way."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.ask()
        except (IntegrityError, StorageUnavailable) as error:  # of our own log: the sealer says that, too
            self.last = Round(-1, away=(str(error),))

    def ask(self) -> Round:
        """Ask each witness to sign the newest checkpoint; raises what reading the log raises."""
        checkpoint = self._files.checkpoint()
        if checkpoint is None:
            return self.last
        found, lines = Round(checkpoint.head.size), list[SignatureLine]()
        for url, key in self._asked:
            try:
                lines.append(self._signature(url, key, checkpoint))
                found = replace(found, signed=(*found.signed, key.name))
            except StorageUnavailable as error:
                found = replace(found, away=(*found.away, str(error)))
            except IntegrityError as error:
                found = replace(found, contradicted=(*found.contradicted, str(error)))
        if lines:
            self._files.put_witnessed(checkpoint.cosigned(lines), self._counting())
        self.last = found
        return found

    def _signature(self, url: str, key: NoteKey, checkpoint: SignedCheckpoint) -> SignatureLine:
        """Return a witness's signature; raise ``IntegrityError`` if what it saw is not the beginning of this log."""
        head = checkpoint.head
        for _ in range(TRIES):
            old = self._known.get(key.name, 0)
            if old > head.size:
                raise IntegrityError(
                    f"witness {key.name} signed {old} batches of this log, which has {head.size}", "log"
                )
            proof = tuple(self._files.consistency(old, head.size))
            answer = self._send(url + PATH, AddCheckpoint(old, proof, checkpoint).data, self._timeout_s)
            if answer.status == 200:
                self._known[key.name] = head.size
                return _signature_in(answer, key, checkpoint)
            if answer.status != 409 or answer.content_type != SIZE_TYPE:
                break
            self._known[key.name] = _size_in(answer, key)
        raise _refused(key, head.size, answer)


def _refused(key: NoteKey, size: int, answer: Answer) -> IntegrityError | StorageUnavailable:
    said = answer.body[:200].decode("utf-8", "replace").strip()
    told = f"witness {key.name} did not sign the log at {size} batches ({answer.status}): {said}"
    return IntegrityError(told, "log") if answer.status in {409, 422} else StorageUnavailable(told)


def _size_in(answer: Answer, key: NoteKey) -> int:
    try:
        return read_number(answer.body.decode("utf-8", "replace").removesuffix("\n"), "witness")
    except IntegrityError as error:
        raise StorageUnavailable(f"witness {key.name} answered without a size: {error}") from error


def _signature_in(answer: Answer, key: NoteKey, checkpoint: SignedCheckpoint) -> SignatureLine:
    try:
        for line in read_lines(answer.body.decode("utf-8", "replace")):
            if (line.name, line.key_id) == (key.name, key.key_id):
                verify_line(checkpoint.note.text, key, line)
                return line
    except IntegrityError as error:
        raise StorageUnavailable(f"witness {key.name} answered without a good signature: {error}") from error
    raise StorageUnavailable(f"witness {key.name} answered without a signature of the key that is configured for it")
