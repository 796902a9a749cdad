"""A replica's content: kept below the home as the configuration says, and switched off by the health actor's mitigation."""

import queue
import stat
from pathlib import Path

from actors.consensus.retention.config import ContentConfig
from actors.health.adapters.capture import CaptureOff
from actors.health.adapters.space import HomeSpace
from actors.health.config import HealthConfig
from serve_apps.gateway.parts import content_keeper
from tests.shells.actors.consensus.retention.adapters.test_keeper import content
from tests.unit.serve_apps.gateway.test_parts import settings_of


def test_content_is_kept_where_the_configuration_says_so(tmp_path: Path) -> None:
    """Nobody's by default, and then there is no folder; else below the home, until the disk's mitigation switches it off."""
    fates: queue.Queue[str] = queue.Queue()
    assert content_keeper(settings_of(tmp_path), fates.put) is None
    assert not (tmp_path / "content").exists()
    (tmp_path / "run").mkdir()
    keeper = content_keeper(settings_of(tmp_path, content=ContentConfig(tenants=("acme",))), fates.put)
    assert keeper is not None
    keeper.start()
    keeper.put(content(1))
    assert fates.get(timeout=30) == "kept"
    assert stat.S_IMODE((tmp_path / "content").stat().st_mode) == 0o700
    CaptureOff(tmp_path, HomeSpace(tmp_path, 1, 1.0), HealthConfig()).carry_out(0.0)
    keeper.put(content(2))
    assert fates.get(timeout=30) == "off"
    keeper.close()
