"""What keys may use over replicas: reserve, reconcile, refund; leases."""

import pytest

from actors.admission.quotas import (
    MINUTE_S,
    UNLIMITED,
    VACANT,
    Amount,
    Book,
    Leases,
    Note,
    Reserved,
    Short,
    Want,
    kept,
    lease,
    pool,
    share,
)
from tests.unit.actors.admission.interleavings import World

NOW_S = 1000.0 * MINUTE_S
LIMIT = Amount(100, 1000)


def joined(slots: int = 1, minute: int = 1000) -> Book:
    """Return the book of a replica that joined a minute."""
    book = Book(slots, NOW_S)
    asked = book.to_ask(NOW_S, 20)
    assert asked == (minute, {})
    book.asked(minute)
    book.answered(Leases(minute, joined=True, given={}, left={}))
    return book


def cannot_join(book: Book, minute: int) -> None:
    """Let the store be away once word is left."""
    book.asked(minute)
    book.failed(minute, for_certain=True, has_share=True)


def reserve(book: Book, tokens: int = 10, now_s: float = NOW_S, limit: Amount = LIMIT) -> Reserved:
    """Reserve what there is."""
    held = book.reserve("k", limit, tokens, now_s)
    assert isinstance(held, Reserved)
    return held


def left(book: Book) -> Amount:
    """Return what a key has in hand."""
    account = reserve(book, 0).account
    account.left += 1
    return Amount(account.left, account.tokens_left)


@pytest.mark.parametrize("seed", range(20))
def test_no_interleaving_passes_a_limit(seed: int) -> None:
    """Five callers on one key over several replicas, with a store that is away or whose word is lost, and replicas that die."""
    answered = 0
    for number in range(150):
        world = World(seed * 1000 + number)
        for _ in range(60):
            world.step()
        answered += world.answered
    assert answered > 50  # the limit is not kept by letting nobody in


def test_one_who_is_let_in_reserves_the_most_he_can_use_and_gives_back_the_rest() -> None:
    """Reserve, reconcile."""
    book = joined()
    held = reserve(book, 300)
    assert left(book) == Amount(49, 200)
    book.settle(held, 20)
    assert left(book) == Amount(49, 480)


def test_a_cancelled_request_used_nothing() -> None:
    """Neither a request nor a token."""
    book = joined()
    book.refund(reserve(book, 300))
    assert left(book) == Amount(50, 500)


def test_a_refused_request_uses_nothing() -> None:
    """Both or none: one whose tokens are short keeps its request."""
    book = joined()
    assert isinstance(book.reserve("k", LIMIT, 501, NOW_S), Short)
    assert left(book) == Amount(50, 500)


def test_what_was_used_beyond_the_reserve_is_owed() -> None:
    """A voter that tells of more tokens than it could use takes them from who comes next."""
    book = joined()
    book.settle(reserve(book, 100), 450)
    assert left(book).tokens == 50
    assert isinstance(book.reserve("k", LIMIT, 51, NOW_S), Short)


def test_a_minute_begins_anew_and_takes_nothing_from_the_one_before() -> None:
    """What was reserved before it is nothing to it."""
    book = joined()
    cannot_join(book, 1001)
    held = reserve(book, 400)
    reserve(book, 0, NOW_S + MINUTE_S)
    book.settle(held, 0)
    assert book.minute == 1001
    assert isinstance(book.reserve("k", LIMIT, 1001, NOW_S + MINUTE_S), Short)
    reserve(book, 1000, NOW_S + MINUTE_S)


def test_a_clock_that_goes_back_brings_no_minute_back() -> None:
    """Minutes only rise."""
    book = joined()
    cannot_join(book, 1001)
    reserve(book, 1000, NOW_S + MINUTE_S)
    assert isinstance(book.reserve("k", LIMIT, 1, NOW_S), Short)


