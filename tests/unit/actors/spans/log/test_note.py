"""Signed notes: the examples of the specification and of its first implementation, and that nothing else passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import unb64
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.log.note import (
    MAX_NOTE_BYTES,
    KeyKind,
    Note,
    NoteKey,
    SignatureLine,
    is_name,
    read_key,
    read_lines,
    read_note,
    sign_line,
)

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""
"""Both of c2sp.org/signed-note; the poem's key is not printed."""
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
"""Of golang.org/x/mod, sumdb/note, package documentation."""
WITNESS_KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
"""Of github.com/transparency-dev/formats, note/note_cosigv1_test.go."""
KEY = SigningKey.from_seed(b"n" * 32)


@pytest.mark.parametrize(("key", "text"), [(EXAMPLE_KEY, EXAMPLE), (GO_KEY, GO_NOTE)])
def test_notes_of_the_specification_and_of_go_verify(key: str, text: str) -> None:
    """With the keys printed beside them, and come out as the same bytes."""
    note = read_note(text.encode())
    assert note.data == text.encode()
    assert list(note.signed_by([read_key(key)])) == [read_key(key)]


def test_a_text_may_hold_empty_lines() -> None:
    """The last one parts it from its signatures."""
    note = read_note(POEM.encode())
    assert (note.data, note.text.count("\n\n"), len(note.signatures)) == (POEM.encode(), 1, 1)
    assert note.signatures[0].key_id.hex() == "367ba04b"


def test_we_sign_as_go_does() -> None:
    """Ed25519 has one signature for a text: with Go's key it is the one that Go prints."""
    key = SigningKey.from_seed(unb64(GO_SEED, "seed")[1:])
    text = GO_NOTE.partition("\n\n")[0] + "\n"
    assert Note(text, (sign_line(text, "PeterNeumann", key),)).data == GO_NOTE.encode()


@pytest.mark.parametrize("text", [EXAMPLE_KEY, GO_KEY, WITNESS_KEY])
def test_keys_come_out_as_they_were_read(text: str) -> None:
    """Of either kind; cut, with another id, of another kind or with a byte changed it is none."""
    key = read_key(text)
    assert (key.text, key.name) == (text, text.partition("+")[0])
    for wrong in (text[:-4], text[4:], text.replace("+", "+0", 1), text + "A", text.replace("+", " ", 1), ""):
        with pytest.raises(IntegrityError):
            read_key(wrong)
    for place in range(len(text)):
        mutant = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        with pytest.raises(IntegrityError):
            read_key(mutant)


def test_a_key_of_an_unknown_kind_is_refused() -> None:
    """Elliptic curves and lattices are others' business."""
    with pytest.raises(IntegrityError, match="not Ed25519"):
        read_key("rekor.example+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABA==")


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1), st.data())
def test_what_we_sign_is_read_and_believed(name: str, data: st.DataObject) -> None:
    """Under any name, of either kind, beside strangers' lines, and by that key alone."""
    text = data.draw(st.text(alphabet=st.characters(exclude_categories=["C"]), max_size=40)) + "\n"
    time_s = data.draw(st.none() | st.integers(0, 2**63 - 1))
    kind = KeyKind.ED25519 if time_s is None else KeyKind.COSIGNATURE
    line, stranger = sign_line(text, name, KEY, time_s), SignatureLine(name, b"none", b"x")
    note = read_note(Note(text, (stranger, line)).data)
    key = NoteKey(name, kind, KEY.public)
    assert note.signed_by([key]) == {key: line}
    assert note.signed_by([NoteKey(name, KeyKind(5 - kind), KEY.public), NoteKey(name + "x", kind, KEY.public)]) == {}
    if time_s is not None:
        assert note.signatures[1].time_s == time_s


def test_a_known_key_s_wrong_signature_spoils_the_note() -> None:
    """Also beside a right one: whoever holds the key would not have written it. Nor has any other text its signature."""
    text = "one\n"
    right, key = sign_line(text, "a", KEY), NoteKey("a", KeyKind.ED25519, KEY.public)
    wrong = SignatureLine("a", right.key_id, sign_line("two\n", "a", KEY).data)
    for lines in ((wrong,), (right, wrong), (wrong, right)):
        with pytest.raises(IntegrityError, match="does not match"):
            Note(text, lines).signed_by([key])
    with pytest.raises(IntegrityError, match="does not match"):
        Note("two\n", (right,)).signed_by([key])


def test_the_time_is_signed() -> None:
    """A cosignature with another time is none, and one without has no time."""
    text, key = "one\n", NoteKey("a", KeyKind.COSIGNATURE, KEY.public)
    line = sign_line(text, "a", KEY, 7)
    later = SignatureLine("a", line.key_id, (8).to_bytes(8, "big") + line.data[8:])
    with pytest.raises(IntegrityError, match="does not match"):
        Note(text, (later,)).signed_by([key])
    for data in (line.data[8:], (2**63).to_bytes(8, "big") + line.data[8:]):
        with pytest.raises(IntegrityError, match="no time"):
            assert SignatureLine("a", line.key_id, data).time_s


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n\n", b"text\n", b"text\n\n", EXAMPLE.encode()[:-1], EXAMPLE.encode() + b"\n", EXAMPLE.encode() + b"x\n",
        EXAMPLE.replace("\n\n", "\n").encode(), EXAMPLE.replace("—", "-").encode(), EXAMPLE.replace(" an", "\tan").encode(),
        EXAMPLE.replace("\n", "\r\n").encode(), EXAMPLE.replace("/foo", "+foo").encode(),
        EXAMPLE.replace("foo U", "foo  U").encode(), EXAMPLE.replace("aQM=", "aQN=").encode(), b"\xff" + EXAMPLE.encode(),
        EXAMPLE.encode() + b"x" * MAX_NOTE_BYTES, "text\n\n— a AAAAAA==\n".encode(), "text\n\n— a AAAAAAA\n".encode(),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(data: bytes) -> None:
    """Each by a clear word, none by a stack trace."""
    with pytest.raises(IntegrityError):
        read_note(data)


def test_names_have_neither_spaces_nor_a_plus() -> None:
    """No-break spaces and line separators are spaces too."""
    for name in ("", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\nb"):
        assert not is_name(name)
        with pytest.raises(IntegrityError, match="no key's name"):
            NoteKey(name, KeyKind.ED25519, KEY.public)
    assert read_lines(sign_line("x\n", "é/1", KEY).text)[0].name == "é/1"


def test_no_note_is_signed_that_could_be_something_else() -> None:
    """What else our keys sign begins in a way that no note of ours may."""
    with pytest.raises(ValueError, match="taken for something else"):
        sign_line("DSSEv1 4 kind 4 text\n", "a", KEY)
