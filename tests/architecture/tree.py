"""The files of this repository."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("models", "actors", "serve_apps", "cluster")


def files(suffix: str = "") -> dict[str, str]:
    """Return path → text of every file of ours that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 (git is where PATH says)
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    ).stdout.splitlines()
    names = sorted(name for name in listed if name.endswith(suffix) and (ROOT / name).is_file())
    return {name: (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in names}


def python(*folders: str) -> dict[str, str]:
    """Return path → text of the Python files in the given top-level folders."""
    return {name: text for name, text in files(".py").items() if name.split("/")[0] in folders}


def pure_modules() -> dict[str, str]:
    """Return path → text of every module of ``actors/`` that is neither a shell nor an adapter."""
    return {
        name: text
        for name, text in python("actors").items()
        if not name.endswith("/actor.py") and "/adapters/" not in name
    }
