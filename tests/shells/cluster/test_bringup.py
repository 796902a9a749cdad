"""What bring-up makes of the command line, before anything is started."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError, HomeError
from actors.spans.log.checkpoint import witness_keys
from cluster.application import app_settings, lineages
from cluster.bringup import (
    NotServing,
    Wanted,
    bring_down,
    bring_up,
    configure,
    ended_stuck,
    is_served,
    require_lineages,
    require_sealable,
    require_surroundings,
    running,
)
from cluster.config import Config, load_profile, plain, read_config
from cluster.deploy import app_file, read_application
from cluster.home import Home, create_home, open_home
from cluster.local_witnesses import local_witnesses
from cluster.port_hold import hold_port
from cluster.processes import process
from cluster.status import Status, gateway_url
from cluster.succession import policy_in_force
from cluster.trust import load_trust
from models.catalog import load_catalog
from models.processor import this_processors_dtype
from serve_apps.builder import AppSettings

NOT_CLOSED = "its engine is not closed off from the network"


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
    assert settings.gateway.degraded[0] == "root: co-located"
    shared = [line.partition(",")[0] for line in settings.gateway.degraded if "independence" in line]
    assert shared == [f"layer {name}: independence none" for name in ("backup", "emergency", "air-gapped")]
    assert settings.engine_limits.max_ongoing_requests == config.engine.max_ongoing_requests
    assert settings.gateway_limits.replicas == config.gateway.replicas
    assert AppSettings.model_validate(plain(settings)) == settings


@pytest.mark.parametrize(("why_open", "egress"), [("", "none"), ("no namespaces here", "open")])
def test_an_engine_that_cannot_be_closed_off_is_started_open_and_told(
    tmp_path: Path, why_open: str, egress: str
) -> None:
    """The one voter without egress is built closed off, or like the others; then every look at the system says why."""
    config, catalog = configure(Wanted("cpu", None, ())), load_catalog()
    models = {voter.id: tmp_path / voter.id for voter in config.voters}
    settings = app_settings(create_home(tmp_path / "home"), config, catalog, models, (), why_open)
    closed = [voter.id for voter in settings.voters if voter.sealed]
    assert closed == list(settings.gateway.closed) == (["qwen2.5-coder-0.5b"] if egress == "none" else [])
    told = [line for line in settings.gateway.degraded if "not closed off" in line]
    assert told == ([] if egress == "none" else [f"voter qwen2.5-coder-0.5b: {NOT_CLOSED}: no namespaces here"])


@pytest.mark.parametrize("name", ["cpu", "cloud"])
def test_a_machine_without_namespaces_is_refused_where_the_profile_says_so(name: str) -> None:
    """``refuse`` names the voter, the reason and the two ways out; ``tell`` goes on; else nobody asks.

    On several machines each engine proves itself where it runs.
    """
    config, asked = configure(Wanted(name, None, ())), []
    assert require_sealable(config, lambda: "") == ""
    if name == "cpu":
        assert require_sealable(config, lambda: "because") == "because"
    else:
        with pytest.raises(ConfigurationError, match=r"egress none .* because.*unsealed: tell"):
            require_sealable(config, lambda: "because")
    open_ones = config.model_copy(update={"voters": tuple(v for v in config.voters if v.egress == "open")})
    assert require_sealable(open_ones, lambda: asked.append("asked") or "because") == ""
    several = read_config(load_profile("cluster"), "cluster")
    assert require_sealable(several, lambda: asked.append("asked") or "because") == ""
    assert asked == []


@pytest.mark.parametrize(
    ("asked", "dtype"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("auto", this_processors_dtype())]
)
def test_engines_compute_in_what_the_profile_says(tmp_path: Path, asked: str, dtype: str) -> None:
    """``auto`` is what this machine's processor has instructions for."""
    config = configure(Wanted("cpu", None, ()))
    config = config.model_copy(update={"engine": config.engine.model_copy(update={"cpu_dtype": asked})})
    models = {voter.id: tmp_path / voter.id for voter in config.voters}
    settings = app_settings(create_home(tmp_path / "home"), config, load_catalog(), models, ())
    assert {voter.engine.engine_kwargs["dtype"] for voter in settings.voters} == {dtype}


def test_a_model_that_is_no_voter_is_refused() -> None:
    """An entry that proves an engine never sits in a panel."""
    config = configure(Wanted("cpu", None, ()))
    voter = config.voters[1].model_copy(update={"weights": "smollm2-135m-as-mistral"})
    with pytest.raises(ConfigurationError, match="is no voter"):
        lineages(config.model_copy(update={"voters": (voter,)}), load_catalog())
    unknown = voter.model_copy(update={"weights": "nothing"})
    with pytest.raises(ConfigurationError, match="no model 'nothing'"):
        lineages(config.model_copy(update={"voters": (unknown,)}), load_catalog())


