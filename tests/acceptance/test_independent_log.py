"""The log as the Go checksum database makes and reads its own: golang.org/x/mod/sumdb (Debian: golang-golang-x-mod-dev).

A program of a page around it (``independent_log/main.go``) tiles the same leaves, and judges our tiles, proofs and checkpoints.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.base.signing import SigningKey
from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import log_keys, sign_checkpoint
from actors.spans.log.tiles import ENTRIES, Tile, read_path, tile_of, tiles_of
from actors.spans.merkle import EMPTY_ROOT, HASH_BYTES

PROGRAM = Path(__file__).parent / "independent_log" / "main.go"
LIBRARIES = Path("/usr/share/gocode")
SIZES = (0, 1, 2, 3, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537)
"""Around every place where a tile fills, of two levels."""
NOW_MS = 1_800_000_000_000


@dataclass(frozen=True)
class Go:
    """Their program, compiled."""

    program: Path

    def run(self, *words: object) -> "subprocess.CompletedProcess[str]":
        """Run it."""
        return subprocess.run(  # noqa: S603 - compiled by this test
            [self.program, *map(str, words)], capture_output=True, text=True, check=False, timeout=100
        )

    def told(self, *words: object) -> str:
        """Run it; it has to succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    """Compile their program, from Debian's packages and without a network."""
    if shutil.which("go") is None or not (LIBRARIES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("golang-go and golang-golang-x-mod-dev are not installed")
    folder = tmp_path_factory.mktemp("go")
    environ = os.environ | {
        "GO111MODULE": "off", "GOPATH": str(LIBRARIES), "GOCACHE": str(folder / "cache"), "CGO_ENABLED": "0", "GOFLAGS": "",
    }  # fmt: skip
    command = ["go", "build", "-o", str(folder / "log"), str(PROGRAM)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=110)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return Go(folder / "log")


def leaf(index: int) -> bytes:
    """Return a leaf as their program has it."""
    return b"leaf %d" % index


def ours(folder: Path, *sizes: int) -> LogFiles:
    """Write our log with leaves of the same text, growing to one size after the other."""
    files, size = LogFiles(folder), 0
    for grown in sizes:
        files.extend(size, [leaf(index) for index in range(size, grown)])
        size = grown
    return files


def hash_tiles(folder: Path) -> dict[str, bytes]:
    """Return path → bytes of every tile of hashes in a folder."""
    tiles = folder / "tile"
    found = {str(path.relative_to(tiles)): path.read_bytes() for path in tiles.rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if not path.startswith("entries/")}


def around(size: int) -> list[int]:
    """Return leaves to prove: the ends, and both sides of where tiles end."""
    return sorted({at for at in (0, 1, 255, 256, 257, 511, 65_535, 65_536, size // 2, size - 1) if 0 <= at < size})


@pytest.mark.parametrize("size", SIZES)
def test_the_same_leaves_make_the_same_tiles_roots_and_proofs(go: Go, tmp_path: Path, size: int) -> None:
    """Byte for byte: which files there are, what is in them, the root, paths to leaves and from smaller logs.

    Of a tile that is not full they publish every narrower one, too, as if the log had grown leaf by leaf: the same beginnings.
    """
    told = json.loads(go.told("tile", tmp_path / "theirs", size, *around(size)))
    files = ours(tmp_path / "ours", size)
    own, theirs = hash_tiles(tmp_path / "ours"), hash_tiles(tmp_path / "theirs")
    assert own.keys() == {tile.path for tile in tiles_of(size) if tile.level != ENTRIES}
    for path, data in theirs.items():
        tile = read_path(path)
        assert tile is not None
        whole = own[tile_of(tile.level, tile.number, size).path]
        assert data == whole[: tile.width * HASH_BYTES]
    assert own.items() <= theirs.items()
    assert files.root(size).hex() == (told["root"] if size else EMPTY_ROOT.hex())
    for index in around(size):
        assert [part.hex() for part in files.path_of(index, size)] == told["records"][str(index)]
        assert [part.hex() for part in files.consistency(index + 1, size)] == told["trees"][str(index + 1)]


@pytest.mark.parametrize("sizes", [(1, 2, 3, 255), (200, 256, 300, 65_536, 65_600), tuple(range(1, 260))])
def test_their_reader_finds_every_proof_in_our_tiles(go: Go, tmp_path: Path, sizes: Sequence[int]) -> None:
    """However the log grew: it takes what it is given for true only as far as the root says so."""
    files, size = ours(tmp_path, *sizes), sizes[-1]
    asked = around(size)
    assert go.told("check", tmp_path, size, files.root(size).hex(), *asked) == f"{len(asked)}\n"
    wrong = bytes(32).hex()
    assert go.run("check", tmp_path, size, wrong, *asked).returncode == 1


@pytest.mark.parametrize("tile", [Tile(0, 0), Tile(0, 256, 64), Tile(1, 0)])
def test_their_reader_refuses_a_tile_of_ours_with_one_bit_changed(go: Go, tmp_path: Path, tile: Tile) -> None:
    """So that what they accept above means something."""
    root = ours(tmp_path, 65_600).root(65_600).hex()
    assert go.run("check", tmp_path, 65_600, root, 1, 65_599).returncode == 0
    path = tmp_path / "tile" / tile.path
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert go.run("check", tmp_path, 65_600, root, 1, 65_599).returncode == 1


def test_their_note_package_opens_our_checkpoint(go: Go, tmp_path: Path) -> None:
    """By the verifier key that ``/v1/log/key`` gives; a signature of another kind it leaves alone, a changed text it refuses."""
    key, of = SigningKey.from_seed(b"l" * 32), "weavergen/0123456789abcdef"
    checkpoint = sign_checkpoint(key, of, 3, bytes(range(32)), NOW_MS)
    plain, timed = log_keys(of, key.public)
    file = tmp_path / "checkpoint"
    file.write_bytes(checkpoint.data)
    assert go.told("note", plain.text, file) == checkpoint.note.text
    other = log_keys(of, SigningKey.from_seed(b"o" * 32).public)[0]
    for verifier in (other.text, timed.text, plain.text.replace("weavergen", "elsewhere")):
        assert go.run("note", verifier, file).returncode == 1
    file.write_bytes(checkpoint.data.replace(b"\n3\n", b"\n4\n"))
    assert go.run("note", plain.text, file).returncode == 1
