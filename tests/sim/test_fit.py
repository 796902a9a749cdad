"""What was fitted is what the histories say."""

from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError
from cluster.simulation.draws import Draws
from cluster.simulation.fit import LEVELS, WEEKS, drawn_history, fit, history_of, stored


def test_what_is_kept_is_what_the_histories_give(shared_data: Path) -> None:
    """Fitting again gives the parameters that lie in the project."""
    assert fit(shared_data) == stored()


def test_a_history_is_every_incident_of_the_service(shared_data: Path) -> None:
    """104 weeks, each incident in its week, none shorter than a minute."""
    history = history_of(shared_data)
    incidents = [incident for week in history for incident in week]
    assert len(history) == stored().weeks == 104
    assert len(incidents) == 154
    assert min(incident.lasts_s for incident in incidents) >= 60
    assert {incident.level for incident in incidents} == set(LEVELS)


def test_worse_levels_leave_more_without_an_answer() -> None:
    """Shares of what a level takes away rise with it and are shares."""
    down = [stored().down_share[level] for level in LEVELS]
    assert down == sorted(down)
    assert down[0] == 0.0
    assert 0.5 < down[3] <= 1.0


def test_weeks_can_be_drawn_without_the_histories() -> None:
    """They have as many incidents as were fitted, within what chance does."""
    fitted = stored()
    wanted = sum(int(count) * share for count, share in fitted.incidents_a_week.items())
    drawn = drawn_history(fitted, Draws(1))
    assert abs(sum(map(len, drawn)) / WEEKS - wanted) < 0.2


def test_a_folder_without_histories_is_refused(tmp_path: Path) -> None:
    """The error names the file that is missing and what to do."""
    with pytest.raises(ConfigurationError, match=r"incidents_until_2023.csv cannot be read.*name the folder"):
        history_of(tmp_path)