def test_urls_of_ipv6_addresses_have_brackets() -> None:
    """A listener on every address is reached over loopback."""
    urls = {"::1": "http://[::1]:8000", "::": "http://[::1]:8000", "0.0.0.0": "http://127.0.0.1:8000"}  # noqa: S104
    for host, url in urls.items():
        assert gateway_url(read_config({"profile": "t", "gateway": {"host": host}}, "t")) == url


def test_more_lineages_than_there_are_is_refused_where_they_are_known() -> None:
    """Three members of two lineages cannot hold three."""
    voters = [{"id": v, "provider": "recorded", "family": "f", "lineage": li} for v, li in ("ax", "bx", "cy")]
    layers = [{"name": "p", "members": ["a", "b", "c"], "min_lineages": 3}]
    config = read_config({"profile": "t", "voters": voters, "layers": layers}, "t")
    with pytest.raises(ConfigurationError, match=r"layers\.0\.min_lineages: layer p asks for 3, its members have 2"):
        require_lineages(config, lineages(config, load_catalog()))


def test_what_the_machine_lacks_is_said_before_anything_starts(tmp_path: Path) -> None:
    """Engines of pool gpu need a GPU each on this machine, on a cluster they are the workers'; Ray needs its directory."""
    gpu = read_config(load_profile("gpu"), "gpu")
    with pytest.raises(ConfigurationError, match="3 engines of pool gpu need a GPU each and this machine shows 2"):
        require_surroundings(gpu, 2)
    require_surroundings(gpu, 3)
    require_surroundings(read_config(load_profile("cluster"), "cluster"), 0)
    missing = read_config({"profile": "t", "ray": {"temp_root": str(tmp_path / "none")}}, "t")
    with pytest.raises(ConfigurationError, match=r"ray\.temp_root: .* is no directory"):
        require_surroundings(missing, 0)


def test_application_and_configuration_belong_together(tmp_path: Path) -> None:
    """What was built from another configuration, or cannot be read, is not deployed."""
    home, catalog = create_home(tmp_path / "home"), load_catalog()
    config = configure(Wanted("replay", None, (answers(tmp_path, "m1", "m2"),)))
    settings = app_settings(home, config, catalog, {}, ())
    app_file(home).write_text(json.dumps(plain(settings)))
    assert read_application(home, config) == settings
    other = configure(Wanted("replay", 9001, (answers(tmp_path, "m1", "m2"),)))
    with pytest.raises(HomeError, match="of two configurations"):
        read_application(home, other)
    app_file(home).write_text("{")
    with pytest.raises(HomeError, match="weavergen up"):
        read_application(home, config)


def test_waiting_ends_where_it_is_of_no_use() -> None:
    """Ready means this very configuration; what waits for a person, and a restart after the other, is told with what to do."""
    config = read_config({"profile": "t"}, "t")
    ready = Status("ready", "", 0, 0.0, config.sha256, 8000)
    assert is_served(ready, config, str)
    assert not is_served(Status("starting", "", 0, 0.0, config.sha256, 8000), config, str)
    assert is_served(Status("ready", "", 9, 0.0, config.sha256, 8000), config, str)
    with pytest.raises(NotServing, match=r"another configuration.*weavergen down"):
        is_served(Status("ready", "", 0, 0.0, "f" * 64, 8000), config, str)
    with pytest.raises(NotServing, match=r"the log takes nothing.*by itself"):
        is_served(
            Status("degraded", "x", 0, 0.0, config.sha256, 8000, blocked=True), config, lambda: "the log takes nothing"
        )
    with pytest.raises(NotServing, match=r"5 times in a row: no space.*goes on trying"):
        is_served(Status("restarting", "no space", 5, 0.0, config.sha256, 8000), config, str)


