"""Where engines are closed off, for real: bubblewrap's namespaces (a real engine in them: ``tests/engines``)."""

import asyncio
import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from models.sealed import engine as sealing
from models.sealed.confinement import arguments, environment
from models.sealed.engine import SCRATCH_MIB, NotSealed, Sealed, python_of_this, why_not

ROOT = Path(__file__).parents[3]


async def says(script: str) -> str:
    """Return what a program prints that runs where an engine would."""
    python = python_of_this()
    process = await asyncio.create_subprocess_exec(
        str(shutil.which("bwrap")), *arguments(python, None, SCRATCH_MIB), *environment({}, os.environ), "--",
        python.executable, "-c", script, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode().strip()


def weaken(monkeypatch: pytest.MonkeyPatch, barrier: str, instead: str) -> None:
    """Put another option in place of one (bubblewrap shares the network when told so)."""

    def weaker(*given: Any, **named: Any) -> tuple[str, ...]:
        return tuple(instead if word == barrier else word for word in arguments(*given, **named))

    monkeypatch.setattr(sealing, "arguments", weaker)


def open_files() -> int:
    """Return how many files this process holds."""
    return len([*Path("/proc/self/fd").iterdir()])


async def test_an_engine_can_be_closed_off_here() -> None:
    """The machine that runs the tests makes namespaces, and the look from inside shows nothing."""
    assert await why_not() == ""


async def test_without_bubblewrap_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started, and the words name what is missing."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert await why_not() == "bubblewrap (bwrap) is not installed"


@pytest.mark.parametrize(
    ("barrier", "instead", "reason"),
    [
        ("--clearenv", "--share-net", "network namespace of the machine"),
        ("--unshare-all", "--not-an-option", "no namespaces here: bwrap: Unknown option --not-an-option"),
    ],
)
async def test_a_barrier_that_is_missing_is_found(
    monkeypatch: pytest.MonkeyPatch, barrier: str, instead: str, reason: str
) -> None:
    """An engine that shares the machine's network, or cannot be started at all, is never taken for closed off."""
    weaken(monkeypatch, barrier, instead)
    assert reason in await why_not()


async def test_an_engine_that_reaches_a_listener_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the namespaces' numbers said otherwise: what it can do decides."""
    weaken(monkeypatch, "--clearenv", "--share-net")
    monkeypatch.setattr(sealing, "_namespace", lambda process: process != "self")
    assert "reached a listener" in await why_not()


WRITING = """
import pathlib
def tries(path):
    try:
        path.write_text("x")
        return "written"
    except OSError as error:
        return type(error).__name__
def filled(folder):
    written = 0
    try:
        with open(folder + "/big", "wb", 0) as file:
            while written < 256 << 20:
                written += file.write(bytes(1 << 16))
    except OSError as error:
        return f"{error.errno}:{written}"
    return f"0:{written}"
print(*(filled(folder) for folder in ("/tmp", "/dev/shm", "/engine")))
places = [line.split()[1] for line in open("/proc/mounts")] + ["/etc", "/home", "/models", "/run", "/var", "/var/tmp"]
print("more:", *sorted({place for place in places if tries(pathlib.Path(place, "new")) == "written"}))
"""


async def test_what_an_engine_writes_has_a_bound_and_lies_in_memory(tmp_path: Path) -> None:
    """Its three places are full at their sizes, and there is no fourth, neither on the disk nor beside the others in memory."""
    filled, written = (await says(WRITING.replace("new", tmp_path.name))).splitlines()
    ends = [tuple(int(number) for number in end.split(":")) for end in filled.split()]
    assert ends == [(errno.ENOSPC, SCRATCH_MIB << 20)] * 2 + [(errno.ENOSPC, 1 << 20)]
    assert written == "more:"  # with these three full, nothing can be written anywhere


async def test_nothing_of_the_machine_is_reached_from_inside(tmp_path: Path) -> None:
    """No TCP listener, no datagram, no socket in a folder or in the abstract namespace, no file of a home."""
    (tmp_path / "key").write_text("secret")
    (tmp_path / "key").chmod(0o644)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        named.bind(str(tmp_path / "other.sock"))
        named.listen()
        abstract.bind(f"\0weavergen-test-{os.getpid()}")
        abstract.listen()
        script = f"""
import pathlib, socket
def tries(what):
    try:
        what()
        return "reached"
    except OSError as error:
        return type(error).__name__
def unix(path):
    socket.socket(socket.AF_UNIX).connect(path)
print(
    tries(lambda: socket.create_connection(("127.0.0.1", {tcp.getsockname()[1]}), 2)),
    tries(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))),
    tries(lambda: unix({str(tmp_path / "other.sock")!r})),
    tries(lambda: unix({abstract.getsockname()!r})),
    tries(lambda: pathlib.Path({str(tmp_path / "key")!r}).read_text()),
    tries(lambda: pathlib.Path({str(tmp_path / "new")!r}).write_text("x")),
    tries(lambda: pathlib.Path({str(ROOT / "models" / "new")!r}).write_text("x")),
)
"""
        found = await says(script)
    assert "reached" not in found.split(), found
    assert len(found.split()) == 7, found


async def test_other_families_of_sockets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the filter an engine is not taken for closed off: some family that knows no namespace is always there."""
    harmless = b"\x06\x00\x00\x00\x00\x00\xff\x7f"  # one step: allow
    monkeypatch.setattr(sealing, "program", lambda _: harmless)
    assert "makes sockets of address family" in await why_not()
    monkeypatch.setattr(sealing, "program", lambda _: None)
    assert "no filter of system calls" in await why_not()


async def test_what_is_not_closed_off_is_ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to close what failed to start: no process stays, and nothing that is held."""
    weaken(monkeypatch, "--clearenv", "--share-net")
    sealed, held = Sealed(None), open_files()
    with pytest.raises(NotSealed):
        await sealed.start()
    assert sealed._process is not None
    assert sealed._process.returncode is not None
    assert open_files() == held
    with pytest.raises(NotSealed, match="does not run"):
        sealed.folder  # noqa: B018


def test_a_folder_of_the_machine_is_not_taken_for_the_engine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it has a root of its own it sees the machine's, which may have a folder of that name."""
    monkeypatch.setattr(sealing, "FOLDER", "/usr")
    sealed = Sealed(None)
    sealed._inner = os.getpid()
    sealed._hold()
    assert sealed._folder is None


async def test_an_engine_that_ended_is_told() -> None:
    """Its folder is held as long as it is not closed: its number, and its process's, are nobody else's before."""
    sealed = Sealed(None)
    await sealed.start()
    sealed.check()
    assert [path.name for path in sealed.folder.iterdir()] == ["look.json"]
    assert sealed._process is not None
    sealed._process.kill()
    await sealed._process.wait()
    with pytest.raises(NotSealed, match="does not run"):
        sealed.check()
    assert [path.name for path in sealed.folder.iterdir()] == ["look.json"]
    await sealed.close()
    with pytest.raises(NotSealed, match="does not run"):
        sealed.folder  # noqa: B018
