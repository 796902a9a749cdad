"""The tree keeps the project's rules. Exceptions stand here, each with its reason, and must still be needed."""

import os
import subprocess
import sys
from pathlib import Path

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
from tree import PACKAGES, ROOT, files, pure_modules, python

IMPURE: dict[str, dict[str, str]] = {
    "actors/base/files.py": {
        "os": "a file and its folder are made durable",
        "tempfile": "a file is written beside its place first, with mode 0600",
        ".unlink": "the temporary file goes",
        ".mkdir": "a folder is made with a durable name",
        ".is_dir": "one that went meanwhile is made again",
    },
    "actors/base/ids.py": {
        "os": "new_ulid draws for shells; cores are handed their ids",
        "time": "new_ulid reads the clock for shells",
        ".urandom": "new_ulid draws for shells",
    },
    "actors/base/locks.py": {
        "fcntl": "the operating system's locks on files",
        "os": "a lock is a file that is open",
    },
    "actors/base/memo.py": {
        "threading": "the threads of a process share a memory; what a call returns never depends on it"
    },
    "actors/base/patience.py": {
        "asyncio": "bounds how long a shell's task waits; what it waits for never depends on it",
    },
    "actors/base/python_source.py": {
        "threading": "before Python 3.13 the interpreter's parser is one for all threads; what it returns never depends on it"
    },
    "actors/base/signing.py": {
        ".generate": "a new key is drawn from the operating system",
        ".stat": "a key file that others can read is refused",
        ".read_text": "reads a key file",
    },
    "actors/spans/columns.py": {"pyarrow": "rows and their schema are Arrow values in memory; an adapter writes them"},
}
OVERSIZE: dict[str, dict[str, str]] = {}
WITHOUT_A_TEST = {
    "models/convert.py": "runs on real weights only: tests/engines/test_engines.py asks the engines it feeds",
    "models/sources.py": "fetching through pip is tested whole, with the resolver, in tests/models/test_weights.py",
    "models/subprocesses.py": "helpers of the resolver, killed and orphaned in tests/models/test_weights.py",
}

PLACES = {
    "a path of one machine": r"(?<![\w.~-])/(work|root|tmp/w)/|/opt/(pypi|wheels)",
    "a package index": r"pypi\.org|pythonhosted\.org|registry\.npmjs|download\.pytorch\.org",
    "a document from elsewhere": r"\b(FIELD_NOTES|CONTRACT|DESIGN\.md|STYLE\.md)\b|\[\d/6\]",
    "a word about its making": r"(?i)co-authored-by|generated (by|with) (an? )?(ai|llm|assistant)|\bas an ai\b",
}
PLACES_ALLOWED = {
    "requirements/environment.py": "names PyTorch's public index, where CPU builds of torch are when the configured one has none",
    "tests/architecture/test_rules.py": "holds the patterns",
}
HEAVY = ("ray", "vllm", "torch", "transformers", "aiohttp", "fastapi", "starlette", "sqlalchemy", "deltalake", "pandas")


