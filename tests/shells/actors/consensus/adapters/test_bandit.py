"""Bandit's tests in memory."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.consensus.adapters.bandit import JUDGED_HERE, Bandit, BanditFailed, is_medium
from actors.consensus.screening.screen import screen


@pytest.fixture(scope="module")
def bandit() -> Bandit:
    """Return Bandit, loaded once."""
    return Bandit()


@pytest.mark.parametrize(
    ("code", "test", "verdict"),
    [
        ("import subprocess\nsubprocess.call(x, shell=True)", "B602", "reject"),
        ("import pickle\npickle.loads(x)", "B301", "reject"),
        ("import hashlib\nhashlib.md5(x)", "B324", "reject"),
        ("import yaml\nyaml.load(x)", "B506", "reject"),
        ("exec(x)", "B102", "flag"),
        ("assert x", "B101", "flag"),
        ("x = '\u202e'", "B613", "reject"),
    ],
)
def test_its_own_tests_answer(bandit: Bandit, code: str, test: str, verdict: str) -> None:
    """Medium and higher rejects, the rest and what our rules judge by data flow flags."""
    assert (f"bandit-{test}", verdict) in {(f.rule, f.verdict) for f in bandit(code)}


def test_a_comment_does_not_silence_it(bandit: Bandit) -> None:
    """The candidate's own ``nosec`` counts for nothing."""
    assert "bandit-B602" in {f.rule for f in bandit("import subprocess\nsubprocess.call(x, shell=True)  # nosec")}


def test_a_test_that_fails_is_a_failed_check(bandit: Bandit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Bandit would log and pass over becomes a rejection."""

    def broken(context: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr(broken, "_test_id", "B999", raising=False)
    monkeypatch.setitem(bandit._tests.tests, "Call", [broken])
    with pytest.raises(BanditFailed, match="KeyError"):
        bandit("f()")
    assert screen("f()", "python", (bandit,)).findings[0].rule == "scanner-error"


def test_threads_do_not_mix_their_findings(bandit: Bandit) -> None:
    """Many sources at once get what each gets alone."""
    codes = ["import subprocess\n" + "x = 1\n" * n + "subprocess.call(y, shell=True)" for n in range(40)]
    alone = [bandit(code) for code in codes]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(bandit, codes)) == alone


def test_every_demoted_test_exists(bandit: Bandit) -> None:
    """What our rules are said to judge instead is a test of this release."""
    from bandit.core import extension_loader

    known = extension_loader.MANAGER.plugins_by_id.keys() | extension_loader.MANAGER.blacklist_by_id.keys()
    assert set(JUDGED_HERE) <= known


def test_medium_needs_both(bandit: Bandit) -> None:
    """Severity alone is not enough."""
    (issue,) = bandit.issues("import requests\nrequests.get('https://a.example')")
    assert (issue.severity, issue.confidence, is_medium(issue)) == ("MEDIUM", "LOW", False)
