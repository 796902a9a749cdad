"""A tenant's salts: its own, all but the pseudonym replaced at once, and the ones of before still what they were."""

import itertools
from collections.abc import Callable

from msgspec.structs import asdict

from actors.base.digests import commitment
from actors.store.tenants import ANSWER_BYTES, SALT_BYTES, TenantSalts, derived, derived_tenants, drawn, renewed

SECRET = b"s" * 32
HEX = ("pseudonym", "prompts", "notes", "users", "answers")


def counting() -> Callable[[int], bytes]:
    """Return randomness that never repeats."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "little")


def test_what_is_drawn_is_each_its_own_and_shows_nowhere() -> None:
    """Of one tenant and of two; whole in length, and not in a representation."""
    random = counting()
    one, two = drawn("acme", random), drawn("other", random)
    parts = [getattr(salts, name) for salts in (one, two) for name in HEX]
    assert len(set(parts)) == len(parts)
    assert [len(getattr(one, name)) for name in HEX] == [32, *[2 * SALT_BYTES] * 3, 2 * ANSWER_BYTES]
    assert (one.tenant, repr(one)) == ("acme", "TenantSalts(…)")


def test_erasing_leaves_the_pseudonym_alone() -> None:
    """Nothing that opens or seals anything is what it was."""
    before = drawn("acme", counting())
    after = renewed(before, counting())
    same = {name for name, value in asdict(after).items() if value == asdict(before)[name]}
    assert same == {"schema", "tenant", "pseudonym"}


def test_a_decision_s_salt_opens_no_other() -> None:
    """It follows from the tenant's and cannot be told from another's; an earlier version's salt of all is known as well."""
    salts, other = derived(SECRET, "acme"), derived(SECRET, "other")
    one = salts.prompt_salt("01A").hex()
    assert len({one, salts.prompt_salt("01B").hex(), other.prompt_salt("01A").hex(), salts.prompts}) == 4
    assert (salts.opens("01A", one), salts.opens("01B", one), other.opens("01A", one)) == (True, False, False)
    assert (salts.opens("01A", salts.prompts), other.opens("01A", salts.prompts)) == (True, False)


def test_notes_and_users_are_committed_to_by_salts_of_their_own() -> None:
    """The same words of two tenants, or as a note and as a user's name, cannot be told to be the same; none is none."""
    all_of = [derived(SECRET, "acme"), derived(SECRET, "other"), derived(b"o" * 32, "acme")]
    made = {say("broke") for salts in all_of for say in (salts.note_commitment, salts.user_commitment)}
    assert (len(made), {len(each) for each in made}) == (6, {64})
    assert all_of[0].note_commitment("broke") in made
    assert (all_of[0].note_commitment(""), all_of[0].user_commitment("")) == ("", "")


def test_what_an_earlier_version_derived_comes_out_as_it_did() -> None:
    """Pseudonyms, prompts and notes by HMAC-SHA256 of the home's secret; nothing of one tenant is another's."""
    salts = derived(SECRET, "acme")
    by_hand = [
        commitment(SECRET, text)[:length]
        for text, length in ((b"tenant:acme", 32), (b"prompt:acme", 64), (b"note:acme", 64))
    ]
    assert [salts.pseudonym, salts.prompts, salts.notes] == by_hand
    assert salts.prompt_salt("01A").hex() == commitment(bytes.fromhex(salts.prompts), b"01A")
    assert derived_tenants(SECRET)("acme") == salts
    other = derived(SECRET, "acmf")
    assert not {getattr(salts, name) for name in HEX} & {getattr(other, name) for name in HEX}


def test_an_unknown_field_is_no_tenant() -> None:
    """What a later version keeps is not read as if it were all."""
    assert TenantSalts.__struct_config__.forbid_unknown_fields
