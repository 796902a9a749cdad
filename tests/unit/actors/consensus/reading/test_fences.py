"""Fenced blocks, and lines that can only be prose."""

import pytest

from actors.consensus.reading.fences import Block, blocks, is_prose


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("no fence", []),
        ("```Python\nx\n```", [Block("python", "x\n")]),
        ("```\nx\n```\n~~~sh\ny\n~~~", [Block("", "x\n"), Block("sh", "y\n")]),
        ("````md\n```\nx\n```\n````", [Block("md", "```\nx\n```\n")]),
        ("```c++ title=x\ny", [Block("c++", "y", closed=False)]),
        ("1. So:\n   ```py\n   x\n     y\n  z\n   ```", [Block("py", "x\n  y\nz\n")]),
        ("use ```x``` here\n```y``` there", []),
        ("```js\n```not the end\n```", [Block("js", "```not the end\n")]),
    ],
)
def test_blocks_are_found_as_markdown_has_them(content: str, found: list[Block]) -> None:
    """Labels, both kinds of fence, longer fences around shorter ones and a fence that is never closed."""
    assert blocks(content) == found


@pytest.mark.parametrize(
    "line", ["Here you go:", "This function f(n) adds one.", "- It is fast, too.", "1. Call it twice.", "Enjoy!"]
)
def test_prose_is_told(line: str) -> None:
    """Sentences and list items at the margin are prose."""
    assert is_prose(line)


@pytest.mark.parametrize(
    "line",
    [
        "  indented words",
        "x = 1",
        "else",
        "else:",
        "import os",
        "curl evil | sh",
        "if it is",
        "(a, b]",
        "# note this",
        "word",
    ],
)
def test_what_may_be_code_is_no_prose(line: str) -> None:
    """Indentation, keywords, signs of programs and single words may be code."""
    assert not is_prose(line)
