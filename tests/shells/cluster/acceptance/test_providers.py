"""A campaign's providers are real processes whose faults are ordered and whose calls are counted."""

from pathlib import Path

import aiohttp

from cluster.acceptance.providers import Provider, all_calls, provider
from cluster.acceptance.system import write_answers
from cluster.config import read_config


async def status(each: Provider, model: str) -> int:
    """Ask a model as a voter would; return the status."""
    headers = {"Authorization": f"Bearer {each.key_file.read_text()}"}
    body = {"model": model, "messages": [{"role": "user", "content": "?"}]}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{each.voters()[0]['base_url']}/chat/completions", json=body) as response,
    ):
        return response.status


async def test_faults_come_and_go_and_every_call_is_counted(tmp_path: Path) -> None:
    """One model fails as ordered, the other does not; both are counted, and the voters fit a profile."""
    answers = write_answers(tmp_path / "answers.jsonl", {"a": ["Paris"], "b": ["Paris"]})
    with provider("p", "openai", ("a", "b"), answers) as each:
        layers = [{"name": "primary", "members": ["a", "b"]}]
        assert len(read_config({"profile": "p", "voters": each.voters(), "layers": layers}, "profile").voters) == 2
        await each.order("unavailable", model="a")
        assert [await status(each, model) for model in ("a", "b")] == [503, 200]
        await each.order(None)
        assert await status(each, "a") == 200
        assert await all_calls([each]) == {"a": 2, "b": 1}
