"""Bandit's own tests (PyCQA), run in memory on one source.

Rules:
- Every test of the installed release runs, on the code alone; ``# nosec`` comments are the candidate's and count for nothing.
- Severity and confidence of medium or higher reject, the rest flags. Tests whose question our own rules answer by data flow
  (``JUDGED_HERE``) only flag.
- A test that raises stops the check with ``BanditFailed``; Bandit by itself would log it and go on.
- Bandit promises nothing about threads: one source at a time.

Left out: its configuration files, baselines and reports.
"""

import io
import logging
import threading
import warnings
from typing import Any, NoReturn

from actors.base.errors import OperatorError
from actors.consensus.screening.findings import Finding, FindingVerdict
from actors.consensus.screening.version import BANDIT_VERSION

JUDGED_HERE = {
    "B102": "exec: danger-eval tells constant text from other text",
    "B103": "chmod: it rejects 0o755 too; danger-permissions looks at who may write",
    "B104": "binding to all interfaces is the deployment's business: flagged",
    "B108": "a literal under the temporary folder is no temporary file",
    "B113": "a request without a timeout is a defect of availability",
    "B307": "eval: danger-eval tells constant text from other text",
    "B308": "mark_safe: taint-html follows what is marked",
    "B310": "urlopen with any scheme: taint-url follows the address",
    "B411": "importing xmlrpc is no use of it",
    "B413": "Crypto is also the name of the maintained successor of pyCrypto",
    "B601": "paramiko's exec_command: taint-command follows the command",
    "B604": "any keyword named shell: danger-shell knows the functions",
    "B608": "text that looks like SQL: taint-sql follows it to where it is executed",
    "B703": "mark_safe: taint-html follows what is marked",
    "B704": "Markup: taint-html follows what is marked",
}
_WEIGHTS = {"UNDEFINED": 0, "LOW": 1, "MEDIUM": 2, "HIGH": 3}
_NAME = "candidate.py"


class BanditFailed(OperatorError):
    """Bandit could not be loaded, is another release than the rules were frozen with, or failed on a source."""

    code = "scanner_failed"


class Bandit:
    """Bandit's tests, loaded once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        logging.getLogger("bandit").setLevel(logging.CRITICAL)  # it logs candidates' text
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import bandit
                from bandit.core import config, test_set

            self._tests = test_set.BanditTestSet(config.BanditConfig())
        except Exception as error:
            raise BanditFailed(
                f"Bandit cannot be loaded ({type(error).__name__}); install the locked environment"
            ) from error
        if bandit.__version__ != BANDIT_VERSION:
            raise BanditFailed(
                f"Bandit is {bandit.__version__}, the rules were frozen with {BANDIT_VERSION}; install the lock"
            )

    def __call__(self, code: str) -> list[Finding]:
        """Return what Bandit finds; raise ``BanditFailed`` if any of its tests failed."""
        return [_finding(issue) for issue in self.issues(code)]

    def issues(self, code: str) -> list[Any]:
        """Return Bandit's own issues."""
        with self._lock:
            try:
                return self._run(code)
            except Exception as error:
                raise BanditFailed(f"a test of Bandit failed: {type(error).__name__}") from error

    def _run(self, code: str) -> list[Any]:
        from bandit.core import meta_ast, metrics, node_visitor

        data = code.encode("utf-8", "surrogatepass")
        counts = metrics.Metrics()
        counts.begin(_NAME)
        visitor = node_visitor.BanditNodeVisitor(
            _NAME, io.BytesIO(data), meta_ast.BanditMetaAst(), self._tests, False, {}, counts
        )
        visitor.tester.report_error = _raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            visitor.process(data)
        return list(visitor.tester.results)


def is_medium(issue: Any) -> bool:  # noqa: ANN401 - Bandit ships no types
    """Tell whether an issue's severity and confidence are both medium or higher."""
    return min(_WEIGHTS[issue.severity], _WEIGHTS[issue.confidence]) >= _WEIGHTS["MEDIUM"]


def _finding(issue: Any) -> Finding:  # noqa: ANN401
    verdict: FindingVerdict = "reject" if is_medium(issue) and issue.test_id not in JUDGED_HERE else "flag"
    return Finding(
        f"bandit-{issue.test_id}", f"CWE-{issue.cwe.id}", issue.lineno or 0, verdict, f"Bandit's {issue.test}"
    )


def _raise(test: str, context: Any, error: Exception) -> NoReturn:  # noqa: ANN401, ARG001 - Bandit's own signature
    raise error
