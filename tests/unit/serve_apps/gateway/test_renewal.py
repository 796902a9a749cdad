"""When a running writer asks for another certificate."""

import msgspec

from actors.base.certificates import Certificate, SignedCertificate, TrustBundle, certify
from actors.base.signing import SigningKey
from serve_apps.gateway.renewal import MAX_ASKS, IssuerWatch

ROOT, OLD, NEW, WRITER = (SigningKey.from_seed(bytes([n]) * 32) for n in range(4))
NOW = 5_000


def certificate(by: SigningKey, role: str, key: SigningKey) -> SignedCertificate:
    """Certify a key."""
    fields = {"role": role, "subject": "s", "public_key": key.public.hex, "issued_by": by.public.key_id}
    return certify(by, msgspec.convert(fields | {"not_before": 0, "not_after": 9_000}, Certificate))


def test_a_new_issuer_calls_for_a_new_certificate() -> None:
    """Certified by the newest issuer a writer stays; once another is certified it asks, until it is that one's."""
    bundles = [TrustBundle("weavergen.trust/1", ROOT.public.hex, [certificate(ROOT, "issuer", OLD)], [])]
    watch = IssuerWatch(lambda: bundles[-1])
    mine = certificate(OLD, "writer", WRITER)
    assert not watch.is_replaced(mine, NOW)
    both = [*bundles[0].certificates, certificate(ROOT, "issuer", NEW)]
    bundles.append(msgspec.structs.replace(bundles[0], certificates=both))
    assert watch.is_replaced(mine, NOW)
    assert not watch.is_replaced(certificate(NEW, "writer", WRITER), NOW)


def test_an_issuer_that_never_answers_is_asked_a_few_times() -> None:
    """A rotation that ended half-way costs a few renewals, not one a second for ever, until the bundle changes again."""
    both = [certificate(ROOT, "issuer", OLD), certificate(ROOT, "issuer", NEW)]
    bundles = [TrustBundle("weavergen.trust/1", ROOT.public.hex, both, [])]
    watch = IssuerWatch(lambda: bundles[-1])
    mine = certificate(OLD, "writer", WRITER)
    for _ in range(MAX_ASKS):
        assert watch.is_replaced(mine, NOW)
        watch.renewed(mine)
    assert not watch.is_replaced(mine, NOW)
    bundles.append(msgspec.structs.replace(bundles[0]))
    assert watch.is_replaced(mine, NOW)
    watch.renewed(certificate(NEW, "writer", WRITER))
    assert watch.is_replaced(mine, NOW)


def test_without_an_issuer_there_is_nobody_to_ask() -> None:
    """A bundle that names no issuer any more calls for nothing."""
    empty = TrustBundle("weavergen.trust/1", ROOT.public.hex, [], [])
    assert not IssuerWatch(lambda: empty).is_replaced(certificate(OLD, "writer", WRITER), NOW)
