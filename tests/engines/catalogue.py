"""Entries of the catalogue with their real weights, which are resolved as ``up`` resolves them.

They lie in WEAVERGEN_MODELS_DIR or the default home; the first run downloads and converts them.
"""

import os
from pathlib import Path

from models.catalog import load_catalog
from models.weights import allows_hub, models_dir_of, resolve

ROOT = Path(__file__).parents[2]
SMALLEST = "smollm2-135m-instruct"


def weights_of(name: str) -> Path:
    """Return the directory of an entry's weights."""
    models_dir = models_dir_of(Path(os.environ.get("WEAVERGEN_HOME") or ROOT / "var"), os.environ)
    return resolve(load_catalog().entry(name), models_dir, lambda *_: None, allow_hub=allows_hub(os.environ))
