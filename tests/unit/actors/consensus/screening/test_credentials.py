"""Secrets written in the text."""

import pytest

from actors.consensus.screening import credentials
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("API_KEY = 'c0ffee1234deadbeef5678'", "secret-named"),
        ("connect(password='Zq8-summer-Lk')", "secret-named"),
        ("def f(password='Zq8-summer-Lk'): pass", "secret-named"),
        ("import os\nSECRET_KEY = os.environ.get('K', 'p0iu7ytr3wq')", "secret-named"),
        ("config['db_password'] = 'Zq8-summer-Lk'", "secret-named"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(credentials.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import os\nPASSWORD = os.environ['PASSWORD']",
        "password = ''",
        "TOKEN_URL = 'https://a.example/token'",
        "password_field = 'user_password'",
        "token = 'your-token-here'",
        "if token == 'number': pass",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(credentials.check, code) == set()