def test_pure_modules_have_no_effects() -> None:
    """No module of ``actors/`` but a shell or an adapter imports or calls anything with an effect."""
    found = {name: impurities(text, IMPURE.get(name, {})) for name, text in pure_modules().items()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_every_purity_exception_is_needed() -> None:
    """An exception whose reason is gone must go too."""
    modules = pure_modules()
    for name, allowed in IMPURE.items():
        for what in allowed:
            assert impurities(modules[name], set(allowed) - {what}), f"{name} no longer needs {what}"


def test_importing_the_core_loads_no_framework() -> None:
    """All pure modules together, with everything they import, load neither Ray nor an engine, server or table store."""
    names = [name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in pure_modules()]
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_sizes() -> None:
    """Files stay under 500 lines, functions under 70."""
    found = {name: oversize(text) for name, text in files(".py").items()}
    assert {name: long for name, long in found.items() if long and name not in OVERSIZE} == {}


def test_locks_on_files_are_taken_in_one_place() -> None:
    """``actors.base.locks``; but for the layer below it, and for the installer, which has nothing to import yet."""
    takers = {name for name, text in python(*PACKAGES, "requirements").items() if ".flock(" in text}
    assert takers == {"actors/base/locks.py", "models/locks.py", "requirements/environment.py"}


def test_only_builders_decorate() -> None:
    """``serve.deployment`` and ``ray.remote`` appear in ``serve_apps/`` and ``cluster/`` alone."""
    found = {name: builder_calls(text) for name, text in python("models", "actors").items()}
    assert {name: uses for name, uses in found.items() if uses} == {}


def test_no_exception_is_swallowed() -> None:
    """Every handler does something; nothing suppresses everything."""
    found = {name: swallowed(text) for name, text in files(".py").items()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_the_tree_speaks_of_itself_alone() -> None:
    """No machine's paths, no package index, no document or word from outside the project."""
    found = {name: foreign_words(text, PLACES) for name, text in files().items() if name not in PLACES_ALLOWED}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_pytorchs_index_is_the_only_one_named() -> None:
    """The installer's exception covers PyTorch's host and no other."""
    others = {"an index": r"pypi\.org|pythonhosted\.org|registry\.npmjs"}
    assert foreign_words(files("environment.py")["requirements/environment.py"], others) == []


def mirrors(name: str) -> set[str]:
    """Return where a module's test may lie; voters that need servers or engines are tested in ``tests/models/``."""
    path = Path(name)
    places = {str(Path("tests/unit") / path.with_name(f"test_{path.name}"))}
    if path.parts[0] != "models":
        return places
    return places | {str(Path("tests") / path.with_name(f"test_{path.name}")), f"tests/models/test_{path.name}"}


def test_every_module_with_behaviour_has_its_test() -> None:
    """``actors/d/m.py`` is tested by ``tests/unit/actors/d/test_m.py``, ``models/m.py`` likewise or in ``tests/models/``."""
    present = set(python("tests"))
    modules = {**pure_modules(), **python("models")}
    needing = {name for name, text in modules.items() if has_behaviour(text) and not name.endswith("__init__.py")}
    assert sorted(name for name in needing - set(WITHOUT_A_TEST) if not mirrors(name) & present) == []


def test_tests_say_what_is_true() -> None:
    """Each test has a docstring."""
    found = {name: untold_tests(text) for name, text in python("tests").items()}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_unit_tests_do_not_sleep() -> None:
    """Unit tests inject clocks or wait on conditions."""
    found = {
        name: sleeps(text)
        for name, text in python("tests").items()
        if name.startswith(("tests/unit/", "tests/shells/"))
    }
    assert {name: faults for name, faults in found.items() if faults} == {}


def run_contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the project's contracts over the packages in ``folder``."""
    tool = Path(sys.executable).parent / "lint-imports"
    command = [str(tool), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_import_contracts_hold() -> None:
    """Packages import only to their left, domains only earlier ones, and every domain has its place in the order."""
    done = run_contracts(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("models/a.py", "import cluster"),
        ("actors/base/a.py", "from actors.policy import b"),
        ("actors/policy/a.py", "import serve_apps"),
        ("actors/newcomer/__init__.py", ""),
    ],
)
def test_a_broken_contract_is_found(tmp_path: Path, where: str, line: str) -> None:
    """An import against the order, or a domain without a place in it, fails the contracts."""
    names = ("base", "policy", "store", "spans", "consensus", "admission", "learning", "health")
    domains = [f"actors/{domain}" for domain in names]
    for package in (*PACKAGES, *domains):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "actors/policy/b.py").touch()
    assert run_contracts(tmp_path).returncode == 0
    (tmp_path / where).parent.mkdir(exist_ok=True)
    (tmp_path / where).write_text(line + "\n")
    assert run_contracts(tmp_path).returncode == 1


def test_documented_commands_exist() -> None:
    """Every ``make`` target and ``weavergen`` command that README, docs or CI name is there."""
    pages = {**files(".md"), ".ci/run": "```\n" + (ROOT / ".ci/run").read_text() + "```"}
    assert "README.md" in pages
    targets = make_targets((ROOT / "Makefile").read_text())
    made = {name: documented(text, "make") - targets for name, text in pages.items()}
    assert {name: unknown for name, unknown in made.items() if unknown} == {}
    from cluster.cli.main import cli

    commands = {name: documented(text, "weavergen") - set(cli.commands) for name, text in pages.items()}
    assert {name: unknown for name, unknown in commands.items() if unknown} == {}


def test_modules_that_make_runs_exist() -> None:
    """Every module of ours that a target starts is in the tree."""
    present = set(files(".py"))
    started = modules_run((ROOT / "Makefile").read_text())
    places = {name: {f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__main__.py"} for name in started}
    assert sorted(name for name, options in places.items() if not options & present) == []


@pytest.mark.parametrize("name", ["cpu", "gpu", "test", "bench"])
def test_locks_pin_everything_with_hashes(name: str) -> None:
    """Locks hold exact versions with hashes and no address."""
    assert lock_faults((ROOT / "requirements" / f"{name}.lock").read_text()) == []
