"""What is measured: the upstreams, our gateway on Ray Serve, an empty application beside it, LiteLLM's proxy, Portkey's gateway.

Rules:
- Everything listens on loopback, runs one worker and refuses a wrong key. Portkey's gateway has no keys of its own: it
  passes the caller's on, and the upstream refuses it.
- The upstreams answer at once, what was recorded: a process a voter for us; the peers get the first.
- Our records, keys and log are real: ``up`` in a home of its own, which ``down`` ends.
"""

import http.client
import json
import secrets
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cluster.bench.load import Target
from cluster.bench.started import LOOPBACK, BenchError, free_port, listening, run, started
from cluster.client import read_key
from cluster.home import Home, open_home
from cluster.node import REPOSITORY, Node
from cluster.probes import http_status, parsed

PROMPT = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
VOTERS = ("voter-a", "voter-b", "voter-c")
CACHE = REPOSITORY / ".cache" / "bench"
UPSTREAM_KEY = "WG_BENCH_UPSTREAM_KEY"
"""Variable of ``up`` that holds the key of every upstream."""
_PORTKEY = Path(__file__).parent / "portkey"
_UP_WAIT_S = 300.0
_INSTALL_WAIT_S = 600.0
_START_WAIT_S = 180.0


def request(port: int, path: str, model: str, key: str, **headers: str) -> Target:
    """Return the request that every system gets, apart from model and key."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": PROMPT}]})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Target(f"http://{LOOPBACK}:{port}{path}", body, {"Authorization": f"Bearer {key}"} | named)


def completions(port: int, model: str, key: str, **headers: str) -> Target:
    """Return a chat completion request."""
    return request(port, "/v1/chat/completions", model, key, **headers)


def answer_of(target: Target, answers: Collection[str] = (ANSWER,)) -> dict[str, Any]:
    """Send one request and return its body; raise ``BenchError`` unless it is an answer that was recorded."""
    status, data = _send(target, target.headers)
    body = parsed(data)
    choices = body.get("choices") or [{}]
    if status != 200 or choices[0].get("message", {}).get("content") not in answers:
        raise BenchError(f"{target.url} answered with status {status}: {data[:300]!r}")
    return body


def require_refusal(target: Target) -> None:
    """Raise ``BenchError`` if the system answers somebody with a wrong key."""
    status, _ = _send(target, {**target.headers, "Authorization": "Bearer wrong"})
    if not 400 <= status < 500:
        raise BenchError(f"{target.url} answered a wrong key with status {status}")


def recordings() -> list[dict[str, Any]]:
    """Return the lines of recorded answers in which every voter says the same to everything."""
    return [
        {"default": {"voter": voter, "family": voter, "lineage": voter, "answers": [{"content": ANSWER}]}}
        for voter in VOTERS
    ]  # fmt: skip


@contextmanager
def upstreams(folder: Path, lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[int], str]]:
    """Run one server a voter with these recorded answers; yield their ports and the key they want."""
    key, key_file, answers = secrets.token_hex(16), folder / "upstream.key", folder / "answers.jsonl"
    key_file.touch(mode=0o600)
    key_file.write_text(key)
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ports = [free_port() for _ in VOTERS]
    with ExitStack() as stack:
        for port in ports:
            command = [
                sys.executable, "-m", "models.recorded_server", "--answers", str(answers), "--port", str(port),
                "--key-file", str(key_file),
            ]  # fmt: skip
            log = folder / f"upstream-{port}.log"
            stack.enter_context(started(command, log, listening(port), _START_WAIT_S))
        yield ports, key


@contextmanager
def our_gateway(folder: Path, settings: Mapping[str, Any], upstream_key: str) -> Iterator[tuple[Home, int, str]]:
    """Bring our system up by a profile, in a home of its own; yield home, port and client key."""
    port, profile, home = free_port(), folder / "bench.yaml", folder / "home"
    profile.write_text(yaml.safe_dump(dict(settings)))
    environment = {
        UPSTREAM_KEY: upstream_key,
        "WEAVERGEN_OPERATOR_DIR": str(folder / "operator"),
    }
    weavergen = [sys.executable, "-m", "cluster"]
    at_home = ["--home", str(home), "--json"]
    try:
        run(
            [*weavergen, "up", *at_home, "--profile", str(profile), "--port", str(port)],
            _UP_WAIT_S,
            environment,
            REPOSITORY,
        )
        opened = open_home(home)
        yield opened, port, read_key(opened.keys / "client.key")
    finally:
        if home.exists():
            run([*weavergen, "down", *at_home], _UP_WAIT_S, environment, REPOSITORY)


def profile_of(ports: list[int]) -> dict[str, Any]:
    """Return a profile with one ``openai`` voter a port, in one layer."""
    voters = [
        {
            "id": voter, "provider": "openai", "family": voter, "lineage": voter, "model": voter,
            "base_url": f"http://{LOOPBACK}:{port}/v1", "api_key_env": UPSTREAM_KEY,
        }
        for voter, port in zip(VOTERS, ports, strict=True)
    ]  # fmt: skip
    layers = [{"name": "primary", "members": list(VOTERS)}]
    return {"profile": "bench", "demo": False, "voters": voters, "layers": layers}


def deploy_empty(home: Home) -> str:
    """Deploy an application that does nothing behind the same ingress; return its path."""
    environment = Node(home, home.read_config()).environment()
    command = [sys.executable, "-m", "cluster.bench.empty", "--home", str(home.root)]
    return run(command, _UP_WAIT_S, environment, REPOSITORY).splitlines()[-1]


def verify(home: Home, decision_id: str) -> None:
    """Raise ``BenchError`` unless the decision's record verifies."""
    run([sys.executable, "-m", "cluster", "verify", decision_id, "--home", str(home.root)], 60.0, None, REPOSITORY)


