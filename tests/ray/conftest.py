"""One real node a session: ``up --profile replay`` on free ports in a home of its own, without models."""

import json
from collections.abc import Iterator

import pytest

from tests.ray.world import PROFILE, UP_S, System, free_port, logs, script


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Bring a system up for the session, and down at its end."""
    folder = tmp_path_factory.mktemp("system")
    answers = folder / "answers.jsonl"
    answers.write_text("\n".join(map(json.dumps, script())))
    profile = folder / "profile.yaml"
    profile.write_text(PROFILE)
    port = free_port()
    running = System(folder / "home", f"http://127.0.0.1:{port}", "", "", folder / "operator")
    try:
        up = running.weavergen(
            "up", "--profile", str(profile), "--answers", str(answers), "--port", str(port), timeout_s=UP_S
        )
        assert up.returncode == 0, up.stderr + logs(running.home)
        keys = {name: (running.home / "keys" / f"{name}.key").read_text() for name in ("client", "operator")}
        yield System(running.home, running.base_url, keys["client"], keys["operator"], running.operator_dir)
    finally:
        down = running.weavergen("down", timeout_s=120)
        assert down.returncode in (0, 3), down.stderr
