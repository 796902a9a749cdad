"""Sections of the page of benchmarks."""

import json
from pathlib import Path

import pytest

from cluster.bench.page import with_others, with_section, write_page, write_section

PAGE = "# Benchmarks\n\ntext\n\n## One\n\n1\n\n## The machine\n\n- fast\n"


def test_a_section_is_added_once_and_then_replaced() -> None:
    """Whatever else is on the page stays where and as it was; a page of nothing is one section."""
    added = with_section(PAGE, "Two", "2\n")
    assert added == f"{PAGE}\n## Two\n\n2\n"
    assert with_section(added, "Two", "two") == f"{PAGE}\n## Two\n\ntwo\n"
    assert with_section(added, "One", "one") == added.replace("\n1\n", "\none\n")
    assert with_section("", "One", "1") == "## One\n\n1\n"


def test_a_page_that_is_measured_anew_keeps_what_was_measured_apart() -> None:
    """Its own sections are new, the others stay as they were."""
    old = "# Old\n\nsaid\n\n## Machine\n\nslow\n\n## Learning\n\n| a |\n"
    assert with_others("# New\n\n## Machine\n\nfast\n", old) == "# New\n\n## Machine\n\nfast\n\n## Learning\n\n| a |\n"
    assert with_others("# New\n", "") == "# New\n"


def test_what_is_written_leaves_what_others_measured(tmp_path: Path) -> None:
    """Sections and figures of others stay, in the page and in the JSON beside it; a page that is not there is made."""
    page = tmp_path / "page.md"
    write_section(page, "One", "1", {"one": {"a": 1}})
    write_section(page, "Two", "2", {"two": {"b": 1}})
    write_section(page, "One", "new", {"one": {"c": 2}})
    write_page(page, "# All\n\n## Two\n\n3\n", {"two": 3, "all": 4})
    assert page.read_text() == "# All\n\n## Two\n\n3\n\n## One\n\nnew\n"
    assert json.loads((tmp_path / "page.json").read_text()) == {"one": {"c": 2}, "two": 3, "all": 4}


def test_figures_that_cannot_be_read_lose_no_page(tmp_path: Path) -> None:
    """Nothing is written before everything that is there was read."""
    (tmp_path / "page.md").write_text("old")
    (tmp_path / "page.json").write_text("{")
    with pytest.raises(json.JSONDecodeError):
        write_section(tmp_path / "page.md", "One", "1", {})
    assert (tmp_path / "page.md").read_text() == "old"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """As root a device would become a file that nobody else may write."""
    with pytest.raises(SystemExit, match="--out"):
        write_section(tmp_path, "title", "text", {})
    assert tmp_path.is_dir()
