"""Flows of untrusted data into places where it does harm."""

# ruff: noqa: E501 - snippets, one a line

import pytest

from actors.consensus.screening import taint
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (
            "from flask import request\ndef f():\n    q = request.args['q']\n    db.execute(f'SELECT * FROM t WHERE a = {q}')",
            "taint-sql",
        ),
        (
            "import sqlite3\ndef f(name):\n    sqlite3.connect('x').execute('SELECT 1 FROM t WHERE n = ' + name)",
            "taint-sql",
        ),
        (
            "from flask import request, send_file\ndef f():\n    return g(request.args['p'])\ndef g(p):\n    return send_file('/srv/' + p)",
            "taint-path",
        ),
        (
            "import requests\ndef view(request):\n    u = request.GET['u']\n    if u:\n        return requests.get(u)",
            "taint-url",
        ),
        (
            "from django.shortcuts import redirect\ndef view(request):\n    return redirect(request.GET['next'])",
            "taint-redirect",
        ),
        (
            "from flask import Flask\napp = Flask(__name__)\n@app.route('/<n>')\ndef f(n):\n    return '<p>%s</p>' % n",
            "taint-html",
        ),
        (
            "import os\nfrom flask import request\nclass V:\n    def go(self):\n        self.x = request.form['x']\n        os.system('ls ' + self.x)",
            "taint-command",
        ),
        (
            "def view(request):\n    for k, v in request.POST.items():\n        setattr(request.user, k, v)",
            "taint-attrs",
        ),
        ("import re\nfrom flask import request\ndef f():\n    return re.compile(request.args['p'])", "taint-pattern"),
        ("from flask import request\ndef f():\n    n = int(request.args['n'])\n    return bytearray(n)", "taint-size"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(taint.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "from flask import request\ndef f():\n    db.execute('SELECT * FROM t WHERE a = ?', (request.args['q'],))",
        "from flask import request, abort\nA = {'x'}\ndef f():\n    p = request.args['p']\n    if p not in A:\n        abort(404)\n    return open(p)",
        "import os\nfrom flask import request\nB = '/srv'\ndef f():\n    p = os.path.realpath(os.path.join(B, request.args['p']))\n    if not p.startswith(B + os.sep):\n        return None\n    return open(p)",
        "from flask import Flask\nfrom markupsafe import escape\napp = Flask(__name__)\n@app.route('/<n>')\ndef f(n):\n    return '<p>%s</p>' % escape(n)",
        "from flask import request\ndef f():\n    i = int(request.args['i'])\n    db.execute(f'SELECT * FROM t WHERE a = {i}')",
        "def f(path):\n    return open(path).read()",
        "import requests\ndef view(request):\n    return requests.get('https://api.example.com/' + request.GET['u'])",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(taint.check, code) == set()
