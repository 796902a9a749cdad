"""The chain of keys, by attack."""

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import (
    WRITER_MAX_S,
    Certificate,
    Revocation,
    Role,
    SignedCertificate,
    SignedRevocation,
    TrustBundle,
    certify,
    extends,
    holders,
    newest_key_id,
    no_longer_revoked,
    read_trust,
    revoke,
    role_keys,
    writer_key,
)
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey

ROOT, OPERATOR, POLICY, ISSUER, WRITER, STRANGER = (SigningKey.from_seed(bytes([n]) * 32) for n in range(6))
START, END = 1_000, 1_000_000
NOW = 5_000


def cert(by: SigningKey, role: Role, key: SigningKey, start: int = START, end: int = END) -> SignedCertificate:
    """Have ``by`` certify ``key``."""
    return certify(by, Certificate(role, "somebody", key.public.hex, by.public.key_id, start, end))


def bundle(*certificates: SignedCertificate, revocations: tuple[SignedRevocation, ...] = ()) -> TrustBundle:
    """Make a trust bundle under ROOT."""
    return TrustBundle("weavergen.trust/1", ROOT.public.hex, list(certificates), list(revocations))


def good() -> TrustBundle:
    """Make the usual bundle."""
    return bundle(cert(ROOT, "operator", OPERATOR), cert(ROOT, "policy", POLICY), cert(ROOT, "issuer", ISSUER))


def writer(start: int = NOW - 10, end: int = NOW + 3600, by: SigningKey = ISSUER) -> SignedCertificate:
    """Certify WRITER."""
    return cert(by, "writer", WRITER, start, end)


def test_a_good_bundle_gives_each_role_its_keys() -> None:
    """Keys are found under their own role and no other."""
    assert set(role_keys(good(), "operator", NOW)) == {OPERATOR.public.key_id}
    assert set(role_keys(good(), "policy", NOW)) == {POLICY.public.key_id}
    assert role_keys(good(), "log", NOW) == {}


def test_a_bundle_only_grows_at_its_end() -> None:
    """More at the end extends a bundle; less, another order or another root does not."""
    one, two = cert(ROOT, "policy", POLICY), cert(ROOT, "issuer", ISSUER)
    stolen = revoke(ROOT, Revocation("k", NOW, "stolen"))
    now = bundle(one, two, revocations=(stolen,))
    assert extends(now, now)
    assert extends(now, bundle(one))
    assert not extends(bundle(one, two), now)
    assert not extends(bundle(one, revocations=(stolen,)), now)
    assert not extends(bundle(two, one, revocations=(stolen,)), now)
    assert not extends(msgspec.structs.replace(now, root=STRANGER.public.hex), now)


def test_a_key_that_was_seen_revoked_stays_so() -> None:
    """A bundle in which it is not, or only from a later second, is told with the key's name."""
    held = bundle(revocations=(revoke(ROOT, Revocation("k", NOW, "stolen")),))
    assert no_longer_revoked(held, {}) == no_longer_revoked(held, {"k": NOW}) == []
    assert no_longer_revoked(held, {"k": NOW - 1, "l": NOW}) == ["k", "l"]


def test_the_newest_holder_of_a_role_is_the_one_certified_last() -> None:
    """A revoked or ended holder is none, however late it was certified."""
    two = [*good().certificates, cert(ROOT, "issuer", STRANGER)]
    assert newest_key_id(bundle(*two), "issuer", NOW) == STRANGER.public.key_id
    gone = revoke(ROOT, Revocation(STRANGER.public.key_id, NOW, "replaced"))
    assert newest_key_id(bundle(*two, revocations=(gone,)), "issuer", NOW) == ISSUER.public.key_id
    assert newest_key_id(good(), "issuer", END) == newest_key_id(good(), "log", NOW) == ""


def test_a_writer_is_believed_through_its_issuer() -> None:
    """A writer's key is returned with its certificate."""
    certificate, key = writer_key(good(), writer(), NOW)
    assert (certificate.role, key) == ("writer", WRITER.public)


def test_bundle_round_trips() -> None:
    """trust.json decodes to what was written."""
    assert read_trust(canonical_json(good())) == good()


def test_a_certificate_not_signed_by_root_is_refused() -> None:
    """A stranger who names root as certifier has no signature to show."""
    forged = certify(STRANGER, Certificate("operator", "mallory", STRANGER.public.hex, ROOT.public.key_id, START, END))
    with pytest.raises(IntegrityError, match="operator mallory"):
        role_keys(bundle(forged), "operator", NOW)
    with pytest.raises(IntegrityError, match="operator mallory"):
        read_trust(canonical_json(bundle(forged)))


def test_an_issuer_cannot_make_operators() -> None:
    """Only root certifies operators: an issuer's certificate for one is refused."""
    with pytest.raises(IntegrityError, match="may not certify"):
        role_keys(bundle(cert(ISSUER, "operator", STRANGER)), "operator", NOW)


def test_only_root_makes_witnesses() -> None:
    """Not the issuer, nor the log's key, whatever a witness is called."""
    log, made = cert(ROOT, "log", POLICY), cert(ROOT, "witness", STRANGER)
    assert [(found.subject, key) for found, key in holders(bundle(made), "witness", NOW)] == [
        ("somebody", STRANGER.public)
    ]
    for by in (ISSUER, POLICY):
        forged = bundle(*good().certificates, log, cert(by, "witness", STRANGER))
        with pytest.raises(IntegrityError, match="may not certify"):
            list(holders(forged, "witness", NOW))
        with pytest.raises(IntegrityError, match="may not certify"):
            read_trust(canonical_json(forged))


