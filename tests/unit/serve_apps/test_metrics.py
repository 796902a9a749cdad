"""The union of all processes' metrics."""

from serve_apps.metrics import VoterHealth, merge

PAGE = """# HELP ray_weavergen_votes_total Ballots by outcome.
# TYPE ray_weavergen_votes_total counter
ray_weavergen_votes_total{replica="a",voter="x"} 3.0
ray_node_cpu 1.0
"""


def test_pages_are_merged_without_rays_prefix() -> None:
    """Families stay together, are described once, and nothing of Ray's own is passed on."""
    merged = merge([PAGE, PAGE.replace('replica="a"', 'replica="b"')]).decode()
    assert merged.count("# TYPE weavergen_votes_total") == 1
    assert 'weavergen_votes_total{replica="a",voter="x"} 3.0' in merged
    assert 'weavergen_votes_total{replica="b",voter="x"} 3.0' in merged
    assert "ray_" not in merged


def test_no_pages_is_no_metrics() -> None:
    """Nothing scraped, nothing said."""
    assert merge([]) == b""


class Silent:
    """A meter that counts nothing."""

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Ignore."""

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Ignore."""


def test_three_failures_in_a_row_make_a_voter_failing() -> None:
    """A voter is failing after three bad ballots in a row and well again after one good; cancellations count neither way."""
    health = VoterHealth(Silent())
    for outcome in ("failed", "cancelled", "timeout"):
        health.voted("a", outcome, 0.1)
    assert health.failing() == []
    health.voted("a", "failed", 0.1)
    assert health.failing() == ["a"]
    health.voted("a", "dissented", 0.1)
    assert health.failing() == []
