"""Behaviour that waits for its moment."""

# ruff: noqa: E501 - snippets, one a line

import pytest

from actors.consensus.screening import triggers
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (
            "import socket, subprocess\nif socket.gethostname() == 'prod-1':\n    subprocess.run(['x'])",
            "trigger-moment",
        ),
        (
            "import getpass, shutil\ndef f():\n    if getpass.getuser() != 'ci':\n        shutil.rmtree('/srv')",
            "trigger-moment",
        ),
        (
            "import os, requests\nif os.environ.get('CI') is None:\n    requests.get('https://x.example')",
            "trigger-moment",
        ),
        (
            "import datetime, os\ndef f():\n    now = datetime.datetime.now()\n    if now.year < 2027:\n        return 1\n    os.system('x')",
            "trigger-moment",
        ),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(triggers.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import datetime\nif datetime.date.today().month == 12:\n    print('merry')",
        "import time, requests\nstart = time.time()\nif time.time() - start > 5:\n    requests.get('https://x.example')",
        "import sys, subprocess\nif sys.platform == 'win32':\n    subprocess.run(['dir'])",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(triggers.check, code) == set()
