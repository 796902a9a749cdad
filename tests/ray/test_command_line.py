"""The command line against a real node: exit codes, what is printed, what is refused."""

import contextlib
import json
import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest

from serve_apps.actors import NICENESS
from tests.ray.listening import answers, listeners, own_address
from tests.ray.waiting import until
from tests.ray.world import AGREED, BROKEN, DISAGREED, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def members(home: Path) -> dict[int, str]:
    """Return process id → command line of everything in the supervisor's session but itself."""
    leader = json.loads((home / "run" / "session.json").read_text())["pid"]
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z" and entry.name != str(leader):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except (OSError, IndexError, ValueError):
            continue
    return found


def test_the_log_is_recomputed_from_the_table(system: System) -> None:
    """Green while it is what was sealed, beside the running system."""
    assert system.weavergen("ask", AGREED).returncode == 0

    def size() -> int:
        verified = system.weavergen("log", "verify", "--json")
        assert verified.returncode == 0, verified.stdout
        found: dict[str, int] = json.loads(verified.stdout)
        assert found["whole"] == found["size"]
        return found["size"]

    before = size()
    assert system.weavergen("ask", AGREED).returncode == 0
    until(lambda: size() > before)


LASTING = (
    "/gcs_server ",
    "/raylet/raylet ",
    "ray::SpanProcess",
    "ray::HealthProcess",
    "ray::ServeController",
    "ray::ServeReplica",
)
"""What must outlive a second `up`: idle workers and jobs that have ended come and go by themselves."""


def lasting(home: Path) -> set[int]:
    """Return the process ids of everything that serves, and of nothing that only passes through."""
    found = {pid: command for pid, command in members(home).items() if any(name in command for name in LASTING)}
    assert all(any(name in command for command in found.values()) for name in LASTING), found
    return set(found)


def test_asking_and_verifying(system: System, tmp_path: Path) -> None:
    """An agreed answer exits 0 and its envelope verifies, fetched and offline; any changed byte does not."""
    asked = system.weavergen("ask", AGREED, "--json")
    assert asked.returncode == 0, asked.stderr
    body = json.loads(asked.stdout)
    assert body["choices"][0]["message"]["content"] in ("Paris", "The capital of France is Paris.")
    assert body["weavergen"]["log"]["status"] == "promised"
    saved = tmp_path / "decision.json"
    decision_id = body["weavergen"]["decision_id"]

    def included() -> bool:
        fetched = system.weavergen("verify", decision_id, "--save", str(saved), "--require-inclusion")
        assert fetched.stdout.splitlines()[-1] in ("inclusion: promised", "inclusion: included")
        return fetched.returncode == 0

    until(included)
    trust = str(system.home / "trust.json")
    offline = system.weavergen("verify", str(saved), "--trust", trust, "--home", str(tmp_path), "--require-inclusion")
    assert offline.returncode == 0, offline.stdout
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    saved.write_bytes(data)
    broken = system.weavergen("verify", str(saved), "--json")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["failed_step"]


@pytest.mark.parametrize("prompt", [DISAGREED, BROKEN])
def test_no_answer_is_exit_code_1_and_told_as_what_it_is(system: System, prompt: str) -> None:
    """Neither disagreement nor broken voters are dressed up."""
    asked = system.weavergen("ask", prompt, "--explain")
    assert asked.returncode == 1
    assert re.search(r"no_consensus|all_layers_failed", asked.stdout)


def test_an_audit_verifies_what_was_decided(system: System) -> None:
    """The job runs on the node under a readable id, takes in a decision just made, and leaves its report in the home."""
    asked = json.loads(system.weavergen("ask", AGREED, "--json").stdout)
    assert asked["weavergen"]["decision_id"]
    audited = system.weavergen("audit", "--hours", "1", "--json", timeout_s=240)
    assert audited.returncode == 0, audited.stderr
    report = json.loads(audited.stdout)
    assert report["results"]["answered"] >= 1
    assert report["inclusion"]["included"] >= 1
    assert set(report["inclusion"]) <= {"included", "promised"}
    assert (report["log"]["ok"], report["log"]["damage"]) == (True, [])
    assert re.fullmatch(r"audit-[0-9a-z]{26}", report["job"])
    assert json.loads((system.home / "reports" / f"{report['job']}.json").read_text())["ok"] is True
    left = system.weavergen("audit", "--detach", "--json", timeout_s=120)
    assert left.returncode == 0, left.stderr
    until(Path(json.loads(left.stdout)["report"]).exists, 120)


