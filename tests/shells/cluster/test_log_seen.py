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
from actors.spans.adapters.witnesses import Witnesses
from actors.spans.log.checkpoint import SignedCheckpoint, origin, sign_checkpoint
from cluster.cli.log import UNTOLD
from cluster.cli.main import cli
from cluster.home import Home, create_home, open_home
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed
from tests.shells.cluster.governed import config_of
from tests.shells.cluster.test_hearing import with_witnesses
from tests.shells.cluster.test_log_command import verify
from tests.shells.cluster.test_witness import NAMES, Running, running


class Site:
    """A home with three batches, a profile that names a witness, which root certified, and that witness's process."""

    def __init__(self, home: Home, made: Sealed, witness: Running) -> None:
        self.made, self.witness = made, witness
        log = {"witnesses": [{"url": witness.url, "key": witness.key.text}]}
        home.write_config(config_of("a", "b").model_validate(config_of("a", "b").model_dump() | {"log": log}))
        home.trust_file.write_bytes(canonical_json(with_witnesses(made.authority.trust(), witness.key)))
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
    site.made.files.put_witnessed(other, [])
    assert forks(site.made)[0].startswith("home/log/witnessed has another")


def test_the_command_holds_the_log_against_what_witnesses_remember(site: Site, tmp_path: Path) -> None:
    """A home that was set back whole is red and exit 1; what a witness saw is said."""
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


def test_of_a_log_with_leaves_that_cannot_be_read_nobody_says_that_it_goes_on(site: Site) -> None:
    """What a witness saw was held against none of it; that it saw something is said."""
    site.asking.ask()
    (bundle,) = (site.made.files.path / "tile" / "entries").rglob("3")
    bundle.unlink()
    code, output = verify(site.made)
    assert (code, "leaf 0 of the log is missing or cut" in output, "goes on from there" in output) == (1, True, False)
    assert f"witness {NAMES[0]} has seen 3 batches" in output


def test_a_witness_that_is_not_heard_is_red_unless_so_few_are_enough(site: Site) -> None:
    """A system that is down is said to be whole as far as its files tell, and that nobody tells more."""
    site.asking.ask()
    assert verify(site.made, "--require-witnesses", "1")[0] == 0
    assert verify(site.made, "--require-witnesses", "2")[0] == 1
    site.witness.process.kill()
    site.witness.process.wait()
    code, output = verify(site.made)
    assert (code, f"\x1b[31mFAILED  0 of 1 witnesses were heard: {UNTOLD}" in output) == (1, True)
    assert f"AWAY  witness {NAMES[0]} was not heard: " in output
    report = json.loads(verify(site.made, "--json")[1])
    assert (report["ok"], report["damage"], report["witnesses_missing"]) == (False, [], True)
    code, output = verify(site.made, "--require-witnesses", "0")
    assert (code, "\x1b[31m" in output, f"\n0 of 1 witnesses were heard: {UNTOLD}" in output) == (0, False, True)


def test_who_owns_the_home_does_not_choose_whom_a_check_hears(site: Site, tmp_path: Path) -> None:
    """Set back whole, with the witness struck from the profile, or another in its place that shows what it is told."""
    shutil.copytree(site.made.home, tmp_path / "before")
    site.made.batches(2)
    site.asking.ask()
    shutil.rmtree(site.made.home)
    (tmp_path / "before").rename(site.made.home)
    home, named = open_home(site.made.home), site.witness
    home.write_config(config_of("a", "b"))
    code, output = verify(site.made)
    assert (code, "nobody says where it is; name its address in the profile" in output) == (1, True)
    with running(tmp_path / "false", NAMES[0], home.trust_file) as false:
        Witnesses(site.made.files, [(false.url, false.key)], 60, 0).ask()
        log = {"witnesses": [{"url": false.url, "key": false.key.text}]}
        home.write_config(config_of("a", "b").model_validate(config_of("a", "b").model_dump() | {"log": log}))
        code, output = verify(site.made)
    assert (code, "it was not signed with the key of that witness" in output) == (1, True)
    assert f"whoever is at {false.url} has seen 3 batches" in output
    log = {"witnesses": [{"url": named.url, "key": false.key.text}]}
    home.write_config(config_of("a", "b").model_validate(config_of("a", "b").model_dump() | {"log": log}))
    code, output = verify(site.made)
    assert (code, f"witness {NAMES[0]} has a checkpoint of 5 batches" in output) == (1, True)


def test_a_trust_bundle_that_was_kept_names_witnesses_that_the_home_s_no_longer_does(
    site: Site, tmp_path: Path
) -> None:
    """Their absence from the home's is nobody's word; the home's is believed where no other is given."""
    home, kept = open_home(site.made.home), tmp_path / "trust.json"
    kept.write_bytes(home.trust_file.read_bytes())
    home.trust_file.write_bytes(canonical_json(site.made.authority.trust()))
    home.write_config(config_of("a", "b"))
    code, output = verify(site.made)
    assert (code, f"no witness watches it: {UNTOLD}" in output) == (0, True)
    assert verify(site.made, "--require-witnesses", "1")[0] == 1
    code, output = verify(site.made, "--trust", str(kept))
    assert (code, f"witness {NAMES[0]} was not heard" in output) == (1, True)


def test_a_checkpoint_that_a_client_kept_is_evidence(site: Site, tmp_path: Path) -> None:
    """In a file; one that this log never signed is refused."""
    kept, before = tmp_path / "kept", tmp_path / "before"
    shutil.copytree(site.made.home, before)
    site.made.batches(1)
    kept.write_bytes(site.newest().data)
    assert verify(site.made, "--seen", str(kept), "--require-witnesses", "0")[0] == 0
    shutil.rmtree(site.made.home)
    before.rename(site.made.home)
    code, output = verify(site.made, "--seen", str(kept), "--require-witnesses", "0")
    assert (code, "it was set back" in output) == (1, True)
    stranger = SigningKey.from_seed(b"s" * 32)
    kept.write_bytes(sign_checkpoint(stranger, origin(site.made.authority.trust()), 9, bytes(32), NOW_MS).data)
    refused = CliRunner().invoke(cli, ["log", "verify", "--home", str(site.made.home), "--seen", str(kept)])
    assert "no trusted log key signed it" in str(refused.exception)
    refused = CliRunner().invoke(
        cli, ["log", "verify", "--home", str(site.made.home), "--seen", str(tmp_path / "none")]
    )
    assert isinstance(refused.exception, ConfigurationError)
