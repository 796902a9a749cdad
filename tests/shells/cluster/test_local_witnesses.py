"""Witnesses of this machine: made once, kept running, asked by whoever reads the home's configuration."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import replace as replace_of
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, revoke
from actors.base.errors import HomeError
from actors.spans.adapters.witnesses import Witnesses
from actors.spans.config import LogConfig, WitnessConfig
from actors.spans.log.note import read_key
from cluster.home import Home, create_home
from cluster.local_witnesses import (
    AGAIN_S,
    WitnessKeeper,
    co_located,
    local_witnesses,
    prepare,
    with_local,
    witness_dir,
)
from cluster.node import REPOSITORY
from tests.shells.actors.spans.adapters.sealed import Sealed
from tests.shells.cluster.governed import config_of
from tests.shells.cluster.test_log_command import verify
from tests.unit.actors.spans.telemetry import ROOT, Authority

TRUST = Authority().trust()
PATIENCE_S = 60
NAMED = WitnessConfig(
    url="https://remora.n621.de", key="remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
)


class Kept:
    """A home, its witnesses elsewhere, and who keeps them."""

    def __init__(self, path: Path) -> None:
        self.home: Home = create_home(path / "home")
        self.home.trust_file.write_bytes(canonical_json(TRUST))
        self.away = path / "away"
        prepare(self.home, 2, TRUST, self.away)
        self.keeper = WitnessKeeper(self.home, lambda: {**os.environ, "PYTHONPATH": str(REPOSITORY)})

    def asking(self, made: Sealed) -> Witnesses:
        """Return who asks them, as SpanActor does."""
        config = with_local(self.home, LogConfig())
        asked = [(each.url, each.note_key) for each in config.witnesses]
        return Witnesses(made.files, asked, 60, 0)

    def until_signed(self, asking: Witnesses) -> tuple[str, ...]:
        """Ask until both signed: they take a moment to begin."""
        give_up = time.monotonic() + PATIENCE_S
        while len(asking.ask().signed) < 2 and time.monotonic() < give_up:
            os.sched_yield()
        return asking.last.signed

    def end(self) -> None:
        """End the processes that the keeper started."""
        for process, _ in self.keeper._running.values():
            process.kill()
            process.wait()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Return two witnesses of a home; their processes end with the test."""
    kept = Kept(tmp_path)
    yield kept
    kept.end()


def test_they_are_made_once(kept: Kept) -> None:
    """The same keys and ports at every ``up``, each its own, and none of it in the home; fewer are wanted, fewer are noted."""
    first = local_witnesses(kept.home)
    assert prepare(kept.home, 2, TRUST, kept.away) == first == local_witnesses(kept.home)
    assert len({each.key for each in first}) == len({each.port for each in first}) == 2
    assert {path.name for path in kept.away.rglob("*") if path.is_file()} == {"key", "port"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept.away.rglob("key"))
    assert prepare(kept.home, 0, TRUST, kept.away) == local_witnesses(kept.home) == ()


def test_one_that_root_revoked_gets_another_key(kept: Kept) -> None:
    """For good, in its old place and under its old name; the other keeps its own, and the revoked key is set aside."""
    first, second = local_witnesses(kept.home)
    gone = revoke(ROOT, Revocation(read_key(first.key).public.key_id, 0, "stolen"))
    trust = replace(TRUST, revocations=[gone])
    new, kept_on = prepare(kept.home, 2, trust, kept.away)
    assert (kept_on, new.name, new.folder, new.key != first.key) == (second, first.name, first.folder, True)
    assert prepare(kept.home, 2, trust, kept.away) == (new, second) == local_witnesses(kept.home)
    assert (Path(new.folder) / "key.revoked").exists()


