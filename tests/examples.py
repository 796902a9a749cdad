"""How many examples a property test draws: all that it asks for in CI, a quarter at hand."""

import os


def examples(in_ci: int) -> int:
    """Return the number for this run."""
    return in_ci if os.environ.get("CI") else in_ci // 4
