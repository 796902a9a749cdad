"""Manifests of weight directories: one changed byte, name or file is damage."""

import hashlib
from pathlib import Path

import pytest

from models.manifest import Manifest, damage, digest_tree, main, read_manifest, tree_sha256, write_manifest


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Manifest]:
    """Return a small directory with its manifest."""
    directory = tmp_path / "model"
    (directory / "sub").mkdir(parents=True)
    (directory / "model.safetensors").write_bytes(b"weights")
    (directory / "sub" / "config.json").write_bytes(b"{}")
    manifest = Manifest("tiny", "a" * 64, "b" * 64, digest_tree(directory))
    write_manifest(directory, manifest)
    return directory, manifest


def test_sealed_directory_is_intact_and_manifest_round_trips(sealed: tuple[Path, Manifest]) -> None:
    """What was written is read back and finds nothing wrong."""
    directory, manifest = sealed
    assert read_manifest(directory) == manifest
    assert set(manifest.files) == {"model.safetensors", "sub/config.json"}
    assert damage(directory, manifest) is None


def test_changed_byte_is_damage_that_names_both_digests(sealed: tuple[Path, Manifest]) -> None:
    """A change that keeps the size is found by the hash."""
    directory, manifest = sealed
    (directory / "model.safetensors").write_bytes(b"weightS")
    complaint = damage(directory, manifest) or ""
    assert hashlib.sha256(b"weightS").hexdigest() in complaint
    assert hashlib.sha256(b"weights").hexdigest() in complaint


def test_resized_missing_extra_and_linked_files_are_damage(sealed: tuple[Path, Manifest]) -> None:
    """An engine loads whatever lies in the directory, so nothing else may."""
    directory, manifest = sealed
    file = directory / "model.safetensors"
    file.write_bytes(b"more weights")
    assert "bytes instead of" in (damage(directory, manifest) or "")
    file.unlink()
    assert "model.safetensors" in (damage(directory, manifest) or "")
    elsewhere = directory.parent / "elsewhere"
    elsewhere.write_bytes(b"weights")
    file.symlink_to(elsewhere)
    assert "no regular file" in (damage(directory, manifest) or "")
    file.unlink()
    file.write_bytes(b"weights")
    assert damage(directory, manifest) is None
    (directory / "model-2.safetensors").write_bytes(b"smuggled")
    assert "model-2.safetensors" in (damage(directory, manifest) or "")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"entry": 1}', b"\xff"])
def test_unreadable_manifest_is_none(sealed: tuple[Path, Manifest], content: bytes) -> None:
    """A torn or foreign manifest counts as absent."""
    directory, _ = sealed
    (directory / "manifest.json").write_bytes(content)
    assert read_manifest(directory) is None


def test_tree_digest_is_what_sha256sum_says(sealed: tuple[Path, Manifest], capsys: pytest.CaptureFixture[str]) -> None:
    """An operator can compute the pinned number with standard tools, or have it printed."""
    directory, manifest = sealed
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("model.safetensors", b"weights"), ("sub/config.json", b"{}"))
    )
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert tree_sha256(manifest.files) == expected
    assert main([str(directory)]) == 0
    assert capsys.readouterr().out.strip() == expected
    assert main([]) == 2
