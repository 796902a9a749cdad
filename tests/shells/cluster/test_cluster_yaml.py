"""``cluster.yaml`` and the systemd unit, against what reads them."""

import configparser
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster.config import load_profile, read_config
from cluster.node import fixed_ports, shared_options
from models.catalog import load_catalog

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def described() -> dict[str, Any]:
    """Return the cluster's description."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return loaded


def test_every_node_has_what_closes_an_engine_off(described: dict[str, Any]) -> None:
    """The profile has engines without egress, and they run on any node, or not at all."""
    config = read_config(load_profile("cluster"), "cluster")
    assert "none" in {voter.egress for voter in config.voters}
    assert any("install -y bubblewrap" in command for command in described["setup_commands"])


def ray_schema() -> dict[str, Any]:
    """Return the schema that `ray up` checks with."""
    found = find_spec("ray")
    assert found is not None
    assert found.origin is not None
    loaded: dict[str, Any] = json.loads((Path(found.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    return loaded


def test_ray_accepts_it(described: dict[str, Any]) -> None:
    """It is valid by Ray's own schema, and a misspelt key would not be."""
    jsonschema.validate(described, ray_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(described | {"head_nodetype": "head"}, ray_schema())


def test_there_is_a_gpu_for_every_voter(described: dict[str, Any]) -> None:
    """The workers' accelerators are the kind and number that the profile's engines ask for."""
    workers = described["available_node_types"]["gpu"]
    config, catalog = read_config(load_profile("cluster"), "cluster"), load_catalog()
    engines = [catalog.entry(voter.catalog_id).gpu for voter in config.voters if voter.provider == "vllm"]
    assert len(engines) <= workers["max_workers"] <= described["max_workers"]
    for engine in engines:
        assert engine is not None
        assert f"accelerator_type:{engine.accelerator_type}" in workers["resources"]
    assert described["head_node_type"] == "head"


def test_head_and_workers_meet_at_one_port_with_one_token(described: dict[str, Any]) -> None:
    """Workers join the port that the head's profile opens, with the token file that both are given."""
    config = read_config(load_profile("cluster"), "cluster")
    (worker,) = described["worker_start_ray_commands"]
    assert config.ray.bind == "network"
    assert f"--address=$RAY_HEAD_IP:{fixed_ports(config.ray).gcs}" in worker.split()
    assert "RAY_AUTH_MODE=token" in worker
    assert any(mount.endswith("ray.token") and mount.strip("~") in worker for mount in described["file_mounts"])


def test_head_and_workers_keep_to_the_same_ports(described: dict[str, Any]) -> None:
    """Workers are told what the head tells itself, and the page that says whom to let in names the same range."""
    ray = read_config(load_profile("cluster"), "cluster").ray
    (worker,) = described["worker_start_ray_commands"]
    assert set(shared_options(fixed_ports(ray))) <= set(worker.split())
    assert f"ports {ray.port_range[0]}-{ray.port_range[-1]} of every node" in (ROOT / "cluster.yaml").read_text()


def test_the_unit_runs_the_supervisor_until_it_is_told_to_stop() -> None:
    """Systemd starts the module that exists, restarts it when it fails, lets `down` stand, and lets it end its own first."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read(ROOT / "cluster" / "weavergen.service")
    service = unit["Service"]
    module = re.search(r"-m (\S+)", service["ExecStart"])
    assert module is not None
    assert find_spec(module[1]) is not None
    assert (service["Restart"], service["KillMode"]) == ("on-failure", "mixed")
