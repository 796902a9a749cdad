"""Digests and commitments."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.base.digests import commitment, equal, sha256_hex

VECTORS = Path(__file__).parents[5] / "shared" / "data" / "wycheproof" / "hmac_sha256_test.json"


def test_sha256_of_abc() -> None:
    """FIPS 180-4's example digest."""
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_commitments_agree_with_wycheproof() -> None:
    """Every untruncated HMAC-SHA256 vector is accepted exactly when it should be."""
    if not VECTORS.exists():
        pytest.skip("../shared/data/wycheproof is not there")
    groups: list[dict[str, Any]] = json.loads(VECTORS.read_text())["testGroups"]
    cases = [test for group in groups if group["tagSize"] == 256 for test in group["tests"]]
    assert len(cases) > 80
    for case in cases:
        ours = commitment(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]))
        assert equal(ours, case["tag"]) == (case["result"] == "valid"), case["tcId"]


def test_another_salt_is_another_commitment() -> None:
    """The same content under two salts cannot be linked by its commitment."""
    assert commitment(b"a" * 16, b"content") != commitment(b"b" * 16, b"content")
