"""Every checker of a home has a maker of canaries, and sees them."""

from pathlib import Path

from actors.spans.adapters.guard import open_guard
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.checkers.makers import MAKERS
from actors.spans.config import SpansConfig
from tests.unit.actors.spans.telemetry import NOW_S, Authority, Incidents


def test_the_guard_of_a_home_runs_all_four_and_none_is_blind(tmp_path: Path) -> None:
    """From its first look, before it learned anything."""
    guard = open_guard(tmp_path, Authority(), SpansConfig(), 86_400, Reports(Incidents()), Disk())
    assert set(guard.names) == set(MAKERS) == {
        "CryptographicIntegrityChecker", "TemporalConsistencyValidator", "StatisticalAnomalyDetector", "CrossReferenceValidator",
    }  # fmt: skip
    guard.begin()
    guard.judge((), NOW_S, 0.0)
    assert guard.canaries > 40
    assert guard.blind == {}
