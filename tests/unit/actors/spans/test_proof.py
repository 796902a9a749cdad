"""Inclusion proofs: what holds, and that nothing else does."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import canonical_json, decode
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans import proof as proof_module
from actors.spans.batch import manifest_of, proof_of
from actors.spans.columns import Rows
from actors.spans.log.checkpoint import origin, sign_checkpoint
from actors.spans.merkle import leaf_hash
from actors.spans.proof import InclusionProof, Manifest, check_inclusion, row_data, rows_data
from tests.unit.actors.spans.telemetry import NOW_S, Authority, certificate_of, spans_from, writer_id

NOW_MS = int(NOW_S * 1000)
W, V = writer_id(1), writer_id(2)
KEYS = Authority()


def sealed(batch: Rows, seq: int, *, key: SigningKey | None = None, log: str = "") -> InclusionProof:
    """Return the proof of a row in a log that holds this batch alone."""
    leaf = canonical_json(manifest_of(batch))
    log = log or origin(KEYS.trust())
    checkpoint = sign_checkpoint(key or KEYS.key(), log, 1, leaf_hash(leaf), NOW_MS)
    return proof_of(batch, seq, leaf, [], checkpoint)


@given(st.lists(st.sampled_from([b"", b"one", b"two"]), max_size=5), st.integers(1, 9))
def test_rows_have_the_digest_data_that_each_of_them_has(envelopes: list[bytes], first: int) -> None:
    """Whether they are looked at together or one by one."""
    rests = [bytes([at]) * 32 for at in range(len(envelopes))]
    alone = [row_data(W, first + at, 2, envelope, rests[at]) for at, envelope in enumerate(envelopes)]
    assert rows_data(W, first, 2, envelopes, rests) == alone


def test_none_of_several_rows_has_a_place_that_is_none() -> None:
    """The last of them counts like the first."""
    assert len(rows_data(W, 2**53 - 2, 2, [b"", b""], [bytes(32), bytes(32)])) == 2
    for first, writer in ((2**53 - 1, W), (0, W), (1, W[:-1])):
        with pytest.raises(IntegrityError, match="is none"):
            rows_data(writer, first, 2, [b"", b""], [bytes(32), bytes(32)])


@given(st.integers(1, 40), st.data())
def test_every_row_of_a_batch_can_be_proven(count: int, data: st.DataObject) -> None:
    """By its number and its envelope; no other row, writer or envelope passes with the same proof."""
    seq = data.draw(st.integers(5, 4 + count))
    batch = Rows(W, 5, 1, spans_from(5, count, b"envelope"), 0)
    proof = sealed(batch, seq)
    manifest, checkpoint = check_inclusion(proof, W, seq, b"envelope", KEYS.trust())
    assert (manifest.count, checkpoint.size) == (count, 1)
    for wrong in ((V, seq, b"envelope"), (W, seq + count, b"envelope"), (W, seq, b"other")):
        with pytest.raises(IntegrityError):
            check_inclusion(proof, *wrong, KEYS.trust())


LEAF = canonical_json(manifest_of(Rows(W, 5, 1, spans_from(5, 3))))


def read_slowly(data: bytes) -> Manifest | None:
    """Read a leaf as any canonical JSON is read; ``None`` if it is none."""
    try:
        return decode(data, Manifest, "batch")
    except IntegrityError:
        return None


@given(st.integers(0, len(LEAF) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_a_leaf_of_the_usual_form_is_read_as_any_other(at: int, put: bytes, cut: int) -> None:
    """Whatever is changed in it: the quick reading takes nothing that is not canonical, and takes it to be the same."""
    data = LEAF[:at] + put + LEAF[at + cut :]
    quick = proof_module._plain(data)
    assert quick is None or quick == read_slowly(data)
    assert proof_module._plain(LEAF) == read_slowly(LEAF)


@given(st.lists(st.integers(0, 2**53), min_size=5, max_size=5), st.text("0123456789abcdef", min_size=64, max_size=64))
def test_leaves_of_all_numbers_are_read_as_any_other(numbers: list[int], root: str) -> None:
    """Up to the largest that JSON holds."""
    first, last, version, began, ended = numbers
    data = canonical_json(Manifest("weavergen.batch/1", W, first, last, root, version, began, ended))
    quick = proof_module._plain(data)
    assert quick is None or quick == read_slowly(data)


def test_each_part_of_a_proof_is_needed() -> None:
    """A hash, a leaf, a place or a signature that is another makes it none, and says what is wrong."""
    batch = Rows(W, 5, 1, spans_from(5, 3, b"envelope"), 0)
    proof = sealed(batch, 6)
    other = sealed(Rows(W, 5, 1, spans_from(5, 4, b"envelope"), 0), 6)
    entry = proof.entry
    changes: dict[str, dict[str, object]] = {
        "row is not in the batch": {"rest_sha256": "00" * 32}, "row is not in": {"row_path": proof.row_path[:-1]},
        "batch is not in the log": {"log_proof": replace(entry, index=1).text},
        "not in the log": {"log_proof": replace(entry, path=(bytes(32),)).text},
        "64 lower-case": {"rest_sha256": "00" * 31}, "not hex": {"rest_sha256": "zz" * 32},
        "path of a proof is too long": {"log_proof": replace(entry, path=(bytes(32),) * 65).text},
        "too long": {"row_path": ["00" * 32] * 65},
        "not in the batch": {"manifest": other.manifest}, "is not base64": {"manifest": "!"},
        "begins with": {"log_proof": ""},
    }  # fmt: skip
    for why, change in changes.items():
        with pytest.raises(IntegrityError, match=why):
            check_inclusion(msgspec.structs.replace(proof, **change), W, 6, b"envelope", KEYS.trust())


def test_only_a_certified_log_key_s_word_counts_and_only_for_its_own_log() -> None:
    """Any other key's checkpoint, and one for another log, are refused."""
    batch = Rows(W, 5, 1, spans_from(5, 1, b"envelope"), 0)
    stranger = SigningKey.from_seed(b"s" * 32)
    for proof, why in (
        (sealed(batch, 5, key=stranger), "no trusted log key"),
        (sealed(batch, 5, log="ab"), "another log"),
    ):
        with pytest.raises(IntegrityError, match=why):
            check_inclusion(proof, W, 5, b"envelope", KEYS.trust())
    impostor = certificate_of("log", stranger, by=stranger)
    trust = msgspec.structs.replace(KEYS.trust(), certificates=[impostor])
    with pytest.raises(IntegrityError):
        check_inclusion(sealed(batch, 5, key=stranger), W, 5, b"envelope", trust)