def test_who_could_not_join_has_its_share_alone() -> None:
    """Without a store: limit / slots, and it asks no more in that minute."""
    book = Book(4, NOW_S)
    cannot_join(book, 1000)
    assert book.standing == "alone"
    reserve(book, 250)
    short = book.reserve("k", LIMIT, 1, NOW_S + 10)
    assert isinstance(short, Short)
    assert short.retry_after_s == 50
    assert book.to_ask(NOW_S + 10, 20) is None
    assert book.to_ask(NOW_S + 41, 20) == (1001, {"k": Want(LIMIT, Amount(0, 250 - 125), ahead=True)})


@pytest.mark.parametrize(("for_certain", "standing"), [(False, "leases"), (True, None)])
@pytest.mark.parametrize("minute", [1000, 1001])
def test_who_does_not_know_has_nothing_of_its_own(minute: int, *, for_certain: bool, standing: str | None) -> None:
    """Neither one that may have joined, nor one that could leave no word: now or ahead. The latter tries again."""
    book = Book(1, NOW_S)
    book.asked(minute)
    book.failed(minute, for_certain=for_certain, has_share=False)
    at_s = float(minute * MINUTE_S)
    assert isinstance(book.reserve("k", LIMIT, 0, at_s), Short)
    assert book.standing == standing
    assert (book.to_ask(at_s, 20) or (0,))[0] == minute


def test_a_share_is_nobodys_before_word_of_it_is_left() -> None:
    """A minute that comes before anybody asked about it: a replica that was killed now would have told nobody what it used."""
    book = joined()
    short = book.reserve("k", LIMIT, 0, NOW_S + MINUTE_S)
    assert isinstance(short, Short)
    assert (book.standing, short.retry_after_s) == (None, 1)
    cannot_join(book, 1001)
    reserve(book, 1000, NOW_S + MINUTE_S)


def test_who_joins_at_a_later_try_is_not_alone() -> None:
    """What it has not put into the note before, it has put there now; or nobody knows."""
    for joins in (True, False):
        book = joined()
        cannot_join(book, 1001)
        book.asked(1001)
        if joins:
            book.answered(Leases(1001, joined=True, given={}, left={}))
        else:
            book.failed(1001, for_certain=False, has_share=False)
        assert isinstance(book.reserve("k", LIMIT, 501, NOW_S + MINUTE_S), Short)


def test_joining_ahead_is_tried_again_until_the_minute_begins() -> None:
    """A store that was away for a moment costs nothing."""
    book = joined()
    assert book.to_ask(NOW_S + 30, 20) is None
    assert book.to_ask(NOW_S + 45, 20) == (1001, {})
    book.asked(1001)
    assert book.to_ask(NOW_S + 46, 20) is None
    book.failed(1001, for_certain=True, has_share=True)
    assert book.to_ask(NOW_S + 50, 20) == (1001, {})


def test_more_is_leased_before_it_runs_out() -> None:
    """Below half of what was had, or where somebody fell short; not where the pool is known to be empty."""
    book = joined()
    reserve(book, 250)
    assert book.to_ask(NOW_S, 20) is None
    reserve(book, 1)
    assert book.to_ask(NOW_S, 20) == (1000, {"k": Want(LIMIT, Amount())})
    book.answered(Leases(1000, joined=True, given={"k": Amount(50, 250)}, left={"k": Amount(0, 250)}))
    assert left(book) == Amount(98, 499)
    short = book.reserve("k", LIMIT, 600, NOW_S)
    assert isinstance(short, Short)
    assert short.retry_after_s == 1  # the pool has it
    assert book.to_ask(NOW_S, 20) == (1000, {"k": Want(LIMIT, Amount(0, 101))})
    book.answered(Leases(1000, joined=True, given={"k": Amount(0, 250)}, left={"k": Amount()}))
    reserve(book, 749)
    assert book.to_ask(NOW_S, 20) is None
    assert book.reserve("k", LIMIT, 1, NOW_S + 20) == Short("tokens", "spent", 40, 1000)


def test_what_can_never_be_had_is_told() -> None:
    """A request that is greater than the whole limit."""
    short = joined().reserve("k", LIMIT, 1001, NOW_S)
    assert isinstance(short, Short)
    assert (short.why, short.most) == ("too_much", 1000)