def test_they_never_lie_under_the_home(tmp_path: Path) -> None:
    """Whoever sets the home back would set them back, too."""
    assert witness_dir({"WEAVERGEN_WITNESS_DIR": str(tmp_path / "w")}, tmp_path / "home") == tmp_path / "w"
    assert witness_dir({}, tmp_path / "home").parts[-3:] == (".config", "weavergen", "witnesses")
    assert witness_dir({"WEAVERGEN_OPERATOR_DIR": "/keys"}, tmp_path / "home") == Path("/keys/witnesses")
    with pytest.raises(HomeError, match="WEAVERGEN_WITNESS_DIR"):
        witness_dir({"WEAVERGEN_WITNESS_DIR": str(tmp_path / "home" / "w")}, tmp_path / "home")


def test_they_are_asked_beside_those_that_the_profile_names(kept: Kept) -> None:
    """By whoever deploys, and by ``log verify``; a home where none were made has those of its profile."""
    config = with_local(kept.home, LogConfig(merge_target_s=7))
    local = [each.config for each in local_witnesses(kept.home)]
    assert (list(config.witnesses), config.merge_target_s) == (local, 7)
    assert list(with_local(kept.home, LogConfig(witnesses=(NAMED,))).witnesses) == [NAMED, *local]
    assert with_local(create_home(kept.home.root.parent / "other"), LogConfig()) == LogConfig()
    (kept.home.run / "witnesses.json").write_text("{")
    with pytest.raises(HomeError, match="weavergen up"):
        local_witnesses(kept.home)


def test_a_shared_machine_is_said(kept: Kept) -> None:
    """Of those that ``up`` makes, and of those whose address is loopback."""
    here = local_witnesses(kept.home)[0].config
    away = WitnessConfig(url="https://witness.example/1", key=here.key)
    assert co_located(LogConfig()) == co_located(LogConfig(witnesses=(away,))) == ()
    assert (
        co_located(LogConfig(witnesses=(here,))) == co_located(LogConfig(local_witnesses=2)) == ("witness: co-located",)
    )


def test_one_that_is_killed_is_started_again_and_remembers(kept: Kept) -> None:
    """Not at once, so that one that cannot run does not keep the machine busy; the log is signed by both, before and after."""
    made = Sealed(kept.home.root)
    made.batches(2)
    asking = kept.asking(made)
    kept.keeper.keep(100.0)
    assert len(kept.until_signed(asking)) == 2
    running = {name: process for name, (process, _) in kept.keeper._running.items()}
    killed, spared = running.values()
    killed.kill()
    killed.wait()
    for at_s, again in ((101.0, False), (100.0 + AGAIN_S, True)):
        kept.keeper.keep(at_s)
        now = [process for process, _ in kept.keeper._running.values()]
        assert (now[0] is not killed, now[1] is spared) == (again, True)
    made.batches(1)
    assert len(kept.until_signed(asking)) == 2
    assert made.files.witnessed() is not None


@pytest.mark.parametrize("struck", ["no note of them", "ports where nobody listens"])
def test_a_check_of_a_home_that_was_set_back_hears_them_whatever_that_home_says(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, struck: str
) -> None:
    """Who set it back had its notes edited, too: both are found where they lie, and tell."""
    monkeypatch.setenv("WEAVERGEN_WITNESS_DIR", str(kept.away))
    kept.home.write_config(config_of("a", "b"))
    kept.keeper.keep(0)
    made, noted = Sealed(kept.home.root), kept.home.run / "witnesses.json"
    made.batches(1)
    shutil.copytree(kept.home.root, tmp_path / "before")
    made.batches(2)
    assert len(kept.until_signed(kept.asking(made))) == 2
    assert verify(made)[0] == 0
    shutil.rmtree(kept.home.root)
    (tmp_path / "before").rename(kept.home.root)
    if struck == "no note of them":
        noted.unlink()
    else:
        noted.write_text(json.dumps([asdict(replace_of(each, port=1)) for each in local_witnesses(kept.home)]))
    code, output = verify(made)
    assert (code, output.count("has a checkpoint of 3 batches, and the log has 1: it was set back")) == (1, 2)
