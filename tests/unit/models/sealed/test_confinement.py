"""What closes an engine off, as plain values."""

from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.engine import EngineSettings, engine_settings
from models.sealed.confinement import FOLDER, Python, arguments, environment, serve_arguments

VENV = Python("/code/.venv/bin/python", ("/code/.venv", "/opt/python"), "/code/models")


def bound(words: tuple[str, ...]) -> dict[str, str]:
    """Return what is seen inside: place → the option that puts it there."""
    options = {"--ro-bind", "--ro-bind-try", "--bind", "--dev-bind"}
    return {words[at + 2]: word for at, word in enumerate(words) if word in options}


def settings(name: str = "smollm2-135m-instruct") -> EngineSettings:
    """Return the settings of an engine on a CPU."""
    return engine_settings(load_catalog().entry(name), Path("/home/models/m"), "cpu")


def test_every_namespace_is_its_own_and_nobody_has_a_capability() -> None:
    """Network, processes, messages, users: all unshared, none kept; the process ends with who started it."""
    words = arguments(VENV, Path("/home/models/m"), 64)
    assert {"--unshare-all", "--unshare-user", "--die-with-parent", "--clearenv"} <= set(words)
    assert not [word for word in words if word.startswith("--share")]
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert words[words.index("--uid") + 1] == "65534"


def test_nothing_of_the_machine_can_be_written() -> None:
    """The weights, the Python and its package are read-only; nothing else of the machine's homes is there."""
    seen = bound(arguments(VENV, Path("/home/models/m"), 64))
    assert not [place for place, option in seen.items() if option == "--bind"]
    assert {"/code/.venv", "/opt/python", "/code/models", "/home/models/m"} <= set(seen)
    assert not {"/", "/home", "/code", "/run", "/var", "/root", "/etc"} & set(seen)


def test_what_can_be_written_is_in_memory_and_has_a_bound() -> None:
    """Each file system has its size, which goes before it, and what has none becomes read-only once all is in its place."""
    words = arguments(VENV, Path("/home/models/m"), 64)
    sizes = {words[at + 1]: words[at - 2 : at] for at, word in enumerate(words) if word == "--tmpfs"}
    scratch = ("--size", str(64 << 20))
    assert sizes == {"/tmp": scratch, "/dev/shm": scratch, FOLDER: ("--size", str(1 << 20))}  # noqa: S108
    ends = [at for at, word in enumerate(words) if word == "--remount-ro"]
    assert [words[at + 1] for at in ends] == ["/dev", "/"]
    assert min(ends) > max(at for at, word in enumerate(words) if word.startswith(("--ro-bind", "--tmpfs", "--dev")))


@pytest.mark.parametrize("devices", [(), ("/dev/nvidia0", "/dev/nvidiactl")])
def test_device_files_are_there_for_a_gpu_alone(devices: tuple[str, ...]) -> None:
    """Nothing of the machine's ``/dev`` but what is named: no log, no terminal, no shared memory, where Ray keeps objects."""
    words = arguments(VENV, None, 64, devices)
    assert words[words.index("--dev") + 1] == "/dev"
    assert {place for place in bound(words) if place.startswith("/dev")} == set(devices)


def test_a_python_inside_another_folder_is_bound_once() -> None:
    """What the system's folders hold already, or an outer one, is not mounted again."""
    system = Python("/usr/bin/python3", ("/usr", "/usr"), "/code/models")
    words = arguments(system, None, 64)
    assert [words[at + 2] for at, word in enumerate(words) if word == "--ro-bind"] == ["/code/models"]
    assert bound(words)["/usr"] == "--ro-bind-try"
    nested = Python("/code/bin/python", ("/code", "/code/base"), "/x/models")
    assert "/code/base" not in bound(arguments(nested, None, 64))


def test_the_engine_knows_what_is_named_and_nothing_else() -> None:
    """No key of the environment goes in; where the libraries lie does, and the engine's own settings win."""
    own = {"OPENAI_API_KEY": "secret", "RAY_AUTH_TOKEN_PATH": "x", "LD_LIBRARY_PATH": "/lib/cuda", "LANG": "C"}
    words = environment({"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}, own)
    known = dict(zip(words[1::3], words[2::3], strict=True))
    assert not {"OPENAI_API_KEY", "RAY_AUTH_TOKEN_PATH"} & set(known)
    assert (known["LD_LIBRARY_PATH"], known["OMP_NUM_THREADS"], known["LANG"]) == ("/lib/cuda", "1", "C.UTF-8")


def test_vllm_is_told_what_the_engine_is_made_of() -> None:
    """Every argument of the settings arrives, truth as a flag and its opposite, and the only door is the socket."""
    words = serve_arguments(settings())
    assert words[words.index("--uds") + 1] == "/engine/api.sock"
    assert words[words.index("--model") + 1] == "/home/models/m"
    assert {
        "--no-trust-remote-code",
        "--enforce-eager",
        "--enable-prefix-caching",
        "--no-enable-chunked-prefill",
        "--enable-per-request-metrics",
    } <= set(words)
    assert words[words.index("--max-model-len") + 1] == "2048"
    assert not {"--host", "--port", "--api-key"} & set(words)