def test_bringing_up_again_changes_nothing(system: System) -> None:
    """The same `up` returns at once; another configuration is refused in one line, exit code 2."""
    config = (system.home / "config.yaml").read_bytes()
    port = system.base_url.rpartition(":")[2]
    answers = str(system.home.parent / "answers.jsonl")
    profile = str(system.home.parent / "profile.yaml")
    before = lasting(system.home)
    again = system.weavergen("up", "--profile", profile, "--answers", answers, "--port", port, "--json")
    assert (again.returncode, json.loads(again.stdout)["was_running"]) == (0, True)
    other = system.weavergen("up", "--profile", profile, "--answers", answers, "--port", str(int(port) - 1))
    assert other.returncode == 2
    assert len(other.stderr.strip().splitlines()) == 1
    assert "another configuration" in other.stderr
    assert (system.home / "config.yaml").read_bytes() == config
    assert before <= lasting(system.home)


def test_a_port_in_use_is_said_in_one_line(system: System, tmp_path: Path) -> None:
    """A second home on the same port is refused with exit code 2 before anything is started."""
    port = system.base_url.rpartition(":")[2]
    answers = str(system.home.parent / "answers.jsonl")
    refused = system.weavergen(
        "up", "--profile", "replay", "--answers", answers, "--port", port, "--home", str(tmp_path / "second")
    )
    assert refused.returncode == 2
    assert f"port {port} belongs to another home" in refused.stderr
    assert not (tmp_path / "second" / "run" / "session.json").exists()


def test_halting_and_resuming(system: System) -> None:
    """A halt stops the next answer; resuming needs the operator's key on this machine."""
    assert system.weavergen("halt", "--reason", "test").returncode == 0
    refused = system.weavergen("ask", AGREED)
    assert refused.returncode == 1
    assert "generation_halted" in refused.stdout
    away = system.operator_dir.rename(system.operator_dir.with_name("away"))
    assert system.weavergen("resume", "--reason", "test").returncode == 2
    away.rename(system.operator_dir)
    assert system.weavergen("resume", "--reason", "test").returncode == 0
    assert system.weavergen("ask", AGREED).returncode == 0


def test_isolating_and_readmitting(system: System) -> None:
    """An isolated voter shows as such; readmitting one that is not isolated is refused."""
    assert system.weavergen("isolate", "m3", "--reason", "test").returncode == 0
    shown = json.loads(system.weavergen("policy", "show", "--json").stdout)
    assert shown["voter_state"]["m3"] == "isolated"
    assert system.weavergen("readmit", "m3").returncode == 0
    assert system.weavergen("readmit", "m3").returncode == 1
    assert system.weavergen("isolate", "nobody", "--reason", "test").returncode == 1


def test_pinning_and_rolling_back_the_policy(system: System) -> None:
    """Both make a new version signed by the operator; rolling back brings an earlier version's content."""
    version = json.loads(system.weavergen("policy", "show", "--json").stdout)["version"]
    pinned = json.loads(system.weavergen("policy", "pin", "--reason", "test", "--json").stdout)
    assert pinned["version"] == version + 1
    back = json.loads(system.weavergen("policy", "rollback", "1", "--reason", "test", "--json").stdout)
    assert back["version"] == version + 2
    assert set(back["voter_state"].values()) == {"active"}
    assert system.weavergen("policy", "rollback", "999", "--reason", "test").returncode == 1


