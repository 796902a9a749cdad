"""``eval``: answer quality, and what attackers achieve."""

import click

from cluster.cli.besieging import attacks
from cluster.cli.evaluating import evaluate


@click.group("eval", epilog="Example: weavergen eval humaneval --samples 5")
def evaluations() -> None:
    """Measure answers on recordings of real voters."""


evaluations.add_command(evaluate)
evaluations.add_command(attacks)
