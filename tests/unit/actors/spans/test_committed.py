"""What a commit says of its batches is the word of whoever can sign checkpoints."""

import json

import pytest

from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.committed import BATCHES, about, read_said, say
from actors.spans.entry import sign_entry
from tests.unit.actors.spans.telemetry import LOG_KEY, NOW_S, Authority

TRUST = Authority().trust()
NOW = int(NOW_S)
ONE, TWO, THREE = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
SAID = say(LOG_KEY, TRUST, 7, [ONE, TWO], NOW)


def other(change: dict[str, str]) -> str:
    """Return what was said with some words changed."""
    said = json.loads(SAID)
    return json.dumps({"entry": said["entry"] | change}, separators=(",", ":"), sort_keys=True)


def words(change: dict[str, str]) -> str:
    """Return other words, signed."""
    given = {"weavergen.batches.first": "7", "weavergen.batches.leaves": ONE.hex()} | change
    return json.dumps({"entry": sign_entry(LOG_KEY, TRUST, BATCHES, given, NOW)}, separators=(",", ":"), sort_keys=True)


def test_each_batch_has_its_leaf_hash() -> None:
    """Under the numbers from the first on; of several words about one number the newest counts."""
    assert read_said([SAID], TRUST) == {7: ONE, 8: TWO}
    newer = say(LOG_KEY, TRUST, 8, [THREE], NOW)
    assert read_said([newer, SAID], TRUST) == {7: ONE, 8: THREE}
    assert "\n" not in SAID


@pytest.mark.parametrize(
    "said",
    [
        "", "null", "{}", SAID[:-1], f" {SAID}", other({"weavergen.batches.first": "6"}), "²",
        other({"weavergen.batches.leaves": (TWO + ONE).hex()}), other({"more": ""}), words({"weavergen.batches.first": "-1"}),
        words({"weavergen.batches.first": "²"}), words({"weavergen.batches.first": "9" * 5000}),
        words({"weavergen.batches.leaves": ONE.hex()[:-2]}), words({"weavergen.batches.leaves": "xy"}),
    ],
)  # fmt: skip
def test_what_was_changed_or_cannot_be_read_says_nothing(said: str) -> None:
    """Signed or not, and nothing else is lost by it."""
    assert read_said([said], TRUST) == {}
    assert read_said([said, SAID], TRUST) == {7: ONE, 8: TWO}


def test_only_a_key_that_may_sign_checkpoints_can_say_it() -> None:
    """A stranger's is refused when it signs, and means nothing where it did."""
    stranger = SigningKey.from_seed(b"s" * 32)
    with pytest.raises(IntegrityError, match="no trusted log key"):
        say(stranger, TRUST, 7, [ONE], NOW)
    signature = stranger.sign("application/json", SAID.encode())
    forged = other({"weavergen.entry.key_id": signature.key_id, "weavergen.entry.signature": signature.sig})
    assert read_said([forged], TRUST) == {}


def test_what_is_said_of_some_batches_is_found_without_believing_it() -> None:
    """Whoever carries it to another table need not be able to tell."""
    forged = other({"weavergen.batches.first": "20"})
    said = ["nonsense", SAID, forged]
    assert [about(said, first, last) for first, last in ((0, 6), (0, 7), (8, 30), (9, 19), (21, 40))] == [
        [], [SAID], [SAID, forged], [], [forged],
    ]  # fmt: skip
