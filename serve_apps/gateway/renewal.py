"""When a writer needs another certificate: its own runs out, or the issuer that gave it is about to be revoked."""

from actors.base.certificates import SignedCertificate, TrustBundle, newest_key_id
from actors.policy.adapters.trust_file import TrustSource


class IssuerWatch:
    """Tells whether another issuer certifies now. Signatures are checked only when ``trust.json`` changed."""

    def __init__(self, trust: TrustSource) -> None:
        self._trust = trust
        self._seen: TrustBundle | None = None
        self._issuer = ""

    def is_replaced(self, certificate: SignedCertificate, now_s: int) -> bool:
        """Tell whether the certificate's issuer is not the one certified last: a rotation waits for us to leave it."""
        trust = self._trust()
        if trust is not self._seen:
            self._seen, self._issuer = trust, newest_key_id(trust, "issuer", now_s)
        return self._issuer not in ("", certificate.read().issued_by)
