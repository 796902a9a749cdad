"""A batch that is not what its commit said is sealed as it lies once an operator answers for it, and never without a word."""

from dataclasses import asdict
from pathlib import Path

import pytest

from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.check import Checked, check_log
from actors.spans.adapters.quarantined import entries
from actors.spans.adapters.recall import recalled
from actors.spans.adapters.requests import refused, why_refused
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.table import SpanTable
from actors.spans.quarantined import Quarantined, in_force
from tests.shells.actors.spans.adapters.sealed import Sealed, W
from tests.shells.actors.spans.answering import answered, as_it_lies, fitted, of_tenant, with_a_changed_batch
from tests.unit.actors.spans.asked import with_operator
from tests.unit.actors.spans.telemetry import Home, at


@pytest.fixture(autouse=True)
def _operator(home: Home) -> None:
    """Have root know an operator."""
    home.authority._trust = with_operator(home.authority.trust())


def quarantined(home: Home) -> Quarantined:
    """Return what the table says."""
    return in_force(entries(SpanTable(home.path / "spans", 10), home.authority.trust()))


def checked(home: Home, *, deep: bool = True) -> Checked:
    """Return what ``log verify`` finds."""
    return check_log(home.path, home.authority.trust(), 10, deep=deep)


def ticked(home: Home, seconds: range) -> str:
    """Let an actor go round; return what keeps it from sealing then."""
    actor = home.actor()
    for second in seconds:
        actor.tick(at(second), flush=True)
    actor.close()
    return str(actor.health(at(seconds[-1]))["log_error"])


def test_what_an_operator_answered_for_is_sealed_as_it_lies_and_told_for_ever(home: Home) -> None:
    """Whoever waits is told the command; then nothing waits, nothing learns from those rows, and both hashes are in the log."""
    with_a_changed_batch(home)
    seen = as_it_lies(home, 1)
    actor = home.actor()
    for second in range(40):  # by now it is looked at ever more rarely
        actor.tick(at(second), flush=True)
    health = actor.health(at(40))
    assert (health["log_size"], "`weavergen quarantine seal 1`" in health["log_error"]) == (1, True)
    path = answered(home, seen)
    for second in range(40, 44):
        actor.tick(at(second), flush=True)
    assert (actor.health(at(44))["log_error"], path.exists(), refused(path).exists()) == ("", False, False)
    actor.close()
    for deep in (True, False):
        found = checked(home, deep=deep)
        assert (found.damage, found.waiting, len(found.whole)) == ((), 0, found.size)
        (told,) = found.answered
        assert asdict(told) == {
            "batch": 1, "writer_id": W, "first_seq": 4, "last_seq": 6, "said": seen.said, "found": seen.found,
            "by": "operator a", "reason": "restored by hand",
        }  # fmt: skip
    assert (len(seen.said), seen.said != seen.found) == (64, True)
    assert quarantined(home).in_table == {W: [(4, 6)]}
    told_rows = [rows.first_seq for rows in recalled(SpanStores(home.path, 10), 1000).accepted()]
    assert told_rows == [1, 7]  # checkers are not told of them either


def ended_before_it_sealed(home: Home) -> None:
    """Let an actor enter an answer for batch 0, and end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sealer, "seal", lambda sealer, _, now_ms: sealer.begin(now_ms) or 0)
        ticked(home, range(1))
    assert (checked(home).size, len(home.entries(names.BATCH_ANSWERED))) == (0, 1)


def test_the_answer_is_the_table_s_own_word(home: Home) -> None:
    """A process that ended between the commit of the answer and the seal leaves it to the next, which was told nothing."""
    with_a_changed_batch(home, changed=0)
    answered(home, as_it_lies(home, 0))
    ended_before_it_sealed(home)
    assert ticked(home, range(1, 3)) == ""
    assert (checked(home).damage, len(checked(home).answered)) == ((), 1)
    ticked(home, range(3, 6))
    assert len(home.entries(names.BATCH_ANSWERED)) == 1


def test_a_batch_that_nobody_committed_is_answered_for_like_any(home: Home) -> None:
    """No commit that is believed tells of it: what it said is empty then."""
    made = Sealed(home.path, authority=home.authority)
    made.commit()
    made.table.vouch = lambda *_: ""
    made.commit()
    seen = as_it_lies(home, 1)
    assert seen.said == ""
    answered(home, seen)
    assert ticked(home, range(4)) == ""
    assert [told.said for told in checked(home).answered] == [""]


def test_what_lies_there_now_has_to_be_what_was_answered_for(home: Home) -> None:
    """Changed once more, before or after the word was carried out, it is not sealed by it; another word is asked for."""
    with_a_changed_batch(home, changed=0)
    answered(home, as_it_lies(home, 0))
    ended_before_it_sealed(home)
    fitted(Sealed(home.path, authority=home.authority), 0, lambda rows: of_tenant(rows, "t-3"))
    assert "quarantine seal 0" in ticked(home, range(1, 6))
    answered(home, as_it_lies(home, 0), number=2)
    assert ticked(home, range(6, 10)) == ""
    (told,) = checked(home).answered
    assert (told.found, checked(home).damage) == (as_it_lies(home, 0).found, ())


def put_aside(home: Home, path: Path) -> str:
    """Return why a request does not count, once an actor looked at it."""
    assert "quarantine seal 1" in ticked(home, range(3))
    assert (path.exists(), len(home.entries(names.BATCH_ANSWERED))) == (False, 0)
    return why_refused(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"found": "0" * 64}, "not as it says"), ({"first_seq": 5}, "not as it says"), ({"batch": 2}, "not as it says"),
        ({"batch": -1}, "names no batch"), ({"found": ""}, "names no batch"), ({"action": "release"}, "no use for"),
        ({"key": SigningKey.from_seed(b"x" * 32)}, "no operator"),
    ],
)  # fmt: skip
def test_a_word_on_anything_else_counts_for_nothing(home: Home, changes: dict[str, object], why: str) -> None:
    """Of other bytes, other rows, a batch behind it, of none, of a stranger."""
    with_a_changed_batch(home)
    path = answered(home, as_it_lies(home, 1), **changes)  # type: ignore[arg-type]
    assert why in put_aside(home, path)


def test_for_what_is_as_it_was_committed_nobody_answers(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for something else, and would teach if nobody had set it apart."""
    made = Sealed(home.path, authority=home.authority)
    made.commit()
    path = answered(home, as_it_lies(home, 0))
    monkeypatch.setattr(Sealer, "seal", lambda sealer, _, now_ms: sealer.begin(now_ms) or 0)
    ticked(home, range(2))
    assert "is what its commit said" in why_refused(path)
