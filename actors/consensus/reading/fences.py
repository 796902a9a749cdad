"""Fenced blocks of an answer, and whether the lines around code are prose. One pass over the lines.

Rules:
- A fence is a line of three or more backticks or tildes with an optional label; it closes at a line of as many or more of the
  same, or at the end of the answer, where it may be cut off.
- Lines inside lose as many blanks as stand before the opening fence: a block may belong to an item of a list.
- Prose begins at the margin with a letter, a digit or a list mark, has more than one word or ends like a sentence, no keyword in
  front and no sign that programs are made of. Everything else may be code.
"""

import re
from dataclasses import dataclass

_OPENS = re.compile(r"([ \t]{0,16})(`{3,64}|~{3,64})[ \t]{0,16}([\w+#-]{0,32})")
_KEYWORDS = frozenset(
    "def class import from if elif else for while try except finally with return print raise pass break continue global nonlocal"
    " del assert lambda yield async await not exec match case and or is in None True False".split()
)
_PROGRAM_SIGNS = frozenset("=[]{}<>|&;$\\@#")
_MAX_PROSE_LINE_CHARS = 2_048


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    label: str
    """What stands behind the opening fence, in lower case; empty without a label."""
    code: str
    """The lines inside, each with its line end."""
    closed: bool = True
    """Whether its closing fence stands in the answer."""


def blocks(content: str) -> list[Block]:
    """Return every fenced block in order."""
    found: list[Block] = []
    indent, fence, label, inside = 0, "", "", list[str]()
    for line in content.splitlines(keepends=True) if "```" in content or "~~~" in content else ():
        if not fence:
            opens = _OPENS.match(line)
            if opens and "`" not in line[opens.end(2) :]:
                indent, fence, label, inside = len(opens.group(1)), opens.group(2), opens.group(3).lower(), []
        elif _closes(line, fence):
            found.append(Block(label, "".join(inside)))
            fence = ""
        else:
            inside.append(_without_indent(line, indent))
    return [*found, Block(label, "".join(inside), closed=False)] if fence else found


def is_prose(line: str) -> bool:
    """Tell whether a line that is not blank can only be prose."""
    words = line.split(maxsplit=2)
    return (
        len(line) <= _MAX_PROSE_LINE_CHARS
        and (line[0].isalnum() or line[0] in "-*\"'(")
        and (len(words) > 1 or words[0][-1] in ":.!")
        and words[0].rstrip(":.!") not in _KEYWORDS
        and _PROGRAM_SIGNS.isdisjoint(line)
    )


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and bare == fence[0] * len(bare)


def _without_indent(line: str, indent: int) -> str:
    own = len(line) - len(line.lstrip(" \t"))
    return line[min(own, indent) :]