@contextmanager
def litellm(folder: Path, upstream_port: int, upstream_key: str) -> Iterator[Target]:
    """Run LiteLLM's proxy; yield the request it passes through."""
    program = CACHE / "litellm" / "bin" / "litellm"
    if not program.exists():
        raise BenchError("LiteLLM is not installed; run `make bench`, which does that")
    port, key, config = free_port(), f"sk-{secrets.token_hex(16)}", folder / "litellm.yaml"
    model = {
        "model_name": VOTERS[0],
        "litellm_params": {
            "model": f"openai/{VOTERS[0]}", "api_base": f"http://{LOOPBACK}:{upstream_port}/v1", "api_key": upstream_key,
        },
    }  # fmt: skip
    config.touch(mode=0o600)
    config.write_text(yaml.safe_dump({"model_list": [model], "general_settings": {"master_key": key}}))
    command = [
        str(program), "--config", str(config), "--host", LOOPBACK, "--port", str(port), "--num_workers", "1",
        "--telemetry", "False",
    ]  # fmt: skip
    alive = f"http://{LOOPBACK}:{port}/health/liveliness"
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with started(command, folder / "litellm.log", lambda: http_status(alive) == 200, _START_WAIT_S, quiet):
        yield completions(port, VOTERS[0], key)


@contextmanager
def portkey(folder: Path, upstream_port: int, upstream_key: str) -> Iterator[Target]:
    """Run Portkey's gateway; yield the request it passes through."""
    node = shutil.which("node")
    if node is None:
        raise BenchError("node is not installed (Debian: apt-get install nodejs npm)")
    built = _install_portkey() / "build" / "start-server.js"
    port = free_port()
    command = [node, "--require", str(_PORTKEY / "loopback.cjs"), str(built), f"--port={port}", "--headless"]
    headers = {"x_portkey_provider": "openai", "x_portkey_custom_host": f"http://{LOOPBACK}:{upstream_port}/v1"}
    production = {"NODE_ENV": "production"}
    with started(command, folder / "portkey.log", listening(port), _START_WAIT_S, production):
        yield completions(port, VOTERS[0], upstream_key, **headers)


def _install_portkey() -> Path:
    """Install the pinned gateway unless it is there; return its folder."""
    npm, place, lock = shutil.which("npm"), CACHE / "portkey", _PORTKEY / "package-lock.json"
    package = place / "node_modules" / "@portkey-ai" / "gateway"
    stamp = place / ".installed"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return package
    if npm is None:
        raise BenchError("npm is not installed (Debian: apt-get install npm)")
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PORTKEY / name, place / name)
    run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], _INSTALL_WAIT_S, None, place)
    shutil.copy(lock, stamp)
    return package


def _send(target: Target, headers: Any) -> tuple[int, bytes]:  # noqa: ANN401 - a mapping of names to values
    parts = urlsplit(target.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.request("POST", parts.path, target.body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()
    except OSError as error:
        return 0, str(error).encode()
    finally:
        connection.close()
