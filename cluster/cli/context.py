"""What every command needs: the home, the gateway, and how to print."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from actors.store.config import StoreConfig
from cluster.client import GatewayClient, gateway_client
from cluster.config import Config
from cluster.home import Home, home_path, open_home
from cluster.trust import operator_dir

home_option = click.option(
    "--home", "home_dir", metavar="DIR", help="Home directory (default: $WEAVERGEN_HOME, else ./var)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
key_option = click.option(
    "--key-file", type=click.Path(path_type=Path), help="API key to use instead of the home's own."
)


def store_of(home_dir: str | None) -> tuple[Home, StoreConfig]:
    """Return the home that is meant and the whole of its store's section, whatever can be read of the others."""
    home = open_home(root_of(home_dir))
    kept = home.salvage()
    return home, kept.store if kept.store_is_whole else home.read_config().store


def root_of(home_dir: str | None) -> Path:
    """Return where the home that is meant lies."""
    return home_path(home_dir, os.environ)


@dataclass(frozen=True, slots=True)
class Session:
    """An existing home and its configuration."""

    home: Home
    config: Config

    @classmethod
    def open(cls, home_dir: str | None) -> "Session":
        """Open the home that is meant."""
        home = open_home(root_of(home_dir))
        return cls(home, home.read_config())

    def client(self, role: str, key_file: Path | None = None) -> GatewayClient:
        """Return a client with the home's own key of a role, or the key of a file."""
        return gateway_client(self.home, self.config, key_file or self.home.keys / f"{role}.key")

    @property
    def operators(self) -> Path:
        """Return where the operator's keys lie."""
        return operator_dir(os.environ, self.home.root)


def print_json(value: object) -> None:
    """Print machine-readable output."""
    click.echo(json.dumps(value, indent=2, sort_keys=True, default=str))


def print_json_line(value: object) -> None:
    """Print machine-readable output that more of its kind follows."""
    click.echo(json.dumps(value, sort_keys=True, default=str))


def safe(text: object) -> str:
    """Return untrusted text for the terminal: no markup, no control characters."""
    return escape("".join(c if c.isprintable() or c == "\n" else "�" for c in str(text)))


class Progressing:
    """Shows steps and progress on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn(),
            console=self.console, transient=True,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, text: str) -> None:
        """Say what is being done now."""
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()
        self.console.print(f"· {safe(text)}")

    def progress(self, what: str, stage: str, done: int, total: int) -> None:
        """Say how far a long step is."""
        words = f"{safe(what)}: {safe(stage)}"
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(words)
        self._progress.update(self._tasks[what], description=words, completed=done, total=total or None)


def votes_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the votes of a completion or refusal."""
    votes = (body.get("weavergen") or {}).get("votes")
    return votes if isinstance(votes, list) else []
