"""``log verify``: recomputes the transparency log from what lies on disk."""

import click

from actors.spans.adapters.check import Checked, check_log
from cluster.cli.context import home_option, json_option, print_json, root_of, safe
from cluster.home import open_home
from cluster.trust import load_trust

MAX_SHOWN = 20
DAMAGED = "DAMAGED"


@click.group(epilog="Example: weavergen log verify")
def log() -> None:
    """Look into the transparency log: what was recorded, and that nobody changed it since."""


@log.command("verify", epilog="Example: weavergen log verify")
@home_option
@json_option
def verify(home_dir: str | None, as_json: bool) -> int:
    """Recompute every batch's root from its rows and the log's from its batches; name what does not fit, exit 1."""
    home = open_home(root_of(home_dir))
    checked = check_log(home.root, load_trust(home.trust_file), home.read_config().spans.table_checkpoint_commits)
    if as_json:
        print_json(checked.report())
    else:
        for line in told(checked):
            click.secho(safe(line), fg="red" if line.startswith(DAMAGED) else None)
    return 1 if checked.damage else 0


def told(checked: Checked) -> list[str]:
    """Return what was found as lines. Pure."""
    lines = [f"log of {checked.size} batches, root {checked.root}"]
    lines.append(f"{len(checked.whole)} batches of {checked.rows} rows are what was sealed")
    lines += [f"{DAMAGED}  {item}" for item in checked.damage[:MAX_SHOWN]]
    if (left := len(checked.damage) - MAX_SHOWN) > 0:
        lines.append(f"{DAMAGED}  and {left} more; --json shows all")
    return lines
