"""The catalogue of known models: parsed, validated, immutable.

Rules: unknown keys are refused; every GGUF entry pins one SHA-256; an entry whose digest is unknown says so with ``null``
and can be read but not resolved until ``pinned``; entries of the same bytes share a lineage, so that they can never
count as two opinions. What it leaves out: fetching (``models.weights``) and running (``models.engine``).
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.errors import WeightsError

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
EntryId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.\-]{0,62}$")]
Device = Literal["cpu", "gpu"]
Architecture = Literal["LlamaForCausalLM", "Qwen2ForCausalLM", "Gemma3ForCausalLM", "MistralForCausalLM"]

PROOF_OF_PATH = "proof-of-path"
"""Tag of an entry that proves an engine and is no voter."""

_HERE = Path(__file__).parent
_TEMPLATES = _HERE / "templates"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageFile(_Frozen):
    """One data file inside one exactly pinned wheel; the package is never imported."""

    pin: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]*==[0-9][A-Za-z0-9.]*$")]
    member: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-/]*$")]


class PackagesSource(_Frozen):
    """Files carried by wheels of the configured package index, concatenated in order."""

    kind: Literal["packages"]
    files: tuple[PackageFile, ...] = Field(min_length=1, max_length=64)


class HubSource(_Frozen):
    """A model hub's repository: one ``file`` of it, or (``None``) its safetensors, config and tokenizer."""

    kind: Literal["hub"]
    repo: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]+/[A-Za-z0-9_.\-]+$")]
    revision: Annotated[str, StringConstraints(pattern=r"^(main|[0-9a-f]{40})$")]
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")] | None = None


Source = Annotated[HubSource | PackagesSource, Field(discriminator="kind")]


class CpuEngine(_Frozen):
    """What one engine may take of a small machine."""

    max_num_seqs: int = Field(ge=1, le=64)
    kv_cache_mib: int = Field(ge=64, le=65536)


class GpuEngine(_Frozen):
    """What one engine takes of its accelerators."""

    accelerator_type: str = Field(min_length=1, max_length=64)
    tensor_parallel_size: int = Field(ge=1, le=16)
    gpu_memory_utilization: float = Field(gt=0, le=0.98)
    max_num_seqs: int = Field(ge=1, le=1024)


class CatalogEntry(_Frozen):
    """One model: identity, provenance, and the arguments its engines need."""

    id: EntryId
    family: str = Field(min_length=1, max_length=32)
    lineage: str = Field(min_length=1, max_length=64)
    architecture: Architecture
    license: str
    format: Literal["gguf", "safetensors"]
    sha256: Sha256 | None
    max_bytes: int = Field(gt=0, description="No source may deliver more than this.")
    sources: tuple[Source, ...] = Field(min_length=1, max_length=8)
    context_tokens: int = Field(ge=256, le=131072)
    chat_template: Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.jinja$")] | None = None
    add_bos: bool = False
    tie_embeddings: bool = False
    stop: tuple[str, ...] = ()
    cpu: CpuEngine | None = None
    gpu: GpuEngine | None = None
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.cpu is None and self.gpu is None:
            raise ValueError("needs engine arguments for cpu or gpu")
        if self.format == "gguf":
            if self.sha256 is None:
                raise ValueError("a GGUF entry pins the SHA-256 of its file")
            if any(isinstance(s, HubSource) and s.file is None for s in self.sources):
                raise ValueError("a GGUF entry's hub source names its file")
        elif any(not isinstance(s, HubSource) or s.file is not None for s in self.sources):
            raise ValueError("a safetensors entry takes whole hub repositories only")
        elif self.chat_template is not None or self.add_bos or self.tie_embeddings:
            raise ValueError(
                "chat_template, add_bos and tie_embeddings act on GGUF weights; safetensors are used as they are"
            )
        if self.chat_template is not None and not (_TEMPLATES / self.chat_template).is_file():
            raise ValueError(f"chat template {self.chat_template} is not in models/templates")
        return self

    @property
    def template_path(self) -> Path | None:
        """Where the chat template lies that the weights lack."""
        return None if self.chat_template is None else _TEMPLATES / self.chat_template

    @property
    def is_voter(self) -> bool:
        """Whether this entry may sit in a panel at all."""
        return PROOF_OF_PATH not in self.tags

    def pinned(self, *, revision: str, sha256: str) -> "CatalogEntry":
        """Return this entry with the hub commit and digest an operator vouches for; a digest pinned here stays."""
        if self.sha256 is not None and self.sha256 != sha256:
            raise WeightsError(
                f"{self.id}: the catalogue pins {self.sha256}; a profile cannot replace it with {sha256}"
            )
        sources = [s.model_dump() | ({"revision": revision} if s.kind == "hub" else {}) for s in self.sources]
        return CatalogEntry.model_validate(self.model_dump() | {"sha256": sha256, "sources": sources})


class Catalog(_Frozen):
    """All entries by id."""

    entries: dict[EntryId, CatalogEntry]

    @model_validator(mode="after")
    def _same_bytes_one_lineage(self) -> Self:
        lineage_of: dict[str, str] = {}
        for entry in self.entries.values():
            if entry.sha256 is not None and lineage_of.setdefault(entry.sha256, entry.lineage) != entry.lineage:
                raise ValueError(f"{entry.id}: weights of lineage {lineage_of[entry.sha256]} under another lineage")
        return self

    def entry(self, entry_id: str) -> CatalogEntry:
        """Return the entry or raise ``WeightsError`` that names the known ones."""
        try:
            return self.entries[entry_id]
        except KeyError:
            raise WeightsError(
                f"no model {entry_id!r} in the catalogue; known: {', '.join(sorted(self.entries))}"
            ) from None


def parse_catalog(text: str) -> Catalog:
    """Parse catalogue YAML (a mapping of id to entry); raises ``ValueError`` (pydantic's) that names the offending field."""
    raw = yaml.safe_load(text)
    if not isinstance(raw, dict):
        raise ValueError("a catalogue is a mapping of model id to entry")  # noqa: TRY004 - one error type for bad files
    return Catalog.model_validate(
        {"entries": {k: {"id": k, **v} if isinstance(v, dict) else v for k, v in raw.items()}}
    )


def load_catalog(path: Path = _HERE / "catalog.yaml") -> Catalog:
    """Load the catalogue that ships with the package (or another one)."""
    return parse_catalog(path.read_text(encoding="utf-8"))
