"""``weavergen simulate``: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.base.errors import ConfigurationError
from cluster.cli.simulating import simulate


def test_availability_is_printed_and_drawn(tmp_path: Path) -> None:
    """One replicate of a week: every stack's figure, what costs most, and the sweep as a picture."""
    picture = tmp_path / "sweep.svg"
    done = CliRunner().invoke(
        simulate, ["--seeds", "1", "--days", "7", "--together", "0.1", "--workers", "1", "--fair-requests", "50",
                   "--plot", str(picture)],
        standalone_mode=False,
    )  # fmt: skip
    assert (done.exception, done.return_value) == (None, 0)
    assert "years a minute" in done.output
    assert "gpt-4.1 alone" in done.output
    assert "<svg" in picture.read_text()


def test_a_storm_without_a_bug_is_fine_and_with_one_is_told() -> None:
    """Exit code 0 and 1; the schedule that shows the bug is printed."""
    fine = CliRunner().invoke(
        simulate, ["--scenario", "storm", "--seeds", "2", "--workers", "1"], standalone_mode=False
    )
    assert (fine.return_value, "no invariant broken" in fine.output) == (0, True)
    planted = ["--scenario", "storm", "--seeds", "2", "--workers", "1", "--plant", "unsigned record"]
    broken = CliRunner().invoke(simulate, planted, standalone_mode=False)
    assert broken.return_value == 1
    assert "events are enough" in broken.output
    found = CliRunner().invoke(simulate, [*planted, "--json"], standalone_mode=False)
    assert json.loads(found.output)["plant"] == "unsigned record"


@pytest.mark.parametrize("together", ["x", "0.1,2", ""])
def test_a_share_that_is_none_is_refused(together: str) -> None:
    """The error says what the option takes."""
    done = CliRunner().invoke(simulate, ["--together", together], standalone_mode=False)
    assert isinstance(done.exception, ConfigurationError)
    assert "--together takes" in str(done.exception)


@pytest.mark.parametrize(
    "words",
    [
        ["--plant", "lost lease"],
        ["--scenario", "storm", "--days", "30"],
        ["--scenario", "storm", "--fair-requests", "30"],
    ],
)
def test_an_option_that_means_nothing_is_refused(words: list[str]) -> None:
    """What only the other scenario knows is not passed over in silence."""
    done = CliRunner().invoke(simulate, words, standalone_mode=False)
    assert isinstance(done.exception, ConfigurationError)
    assert "would mean nothing to scenario" in str(done.exception)
