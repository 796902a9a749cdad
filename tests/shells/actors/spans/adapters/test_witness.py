"""A witness's memory: durable before it signs, its own for as long as the process lives, and never set back."""

from pathlib import Path

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation
from actors.base.errors import HomeError, IntegrityError
from actors.base.signing import SigningKey
from actors.spans.adapters import witness as witness_module
from actors.spans.adapters.witness import Witness
from actors.spans.log.checkpoint import origin, sign_checkpoint
from actors.spans.log.note import read_lines, verify_line
from actors.spans.log.witness import AddCheckpoint, Verdict
from actors.spans.merkle import consistency_path, leaf_hash, tree_root
from tests.unit.actors.spans.telemetry import NOW_S, Authority

NOW = int(NOW_S)
NAME = "witness.example/1"
LEAVES = [leaf_hash(b"%d" % number) for number in range(40)]


class Site:
    """A log's keys and bundle, and the folder of a witness."""

    def __init__(self, path: Path) -> None:
        self.keys, self.folder, self.bundle = Authority(), path / "witness", path / "trust.json"
        self.publish()

    def publish(self) -> None:
        """Put the bundle where the witness looks for it."""
        self.bundle.write_bytes(canonical_json(self.keys.trust()))

    def witness(self) -> Witness:
        """Open the witness."""
        return Witness(self.folder, NAME, self.bundle)

    def request(self, old: int, size: int, key: SigningKey | None = None) -> bytes:
        """Return a request."""

        def read(level: int, number: int) -> bytes:
            return tree_root(LEAVES[number << level : (number + 1) << level])

        path = tuple(consistency_path(old, size, read)) if old else ()
        root, of = tree_root(LEAVES[:size]), origin(self.keys.trust())
        return AddCheckpoint(old, path, sign_checkpoint(key or self.keys.key(), of, size, root, NOW * 1000)).data


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site where nothing was signed."""
    return Site(tmp_path)


def signed(witness: Witness, verdict: Verdict) -> int:
    """Check an answer's signature; return its time."""
    assert verdict.status == 200
    seen = witness.seen()
    assert seen is not None
    (line,) = read_lines(verdict.body)
    verify_line(seen.note.text, witness.key, line)
    return line.time_s


def test_what_was_signed_is_remembered_by_the_next_process(site: Site) -> None:
    """With the same key: a log that goes on is signed, one that was set back is not."""
    first = site.witness()
    assert signed(first, first.add_checkpoint(site.request(0, 5), NOW)) == NOW
    first.close()
    again = site.witness()
    assert again.key == first.key
    assert again.add_checkpoint(site.request(0, 5), NOW).body == "5\n"
    assert again.add_checkpoint(site.request(3, 4), NOW).status == 409
    assert signed(again, again.add_checkpoint(site.request(5, 9), NOW)) == NOW


def test_what_was_seen_is_told_in_its_own_name_and_with_the_time(site: Site) -> None:
    """Anew each time: who recorded an answer has none for later; and nothing is told of nothing."""
    witness = site.witness()
    assert witness.tell(NOW) is None
    witness.add_checkpoint(site.request(0, 5), NOW)
    for now in (NOW, NOW + 100):
        told = witness.tell(now)
        assert told is not None
        assert told.head.size == 5
        assert told.note.signed_by([witness.key])[witness.key].time_s == now
        told.verify(site.keys.trust())
    seen = witness.seen()
    assert seen is not None
    assert seen.note.signed_by([witness.key]) == {}


def test_nothing_is_signed_that_the_disk_did_not_take(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory comes first: after a crash between the two nobody has a signature that is not remembered."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    witness = site.witness()
    with monkeypatch.context() as broken:
        broken.setattr(witness_module, "write_atomic", full)
        broken.setattr(witness_module, "sign_line", lambda *_: pytest.fail("signed before it is remembered"))
        with pytest.raises(OSError, match="No space"):
            witness.add_checkpoint(site.request(0, 5), NOW)
    assert witness.seen() is None
    assert signed(witness, witness.add_checkpoint(site.request(0, 5), NOW)) == NOW


def test_a_memory_that_cannot_be_read_signs_nothing(site: Site) -> None:
    """Else damaging it would make it forget."""
    witness = site.witness()
    witness.add_checkpoint(site.request(0, 5), NOW)
    (site.folder / "seen").write_bytes(b"")
    with pytest.raises(IntegrityError):
        witness.add_checkpoint(site.request(0, 6), NOW)


def test_a_folder_is_one_process_s_witness(site: Site) -> None:
    """Two with one memory could sign two histories."""
    held = site.witness()
    with pytest.raises(HomeError, match="another process"):
        site.witness()
    held.close()
    site.witness().close()


def test_a_log_key_that_root_certified_is_followed_and_a_revoked_one_never_again(site: Site) -> None:
    """Not even where an older bundle is put in the newer one's place, nor by a bundle of another root."""
    witness, old, before = site.witness(), site.keys.key(), site.keys.trust()
    witness.add_checkpoint(site.request(0, 5), NOW)
    site.keys.rotate(SigningKey.from_seed(b"n" * 32), Revocation(old.public.key_id, NOW, "stolen"))
    assert witness.add_checkpoint(site.request(5, 6, site.keys.key()), NOW).status == 403
    site.publish()
    assert witness.add_checkpoint(site.request(5, 6), NOW).status == 200
    assert witness.add_checkpoint(site.request(6, 7, old), NOW).status == 403
    stranger = msgspec.structs.replace(
        before, root=SigningKey.from_seed(b"x" * 32).public.hex, certificates=[], revocations=[]
    )
    for bundle in (canonical_json(before), canonical_json(stranger), b"{"):
        site.bundle.write_bytes(bundle)
        assert witness.add_checkpoint(site.request(6, 7, old), NOW).status == 403
        witness.close()
        witness = site.witness()
    site.bundle.unlink()
    assert witness.add_checkpoint(site.request(6, 7), NOW).status == 200


def test_a_witness_without_a_bundle_is_told_what_it_needs(site: Site) -> None:
    """The first time; from then on it has its own."""
    site.bundle.unlink()
    with pytest.raises(HomeError, match="trust bundle"):
        site.witness()


def test_its_times_do_not_run_backwards(site: Site) -> None:
    """A clock that was set back makes no signature look older than one before it."""
    witness = site.witness()
    times = [
        signed(witness, witness.add_checkpoint(site.request(old, old + 1), at))
        for old, at in enumerate((NOW, NOW + 9, NOW + 3, NOW + 20))
    ]
    assert times == [NOW, NOW + 9, NOW + 9, NOW + 20]
