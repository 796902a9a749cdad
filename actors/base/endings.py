"""Which of root's certificates end before long, in words, with the command that renews them. Pure.

Root certifies for years: nobody remembers. What the key of a certificate that ended signs is believed no more, so from that
second on nothing is committed, no policy changes, no writer gets a certificate, a witness's signature does not count.

Rules:
- Of each holder of a role the certificate that was given last counts, of those whose key is not revoked by now.
- It is told from ``WARN_S`` before its end, and after it for as long as it is neither renewed nor revoked.

Left out: writers' certificates, which are renewed by themselves every few hours (``serve_apps.gateway.renewal``); renewing
(``cluster.rotation``, ``cluster.witness_register``).
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from actors.base.certificates import Certificate, TrustBundle, revoked_since
from actors.base.signing import PublicKey

WARN_S = 30 * 24 * 3600
"""How long before a certificate ends that is told: time enough to bring root's key from where it is kept."""
DAY_S = 24 * 3600


def endings(trust: TrustBundle, now_s: int) -> list[str]:
    """Return a line for each holder whose certificate ends within ``WARN_S``, or has ended."""
    revoked = revoked_since(trust)
    held = {(found.role, found.subject): found for found in _unrevoked(trust, revoked, now_s)}
    return [_told(found, now_s) for found in held.values() if found.not_after <= now_s + WARN_S]


def _unrevoked(trust: TrustBundle, revoked: Mapping[str, int], now_s: int) -> list[Certificate]:
    found = [signed.read() for signed in trust.certificates]
    return [each for each in found if now_s < revoked.get(PublicKey(each.public_key).key_id, now_s + 1)]


def _told(found: Certificate, now_s: int) -> str:
    day, left_s = datetime.fromtimestamp(found.not_after, UTC).date().isoformat(), found.not_after - now_s
    when = f"ends in {left_s // DAY_S} days, on {day}" if left_s > 0 else f"ended on {day}"
    if found.role == "witness":
        how = "`weavergen witnesses list` shows its key for `witnesses add KEY`"
        return f"the certificate of witness {found.subject} {when}: {how}"
    return f"the certificate of the {found.role} key {when}: `weavergen keys rotate --role {found.role}`"