def test_what_no_replica_can_have_beside_the_others_is_told_and_not_leased_for() -> None:
    """Three replicas that keep a sixth each: one can have four sixths, in no minute more."""
    book, most = joined(3), 1000 - 2 * 166
    big = 900
    assert book.reserve("k", LIMIT, big, NOW_S) == Short(
        "tokens", "fetching", 1, 1000
    )  # of the others it knows nothing yet
    note, wants = Note(1000, 3, {0: "a", 1: "b", 2: "c"}), book.to_ask(NOW_S, 20)
    assert wants is not None
    after, leases = lease(note, 3, 0, "a", [], wants[1], 10)
    assert (leases.given["k"].tokens, leases.left["k"].tokens, leases.others) == (0, pool(1000, 3, note), 2)
    assert after.leased["k"].tokens == 0
    book.answered(leases)
    assert book.reserve("k", LIMIT, big, NOW_S) == Short("tokens", "too_much", 60, most)
    assert book.to_ask(NOW_S, 20) is None
    assert book._accounts["k"].asked == big  # before it was known
    book._accounts["k"].asked = 0
    book.reserve("k", LIMIT, big, NOW_S)
    assert book._accounts["k"].asked == 0  # nor is it leased for ahead
    assert book.reserve("k", LIMIT, most, NOW_S) == Short("tokens", "fetching", 1, most)
    after, leases = lease(note, 3, 0, "a", [], book.to_ask(NOW_S, 20)[1], 10)  # type: ignore[index]
    book.answered(leases)
    reserve(book, most)


def test_who_is_told_to_come_again_is_told_when_there_can_be_more() -> None:
    """In the next minute if the store is away, whether it joined this one or not; in a second while it answers."""
    book = joined(2)
    reserve(book, 250)
    assert book.reserve("k", LIMIT, 251, NOW_S + 10) == Short("tokens", "fetching", 1, 1000)
    for why, after_s in (("fetching", 1), ("alone", 50)):
        book.failed(1000, for_certain=True, has_share=False)
        assert book.reserve("k", LIMIT, 251, NOW_S + 10) == Short("tokens", why, after_s, 1000)
    assert book.to_ask(NOW_S + 10, 20) == (1000, {"k": Want(LIMIT, Amount(0, 251))})  # it is not given up
    book.answered(Leases(1000, joined=True, given={"k": Amount(0, 251)}, left={"k": Amount(0, 249)}))
    reserve(book, 251)
    assert book.reserve("k", LIMIT, 200, NOW_S + 10) == Short("tokens", "fetching", 1, 1000)
    absent = Book(2, NOW_S)
    for _ in range(2):
        absent.asked(1000)
        absent.failed(1000, for_certain=True, has_share=False)
    assert absent.reserve("k", LIMIT, 1, NOW_S + 10) == Short("requests", "alone", 50, 100)


@pytest.mark.parametrize(("limit", "tokens"), [(Amount(3, UNLIMITED), 0), (Amount(100, 100_000), 30_000)])
@pytest.mark.parametrize("is_turned_round", [False, True])
def test_a_key_that_was_seen_lately_is_let_in_at_once(limit: Amount, tokens: int, *, is_turned_round: bool) -> None:
    """In every minute and at every replica, although what stays a replica's own is less than one request of it."""
    books = [joined(2), joined(2)]
    for book in books:
        book.reserve("k", limit, tokens, NOW_S)
    for minute in (1001, 1002, 1003):
        note = Note(minute, 2)
        for number, book in sorted(enumerate(books), reverse=is_turned_round):
            asked = book.to_ask(minute * MINUTE_S - 10, 20)
            assert asked is not None
            book.asked(minute)
            note, leases = lease(note, 2, number, f"r{number}", [], asked[1], 10)
            book.answered(leases)
        assert [isinstance(book.reserve("k", limit, tokens, minute * MINUTE_S), Reserved) for book in books] == [
            True
        ] * 2


