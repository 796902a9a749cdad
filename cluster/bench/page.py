"""The page of benchmarks as sections, which are measured apart. Pure."""

import re


def with_section(page: str, title: str, text: str) -> str:
    """Return the page with the section of that title replaced, or added at its end."""
    wanted = f"## {title}\n"
    parts = [part.strip("\n") + "\n" for part in re.split(r"^(?=## )", page, flags=re.MULTILINE) if part.strip()]
    section = f"{wanted}\n{text.strip()}\n"
    if not any(part.startswith(wanted) for part in parts):
        parts.append(section)
    return "\n".join(section if part.startswith(wanted) else part for part in parts)