def test_a_revoked_key_is_refused_within_two_seconds(system: System, tmp_path: Path) -> None:
    """A new key works soon after it was made and not two seconds after it was revoked."""
    made = json.loads(system.weavergen("keys", "create", "--role", "client", "--json").stdout)
    key = tmp_path / "key"
    key.write_text(made["key"])

    def works() -> bool:
        return system.weavergen("ask", AGREED, "--key-file", str(key)).returncode == 0

    until(works, 10)
    assert system.weavergen("keys", "revoke", made["id"]).returncode == 0
    time_of_revocation = time.monotonic()
    until(lambda: not works(), 10)
    assert time.monotonic() - time_of_revocation < 6  # of which each attempt takes a second to start
    assert made["key"] not in system.weavergen("keys", "list", "--json").stdout


def test_status_tells_what_runs(system: System) -> None:
    """Supervisor, readiness, policy and voters are in the JSON; a home without a system is exit code 3."""
    told = json.loads(system.weavergen("status", "--json").stdout)
    assert told["supervisor"]["phase"] == "ready"
    assert [voter["id"] for voter in told["gateway"]["voters"]] == ["m1", "m2", "m3"]
    assert system.weavergen("down", "--home", str(system.home.parent / "none")).returncode == 3


def test_the_span_reader_that_dies_is_replaced(system: System) -> None:
    """Killing it stops no answer, and another one takes over."""
    (old,) = (pid for pid, line in members(system.home).items() if "SpanProcess" in line)
    os.kill(old, 9)
    assert system.weavergen("ask", AGREED).returncode == 0
    until(lambda: any("SpanProcess" in line and pid != old for pid, line in members(system.home).items()))


def niceness(pid: int) -> list[int]:
    """Return how nice each thread of a process is; nothing of one that has just ended."""
    try:
        tasks = (Path("/proc") / str(pid) / "task").iterdir()
        return [int((task / "stat").read_text().rpartition(")")[2].split()[16]) for task in tasks]
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_the_control_path_gives_way_to_requests(system: System) -> None:
    """What ingests, judges and seals, and what watches, is nicer than what answers, as soon as it has begun."""
    found = members(system.home)
    (answering,) = (max(niceness(pid)) for pid, line in found.items() if "ServeReplica" in line)

    def gives_way() -> bool:
        found = members(system.home)
        control = [pid for pid, line in found.items() if "SpanProcess" in line or "HealthProcess" in line]
        return [max(niceness(pid), default=None) for pid in control] == [min(19, answering + NICENESS)] * 2

    until(gives_way)


def test_everything_listens_on_loopback_but_the_replica_s_own_port(system: System) -> None:
    """Of all our processes' listeners one binds every interface: Serve's port between replicas, which Ray's token guards.

    From the machine's own address on the network no other is reached.
    """
    ours = listeners(members(system.home))
    assert str(urlsplit(system.base_url).port) in {str(listener.port) for listener in ours}
    open_to_all = [listener for listener in ours if not listener.on_loopback]
    assert [listener.name.startswith("ray::ServeReplica") for listener in open_to_all] == [True], open_to_all
    if address := own_address():
        reached = {listener.port for listener in ours if answers(address, listener.port)}
        assert reached == {open_to_all[0].port}
    token = (system.home / "keys" / "ray.token").read_text().strip()
    target = f"{address or '127.0.0.1'}:{open_to_all[0].port}"
    assert called(target, None) == called(target, "0" * 64) == grpc.StatusCode.UNAUTHENTICATED
    assert called(target, token) not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE)


def called(target: str, token: str | None) -> grpc.StatusCode:
    """Call a replica's gRPC port with a request it cannot read, and return how it refuses."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/ray.serve.ASGIService/HandleRequest")(b"", timeout=5, metadata=metadata)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def test_the_whole_node_comes_back_by_itself(system: System) -> None:
    """After kill -9 of everything but the supervisor it serves again, with none of the old processes left."""
    old = members(system.home)
    for pid in old:
        with contextlib.suppress(ProcessLookupError):  # it went with one before it
            os.kill(pid, 9)
    until(lambda: system.weavergen("ask", AGREED).returncode == 0, 240)
    assert not old.keys() & members(system.home).keys()
    incidents = json.loads(system.weavergen("status", "--json").stdout)
    assert incidents["supervisor"]["restarts"] >= 1