class Quiet:
    """A reporter that remembers steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        """Remember."""
        self.steps.append(text)

    def progress(self, *_: object) -> None:
        """Ignore."""


HOLDER = """
import sys
from pathlib import Path
from cluster.home import open_home
with open_home(Path(sys.argv[1])).exclusively("up", 0, lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(home: Home) -> "subprocess.Popen[str]":
    """Return a process that holds the home's lock as `up` does."""
    holder = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", HOLDER, str(home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_down_ends_an_up_that_is_under_way(tmp_path: Path) -> None:
    """It names whose lock it is, ends exactly that process, and counts it."""
    home, reporter = create_home(tmp_path / "home"), Quiet()
    with hold(home) as holder:
        assert home.busy() == ("up", holder.pid)
        assert bring_down(home, reporter) == 1
        assert holder.wait(10) != 0
        assert f"ending `weavergen up` (process {holder.pid})" in reporter.steps
    assert process(holder.pid) is None
    assert home.busy() is None


def test_a_name_left_in_the_lock_is_nobody(tmp_path: Path) -> None:
    """An id that was left behind and may be another program's by now is not taken for the holder's."""
    home = create_home(tmp_path / "home")
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as stranger:
        (home.run / "up.lock").write_text(f"up {stranger.pid}")
        assert home.busy() is None


LEADER = """
import sys
from pathlib import Path
from cluster.processes import lead
lead(Path(sys.argv[1]))
print("leads", flush=True)
sys.stdin.read()
"""


def test_a_supervisor_that_stands_still_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes round is left alone; one whose last round was long ago is ended, and `up` goes on from there."""
    home, config, reporter = create_home(tmp_path / "home"), read_config({"profile": "t"}, "t"), Quiet()
    monkeypatch.setattr("cluster.bringup.time.sleep", lambda _: None)
    session = home.run / "session.json"
    command = [sys.executable, "-c", LEADER, str(session)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as leader:  # noqa: S603
        assert leader.stdout is not None
        assert leader.stdout.readline() == "leads\n"
        assert running(home)
        assert not ended_stuck(home, config, reporter)
        os.utime(session, (0, 0))
        assert ended_stuck(home, config, reporter)
        assert leader.wait(10) != 0
    assert not running(home)
    assert reporter.steps == ["the supervisor does not go round any more; replacing it"]


def test_a_key_that_is_promised_and_missing_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voter whose ``api_key_env`` is not set, or empty, is named with its variable; nobody is asked with an empty key."""
    voter = {
        "id": "v", "provider": "openai", "family": "f", "lineage": "l", "model": "m", "base_url": "http://127.0.0.1:9/v1",
        "api_key_env": "UPSTREAM_KEY",
    }  # fmt: skip
    config = read_config({"profile": "t", "voters": [voter]}, "t")
    home, catalog = create_home(tmp_path / "home"), load_catalog()
    for value in ("", " "):
        monkeypatch.setenv("UPSTREAM_KEY", value)
        with pytest.raises(ConfigurationError, match="voter v: the environment variable UPSTREAM_KEY"):
            app_settings(home, config, catalog, {}, ())
    monkeypatch.setenv("UPSTREAM_KEY", "s3cret")
    assert app_settings(home, config, catalog, {}, ()).gateway.servers[0].api_key_env == "UPSTREAM_KEY"


def test_a_password_of_redis_that_is_missing_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """The file is named; one that others can read is refused as well."""
    password = tmp_path / "password"
    redis = {"url": "redis://limits", "slots": 2, "first_slot": 0, "password_file": str(password)}
    config = read_config({"profile": "t", "voters": [], "admission": {"quotas": {"redis": redis}}}, "t")
    home, catalog = create_home(tmp_path / "home"), load_catalog()
    with pytest.raises(ConfigurationError, match=r"admission.quotas.redis: the file .*password .*cannot be read"):
        app_settings(home, config, catalog, {}, ())
    password.write_text("s3cret")
    password.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        app_settings(home, config, catalog, {}, ())
    password.chmod(0o600)
    assert "s3cret" not in app_settings(home, config, catalog, {}, ()).model_dump_json()


@dataclass
class Starts:
    """A home that comes up as far as the supervisor's start, which is only counted."""

    root: Path
    answers: Path
    port: int
    started: int = 0

    def up(self, quorum: float, reporter: Quiet | None = None, **more: object) -> Config:
        """Bring it up with a profile of one layer."""
        profile = self.root.parent / "mine.yaml"
        layer = {"name": "p", "members": ["m1", "m2"], "quorum": quorum}
        profile.write_text(json.dumps({"profile": "mine", "layers": [layer]} | more))
        return bring_up(self.root, Wanted(str(profile), self.port, (self.answers,)), reporter or Quiet())[1]

    @property
    def quorum(self) -> str:
        """Return what is in force."""
        home = open_home(self.root)
        current = policy_in_force(home, load_trust(home.trust_file), int(time.time()))
        assert current is not None
        return current.layers[0].quorum


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Return a home that was never up."""
    monkeypatch.setenv("WEAVERGEN_OPERATOR_DIR", str(tmp_path / "op"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        made = Starts(tmp_path / "home", answers(tmp_path, "m1", "m2"), free.getsockname()[1])

    def start(*_: object) -> None:
        made.started += 1

    monkeypatch.setattr("cluster.bringup.start_supervisor", start)
    monkeypatch.setattr("cluster.bringup.await_ready", lambda *_: None)
    return made


@pytest.mark.parametrize("step", ["resolve_weights", "app_settings"])
def test_a_bring_up_that_fails_has_loosened_nothing(starts: Starts, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Weights that cannot be had, or a voter's key that is missing, leave policy and configuration as they were."""
    config = starts.up(0.9)

    def fail(*_: object) -> None:
        raise ConfigurationError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(f"cluster.bringup.{step}", fail)
        with pytest.raises(ConfigurationError, match="no network"):
            starts.up(0.5)
    assert (starts.quorum, open_home(starts.root).read_config(), starts.started) == ("0.900000", config, 1)
    starts.up(0.5)
    assert (starts.quorum, starts.started) == ("0.500000", 2)


def test_root_certifies_the_witnesses_that_bring_up_makes(starts: Starts, tmp_path: Path) -> None:
    """Where its key is on this machine; where it is away they are made all the same, and what makes them count is told."""
    log, root = {"local_witnesses": 2}, tmp_path / "op" / "root.key"
    starts.up(0.6)
    root.rename(tmp_path / "root.key")
    away = Quiet()
    starts.up(0.6, away, log=log)
    (told,) = [step for step in away.steps if "does not count" in step]
    home = open_home(starts.root)
    made = [each.key for each in local_witnesses(home)]
    assert f"weavergen witnesses add {' '.join(made)}" in told
    assert witness_keys(load_trust(home.trust_file), int(time.time())) == []
    (tmp_path / "root.key").rename(root)
    here = Quiet()
    starts.up(0.6, here, log=log)
    assert [key.text for key in witness_keys(load_trust(home.trust_file), int(time.time()))] == made
    assert not [step for step in here.steps if "does not count" in step]


def test_an_engine_that_cannot_be_closed_off_stops_bring_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found out before anything is fetched or made."""
    monkeypatch.setattr("cluster.bringup.why_not", no_namespaces)
    monkeypatch.setattr("cluster.bringup.resolve_weights", None)
    profile = tmp_path / "p.yaml"
    profile.write_text("extends: cpu\nprofile: p\nengine: {unsealed: refuse}\n")
    with pytest.raises(ConfigurationError, match="egress none cannot be had here: no namespaces"):
        bring_up(tmp_path / "home", Wanted(str(profile), None, ()), Quiet())


def test_what_could_not_be_closed_off_is_what_is_deployed(
    starts: Starts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the profile takes it, the application is built with the engine open, and with the words that say so."""
    monkeypatch.setattr("cluster.bringup.why_not", no_namespaces)
    monkeypatch.setattr(
        "cluster.bringup.resolve_weights", lambda _home, config, *_: {v.id: tmp_path for v in config.voters}
    )
    home, config, _ = bring_up(starts.root, Wanted("cpu", starts.port, ()), Quiet())
    settings = read_application(home, config)
    assert not [voter.id for voter in settings.voters if voter.sealed]
    assert any(NOT_CLOSED in line for line in settings.gateway.degraded)


async def no_namespaces() -> str:
    """Say why no engine can be closed off."""
    return "no namespaces"


def test_a_port_that_another_home_holds_stops_bring_up(starts: Starts) -> None:
    """The claim is looked at before anything is made: HAProxy itself would share the port."""
    with hold_port(starts.port), pytest.raises(ConfigurationError, match="belongs to another home of yours"):
        starts.up(0.6)
    assert starts.started == 0
    assert not open_home(starts.root).trust_file.exists()
    starts.up(0.6)
    assert starts.started == 1


def test_a_running_home_of_another_build_is_to_be_run_down_first(
    starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it runs, a configuration that cannot be read says so; once it does not, the next bring-up replaces it."""
    config = starts.up(0.6)
    home = open_home(starts.root)
    home.config_file.write_text("removed: 1")
    with monkeypatch.context() as patch:
        patch.setattr("cluster.bringup.running", lambda _: True)
        patch.setattr("cluster.bringup.ended_stuck", lambda *_: False)
        with pytest.raises(ConfigurationError, match="run `weavergen down` first"):
            starts.up(0.6)
    starts.up(0.6)
    assert home.read_config() == config
