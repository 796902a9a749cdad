"""Entry point: commands, and exit codes (0 fine, 1 failed or refused, 2 usage or configuration, 3 not running)."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from actors.base.errors import OperatorError, WeaverGenError
from cluster.bringup import NotServing
from cluster.cli.asking import ask
from cluster.cli.evals import evaluations
from cluster.cli.jobs import audit, learn
from cluster.cli.keys import keys
from cluster.cli.lifecycle import down, up
from cluster.cli.log import log
from cluster.cli.policies import policy
from cluster.cli.quarantine import quarantine
from cluster.cli.simulating import simulate
from cluster.cli.status import status
from cluster.cli.tenants import tenants
from cluster.cli.transitions import halt, isolate, readmit, resume
from cluster.cli.verifying import verify
from cluster.cli.witnesses import witnesses
from cluster.client import NotRunning
from cluster.leaving import leave

DEBUG = "WEAVERGEN_DEBUG"
"""Set in the environment, it lets a system error through with its traceback."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=None, version="2.0.0", prog_name="weavergen")
def cli() -> None:
    """WeaverGen answers only what several independent language models agree on, and signs what it says."""


for command in (
    up, down, status, ask, audit, learn, keys, verify, log, halt, resume, isolate, readmit, policy, evaluations,
    simulate, quarantine, tenants, witnesses,
):  # fmt: skip
    cli.add_command(command)


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
