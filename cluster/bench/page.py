"""The page of benchmarks as sections, which are measured apart. Pure."""

import re


def with_section(page: str, title: str, text: str) -> str:
    """Return the page with the section of that title replaced, or added at its end."""
    wanted = f"## {title}\n"
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    section = f"{wanted}\n{text.strip()}\n"
    if not any(part.startswith(wanted) for part in parts):
        return f"{page.rstrip()}\n\n{section}"
    replaced = (section if part.startswith(wanted) else part.strip("\n") + "\n" for part in parts if part)
    return "\n".join(replaced)
