"""What goes into the sandbox and what comes out: jobs, and observations of what candidates did.

Rules:
- In goes code and expressions to evaluate; expected values never do, so a candidate cannot read what it should answer.
- Out comes bounded plain data, decoded into these types and judged outside; nothing is unpickled or evaluated.
- A value is written down structurally (``Encoded``) by its exact built-in type, so that ``1``, ``1.0``, ``True`` and an object
  that claims to equal everything are different things outside. What is no built-in value is ``unrepresentable``.

Left out: how candidates are confined (``adapters``); which inputs are worth trying and what is equal (``behaviour``).
"""

from typing import Any, Literal

import msgspec

Encoded = Any
"""``None`` and booleans as JSON has them; else ``[tag, content]``: ``["i", "12"]`` int; ``["f", "0.5"]`` float (its ``repr``,
so also ``nan``, ``inf`` and ``-inf``); ``["c", re, im]`` complex; ``["s", text]`` str; ``["b", hex]`` bytes; ``["l", [...]]``
list; ``["t", [...]]`` tuple; ``["S", [...]]`` set and ``["F", [...]]`` frozenset, members sorted by their JSON;
``["d", [[key, value], ...]]`` dict in its own order; ``["x", class name]`` anything else."""

CallEnd = Literal["value", "exception", "timeout", "crash", "not_run"]
RunEnd = Literal["ran", "failed", "timeout", "crash", "unavailable"]


class Job(msgspec.Struct, frozen=True):
    """One candidate and the expressions to evaluate after its code has run as a module."""

    code: str
    """Python source."""
    calls: tuple[str, ...]
    """Python expressions, each evaluated in the candidate's namespace; arguments are made anew for every call."""


class Observed(msgspec.Struct, frozen=True):
    """What one call did."""

    end: CallEnd
    value: Encoded = None
    """Of a call that ended with a value."""
    exception: str = ""
    """Class name of what was raised."""
    arguments: tuple[Encoded, ...] = ()
    """The arguments after the call, where it was a plain call of a name with literal arguments: mutations show here."""
    printed: str = ""
    """What it wrote to standard output, cut to a bound."""


class Ran(msgspec.Struct, frozen=True):
    """What came of one job."""

    end: RunEnd
    """``ran``: the code's top level ran and the calls were made. ``failed``: its top level raised. ``unavailable``: nothing ran,
    because the sandbox is not proven sound now."""
    calls: tuple[Observed, ...] = ()
    """One for each call of the job, in order."""
    detail: str = ""
    """Exception class or cause in short, without content."""
