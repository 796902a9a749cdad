"""Names of files below a table."""

from pathlib import Path

import pytest

from actors.spans.place import below


def test_a_file_s_name_is_what_follows_its_table_s() -> None:
    """What lies elsewhere has none, however alike it looks."""
    assert below(Path("/a/b"), Path("/a/b/c/d")) == "c/d"
    for file in (Path("/a/bc/d"), Path("/a/b"), Path("/x")):
        with pytest.raises(ValueError, match="does not lie in"):
            below(Path("/a/b"), file)
