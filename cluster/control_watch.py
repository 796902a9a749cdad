"""Watches the control actors by their signs of life: who is silent, and who was restarted. Pure.

Rules:
- An actor is silent when its sign of life has not changed for ``control_silent_s`` on the supervisor's own steady clock; no
  wall clock is compared. That is told once, and once more that it is over.
- Another incarnation than before is a restart: told, because nobody stopped it. One that comes within ``REPEATED_S`` of a
  restart that was told is marked as repeated: it counts, and nobody is woken for each.
- A sign of life that was there before the deployment is of an earlier run and says nothing until it changes.
- Whenever the supervisor itself ends or deploys, watching begins anew.

Left out: what is done about it. Ray restarts a process that died; one that hangs is for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from serve_apps.beats import Beat

What = Literal["silent", "restarted", "back"]


REPEATED_S = 600.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell."""

    name: str
    what: What
    silent_s: float
    repeated: bool = False
    """A restart among several."""


@dataclass(frozen=True, slots=True)
class _Known:
    last: Beat | None
    changed_s: float
    """When its sign of life last changed, or watching began (steady)."""
    incarnation: str = ""
    silent: bool = False
    restart_told_s: float | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of each actor."""

    known: Mapping[str, _Known] = field(default_factory=dict)

    @property
    def silent(self) -> list[str]:
        """Return who is silent."""
        return sorted(name for name, known in self.known.items() if known.silent)


def watch(
    state: Watched, seen: Mapping[str, Beat | None], silent_after_s: float, now_s: float
) -> tuple[Watched, Sequence[Notice]]:
    """Return the next state and what is to be told."""
    known, notices = dict[str, _Known](), list[Notice]()
    for name, beat in seen.items():
        before = state.known.get(name)
        if before is None:
            known[name] = _Known(beat, now_s)
            continue
        known[name], what = _one(before, beat, silent_after_s, now_s)
        told_s = before.restart_told_s
        repeated = told_s is not None and now_s - told_s < REPEATED_S
        if "restarted" in what and not repeated:
            told_s = now_s
        known[name] = replace(known[name], restart_told_s=told_s)
        notices += [Notice(name, item, now_s - before.changed_s, repeated and item == "restarted") for item in what]
    return Watched(known), notices


def _one(before: _Known, beat: Beat | None, silent_after_s: float, now_s: float) -> tuple[_Known, list[What]]:
    if beat is None or beat == before.last:
        silent = now_s - before.changed_s > silent_after_s
        return replace(before, silent=silent), ["silent"] if silent and not before.silent else []
    what: list[What] = ["back"] if before.silent else []
    if before.incarnation and beat.incarnation != before.incarnation:
        what.append("restarted")
    return _Known(beat, now_s, beat.incarnation), what
