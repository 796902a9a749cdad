"""What is done to rows in the table, sealed or not, and to the files they lie in. Each takes a copy and returns what was done.

Whoever does it writes digests, statistics and Delta's log to fit, but for bits that flip by themselves.
"""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from actors.base.canonical import b64, canonical_json
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows, by_date
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.record import read_envelope
from actors.spans.span import Span
from cluster.acceptance.tamper.people import DAY_S, NOW_S, deciding, envelope_of, key_of, measured
from cluster.acceptance.tamper.site import disk
from cluster.acceptance.tamper.strikes_wal import identity_of
from cluster.acceptance.tamper.threats import Stage
from cluster.acceptance.tamper.work import Mutation, Row, Work

Values = dict[str, Any]


def _struck(what: str, rows: Iterable[Row], *words: str) -> Mutation:
    """Return a mutation of rows: it is located where a batch is named, or one of their decisions, or one of the words."""
    found = list(rows)
    decisions = frozenset(row.decision for row in found if row.decision)
    names = frozenset(words) | decisions
    return Mutation(what, frozenset(row.batch for row in found), names, decisions)


def _at(row: Row, change: Callable[[Values], Values]) -> Callable[[list[Values]], list[Values]]:
    """Change one row of a file."""
    return lambda rows: [change(values) if _is(values, row) else values for values in rows]


def _is(values: Values, row: Row) -> bool:
    return (values["writer_id"], values["writer_seq"]) == (row.writer, row.seq)


def edit_decision(work: Work) -> Mutation:
    """Change what a record says; its signature is another's."""
    row = work.row(decides=True)
    field = work.rng.choice(["prompt_commitment", "answer_sha256", "tenant"])

    def change(values: Values) -> Values:
        envelope = read_envelope(values["record"])
        record = msgspec.structs.replace(envelope.read(), **{field: f"{work.rng.getrandbits(256):064x}"})
        return values | {
            "record": canonical_json(msgspec.structs.replace(envelope, payload=b64(canonical_json(record))))
        }

    work.rewrite(row.file, _at(row, change))
    return _struck(f"{field} of {row}", [row])


def edit_other(work: Work) -> Mutation:
    """Change what no signature covers."""
    row = work.row(decides=work.rng.random() < OF_DECISIONS)
    work.rewrite(row.file, _at(row, lambda values: values | _other(work, values)))
    return _struck(str(row), [row])


OF_DECISIONS = 0.3
"""Share of changed rows that carry a record, which stays as it was."""


def _other(work: Work, values: Values) -> Values:
    """Draw another value of a field that nothing signs."""
    number = work.rng.getrandbits(32)
    return work.rng.choice(
        [
            {"attributes": [*values["attributes"][:-1], ("note", f"{number:x}")]},
            {"answer_kind": f"k{number}"}, {"voter": f"m{number}"},
            {"tenant": f"t-{number}"}, {"span_id": number.to_bytes(8, "big")},
        ]
    )  # fmt: skip


def delete_amid(work: Work) -> Mutation:
    """Take out a row amid a batch, a whole batch, or a whole file."""
    how = work.rng.choice(["row", "row", "batch", "file"])
    if how == "file":
        name = work.rng.choice(_whole_files(work))
        work.remove_file(name)
        return _struck(name, [row for row in work.layout.rows if row.file == name], name)
    rows = work.batch(lambda found: len(found) > 2)
    gone = rows if how == "batch" else [work.rng.choice(rows[1:-1])]
    _without(work, gone)
    return _struck(f"{how} {gone[0]}", gone)


def _whole_files(work: Work) -> list[str]:
    """Return the files that hold batches of the stage alone."""
    wanted = set(work.layout.of(work.stage))
    return sorted(name for name, batches in work.layout.files.items() if batches <= wanted)


def _without(work: Work, gone: list[Row]) -> None:
    """Write files without some rows; a file without rows goes."""
    lost = {(row.writer, row.seq) for row in gone}

    def left(rows: list[Values]) -> list[Values]:
        return [values for values in rows if (values["writer_id"], values["writer_seq"]) not in lost]

    for name in sorted({row.file for row in gone}):
        if {(row.writer, row.seq) for row in work.layout.rows if row.file == name} <= lost:
            work.remove_file(name)
        else:
            work.rewrite(name, left)


def delete_batch(work: Work) -> Mutation:
    """Take out a batch that holds a decision."""
    rows = work.batch(lambda found: any(row.decision for row in found))
    _without(work, rows)
    return _struck(f"batch {rows[0].batch}", rows)


def delete_at_edge(work: Work) -> Mutation:
    """Take out the first decision of a batch that has more."""
    rows = work.batch(lambda found: bool(found[0].decision) and len(found) > 3)
    gone = rows[:3]
    _without(work, gone)
    return _struck(f"first of {gone[0]}", gone)


