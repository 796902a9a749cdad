"""What a system call does to the files below a folder, and what half of a write is.

An effect has a *shape*: its words with every id, digest and number taken out, so that the same step of two runs can be told
to be the same.

Left out: calls that change nothing (a file that is opened again, one that is gone and removed once more), modes and times.
"""

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from cluster.acceptance.syscalls import AT_FDCWD, Call, Watched

_WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2"}
_OF_OPEN_FILES = {
    "fsync": ("sync", 0), "fdatasync": ("sync", 0), "fallocate": ("allocate", 0), "ftruncate": ("cut", 0),
    "sendfile": ("sendfile", 0), "sync_file_range": ("sync_file_range", 0), "syncfs": ("syncfs", 0),
    "copy_file_range": ("copy_file_range", 2), "mmap": ("mmap", 4),
}  # fmt: skip
"""Call → kind of effect, and which argument is the file."""
_NAMED = {"unlink": "remove", "unlinkat": "remove", "mkdir": "mkdir", "mkdirat": "mkdir", "truncate": "cut"}
_FOLDER_REMOVED = 0x200
"""AT_REMOVEDIR."""
_TAKEN_OUT = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"[0-9a-f]{64}"), "<hash>"),
    (re.compile(r"[0-9A-HJKMNP-TV-Z]{26}"), "<ulid>"),
    (re.compile(r"(?<=\.)[a-z0-9_]{8}$"), "<random>"),
    (re.compile(r"\d+"), "N"),
)
_MAX_VECTOR = 1024


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of files."""

    kind: str
    """``create``, ``cut``, ``write``, ``allocate``, ``sync``, ``rename``, ``link``, ``remove``, ``mkdir``, ``rmdir``, or the
    name of a call that nobody here knows more of."""
    path: Path
    """What is changed; of a rename or link what it becomes."""
    source: Path | None = None
    """What is renamed or linked."""
    size: int = 0
    """Bytes of a write."""

    def shape(self, root: Path) -> str:
        """Return what it is, without what differs from run to run."""
        name = str(self.path.relative_to(root)).removesuffix(" (deleted)")
        for pattern, word in _TAKEN_OUT:
            name = pattern.sub(word, name)
        return f"{self.kind} {name}"

    @property
    def takes_space(self) -> bool:
        """Tell whether a full disk may refuse it."""
        return self.kind in {"create", "write", "allocate", "mkdir", "link"}

    @property
    def may_tear(self) -> bool:
        """Tell whether half of it can be done."""
        return self.kind == "write" and self.size > 1


def effect_of(call: Call, watched: Watched, root: Path) -> Effect | None:
    """Return what a call would do below ``root``; ``None`` if nothing."""
    effect = _effect(call, watched)
    if effect is None or not effect.path.is_relative_to(root):
        return None
    return effect if _changes(effect) else None


def _effect(call: Call, watched: Watched) -> Effect | None:
    name, args = call.name, call.args
    if name in _WRITES:
        return Effect("write", watched.open_file(call, args[0]), size=sum(size for _, size in _parts(call, watched)))
    if name in _OF_OPEN_FILES:
        kind, place = _OF_OPEN_FILES[name]
        return Effect(kind, watched.open_file(call, args[place]))
    if name in {"open", "openat", "creat"}:
        return _opened(call, watched)
    if name.startswith(("rename", "link")):
        return _moved(call, watched)
    return None if name == "sync" else _named(call, watched)


def _opened(call: Call, watched: Watched) -> Effect:
    at = call.name == "openat"
    path = watched.path_at(call, call.args[1], call.args[0]) if at else watched.path_at(call, call.args[0])
    flags = os.O_CREAT | os.O_TRUNC if call.name == "creat" else call.args[2 if at else 1]
    return Effect("cut" if path.exists() and flags & os.O_TRUNC else "create", path)


def _named(call: Call, watched: Watched) -> Effect:
    at = call.name.endswith("at")
    path = watched.path_at(call, call.args[1], call.args[0]) if at else watched.path_at(call, call.args[0])
    if call.name == "rmdir" or (call.name == "unlinkat" and call.args[2] & _FOLDER_REMOVED):
        return Effect("rmdir", path)
    return Effect(_NAMED.get(call.name, call.name), path)


def _moved(call: Call, watched: Watched) -> Effect:
    kind, args = ("rename" if call.name.startswith("rename") else "link"), call.args
    if call.name in {"rename", "link"}:
        args = (AT_FDCWD, args[0], AT_FDCWD, args[1])
    source, target = watched.path_at(call, args[1], args[0]), watched.path_at(call, args[3], args[2])
    return Effect(kind, target, source)


def _changes(effect: Effect) -> bool:
    """Tell whether there is anything to change, or it only fails or does nothing."""
    if effect.kind in {"remove", "rmdir"}:
        return effect.path.exists()
    if effect.kind in {"create", "mkdir"}:
        return not effect.path.exists()
    if effect.kind in {"rename", "link"}:
        return effect.source is not None and effect.source.exists()
    return effect.kind != "cut" or (effect.path.exists() and effect.path.stat().st_size > 0)


def _parts(call: Call, watched: Watched) -> list[tuple[int, int]]:
    """Return where the parts of a write lie, and how long they are."""
    if call.name in {"write", "pwrite64"}:
        return [(call.args[1], call.args[2])]
    count = min(call.args[2], _MAX_VECTOR)
    return list(struct.iter_unpack("QQ", watched.bytes_at(call, call.args[1], 16 * count)))


def do_half(call: Call, watched: Watched) -> None:
    """Do the first half of a write in place of whoever makes it: what a kill, or a loss of power, leaves of it."""
    data = b"".join(watched.bytes_at(call, address, size) for address, size in _parts(call, watched))
    place = Path(f"/proc/{call.tid}/fd/{call.args[0]}")
    at = _position(call) if call.name in {"write", "writev"} else call.args[3]
    handle = os.open(place, os.O_WRONLY)
    try:
        os.pwrite(handle, data[: len(data) // 2], at)
    finally:
        os.close(handle)


def _position(call: Call) -> int:
    text = Path(f"/proc/{call.tid}/fdinfo/{call.args[0]}").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("pos:"))
