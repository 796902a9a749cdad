"""Results are told in words."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.acceptance import __main__ as campaigns
from cluster.acceptance.__main__ import PARTS, PICTURES, QUICK, README, RESULTS, run, write_pages
from cluster.acceptance.page import render, with_part


def test_lists_and_counts_are_told_in_words() -> None:
    """A list is its items, a count by cause is cause and count, and nothing is none."""
    page = render("n", "about ``this``", {"stage one": {"a_b": {"x y": 2, "z": 1}, "c": [], "d": {}, "e": 1.5}})
    assert "about `this`" in page
    assert "## stage one" in page
    assert "| a b | x y: 2, z: 1 |\n| c | none |\n| d | none |\n| e | 1.5 |" in page


def test_a_part_of_another_page_is_renewed_between_its_comments() -> None:
    """What stands around it stays, to the byte; written again it is the same."""
    page = "before\n<!-- n: written by its campaign -->\nold\n<!-- n ends -->\nafter\n"
    renewed = with_part(page, "n", ["new", "lines"])
    assert renewed == "before\n<!-- n: written by its campaign -->\n\nnew\nlines\n\n<!-- n ends -->\nafter\n"
    assert with_part(renewed, "n", ["new", "lines"]) == renewed


@pytest.mark.parametrize("page", ["", "<!-- n: written by its campaign -->", "<!-- n ends -->"])
def test_a_page_without_a_place_for_the_part_is_refused(page: str) -> None:
    """A comment that somebody removed is said, not guessed."""
    with pytest.raises(ValueError, match="<!-- n ends -->: put them"):
        with_part(page, "n", ["new"])


@pytest.mark.parametrize("name", PARTS)
def test_readme_and_the_page_are_what_the_results_say(name: str, tmp_path: Path) -> None:
    """Neither is edited by hand, nor the results without them: written again from these, nothing changes."""
    for file in (README, RESULTS / f"{name}.json"):
        shutil.copy(file, tmp_path)
    write_pages(name, tmp_path, tmp_path / README.name)
    again = "`python -m cluster.acceptance --page " + name + "` writes them"
    assert (tmp_path / README.name).read_text() == README.read_text(), again
    assert (tmp_path / f"{name}.md").read_text() == (RESULTS / f"{name}.md").read_text(), again


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_run_leaves_the_documents_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stages are saved one by one, and page and picture, where it has one, are written, in the folder that is named."""
    monkeypatch.setattr(campaigns, "REPOSITORY", tmp_path)
    seen: list[set[str]] = []

    def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
        seen.append(done)
        save("checkpoint 1", {"minute": 1.0})

    found = run(name, tmp_path / "quick", restart=True, campaigns={name: stages})
    assert found == {"checkpoint 1": {"minute": 1.0}}
    assert seen == [set()]
    forms = ["json", "md", *(["svg"] if name in PICTURES else [])]
    assert sorted(file.name for file in (tmp_path / "quick").iterdir()) == [f"{name}.{form}" for form in forms]
    assert list((tmp_path / ".cache").iterdir()) == []


def test_every_quick_form_is_of_a_campaign() -> None:
    """So is every page and picture."""
    assert set(QUICK) | set(PICTURES) | set(campaigns.PAGES) <= set(campaigns.CAMPAIGNS)


def test_what_has_no_quick_form_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is run."""
    monkeypatch.setattr("sys.argv", ["acceptance", "--quick", "faults"])
    assert campaigns.main() == 2
    assert "faults has no quick form" in capsys.readouterr().err
