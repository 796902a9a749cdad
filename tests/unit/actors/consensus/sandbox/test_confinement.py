"""The arguments of bubblewrap and the settings of the harness."""

import base64
import json

from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Interpreter, confinement
from actors.consensus.sandbox.seccomp import CANDIDATE, HARNESS, program

PYTHON = Interpreter(
    "/opt/py/bin/python3", "/opt/py/lib", ("/opt/py/lib/site-packages",), ("/lib/libc.so.6",), "x86_64"
)
CONFIG = SandboxConfig(address_space_mib=256, open_files=20, cpu_s=3)
CONFINED = confinement(CONFIG, PYTHON)


def test_every_namespace_is_its_own() -> None:
    """Users, processes, network and the rest are unshared, nothing is shared again, and no capability is kept."""
    arguments = CONFINED.arguments
    assert {"--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"} <= set(arguments)
    assert not {"--share-net", "--cap-add", "--proc", "--dev"} & set(arguments)
    assert arguments[arguments.index("--cap-drop") + 1] == "ALL"
    assert arguments[arguments.index("--uid") + 1] == "65534"


def test_only_the_interpreter_is_bound_and_only_to_be_read() -> None:
    """The files inside are the interpreter's own; the one device leads nowhere, and the root is sealed last."""
    words = CONFINED.arguments
    bound = [words[at + 1 : at + 3] for at, word in enumerate(words) if word == "--ro-bind"]
    assert bound == [(path, path) for path in (PYTHON.executable, PYTHON.library, *PYTHON.shared)]
    assert not {"--bind", "--bind-try", "--ro-bind-try"} & set(words)
    assert [words[at + 1] for at, word in enumerate(words) if word == "--dev-bind"] == ["/dev/null"]
    assert [words[at + 1] for at, word in enumerate(words) if word == "--tmpfs"] == [*PYTHON.packages, "/tmp"]  # noqa: S108 - inside
    assert words.index("--remount-ro") > max(at for at, word in enumerate(words) if word in {"--ro-bind", "--tmpfs"})


def test_the_environment_is_empty() -> None:
    """It is cleared, and the one word set after that makes runs repeatable."""
    words = CONFINED.arguments
    assert [words[at : at + 3] for at, word in enumerate(words) if word == "--setenv"] == [
        ("--setenv", "PYTHONHASHSEED", "0")
    ]
    assert words.index("--clearenv") < words.index("--setenv")
    assert {"-s", "-P", "-S", "-B"} <= set(CONFINED.command)


def test_filters_and_limits_are_those_of_the_config() -> None:
    """Each role gets its filter; a candidate gets the configured limits."""
    settings = CONFINED.settings
    for role, rules in (("harness", HARNESS), ("candidate", CANDIDATE)):
        assert base64.b64decode(settings["filters"][role]) == program(rules, "x86_64")
    limits = settings["limits"]["candidate"]
    assert (limits["RLIMIT_AS"], limits["RLIMIT_CPU"], limits["RLIMIT_NOFILE"], limits["RLIMIT_CORE"]) == (
        256 << 20,
        3,
        20,
        0,
    )
    assert settings["readable"] == [PYTHON.library]


def test_settings_are_plain_json() -> None:
    """They pass unchanged through the text in which they are handed in."""
    assert json.loads(json.dumps(CONFINED.settings)) == CONFINED.settings
