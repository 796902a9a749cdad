"""What a retained question asks of code, as the plan asked it. Pure."""

from actors.consensus.behaviour.compare import Asked
from actors.consensus.reading.context import context_of
from actors.consensus.reading.examples import entry_point_of, examples_of


def context_asked(question: str) -> str:
    """Return the imports and helpers that candidates run behind."""
    return context_of(question, entry_point_of(question))


def function_asked(question: str) -> Asked:
    """Return the function and its examples."""
    return Asked(entry_point_of(question), examples_of(question))
