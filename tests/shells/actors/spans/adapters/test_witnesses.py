"""Asking witnesses: who signs, who is away, and who has seen another log than this one."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.lookup import ArchivedDecisions
from actors.spans.adapters.witness import Witness
from actors.spans.adapters.witnesses import Answer, Witnesses, post, seen_by
from actors.spans.log.checkpoint import SignedCheckpoint, origin, read_checkpoint, sign_checkpoint
from actors.spans.log.note import KeyKind, NoteKey, SignatureLine, sign_line
from actors.spans.record import read_envelope
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed
from tests.shells.actors.spans.adapters.test_log import proven
from tests.shells.cluster.test_hearing import with_witnesses, without
from tests.unit.actors.spans.telemetry import NOW_S

NAMES = ("witness.example/1", "witness.example/2")
Send = Callable[[str, bytes, float], Answer]


class Watched:
    """A home with a log, and two witnesses of it elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path, self.made = path, Sealed(path / "home")
        trust = path / "home" / "trust.json"
        trust.write_bytes(canonical_json(self.made.authority.trust()))
        self.witnesses = {name: Witness(path / f"away-{name[-1]}", name, trust) for name in NAMES}
        self.away: set[str] = set()
        self.counted = [witness.key for witness in self.witnesses.values()]
        """Keys that root certifies now."""
        self.asked: list[str] = []
        self.asking = self.client(self.made.files)

    def client(self, files: LogFiles, send: Send | None = None, interval_s: float = 5) -> Witnesses:
        """Return who asks for a log's signatures, as after a restart."""
        asked = [(name, self.witnesses[name].key) for name in NAMES]
        return Witnesses(files, asked, 1, interval_s, send or self.send, lambda: self.counted)

    def send(self, url: str, body: bytes, timeout_s: float) -> Answer:
        """Ask a witness in this process."""
        name = url.removesuffix("/add-checkpoint")
        self.asked.append(name)
        if name in self.away:
            raise StorageUnavailable(f"witness {name} does not answer")
        told = self.witnesses[name].add_checkpoint(body, int(NOW_S))
        return Answer(told.status, told.content_type, told.body.encode())

    def replace(self, name: str) -> None:
        """Give a witness another key; whoever asks has to be made anew."""
        old = self.witnesses[name]
        again = Witness(self.path / f"again-{name[-1]}", name, self.path / "home" / "trust.json")
        self.witnesses[name] = again
        self.counted = [key for key in self.counted if key != old.key] + [again.key]
        self.asking = self.client(self.made.files)

    def lying(self) -> dict[str, tuple[int, int]]:
        """Return the size of each checkpoint that witnesses signed, and how many others' lines it has."""
        found = {path.name: read_checkpoint(path.read_bytes()) for path in self.made.files.path.glob("witnessed*")}
        return {name: (each.head.size, len(each.note.signatures) - 2) for name, each in found.items()}

    def by(self, index: int) -> tuple[int, int]:
        """Return the size of the checkpoint that a leaf is proven by, and how many that count signed it."""
        signed = self.made.files.vouching(index, self.counted)
        assert signed is not None
        return signed.head.size, signed.cosigners(self.counted)

    def cosigners(self) -> set[str]:
        """Return whose signatures lie beside the log."""
        signed = self.made.files.witnessed()
        return (
            set()
            if signed is None
            else {key.name for key in signed.note.signed_by(w.key for w in self.witnesses.values())}
        )


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Return a watched log of three batches."""
    watched = Watched(tmp_path)
    watched.made.batches(3)
    return watched


def test_both_sign_a_log_that_goes_on(watched: Watched) -> None:
    """From wherever they were; one that was away signs from where it was left."""
    assert watched.asking.ask().signed == NAMES
    assert watched.cosigners() == set(NAMES)
    watched.away = {NAMES[1]}
    watched.made.batches(2)
    found = watched.asking.ask()
    assert (found.size, found.signed, len(found.away), found.contradicted) == (5, NAMES[:1], 1, ())
    watched.away = set()
    watched.made.many(300)
    for client in (watched.asking, watched.client(watched.made.files)):
        assert client.ask().signed == NAMES
    signed = watched.made.files.witnessed()
    assert signed is not None
    assert signed.verify(watched.made.authority.trust()).size == 305
    assert watched.made.damage() == []


def test_a_proof_keeps_the_signatures_that_it_had_while_a_witness_is_away(watched: Watched) -> None:
    """Its checkpoint stays until as many signed a newer one: then one file is enough again."""
    watched.asking.ask()
    watched.away = {NAMES[1]}
    watched.client(watched.made.files).ask()  # after a restart, of a log that has not grown
    assert watched.by(2) == (3, 2)
    for _ in range(2):
        watched.made.batches(1)
        watched.asking.ask()
    assert watched.lying() == {"witnessed": (5, 1), "witnessed-2": (3, 2)}
    assert [watched.by(index) for index in (2, 3, 4)] == [(3, 2), (5, 1), (5, 1)]
    assert watched.made.damage() == []
    watched.made.batches(1)
    assert watched.by(4) == (5, 1)
    assert watched.made.files.vouching(5, watched.counted) == watched.made.files.checkpoint()
    (watched.made.files.path / "witnessed-1").write_text("nonsense")
    watched.away = set()
    watched.asking.ask()
    assert (watched.lying(), watched.by(2)) == ({"witnessed": (6, 2)}, (6, 2))


def test_signatures_of_a_witness_that_is_gone_hold_no_proof_back(watched: Watched) -> None:
    """Both signed once; one was revoked, and the other has a new key since, which signed a log that holds the same leaves."""
    watched.asking.ask()
    watched.counted = [watched.witnesses[NAMES[1]].key]
    watched.away = {NAMES[0]}
    watched.made.batches(1)
    watched.asking.ask()
    watched.replace(NAMES[1])
    assert [watched.by(index)[1] for index in (2, 3)] == [0, 0], "nobody's whose word counts"
    watched.asking.ask()
    assert [watched.by(index) for index in (2, 3)] == [(4, 1), (4, 1)]
    assert watched.lying() == {"witnessed": (4, 1)}


def test_lines_of_nobody_known_count_for_nothing(watched: Watched) -> None:
    """Whoever writes beside the log may add as many as a note holds, and names that are a witness's among them."""
    watched.asking.ask()
    genuine, keys = watched.made.files.witnessed(), watched.counted
    assert genuine is not None
    padded = genuine.cosigned(SignatureLine(f"w.example/{number}", bytes(4), bytes(72)) for number in range(50))
    bent = replace(genuine.note.signatures[-1], data=bytes(72))
    spoiled = SignedCheckpoint(replace(genuine.note, signatures=(*genuine.note.signatures[:-1], bent)))
    watched.made.batches(1)
    for lying, count in ((padded, 2), (spoiled, 0)):
        (watched.made.files.path / "witnessed").write_bytes(lying.data)
        assert (lying.cosigners(keys), watched.by(2)) == (count, (3, count))
        watched.asking.ask()
        assert watched.lying() == {"witnessed": (4, 2)}
    watched.away = {NAMES[1]}
    for size in (5, 6):  # with another's lines and without, fewer are fewer
        watched.made.batches(1)
        watched.asking.ask()
        assert watched.lying() == {"witnessed": (size, 1), "witnessed-2": (4, 2)}


