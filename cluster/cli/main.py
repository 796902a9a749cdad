"""Entry point: commands, and exit codes (0 fine, 1 failed or refused, 2 usage or configuration, 3 not running)."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import NoReturn

import click

from actors.base.errors import OperatorError, WeaverGenError
from cluster.client import NotRunning
from cluster.leaving import leave
from cluster.status import NotServing

DEBUG = "WEAVERGEN_DEBUG"
"""Set in the environment, it lets a system error through with its traceback."""


_PLACES = {
    "up": "lifecycle:up", "down": "lifecycle:down", "status": "status:status", "ask": "asking:ask",
    "audit": "jobs:audit", "learn": "jobs:learn", "keys": "keys:keys", "verify": "verifying:verify", "log": "log:log",
    "halt": "transitions:halt", "resume": "transitions:resume", "isolate": "transitions:isolate",
    "readmit": "transitions:readmit", "policy": "policies:policy", "eval": "evals:evaluations",
    "simulate": "simulating:simulate", "quarantine": "quarantine:quarantine", "tenants": "tenants:tenants",
    "witnesses": "witnesses:witnesses", "spans": "spans:spans",
}  # fmt: skip
"""Command → module of this package and its name there."""


class Commands(Mapping[str, click.Command]):
    """All commands. One is imported when it is asked for: importing all takes longer than most take to run."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = _PLACES[name].partition(":")
        command: click.Command = getattr(import_module(f"cluster.cli.{module}"), attribute)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


@click.group(
    commands=Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name=None, version="2.0.0", prog_name="weavergen")
def cli() -> None:
    """WeaverGen answers only what several independent language models agree on, and signs what it says."""


def exit_code(error: WeaverGenError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, NotRunning):
        return 3
    return 2 if isinstance(error, OperatorError) and not isinstance(error, NotServing) else 1


def system_error(error: OSError) -> str:
    """Say in one line what the system refused."""
    where = f"{error.filename}: " if error.filename is not None else ""
    what = (error.strerror or str(error) or type(error).__name__).rstrip(".")
    return f"{where}{what}; mend that and try again ({DEBUG}=1 shows where it happened)"


def main(end: Callable[[int], NoReturn] = leave) -> None:
    """Run the command line; ``end`` ends the process after a command that ran."""
    try:
        code = cli.main(prog_name="weavergen", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(1)
    except WeaverGenError as error:
        click.echo(f"weavergen: {error}", err=True)
        sys.exit(exit_code(error))
    except OSError as error:
        if DEBUG in os.environ:
            raise
        click.echo(f"weavergen: {system_error(error)}", err=True)
        sys.exit(2)
    end(code if isinstance(code, int) else 0)