def test_nothing_is_leased_ahead_that_not_every_replica_could_have() -> None:
    """What lies in the pool goes to whom the requests come to."""
    book = joined(8)
    book.reserve("k", Amount(7, UNLIMITED), 0, NOW_S)
    book.answered(Leases(1000, joined=True, given={"k": Amount()}, left={"k": Amount()}))
    asked = book.to_ask(NOW_S + 50, 20)
    assert asked == (1001, {"k": Want(Amount(7, UNLIMITED), Amount(1, 0), ahead=True)})
    for vacant, got in (((1, 2), 1), ((1,), 1), ((), 0)):
        assert lease(Note(1001, 8), 8, 0, "a", vacant, asked[1], 10)[1].given["k"].requests == got


def test_only_so_many_keys_are_leased_for_ahead_and_not_for_ever() -> None:
    """Those that were seen last, and within ten minutes; keys whose own part is enough need none."""
    book = Book(2, NOW_S, 2)
    small = Amount(3, UNLIMITED)
    for key in "abca":
        book.reserve(key, small, 0, NOW_S)
    book.reserve("d", Amount(100, UNLIMITED), 0, NOW_S + MINUTE_S)
    book.reserve("b", small, 0, NOW_S + MINUTE_S)
    assert [*book._seen] == ["d", "b"]
    for minute, keys in ((1, ["b"]), (10, ["b"]), (11, [])):
        now_s = NOW_S + minute * MINUTE_S + 50
        book.to_ask(now_s, 20)
        book.asked(book.minute)
        book.answered(Leases(book.minute, joined=True, given={}, left={}))
        asked = book.to_ask(now_s, 20)
        assert asked is not None
        assert [*asked[1]] == keys


def test_of_a_pool_that_others_have_not_joined_nothing_follows() -> None:
    """Who joins first finds only what is its own there; its answer may come once the minute has begun."""
    for comes_late in (False, True):
        book = joined(2)
        book.asked(1001)
        if comes_late:
            book.reserve("k", LIMIT, 0, NOW_S + MINUTE_S)
        book.answered(Leases(1001, joined=True, given={"k": Amount(0, 5)}, left={"k": Amount()}))
        assert book.reserve("k", LIMIT, 256, NOW_S + MINUTE_S) == Short("tokens", "fetching", 1, 1000)
        reserve(book, 255, NOW_S + MINUTE_S)


def test_what_is_shown_counts_what_the_pool_has() -> None:
    """As far as it is known; before the first request, the limit."""
    book = joined()
    assert book.shown("k", LIMIT, NOW_S + 15) == (LIMIT, 45)
    reserve(book, 100)
    assert book.shown("k", LIMIT, NOW_S) == (Amount(49, 400), 60)
    book.answered(Leases(1000, joined=True, given={"k": Amount(1, 1)}, left={"k": Amount(9, 99)}))
    assert book.shown("k", LIMIT, NOW_S) == (Amount(59, 500), 60)


def test_a_clock_that_goes_back_by_more_than_a_minute_leaves_the_book_behind() -> None:
    """By less it is waited for."""
    book = Book(1, 7 * MINUTE_S)
    assert [book.is_left_behind(minute * MINUTE_S) for minute in (5, 6, 7, 8)] == [True, False, False, False]


def test_whether_it_joined_is_asked_until_it_is_known_and_then_half_of_the_share_is_its_own() -> None:
    """A slow store's answer was lost: what the note says later counts, once; before that nothing is its own."""
    book, ahead_s = joined(2), (1001 * MINUTE_S) - 10.0
    minute, wants = book.to_ask(ahead_s, 20)  # type: ignore[misc]
    book.asked(minute)
    book.failed(minute, for_certain=False, has_share=False)
    assert book.to_ask(ahead_s, 20) == (1001, wants)
    book.asked(minute)
    book.failed(minute, for_certain=False, has_share=False)
    now_s = 1001.0 * MINUTE_S
    assert book.reserve("k", LIMIT, 1, now_s) == Short("requests", "alone", 60, 100)
    assert book.to_ask(now_s, 20) == (1001, {"k": Want(LIMIT, Amount(1, 1))})
    for _ in range(2):
        book.answered(Leases(1001, joined=True, given={}, left={}))
        assert (book.standing, book.shown("k", LIMIT, now_s)[0]) == ("kept", Amount(25, 250))


