"""Tests beside tests: ``pytest -p tests.beside --beside=PATH PATHS`` has what lies under PATH run in another process meanwhile.

What only computes takes the processor time that is left where real systems are waited for. Its reports are told here once the
tests of this process have run, through pytest's own hooks: one list of failures, and one closing line that counts both.

Rules:
- It gives way (``NICENESS``): who is held to a time comes first.
- Nothing is lost: where it breaks off, or has not told the end of every test it collected, that is an error of its own.
- It ends with this process.

Left out: spreading files over processes as these get free (pytest-xdist), which makes what a session shares once in each of them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

Report = pytest.TestReport | pytest.CollectReport
NICENESS = 5
"""A quarter of a core that somebody else wants, so that no test of seconds comes to its timeout."""
END_S = 10
SHOWN_CHARS = 10_000
"""Of what a process that broke off has said."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what is to run beside, and, in the process that runs it, where to tell of it."""
    group = parser.getgroup("beside", "tests beside tests")
    group.addoption("--beside", action="append", default=[], metavar="PATH", help="run the tests of PATH meanwhile")
    group.addoption("--reports-to", type=Path, metavar="FILE", help="write every report into FILE; --beside uses it")


def pytest_configure(config: pytest.Config) -> None:
    """Have the other process run, or be it."""
    if config.option.reports_to:
        config.pluginmanager.register(Teller(config, config.option.reports_to))
    elif config.option.beside and not config.option.collectonly:
        config.pluginmanager.register(Beside(config, config.option.beside))


class Teller:
    """Writes down what comes of each test, and at the end how many there were."""

    def __init__(self, config: pytest.Config, file: Path) -> None:
        self._config, self._file = config, file.open("w", buffering=1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a part of a test down."""
        self._tell(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write down what could not be collected."""
        if not report.passed:
            self._tell(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write how many tests there were."""
        self._file.write(f"{session.testscollected}\n")
        self._file.close()

    def _tell(self, report: Report) -> None:
        told = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._file.write(json.dumps(told) + "\n")


class Beside:
    """Has the other process run, and tells what it tells."""

    def __init__(self, config: pytest.Config, paths: list[str]) -> None:
        self._config, self._paths = config, paths
        self._process: subprocess.Popen[bytes] | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Start it, before anything is collected here."""
        self._session, self._folder = session, TemporaryDirectory(prefix="beside-")
        self._reports, self._said = Path(self._folder.name, "reports"), Path(self._folder.name, "said")
        command = [sys.executable, "-m", "pytest", "-p", "tests.beside", f"--reports-to={self._reports}", *self._paths]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603 - pytest
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self._config.invocation_params.dir
            )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Once the tests of this process have run, wait for the others and tell of them."""
        done = yield
        self._finish()
        return done

    def pytest_unconfigure(self) -> None:
        """End it if it still runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _finish(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        *lines, last = self._reports.read_text().splitlines() or [""]
        reports = [self._read(line) for line in lines]
        count = sum(report.when == "teardown" for report in reports)
        self._session.testscollected += count
        for report in reports:
            self._tell(report)
        right = pytest.ExitCode.TESTS_FAILED if any(report.failed for report in reports) else pytest.ExitCode.OK
        if (last, code) != (str(count), right):
            end = self._said.read_text(errors="replace")[-SHOWN_CHARS:]
            why = f"what ran beside broke off (exit code {code}):\n{end}"
            self._tell(pytest.CollectReport(" ".join(self._paths), "failed", why, None))

    def _read(self, line: str) -> Report:
        report: Report = self._config.hook.pytest_report_from_serializable(config=self._config, data=json.loads(line))
        return report

    def _tell(self, report: Report) -> None:
        hook = self._config.hook
        if isinstance(report, pytest.CollectReport):
            hook.pytest_collectreport(report=report)
            return
        if report.when == "setup":
            hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
        hook.pytest_runtest_logreport(report=report)
        if report.when == "teardown":
            hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
