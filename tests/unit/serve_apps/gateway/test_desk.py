"""A replica's policy desk while keys are replaced under it."""

from pathlib import Path

from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.adapters.trust_file import TrustFile
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.config import PolicyConfig
from cluster.rotation import Rotation
from serve_apps.gateway.desk import PolicyDesk
from tests.shells.cluster.governed import Governed, config_of, governed


class Silent:
    """An incident sink."""

    def open(self, *_: object) -> None:
        """Forget."""


def desk_of(system: Governed) -> PolicyDesk:
    """Return a desk as a replica builds it."""
    directory, trust = SnapshotDirectory(system.home.policy), TrustFile(system.home.trust_file, Silent())
    watcher = PolicyWatcher(directory, trust, Silent(), PolicyConfig(), 0, system.clock, lambda: 0.0)
    publisher = PolicyPublisher(directory, trust, system.clock)
    return PolicyDesk(watcher, publisher, lambda: SigningKey.load(system.home.keys / "policy.key"))


def test_a_desk_halts_with_a_key_that_was_replaced_since_it_began(tmp_path: Path) -> None:
    """No restart lies between a new policy key and the next halt."""
    system = governed(tmp_path)
    system.up(config_of("a", "b"))
    desk = desk_of(system)
    assert desk.isolate("a", None).version == 2
    Rotation(system.home, config_of("a", "b"), system.operators, system.database, system.clock).rotate(
        ["policy"], "ann"
    )
    halted = desk.halt("wrong answers", "ann", None)
    assert (halted.version, halted.halt.on, halted.isolated("a")) == (4, True, True)
    assert system.succession.in_force() == halted
