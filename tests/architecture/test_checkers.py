"""Each check finds its violation in a small sample and lets the lawful neighbour pass."""

import pytest
from checkers import (
    builder_calls,
    documented,
    foreign_words,
    has_behaviour,
    impurities,
    lock_faults,
    make_targets,
    modules_run,
    oversize,
    sleeps,
    swallowed,
    untold_tests,
)


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from os import environ",
        "import urllib.request",
        "def f():\n    import random",
        "from actors.spans.adapters.wal import WalWriter",
        "from actors.spans.adapters import wal",
        "from actors.spans import actor",
        "from cluster import config",
        "def f(p): return open(p)",
        "def f(p): return p.read_text()",
        "from datetime import datetime\ndef f(): return datetime.now()",
    ],
)
def test_an_effect_in_a_pure_module_is_found(source: str) -> None:
    """Clock, randomness, disk, network, frameworks and our own shells are each named, wherever they are imported."""
    assert impurities(source)


def test_pure_code_and_listed_exceptions_pass() -> None:
    """Arithmetic passes; an excepted import passes, and only that one."""
    assert impurities("import math\nfrom actors.base.ids import ulid\ndef f(now_s): return math.log(now_s)") == []
    assert impurities("import os", allowed={"os"}) == []
    assert impurities("import os, time", allowed={"os"}) == ["1: imports time"]


def test_only_modules_with_something_to_run_need_a_test() -> None:
    """A port or a plain type has no behaviour; one statement in one function is behaviour."""
    assert not has_behaviour('class P:\n    def f(self) -> int:\n        """Say."""\n')
    assert not has_behaviour("class T:\n    x: int = 0\n")
    assert has_behaviour("def f(x):\n    return x + 1\n")


def test_long_files_and_functions_are_found() -> None:
    """The limits are 499 lines for a file and 69 for a function."""
    body = "\n".join(["def f():"] + ["    x = 1"] * 69)
    assert oversize(body) == {"f": 70}
    assert oversize("\n".join(["x = 1"] * 500)) == {"": 500}
    assert oversize("\n".join(["def f():"] + ["    x = 1"] * 68)) == {}


@pytest.mark.parametrize(
    "source",
    [
        "import ray\n@ray.remote\nclass A: ...",
        "from ray import serve\n@serve.deployment(num_replicas=2)\nclass A: ...",
        "from ray.serve import deployment\n@deployment\nclass A: ...",
        "import ray\nx = ray.serve.deployment(A)",
    ],
)
def test_decorating_outside_builders_is_found(source: str) -> None:
    """Ray's decorators are found under every way to import them."""
    assert builder_calls(source)


def test_plain_use_of_ray_is_no_decoration() -> None:
    """Reading from Ray is not building."""
    assert builder_calls("import ray\nx = ray.get(y)\nz = handle.chat.remote(1)") == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept ValueError:\n    pass",
        "try:\n    f()\nexcept:\n    ...",
        "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
        "import contextlib\nwith contextlib.suppress(Exception):\n    f()",
    ],
)
def test_a_swallowed_exception_is_found(source: str) -> None:
    """Handlers without an answer and blanket suppression are named."""
    assert swallowed(source)


def test_a_handled_exception_passes() -> None:
    """A handler that does something, and a narrow suppression, are lawful."""
    assert swallowed("try:\n    f()\nexcept ValueError as error:\n    log(error)") == []
    assert swallowed("with suppress(FileNotFoundError):\n    f()") == []


def test_foreign_words_are_found_with_their_line() -> None:
    """A match is told with its line number and meaning."""
    assert foreign_words("fine\nsee /machine/x", {"a path": r"/machine/"}) == ["2: a path: see /machine/x"]


def test_tests_without_a_sentence_and_tests_that_sleep_are_found() -> None:
    """A test says what is true; it waits for conditions, not for time."""
    assert untold_tests("def test_a(): assert f()") == ["1: test_a has no docstring"]
    assert untold_tests('def test_a():\n    """True."""') == []
    assert sleeps("import time\ntime.sleep(1)") == ["2: time.sleep(1)"]
    assert sleeps("async def f():\n    await asyncio.sleep(0)") == []


def test_documented_commands_are_read_from_code_only() -> None:
    """Prose such as "make sure" is no command; code spans and blocks are."""
    text = "make sure to run `make up PROFILE=gpu`:\n```\n$ .venv/bin/weavergen ask 'x'\nPROFILE=gpu make test\n```\n"
    assert documented(text, "make") == {"up", "test"}
    assert documented(text, "weavergen") == {"ask"}
    assert modules_run("\t@$(BIN)/python -m cluster.bench --x\n\t@python -m pytest\n") == {"cluster.bench"}
    assert make_targets("up: env\nX := 1\nenv:\n\techo a: b\n") == {"up", "env"}


def test_a_lock_with_a_missing_hash_or_an_address_is_found() -> None:
    """Every pin has a version and a hash, and no lock says where to fetch from."""
    good = "a==1 \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:11\n"
    assert lock_faults(good) == []
    assert lock_faults(good + "c==3\n") == ["no hash: c==3"]
    assert lock_faults("--index-url https://x\n" + good)
    assert lock_faults("d>=1 --hash=sha256:00\n") == ["not pinned: d>=1 --hash=sha256:00"]
