"""The judge of what is served again: what must hold of answers under an ``Idempotency-Key``, counted apart from the table.

Rules, each with the short word that a breach of it is named by:
- ``one``: all that is delivered under one key is one decision's answer.
- ``replay``: an answer that is served again has a durable record that verifies and says ``answered`` with this answer's digest,
  it was not on record as withheld when replicas must have known, and no voter that counts was invalidated since. What was
  kept checks whenever it is asked for again: nobody tampers here (``replays``).

That nothing is served again while generation is halted, or where a voter that counts is isolated, is judged as of any answer
(``halt``, ``isolation``: ``policy_judge``).

Left out: the lease of a claim, and how long a key is kept (lifetimes); invalidated rules and tenants, whose epochs are compared
by the same function.
"""

from collections.abc import Callable

from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.consensus.verification import verify_envelope
from actors.spans.record import DecisionRecord
from cluster.simulation import authority
from cluster.simulation.policy_judge import REACH_S, PolicyJudge
from cluster.simulation.surroundings import Government
from serve_apps.gateway.idempotency import Replayed

Key = tuple[str, str]
"""Of the API, and of the client."""


class ReplayJudge:
    """Looks on."""

    def __init__(
        self, government: Government, policy: PolicyJudge, now_s: Callable[[], float], breach: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self._government, self._policy, self._now_s, self._breach = government, policy, now_s, breach
        self._durable: set[str] = set()
        self._withheld_s: dict[str, float] = {}
        self._delivered: dict[Key, str] = {}
        self.replays = 0
        """Answers that were served again."""

    def durable(self, data: bytes, record: DecisionRecord) -> None:
        """Hear of a record on disk."""
        self._durable.add(sha256_hex(data))
        if record.result == "withheld":
            self._withheld_s.setdefault(record.id, self._now_s())

    def was_withheld(self, decision_id: str) -> bool:
        """Tell whether a decision's answer is on record as withheld."""
        return decision_id in self._withheld_s

    def delivered(self, key: Key, decision_id: str) -> None:
        """Judge an answer that is about to leave, the first time or again."""
        before = self._delivered.setdefault(key, decision_id)
        if before != decision_id:
            self._breach("one", f"key {key[1]} gave the answer of decision {before}, and now that of {decision_id}")

    def again(self, replayed: Replayed, verifier_s: int) -> DecisionRecord | None:
        """Judge an answer that is served again; return its record, if it can be believed."""
        self.replays += 1
        data = replayed.committed.data
        if sha256_hex(data) not in self._durable:
            self._breach("replay", "an answer was served again whose record is not durable")
            return None
        try:
            record = verify_envelope(data, authority.trust(), verifier_s).record
        except IntegrityError as error:
            self._breach("replay", f"an answer was served again whose record does not verify: {error}")
            return None
        if (record.result, record.answer_sha256) != ("answered", _digest(replayed.candidate.content)):
            self._breach("replay", f"what was served again is not what decision {record.id} answered")
        withheld_s = self._withheld_s.get(record.id)
        if withheld_s is not None and self._now_s() - withheld_s > REACH_S:
            self._breach("replay", f"decision {record.id} was withheld and is served again")
        self._judge_epochs(record)
        return record

    def _judge_epochs(self, record: DecisionRecord) -> None:
        rested = self._government.snapshots[record.policy.version - 1].invalidation_epochs.voter
        lately = self._policy.lately()
        for ballot in record.ballots:
            if ballot.outcome != "agreed":
                continue
            before = rested.get(ballot.voter, 0)
            if lately and all(policy.invalidation_epochs.voter.get(ballot.voter, 0) > before for policy in lately):
                words = f"counts in decision {record.id}, which is served again, and was invalidated since"
                self._breach("replay", f"{ballot.voter} {words}")


def _digest(content: str) -> str:
    return sha256_hex(content.encode("utf-8", "surrogatepass"))