def delete_all(work: Work) -> Mutation:
    """Remove table, log, and what is left of the write-ahead log."""
    for name in ("spans", "log", "wal"):
        shutil.rmtree(work.root / name)
    lost = frozenset(row.decision for row in work.layout.rows if row.decision)
    unwatched = work.stage is not Stage.WITNESSED
    return Mutation("spans, log, wal", frozenset({-1}), decisions=lost, unwatched=unwatched)


def _put_in(work: Work, name: str, *parts: Rows) -> None:
    """Add rows to a file."""
    added = [values for _, table in by_date(parts) for values in table.to_pylist()]
    work.rewrite(name, lambda rows: [*rows, *added])


def _behind(work: Work, spans: Callable[[str, int], list[Span]], what: str) -> Mutation:
    """Add rows behind the last of a writer, in its last batch of the stage, and let Delta's log say that it was that far."""
    last_of: dict[str, Row] = {}
    for row in work.layout.rows:
        last_of[row.writer] = max(last_of.get(row.writer, row), row, key=lambda one: one.seq)
    known = {writer.id for writer in work.site.writers}
    busy = {segment.writer for segment in work.layout.segments if segment.unread}
    ends = [row for row in last_of.values() if row.writer in known - busy and row.batch in work.layout.of(work.stage)]
    row = work.rng.choice(ends)
    made = spans(row.writer, row.seq + 1)
    _put_in(work, row.file, Rows(row.writer, row.seq + 1, SPAN_SCHEMA_VERSION, made, row.batch))
    work.raise_reached(row.writer, row.seq + len(made))
    there = Row(row.writer, row.seq + 1, row.batch, "", row.file)
    names = frozenset({row.writer, *(span.decision_id for span in made if span.record)})
    return Mutation(f"{what} {there}", frozenset({row.batch}), names)


def _dated(work: Work) -> int:
    return (NOW_S + 1800) * 1000 + work.rng.randrange(10**6)


def insert_decision(work: Work) -> Mutation:
    """Add a decision under a key that nobody certified."""

    def forged(writer_id: str, seq: int) -> list[Span]:
        writer, at_ms = identity_of(work, writer_id), _dated(work)
        spans = deciding(writer, seq, at_ms, work.site.authority.trust())
        envelope = envelope_of(writer, seq, at_ms, work.site.authority.trust(), key=key_of(work.rng.getrandbits(64)))
        return [msgspec.structs.replace(spans[0], record=canonical_json(envelope)), *spans[1:]]

    return _behind(work, forged, "forged")


def insert_other(work: Work) -> Mutation:
    """Add rows that carry no record; where they are not sealed, in a commit of their own as well."""
    count, at_ms = work.rng.randint(1, 3), _dated(work)
    if work.stage is Stage.TABLE and work.rng.random() < OF_COMMITS:
        writer = _unknown(work)
        return _committed(work, [measured(writer, 1 + n, at_ms, "x") for n in range(count)], writer)
    return _behind(work, lambda writer, seq: [measured(writer, seq + n, at_ms, "x") for n in range(count)], "row")


OF_COMMITS = 0.5
"""Share of rows that are put into the table by a commit of their own, where there is no seal yet."""


def _unknown(work: Work) -> str:
    return work.site.authority.writer(6_000 + work.rng.randrange(10**6), NOW_S - 300 * DAY_S).id


def _committed(work: Work, spans: list[Span], writer_id: str) -> Mutation:
    """Commit rows, as a writer of the table would, but for what only the log's key can say."""
    table = SpanTable(work.root / "spans", 1000, disk())
    (batch,) = table.append([Rows(writer_id, 1, SPAN_SCHEMA_VERSION, spans)], {writer_id: len(spans)}, NOW_S * 1000)
    return Mutation(
        f"{len(spans)} rows in a commit of their own", frozenset({batch.log_index or 0}), frozenset({writer_id})
    )


def insert_old(work: Work) -> Mutation:
    """Add rows without a batch, of a writer that nobody knows."""
    writer, at_ms = _unknown(work), _dated(work)
    name = work.rng.choice(work.files_of(work.stage))
    _put_in(work, name, Rows(writer, 1, 1, [measured(writer, 1, at_ms, "invoke_workflow")]))
    return Mutation(f"old row in {name}", words=frozenset({writer}))


def rival(work: Work) -> Mutation:
    """Add another row under a number that there is, before it or behind it."""
    row = work.row(decides=work.rng.random() < OF_DECISIONS)
    before = work.rng.random() < OF_COMMITS

    def both(values: Values) -> list[Values]:
        other = values | _other(work, values)
        return [other, values] if before else [values, other]

    work.rewrite(
        row.file, lambda rows: [one for values in rows for one in (both(values) if _is(values, row) else [values])]
    )
    return _struck(f"a rival of {row}", [row])


