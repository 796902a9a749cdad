"""Lifts single barriers from a confinement, so that a case can be shown to succeed without them. For these tests alone."""

import base64
import dataclasses
from collections.abc import Sequence

from actors.consensus.sandbox.adapters.warm import HARNESS
from actors.consensus.sandbox.confinement import Confinement, Interpreter
from actors.consensus.sandbox.seccomp import CANDIDATE, Rule, program
from actors.consensus.sandbox.seccomp import HARNESS as HARNESS_RULES

LIGHT = ["socket", "mmap", "json", "threading"]
"""What is loaded instead of everything: these parents are started by the dozen."""
SOURCE = {
    "environment": ("os.environ.clear()", "os.environ['SEEN'] = 'x'"),
    "arguments": ('sys.argv[:], sys.orig_argv[:] = [""], []', ""),
    "descriptors": ("os.closerange(RESULTS + 1, 64)", ""),
    "main-module": ('sys.modules["__main__"] = types.ModuleType("__main__")', ""),
    "record-numbers": ("head[:NONCE] != nonce or", ""),
    "exact-int": ("if of is int and", "if isinstance(value, int) and"),
}
"""Lines of the harness that are a barrier, and what stands in their place without it."""


def without(confined: Confinement, barriers: Sequence[str], interpreter: Interpreter) -> tuple[Confinement, str]:
    """Return the confinement and the harness's source without the named barriers; everything else stays."""
    arguments, settings, source = list(confined.arguments), confined.settings | {"preload": LIGHT}, HARNESS.read_text()
    for barrier in barriers:
        kind, _, what = barrier.partition(":")
        if kind == "filter":
            more = [Rule(name) for name in what.split(",")]
            settings["filters"] = {
                role: base64.b64encode(program([*more, *rules], interpreter.machine)).decode()
                for role, rules in (("harness", HARNESS_RULES), ("candidate", CANDIDATE))
            }
        elif kind == "limit":
            limits = settings["limits"]
            settings["limits"] = {role: {k: v for k, v in limits[role].items() if k != what} for role in limits}
        elif kind == "source":
            line, instead = SOURCE[what]
            assert source.count(line) == 1, f"the harness no longer has {line!r}"
            source = source.replace(line, instead)
        elif kind == "landlock":
            settings["readable"] = None
        elif kind == "clock":
            settings |= {"call_ms": 5000, "job_ms": 5000}
        elif kind == "bound":
            settings[what] *= 1000
        else:
            arguments = _arguments(arguments, kind, what)
    return dataclasses.replace(confined, arguments=tuple(arguments), settings=settings), source


def _arguments(arguments: list[str], kind: str, what: str) -> list[str]:
    if kind == "without":
        at = arguments.index(what)
        return [*arguments[:at], *arguments[at + 2 :]]
    if kind == "remount":
        at = arguments.index("--remount-ro")
        return [*arguments[:at], *arguments[at + 2 :], "--perms", "0777", "--dir", "/open"]
    if kind == "capabilities":
        at = arguments.index("--cap-drop")
        return [*arguments[:at], *arguments[at + 2 :], "--cap-add", "ALL"]
    if kind == "network":
        return [*arguments, "--share-net"]
    at = arguments.index("--remount-ro")
    more = {"mount": ["--ro-bind", what, what], "proc": ["--proc", "/proc"]}[kind]
    return [*arguments[:at], *more, *arguments[at:]]