def test_of_each_number_of_signatures_the_newest_stays(watched: Watched) -> None:
    """Wherever each lay before: who counts changes, and what is called after a number is found under another."""
    names = [f"witness.example/{number}" for number in range(4)]
    keys = [SigningKey.from_seed(name.encode().ljust(32)) for name in names]
    known = [NoteKey(name, KeyKind.COSIGNATURE, key.public) for name, key in zip(names, keys, strict=True)]
    files, made = watched.made.files, dict[int, SignedCheckpoint]()
    for count in (4, 3, 3, 2, 1):
        watched.made.batches(1)
        own = files.checkpoint()
        assert own is not None
        signed = own.cosigned(sign_line(own.note.text, names[at], keys[at], 7) for at in range(count))
        files.put_witnessed(signed, known)
        made[own.head.size] = signed
    assert watched.lying() == {"witnessed": (8, 1), "witnessed-2": (7, 2), "witnessed-3": (6, 3), "witnessed-4": (4, 4)}
    own = files.checkpoint()
    assert own is not None
    files.put_witnessed(own, known[1:])  # the first counts no more: three, two, one, none
    assert watched.lying() == {"witnessed": (8, 0), "witnessed-1": (7, 2), "witnessed-2": (6, 3), "witnessed-3": (4, 4)}
    vouching = [files.vouching(index, known[1:]) for index in (3, 5, 6, 7)]
    assert [None if each is None else each.head.size for each in vouching] == [4, 6, 7, 8]


