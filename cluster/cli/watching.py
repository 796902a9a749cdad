"""``status --watch``: the same question again and again, its answer in place of the last, until it is interrupted.

A terminal shows the newest view alone; anything else gets one view, or one line of JSON, after the other. Nothing is kept.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

Told = dict[str, Any]
Show = Callable[[Console, Told], None]


def watch(
    look: Callable[[], Told], tell: AbstractContextManager[Callable[[Told], None]], pause: Callable[[], None]
) -> None:
    """Look, tell and pause until somebody interrupts."""
    with suppress(KeyboardInterrupt), tell as told:
        while True:
            told(look())
            pause()


@contextmanager
def in_place(console: Console, show: Show) -> Iterator[Callable[[Told], None]]:
    """Give what puts a view in place of the last one; without a terminal views follow each other."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda told: show(console, told)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda told: live.update(drawn(console, show, told), refresh=True)


def drawn(console: Console, show: Show, told: Told) -> Text:
    """Return what ``show`` would print on this terminal, as one text that can be put anywhere on it."""
    colours: Any = console.color_system
    paper = Console(file=io.StringIO(), width=console.width, force_terminal=True, color_system=colours)
    with paper.capture() as printed:
        show(paper, told)
    return Text.from_ansi(printed.get())
