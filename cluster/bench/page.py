"""The page of benchmarks as sections, which are measured apart, and the same figures as JSON beside it."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actors.base.files import write_atomic


def write_page(page: Path, text: str, figures: Mapping[str, Any]) -> None:
    """Write the page and its figures anew; the sections and figures of others stay."""
    _write(page, lambda old: with_others(text, old), figures)


def write_section(page: Path, title: str, text: str, figures: Mapping[str, Any]) -> None:
    """Put one section into the page, and its figures beside it; all else stays."""
    _write(page, lambda old: with_section(old, title, text), figures)


def with_others(page: str, old: str) -> str:
    """Return the page with those sections of an older one at its end that it does not have."""
    own = set(re.findall(r"^## (.+)$", page, flags=re.MULTILINE))
    for part in re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]:
        title, _, text = part.removeprefix("## ").partition("\n")
        if title not in own:
            page = with_section(page, title, text)
    return page


def with_section(page: str, title: str, text: str) -> str:
    """Return the page with the section of that title replaced, or added at its end."""
    wanted = f"## {title}\n"
    parts = [part.strip("\n") + "\n" for part in re.split(r"^(?=## )", page, flags=re.MULTILINE) if part.strip()]
    section = f"{wanted}\n{text.strip()}\n"
    if not any(part.startswith(wanted) for part in parts):
        parts.append(section)
    return "\n".join(section if part.startswith(wanted) else part for part in parts)


def _write(page: Path, renewed: Callable[[str], str], figures: Mapping[str, Any]) -> None:
    plain = page.with_suffix(".json")
    if page.exists() and not page.is_file():  # a device would be replaced by a file
        raise SystemExit(f"{page} is no file that can be replaced: name one with --out")
    old, known = (path.read_text() if path.exists() else empty for path, empty in ((page, ""), (plain, "{}")))
    told = json.loads(known) | figures
    write_atomic(page, renewed(old).encode())
    write_atomic(plain, (json.dumps(told, indent=1) + "\n").encode())
