"""The real models in real engines: every voter of the cpu profile answers, and a Mistral-class engine computes Llama's tokens.

Most of an engine's start is importing vLLM, so that is done once: each engine runs in a fork of the process that did it, two
at a time, for the rest is mostly one thread's work.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from models.catalog import CatalogEntry, load_catalog
from models.engine import EngineSettings, engine_settings
from tests.engines.catalogue import weights_of
from tests.engines.child import run_child

pytestmark = [
    pytest.mark.weights,
    pytest.mark.timeout(1500),  # the first run downloads and converts
]

TIMEOUT_S = 900
AT_A_TIME = 2
QUESTION = "What is the capital of France? Answer in one short sentence."
PROMPTS = ["The capital of France is", "def is_prime(n):\n", "Once upon a time there was"]

DRIVER = """
import json, os, sys

def answered(settings, question, prompts):
    llm = LLM(model=settings["model_path"], **settings["engine_kwargs"])
    greedy = SamplingParams(temperature=0, max_tokens=32, stop=settings["stop"])
    chat = llm.chat([{"role": "user", "content": question}], greedy, use_tqdm=False)
    texts = llm.generate(prompts, SamplingParams(temperature=0, max_tokens=32), use_tqdm=False)
    return {
        "answer": chat[0].outputs[0].text,
        "prompt_token_ids": list(chat[0].prompt_token_ids),
        "tokens": [list(t.outputs[0].token_ids) for t in texts],
        "architecture": llm.llm_engine.model_config.architectures[0],
        "tokenizer": [base.__name__ for base in type(llm.get_tokenizer()).__mro__],
    }

def end():
    _, status = os.wait()
    if status:
        sys.exit(f"an engine ended with status {status}")

if __name__ == "__main__":
    from vllm import LLM, SamplingParams
    engines, question, prompts, at_a_time = (json.loads(word) for word in sys.argv[1:])
    for number, (file, settings) in enumerate(engines.items()):
        if number >= at_a_time:
            end()
        if os.fork() == 0:
            result = answered(settings, question, prompts)
            with open(file, "w") as written:
                json.dump(result, written)
            os._exit(0)
    for _ in range(min(at_a_time, len(engines))):
        end()
"""


def settings_of(entry: CatalogEntry) -> EngineSettings:
    """Return the settings of an entry whose weights are there then."""
    return engine_settings(entry, weights_of(entry.id), "cpu")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what each CPU engine of the catalogue said."""
    pytest.importorskip("vllm")
    folder = tmp_path_factory.mktemp("engines")
    entries = [entry for entry in load_catalog().entries.values() if entry.cpu]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        engines = dict(zip((entry.id for entry in entries), pool.map(settings_of, entries), strict=True))
    (environ,) = {tuple(sorted(settings.env.items())) for settings in engines.values()}  # of the process that is forked
    told = {str(folder / f"{name}.json"): settings.model_dump() for name, settings in engines.items()}
    code, output = run_child(
        ["-c", DRIVER, *map(json.dumps, (told, QUESTION, PROMPTS, AT_A_TIME))],
        {**os.environ, **dict(environ), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"},  # no process beside the fork
        TIMEOUT_S,
    )
    assert code == 0, output[-3000:]
    return {name: json.loads((folder / f"{name}.json").read_bytes()) for name in engines}


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