def test_what_they_signed_is_asked_for_again_where_it_is_gone(watched: Watched) -> None:
    """Also of a log that does not grow: whoever removed it takes it from proofs for as long as an interval."""
    for at_s in (0.0, 1.0):
        watched.asking.follow(3, at_s)
        watched.asking.settle(30)
    assert len(watched.asked) == 2
    (watched.made.files.path / "witnessed").unlink()
    for at_s, there in ((2.0, set[str]()), (6.0, set(NAMES))):
        watched.asking.follow(3, at_s)
        watched.asking.settle(30)
        assert watched.cosigners() == there


def test_a_log_that_was_set_back_is_caught_by_whoever_saw_it(watched: Watched) -> None:
    """All of home, table and tiles and checkpoints, as it was before, and the log's key in hand: also once it has grown past."""
    home = watched.path / "home"
    shutil.copytree(home, watched.path / "before")
    watched.made.batches(2)
    watched.asking.ask()
    shutil.rmtree(home)
    (watched.path / "before").rename(home)
    again = Sealed(home)
    assert again.damage() == []  # from inside, nothing shows
    for asking in (watched.asking, watched.client(again.files)):
        assert len(asking.ask().contradicted) == 2
        assert asking.last.signed == ()
    again.next_seq += 1  # another history
    again.batches(4)
    found = watched.client(again.files).ask()
    assert (found.size, found.signed, len(found.contradicted)) == (7, (), 2)
    assert "422" in found.contradicted[0]


def test_one_of_two_histories_of_one_size_is_not_signed(watched: Watched) -> None:
    """Shown to some readers beside the first, with the log's own key under it."""
    watched.asking.ask()
    other = LogFiles(watched.path / "view")
    root = other.extend(0, [b"another"] * 3)
    other.put(sign_checkpoint(watched.made.authority.key(), origin(watched.made.authority.trust()), 3, root, NOW_MS))
    found = watched.client(other).ask()
    assert (found.signed, len(found.contradicted)) == ((), 2)
    assert other.witnessed() is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "text/plain", b""), Answer(200, "text/plain", b"\xff\n"), Answer(500, "", b"x"), Answer(404, "", b""),
        Answer(409, "text/x.tlog.size", b"many\n"), Answer(200, "text/plain", "— witness.example/1 AAAAAAAA\n".encode()),
    ],
)  # fmt: skip
def test_a_witness_that_answers_nonsense_is_away(watched: Watched, answer: Answer) -> None:
    """It proves nothing, neither for nor against the log."""
    found = watched.client(watched.made.files, lambda *_: answer).ask()
    assert (found.signed, len(found.away), found.contradicted) == ((), 2, ())
    assert watched.made.files.witnessed() is None


def test_a_signature_that_does_not_match_is_not_taken(watched: Watched) -> None:
    """Under the right name and id: whoever answers in a witness's place has not its key."""

    def forged(url: str, body: bytes, timeout_s: float) -> Answer:
        key = watched.witnesses[url.removesuffix("/add-checkpoint")].key
        return Answer(200, "text/plain", SignatureLine(key.name, key.key_id, bytes(72)).text.encode())

    found = watched.client(watched.made.files, forged).ask()
    assert (found.signed, len(found.away)) == ((), 2)
    assert watched.made.files.witnessed() is None


