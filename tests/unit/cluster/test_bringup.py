"""What bring-up makes of the command line, before anything is started."""

import json
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError
from cluster.application import app_settings, lineages
from cluster.bringup import Wanted, configure
from cluster.config import plain
from cluster.home import create_home
from cluster.status import gateway_url
from models.catalog import load_catalog
from serve_apps.builder import AppSettings


def answers(tmp_path: Path, *voters: str) -> Path:
    """Return a file of recorded answers."""
    path = tmp_path / "answers.jsonl"
    lines = [{"voter": v, "family": v, "lineage": v, "default": [{"content": "42"}]} for v in voters]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_answers_make_the_voters_and_count_in_the_digest(tmp_path: Path) -> None:
    """Other answers are another configuration, even under the same file name."""
    first = configure(Wanted("replay", 9000, (answers(tmp_path, "m1", "m2"),)))
    assert [voter.id for voter in first.voters] == ["m1", "m2"]
    assert (first.gateway.port, gateway_url(first)) == (9000, "http://127.0.0.1:9000")
    second = configure(Wanted("replay", 9000, (answers(tmp_path, "m1", "m3"),)))
    assert first.sha256 != second.sha256


def test_a_profile_without_voters_needs_answers() -> None:
    """The message says which option is missing."""
    with pytest.raises(ConfigurationError, match="--answers"):
        configure(Wanted("replay", None, ()))


@pytest.mark.parametrize("content", ["", "{", '{"default": []}'])
def test_bad_answers_are_a_configuration_error(tmp_path: Path, content: str) -> None:
    """A file that is empty, broken or names no voter is refused before anything starts; so is a missing one."""
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="recorded answers"):
        configure(Wanted("replay", None, (path,)))
    with pytest.raises(ConfigurationError, match="recorded answers"):
        configure(Wanted("replay", None, (tmp_path / "none",)))


def test_the_cpu_profile_becomes_three_engines_of_three_lineages(tmp_path: Path) -> None:
    """Settings carry every bound of the profile and survive being written down for the deployer."""
    config, catalog = configure(Wanted("cpu", None, ())), load_catalog()
    assert len(set(lineages(config, catalog).values())) == 3
    home = create_home(tmp_path / "home")
    models = {voter.id: tmp_path / voter.id for voter in config.voters}
    settings = app_settings(home, config, catalog, models, ("root: co-located",))
    assert [voter.engine.model_path for voter in settings.voters] == [str(models[v.id]) for v in config.voters]
    assert settings.gateway.config_sha256 == config.sha256
    assert settings.gateway.degraded == ("root: co-located",)
    assert settings.engine_limits.max_ongoing_requests == config.engine.max_ongoing_requests
    assert settings.gateway_limits.replicas == config.gateway.replicas
    assert AppSettings.model_validate(plain(settings)) == settings


def test_a_model_that_is_no_voter_is_refused() -> None:
    """An entry that proves an engine never sits in a panel."""
    config = configure(Wanted("cpu", None, ()))
    voter = config.voters[1].model_copy(update={"weights": "smollm2-135m-as-mistral"})
    with pytest.raises(ConfigurationError, match="is no voter"):
        lineages(config.model_copy(update={"voters": (voter,)}), load_catalog())
    unknown = voter.model_copy(update={"weights": "nothing"})
    with pytest.raises(ConfigurationError, match="no model 'nothing'"):
        lineages(config.model_copy(update={"voters": (unknown,)}), load_catalog())
