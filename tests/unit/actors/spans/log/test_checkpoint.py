"""Checkpoints: the examples of the specifications byte for byte, and whose word ours are."""

from dataclasses import replace

import msgspec
import pytest

from actors.base.canonical import unb64
from actors.base.certificates import Certificate, Revocation, Role, TrustBundle, certify, revoke
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.log.checkpoint import (
    SignedCheckpoint,
    TreeHead,
    log_id,
    log_keys,
    origin,
    read_checkpoint,
    read_head,
    sign_checkpoint,
    spoiled,
    witness_keys,
)
from actors.spans.log.note import KeyKind, Note, NoteKey, SignatureLine, sign_line
from tests.unit.actors.spans.telemetry import NOW_S, ROOT, Authority, certificate_of

TEXT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
LINE = (
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
COSIGNED = (
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
"""Of c2sp.org/tlog-checkpoint and c2sp.org/tlog-cosignature, which print no keys."""
NOW_MS = int(NOW_S * 1000)
KEYS = Authority()
OF = origin(KEYS.trust())


def signed(key: SigningKey | None = None, of: str = OF, now_ms: int = NOW_MS) -> SignedCheckpoint:
    """Return a checkpoint of three leaves."""
    return sign_checkpoint(key or KEYS.key(), of, 3, bytes(32), now_ms)


def test_the_specification_s_examples_come_out_as_they_were_read() -> None:
    """Alone and with a witness's line, whose time is the one that its text prints."""
    for lines in (LINE, LINE + COSIGNED):
        data = f"{TEXT}\n{lines}".encode()
        checkpoint = read_checkpoint(data)
        assert checkpoint.data == data
        assert checkpoint.head.text == TEXT
        assert (checkpoint.head.origin, checkpoint.head.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.head.root == unb64(TEXT.split("\n")[2], "root")
    assert checkpoint.note.signatures[1].time_s == 1679315147


def test_what_is_signed_with_a_time_is_what_the_specification_prints() -> None:
    """A header, the time, then the whole text."""
    key = SigningKey.from_seed(b"w" * 32)
    printed = f"cosignature/v1\ntime 1679315147\n{TEXT}"
    line = sign_line(TEXT, "witness.example.com/w1", key, 1679315147)
    key.public.verify_text(printed.encode(), line.data[8:], "test")


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n", "a\n1\nAAAA\n", TEXT[:-1], TEXT + "\n", TEXT.replace("20852163", "020852163"), "\n" + TEXT,
        TEXT.replace("20852163", "-1"), TEXT.replace("20852163", "²"), TEXT.replace("20852163", str(2**63)),
        TEXT.replace("q2I=", "q2J="), TEXT.replace("20852163", " 20852163"), TEXT.replace("20852163", ""),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Lines that are missing, empty or written otherwise."""
    with pytest.raises(IntegrityError):
        read_head(text)


def test_a_log_key_s_word_counts_for_its_own_log() -> None:
    """With a time, by which its certificate is judged."""
    checkpoint = read_checkpoint(signed().data).verify(KEYS.trust())
    assert (checkpoint.log_id, checkpoint.size, checkpoint.issued_at) == (log_id(KEYS.trust()), 3, int(NOW_S))
    assert log_id(KEYS.trust()) in OF


def test_nobody_else_s_word_counts() -> None:
    """A stranger's key, another log, a key that nobody certified, a time outside its certificate or after its revocation."""
    stranger = SigningKey.from_seed(b"s" * 32)
    for checkpoint, why in (
        (signed(stranger), "no trusted log key"), (signed(of="weavergen/ab"), "another log"),
        (signed(now_ms=NOW_MS + 10 * 365 * 86_400_000), "no trusted log key"),
    ):  # fmt: skip
        with pytest.raises(IntegrityError, match=why):
            checkpoint.verify(KEYS.trust())
    impostor = msgspec.structs.replace(KEYS.trust(), certificates=[certificate_of("log", stranger, by=stranger)])
    with pytest.raises(IntegrityError):
        signed(stranger).verify(impostor)


def test_a_checkpoint_needs_both_of_its_log_s_signatures() -> None:
    """Others' verifiers go by the one without a time, ours by the one that has it; lines of others take nothing away."""
    checkpoint = signed()
    plain, timed = checkpoint.note.signatures
    for lines in ((plain,), (timed,), (replace(plain, key_id=b"none"), timed), (plain, replace(timed, key_id=b"none"))):
        with pytest.raises(IntegrityError, match="no trusted log key"):
            SignedCheckpoint(Note(checkpoint.note.text, lines)).verify(KEYS.trust())
    foreign = SignatureLine(OF, b"none", b"\xff" * 72)
    witnessed = checkpoint.cosigned([foreign, foreign])
    assert witnessed.note.signatures == (plain, timed, foreign)
    assert witnessed.verify(KEYS.trust()).size == 3
    witness = sign_line(checkpoint.note.text, "witness.example/1", SigningKey.from_seed(b"w" * 32), 5)
    assert checkpoint.cosigned([witness]).verify(KEYS.trust()).size == 3
    assert checkpoint.cosigned([witness]).cosigned([witness]).data == checkpoint.cosigned([witness]).data


def test_lines_that_nobody_vouches_for_are_not_in_ours() -> None:
    """Another log's checkpoint may have them; they are read and kept."""
    text = TreeHead(OF, 3, bytes(32), ("more",)).text
    lines = (sign_line(text, OF, KEYS.key()), sign_line(text, OF, KEYS.key(), NOW_MS // 1000))
    assert read_head(text).more == ("more",)
    with pytest.raises(IntegrityError, match="no lines beyond"):
        SignedCheckpoint(Note(text, lines)).verify(KEYS.trust())


def test_a_stolen_log_key_is_worth_nothing_from_its_revocation_on() -> None:
    """What it signed before stays good."""
    keys = Authority()
    key = keys.key()
    keys.rotate(SigningKey.from_seed(b"n" * 32), Revocation(key.public.key_id, NOW_MS // 1000 + 5, "stolen"))
    assert signed(key).verify(keys.trust()).size == 3
    with pytest.raises(IntegrityError, match="no trusted log key"):
        signed(key, now_ms=NOW_MS + 5000).verify(keys.trust())
    assert signed(keys.key(), now_ms=NOW_MS + 5000).verify(keys.trust()).size == 3


def test_others_verify_ours_with_the_keys_that_we_give_out() -> None:
    """Either kind of line by its own key, as any note's."""
    plain, timed = log_keys(OF, KEYS.key().public)
    note = signed().note
    assert list(note.signed_by([plain])) == [plain]
    assert note.signed_by([timed])[timed].time_s == int(NOW_S)


def test_witnesses_are_told_of_those_that_were_asked_for() -> None:
    """In their own names and with their own keys; a wrong signature under a right name and id spoils it."""
    keys = [SigningKey.from_seed(seed * 32) for seed in (b"1", b"2", b"3")]
    known = [NoteKey(f"witness.example/{at}", KeyKind.COSIGNATURE, key.public) for at, key in enumerate(keys)]
    text = signed().note.text
    lines = [sign_line(text, each.name, key, 7) for each, key in zip(known, keys, strict=True)]
    checkpoint = signed().cosigned(lines[:2])
    assert checkpoint.verify(KEYS.trust()).witnesses == ()
    assert checkpoint.verify(KEYS.trust(), known[1:]).witnesses == ("witness.example/1",)
    assert checkpoint.verify(KEYS.trust(), known).witnesses == ("witness.example/0", "witness.example/1")
    wrong = replace(lines[2], data=lines[1].data)
    assert checkpoint.cosigned([wrong]).verify(KEYS.trust(), known[:2]).witnesses
    assert [checkpoint.cosigners(asked) for asked in (known, known[1:], [])] == [2, 1, 0]
    assert [checkpoint.cosigned([wrong]).cosigners(asked) for asked in (known[:2], known)] == [2, 0]
    with pytest.raises(IntegrityError, match="does not match"):
        checkpoint.cosigned([wrong]).verify(KEYS.trust(), known)


NAME, WITNESS = "witness.example/1", SigningKey.from_seed(b"w" * 32)


def bundle(
    *held: tuple[Role, str, SigningKey], revoked: int | None = None, ends: int = int(NOW_S) + 100
) -> TrustBundle:
    """Return the log's bundle with more certificates of root, and the witness's key revoked from a second on."""
    trust, root = KEYS.trust(), ROOT.public.key_id
    more = [certify(ROOT, Certificate(role, name, key.public.hex, root, 0, ends)) for role, name, key in held]
    gone = [] if revoked is None else [revoke(ROOT, Revocation(WITNESS.public.key_id, revoked, "stolen"))]
    return msgspec.structs.replace(trust, certificates=[*trust.certificates, *more], revocations=gone)


def test_witnesses_are_those_that_root_certifies() -> None:
    """Under the name and kind that their signatures have; a bundle of before has none."""
    assert witness_keys(KEYS.trust(), int(NOW_S)) == []
    (key,) = witness_keys(bundle(("witness", NAME, WITNESS)), int(NOW_S))
    assert key == NoteKey(NAME, KeyKind.COSIGNATURE, WITNESS.public)
    witnessed = signed().cosigned([sign_line(signed().note.text, NAME, WITNESS, int(NOW_S))])
    assert witnessed.verify(KEYS.trust(), [key]).witnesses == (NAME,)


def test_a_witness_that_is_revoked_or_whose_certificate_ended_counts_no_more() -> None:
    """By now, not by the time of what it signed, which is its own word: a stolen key tells any."""
    now_s, certified = int(NOW_S), ("witness", NAME, WITNESS)
    assert len(witness_keys(bundle(certified, revoked=now_s + 1), now_s)) == 1
    assert witness_keys(bundle(certified, revoked=now_s), now_s) == []
    assert witness_keys(bundle(certified, ends=now_s), now_s) == []


def test_whoever_has_the_log_s_key_is_no_witness() -> None:
    """Nor is any key that is certified for something else, in whatever order, nor what calls itself the log."""
    for also in (("log", "weavergen log", WITNESS), ("operator", "operator", WITNESS)):
        for held in ((("witness", NAME, WITNESS), also), (also, ("witness", NAME, WITNESS))):
            assert witness_keys(bundle(*held), int(NOW_S)) == []
    assert witness_keys(bundle(("witness", OF, WITNESS)), int(NOW_S)) == []
    assert witness_keys(bundle(("witness", NAME, KEYS.key())), int(NOW_S)) == []


def test_a_witness_counts_once() -> None:
    """However many keys it has, and however many names its key has."""
    text, other = signed().note.text, SigningKey.from_seed(b"o" * 32)
    for held in (((NAME, WITNESS), (NAME, other)), ((NAME, WITNESS), ("witness.example/2", WITNESS))):
        keys = [NoteKey(name, KeyKind.COSIGNATURE, key.public) for name, key in held]
        witnessed = signed().cosigned([sign_line(text, name, key, 5) for name, key in held])
        assert len(witnessed.verify(KEYS.trust(), keys).witnesses) == 1


def test_a_line_that_is_no_longer_its_witness_s_is_found() -> None:
    """By the name or by the key's id, whichever is left; also where the witness was revoked since. Others' lines mean nothing."""
    text, certified = signed().note.text, ("witness", NAME, WITNESS)
    line = sign_line(text, NAME, WITNESS, 5)
    foreign = sign_line(text, "witness.example/9", SigningKey.from_seed(b"o" * 32), 5)
    late = replace(line, data=line.data[:7] + b"\x06" + line.data[8:])
    for trust in (bundle(certified), bundle(certified, revoked=1)):
        assert spoiled(signed().cosigned([line, foreign]), trust) == []
        for wrong in (
            late,
            replace(line, data=line.data[:-1] + b"x"),
            replace(line, key_id=b"none"),
            replace(line, data=b"x"),
        ):
            assert spoiled(signed().cosigned([wrong, foreign]), trust) == [NAME]
        assert spoiled(signed().cosigned([replace(line, name="witness.example/2")]), trust) == ["witness.example/2"]
    assert spoiled(signed().cosigned([late]), KEYS.trust()) == []
    assert spoiled(signed(), bundle(("witness", OF, WITNESS))) == []


def test_either_key_of_a_witness_that_has_another_now_is_its_own() -> None:
    """What it signed with the key before stays its word."""
    text, other = signed().note.text, SigningKey.from_seed(b"o" * 32)
    trust = bundle(("witness", NAME, WITNESS), ("witness", NAME, other))
    for key in (WITNESS, other):
        line = sign_line(text, NAME, key, 5)
        assert spoiled(signed().cosigned([line]), trust) == []
        assert spoiled(signed().cosigned([replace(line, data=line.data[:-1] + b"x")]), trust) == [NAME]
