"""The proof that replicas share."""

from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.consensus.sandbox.adapters.proof_file import MAX_BYTES, ProofFile
from actors.consensus.sandbox.selftest import Proof

PROOF = Proof(at_s=1.5, boot="b", made_with="m", failed=("no network",))
FOREIGN = b'{"at_s":1,"boot":"b","made_with":"m","failed":[],"more":1}'


def test_a_proof_comes_back(tmp_path: Path) -> None:
    """What one writes another reads, from a file that only this user can read."""
    ProofFile(tmp_path).write(PROOF)
    assert ProofFile(tmp_path).read() == PROOF
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("sandbox-proof.json", 0o600)]


def test_none_is_none(tmp_path: Path) -> None:
    """No file, no folder: no proof."""
    assert ProofFile(tmp_path).read() is None
    assert ProofFile(tmp_path / "missing").read() is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"at_s":1,"boot":"b","made_with":"m","failed":[],"more":1}', b"x" * (MAX_BYTES + 9)],
)
def test_what_cannot_be_read_is_none(content: bytes, tmp_path: Path) -> None:
    """A damaged, foreign or endless file proves nothing."""
    file = ProofFile(tmp_path)
    file.write(PROOF)
    (tmp_path / "sandbox-proof.json").write_bytes(content)
    assert file.read() is None


def test_a_file_others_can_write_is_none(tmp_path: Path) -> None:
    """Looser modes and links prove nothing: somebody else may have made them."""
    file = ProofFile(tmp_path)
    file.write(PROOF)
    path = tmp_path / "sandbox-proof.json"
    path.chmod(0o644)
    assert file.read() is None
    path.chmod(0o600)
    assert file.read() == PROOF
    moved = path.rename(tmp_path / "elsewhere")
    path.symlink_to(moved)
    assert file.read() is None


def test_one_at_a_time_makes_it(tmp_path: Path) -> None:
    """Who holds the turn is told so, everybody else that it is taken; it is free again afterwards."""
    with ProofFile(tmp_path).turn() as first, ProofFile(tmp_path).turn() as second:
        assert (first, second) == (True, False)
    with ProofFile(tmp_path).turn() as third:
        assert third


def test_a_folder_that_cannot_be_written_is_an_operators_error(tmp_path: Path) -> None:
    """Where the proof cannot be shared, that is said."""
    file = ProofFile(tmp_path / "missing")
    with pytest.raises(StorageUnavailable):
        file.write(PROOF)
    with pytest.raises(StorageUnavailable), file.turn():
        raise AssertionError("the turn was given")
