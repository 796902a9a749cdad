"""Weak cryptography."""

import pytest

from actors.consensus.screening import crypto
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import hashlib\nh = hashlib.new('sha1', b'x')", "crypto-hash"),
        (
            "import hashlib\ndef f(password): return hashlib.sha256(password.encode()).hexdigest()",
            "crypto-password-hash",
        ),
        ("from Crypto.Cipher import DES\ndef f(k): return DES.new(k, DES.MODE_CBC)", "crypto-cipher"),
        (
            "from Crypto.Cipher import AES\nIV = b'0' * 16\ndef f(k): return AES.new(k, AES.MODE_CBC, IV)",
            "crypto-constant-iv",
        ),
        (
            "from cryptography.hazmat.primitives.asymmetric import rsa\nk = rsa.generate_private_key(65537, 1024)",
            "crypto-key-size",
        ),
        ("import random\nsession_token = random.getrandbits(64)", "crypto-random"),
        ("import ssl\nc = ssl.create_default_context()\nc.verify_mode = ssl.CERT_NONE", "crypto-verify-off"),
        ("import ssl\nc = ssl.SSLContext(ssl.PROTOCOL_TLSv1)", "crypto-tls-version"),
        ("def f(user, password): return user.password == password", "crypto-compare"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(crypto.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import hashlib\nh = hashlib.md5(b'x', usedforsecurity=False)",
        "import random\ndef roll(): return random.randint(1, 6)",
        "def f(form): return form.password == form.confirm_password",
        "import requests\nrequests.get('https://x', verify=True)",
        "import hmac\ndef f(k, m, s): return hmac.compare_digest(hmac.new(k, m, 'sha256').digest(), s)",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(crypto.check, code) == set()