def test_root_cannot_certify_another_root() -> None:
    """No certificate makes a second root."""
    with pytest.raises(IntegrityError, match="may not certify"):
        role_keys(bundle(cert(ROOT, "root", STRANGER)), "root", NOW)


def test_a_writer_signed_by_a_policy_key_is_refused() -> None:
    """Wrong role: a policy key certifies nobody."""
    with pytest.raises(IntegrityError, match="no trusted issuer"):
        writer_key(good(), writer(by=POLICY), NOW)


def test_a_writer_signed_by_root_is_refused() -> None:
    """Writers come from an issuer only, so that root stays offline."""
    with pytest.raises(IntegrityError, match="no trusted issuer"):
        writer_key(good(), writer(by=ROOT), NOW)


def test_an_operator_certificate_is_no_writer_certificate() -> None:
    """An issuer's certificate for another role does not pass as a writer's."""
    with pytest.raises(IntegrityError, match="may not certify"):
        writer_key(good(), cert(ISSUER, "policy", WRITER, NOW, NOW + 60), NOW)


@pytest.mark.parametrize(("at_s", "valid"), [(START - 1, False), (START, True), (END - 1, True), (END, False)])
def test_validity_is_half_open(at_s: int, valid: bool) -> None:
    """A key counts from not_before to just before not_after."""
    assert bool(role_keys(good(), "operator", at_s)) == valid


def test_an_expired_writer_is_refused() -> None:
    """A writer's certificate ends."""
    with pytest.raises(IntegrityError, match="not valid"):
        writer_key(good(), writer(end=NOW), NOW)


def test_a_writer_for_more_than_a_day_is_refused() -> None:
    """Exactly 24 h pass, a second more does not."""
    writer_key(good(), writer(NOW, NOW + WRITER_MAX_S), NOW)
    with pytest.raises(IntegrityError, match="24 h"):
        writer_key(good(), writer(NOW, NOW + WRITER_MAX_S + 1), NOW)


@pytest.mark.parametrize("key", [ISSUER, WRITER])
def test_revocation_reaches_writers(key: SigningKey) -> None:
    """A revoked writer, or a writer of a revoked issuer, is refused from the revocation on, not before."""
    revocation = revoke(ROOT, Revocation(key.public.key_id, NOW + 5, "stolen"))
    trust = bundle(cert(ROOT, "issuer", ISSUER), revocations=(revocation,))
    writer_key(trust, writer(), NOW + 4)
    with pytest.raises(IntegrityError, match=r"revoked|no trusted issuer"):
        writer_key(trust, writer(), NOW + 5)


def test_the_earliest_revocation_counts() -> None:
    """A later revocation of the same key cannot give it time back."""
    early, late = (revoke(ROOT, Revocation(OPERATOR.public.key_id, since, "x")) for since in (NOW, NOW + 100))
    for order in ((early, late), (late, early)):
        assert role_keys(bundle(cert(ROOT, "operator", OPERATOR), revocations=order), "operator", NOW) == {}


def test_a_revocation_not_signed_by_root_is_refused() -> None:
    """Nobody but root revokes, and a bundle with a forged revocation is not believed at all."""
    forged = revoke(STRANGER, Revocation(OPERATOR.public.key_id, 0, "x"))
    with pytest.raises(IntegrityError, match="revocation"):
        role_keys(bundle(cert(ROOT, "operator", OPERATOR), revocations=(forged,)), "operator", NOW)


def test_a_changed_certificate_is_refused() -> None:
    """Extending a certificate's time breaks its signature."""
    short, longer = cert(ROOT, "operator", OPERATOR, START, NOW), cert(ROOT, "operator", OPERATOR)
    mixed = SignedCertificate(payload=longer.payload, signature=short.signature)
    with pytest.raises(IntegrityError, match="signature does not match"):
        role_keys(bundle(mixed), "operator", NOW)


def test_a_revocation_is_no_certificate() -> None:
    """Signatures of one type never pass as another type's."""
    revocation = revoke(ROOT, Revocation("k", 0, "x"))
    disguised = SignedCertificate(payload=cert(ROOT, "operator", OPERATOR).payload, signature=revocation.signature)
    with pytest.raises(IntegrityError, match="signature does not match"):
        read_trust(canonical_json(bundle(disguised)))


def test_unknown_fields_in_trust_are_refused() -> None:
    """trust.json holds what it should and nothing else."""
    raw = msgspec.to_builtins(good()) | {"extra": 1}
    with pytest.raises(IntegrityError, match=r"trust\.json"):
        read_trust(msgspec.json.encode(raw, order="sorted"))


def test_a_signature_that_was_seen_is_not_believed_of_other_words() -> None:
    """Neither of another certificate, nor by another certifier: what is remembered is the exact signature of exact bytes."""
    good = cert(ISSUER, "writer", WRITER, NOW - 100, NOW + 100)
    trust = bundle(cert(ROOT, "issuer", ISSUER))
    assert writer_key(trust, good, NOW) == writer_key(trust, good, NOW + 1)
    other = cert(ISSUER, "writer", STRANGER, NOW - 100, NOW + 100)
    forged = msgspec.structs.replace(other, signature=good.signature)
    for _ in range(2):  # nor the second time
        with pytest.raises(IntegrityError, match="does not match"):
            writer_key(trust, forged, NOW)
        with pytest.raises(IntegrityError):
            writer_key(bundle(cert(ROOT, "issuer", STRANGER)), good, NOW)
