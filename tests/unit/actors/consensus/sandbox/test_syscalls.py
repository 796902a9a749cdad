"""Numbers of system calls."""

import pytest

from actors.consensus.sandbox.syscalls import AUDIT_ARCHITECTURES, NUMBERS, number


@pytest.mark.parametrize(
    ("name", "on_x86_64", "on_aarch64"),
    [
        ("read", 0, 63),
        ("openat", 257, 56),
        ("clone", 56, 220),
        ("fork", 57, None),
        ("execve", 59, 221),
        ("bpf", 321, 280),
    ],
)
def test_known_numbers(name: str, on_x86_64: int, on_aarch64: int | None) -> None:
    """Well-known calls have the numbers of the kernel's tables."""
    assert number(name, "x86_64") == on_x86_64
    assert number(name, "aarch64") == on_aarch64


def test_no_number_stands_twice() -> None:
    """Within an architecture every call has a number of its own."""
    for machine in (0, 1):
        numbers = [pair[machine] for pair in NUMBERS.values() if pair[machine] is not None]
        assert len(numbers) == len(set(numbers))


def test_unknown_names_are_errors() -> None:
    """A name that is not listed is no call that could be filtered."""
    with pytest.raises(KeyError):
        number("no_such_call", "x86_64")


def test_every_architecture_is_one_a_filter_can_see() -> None:
    """The two architectures have different marks."""
    assert len(set(AUDIT_ARCHITECTURES.values())) == 2
