"""The catalogue: what ships is what was promised, and what is inconsistent is refused."""

import copy
from typing import Any

import pytest
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from models.catalog import CatalogEntry, HubSource, PackagesSource, load_catalog, parse_catalog
from models.errors import WeightsError

ENTRY: dict[str, Any] = {
    "family": "llama",
    "lineage": "tiny",
    "architecture": "LlamaForCausalLM",
    "license": "MIT",
    "format": "gguf",
    "sha256": "0" * 64,
    "max_bytes": 10,
    "sources": [{"kind": "packages", "files": [{"pin": "tiny==1.0", "member": "tiny/data.bin"}]}],
    "context_tokens": 512,
    "cpu": {"max_num_seqs": 1, "kv_cache_mib": 64},
}


def parse_one(**changes: Any) -> CatalogEntry:
    """Parse a catalogue of one entry with changes."""
    return parse_catalog(yaml.safe_dump({"tiny": copy.deepcopy(ENTRY) | changes})).entries["tiny"]


def test_cpu_voters_are_three_families_of_three_lineages() -> None:
    """The default profile's voters come from different makers, with nothing in common."""
    entries = [e for e in load_catalog().entries.values() if e.cpu and e.is_voter]
    assert {e.id for e in entries} == {"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "gemma-3-270m"}
    assert {e.family for e in entries} == {"llama", "qwen", "gemma"}
    assert len({e.lineage for e in entries}) == 3


def test_mistral_proof_shares_lineage_and_is_no_voter() -> None:
    """SmolLM2 under Mistral's class can neither sit in a panel nor count as a second opinion."""
    entries = load_catalog().entries
    proof, original = entries["smollm2-135m-as-mistral"], entries["smollm2-135m-instruct"]
    assert (proof.architecture, proof.lineage, proof.sha256) == (
        "MistralForCausalLM",
        original.lineage,
        original.sha256,
    )
    assert not proof.is_voter


def test_gpu_profile_models_are_named_with_gpu_arguments() -> None:
    """The three large models have GPU arguments, a whole hub repository as source, and no digest anybody made up."""
    entries = load_catalog().entries
    for name in ("llama-3.1-8b-instruct", "mistral-7b-instruct-v0.3", "qwen2.5-coder-7b-instruct"):
        assert entries[name].gpu is not None
        assert [type(s) for s in entries[name].sources] == [HubSource]
        assert entries[name].sha256 is None


def test_every_gguf_entry_ends_with_a_package_source() -> None:
    """Package registries alone are enough for the default profile."""
    for entry in load_catalog().entries.values():
        if entry.format == "gguf":
            assert isinstance(entry.sources[-1], PackagesSource)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": None},
        {"sha256": "F" * 64},
        {"surprise": 1},
        {"cpu": None},
        {"context_tokens": 0},
        {"architecture": "EvilForCausalLM"},
        {"sources": []},
        {"sources": [{"kind": "hub", "repo": "a/b", "revision": "main"}]},
        {"sources": [{"kind": "hub", "repo": "a/b", "revision": "v1", "file": "x.gguf"}]},
        {"sources": [{"kind": "hub", "repo": "../b", "revision": "main", "file": "../x"}]},
        {"sources": [{"kind": "packages", "files": [{"pin": "tiny>=1", "member": "a"}]}]},
        {"sources": [{"kind": "packages", "files": [{"pin": "--index-url==1", "member": "a"}]}]},
        {"format": "safetensors"},
        {"chat_template": "absent.jinja"},
        {"chat_template": "../catalog.jinja"},
    ],
)
def test_inconsistent_entry_is_refused(changes: dict[str, Any]) -> None:
    """Unknown keys, missing digests, loose pins, foreign classes and paths do not load."""
    assert parse_one().id == "tiny"
    with pytest.raises(ValidationError):
        parse_one(**changes)


def test_same_bytes_under_two_lineages_are_refused() -> None:
    """Nobody can turn one model into two opinions by listing it twice."""
    twin = copy.deepcopy(ENTRY) | {"lineage": "other"}
    with pytest.raises(ValidationError, match="another lineage"):
        parse_catalog(yaml.safe_dump({"tiny": ENTRY, "twin": twin}))


def test_catalogue_that_is_no_mapping_is_refused() -> None:
    """A list or an empty file is named as what it is."""
    with pytest.raises(ValueError, match="mapping"):
        parse_catalog("- a\n")


def test_unknown_entry_names_the_known_ones() -> None:
    """A typo is answered with what there is."""
    with pytest.raises(WeightsError, match="gemma-3-270m"):
        load_catalog().entry("gemma")


def test_operator_pins_an_unpinned_entry_once() -> None:
    """A profile may supply a missing digest and commit, and may not replace a digest the catalogue pins."""
    entry = load_catalog().entry("llama-3.1-8b-instruct").pinned(revision="a" * 40, sha256="b" * 64)
    assert entry.sha256 == "b" * 64
    assert isinstance(entry.sources[0], HubSource)
    assert entry.sources[0].revision == "a" * 40
    with pytest.raises(WeightsError, match="cannot replace"):
        load_catalog().entry("gemma-3-270m").pinned(revision="a" * 40, sha256="b" * 64)
    with pytest.raises(ValidationError):
        load_catalog().entry("llama-3.1-8b-instruct").pinned(revision="v1.0", sha256="b" * 64)


@pytest.mark.parametrize("parts", [False, True])
def test_question_answer_template_ends_where_the_answer_begins(parts: bool) -> None:
    """The base model sees solved questions after its begin token and continues behind the last "A:"."""
    entry = load_catalog().entry("gemma-3-270m")
    assert entry.template_path is not None
    assert entry.add_bos
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(entry.template_path.read_text(encoding="utf-8"))
    content = [{"type": "text", "text": " Who? "}] if parts else " Who? "
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Here"},
        {"role": "user", "content": content},
    ]
    text = template.render(messages=messages, bos_token="<bos>", add_generation_prompt=True)
    assert text.startswith("<bos>Q: What is the capital of Italy?\nA: Rome\n\nQ: ")
    assert text.endswith("\nA: Blue\n\nBe brief.\n\nQ: Where?\nA: Here\n\nQ: Who?\nA:")


@pytest.mark.parametrize(
    "inert", [{"chat_template": "question_answer.jinja"}, {"add_bos": True}, {"tie_embeddings": True}]
)
def test_what_only_a_conversion_can_do_is_refused_where_nothing_is_converted(inert: dict[str, Any]) -> None:
    """Safetensors are used as they are: a setting that would change nothing is a mistake."""
    sources = [{"kind": "hub", "repo": "a/b", "revision": "main"}]
    assert parse_one(format="safetensors", sources=sources).format == "safetensors"
    with pytest.raises(ValidationError, match="act on GGUF weights"):
        parse_one(format="safetensors", sources=sources, **inert)
