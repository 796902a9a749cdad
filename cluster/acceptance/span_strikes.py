"""Strikes every step of a story on the span path in turn, and looks at what is left each time.

Left out: which stories and strikes make a campaign (``span_kills``), what is looked for (``span_looks``).
"""

import copy
import errno
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

from cluster.acceptance.power_loss import STATES, Shadow, Tree, digest, lay_out
from cluster.acceptance.span_looks import MAX_LETTERS, looked_at, mend, seen_in
from cluster.acceptance.span_stories import INCIDENT, REFUSED, SLOWEST, START_AGAIN, Lived, acknowledged
from cluster.acceptance.strikes import FAILED, GO_ON, Apart, Do, Plan, Ran, Step, apart, struck

AWAY_FOR = 25
"""Calls that fail one after the other before the disk is well again."""
MENDING_STEPS = 48
"""How many steps mending takes, at least where there is something to mend."""
MAX_HANDS, MAX_STAGE_S = 4, 7200
MAX_STARTS = 200
MAX_TOLD = 20
"""Faults that are told word for word."""
Key = tuple[str, int]
FORESEEN = {
    "wal_damaged", "span_quarantined", "span_table_unavailable", "log_unavailable", "span_ingest_blocked",
    "witness_unavailable", "span_compaction_failed", "span_storage_failover", "span_storage_reconciled",
    "span_backup_unavailable",
}  # fmt: skip
"""Kinds of incidents that a disk which refuses may open."""


@dataclass(slots=True)
class Found:
    """What all strikes of one kind came to."""

    strikes: int = 0
    not_reached: int = 0
    """Steps that another order of threads did not come to: the story came to its end, which was looked at all the same."""
    alike: int = 0
    """States that were like one before, and were looked at with it."""
    faults: int = 0
    """Strikes after which anything was not as it should be."""
    told: list[str] = field(default_factory=list)
    rows: int = 0
    """Acknowledged rows that were looked for."""
    adopted: int = 0
    left: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    incidents: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    """Longest time from the kill until everything was mended and looked at."""

    def note(self, where: str, looked: dict[str, Any], wrong: Sequence[str] = ()) -> None:
        """Count one look."""
        faults = [*wrong, *looked.get("faults", ())]
        self.strikes += 1
        self.faults += bool(faults)
        self.told += [f"{where}: {fault}" for fault in faults][: MAX_TOLD - len(self.told)]
        self.adopted += looked.get("adopted", 0)
        self.left.update(looked.get("left", {}))

    def add(self, other: dict[str, Any]) -> None:
        """Count what another found, as plain values of its fields."""
        for name, value in other.items():
            if name == "told":
                self.told += value[: MAX_TOLD - len(self.told)]
            elif name == "slowest_s":
                self.slowest_s = max(self.slowest_s, value)
            elif isinstance(value, dict):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    def fields(self) -> dict[str, Any]:
        """Return its fields."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def plain(self) -> dict[str, Any]:
        """Return it as figures of a page."""
        return {
            "strikes": self.strikes, "steps_not_reached": self.not_reached, "alike": self.alike,
            "strikes_with_faults": self.faults, "faults": self.told, "acknowledged_rows_looked_for": self.rows,
            "segments_adopted": self.adopted, "idle_files_left": dict(self.left), "appends_refused": self.refused,
            "incidents": dict(self.incidents), "longest_look_s": round(self.slowest_s, 2),
        }  # fmt: skip


class Stage:
    """A story, and a place where it is lived again and again."""

    def __init__(self, lived: Lived, work: Path) -> None:
        """Prepare the story once, live it once to its end, and look at that: raise ``RuntimeError`` unless all is well."""
        self.lived, self.place, self._made = lived, work, work / "made"
        shutil.rmtree(work, ignore_errors=True)
        self._made.mkdir(parents=True)
        self.before = lived.prepare(self._made)
        self.steps: list[Key] = []
        with self.fresh() as root:
            ran = struck(lived.story, root, lambda _: GO_ON)
            self.steps = ran.steps
            looked = self.looked(root, ran.told)
        if wrong := [*ran.said(FAILED), *looked["faults"]]:
            raise RuntimeError(f"{lived.name}, not struck at all: {wrong[:3]}")
        self.rows = len(acknowledged(ran.told))

    def beside(self, number: int) -> "Stage":
        """Return the same with a place of its own: several are lived at the same time."""
        other = copy.copy(self)
        other.place = self.place / f"beside-{number}"
        return other

    @property
    def kinds(self) -> Counter[str]:
        """Return shape → how many steps have it."""
        return Counter(shape for shape, _ in self.steps)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Yield a copy of what was prepared, for one life."""
        root = self.place / "lived"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self._made, root)
        yield root
        shutil.rmtree(root)

    def looked(self, root: Path, told: Sequence[tuple[str, str]], *, powerless: bool = False) -> dict[str, Any]:
        """Look at what is left below ``root``, in a process of its own."""
        rows, seen = [*self.before, *acknowledged(told)], seen_in(self._made)
        try:
            found: dict[str, Any] = apart(lambda: looked_at(root, rows, seen, powerless=powerless))
        except RuntimeError as error:
            return {"faults": [f"whoever looked at it failed: {error}"[-MAX_LETTERS:]]}
        return found


