"""The real models in real engines: every voter of the cpu profile answers, and a Mistral-class engine computes Llama's tokens.

Weights are resolved as ``up`` resolves them (shared through WEAVERGEN_MODELS_DIR or the default home), and each engine
runs in a process of its own, two at a time: most of a start is one thread's work.
"""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.engine import engine_settings
from models.weights import allows_hub, models_dir_of, resolve

pytestmark = [
    pytest.mark.weights,
    pytest.mark.timeout(1500),  # the first run downloads and converts
]

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 300
AT_A_TIME = 2
QUESTION = "What is the capital of France? Answer in one short sentence."
PROMPTS = ["The capital of France is", "def is_prime(n):\n", "Once upon a time there was"]

DRIVER = """
import json, sys

def main():
    from vllm import LLM, SamplingParams
    settings = json.loads(sys.argv[1])
    llm = LLM(model=settings["model_path"], **settings["engine_kwargs"])
    greedy = SamplingParams(temperature=0, max_tokens=32, stop=settings["stop"])
    chat = llm.chat([{"role": "user", "content": sys.argv[2]}], greedy, use_tqdm=False)
    texts = llm.generate(json.loads(sys.argv[3]), SamplingParams(temperature=0, max_tokens=32), use_tqdm=False)
    result = {
        "answer": chat[0].outputs[0].text,
        "prompt_token_ids": list(chat[0].prompt_token_ids),
        "tokens": [list(t.outputs[0].token_ids) for t in texts],
        "architecture": llm.llm_engine.model_config.architectures[0],
        "tokenizer": [base.__name__ for base in type(llm.get_tokenizer()).__mro__],
    }
    print("RESULT " + json.dumps(result), flush=True)

if __name__ == "__main__":
    main()
"""


def run_engine(name: str, script: Path) -> dict[str, Any]:
    """Run one engine to the end of its process group and return what it said."""
    models_dir = models_dir_of(Path(os.environ.get("WEAVERGEN_HOME") or ROOT / "var"), os.environ)
    entry = load_catalog().entry(name)
    path = resolve(entry, models_dir, lambda *_: None, allow_hub=allows_hub(os.environ))
    settings = engine_settings(entry, path, "cpu")
    child = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, str(script), settings.model_dump_json(), QUESTION, json.dumps(PROMPTS)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, **settings.env, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},  # one process to start, not two
    )  # fmt: skip
    try:
        output, _ = child.communicate(timeout=TIMEOUT_S)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    results = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    assert results, output[-3000:]
    return json.loads(results[0])


@pytest.fixture(scope="session")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what each CPU engine of the catalogue said."""
    pytest.importorskip("vllm")
    directory = tmp_path_factory.mktemp("engines")
    script = directory / "engine.py"  # a file, because the engine's own processes are spawned from it
    script.write_text(DRIVER, encoding="utf-8")
    names = [name for name, entry in load_catalog().entries.items() if entry.cpu]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(names, pool.map(lambda name: run_engine(name, script), names), strict=True))


def test_every_cpu_engine_runs_its_class(said: dict[str, dict[str, Any]]) -> None:
    """VLLM runs each entry in the architecture the catalogue names."""
    entries = load_catalog().entries
    assert {name: result["architecture"] for name, result in said.items()} == {n: entries[n].architecture for n in said}


def test_every_cpu_voter_knows_the_capital_of_france(said: dict[str, dict[str, Any]]) -> None:
    """Converted weights, tokenizer and chat template work together: all three voters answer."""
    voters = [name for name in said if load_catalog().entries[name].is_voter]
    assert len(voters) == 3
    for name in voters:
        assert "Paris" in said[name]["answer"], (name, said[name]["answer"])


def test_base_model_is_asked_after_one_begin_token(said: dict[str, dict[str, Any]]) -> None:
    """Gemma's prompt starts with <bos>, once, and its answer stops before it asks itself the next question."""
    result = said["gemma-3-270m"]
    assert result["prompt_token_ids"].count(2) == 1
    assert result["prompt_token_ids"][0] == 2
    assert "Q:" not in result["answer"]


def test_no_tokenizer_is_built_anew_from_its_parts(said: dict[str, dict[str, Any]]) -> None:
    """Gemma's own class keeps 262,144 tokens twice and makes every engine's start seconds longer; no class reads faster."""
    assert "TokenizersBackend" in said["gemma-3-270m"]["tokenizer"]
    assert "GemmaTokenizer" not in said["gemma-3-270m"]["tokenizer"]


def test_mistral_engine_computes_the_llama_engines_tokens(said: dict[str, dict[str, Any]]) -> None:
    """On the same weights both classes produce the same greedy tokens: the Mistral path is real."""
    llama, mistral = said["smollm2-135m-instruct"], said["smollm2-135m-as-mistral"]
    assert len(llama["tokens"]) == len(PROMPTS)
    assert sum(len(tokens) for tokens in llama["tokens"]) > 40
    assert mistral["tokens"] == llama["tokens"]
    assert mistral["answer"] == llama["answer"]
