"""The command line: one line with the ports, control from another process, a clean end."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "models.protocol_servers"]
LINE = {"default": {"voter": "m1", "family": "f", "lineage": "l", "answers": [{"content": "Paris."}]}}


def arguments(folder: Path, protocol: str) -> list[str]:
    """Return a command line with answers and both keys in files."""
    for name, text in {"answers": json.dumps(LINE), "key": "sk-right\n", "control": "in charge\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    files = {"--answers": "answers", "--key-file": "key", "--control-key-file": "control"}
    return [
        *COMMAND,
        "--protocol",
        protocol,
        *(word for pair in files.items() for word in (pair[0], str(folder / pair[1]))),
    ]


def post(port: int, path: str, headers: dict[str, str], body: Any) -> Any:
    """Post JSON from this process to the other."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        return json.load(response)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_program_says_its_ports_takes_orders_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Another process reads the ports, asks, orders a fault, lifts it, and a signal ends the program with 0."""
    asked = {"model": "m1", "messages": [{"role": "user", "content": "hello"}]}
    key, control = {"Authorization": "Bearer sk-right"}, {"Authorization": "Bearer in charge"}
    with subprocess.Popen(arguments(tmp_path, "openai"), stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            assert (said["protocol"], said["models"]) == ("openai", ["m1"])
            assert (
                post(said["port"], "/v1/chat/completions", key, asked)["choices"][0]["message"]["content"] == "Paris."
            )
            post(said["control_port"], "/control", control, {"fault": "connection_refused"})
            with pytest.raises(urllib.error.URLError, match="refused"):
                post(said["port"], "/v1/chat/completions", key, asked)
            state = post(said["control_port"], "/control", control, {"fault": None})
            assert state["models"]["m1"]["received"] == 1
            assert post(said["port"], "/v1/chat/completions", key, asked)["id"].startswith("chatcmpl-")
            os.kill(server.pid, number)
            assert server.wait(10) == 0
            assert server.stdout.read() == ""
        finally:
            server.kill()


def test_unusable_files_end_it_with_2(tmp_path: Path) -> None:
    """Bad answers, an absent key file and an empty one are each named."""
    for name, text in (("answers", "nonsense"), ("key", None), ("control", " \n")):
        command = arguments(tmp_path, "gemini")
        (tmp_path / name).unlink() if text is None else (tmp_path / name).write_text(text)
        failed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        assert failed.returncode == 2
        assert str(tmp_path / name) in failed.stderr


def test_protocol_is_one_of_three(tmp_path: Path) -> None:
    """Another protocol is a usage error."""
    failed = subprocess.run(arguments(tmp_path, "telnet"), capture_output=True, text=True, check=False)  # noqa: S603
    assert failed.returncode == 2
    assert "anthropic" in failed.stderr
