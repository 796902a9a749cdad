"""What of a JSON value another one lacks, by JSON Pointer (RFC 6901), and how to put it back. Pure.

Rules: ``merge(known, difference(whole, known)) == whole`` for any two values of the same kind, whatever is in them;
numbers differ where their types differ (``1``, ``1.0``, ``true``). Values are kept as JSON texts: immutable, comparable.

Left out: moving and testing (RFC 6902). Nothing here is reordered.
"""

from collections.abc import Iterator

import msgspec

Extra = tuple[tuple[str, str], ...]
"""Pairs of pointer and JSON text; the empty text says that the place is absent."""

ABSENT = ""


def difference(whole: object, known: object) -> Extra:
    """Return what has to be set in ``known`` so that it becomes ``whole``."""
    return tuple(_differing(whole, known, ""))


def missing(whole: object, known: object) -> Extra:
    """Return what ``known`` dropped and what it made up; values that it merely tells differently stay as they are."""
    return tuple(pair for pair in _differing(whole, known, "") if pair[1] == ABSENT or not _has(known, pair[0]))


def merge(known: object, extra: Extra) -> object:
    """Return ``known`` with every extra in its place; neither argument changes."""
    root = [msgspec.json.decode(msgspec.json.encode(known))]
    for pointer, text in extra:
        *steps, last = ["0", *(_unescaped(step) for step in pointer.split("/")[1:])]
        container: object = root
        for step in steps:
            container = container[int(step)] if isinstance(container, list) else container[step]  # type: ignore[index]
        _put(container, last, text)
    return root[0]


def _put(container: object, key: str, text: str) -> None:
    if isinstance(container, list):
        place = int(key)
        # Absent elements come last and from the back, new ones last and in order.
        container[place : place + 1] = [] if text == ABSENT else [msgspec.json.decode(text)]
    elif isinstance(container, dict):
        if text == ABSENT:
            del container[key]
        else:
            container[key] = msgspec.json.decode(text)
    else:
        raise TypeError(f"nothing can be put into {type(container).__name__} at {key!r}")


def _has(known: object, pointer: str) -> bool:
    for step in pointer.split("/")[1:]:
        if isinstance(known, list):
            if int(step) >= len(known):
                return False
            known = known[int(step)]
        elif isinstance(known, dict):
            if _unescaped(step) not in known:
                return False
            known = known[_unescaped(step)]
    return True


def _differing(whole: object, known: object, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(whole, dict) and isinstance(known, dict):
        for key, value in whole.items():
            place = f"{at}/{_escaped(key)}"
            if key in known:
                yield from _differing(value, known[key], place)
            else:
                yield place, _text(value)
        yield from ((f"{at}/{_escaped(key)}", ABSENT) for key in known if key not in whole)
    elif isinstance(whole, list) and isinstance(known, list):
        for index, value in enumerate(whole):
            place = f"{at}/{index}"
            if index < len(known):
                yield from _differing(value, known[index], place)
            else:
                yield place, _text(value)
        yield from ((f"{at}/{index}", ABSENT) for index in range(len(known) - 1, len(whole) - 1, -1))
    elif type(whole) is not type(known) or whole != known:
        yield at, _text(whole)


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
