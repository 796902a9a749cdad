"""Certificates that end before long, told while somebody can still renew them."""

import pytest

from actors.base.certificates import Certificate, Revocation, Role, SignedCertificate, TrustBundle, certify, revoke
from actors.base.endings import WARN_S, endings
from actors.base.signing import SigningKey

ROOT, OLD, NEW = (SigningKey.from_seed(bytes([n]) * 32) for n in range(3))
NOW = 1_900_000_000
DAY_S = 24 * 3600


def cert(role: Role, key: SigningKey, end_s: int, subject: str = "somebody") -> SignedCertificate:
    """Have root certify a key until ``end_s``."""
    return certify(ROOT, Certificate(role, subject, key.public.hex, ROOT.public.key_id, 0, end_s))


def told(*certificates: SignedCertificate, revoked: SigningKey | None = None, since_s: int = NOW) -> list[str]:
    """Return what is said of a bundle."""
    gone = [] if revoked is None else [revoke(ROOT, Revocation(revoked.public.key_id, since_s, "replaced"))]
    return endings(TrustBundle("weavergen.trust/1", ROOT.public.hex, list(certificates), gone), NOW)


@pytest.mark.parametrize("role", ["log", "policy", "operator", "issuer"])
def test_it_is_told_from_weeks_before_the_end(role: Role) -> None:
    """Not a second earlier; with the days that are left, the day, and the command that helps."""
    assert told(cert(role, OLD, NOW + WARN_S + 1)) == []
    assert told(cert(role, OLD, NOW + 12 * DAY_S + 5)) == [
        f"the certificate of the {role} key ends in 12 days, on 2030-03-29: `weavergen keys rotate --role {role}`"
    ]
    assert len(told(cert(role, OLD, NOW + WARN_S))) == 1


def test_it_is_told_after_the_end_as_well() -> None:
    """From that second on nothing that the key signs is believed."""
    assert told(cert("log", OLD, NOW)) == [
        "the certificate of the log key ended on 2030-03-17: `weavergen keys rotate --role log`"
    ]


def test_what_was_renewed_or_revoked_is_not_told() -> None:
    """The certificate that was given last counts; a key that root revoked has none."""
    assert told(cert("log", OLD, NOW), cert("log", NEW, NOW + 2 * WARN_S)) == []
    assert told(cert("witness", OLD, NOW, "w/1"), cert("witness", OLD, NOW + 2 * WARN_S, "w/1")) == []
    assert told(cert("witness", OLD, NOW + 5, "w/1"), revoked=OLD) == []
    assert len(told(cert("witness", OLD, NOW + 5, "w/1"), revoked=OLD, since_s=NOW + 1)) == 1


def test_each_witness_is_told_by_its_name() -> None:
    """Another witness that lasts does not speak for it."""
    (line,) = told(cert("witness", OLD, NOW + DAY_S, "w/1"), cert("witness", NEW, NOW + 2 * WARN_S, "w/2"))
    assert line == (
        "the certificate of witness w/1 ends in 1 days, on 2030-03-18: `weavergen witnesses list` shows its key for "
        "`witnesses add KEY`"
    )