Strike = Callable[[Stage, Sequence[Key]], Found]


def spread(strike: Strike, stage: Stage, keys: Sequence[Key]) -> Found:
    """Strike in as many processes as there are processors."""
    hands = min(MAX_HANDS, os.cpu_count() or 1, len(keys))
    parts = [(stage.beside(hand), keys[hand::hands]) for hand in range(hands)]
    found = Found()
    for fields_of in apart_each([partial(_fields, strike, *part) for part in parts]):
        found.add(fields_of)
    return found


def apart_each(works: Sequence[Callable[[], Any]]) -> Iterator[Any]:
    """Do several things in processes of their own; yield what they return. None of them outlives this."""
    begun = [Apart(work, MAX_STAGE_S) for work in works]
    try:
        for each in begun:
            yield each.result()
    finally:
        for each in begun:
            each.end()


def _fields(strike: Strike, stage: Stage, keys: Sequence[Key]) -> dict[str, Any]:
    return strike(stage, keys).fields()


def killed(stage: Stage, keys: Sequence[Key], *, tear: bool) -> Found:
    """Kill the story before each step; with ``tear`` in the middle of each write instead."""
    found = Found()
    for key in keys:
        with stage.fresh() as root:
            ran = struck(stage.lived.story, root, _once(key, Do(kill=True, tear=tear)))
            began = time.monotonic()
            wrong = ran.said(FAILED)
            found.not_reached += not ran.killed and not wrong
            found.rows += len(acknowledged(ran.told)) + len(stage.before)
            found.note(_where(key), stage.looked(root, ran.told), wrong)
            found.slowest_s = max(found.slowest_s, time.monotonic() - began)
    return found


def killed_again(stage: Stage, keys: Sequence[Key]) -> Found:
    """Kill the story before each step, and then whoever mends that at a step that differs from one to the other."""
    found = Found()
    for key in keys:
        with stage.fresh() as root:
            ran = struck(stage.lived.story, root, _once(key, Do(kill=True)))
            mended = struck(mend, root, _nth(crc32(_where(key).encode()) % MENDING_STEPS))
            found.not_reached += not mended.killed
            found.rows += len(acknowledged(ran.told)) + len(stage.before)
            found.note(_where(key), stage.looked(root, ran.told), mended.said(FAILED))
    return found


def _nth(left: int) -> Plan:
    """Kill at the step behind so many others."""
    steps = count()
    return lambda _: Do(kill=True) if next(steps) == left else GO_ON


def killed_then_powerless(stage: Stage, keys: Sequence[Key]) -> Found:
    """Kill the story before each step, let that be mended, then lose power: what nobody synced is lost."""
    found = Found()
    for key in keys:
        with stage.fresh() as root:
            shadow = Shadow(root)
            ran = struck(stage.lived.story, root, _noting(shadow, _once(key, Do(kill=True))))
            wrong = struck(mend, root, _noting(shadow, lambda _: GO_ON)).said(FAILED)
            tree = shadow.trees()[STATES[0]]
            shutil.rmtree(root)
            lay_out(tree, root)
            found.rows += len(acknowledged(ran.told)) + len(stage.before)
            found.note(_where(key), stage.looked(root, ran.told, powerless=True), wrong)
    return found


def _noting(shadow: Shadow, plan: Plan) -> Plan:
    def noted(step: Step) -> Do:
        do = plan(step)
        if do == GO_ON:
            shadow.note(step.effect)
        return do

    return noted


def _once(key: Key, do: Do) -> Plan:
    return lambda step: do if step.key == key and (not do.tear or step.effect.may_tear) else GO_ON


def _where(key: Key) -> str:
    return f"{key[0]} ({key[1] + 1}.)"


@dataclass(frozen=True, slots=True)
class _Left:
    """What a loss of power may leave, and what was acknowledged when it last could."""

    state: str
    where: str
    tree: Tree
    told: tuple[tuple[str, str], ...]


def powerless(stage: Stage, keys: Sequence[Key] | None = None) -> dict[str, Found]:
    """Live the story once; look at what a loss of power before each step may leave, each different state once."""
    wanted, left = None if keys is None else set(keys), dict[str, _Left]()
    blobs: dict[bytes, bytes] = {}
    found = {state: Found() for state in STATES}
    with stage.fresh() as root:
        shadow = Shadow(root)

        def plan(step: Step) -> Do:
            if wanted is None or step.key in wanted:
                for state, tree in shadow.trees().items():
                    kept = {path: data if data is None else blobs.setdefault(data, data) for path, data in tree.items()}
                    first = left.setdefault(known := digest(tree), _Left(state, _where(step.key), kept, step.told))
                    found[first.state].alike += first.told is not step.told
                    left[known] = replace(first, told=step.told)
            shadow.note(step.effect)
            return GO_ON

        struck(stage.lived.story, root, plan)
    states = list(left.values())
    hands = min(MAX_HANDS, os.cpu_count() or 1, len(states))
    parts = [(stage.beside(hand), states[hand::hands], root) for hand in range(hands)]
    for each in apart_each([partial(_looked_at_each, *part) for part in parts]):
        for state, counted in each.items():
            found[state].add(counted)
    return found


