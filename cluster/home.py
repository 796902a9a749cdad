"""The home directory: everything one system keeps, with one version, one id and one bring-up at a time.

Rules:
- Directories are 0700; a home written by a newer version is refused before anything in it is touched.
- The id is drawn once; the marker that our processes carry is derived from it and from where the home lies, so that a
  copy of a home never ends the original's processes.
- ``version.json`` is written last: a home without it was never finished and is finished by the next ``up``.
- ``config.yaml`` keeps what the profile and the command line said and no defaults, so that another build may have others.

Left out: what lies in the folders (trust, policy, spans are their owners').
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError, HomeError
from actors.base.files import Folders, write_atomic
from actors.base.locks import hold
from cluster.config import Config, plain, read_config
from cluster.salvage import Salvaged, salvaged
from cluster.strict_yaml import parse_yaml

FORMAT = 1
FOLDERS = (
    "keys", "policy", "policy/auth", "wal", "spans", "quarantine", "registry", "run", "run/certs", "run/logs",
)  # fmt: skip
_LOCK_POLL_S = 0.1


def home_path(given: str | None, environ: Mapping[str, str]) -> Path:
    """Return the home that is meant: ``--home``, ``WEAVERGEN_HOME``, else ``./var``."""
    return Path(given or environ.get("WEAVERGEN_HOME") or "var").expanduser().absolute()


class Home:
    """Paths of one home and the few files that belong to nobody else."""

    def __init__(self, root: Path, home_id: str) -> None:
        self.root = root
        self.id = home_id
        self.keys = root / "keys"
        self.policy = root / "policy"
        self.auth = root / "policy" / "auth"
        self.registry = root / "registry"
        self.run = root / "run"
        self.certs = root / "run" / "certs"
        self.logs = root / "run" / "logs"
        self.trust_file = root / "trust.json"
        self.config_file = root / "config.yaml"
        self.ray_token = root / "keys" / "ray.token"

    @property
    def marker(self) -> str:
        """Return what our processes carry in their environment."""
        return sha256_hex(f"{self.id}\0{self.root.resolve()}".encode())[:24]

    def write_config(self, config: Config) -> None:
        """Keep what was said of a configuration (0600: it may hold secrets)."""
        text = f"# Written by `up`; what is not here has its default. SHA-256 of the effective whole then: {config.sha256}\n"
        write_atomic(self.config_file, (text + yaml.safe_dump(plain(config, said=True), sort_keys=False)).encode())

    def read_config(self) -> Config:
        """Return the effective configuration: what is kept, and today's defaults."""
        try:
            text = self.config_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise HomeError(
                f"{self.config_file} cannot be read ({getattr(error, 'strerror', None) or error}); run `weavergen up`"
            ) from error
        try:
            return read_config(parse_yaml(text, str(self.config_file)), str(self.config_file))
        except ConfigurationError as error:
            raise HomeError(
                f"{error}. Another build wrote it, or somebody changed it: run `weavergen down`, then `weavergen up`"
            ) from error

    def salvage(self) -> Salvaged:
        """Return what can be read of the configuration, for what must go on without the rest."""
        try:
            text = self.config_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        return salvaged(text)

    @contextmanager
    def exclusively(self, what: str, timeout_s: float, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of bring-up and shut-down, saying in it ``what`` we do; call ``waiting`` once if another has it."""
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _acquire(handle, timeout_s, waiting, self.root)
            _sign(handle, f"{what} {os.getpid()}")
            yield
            _sign(handle, "")
        finally:
            os.close(handle)

    def busy(self) -> tuple[str, int] | None:
        """Return what is done under the lock and the process that does it; ``None`` if that cannot be told for certain."""
        try:
            what, pid = self._lock_file.read_text(encoding="ascii").split()
            opened = {path.readlink() for path in Path(f"/proc/{int(pid)}/fd").iterdir()}
        except (OSError, ValueError):
            return None
        # Whoever was killed leaves its name behind, and its id may be another's by now: one that has this file open is ours.
        return (what, int(pid)) if self._lock_file.resolve() in opened else None

    @property
    def _lock_file(self) -> Path:
        return self.run / "up.lock"


def create_home(root: Path) -> Home:
    """Open a home, or make one; a half-made one is completed."""
    try:
        folders = Folders(root.parent, mode=0o700)
        folders.ensure(root)
        home = _opened(root)
        for folder in FOLDERS:
            folders.ensure(root / folder)
            (root / folder).chmod(0o700)
        if home is None:
            root.chmod(0o700)
            write_atomic(root / "version.json", json.dumps({"format": FORMAT, "id": os.urandom(16).hex()}).encode())
            home = _opened(root)
    except OSError as error:
        raise HomeError(f"home {root} cannot be written ({error.strerror}); free space or choose --home") from error
    if home is None:
        raise HomeError(f"home {root} vanished while it was made; run `weavergen up` again")
    return home


def is_home(root: Path) -> bool:
    """Tell whether a home was ever made there."""
    return (root / "version.json").exists()


def open_home(root: Path) -> Home:
    """Open a home that exists."""
    home = _opened(root)
    if home is None:
        raise HomeError(f"{root} is no home yet; run `weavergen up`, or name another with --home")
    return home


def _opened(root: Path) -> Home | None:
    path = root / "version.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version, home_id = int(data["format"]), str(data["id"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(f"{path} is damaged: {error}; restore it from a backup") from error
    if version > FORMAT:
        raise HomeError(
            f"home {root} was written by a newer version (format {version}, this is {FORMAT}); update weavergen"
        )
    return Home(root, home_id)


def _sign(handle: int, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock holds, only nobody can tell whose it is
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode("ascii"), 0)


def _acquire(handle: int, timeout_s: float, waiting: Callable[[], None], root: Path) -> None:
    give_up, told = time.monotonic() + timeout_s, False
    while True:
        if hold(handle):
            return
        if time.monotonic() >= give_up:
            raise HomeError(f"another `weavergen up` or `down` is busy in {root}; wait for it and try again")
        if not told:
            waiting()
            told = True
        time.sleep(_LOCK_POLL_S)
