"""From configuration to what the application is built from."""

from pathlib import Path

from cluster.application import app_settings, direct_only, lineages
from cluster.config import read_config
from cluster.home import create_home
from models.catalog import load_catalog


def test_a_layer_of_one_lineage_says_that_it_makes_no_consensus(tmp_path: Path) -> None:
    """Its voters can still be asked by name, so it comes up, and readiness names it as degraded for as long as it lasts."""
    voters = [
        {"id": name, "provider": "recorded", "family": "f", "lineage": kin}
        for name, kin in zip("abc", "kkm", strict=True)
    ]
    catalog = load_catalog()

    def told(members: str) -> tuple[str, ...]:
        layer = {"name": "primary", "members": list(members), "min_lineages": 1}
        config = read_config({"profile": "t", "voters": voters, "layers": [layer]}, "t")
        lines = direct_only(config, lineages(config, catalog))
        degraded = app_settings(
            create_home(tmp_path / "home"), config, catalog, {}, ("root: co-located",)
        ).gateway.degraded
        assert degraded == ("root: co-located", *lines)
        return lines

    assert told("ac") == ()
    (line,) = told("ab")
    assert line.startswith("layer primary: one lineage makes no consensus")
