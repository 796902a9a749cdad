"""All transactions of a Delta log: from entries, from checkpoints, and only what is new."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from actors.base.errors import IntegrityError
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.transactions import newest_checkpoint, read_transactions
from actors.spans.remembered import NOTHING


def committed(folder: Path, commits: int, start: int = 0) -> SpanTable:
    """Commit numbers of a writer more each time, in a table that is checkpointed every third commit."""
    table = SpanTable(folder, 3)
    for at in range(start, start + commits):
        table.put([], {f"W{at}": at, "log": at}, 0)
    return table


def test_all_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """At every version: what the library says of each id, and no other id."""
    known = NOTHING
    for at in range(8):
        table = committed(tmp_path, 1, start=at)
        known = table.transactions(known)
        assert known == table.transactions()
        assert known.numbers == {**{f"W{each}": each for each in range(at + 1)}, "log": at}
        assert {name: DeltaTable(tmp_path).transaction_version(name) for name in known.numbers} == known.numbers
    assert newest_checkpoint(tmp_path / "_delta_log", known.version) is not None
    assert SpanTable(tmp_path / "none", 3).transactions() == NOTHING


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    """Entries before it may be gone; a checkpoint since stands for those that are missing."""
    log = tmp_path / "_delta_log"
    known = committed(tmp_path, 1).transactions()
    for entry in log.glob("*.json"):
        entry.unlink()
    assert read_transactions(log, known.version, known) == known
    with pytest.raises(FileNotFoundError):
        read_transactions(log, known.version)


def test_an_entry_that_is_none_is_named(tmp_path: Path) -> None:
    """A log that was changed is not guessed at."""
    version = committed(tmp_path, 1).transactions().version
    entry = tmp_path / "_delta_log" / f"{version:020d}.json"
    for words in ('{"txn":{"appId":"W"}}', '{"txn":', '{"txn":[]}'):
        entry.write_text(words)
        with pytest.raises(IntegrityError, match=entry.name):
            read_transactions(tmp_path / "_delta_log", version)


@pytest.mark.parametrize(
    "words",
    [
        '{"txn":{"appId":"W","version":3},"txn":{"appId":"W","version":9}}',
        '{"txn":{"appId":"W","version":3,"version":9}}',
        '{"\\u0074xn":{"appId":["W"],"version":3}}',
        '{"txn":{"appId":"W","version":"three"}}',
    ],
)
def test_an_entry_that_others_may_read_otherwise_is_none(tmp_path: Path, words: str) -> None:
    """What says something twice, or says it in other letters, is no word that anybody has to believe."""
    version = committed(tmp_path, 1).transactions().version
    entry = tmp_path / "_delta_log" / f"{version:020d}.json"
    entry.write_text(words)
    with pytest.raises(IntegrityError, match=entry.name):
        read_transactions(tmp_path / "_delta_log", version)


@pytest.mark.parametrize("words", ['{"txn":{"appId":"W","version":3}}', '{"\\u0074xn": {"appId": "W", "version": 3}}'])
def test_a_transaction_is_read_however_its_json_is_written(tmp_path: Path, words: str) -> None:
    """As the library writes it, and otherwise."""
    version = committed(tmp_path, 1).transactions().version
    (tmp_path / "_delta_log" / f"{version:020d}.json").write_text(words)
    assert read_transactions(tmp_path / "_delta_log", version).numbers["W"] == 3
