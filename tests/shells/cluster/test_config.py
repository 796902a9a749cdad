"""The configuration tree: what is refused, how it is said, what the digest covers."""

from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import ConfigurationError
from cluster.config import PROFILES, AnswersFile, Config, load_profile, plain, read_config, with_recorded
from cluster.strict_yaml import parse_yaml

MINIMAL: dict[str, Any] = {
    "profile": "test",
    "voters": [{"id": "a", "provider": "vllm"}, {"id": "b", "provider": "vllm"}],
    "layers": [{"name": "primary", "members": ["a", "b"]}],
}


def changed(**sections: Any) -> dict[str, Any]:
    """Return a good configuration with sections replaced."""
    return MINIMAL | sections


@pytest.mark.parametrize("name", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_every_shipped_profile_is_valid(name: str) -> None:
    """What ships is accepted by the checks it ships with, under its own name."""
    assert read_config(load_profile(name), name).profile == name


def test_the_cpu_profiles_first_layer_is_of_three_families() -> None:
    """It needs two lineages and more than half of three voters; three layers behind it share them."""
    config = read_config(load_profile("cpu"), "cpu")
    layer = config.layers[0]
    assert [one.name for one in config.layers] == ["primary", "backup", "emergency", "air-gapped"]
    assert (layer.quorum, layer.min_lineages) == (0.55, 2)
    assert set(layer.members) == {voter.id for voter in config.voters}
    assert config.logical_cpus == 6


@pytest.mark.parametrize("name", ["cloud", "gpu"])
def test_the_seeds_layers_ship(name: str) -> None:
    """Primary and backup share no lineage with each other; the last two are local models, the last of them one alone."""
    config = read_config(load_profile(name), name)
    voters = {voter.id: voter for voter in config.voters}
    assert [layer.name for layer in config.layers] == ["primary", "backup", "emergency", "air-gapped"]
    primary, backup, emergency, alone = ([voters[member] for member in layer.members] for layer in config.layers)
    assert {voter.provider for voter in primary} == {"openai", "anthropic", "vllm"}
    assert "gemini" in {voter.provider for voter in backup}
    assert not {voter.id for voter in primary} & {voter.id for voter in backup}
    assert {voter.provider for voter in (*emergency, *alone)} == {"vllm"}
    assert (len(emergency), len(alone)) == (2, 1)
    assert all(voter.price is not None and voter.api_key_env for voter in config.voters if voter.provider != "vllm")


@pytest.mark.parametrize("name", ["cloud", "cpu", "gpu"])
def test_the_air_gapped_layer_ships_closed(name: str) -> None:
    """Its voters are local engines without egress; only the profile that has to start anywhere starts them open."""
    config = read_config(load_profile(name), name)
    members = set(config.layers[-1].members)
    assert {voter.egress for voter in config.voters if voter.id in members} == {"none"}
    assert config.engine.unsealed == ("tell" if name == "cpu" else "refuse")


def test_open_engines_are_told_of_on_one_machine_alone() -> None:
    """Of several nobody knows at `up` where an engine would run open."""
    sections = {"ray": {"bind": "network"}, "engine": {"unsealed": "tell"}}
    with pytest.raises(ConfigurationError, match="unsealed: tell is for one machine"):
        read_config(changed(**sections), "p")
    assert read_config(changed(engine={"unsealed": "tell"}), "p").engine.unsealed == "tell"


@pytest.mark.parametrize(
    "voter",
    [
        {"id": "a", "provider": "vllm"},
        {"id": "a", "provider": "openai", "base_url": "http://h/v1", "model": "m", "family": "f", "lineage": "l"},
    ],
)
def test_an_air_gapped_layer_takes_nobody_with_a_network(voter: dict[str, Any]) -> None:
    """Neither a local engine that is not closed off nor any server; the complaint says what to set."""
    layer = {"name": "air-gapped", "members": ["a"], "min_lineages": 1}
    with pytest.raises(ConfigurationError, match="set egress: none for a, or name the layer otherwise"):
        read_config(changed(voters=[voter], layers=[layer]), "p")
    closed = {"id": "a", "provider": "vllm", "egress": "none"}
    assert read_config(changed(voters=[closed], layers=[layer]), "p").layers[0].name == "air-gapped"


def test_spending_is_capped_only_where_it_can_be() -> None:
    """A price without a cap would mean nothing; under a cap a cloud provider's voter needs one, as does whatever takes a key."""
    voter = {"id": "a", "provider": "anthropic", "model": "m", "family": "f", "lineage": "l"}
    price, capped = {"input_usd": 1, "output_usd": 2}, {"spend_per_day_usd": 1}
    server = voter | {"provider": "openai", "base_url": "http://127.0.0.1:9/v1"}
    for sections, complaint in (
        ({"voters": [voter | {"price": price}]}, "voters.0.price: would mean nothing"),
        ({"voters": [voter], "budgets": capped}, "voters.0.price: a day's spending is capped"),
        (
            {"voters": [server | {"api_key_env": "KEY"}], "budgets": capped},
            "say what its tokens cost, 0 where they are free",
        ),
        (
            {"voters": [server | {"api_key_file": "/key"}], "budgets": capped},
            "voters.0.price: a day's spending is capped",
        ),
    ):
        with pytest.raises(ConfigurationError, match=complaint):
            read_config({"profile": "p", **sections}, "p")
    assert read_config({"profile": "p", "voters": [server], "budgets": capped}, "p").voters[0].price is None


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ({"gatway": {}}, "unknown key gatway; did you mean gateway?"),
        ({"gateway": {"prot": 1}}, "unknown key gateway.prot; did you mean port?"),
        ({"layers": [{"name": "p", "member": ["a"]}]}, "unknown key layers.0.member; did you mean members?"),
        ({"gateway": {"port": 80}}, "gateway.port: Input should be greater than or equal to 1024"),
        ({"layers": [{"name": "p", "members": ["a", "x"]}]}, "layer p names unknown voters: x"),
        ({"layers": [{"name": "p", "members": ["a", "b"]}] * 2}, "layers are named once each"),
        ({"voters": MINIMAL["voters"] * 2}, "voters are named once each"),
        ({"layers": [{"name": "p", "members": ["a"], "quorum": 0}]}, "layers.0.quorum: Input should be greater than 0"),
        ({"thresholds": {"similarity": 2}}, "thresholds lie between 0 and 1"),
        ({"thresholds": {"min_gap": -0.1}}, "thresholds lie between 0 and 1"),
        ({"thresholds": {"min_gab": 0.1}}, "unknown key thresholds.min_gab; did you mean min_gap?"),
        ({"calibration": {"direct": {"error": 0.1, "source": "x"}}}, "calibration.direct"),
        (
            {"calibration": {"strict": {"error": 5, "source": "x"}}},
            "calibration.strict.error: Input should be less than",
        ),
        ({"calibration": {"strict": {"error": 0.1}}}, "calibration.strict.source: Field required"),
        (
            {"admission": {"quotas": {"redis": {"url": "redis://a", "slots": 2, "first_slot": 1}}}},
            "admission.quotas.redis.slots is at least 3: first_slot and this home's",
        ),
        (
            {"admission": {"quotas": {"redis": {"url": "redis://:secret@a", "slots": 9, "first_slot": 1}}}},
            "admission.quotas.redis.url: no user, password, query or fragment belongs into it",
        ),
        (
            {
                "admission": {
                    "quotas": {
                        "redis": {"url": "redis://a", "slots": 9, "first_slot": 1, "password_env": "RAY_PASSWORD"}
                    }
                }
            },
            "RAY_PASSWORD does not reach the replicas",
        ),
        ({"consensus": {"max_concurrent": 400}}, "gateway.max_ongoing_requests is at least 592"),
        ({"idempotency": {"max_answer_bytes": 1024}}, "idempotency.max_answer_bytes is at least 393216"),
        ({"consensus": {"max_answer_bytes": 1_000_000}}, "idempotency.max_answer_bytes is at least 1131072"),
        ({"idempotency": {"lease_s": 5}}, "idempotency: lease_s (5) is at least 3 times timeout_s (2)"),
        ({"idempotency": {"max_kept_bytes": 1_048_603}}, "idempotency: max_kept_bytes is at least 1048604"),
        ({"idempotency": {"keep_h": 24}}, "unknown key idempotency.keep_h; did you mean keep_s?"),
        ({"gateway": {"request_timeout_s": 1}}, "gateway.request_timeout_s is shorter than consensus.max_deadline_ms"),
        ({"spans": {"ingest_poll_ms": 30_000}}, "supervisor.control_silent_s is at least 60: two ticks"),
        ({"ray": {"logical_cpus": 3}}, "the deployments take 3 and one stays free for jobs"),
        ({"voters": [{"id": "a", "provider": "vllm", "model": "x"}]}, "model would mean nothing to a vllm voter"),
        ({"voters": [{"id": "a", "provider": "openai"}]}, "an openai voter needs base_url"),
        ({"voters": [{"id": "a", "provider": "vllm", "revision": "x"}]}, "revision and sha256 pin weights together"),
    ],
)
def test_what_is_wrong_is_refused_by_its_path(sections: dict[str, Any], complaint: str) -> None:
    """Each mistake is one line that names the key and, for a misspelt one, what was probably meant."""
    with pytest.raises(ConfigurationError) as caught:
        read_config(changed(**sections), "profile")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_is_refused() -> None:
    """YAML would silently take the last one."""
    with pytest.raises(ConfigurationError, match="stands twice"):
        parse_yaml("profile: a\nprofile: b\n", "x")


