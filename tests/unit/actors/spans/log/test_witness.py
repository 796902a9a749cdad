"""The witness protocol: the specification's example, and every answer that it names."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.log.checkpoint import SignedCheckpoint, TreeHead, log_keys, sign_checkpoint
from actors.spans.log.note import Note, NoteKey, SignatureLine
from actors.spans.log.witness import (
    MAX_PROOF_LINES,
    MAX_REQUEST_BYTES,
    SIZE_TYPE,
    AddCheckpoint,
    Verdict,
    judge,
    read_request,
)
from actors.spans.merkle import consistency_path, leaf_hash, tree_root

EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""
"""Of c2sp.org/tlog-witness."""
KEY, OF = SigningKey.from_seed(b"l" * 32), "log.example/1"
LEAVES = [leaf_hash(b"%d" % number) for number in range(120)]


def root(size: int) -> bytes:
    """Return the log's root at a size."""
    return tree_root(LEAVES[:size])


def read(level: int, number: int) -> bytes:
    """Return the hash of a complete subtree."""
    return tree_root(LEAVES[number << level : (number + 1) << level])


def request(
    old: int, size: int, *, key: SigningKey = KEY, of: str = OF, tree: bytes = b"", path: Sequence[bytes] | None = None
) -> bytes:
    """Return a request to sign the log at a size, with the proof that it takes."""
    proof = (consistency_path(old, size, read) if old else []) if path is None else path
    return AddCheckpoint(old, tuple(proof), sign_checkpoint(key, of, size, tree or root(size), 5000)).data


class Memory:
    """A witness that remembers in memory."""

    def __init__(self) -> None:
        self.seen: dict[str, TreeHead] = {}

    def ask(self, data: bytes) -> Verdict:
        """Judge, and remember what is to be."""
        told = judge(data, keys, self.seen.get)
        if told.remember is not None:
            self.seen[told.remember.head.origin] = told.remember.head
        return told


def keys(of: str) -> Sequence[NoteKey]:
    """Know one log."""
    return log_keys(OF, KEY.public)[:1] if of == OF else ()


def test_the_specification_s_request_comes_out_as_it_was_read() -> None:
    """A size, a proof, a checkpoint with two signatures."""
    asked = read_request(EXAMPLE.encode())
    assert (asked.old_size, len(asked.path), asked.checkpoint.head.size) == (20852014, 4, 20852163)
    assert asked.data == EXAMPLE.encode()


@given(st.lists(st.integers(0, 120), min_size=1, max_size=8))
def test_a_log_that_only_grows_is_always_signed(sizes: Sequence[int]) -> None:
    """In whatever steps; asked again for the same checkpoint, it is signed again."""
    witness, last = Memory(), 0
    for size in sorted(sizes):
        for old in (last, size):
            assert witness.ask(request(old, size)).status == 200
        last = size
    assert witness.seen[OF].size == last


@given(st.integers(1, 120), st.integers(0, 120), st.integers(0, 120))
def test_a_log_that_was_set_back_or_forked_is_never_signed(seen: int, old: int, size: int) -> None:
    """Whatever it says was before, and with every key of the log's in the hand of who tries."""
    witness = Memory()
    assert witness.ask(request(0, seen)).status == 200
    other = [*LEAVES[: seen - 1], leaf_hash(b"another"), *LEAVES[seen:]]

    def of_other(level: int, number: int) -> bytes:
        return tree_root(other[number << level : (number + 1) << level])

    path = consistency_path(old, size, of_other) if 0 < old <= size else []
    forked = witness.ask(request(old, size, tree=tree_root(other[:size]), path=path))
    assert forked.status != 200
    if size < seen:
        assert witness.ask(request(old, size, path=path)).status in {400, 409}
    assert witness.seen[OF].root == root(seen)


def test_what_is_not_known_is_told() -> None:
    """Whoever asks with another size gets the one to go on from."""
    witness = Memory()
    assert (witness.ask(request(3, 5)).body, witness.ask(request(3, 5)).content_type) == ("0\n", SIZE_TYPE)
    witness.ask(request(0, 5))
    for old, size in ((0, 7), (3, 7), (6, 7)):
        told = witness.ask(request(old, size))
        assert (told.status, told.body, told.content_type) == (409, "5\n", SIZE_TYPE)


def test_each_fault_has_its_status() -> None:
    """As the specification lists them, in its order; none of them is remembered."""
    witness, stranger = Memory(), SigningKey.from_seed(b"s" * 32)
    witness.ask(request(0, 5))
    spoiled = sign_checkpoint(KEY, OF, 7, root(7), 5000)
    plain = spoiled.note.signatures[0]
    wrong = SignedCheckpoint(Note(spoiled.note.text, (SignatureLine(OF, plain.key_id, bytes(64)),)))
    for data, status in (
        (b"", 400), (EXAMPLE.encode(), 404), (request(5, 7, of="log.example/2"), 404), (request(5, 7, key=stranger), 403),
        (AddCheckpoint(5, (), wrong).data, 403), (request(7, 6, path=[]), 400), (request(5, 7, path=[]), 422),
        (request(5, 7, path=[bytes(32)] * 3), 422), (request(5, 5, tree=b"x" * 32), 409), (request(5, 5, path=[bytes(32)]), 422),
    ):  # fmt: skip
        told = witness.ask(data)
        assert (told.status, told.remember) == (status, None), data
    assert witness.seen[OF].size == 5
    assert Memory().ask(request(0, 5, path=[bytes(32)])).status == 422
    assert Memory().ask(request(0, 0, tree=b"x" * 32)).status == 409


@pytest.mark.parametrize(
    "data",
    [
        EXAMPLE.replace("old ", "new "), EXAMPLE.replace("old 2", "old 02"), EXAMPLE.replace("\n\nexample", "\nexample"),
        EXAMPLE.replace("kaw=", "kax="), EXAMPLE.replace("old 20852014\n", "old 20852014\nAAAA\n"),
        EXAMPLE.replace("old 20852014\n", "old 20852014\n" + ("A" * 43 + "=\n") * (MAX_PROOF_LINES - 3)),
        EXAMPLE.replace("old", "öld"), EXAMPLE + "x" * MAX_REQUEST_BYTES, EXAMPLE[:-1],
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(data: str) -> None:
    """Each by a clear word."""
    with pytest.raises(IntegrityError):
        read_request(data.encode())