def test_who_did_not_join_leases_and_is_asked_no_more_than_others() -> None:
    """The note does not name it; should its word come later than that, half of its share is its own then."""
    book = joined(2)
    book.asked(1001)
    book.failed(1001, for_certain=False, has_share=False)
    book.answered(Leases(1001, joined=False, given={}, left={}))
    assert book.to_ask(1001 * MINUTE_S - 10, 20) is None
    assert book.to_ask(1001 * MINUTE_S, 20) is None
    assert book.standing == "leases"
    book.answered(Leases(1001, joined=True, given={}, left={}))
    assert (book.standing, book.reserve("k", LIMIT, 250, 1001 * MINUTE_S + 1).tokens) == ("kept", 250)  # type: ignore[union-attr]


def test_what_comes_late_is_nothing() -> None:
    """A lease is for the minute that it was taken in."""
    book = joined()
    cannot_join(book, 1001)
    reserve(book, 0, NOW_S + MINUTE_S)
    book.answered(Leases(1000, joined=True, given={"k": Amount(50, 500)}, left={"k": Amount()}))
    assert isinstance(book.reserve("k", LIMIT, 1001, NOW_S + MINUTE_S), Short)


def test_a_pool_holds_what_nobody_keeps() -> None:
    """Three slots: one joined, one vacant, one whose holder may have its share alone."""
    note = Note(1, 3, {0: "a", 1: VACANT})
    assert (share(100, 3), kept(100, 3)) == (33, 16)
    assert pool(100, 3, note) == 100 - 33 - 16  # slots 0 and 1, and the rest
    assert pool(100, 3, Note(1, 3)) == 0
    assert pool(100, 3, Note(1, 3, {1: VACANT})) == 33  # what division leaves over goes with slot 0


def test_leases_are_halves_of_what_is_left_and_never_more_than_there_is() -> None:
    """Nobody takes everything at once; what somebody waits for comes whole."""
    note, wants, given = Note(1, 1), {"k": Want(Amount(100, UNLIMITED), Amount())}, 0
    for _ in range(100):
        note, leases = lease(note, 1, 0, "a", [], wants, 10)
        assert leases.joined
        given += leases.given["k"].requests
    assert given == pool(100, 1, note)
    least = {"k": Want(Amount(100, 100), Amount(40, 0))}
    assert lease(Note(1, 1), 1, 0, "a", [], least, 10)[1].given["k"] == Amount(40, 25)


def test_a_slot_that_another_held_in_this_minute_keeps_nothing() -> None:
    """What it kept is gone with who kept it; so is the share of one that was vacant when somebody looked."""
    note, _ = lease(Note(1, 2), 2, 0, "a", [1], {}, 10)
    assert note.slots == {0: "a", 1: VACANT}
    for slot, name in ((0, "b"), (1, "b"), (None, "b")):
        again, leases = lease(note, 2, slot, name, [], {}, 10)
        assert (again.slots, leases.joined) == (note.slots, False)


def test_a_note_of_another_number_of_slots_gives_nothing() -> None:
    """Its shares are of another size."""
    note = Note(1, 2)
    nothing = {"k": Amount()}  # and more is not asked for in vain
    assert lease(note, 3, 0, "a", [], {"k": Want(LIMIT, Amount())}, 10) == (note, Leases(1, False, nothing, nothing))


def test_a_note_holds_so_many_keys() -> None:
    """Who comes later has what it has without a lease."""
    wants = {key: Want(LIMIT, Amount()) for key in ("k", "l", "m")}
    note, leases = lease(Note(1, 1), 1, 0, "a", [], wants, 2)
    assert set(note.leased) == {"k", "l"}
    assert (leases.given["m"], leases.left["m"]) == (Amount(), Amount())