def unsay(work: Work) -> Mutation:
    """Take away what a commit says of its batches, or change it, or let it say what another one does."""
    told = [(entry, batches) for entry, batches in work.said().items() if batches & set(work.layout.of(work.stage))]
    entry, batches = work.rng.choice(told)
    others = [one for one in work.said() if one != entry]
    how = work.rng.choice(["nothing", "another", "changed"])
    if how == "nothing":
        work.say(entry, "")
    elif how == "another":
        work.say(entry, work.said_by(work.rng.choice(others)))
    else:
        said = work.said_by(entry)
        at = work.rng.choice([place for place, letter in enumerate(said) if letter in "0123456789abcdef"])
        work.say(
            entry, said[:at] + work.rng.choice([one for one in "0123456789abcdef" if one != said[at]]) + said[at + 1 :]
        )
    return Mutation(f"{entry.name} says {how}", frozenset(batches))


def raise_number(work: Work) -> Mutation:
    """Let Delta's log say that a writer is further than it is: one with rows that nobody has taken in, or of the stage."""
    if work.stage is Stage.WAL:
        writer = work.rng.choice([segment.writer for segment in work.layout.segments if segment.unread])
    else:  # of who writes a log: each process of the actor has an id of its own, and no other counts from it
        logs = {identity.id for identity in work.site.writers}
        writer = work.batch(lambda rows: rows[0].writer in logs)[0].writer
    last = max((row.seq for row in work.layout.rows if row.writer == writer), default=0)
    number = last + work.rng.choice([1, 2, 50, 10**6])
    work.commit_reached(writer, number)
    return Mutation(f"{writer} reached {number}", words=frozenset({writer}))


def reorder(work: Work, decides: bool) -> Mutation:
    """Let two rows of a batch, or of two batches of a file, change their numbers and places."""
    one = work.row(decides, lambda row: len(_others(work, row, decides)) > 0)
    other = work.rng.choice(_others(work, one, decides))

    def change(rows: list[Values]) -> list[Values]:
        place = ("writer_id", "writer_seq", "log_index", "writer_schema_version")
        given = {(values["writer_id"], values["writer_seq"]): values for values in rows}
        first, second = given[one.writer, one.seq], given[other.writer, other.seq]
        swapped = {
            (one.writer, one.seq): second | {key: first[key] for key in place},
            (other.writer, other.seq): first | {key: second[key] for key in place},
        }
        return [swapped.get((values["writer_id"], values["writer_seq"]), values) for values in rows]

    work.rewrite(one.file, change)
    return _struck(f"{one} and {other}", [one, other])


def _others(work: Work, row: Row, decides: bool) -> list[Row]:
    stage = work.layout.of(work.stage)
    rows = [other for index in stage for other in work.layout.batches[index]]
    return [other for other in rows if other.file == row.file and bool(other.decision) == decides and other != row]


def duplicate(work: Work) -> Mutation:
    """Let a row be there twice in its file."""
    row = work.row(decides=work.rng.random() < OF_DECISIONS)
    work.rewrite(row.file, lambda rows: [*rows, *(values for values in rows if _is(values, row))])
    return _struck(f"{row} twice", [row])


def truncate(work: Work) -> Mutation:
    """Cut a file of the table."""
    name = work.rng.choice(work.files_of(work.stage))
    data = work.read(Path("spans") / name)
    cut = work.rng.randrange(len(data))
    work.write(Path("spans") / name, data[:cut])
    rows = [row for row in work.layout.rows if row.file == name]
    return _struck(f"{name} cut at {cut} of {len(data)}", rows, Path(name).name)


def take_back_commits(work: Work) -> Mutation:
    """Remove the newest commits of the table, as an older copy of Delta's log would, and what is left of their segments."""
    shutil.rmtree(work.root / "wal")
    folder = work.root / "spans" / "_delta_log"
    entries = sorted(folder.glob("*.json"))
    files = work.files_of(work.stage)
    known = [at for at, entry in enumerate(entries) if any(Path(name).name in entry.read_text() for name in files)]
    cut = work.rng.choice(known)
    lost = {name for entry in entries[cut:] for name in work.layout.files if Path(name).name in entry.read_text()}
    for path in (*entries[cut:], *folder.glob("*.checkpoint.parquet"), *folder.glob("_last_checkpoint")):
        path.unlink()
    for name in lost:
        (work.root / "spans" / name).unlink()
    rows = [row for row in work.layout.rows if row.file in lost]
    return _struck(f"Delta's log without commits from {cut} on", rows)


