"""What can still be read of a configuration that cannot be read as a whole.

A halt and the emergency alert must not depend on every key of ``config.yaml``: another build may have written it, a hand
may have edited it, a disk may have damaged it.

Rules:
- Of a configuration that can be read whole, its sections are returned as they are in force.
- Otherwise a key that is unknown or whose value is refused is left out, and its default counts; so do the defaults of a
  section that is missing, and of all of them if the text is no mapping.

Left out: whether going on with that is right (who halts or alerts says so; everybody else refuses).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from actors.base.errors import ConfigurationError
from actors.policy.config import PolicyConfig
from actors.store.config import StoreConfig
from cluster.strict_yaml import parse_yaml

Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The sections that a tightening and an alert need."""

    store: StoreConfig
    policy: PolicyConfig
    store_is_whole: bool
    """Nothing of the store's section was left out: it names the very database that is in force."""


def salvaged(text: str) -> Salvaged:
    """Return what can be read of a kept configuration's text."""
    try:
        data = parse_yaml(text, "configuration")
    except ConfigurationError:
        return Salvaged(StoreConfig(), PolicyConfig(), store_is_whole=False)
    store, store_is_whole = _section(StoreConfig, data.get("store", {}))
    policy, _ = _section(PolicyConfig, data.get("policy", {}))
    return Salvaged(store, policy, store_is_whole)


def _section(kind: type[Section], data: object) -> tuple[Section, bool]:
    """Return what can be read of a section, and whether that is all of it."""
    whole = isinstance(data, dict)
    left = copy.deepcopy(data) if isinstance(data, dict) else {}
    while True:
        try:
            return kind.model_validate(left), whole
        except ValidationError as error:
            whole = False
            if not _drop(left, error.errors()[0]["loc"]):  # each round drops a key, so the rounds end
                return kind(), whole


def _drop(data: dict[Any, Any], where: Sequence[int | str]) -> bool:
    """Remove the deepest key that lies on the way to ``where``; tell whether there was one."""
    node: Mapping[Any, Any] = data
    found: tuple[Any, int | str] | None = None
    for part in where:
        if not isinstance(node, dict) or part not in node:
            break
        found, node = (node, part), node[part]
    if found is None:
        return False
    del found[0][found[1]]
    return True
