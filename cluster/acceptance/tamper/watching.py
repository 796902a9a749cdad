"""Two witnesses in this process, who sign the log of one home and remember it."""

from pathlib import Path

from actors.base.canonical import canonical_json
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.witness import Witness
from actors.spans.adapters.witnesses import Answer, Round, Witnesses
from actors.spans.log.checkpoint import SignedCheckpoint
from cluster.acceptance.tamper.people import Authority
from cluster.acceptance.tamper.site import WITNESSES, disk


class Watched:
    """They lie beside the home, and believe whom it believes."""

    def __init__(self, home: Path, authority: Authority) -> None:
        self._authority, self._trust = authority, home.with_name(f"{home.name}-trust.json")
        self._now_s = 0
        self._believe()
        self.made = [
            Witness(home.with_name(f"{home.name}-{name.replace('/', '-')}"), name, self._trust) for name in WITNESSES
        ]
        for witness in self.made:
            authority.watched_by(witness.name, witness.key.public)
        asked = [(witness.name, witness.key) for witness in self.made]
        self._asking = Witnesses(LogFiles(home / "log", disk()), asked, 60, 0, self._send)

    def ask(self, now_s: int) -> Round:
        """Have each sign the newest checkpoint; return what came of it."""
        self._now_s = now_s
        self._believe()
        return self._asking.ask()

    def memory(self) -> dict[str, SignedCheckpoint]:
        """Return what each signed last."""
        seen = {f"witness {witness.name}": witness.seen() for witness in self.made}
        return {who: signed for who, signed in seen.items() if signed is not None}

    def close(self) -> None:
        """Let others have what they keep."""
        for witness in self.made:
            witness.close()

    def _believe(self) -> None:
        self._trust.parent.mkdir(parents=True, exist_ok=True)
        self._trust.write_bytes(canonical_json(self._authority.trust()))

    def _send(self, url: str, body: bytes, timeout_s: float) -> Answer:  # noqa: ARG002 - they are in this process
        by_name = {witness.name: witness for witness in self.made}
        verdict = by_name[url.removesuffix("/add-checkpoint")].add_checkpoint(body, self._now_s)
        return Answer(verdict.status, verdict.content_type, verdict.body.encode())
