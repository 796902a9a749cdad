"""Whom connections trust: certificates that verify and those that do not, and what the environment has to say of it."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from models.errors import VoterFailed
from models.http1 import CannotConnect, ConnectionPool, Endpoint, Untrusted
from models.openai_http import OpenAIHttpVoter
from models.providers.build import Adapter, Settings, cloud_voter
from tests.providers import INFO, KEY, REQUEST
from tests.upstreams import QUICK, Upstream, reply, serving

BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a key and a certificate for the loopback address that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    draft = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), BEGIN, END)
    made = draft.add_extension(here, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "here.pem"
    path.write_bytes(plain + made.public_bytes(pem))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """Return what a server with this certificate listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def asked(port: int, host: str = "127.0.0.1") -> bytes:
    """Return the body that a server answers with."""
    pool = ConnectionPool(1)
    try:
        return (await pool.post(Endpoint(f"https://{host}:{port}/", {}), b"{}", 5.0, 1000)).body
    finally:
        pool.close()


async def test_the_operator_says_whom_to_trust(
    certificate: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that the named file holds verifies, and for no other name than its own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serving(Upstream([reply(b"{}")]), tls) as upstream:
        assert await asked(upstream.port) == b"{}"
        with pytest.raises(Untrusted):
            await asked(upstream.port, "localhost")
    assert len(upstream.requests) == 1


async def test_no_sessions_secrets_are_written(
    certificate: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever sets the environment cannot read along."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    async with serving(Upstream([reply(b"{}")]), tls) as upstream:
        assert await asked(upstream.port) == b"{}"
    assert not (tmp_path / "secrets").exists()


async def test_what_nobody_vouches_for_is_told_apart(tls: ssl.SSLContext) -> None:
    """Nothing is asked of who cannot say who it is; where nobody is, it is no matter of trust."""
    async with serving(Upstream([reply(b"{}")]), tls) as upstream:
        with pytest.raises(Untrusted):
            await asked(upstream.port)
        with pytest.raises(CannotConnect) as caught:
            await asked(9)
        assert not isinstance(caught.value, Untrusted)
    assert upstream.requests == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("adapter", ["thin", "sdk"])
async def test_a_voter_says_that_it_is_the_certificate(tls: ssl.SSLContext, adapter: Adapter, *, stream: bool) -> None:
    """Through the SDK or past it, whole or streamed."""
    pool = ConnectionPool(1)
    async with serving(Upstream([reply(b"{}")]), tls) as upstream:
        address = f"https://127.0.0.1:{upstream.port}/v1"
        settings = Settings("openai", "model-x", address, adapter, stream=stream, limits=QUICK)
        voter = cloud_voter(INFO, settings, KEY, pool)
        with pytest.raises(VoterFailed, match="its certificate does not verify"):
            await voter.ask(REQUEST)
        await voter.close()
    pool.close()
    assert upstream.requests == []


async def test_a_voter_of_our_own_servers_says_it_too(tls: ssl.SSLContext) -> None:
    """The same words."""
    pool = ConnectionPool(1)
    async with serving(Upstream([reply(b"{}")]), tls) as upstream:
        voter = OpenAIHttpVoter(INFO, f"https://127.0.0.1:{upstream.port}/v1", "m", KEY, pool)
        with pytest.raises(VoterFailed, match="its certificate does not verify"):
            await voter.ask(REQUEST)
    pool.close()
