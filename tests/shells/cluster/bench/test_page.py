"""Sections of the page of benchmarks."""

from cluster.bench.page import with_others, with_section

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
