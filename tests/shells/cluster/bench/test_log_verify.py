"""The measurement of ``log verify``: what it makes is whole, most of it merged, and damage measures nothing."""

from pathlib import Path

import pytest

from actors.spans.adapters.check import check_log
from actors.spans.adapters.table import SpanTable
from cluster.bench import log_verify
from cluster.bench.log_verify import Verified, _Keys, _Table, section, verified


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> _Keys:
    """Return keys, and have commits be small."""
    monkeypatch.setattr(log_verify, "COMMIT_ROWS", 300)
    return _Keys()


def test_what_is_measured_is_a_merged_table_without_damage(tmp_path: Path, keys: _Keys) -> None:
    """All of it is checked by both; the yardstick reads the same bytes."""
    table = _Table(tmp_path, keys)
    table.fill(3000)
    table.go_on(3000)
    found = verified(tmp_path, keys, 3000, 2250, rounds=1)
    light = check_log(tmp_path, keys.trust(), 100, deep=False)
    assert (light.damage, light.trusted_files >= 1, light.rows >= 3000) == ((), True, True)
    assert found.batches == light.size
    assert min(found.hashing_s, found.light_s, found.mib) > 0
    assert found.deep_s is None
    assert (verified(tmp_path, keys, 3000, 0, rounds=1).deep_s or 0) > 0


def test_damage_measures_nothing(tmp_path: Path, keys: _Keys) -> None:
    """A check that ends early is not fast."""
    _Table(tmp_path, keys).fill(3000)
    SpanTable(tmp_path / "spans", 100).current_files()[0].unlink()
    with pytest.raises((RuntimeError, FileNotFoundError)):
        verified(tmp_path, keys, 3000, 0, rounds=1)


def test_the_section_says_what_was_measured() -> None:
    """A row a size, with what a light check costs beside hashing."""
    text = section([Verified(100_000, 0, 667, 9, 30.0, 0.1, 0.15, 4.0)], {"machine": "m"})
    assert "| 100,000 | 0 | 667 | 30 | 0.100 | 0.150 | **1.50** | 4.00 | 25,000 |" in text
    assert "machine m" in text