def fork(work: Work) -> Mutation:
    """Put other rows in the place of a decision that waits, under its numbers, and say with the log's key that it is so."""
    rows = work.batch(lambda found: bool(found[0].decision))
    gone = rows[:3]
    numbers = {row.seq for row in gone}

    def change(values: list[Values]) -> list[Values]:
        return [
            one | {"record": None, "decision_id": None, "name": f"x{work.rng.getrandbits(32)}"}
            if one["writer_id"] == gone[0].writer and one["writer_seq"] in numbers else one
            for one in values
        ]  # fmt: skip

    work.rewrite(gone[0].file, change)
    work.say_again()
    return _struck(f"other rows for {gone[0]}", gone)


def replay_decision(work: Work) -> Mutation:
    """Add a decision again, behind the last row of a writer."""
    row = work.row(decides=True)
    values = next(
        values
        for values in pq.read_table(work.root / "spans" / row.file, partitioning=None).to_pylist()
        if _is(values, row)
    )

    def again(writer_id: str, seq: int) -> list[Span]:
        span = measured(writer_id, seq, _dated(work), "invoke_workflow", row.decision, values["record"])
        return [span]

    return _behind(work, again, f"{row} again as")


def late(work: Work) -> Mutation:
    """Add a decision that is signed by a key whose certificate ended, as if it had been there all the while."""

    def made(writer_id: str, seq: int) -> list[Span]:
        return deciding(identity_of(work, writer_id), seq, _dated(work), work.site.authority.trust())

    found = _behind(work, made, "late")
    return Mutation(found.what, found.batches, found.words, late_s=3 * DAY_S)


def resign(work: Work) -> Mutation:
    """Put another decision under the same number and id, signed with the writer's own key."""
    row = work.row(decides=True, fits=lambda one: one.writer in {writer.id for writer in work.site.writers})
    writer = identity_of(work, row.writer)

    def change(values: Values) -> Values:
        at_ms = read_envelope(values["record"]).read().issued_at
        other = envelope_of(writer, row.seq, at_ms, work.site.authority.trust(), f"{work.rng.getrandbits(64)}")
        return values | {"record": canonical_json(other)}

    work.rewrite(row.file, _at(row, change))
    return _struck(f"{row} signed again", [row])


def sign_new(work: Work) -> Mutation:
    """Add a decision that nobody made, signed with the writer's own key."""
    trust = work.site.authority.trust()
    return _behind(work, lambda writer, seq: deciding(identity_of(work, writer), seq, _dated(work), trust), "new")


def swap(work: Work) -> Mutation:
    """Let two files change their places, names and all."""
    files = work.files_of(work.stage)
    one = work.rng.choice(files)
    other = work.rng.choice([name for name in work.layout.files if name != one])
    first, second = work.read(Path("spans") / one), work.read(Path("spans") / other)
    work.write(Path("spans") / one, second)
    work.write(Path("spans") / other, first)
    rows = [row for row in work.layout.rows if row.file in {one, other}]
    return _struck(f"{one} and {other}", rows, Path(one).name, Path(other).name)


def flip_page(work: Work) -> Mutation:
    """Flip a bit before the footer of a file."""
    return _flipped(work, footer=False)


def flip_footer(work: Work) -> Mutation:
    """Flip a bit of the footer of a file."""
    return _flipped(work, footer=True)


def _flipped(work: Work, *, footer: bool) -> Mutation:
    name = work.rng.choice(work.files_of(work.stage))
    data = work.read(Path("spans") / name)
    footer_at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    at = work.flip(Path("spans") / name, footer_at if footer else 0, len(data) if footer else footer_at)
    rows = [row for row in work.layout.rows if row.file == name]
    return _struck(f"bit at {at} of {len(data)} of {name}", rows, Path(name).name)


def flip_delta(work: Work) -> Mutation:
    """Flip a bit of an entry of Delta's log that tells of a file of the stage, or of the newest checkpoint that stands for it."""
    folder = work.root / "spans" / "_delta_log"
    entries = {work.entry_of(Path(name).name) for name in work.files_of(work.stage)}
    for checkpoint in sorted(folder.glob("*.checkpoint.parquet"))[-1:]:
        version = checkpoint.name.partition(".")[0]
        stood_for = {entry for entry in entries if entry.name.partition(".")[0] <= version}
        entries = (entries - stood_for) | ({checkpoint.relative_to(work.root)} if stood_for else set())
    entry = work.rng.choice(sorted(entries))
    at = work.flip(entry)
    return Mutation(
        f"bit at {at} of {entry.name}", frozenset(range(-1, len(work.layout.batches))), frozenset({"table"})
    )
