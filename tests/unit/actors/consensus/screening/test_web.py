"""Settings and habits of web applications."""

# ruff: noqa: E501 - snippets, one a line

import pytest

from actors.consensus.screening import web
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("from flask import Flask\napp = Flask(__name__)\napp.config['DEBUG'] = True", "web-debug"),
        (
            "from fastapi.middleware.cors import CORSMiddleware as C\napp.add_middleware(C, allow_origins=['*'], allow_credentials=True)",
            "web-any-origin",
        ),
        ("def f(r): r.set_cookie('session', 'x', httponly=True)", "web-cookie-secure"),
        ("import jwt\ndef f(t, k): return jwt.decode(t, k, algorithms=['none'])", "web-jwt"),
        ("import logging\ndef f(password): logging.info('login %s', password)", "web-secret-logged"),
        ("import traceback\ndef f(): return traceback.format_exc()", "web-trace"),
        ("from django.views.decorators.csrf import csrf_exempt\n@csrf_exempt\ndef f(request): return 1", "web-csrf"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(web.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import jwt\ndef f(t, k): return jwt.decode(t, k, algorithms=['HS256'])",
        "def f(r): r.set_cookie('theme', 'dark')",
        "import logging\ndef f(password): logging.info('length %d', len(password))",
        "import jinja2\ne = jinja2.Environment(autoescape=True)",
        "def f(user): assert user.is_admin",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(web.check, code) == set()
