"""Keys come from one named place, and are nowhere else."""

from pathlib import Path

import pytest

from models.http1 import ConnectionPool
from models.providers.build import Settings, cloud_voter
from models.providers.keys import MAX_KEY_CHARS, KeyMissing, read_key
from tests.providers import INFO, KEY


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a file that only its owner reads."""
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    return file


def test_a_key_is_read_from_its_place(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the variable or the file that is named, without the line's end."""
    monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
    assert read_key(env="SOME_KEY") == read_key(file=key_file) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_reach_is_refused(key_file: Path, mode: int) -> None:
    """Group and world have no business with it."""
    key_file.chmod(mode)
    with pytest.raises(KeyMissing, match="chmod 600"):
        read_key(file=key_file)


def test_one_place_is_named(key_file: Path) -> None:
    """Neither none nor two."""
    for places in ({}, {"env": "SOME_KEY", "file": key_file}):
        with pytest.raises(KeyMissing, match="either"):
            read_key(**places)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", " \n", "two words", "a\r\nX-Evil: 1", "schlüssel", "x" * (MAX_KEY_CHARS + 1)])
def test_what_is_no_key_is_refused_and_not_repeated(key_file: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Empty, several lines, other letters and endless texts; the message names the place alone."""
    monkeypatch.setenv("SOME_KEY", text)
    key_file.write_text(text)
    for places in ({"env": "SOME_KEY"}, {"file": key_file}):
        with pytest.raises(KeyMissing, match=r"SOME_KEY|/key") as caught:
            read_key(**places)  # type: ignore[arg-type]
        assert text.strip() == "" or text not in str(caught.value)


def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable and a missing file are named."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(KeyMissing, match="SOME_KEY"):
        read_key(env="SOME_KEY")
    with pytest.raises(KeyMissing, match="cannot be read"):
        read_key(file=tmp_path / "none")


@pytest.mark.parametrize("adapter", ["sdk", "thin"])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_no_voter_shows_its_key(provider: str, adapter: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a voter nor its settings carry the key into a text, and building one logs nothing of it."""
    caplog.set_level("DEBUG")
    settings = Settings(provider, "m", adapter=adapter)  # type: ignore[arg-type]
    voter = cloud_voter(INFO, settings, KEY, ConnectionPool(1))
    shown = f"{voter!r} {voter!s} {settings!r} {voter.__dict__!r} {caplog.text}"
    await voter.close()
    assert KEY not in shown
