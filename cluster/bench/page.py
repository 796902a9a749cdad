"""The page of benchmarks as sections, which are measured apart. Pure."""

import re


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
