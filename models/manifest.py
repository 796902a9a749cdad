"""Digests of a directory of weights: written when it is made, checked before every use.

Rules: the manifest lists every file with size and SHA-256; a directory is intact only if its files are exactly the listed
ones, regular, and hash to what is listed. ``tree_sha256`` is the one number that pins a directory of many files: the
SHA-256 of the lines ``sha256sum`` would print for it, sorted by name. ``python -m models.manifest DIR`` prints it.

What it leaves out: an attacker who can rewrite both a file and its manifest; the home directory is not theirs to write.
"""

import hashlib
import os
import sys
from pathlib import Path

import msgspec

MANIFEST_NAME = "manifest.json"

_CHUNK_BYTES = 1 << 22


class FileDigest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size and SHA-256 of one file."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a prepared directory holds and what it was made from."""

    entry: str
    source_sha256: str
    recipe_sha256: str
    files: dict[str, FileDigest]


def sha256_file(path: Path) -> str:
    """Hash a file in constant memory; hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digest_tree(directory: Path) -> dict[str, FileDigest]:
    """Hash every regular file below ``directory`` but its manifest and dot files; by relative name, sorted."""
    found: dict[str, FileDigest] = {}
    for name in sorted(_names(directory)):
        path = directory / name
        found[name] = FileDigest(size=path.stat().st_size, sha256=sha256_file(path))
    return found


def tree_sha256(files: dict[str, FileDigest]) -> str:
    """Return the one digest that pins a directory of files."""
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest and force everything in ``directory`` to disk."""
    (directory / MANIFEST_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    for path in sorted(directory.rglob("*")):
        _fsync(path)
    _fsync(directory)


def read_manifest(directory: Path) -> Manifest | None:
    """Return the manifest, ``None`` where there is none that can be read."""
    try:
        return msgspec.json.decode((directory / MANIFEST_NAME).read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None


def damage(directory: Path, manifest: Manifest) -> str | None:
    """Say what is wrong with ``directory``, ``None`` if every file is the one listed. Sizes first, then every byte."""
    names = _names(directory)
    if names != set(manifest.files):
        return f"files differ from the manifest: {', '.join(sorted(names ^ set(manifest.files)))}"
    for name, expected in manifest.files.items():
        path = directory / name
        if path.is_symlink() or not path.is_file():
            return f"{name} is no regular file"
        if (size := path.stat().st_size) != expected.size:
            return f"{name} has {size} bytes instead of {expected.size}"
    for name, expected in manifest.files.items():
        if (actual := sha256_file(directory / name)) != expected.sha256:
            return f"{name} hashes to {actual} instead of {expected.sha256}"
    return None


def _names(directory: Path) -> set[str]:
    names: set[str] = set()
    for root, dirs, files in os.walk(directory):
        dirs[:] = [d for d in dirs if not d.startswith(".")]
        names.update(str((Path(root) / f).relative_to(directory)) for f in files if not f.startswith("."))
    names.discard(MANIFEST_NAME)
    return names


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(argv: list[str]) -> int:
    """Print the digest that pins the directory named on the command line."""
    if len(argv) != 1 or not Path(argv[0]).is_dir():
        sys.stderr.write("usage: python -m models.manifest DIR\n")
        return 2
    sys.stdout.write(tree_sha256(digest_tree(Path(argv[0]))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
