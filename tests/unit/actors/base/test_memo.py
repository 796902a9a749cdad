"""Remembering pure functions of texts."""

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import pytest

from actors.base.memo import ENTRY_BYTES, SHARE, Memory, remembered, size_bytes

KIB = 1_024
WIDE = "\N{GRINNING FACE}"


class Told(msgspec.Struct, frozen=True):
    """A result."""

    text: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """Another."""

    text: str


def test_a_call_is_computed_once_and_a_large_one_each_time() -> None:
    """Arguments and result count together, and no call may take more than its share."""
    asked: list[str] = []

    @remembered(SHARE * 2 * KIB)
    def told(a: str, b: str = "") -> Told:
        asked.append(a)
        return Told(a * len(b))

    assert told("ab", "cd") == told("ab", "cd") == Told("abab")
    assert told("ab", b="c" * KIB) == told("ab", b="c" * KIB) == Told("ab" * KIB)
    assert told("x" * 2 * KIB) == told("x" * 2 * KIB)
    assert asked == ["ab", "ab", "ab", *["x" * 2 * KIB] * 2]


def test_the_longest_unused_goes_first() -> None:
    """Whoever was asked for again stays."""
    one = ENTRY_BYTES + size_bytes(("10", "A"))
    memory: Memory[str] = Memory(SHARE * one)
    names = list(map(str, range(10, 10 + SHARE)))
    for name in names:
        memory.keep(name, "A")
    assert memory.recall("10") == "A"
    memory.keep("99", "A")
    memory.keep("99", "A")
    assert (memory.recall("10"), memory.recall("11"), memory.recall("99")) == ("A", None, "A")
    assert memory.held_bytes <= SHARE * one


@pytest.mark.parametrize("letter", ["a", "\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{CJK UNIFIED IDEOGRAPH-4E00}", WIDE])
def test_no_texts_take_more_memory_than_was_said(letter: str) -> None:
    """As the interpreter measures it: one wide character makes a text four times as large, and encoding it twice that."""
    most = 64 * 16 * KIB

    @remembered(most)
    def told(text: str) -> Told:
        found = Told(f"{text}.", (f"{text}!", f"{text}?"))
        msgspec.json.encode(found)  # as a record is: texts keep their bytes then
        return found

    gc.collect()
    tracemalloc.start()
    for number in range(2_000):
        told(f"{number}{letter * (number % 700)}")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most // 4 < held <= most


@pytest.mark.parametrize(
    "value", [Told("", (WIDE * 99,)), Said(WIDE * 99), frozenset({WIDE * 99}), (1, (WIDE * 99, None))]
)
def test_what_values_hold_counts(value: object) -> None:
    """Fields and items, and all the bytes that a text may come to."""
    assert size_bytes(value) > 8 * 99


def test_what_cannot_be_measured_is_not_remembered_in_silence() -> None:
    """A result that may grow is no result for a memory."""
    with pytest.raises(TypeError, match="how large a list is"):
        remembered(KIB)(lambda text: [text])("a")


def test_threads_share_a_memory() -> None:
    """They get the same values, and what is held stays counted."""
    memory: Memory[str] = Memory(SHARE * KIB)

    def use(number: int) -> str:
        name = str(number % 31)
        memory.keep(name, name * 9)
        return memory.recall(name) or name * 9

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(2_000))) == [str(number % 31) * 9 for number in range(2_000)]
    known = [name for name in map(str, range(31)) if memory.recall(name)]
    assert memory.held_bytes == sum(ENTRY_BYTES + size_bytes((name, name * 9)) for name in known) <= SHARE * KIB
