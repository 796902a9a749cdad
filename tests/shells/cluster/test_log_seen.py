"""``weavergen log verify`` beside what others have seen: a witness's memory, or a checkpoint that somebody kept."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.base.canonical import canonical_json
from actors.base.errors import ConfigurationError
from actors.base.signing import SigningKey
from actors.spans.adapters.check import check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.witnesses import Witnesses
from actors.spans.log.checkpoint import SignedCheckpoint, origin, sign_checkpoint
from cluster.cli.log import told_seen
from cluster.cli.main import cli
from cluster.home import Home, create_home
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed
from tests.shells.cluster.governed import config_of
from tests.shells.cluster.test_log_command import verify
from tests.shells.cluster.test_witness import NAMES, Running, running


class Site:
    """A home with three batches, a profile that names a witness, and that witness's process."""

    def __init__(self, home: Home, made: Sealed, witness: Running) -> None:
        self.made, self.witness = made, witness
        log = {"witnesses": [{"url": witness.url, "key": witness.key.text}]}
        home.write_config(config_of("a", "b").model_validate(config_of("a", "b").model_dump() | {"log": log}))
        self.asking = Witnesses(made.files, [(witness.url, witness.key)], 60, 0)

    def newest(self) -> SignedCheckpoint:
        """Return the newest checkpoint."""
        signed = self.made.files.checkpoint()
        assert signed is not None
        return signed


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site whose witness runs."""
    home = create_home(tmp_path / "home")
    made = Sealed(home.root)
    made.batches(3)
    home.trust_file.write_bytes(canonical_json(made.authority.trust()))
    with running(tmp_path / "away", NAMES[0], home.trust_file) as witness:
        yield Site(home, made, witness)


def forks(made: Sealed, *seen: SignedCheckpoint) -> list[str]:
    """Return what a check finds beside checkpoints that somebody kept."""
    others = {f"client {number}": signed for number, signed in enumerate(seen)}
    found = check_log(made.home, made.authority.trust(), 10, seen=others).damage
    assert {item.kind for item in found} <= {"fork"}
    return [item.why for item in found]


def test_a_log_goes_on_from_every_checkpoint_that_it_ever_signed(site: Site) -> None:
    """However many somebody kept; also of nothing."""
    kept = []
    for _ in range(4):
        kept.append(site.newest())
        site.made.batches(1)
    empty = sign_checkpoint(
        site.made.authority.key(), kept[0].head.origin, 0, Sealed(site.made.home / "x").files.root(0), NOW_MS
    )
    assert forks(site.made, *kept, empty, site.newest()) == []


def test_a_checkpoint_that_the_log_does_not_come_to_is_a_fork(site: Site) -> None:
    """Of more batches than there are, or of other ones: whoever kept it has the log's own signature under it."""
    key, of = site.made.authority.key(), origin(site.made.authority.trust())
    other, larger = sign_checkpoint(key, of, 2, bytes(32), NOW_MS), sign_checkpoint(key, of, 9, bytes(32), NOW_MS)
    assert forks(site.made, other) == ["client 0 has another checkpoint of 2 batches than this log comes to"]
    assert forks(site.made, site.newest(), larger) == [
        "client 1 has a checkpoint of 9 batches, and the log has 3: it was set back"
    ]
    site.made.files.put_witnessed(other)
    assert forks(site.made)[0].startswith("home/log/witnessed has another")


def test_the_command_holds_the_log_against_what_witnesses_remember(site: Site, tmp_path: Path) -> None:
    """A home that was set back whole is red and exit 1; what a witness saw is said, and that it is away is no failure."""
    site.asking.ask()
    code, output = verify(site.made)
    assert (code, f"witness {NAMES[0]} has seen 3 batches, and the log goes on from there" in output) == (0, True)
    shutil.copytree(site.made.home, tmp_path / "before")
    site.made.batches(2)
    site.asking.ask()
    shutil.rmtree(site.made.home)
    (tmp_path / "before").rename(site.made.home)
    assert Sealed(site.made.home).damage() == []
    code, output = verify(site.made)
    assert code == 1
    assert f"\x1b[31mDAMAGED  log: fork: witness {NAMES[0]} has a checkpoint of 5 batches" in output
    report = json.loads(verify(site.made, "--json")[1])
    assert (report["ok"], report["seen"]) == (False, {f"witness {NAMES[0]}": 5})
    site.witness.process.kill()
    site.witness.process.wait()
    code, output = verify(site.made)
    assert (code, f"AWAY  witness {NAMES[0]}: " in output) == (0, True)


def test_a_checkpoint_that_a_client_kept_is_evidence(site: Site, tmp_path: Path) -> None:
    """In a file; one that this log never signed is refused."""
    kept, before = tmp_path / "kept", tmp_path / "before"
    shutil.copytree(site.made.home, before)
    site.made.batches(1)
    kept.write_bytes(site.newest().data)
    assert verify(site.made, "--seen", str(kept))[0] == 0
    shutil.rmtree(site.made.home)
    before.rename(site.made.home)
    code, output = verify(site.made, "--seen", str(kept))
    assert (code, "it was set back" in output) == (1, True)
    stranger = SigningKey.from_seed(b"s" * 32)
    kept.write_bytes(sign_checkpoint(stranger, origin(site.made.authority.trust()), 9, bytes(32), NOW_MS).data)
    refused = CliRunner().invoke(cli, ["log", "verify", "--home", str(site.made.home), "--seen", str(kept)])
    assert "no trusted log key signed it" in str(refused.exception)
    refused = CliRunner().invoke(
        cli, ["log", "verify", "--home", str(site.made.home), "--seen", str(tmp_path / "none")]
    )
    assert isinstance(refused.exception, ConfigurationError)


def test_a_witness_that_shows_what_this_log_never_signed_proves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as one that could not be asked."""
    stranger = SigningKey.from_seed(b"s" * 32)
    shown = sign_checkpoint(stranger, origin(site.made.authority.trust()), 9, bytes(32), NOW_MS)
    monkeypatch.setattr("cluster.cli.log.seen_by", lambda *_: shown)
    code, output = verify(site.made)
    assert (code, "no trusted log key signed it" in output) == (0, True)
    assert told_seen({}, ["why"], check_log(site.made.home, site.made.authority.trust(), 10)) == ["AWAY  why"]
    assert LogFiles(site.made.home / "log").witnessed() is None
