"""Proofs of one leaf: the specification's example, and that nothing else is read."""

from dataclasses import replace

import pytest

from actors.base.canonical import b64
from actors.base.errors import IntegrityError
from actors.spans.log.entry_proof import MAX_PATH, MAX_PROOF_BYTES, EntryProof, read_proof
from tests.unit.actors.spans.log.test_checkpoint import LINE, TEXT, signed

HASHES = """gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=
"""
EXAMPLE = f"c2sp.org/tlog-proof@v1\nindex 73894\n{HASHES}\n{TEXT}\n{LINE}"
"""Of c2sp.org/tlog-proof, without its extra line, and with a checkpoint whose signatures are printed whole."""


def test_the_specification_s_example_comes_out_as_it_was_read() -> None:
    """Number, path and checkpoint."""
    proof = read_proof(EXAMPLE)
    assert (proof.index, [b64(item) for item in proof.path]) == (73894, HASHES.split())
    assert (proof.checkpoint.head.size, proof.text) == (20852163, EXAMPLE)


@pytest.mark.parametrize("path", [(), (bytes(32),), (b"\xff" * 32,) * MAX_PATH])
def test_a_proof_comes_out_as_it_went_in(path: tuple[bytes, ...]) -> None:
    """Of the first leaf, too, and with a path of nothing."""
    proof = EntryProof(0, path, signed())
    assert read_proof(proof.text) == proof


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", EXAMPLE.replace("@v1", "@v2"), EXAMPLE.replace("index 73894", "index 073894"),
        EXAMPLE.replace("index 73894", "index"), EXAMPLE.replace("index 73894", "extra AAAA\nindex 73894"),
        EXAMPLE.replace("PlQ=", "PlR="), EXAMPLE.replace("PlQ=\n", "PlQ=\nAAAA\n"), EXAMPLE[:-1],
        EXAMPLE.replace("\n\nexample", "\nexample"), EXAMPLE.replace("\n\nexample", "\n\n\nexample"),
        EXAMPLE + "x" * MAX_PROOF_BYTES,
    ],
)  # fmt: skip
def test_what_is_no_proof_is_refused(text: str) -> None:
    """Each by a clear word."""
    with pytest.raises(IntegrityError):
        read_proof(text)


def test_a_path_has_a_bound() -> None:
    """No tree has so many leaves."""
    proof = replace(read_proof(EXAMPLE), path=(bytes(32),) * (MAX_PATH + 1))
    with pytest.raises(IntegrityError, match="too long"):
        read_proof(proof.text)
