"""``python -m models.convert GGUF OUT --architecture CLASS``: GGUF to bfloat16 safetensors that vLLM loads.

Runs as a process of its own (it takes gigabytes for a minute), offline, on bytes whose digest was verified. The class that
comes out must be the one asked for: a Llama may be written as a Mistral, because without a sliding window the two compute
the same from the same tensors; nothing else may change class.
"""

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

_SHARED_WITH_MISTRAL = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id",
    "tie_word_embeddings", "rope_parameters",
)  # fmt: skip


def convert(gguf: Path, out: Path, *, architecture: str, chat_template: str | None, add_bos: bool, tie: bool) -> None:
    """Write config, weights and tokenizer of ``gguf`` into the new directory ``out``; raises ``ValueError`` on a wrong class."""
    import torch

    _read_header_once()
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        trust_remote_code=False,
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # the weights are no longer quantised
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    if add_bos:
        tokenizer.add_bos_token = True
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    if tie:
        _tie_embeddings(model)
    if architecture == "MistralForCausalLM" and type(model).__name__ == "LlamaForCausalLM":
        model = _as_mistral(model)
    if type(model).__name__ != architecture:
        raise ValueError(f"{gguf.name} holds a {type(model).__name__}, the catalogue says {architecture}")
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    _load_tokenizer_as_written(out / "tokenizer_config.json")


def _load_tokenizer_as_written(config_file: Path) -> None:
    """Have ``tokenizer.json`` read as it is: a model's own class builds it anew and keeps vocabulary and merges twice.

    An engine copies its tokenizer three times as it starts: with Gemma's 262,144 tokens the difference is 8 s of processor.
    """
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "TokenizersBackend"
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _read_header_once() -> None:
    """Share one reader: config, weights and tokenizer each parse the whole vocabulary again, most of the time of a conversion."""
    import gguf

    gguf.GGUFReader = functools.lru_cache(maxsize=1)(gguf.GGUFReader)


def _tie_embeddings(model: Any) -> None:  # noqa: ANN401 - transformers ships no types
    model.get_input_embeddings().weight = model.get_output_embeddings().weight
    model.config.tie_word_embeddings = True
    model.tie_weights()


def _as_mistral(llama: Any) -> Any:  # noqa: ANN401 - transformers ships no types
    from transformers import MistralConfig, MistralForCausalLM

    config = llama.config.to_dict()
    shared = {name: config[name] for name in _SHARED_WITH_MISTRAL if name in config}
    mistral = MistralForCausalLM(MistralConfig(**shared, sliding_window=None)).to(llama.dtype)
    mistral.load_state_dict(llama.state_dict(), strict=True)
    mistral.tie_weights()
    return mistral


def main(argv: list[str] | None = None) -> int:
    """Command line of the conversion."""
    parser = argparse.ArgumentParser(prog="python -m models.convert", description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--chat-template", type=Path)
    parser.add_argument("--add-bos", action="store_true")
    parser.add_argument("--tie-embeddings", action="store_true")
    args = parser.parse_args(argv)
    template = args.chat_template.read_text(encoding="utf-8") if args.chat_template else None
    convert(
        args.gguf, args.out,
        architecture=args.architecture, chat_template=template, add_bos=args.add_bos, tie=args.tie_embeddings,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
