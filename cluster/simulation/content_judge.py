"""The judge of content: what of it may count, leave, run and be told, by what the simulated voters are known to have said.

Rules, each with the short word that a breach of it is named by:
- ``screened``: what screening refuses neither leaves nor counts, in any layer; nor does, in an answer, code that reaches out and
  whose lineage is the only one to do so.
- ``blind``: no code is answered by a request all of whose time the screener was blind.
- ``sandbox``: nothing is handed to a sandbox that was away already when the request began.
- ``secret``: no row of the log, no record and no refusal holds a prompt or an answer.

Left out: API keys and providers' secrets, for there are none here; answers of fewer than ``LEAST`` characters, which anything
may hold by chance.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from actors.base.digests import sha256_hex
from actors.base.errors import WeaverGenError
from actors.spans.record import DecisionRecord
from actors.spans.span import Span
from cluster.simulation.questions import ASKABLE, CODE, Question
from cluster.simulation.voters import ASKED
from cluster.simulation.weather import Fault, Kind

LEAST = 8
WATCHED: tuple[Kind, ...] = ("screener_blind", "sandbox_away")


def _needles(question: Question) -> tuple[bytes, ...]:
    """Return what betrays a question or one of its answers, as it would stand in JSON."""
    texts = (question.text.partition("\n")[0], *question.right, *question.wrong, *question.poisoned)
    return tuple(msgspec.json.encode(text)[1:-1] for text in texts if len(text) >= LEAST)


_NEEDLES = tuple(map(_needles, ASKABLE))
ALONE, REFUSED = (
    frozenset(sha256_hex(text.encode()) for text in texts)
    for texts in zip(*(one.poisoned for one in CODE), strict=True)
)
"""Digests of answers that screening refuses unless another lineage reaches as far, and of those that it refuses."""


class ContentJudge:
    """Looks on."""

    def __init__(self, now_s: Callable[[], float], breach: Callable[[str, str], None]) -> None:
        self._now_s, self._breach = now_s, breach
        self._faults: dict[Kind, int] = dict.fromkeys(WATCHED, 0)
        self._since_s: dict[Kind, float] = {}

    def began(self, fault: Fault) -> None:
        """Hear of a fault; those that are not watched are passed over."""
        if fault.kind in self._faults:
            if not self._faults[fault.kind]:
                self._since_s[fault.kind] = self._now_s()
            self._faults[fault.kind] += 1

    def ended(self, fault: Fault) -> None:
        """Hear that it is over."""
        if fault.kind in self._faults:
            self._faults[fault.kind] -= 1

    def runs(self) -> None:
        """Hear that candidates of the running task's request are handed to the sandbox."""
        if self._all_the_time("sandbox_away", ASKED.get().began_s):
            self._breach("sandbox", f"candidates of request {ASKED.get().number} were to run without a sandbox")

    def written(self, spans: Sequence[Span], payloads: Sequence[bytes]) -> None:
        """Judge rows that are on disk, and the records in them,, of the running task's request, or of any."""
        for data in (msgspec.json.encode(spans), *payloads):
            self._judge_secret(data, "a row of the log")

    def told(self, error: WeaverGenError) -> None:
        """Judge what a refusal of the running task's request, or of any, says."""
        said: Mapping[str, object] = error.details
        self._judge_secret(msgspec.json.encode([str(error), said], enc_hook=str), "a refusal")

    def recorded(self, record: DecisionRecord, began_s: float) -> None:
        """Judge a decision of a request that began then."""
        if record.answer_sha256 in REFUSED:
            self._breach("screened", f"decision {record.id} answers what screening refuses")
        for ballot in (*record.ballots, *(ballot for entry in record.earlier for ballot in entry.ballots)):
            if ballot.group >= 0 and ballot.candidate_sha256 in REFUSED:
                words = f"{ballot.voter} {ballot.outcome} with what screening refuses"
                self._breach("screened", f"in decision {record.id} {words}")
        if record.result != "answered":
            return
        reaching = {one.lineage for one in record.ballots if {one.candidate_sha256, one.received_sha256} & ALONE}
        if len(reaching) == 1 and any(one.candidate_sha256 in ALONE for one in record.ballots):
            self._breach("screened", f"in decision {record.id} {reaching} alone counts with code that reaches out")
        if record.answer_kind.startswith("code:") and self._all_the_time("screener_blind", began_s):
            self._breach("blind", f"decision {record.id} answers code that nobody could screen")

    def _all_the_time(self, kind: Kind, since_s: float) -> bool:
        return self._faults[kind] > 0 and self._since_s[kind] < since_s

    def _judge_secret(self, data: bytes, where: str) -> None:
        asked = ASKED.get(None)
        needles = _NEEDLES if asked is None else _NEEDLES[asked.question : asked.question + 1]
        if any(needle in data for texts in needles for needle in texts):
            self._breach("secret", f"{where} holds what a request asked, or an answer to it")
