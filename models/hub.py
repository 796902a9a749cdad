"""``python -m models.hub``: download from a model hub at one revision. Runs as a process of its own, then ends.

Only data: safetensors, JSON, chat template, tokenizer model. Never Python, never pickles.
"""

import argparse
import shutil
from pathlib import Path

DATA_PATTERNS = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model*"]
DUPLICATES = ["consolidated*", "original/*"]


def main(argv: list[str] | None = None) -> None:
    """Fetch ``--file``, or every data file, of ``--repo`` into ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m models.hub", description=__doc__)
    for name in ("--repo", "--revision", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--file")
    args = parser.parse_args(argv)

    import huggingface_hub

    if args.file:
        huggingface_hub.hf_hub_download(args.repo, args.file, revision=args.revision, local_dir=args.out)
    else:
        huggingface_hub.snapshot_download(
            args.repo,
            revision=args.revision,
            local_dir=args.out,
            allow_patterns=DATA_PATTERNS,
            ignore_patterns=DUPLICATES,
        )
    shutil.rmtree(Path(args.out) / ".cache", ignore_errors=True)


if __name__ == "__main__":
    main()
