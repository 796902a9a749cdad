"""What processes take is summed under the names that people read."""

from pathlib import Path

import pytest

from cluster.bench.footprint import RECORDED, Look, Phase, Taken, _profile, role, section, taken
from cluster.config import load_profile, read_config
from cluster.processes import Process

A, B, C = (Process(number, 1, 1) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ray::ServeReplica:weavergen:gateway.handle", "gateway replica"),
        ("ray::ServeReplica:weavergen:qwen2.5-coder-0.5b", "engine qwen2.5-coder-0.5b"),
        ("ray::SpanProcess", "SpanActor"),
        ("ray::HealthProcess", "HealthActor"),
        ("ray::ServeController.listen_for_change", "Serve controller"),
        ("/x/ray/core/src/ray/raylet/raylet --raylet_socket_name=y", "Ray: raylet"),
        ("/x/ray/core/src/ray/gcs/gcs_server --log_dir=y", "Ray: GCS"),
        ("/x/bin/python /x/ray/dashboard/agent.py --node-ip-address=y", "Ray: agents"),
        ("/x/bin/python /x/ray/dashboard/dashboard.py --host=y", "Ray: dashboard"),
        ("ray::HAProxyManager", "Serve proxy"),
        ("ray::IDLE", "Ray: idle worker"),
        ("ray::JobSupervisor", "Ray: other workers"),
        ("/x/bin/python -m models.sealed.inside 4237", "engine server, closed off"),
        ("/usr/bin/cat", "other"),
    ],
)
def test_a_title_goes_under_a_name(line: str, name: str) -> None:
    """The gateway is no engine, an actor of ours no idle worker."""
    assert role(line) == name


def test_what_was_there_at_both_looks_counts() -> None:
    """Processor time is what came between, memory what there is at the end; one that came or went counts for neither."""
    before = {A: Look("engine x", 10.0, 900.0), B: Look("SpanActor", 1.0, 90.0)}
    after = {A: Look("engine x", 40.0, 950.0), C: Look("engine x", 3.0, 70.0)}
    assert taken(before, after, 60.0) == {"engine x": Taken(1, 50.0, 950.0)}


def test_the_section_has_a_row_a_name_and_their_sum() -> None:
    """A name that one phase did not see is a dash there."""
    rest = Phase("at rest", 60.0, 0, 0, {"supervisor": Taken(1, 0.5, 40.0)})
    asked = Phase("asked", 60.0, 9, 1, {"supervisor": Taken(1, 1.0, 41.0), "HAProxy": Taken(2, 2.0, 10.0)})
    text = section([rest, asked], 200.0, {"processor": "p"})
    assert "| supervisor | 1 | 0.5 % | 40 | 1.0 % | 41 |" in text
    assert "| HAProxy | 2 | – | – | 2.0 % | 10 |" in text
    assert "| **all** | 3 | 0.5 % | 40 | 3.0 % | 51 |" in text
    assert "asked: 60 s, 9 answered, 1 failed" in text


def test_the_profile_that_is_measured_is_one_that_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ``cpu`` with one voter more, and the configuration takes it."""
    monkeypatch.setattr("cluster.bench.footprint.WORK", tmp_path)
    config = read_config(load_profile(str(_profile())), "footprint")
    shipped = read_config(load_profile("cpu"), "cpu")
    assert config.layers == shipped.layers
    assert [voter.id for voter in config.voters] == [*(voter.id for voter in shipped.voters), RECORDED]
