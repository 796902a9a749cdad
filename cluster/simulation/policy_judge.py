"""The judge of what policy allowed: read as it was published and when, not as a replica saw it.

Rules, each with the short word that a breach of it is named by:
- ``halt``: nothing is answered while the policy in force has halted for longer than a poll may take, nor once it could not be
  confirmed for longer than allowed where that halts.
- ``isolation``: no ballot that agreed is of a voter that was isolated in the version named, or in force a poll ago.
- ``published``: a record names a policy that was published, by its digest: what a machine loosened, or anybody made up, is
  believed by nobody.
- ``epoch``: no replica goes back: of two records that it wrote, the later names no older version.
- ``serving``: losing the source stops nobody: who is refused because of a halt was refused by one that was published, or by
  staleness that halts.

Left out: what a policy asks of a jury (``invariants``).
"""

from collections.abc import Callable

from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import DecisionRecord
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import Government

REACH_S = 1.0
"""Within which a halt or an isolation reaches every replica."""


class PolicyJudge:
    """Looks on."""

    def __init__(
        self, settings: SiteSettings, government: Government, now_s: Callable[[], float], breach: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self._config, self._government, self._now_s, self._breach = settings.policy, government, now_s, breach
        self._newest: dict[str, tuple[int, int]] = {}
        """Writer → its latest row that was looked at, and the version that is named there."""
        self._digests: dict[int, str] = {}
        self._is_away, self._away_s, self._back_s = False, -REACH_S, -REACH_S
        """Whether replicas cannot read policy, since when they could not last, and until when."""
        self._unread_s = -REACH_S
        """Since when they may have read nothing: an earlier time, where they could again for less than ``REACH_S``."""

    def source(self, *, away: bool) -> None:
        """Hear that replicas cannot read the policy any more, or can again."""
        now_s = self._now_s()
        if away == self._is_away:
            return
        if away:
            self._unread_s = now_s if now_s - self._back_s >= REACH_S else self._unread_s
            self._away_s = now_s
        else:
            self._back_s = now_s
        self._is_away = away

    def named(self, record: DecisionRecord) -> PolicySnapshot | None:
        """Return the policy that a record names; note a breach if it never was in force, or if its writer went back."""
        version, writer = record.policy.version, record.writer
        if not 1 <= version <= len(self._government.snapshots):
            self._breach("published", f"decision {record.id} names version {version}, which nobody published")
            return None
        snapshot = self._government.snapshots[version - 1]
        digest = self._digests.setdefault(version, snapshot.sha256)
        if record.policy.sha256 != digest:
            self._breach("published", f"decision {record.id} names a version {version} that is not the published one")
        row, newest = self._newest.get(writer.id, (-1, 0))
        if row < writer.seq and record.result != "withheld":  # a withdrawal names what its answer named
            self._newest[writer.id] = writer.seq, max(version, newest)
            if version < newest:
                words = f"names version {version}, its writer had named {newest} before"
                self._breach("epoch", f"decision {record.id} {words}")
        return snapshot

    def answered(self, record: DecisionRecord, named: PolicySnapshot) -> None:
        """Judge whether policy allowed an answer."""
        lately = self.lately()
        if lately and all(policy.halt.on for policy in lately):
            self._breach("halt", f"decision {record.id} was answered though generation is halted")
        for ballot in record.ballots:
            if ballot.outcome != "agreed":
                continue
            if named.isolated(ballot.voter):
                words = f"is isolated in version {named.version}, which is named"
                self._breach("isolation", f"{ballot.voter} counts and {words}")
            elif lately and all(policy.isolated(ballot.voter) for policy in lately):
                self._breach("isolation", f"{ballot.voter} counts and was isolated more than {REACH_S:g} s ago")

    def halted(self, began_s: float) -> None:
        """Judge that a request which began then was refused because generation is halted."""
        since_s = began_s - REACH_S
        if self._is_away or self._back_s >= since_s:
            until_s = self._now_s() if self._is_away else self._back_s
            if self._config.on_stale == "halt" and until_s - self._unread_s > self._config.policy_max_stale_s - REACH_S:
                return
            since_s = min(since_s, self._unread_s - REACH_S)
        first = max(self._government.published(since_s) - 1, 0)
        if not any(policy.halt.on for policy in self._government.snapshots[first:]):
            self._breach("serving", "a request was refused as halted, and nothing was")

    def lately(self) -> list[PolicySnapshot]:
        """Return every policy in force since all replicas must have seen the first of them; none while they cannot read it."""
        now_s, config = self._now_s(), self._config
        if self._is_away:
            if config.on_stale == "halt" and now_s - self._away_s > config.policy_max_stale_s + REACH_S:
                self._breach("halt", "an answer left though policy could not be confirmed for longer than allowed")
            return []
        if now_s - self._back_s < REACH_S:
            return []
        since = self._government.published(now_s - REACH_S) - 1
        return self._government.snapshots[max(since, 0) :]
