"""What differs between two policy snapshots, in words an operator can decide on before signing.

Rules:
- Every field of content is compared; version, predecessor and time are the succession's business.
- A change is *looser* when it alone would not be a tightening (``tightening``): the same predicate that binds machines.

Left out: showing it (command line), and who may sign it (``acceptance``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from actors.policy.snapshot import LayerRule, PolicySnapshot
from actors.policy.tightening import is_tighter

_SUCCESSION = ("version", "issued_at", "prev_sha256")
_MAPS = ("voter_state", "thresholds")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs."""

    what: str
    was: str
    now: str
    looser: bool
    """Whether it lets out what could not leave before."""

    def __str__(self) -> str:
        return f"{self.what}: {self.was} → {self.now}" + (" (looser)" if self.looser else "")


def changes(old: PolicySnapshot, new: PolicySnapshot) -> list[Change]:
    """Return what ``new`` changes, field by field."""
    found: list[Change] = []
    for field in PolicySnapshot.__struct_fields__:
        was, now = getattr(old, field), getattr(new, field)
        if field in _SUCCESSION or was == now:
            continue
        if field == "layers" and [item.name for item in was] == [item.name for item in now]:
            found += _layer_changes(old, was, now)
        elif field in _MAPS:
            found += _map_changes(old, field, was, now)
        else:
            found.append(_change(old, {field: now}, field, was, now))
    return found


def loosened(found: list[Change]) -> str:
    """Say in one line what is looser; empty if nothing is."""
    return "; ".join(str(change).removesuffix(" (looser)") for change in found if change.looser)


def _layer_changes(old: PolicySnapshot, was: list[LayerRule], now: list[LayerRule]) -> Iterator[Change]:
    for index, (before, after) in enumerate(zip(was, now, strict=True)):
        for field in LayerRule.__struct_fields__:
            value = getattr(after, field)
            if getattr(before, field) != value:
                alone = [*was[:index], msgspec.structs.replace(before, **{field: value}), *was[index + 1 :]]
                yield _change(old, {"layers": alone}, f"layer {before.name}: {field}", getattr(before, field), value)


def _map_changes(old: PolicySnapshot, field: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            alone = {key: value for key, value in {**was, name: now.get(name)}.items() if value is not None}
            yield _change(old, {field: alone}, f"{field} {name}", was.get(name, "none"), now.get(name, "none"))


def _change(old: PolicySnapshot, alone: dict[str, Any], what: str, was: object, now: object) -> Change:
    return Change(what, _words(was), _words(now), not is_tighter(old, msgspec.structs.replace(old, **alone)))


def _words(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, LayerRule) for item in value):
        return ", ".join(item.name for item in value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