@pytest.mark.parametrize("text", ["- a\n", "", "a: [1\n", "!!python/object/apply:os.system ['true']\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    """A list, nothing, broken YAML and YAML that would run code are configuration errors."""
    with pytest.raises(ConfigurationError):
        parse_yaml(text, "x")


def test_an_unknown_profile_names_those_there_are() -> None:
    """The message lists the profiles that ship."""
    with pytest.raises(ConfigurationError, match="there are cloud, cluster, cpu, gpu, replay"):
        load_profile("cup")


def test_the_digest_covers_every_value_and_no_order() -> None:
    """Any other value gives another digest; the order of keys does not."""
    config = read_config(MINIMAL, "x")
    assert read_config(dict(reversed(MINIMAL.items())), "x").sha256 == config.sha256
    assert read_config(changed(gateway={"port": 8001}), "x").sha256 != config.sha256


def test_secrets_are_in_no_digest_but_survive_being_kept() -> None:
    """The digest is the same for another secret, and what is kept reads back as the same configuration."""
    hook = {"url": "http://127.0.0.1:9/", "secret": "s" * 16}
    config = read_config(changed(store={"webhook": hook}), "x")
    other = read_config(changed(store={"webhook": hook | {"secret": "t" * 16}}), "x")
    assert config.sha256 == other.sha256
    assert b"ssss" not in config.canonical
    assert "ssss" not in repr(config)
    assert read_config(plain(config), "x") == config


def test_recorded_voters_take_the_place_of_the_profile_s() -> None:
    """Without layers of its own, a profile gets one layer of all recorded voters."""
    files = [AnswersFile(path=Path("/a"), sha256="0" * 64)]
    three = [("m1", "f1", "l1"), ("m2", "f2", "l2"), ("m3", "f3", "l2")]
    config = read_config(with_recorded({"profile": "replay"}, three, files), "x")
    assert [voter.id for voter in config.voters] == ["m1", "m2", "m3"]
    assert config.layers[0].members == ("m1", "m2", "m3")
    assert config.layers[0].min_lineages == 2


def test_one_recorded_lineage_asks_for_no_second_one() -> None:
    """A file of a single lineage can still be replayed; its one layer then asks for one."""
    config = read_config(with_recorded({"profile": "replay"}, [("m1", "f", "l")], []), "x")
    assert config.layers[0].min_lineages == 1


def test_the_tree_cannot_be_changed() -> None:
    """Configuration is frozen once read."""
    config = read_config(MINIMAL, "x")
    with pytest.raises(ValueError, match="frozen"):
        config.profile = "other"  # type: ignore[misc]
    assert isinstance(config, Config)


def test_a_profile_may_extend_one_that_ships(tmp_path: Path) -> None:
    """Sections are laid over key by key, lists as wholes; extending something else is refused."""
    file = tmp_path / "mine.yaml"
    file.write_text("extends: cpu\nprofile: mine\ngateway: {port: 9001}\nengine: {threads: 1}\n")
    config = read_config(load_profile(str(file)), "mine")
    assert (config.profile, config.gateway.port, config.engine.threads) == ("mine", 9001, 1)
    assert len(config.voters) == 3
    assert load_profile("cluster")["engine"] == load_profile("gpu")["engine"]
    file.write_text("extends: ../cpu\n")
    with pytest.raises(ConfigurationError, match="no profile that ships"):
        load_profile(str(file))


OPENAI: dict[str, Any] = {
    "id": "a", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m", "family": "f", "lineage": "l",
}  # fmt: skip
RECORDED: dict[str, Any] = {"id": "a", "provider": "recorded", "family": "f", "lineage": "l"}
VLLM: dict[str, Any] = {"id": "a", "provider": "vllm"}


def layer(**changes: Any) -> dict[str, Any]:
    """Return a section of one layer."""
    return {"layers": [{"name": "primary", "members": ["a", "b"]} | changes]}


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        (layer(time_share=0.5), "layers.0: time_share: there is one layer"),
        (layer(min_lineages=3), "layers.0: min_lineages: 3 lineages of 2 members"),
        (layer(members=["a", "a", "b"]), "layers.0: members: a is named twice"),
        ({"thresholds": {"similarty": 0.9}}, "unknown key thresholds.similarty; did you mean similarity?"),
        ({"thresholds": {"other": 0.9}}, "unknown key thresholds.other"),
        ({"voters": [OPENAI | {"weights": "x"}]}, "voters.0: weights would mean nothing to an openai voter"),
        ({"voters": [OPENAI | {"pool": "gpu"}]}, "voters.0: pool would mean nothing to an openai voter"),
        ({"voters": [OPENAI | {"revision": "x", "sha256": "0" * 64}]}, "revision, sha256 would mean nothing"),
        ({"voters": [OPENAI | {"api_version": "x"}]}, "voters.0: api_version would mean nothing to an openai voter"),
        ({"voters": [OPENAI | {"stall_s": 3}]}, "voters.0: first_token_s and stall_s bound a streamed answer"),
        ({"voters": [OPENAI | {"api_key_env": "A", "api_key_file": "b"}]}, "voters.0: api_key_env and api_key_file"),
        ({"voters": [{"id": "a", "provider": "gemini"}]}, "voters.0: a gemini voter needs model, family, lineage"),
        ({"voters": [RECORDED | {"weights": "x"}]}, "voters.0: weights would mean nothing to a recorded voter"),
        ({"voters": [RECORDED | {"base_url": "http://a/"}]}, "base_url would mean nothing to a recorded voter"),
        ({"voters": [VLLM | {"context_tokens": 4096}]}, "voters.0: context_tokens would mean nothing to a vllm voter"),
        ({"voters": [VLLM | {"api_key_env": "KEY"}]}, "voters.0: api_key_env would mean nothing to a vllm voter"),
        ({"voters": [OPENAI | {"base_url": "127.0.0.1:9"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"base_url": "ftp://a/v1"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"base_url": "http://"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"base_url": "http://a b/v1"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"base_url": "http://a:port/v1"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"base_url": "http://::1:9/v1"}]}, "stands in brackets"),
        ({"voters": [OPENAI | {"base_url": "http://user:secret@a/v1"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"base_url": "http://a/v1?key=secret"}]}, "voters.0.base_url: "),
        ({"voters": [OPENAI | {"api_key_env": "WEAVERGEN_KEY"}]}, "voters.0.api_key_env: WEAVERGEN_KEY does not reach"),
        ({"voters": [OPENAI | {"api_key_env": "RAY_KEY"}]}, "voters.0.api_key_env: RAY_KEY does not reach"),
        ({"voters": [OPENAI | {"api_key_env": "sk-123"}]}, "voters.0.api_key_env: "),
        ({"gateway": {"port": 19_500}, "ray": {"bind": "network"}}, "gateway.port: 1000 ports from ray.first_port"),
        ({"ray": {"bind": "network", "gcs_port": 19_005}}, "gcs_port: of the 1000"),
        ({"gateway": {"host": ""}}, "gateway.host: "),
        ({"gateway": {"host": "no such host"}}, "gateway.host: "),
        ({"gateway": {"host": "[::1]"}}, "gateway.host: "),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused(sections: dict[str, Any], complaint: str) -> None:
    """A setting that nobody would read, or that could never work, is a mistake that is said at once, in one line."""
    with pytest.raises(ConfigurationError) as caught:
        read_config(changed(**sections), "profile")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_means_something_is_accepted() -> None:
    """Addresses with brackets, every kind of voter with its own settings, the thresholds that are read."""
    voters = [
        OPENAI | {"base_url": "https://[::1]:9/v1", "api_key_env": "UPSTREAM_KEY", "context_tokens": 4096},
        RECORDED | {"id": "b"},
        VLLM | {"id": "c", "weights": "x", "pool": "gpu", "revision": "r", "sha256": "0" * 64},
    ]
    thresholds = {"similarity": 0.9, "min_gap": 0.2, "min_correlation": 0.3}
    calibration = {"strict": {"error": 0.05, "source": "measured"}}
    config = read_config(
        changed(voters=voters, thresholds=thresholds, calibration=calibration, gateway={"host": "::1"}), "x"
    )
    assert read_config(plain(config), "x") == config


def test_a_profile_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a configuration error, not a traceback."""
    (tmp_path / "p.yaml").write_bytes(b"profile: \xff\xfe")
    with pytest.raises(ConfigurationError, match=r"p\.yaml cannot be read"):
        load_profile(str(tmp_path / "p.yaml"))
