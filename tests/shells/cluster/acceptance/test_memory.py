"""What lies in memory is there while it is needed, and no longer."""

from pathlib import Path

import pytest

from cluster.acceptance import memory
from cluster.acceptance.memory import in_memory


@pytest.mark.parametrize("has_room", [True, False])
def test_a_folder_is_empty_at_first_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_room: bool
) -> None:
    """Also one that a run before left; on disk where there is no room in memory, and each of its own."""
    monkeypatch.setattr(memory, "_has_room", lambda: has_room)
    with in_memory(tmp_path / "a") as left:
        (left / "file").touch()
        with in_memory(tmp_path / "a") as place, in_memory(tmp_path / "b") as other:
            assert list(place.iterdir()) == []
            assert (place == left, place == other, place == tmp_path / "a") == (True, False, not has_room)
            (place / "folder").mkdir()
    assert not place.exists()
    assert not other.exists()
