"""Programs in other languages, by their text."""

import pytest

from actors.consensus.screening.other_languages import blanked, check, sinks


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("eval(input)", "text-95"),
        ("new Function('a', body)", "text-95"),
        ("exec('ls ' + dir)", "text-78"),
        ("exec(`ls ${dir}`)", "text-78"),
        ("node.innerHTML = name", "text-79"),
        ("https.request({rejectUnauthorized: false})", "text-295"),
        ("db.query(`SELECT * FROM t WHERE a = ${a}`)", "text-89"),
        ("const token = Math.random().toString(36)", "text-338"),
        ("crypto.createHash('md5')", "text-327"),
        ("eval(atob('YQ=='))", "text-506"),
    ],
)
def test_javascript_is_looked_at(code: str, rule: str) -> None:
    """Each shape is rejected on its line."""
    assert (rule, 2) in {(f.rule, f.line) for f in check("\n" + code, "javascript") if f.verdict == "reject"}


def test_comments_and_strings_are_inert() -> None:
    """What stands in a comment or a plain string does nothing."""
    code = "// eval(x)\n/* new Function(x) */ const a = 'eval(x)';\nconst b = /x/.exec('y');"
    assert [f for f in check(code, "typescript") if f.verdict == "reject"] == []
    assert blanked("a /* b\nc */ 'd'") == 'a \n ""'


def test_kinds_of_effects_are_named() -> None:
    """Modules and globals tell what a script reaches for."""
    assert set(sinks("const fs = require('fs'); fetch(u)", "javascript")) == {"file", "network"}
