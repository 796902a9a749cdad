"""Entries about the table are the word of whoever can sign checkpoints, whole and unchanged."""

from collections.abc import Callable

import msgspec
import pytest

from actors.base.certificates import Revocation
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.conventions import TABLE_COMPACTED
from actors.spans.entry import KEY_ID, SIGNATURE, SIGNED_AT, read_entry, sign_entry
from tests.unit.actors.spans.telemetry import ISSUER, LOG_KEY, NOW_S, ROOT, Authority, certificate_of

WORDS = {"weavergen.table.inputs": "a b", "weavergen.table.outputs": "c"}
NOW = int(NOW_S)


def entry() -> dict[str, str]:
    """Sign an entry."""
    return sign_entry(LOG_KEY, Authority().trust(), TABLE_COMPACTED, WORDS, NOW)


def test_what_the_log_s_key_signed_is_believed() -> None:
    """Its words come back without the signature."""
    assert read_entry(TABLE_COMPACTED, entry(), Authority().trust()) == WORDS


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"weavergen.table.inputs": "a"},
        lambda row: row | {"weavergen.table.more": ""},
        lambda row: {key: value for key, value in row.items() if key != "weavergen.table.outputs"},
        lambda row: row | {SIGNED_AT: str(NOW + 1)},
        lambda row: row | {SIGNED_AT: f"0{NOW}"},
        lambda row: row | {SIGNED_AT: "²"},
        lambda row: row | {SIGNED_AT: ""},
        lambda row: row | {SIGNED_AT: "9" * 5000},
        lambda row: row | {KEY_ID: ISSUER.public.key_id},
        lambda row: row | {SIGNATURE: ""},
        lambda row: row | {SIGNATURE: row[SIGNATURE][:-4] + "AAA="},
        lambda _: {},
        lambda _: WORDS,
    ],
)
def test_nothing_of_an_entry_can_be_changed(change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Whatever is added, taken away or put otherwise."""
    with pytest.raises(IntegrityError):
        read_entry(TABLE_COMPACTED, change(entry()), Authority().trust())


def test_an_entry_is_of_its_name_and_of_its_log() -> None:
    """One of merging does not say that anything has expired, and another root's log has entries of its own."""
    with pytest.raises(IntegrityError):
        read_entry("weavergen.table.expired", entry(), Authority().trust())
    other = SigningKey.from_seed(b"o" * 32)
    trust = msgspec.structs.replace(
        Authority().trust(), root=other.public.hex, certificates=[certificate_of("log", LOG_KEY, other)]
    )
    with pytest.raises(IntegrityError):
        read_entry(TABLE_COMPACTED, entry(), trust)


@pytest.mark.parametrize("key", [ISSUER, ROOT, SigningKey.from_seed(b"x" * 32)])
def test_only_a_log_key_signs_entries(key: SigningKey) -> None:
    """No other role's, not even root's own; who would not be believed does not sign."""
    with pytest.raises(IntegrityError, match="no trusted log key"):
        sign_entry(key, Authority().trust(), TABLE_COMPACTED, WORDS, NOW)


def test_a_revoked_key_s_entries_from_before_stay_good() -> None:
    """As its checkpoints do; from then on it signs nothing."""
    authority = Authority()
    before = entry()
    authority.rotate(SigningKey.from_seed(b"n" * 32), Revocation(LOG_KEY.public.key_id, NOW + 1, "stolen"))
    assert read_entry(TABLE_COMPACTED, before, authority.trust()) == WORDS
    with pytest.raises(IntegrityError):
        sign_entry(LOG_KEY, authority.trust(), TABLE_COMPACTED, WORDS, NOW + 1)
    sign_entry(authority.key(), authority.trust(), TABLE_COMPACTED, WORDS, NOW + 1)
