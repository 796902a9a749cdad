"""Kinds of outside effects."""

import pytest

from actors.consensus.screening.screen import read
from actors.consensus.screening.sinks import kind_of, sinks


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("requests.get", "network"),
        ("os.execv", "process"),
        ("open", "file"),
        ("pathlib.Path().read_text", "file"),
        ("hashlib.md5", "crypto"),
        ("eval", "eval"),
        ("math.sqrt", None),
        ("print", None),
    ],
)
def test_calls_have_their_kind(name: str, kind: str | None) -> None:
    """A call's dotted name tells its effect."""
    assert kind_of(name) == kind


def test_imports_count_like_calls() -> None:
    """A module that is for nothing else counts when it is imported."""
    assert set(sinks(read("import socket\nopen('x')"))) == {"network", "file"}
