"""DSSE's pre-authentication encoding, Ed25519 and key files."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import b64
from actors.base.errors import HomeError, IntegrityError
from actors.base.signing import PublicKey, Signature, SigningKey, pae

VECTORS = Path(__file__).parents[5] / "shared" / "data" / "wycheproof" / "ed25519_test.json"
KEY = SigningKey.from_seed(bytes(32))


def test_pae_of_the_specification() -> None:
    """The DSSE protocol's own example."""
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_counts_bytes_not_characters() -> None:
    """Lengths are of the encoded bytes, and an empty payload keeps its separator."""
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(st.tuples(st.text(max_size=8), st.binary(max_size=8)), st.tuples(st.text(max_size=8), st.binary(max_size=8)))
def test_pae_is_injective(left: tuple[str, bytes], right: tuple[str, bytes]) -> None:
    """Two different (type, payload) pairs never sign the same bytes."""
    assert (pae(*left) == pae(*right)) == (left == right)


def test_public_key_of_rfc_8032() -> None:
    """RFC 8032 §7.1, test 1: its seed gives its public key."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert SigningKey.from_seed(seed).public.hex == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_wycheproof_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Wycheproof case is accepted or refused as it should be, over the raw message."""
    if not VECTORS.exists():
        pytest.skip("../shared/data/wycheproof is not there")
    monkeypatch.setattr("actors.base.signing.pae", lambda _kind, payload: payload)
    groups: list[dict[str, Any]] = json.loads(VECTORS.read_text())["testGroups"]
    count = 0
    for group in groups:
        key = PublicKey(group["publicKey"]["pk"])
        for case in group["tests"]:
            signature = Signature("ed25519", key.key_id, b64(bytes.fromhex(case["sig"])))
            try:
                key.verify("", bytes.fromhex(case["msg"]), signature, "vector")
                accepted = True
            except IntegrityError:
                accepted = False
            assert accepted == (case["result"] == "valid"), case["tcId"]
            count += 1
    assert count > 100


@given(st.binary(max_size=64), st.data())
def test_any_changed_bit_breaks_the_signature(payload: bytes, data: st.DataObject) -> None:
    """A signature holds for its payload and type, and for no other."""
    signature = KEY.sign("type", payload)
    KEY.public.verify("type", payload, signature, "step")
    with pytest.raises(IntegrityError):
        KEY.public.verify("typf", payload, signature, "step")
    if payload:
        changed = bytearray(payload)
        changed[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(IntegrityError, match="step: the signature does not match"):
            KEY.public.verify("type", bytes(changed), signature, "step")


def test_another_algorithm_is_refused() -> None:
    """A signature that claims another algorithm is not tried."""
    good = KEY.sign("type", b"payload")
    with pytest.raises(IntegrityError, match="algorithm 'none'"):
        KEY.public.verify("type", b"payload", Signature("none", good.key_id, good.sig), "step")


def test_another_key_is_refused() -> None:
    """A signature by another key is refused by its id before any arithmetic."""
    with pytest.raises(IntegrityError, match="expected"):
        KEY.public.verify("type", b"payload", SigningKey.generate().sign("type", b"payload"), "step")


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "AB" * 32, " " + "00" * 32])
def test_malformed_public_keys_are_refused(text: str) -> None:
    """A public key has exactly one spelling."""
    with pytest.raises(IntegrityError, match="64"):
        _ = PublicKey(text).raw


def test_key_files_round_trip(tmp_path: Path) -> None:
    """A saved key is private to its owner and loads as the same key; it is never overwritten."""
    path = tmp_path / "keys" / "policy.key"
    key = SigningKey.generate()
    key.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == key.public
    with pytest.raises(FileExistsError):
        SigningKey.generate().save(path)


def test_bad_key_files_are_refused(tmp_path: Path) -> None:
    """A missing, open or damaged key file is an operator's error that says what to do, without the key."""
    path = tmp_path / "key"
    with pytest.raises(HomeError, match="cannot be read"):
        SigningKey.load(path)
    path.write_text("00" * 32)
    path.chmod(0o644)
    with pytest.raises(HomeError, match="chmod 600"):
        SigningKey.load(path)
    path.write_text("secret-looking text")
    path.chmod(0o600)
    with pytest.raises(HomeError, match="not a key file") as caught:
        SigningKey.load(path)
    assert "secret-looking" not in str(caught.value)


def test_private_keys_do_not_show() -> None:
    """The representation names the public key's id only."""
    seed = bytes(range(32))
    shown = repr(SigningKey.from_seed(seed))
    assert seed.hex() not in shown
    assert shown == f"SigningKey({SigningKey.from_seed(seed).public.key_id})"


def test_a_key_file_that_cannot_be_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves no file under the key's name, so that saving again works; left-overs are ignored."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "k.key"
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            KEY.save(path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".k.key.leftover").touch()
    KEY.save(path)
    assert SigningKey.load(path).public == KEY.public


def test_a_key_is_replaced_whole(tmp_path: Path) -> None:
    """Saving never overwrites; replacing does, and the new file is as closed as the old one."""
    path, other = tmp_path / "k.key", SigningKey.generate()
    KEY.save(path)
    with pytest.raises(FileExistsError):
        other.save(path)
    other.replace(path)
    assert SigningKey.load(path).public == other.public
    assert list(tmp_path.iterdir()) == [path]


def test_wycheproof_verification_of_texts() -> None:
    """The same cases over texts as they stand: nothing is put before the message."""
    if not VECTORS.exists():
        pytest.skip("../shared/data/wycheproof is not there")
    groups: list[dict[str, Any]] = json.loads(VECTORS.read_text())["testGroups"]
    for group in groups:
        key = PublicKey(group["publicKey"]["pk"])
        for case in group["tests"]:
            try:
                key.verify_text(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]), "vector")
                accepted = True
            except IntegrityError:
                accepted = False
            assert accepted == (case["result"] == "valid"), case["tcId"]


def test_a_text_is_signed_as_it_stands_unless_it_could_be_an_encoding() -> None:
    """A signature over a text never is one over something of ours."""
    KEY.public.verify_text(b"text", KEY.sign_text(b"text"), "test")
    with pytest.raises(IntegrityError, match="does not match"):
        KEY.public.verify_text(b"texts", KEY.sign_text(b"text"), "test")
    with pytest.raises(ValueError, match="something else"):
        KEY.sign_text(pae("kind", b"payload"))
