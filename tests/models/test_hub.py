"""Hub sources against a small hub of our own on loopback, through the real hub client."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from models import weights
from models.catalog import CatalogEntry
from models.errors import WeightsError
from models.manifest import FileDigest, tree_sha256
from models.sources import Workshop

COMMIT = "c" * 40
WANTED = {
    "model.safetensors": b"weights",
    "config.json": b"{}",
    "tokenizer.json": b"[]",
    "chat_template.jinja": b"{{ x }}",
}
UNWANTED = {
    "modeling_evil.py": b"raise SystemExit",
    "pytorch_model.bin": b"pickle",
    "consolidated.safetensors": b"twice",
    "original/params.json": b"{}",
    "README.md": b"read me",
}
GGUF = {"x.gguf": b"GGUF weights"}


class Hub(BaseHTTPRequestHandler):
    """Serves one repository ``a/b`` and remembers which files were fetched."""

    files = WANTED | UNWANTED | GGUF
    fetched: list[str]

    def do_HEAD(self) -> None:
        """Tell about a file."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """Deliver a file or the list of files."""
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(self.path.split("?")[0])
        if path.startswith("/api/models/a/b/tree/"):
            listing = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in self.files.items()]
            return self._send(200, msgspec.json.encode(listing), with_body=with_body)
        if path.startswith("/api/models/a/b"):
            siblings = [{"rfilename": name} for name in self.files]
            return self._send(
                200, msgspec.json.encode({"id": "a/b", "sha": COMMIT, "siblings": siblings}), with_body=with_body
            )
        name = path.partition(f"/a/b/resolve/{COMMIT}/")[2]
        if name not in self.files:
            return self._send(404, b"", with_body=with_body)
        if with_body:
            self.fetched.append(name)
        return self._send(200, self.files[name], with_body=with_body)

    def _send(self, status: int, body: bytes, *, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    """Start the hub and make it the client's endpoint."""
    handler = type("OneHub", (Hub,), {"fetched": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # the system's default; the resolver lifts it for this one process
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def entry(file: str | None, sha256: str, max_bytes: int = 1000) -> CatalogEntry:
    """Return an entry whose only source is the hub."""
    return CatalogEntry.model_validate(
        {
            "id": "tiny",
            "family": "llama",
            "lineage": "tiny",
            "architecture": "LlamaForCausalLM",
            "license": "MIT",
            "format": "gguf" if file else "safetensors",
            "sha256": sha256,
            "max_bytes": max_bytes,
            "sources": [{"kind": "hub", "repo": "a/b", "revision": COMMIT, "file": file}],
            "context_tokens": 512,
            "gpu": {
                "accelerator_type": "L4",
                "tensor_parallel_size": 1,
                "gpu_memory_utilization": 0.9,
                "max_num_seqs": 4,
            },
        }
    )


def tree(files: dict[str, bytes]) -> str:
    """Return the digest that pins these files."""
    return tree_sha256({n: FileDigest(len(c), hashlib.sha256(c).hexdigest()) for n, c in files.items()})


def resolve(wanted: CatalogEntry, models_dir: Path) -> Path:
    """Resolve with the hub allowed."""
    return weights.resolve(wanted, models_dir, lambda *_: None, allow_hub=True)


def test_repository_delivers_data_only_and_matches_its_pin(hub: type[Hub], tmp_path: Path) -> None:
    """Weights, config, tokenizer and template come; code, pickles and duplicates are never even fetched."""
    path = resolve(entry(None, tree(WANTED)), tmp_path / "models")
    assert {p.name: p.read_bytes() for p in path.iterdir() if p.name != "manifest.json"} == WANTED
    assert sorted(hub.fetched) == sorted(WANTED)


def test_repository_with_another_file_is_refused(hub: type[Hub], tmp_path: Path) -> None:
    """One file more than pinned is another directory."""
    hub.files = hub.files | {"model-2.safetensors": b"smuggled"}
    with pytest.raises(WeightsError, match=tree(WANTED)):
        resolve(entry(None, tree(WANTED)), tmp_path / "models")
    assert not (tmp_path / "models" / "tiny").exists()


def test_single_file_is_verified_and_converted(hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GGUF from the hub goes the same way as one from packages."""
    seen: list[bytes] = []

    def convert(_entry: CatalogEntry, gguf: Path, prepared: Path, _shop: Workshop) -> None:
        seen.append(gguf.read_bytes())
        prepared.mkdir()

    monkeypatch.setattr(weights, "_convert", convert)
    resolve(entry("x.gguf", hashlib.sha256(GGUF["x.gguf"]).hexdigest()), tmp_path / "models")
    assert seen == [GGUF["x.gguf"]]
    assert hub.fetched == ["x.gguf"]


def test_more_bytes_than_allowed_and_missing_file_are_refused(hub: type[Hub], tmp_path: Path) -> None:
    """A hub that delivers too much, or not the file, is a source that could not deliver."""
    with pytest.raises(WeightsError, match="more than the 3 allowed"):
        resolve(entry("x.gguf", "0" * 64, max_bytes=3), tmp_path / "models")
    with pytest.raises(WeightsError, match=r"models\.hub ended with 1"):
        resolve(entry("absent.gguf", "0" * 64), tmp_path / "models")


def test_a_download_that_grows_beyond_its_bound_is_stopped_on_its_way(hub: type[Hub], tmp_path: Path) -> None:
    """A hub that promises gigabytes and keeps sending is cut off, not waited for."""
    left = threading.Event()

    def endless(self: Hub, status: int, body: bytes, *, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(1 << 33))
        self.send_header("ETag", '"0"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        try:
            while with_body:
                self.wfile.write(b"x" * 65536)
        except ConnectionError:
            left.set()

    hub._send = endless  # type: ignore[method-assign]
    with pytest.raises(WeightsError, match="more than the 1000 allowed"):
        resolve(entry("x.gguf", "0" * 64), tmp_path / "models")
    assert left.wait(10)