def _looked_at_each(stage: Stage, states: Sequence[_Left], was: Path) -> dict[str, dict[str, Any]]:
    found = {state: Found() for state in STATES}
    for each in states:
        with stage.fresh() as root:
            shutil.rmtree(root)
            lay_out(each.tree, root, was)
            found[each.state].rows += len(acknowledged(each.told)) + len(stage.before)
            found[each.state].note(each.where, stage.looked(root, each.told, powerless=True))
    return {state: one.fields() for state, one in found.items()}


class Refusing:
    """A disk that fails the calls that ``error`` concerns: the one at ``key``, and ``lasting`` more of them after it."""

    def __init__(self, key: Key, error: int, lasting: int) -> None:
        self._key, self._error, self._left, self._begun = key, error, lasting + 1, False

    def __call__(self, step: Step) -> Do:
        """Say what is done at a step."""
        self._begun = self._begun or step.key == self._key
        if not self._begun or self._left == 0 or not concerns(self._error, step):
            return GO_ON
        self._left -= 1
        return Do(error=self._error)


class Filling:
    """A disk that is really full from the step at ``key`` on, until ``lasting`` more were to take space."""

    def __init__(self, key: Key, disk: Path, lasting: int) -> None:
        self._key, self._filler, self._left = key, disk / "somebody.else", lasting + 1
        self._begun = False

    def __call__(self, step: Step) -> Do:
        """Fill the disk, or give back what was taken; the kernel does the rest."""
        if not self._begun and step.key == self._key:
            self._begun = True
            self._fill()
        elif self._begun and step.effect.takes_space:
            self._left -= 1
            if self._left == 0:
                self.free()
        return GO_ON

    def _fill(self) -> None:
        space = os.statvfs(self._filler.parent)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize)

    def free(self) -> None:
        """Give everything back."""
        self._filler.unlink(missing_ok=True)


def concerns(error: int, step: Step) -> bool:
    """Tell whether a disk with that error refuses a step: a full one what takes space, a bad one a sync."""
    if error == errno.ENOSPC:
        return step.effect.takes_space
    return step.effect.kind == "sync" if error == errno.EIO else True


def refused(stage: Stage, keys: Sequence[Key], error: int, lasting: int = 0) -> Found:
    """Have each step fail, then ``lasting`` more; the story has to come to its end by itself."""
    found = Found()
    for key in keys:
        with stage.fresh() as root:
            _come_through(stage, root, Refusing(key, error, lasting), _where(key), found)
    return found


def filled(stage: Stage, keys: Sequence[Key], disk: Path, lasting: int) -> Found:
    """Have the disk, on which the stage lies, full from each step on for a while."""
    found = Found()
    for key in keys:
        with stage.fresh() as root:
            plan = Filling(key, disk, lasting)
            try:
                _come_through(stage, root, plan, _where(key), found, plan.free)
            finally:
                plan.free()
    return found


class Below:
    """A disk that does something at ``most`` of the steps of some kinds below some parts of the home."""

    def __init__(self, parts: Sequence[str], concerned: Callable[[Step], bool], do: Do, most: int) -> None:
        self._parts = tuple(f" home/{part}" for part in parts)
        self._concerned, self._do, self._left = concerned, do, most

    def __call__(self, step: Step) -> Do:
        """Say what is done at a step."""
        where = step.shape.removeprefix(step.effect.kind)
        if self._left == 0 or not where.startswith(self._parts) or not self._concerned(step):
            return GO_ON
        self._left -= 1
        return self._do


def beside(stage: Stage, plan: Plan, where: str) -> tuple[Found, list[float]]:
    """Live a story on such a disk; return how long each append took, too."""
    found = Found()
    with stage.fresh() as root:
        told = _come_through(stage, root, plan, where, found)
    return found, [float(about) for word, about in told if word == SLOWEST]


def _come_through(
    stage: Stage, root: Path, plan: Plan, where: str, found: Found, then: Callable[[], None] = lambda: None
) -> list[tuple[str, str]]:
    """Live the story, and again where its process ends for want of storage; look at the end."""
    told: list[tuple[str, str]] = []
    for _ in range(MAX_STARTS):
        ran: Ran = struck(stage.lived.story, root, plan)
        told += ran.told
        if ran.status != START_AGAIN:
            break
    then()
    wrong = [about for word, about in told if word == FAILED] + ([f"it ended with {ran.status}"] if ran.status else [])
    kinds = Counter(about.split()[0] for word, about in told if word == INCIDENT)
    wrong += [f"incident {kind}" for kind in sorted(set(kinds) - FORESEEN)]
    found.rows += len(acknowledged(told)) + len(stage.before)
    found.refused += sum(word == REFUSED for word, _ in told)
    found.incidents.update(kinds)
    found.note(where, stage.looked(root, told), wrong)
    return told
