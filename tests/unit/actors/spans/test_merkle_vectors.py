"""Public vectors of Merkle proofs: each proves what its file says that it proves, and nothing is raised."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.spans.merkle import is_consistent, is_consistent_subtree, root_of_path, root_of_subtree_path

Vector = dict[str, Any]


def data_of(text: str | None) -> bytes:
    """Read base64."""
    return base64.b64decode(text or "")


def path_of(vector: Vector) -> list[bytes]:
    """Return the hashes of a vector's proof."""
    return [data_of(item) for item in vector["proof"] or []]


def inclusion(vector: Vector) -> bool:
    """Check a leaf of a tree."""
    leaf = data_of(vector["leafHash"])
    return root_of_path(vector["leafIdx"], vector["treeSize"], leaf, path_of(vector)) == data_of(vector["root"])


def subtree_inclusion(vector: Vector) -> bool:
    """Check a leaf of a subtree."""
    place = vector["leafIdx"], vector["start"], vector["end"]
    return root_of_subtree_path(*place, data_of(vector["leafHash"]), path_of(vector)) == data_of(vector["root"])


def consistency(vector: Vector) -> bool:
    """Check a tree against a larger one."""
    roots = data_of(vector["root1"]), data_of(vector["root2"])
    return is_consistent(vector["size1"], vector["size2"], *roots, path_of(vector))


def subtree_consistency(vector: Vector) -> bool:
    """Check a subtree against a tree."""
    roots = data_of(vector["root1"]), data_of(vector["root2"])
    return is_consistent_subtree(vector["start"], vector["end"], vector["size"], *roots, path_of(vector))


@pytest.mark.parametrize(
    ("folder", "count", "check"),
    [
        ("inclusion", 98, inclusion), ("consistency", 98, consistency),
        ("subtreeinclusion", 204, subtree_inclusion), ("subtreeconsistency", 118, subtree_consistency),
    ],
)  # fmt: skip
def test_every_vector_behaves_as_its_file_says(
    shared_data: Path, folder: str, count: int, check: Callable[[Vector], bool]
) -> None:
    """All 518 of transparency-dev/merkle."""
    files = sorted((shared_data / "rfc6962" / folder).rglob("*.json"))
    assert len(files) == count
    wrong = []
    for file in files:
        vector = json.loads(file.read_text())
        if check(vector) == vector["wantErr"]:
            wrong.append(str(file))
    assert wrong == []