def test_another_s_signature_is_not_taken(watched: Watched) -> None:
    """Each is asked for its own: what the wrong one signed means nothing here."""
    swapped = dict(zip(NAMES, NAMES[::-1], strict=True))
    found = watched.client(
        watched.made.files,
        lambda url, body, timeout: watched.send(swapped[url.removesuffix("/add-checkpoint")], body, timeout),
    ).ask()
    assert (found.signed, len(found.away)) == ((), 2)


def test_they_are_asked_when_the_log_has_grown_and_no_more_often_than_agreed(watched: Watched) -> None:
    """And again, after a while, while one of them has not signed."""
    asking = watched.asking
    for at_s, grow, away, asked in (
        (0.0, 0, set[str](), 2), (1.0, 0, set[str](), 2), (2.0, 1, set[str](), 2), (6.0, 0, set[str](), 4),
        (20.0, 1, {NAMES[0]}, 6), (22.0, 0, set[str](), 6), (26.0, 0, set[str](), 8), (40.0, 0, set[str](), 8),
    ):  # fmt: skip
        watched.made.batches(grow)
        watched.away = away
        asking.follow(watched.made.sealer.size, at_s)
        asking.settle(30)
        assert len(watched.asked) == asked, at_s
    assert asking.last.signed == NAMES


def test_a_proof_leads_to_what_those_signed_that_root_certifies_now(tmp_path: Path) -> None:
    """Not to what one signed that was revoked since."""
    made, data = proven(tmp_path / "home")
    trust = made.authority.trust()
    keys = [SigningKey.from_seed(name.encode().ljust(32)) for name in NAMES]
    known = [NoteKey(name, KeyKind.COSIGNATURE, key.public) for name, key in zip(NAMES, keys, strict=True)]
    certified = with_witnesses(trust, *known)
    bundles = [without(certified, known[1]), certified]
    archive = ArchivedDecisions(tmp_path / "home", 10, lambda: bundles[-1], clock=time.time)
    for count in (2, 1):
        own = made.files.checkpoint()
        assert own is not None
        lines = [sign_line(own.note.text, name, key, 7) for name, key in zip(NAMES[:count], keys, strict=False)]
        made.files.put_witnessed(own.cosigned(lines), known)
        made.batches(1)

    def size() -> int:
        proof = read_envelope(archive.prove(data)).proof
        assert proof is not None
        return proof.entry.checkpoint.head.size

    assert size() == 1
    bundles.pop()
    assert size() == 2


def test_a_proof_leads_to_a_checkpoint_that_witnesses_signed(tmp_path: Path) -> None:
    """As soon as one of those holds the row; before that to the newest one there is."""
    made, data = proven(tmp_path / "home")
    archive = ArchivedDecisions(tmp_path / "home", 10, made.authority.trust)

    def head() -> tuple[int, int]:
        proof = read_envelope(archive.prove(data)).proof
        assert proof is not None
        signed = proof.entry.checkpoint
        return signed.head.size, len(signed.note.signatures)

    assert head() == (1, 2)
    (tmp_path / "home" / "trust.json").write_bytes(canonical_json(made.authority.trust()))
    witness = Witness(tmp_path / "away", NAMES[0], tmp_path / "home" / "trust.json")

    def send(url: str, body: bytes, timeout_s: float) -> Answer:
        told = witness.add_checkpoint(body, int(NOW_S))
        return Answer(told.status, told.content_type, told.body.encode())

    Witnesses(made.files, [("w", witness.key)], 1, 0, send).ask()
    made.batches(1)
    assert head() == (1, 3)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://witness..example:1", f"http://{'w' * 64}.example:1"])
def test_nobody_at_the_address_is_away(url: str) -> None:
    """A refused connection is told as such, and so is a name that no host can have."""
    with pytest.raises(StorageUnavailable, match="does not answer"):
        post(f"{url}/add-checkpoint", b"", 1)
    with pytest.raises(StorageUnavailable, match="does not tell"):
        seen_by(url, 1)
