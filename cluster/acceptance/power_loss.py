"""What a disk holds after a loss of power, while a child goes on writing: the states that POSIX leaves open, four of them.

Rules (after ALICE, Pillai et al., OSDI 2014, cut down to what a journal of ext4's kind can show):
- Content is certain once its file was synced, names once their folder was; a sync counts once it was begun.
- ``certain``: nothing else is there. ``names``: every name is there, content that was not synced is not (a file that never was
  synced is empty). ``halves``: as before, with the first half of what was
  written to each such file since. ``content``: every content is
  there, names that were not synced are not.
- Renames are whole: the names of a folder are as they are or as they were last synced.

Left out: names of several folders at different times, sectors of a file in any order.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cluster.acceptance.effects import Effect

STATES = ("certain", "names", "halves", "content")
TRIES = 20
Tree = Mapping[str, bytes | None]
"""Path below the root → content; ``None``: a folder."""


@dataclass(slots=True)
class _Thing:
    """A file or folder, whatever its name is."""

    synced: bytes = b""
    """A file's content that is certain."""
    names: dict[str, int] = field(default_factory=dict)
    """A folder's names that are certain, and what they stand for."""
    folder: bool = False


class Shadow:
    """Follows what is certain below ``root``; all that lies there at the beginning is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._next = count()
        self._ids: dict[int, int] = {}
        """Number of an inode → thing."""
        self._things: dict[int, _Thing] = {}
        for path in [root, *root.rglob("*")]:
            self._sync(path)

    def note(self, effect: Effect) -> None:
        """Take notice of an effect that is about to be."""
        if effect.kind == "sync" and effect.path.exists():
            self._sync(effect.path)
        elif effect.kind in {"remove", "rmdir", "rename"} and effect.path.exists():
            status = effect.path.lstat()
            if status.st_nlink == 1 or effect.kind == "rmdir":  # another may get its inode
                self._ids.pop(status.st_ino, None)

    def _sync(self, path: Path) -> None:
        thing = self._things[self._id(path)]
        if path.is_dir():
            thing.folder, thing.names = True, self._names(path)
        else:
            thing.synced = path.read_bytes()

    def _names(self, folder: Path) -> dict[str, int]:
        return {each.name: self._id(each) for each in folder.iterdir()}

    def _id(self, path: Path) -> int:
        inode = path.lstat().st_ino
        if inode not in self._ids:
            self._ids[inode] = next(self._next)
            self._things[self._ids[inode]] = _Thing(folder=path.is_dir())
        return self._ids[inode]

    def trees(self) -> dict[str, Tree]:
        """Return what may be left if power is lost now, by name of the state."""
        for _ in range(TRIES):
            with contextlib.suppress(FileNotFoundError):  # a call that was let go before is being made just now
                return self._trees()
        return self._trees()

    def _trees(self) -> dict[str, Tree]:
        now = {self._id(path): path for path in [self._root, *self._root.rglob("*")]}

        def written(thing: int) -> bytes:
            return now[thing].read_bytes() if thing in now else self._things[thing].synced

        def half(thing: int) -> bytes:
            return _half_way(self._things[thing].synced, written(thing))

        def as_they_are(thing: int) -> dict[str, int]:
            return self._names(now[thing]) if thing in now else {}

        def certain_names(thing: int) -> dict[str, int]:
            return self._things[thing].names

        def certain(thing: int) -> bytes:
            return self._things[thing].synced

        ways = dict(
            zip(
                STATES,
                [(certain_names, certain), (as_they_are, certain), (as_they_are, half), (certain_names, written)],
                strict=True,
            )
        )
        return {state: self._tree(*way) for state, way in ways.items()}

    def _tree(self, names: Callable[[int], dict[str, int]], content: Callable[[int], bytes]) -> Tree:
        found: dict[str, bytes | None] = {}
        open_folders = [("", self._id(self._root))]
        while open_folders:
            place, folder = open_folders.pop()
            for name, thing in names(folder).items():
                path = os.path.join(place, name)  # noqa: PTH118 - a word, no path yet
                if self._things[thing].folder:
                    found[path] = None
                    open_folders.append((path, thing))
                else:
                    found[path] = content(thing)
        return found


def _half_way(synced: bytes, written: bytes) -> bytes:
    """Return what is there when the first half of what was written since is."""
    first = next((at for at, (old, new) in enumerate(zip(synced, written, strict=False)) if old != new), len(synced))
    last = len(written)
    while len(synced) == len(written) and last > first and synced[last - 1] == written[last - 1]:
        last -= 1
    middle = (first + last) // 2
    return written[:middle] + synced[middle:]


def digest(tree: Tree) -> str:
    """Return what tells one tree from another."""
    sha = hashlib.sha256()
    for path, content in sorted(tree.items()):
        sha.update(f"{path}\0{'folder' if content is None else hashlib.sha256(content).hexdigest()}\n".encode())
    return sha.hexdigest()


def lay_out(tree: Tree, root: Path, was: Path | None = None) -> None:
    """Make a tree's files and folders below ``root``, which is not there yet; what names the root that ``was`` names this."""
    root.mkdir(parents=True)
    old, new = os.fsencode(was or root), os.fsencode(root)
    for path, content in sorted(tree.items()):
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content.replace(old, new) if old in content else content)
