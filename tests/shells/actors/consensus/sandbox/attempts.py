"""How an escape attempt is written down: hostile code, what must be seen of it, which barriers to lift for it to succeed.

Rules:
- ``lift`` names the barriers that stop a case; without exactly those, in a sandbox that is otherwise whole, ``then`` is seen.
- A barrier is ``filter:call,call`` (system calls), ``landlock``, ``limit:NAME``, ``clock``, ``mount:path``, ``proc``,
  ``network``, ``remount``, ``capabilities``, ``without:option`` of bubblewrap, ``bound:setting`` or ``source:name`` of the
  harness (see ``lifting``).
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.consensus.sandbox.protocol import Observed
from actors.consensus.sandbox.syscalls import NUMBERS

PRELUDE = """
import builtins, errno, gc, json, os, signal, socket, sys, time

def raw(number, *arguments):
    kind = next(c for c in object.__subclasses__() if c.__name__ == "CDLL")
    names = kind.__init__.__globals__
    result = kind(None, use_errno=True).syscall(*map(names["c_long"], (number, *arguments)))
    return result if result >= 0 else -names["get_errno"]()

"""
SECRET = "/opt/of-the-machine/secret"
"""Stands for a file of the machine: the tests put the path of a real one in its place."""
PORT = "65432"
"""Stands for the port of a listener outside."""

Seen = Callable[[Observed], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """One escape attempt."""

    topic: str
    name: str
    code: str
    sees: Seen
    lift: tuple[str, ...] = ()
    then: Seen | None = None
    call: str = "f()"


def value(encoded: Any) -> Seen:
    """Expect exactly this value."""
    return lambda seen: seen.end == "value" and seen.value == encoded


def text(content: str) -> Seen:
    """Expect this string."""
    return value(["s", content])


def raised(*names: str) -> Seen:
    """Expect one of these exceptions."""
    return lambda seen: seen.end == "exception" and seen.exception in names


def ended(*ends: str) -> Seen:
    """Expect that the call was ended so."""
    return lambda seen: seen.end in ends


def number(result: int) -> Seen:
    """Expect this int."""
    return value(["i", str(result)])


def not_refused(seen: Observed) -> bool:
    """Expect that the kernel looked at the call: it worked, or failed for a reason of its own."""
    return (seen.end == "value" and seen.value != ["i", str(-1)]) or seen.end in {"crash", "timeout"}


def went_through(seen: Observed) -> bool:
    """Expect any value, or an error that is no refusal."""
    return seen.end == "value" or (seen.end == "exception" and seen.exception != "PermissionError")


def case(
    topic: str, name: str, body: str, sees: Seen, lift: str = "", then: Seen | None = None, before: str = ""
) -> Case:
    """Return a case whose ``f`` has this body."""
    code = (
        PRELUDE + textwrap.dedent(before) + "\ndef f():\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    )
    return Case(topic, name, code, sees, tuple(lift.split()), then or (went_through if lift else None))


def raw(topic: str, name: str, *arguments: int, lift: str = "", privileged: bool = False) -> Case:
    """Return a case that makes one system call by its number; ``privileged`` ones are refused by the kernel itself as well."""
    shown = ", ".join(map(str, (NUMBERS[name][0], *arguments)))
    lifted = "" if privileged else lift or f"filter:{name}"
    return case(
        topic, f"system call {name}", f"return raw({shown})", number(-1), lifted, not_refused if lifted else None
    )


DENIED = raised("PermissionError")
ABSENT = raised("FileNotFoundError")
INFORMATION, FILES, NETWORK, DANGER = "information", "file system", "network", "dangerous operations"
EXHAUSTION, FORGERY = "exhaustion", "forgery"
