"""When a writer needs another certificate: its own runs out, or the issuer that gave it is about to be revoked."""

from actors.base.certificates import SignedCertificate, TrustBundle, newest_key_id
from actors.policy.adapters.trust_file import TrustSource

MAX_ASKS = 5
"""How often the old issuer may answer before it is taken at its word: a rotation that was ended half-way leaves a newer
certificate and the old key, and asking for ever would change nothing."""


class IssuerWatch:
    """Tells whether another issuer certifies now. Signatures are checked only when ``trust.json`` changed."""

    def __init__(self, trust: TrustSource) -> None:
        self._trust = trust
        self._seen: TrustBundle | None = None
        self._issuer = ""
        self._asks_left = MAX_ASKS

    def is_replaced(self, certificate: SignedCertificate, now_s: int) -> bool:
        """Tell whether the certificate's issuer is not the one certified last: a rotation waits for us to leave it."""
        trust = self._trust()
        if trust is not self._seen:
            self._seen, self._issuer, self._asks_left = trust, newest_key_id(trust, "issuer", now_s), MAX_ASKS
        return self._asks_left > 0 and self._issuer not in ("", certificate.read().issued_by)

    def renewed(self, certificate: SignedCertificate) -> None:
        """Note an answer: one of the old issuer is one of the few asks that a change of ``trust.json`` is worth."""
        if certificate.read().issued_by != self._issuer:
            self._asks_left -= 1
