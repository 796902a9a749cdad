"""Carries out what operators ask of quarantine, through files: ``home/quarantine/requests/<id>.json``.

Rules:
- Each tick up to ``MAX_A_TICK`` requests are looked at, oldest first. One that does not count goes to ``refused`` beside it, with
  the reason in a file of its own, and is an incident; one that was carried out is removed once its commit is durable: its id is
  an application id of that commit.
- *quarantine*: an entry names rows of the table; whoever learns leaves them out from then on.
- *release*: an entry takes them out of quarantine again. Rows that had been set aside before they came into the table come into
  it now, under their own writer and number, in the commit of that entry: they are sealed in a batch of their own, late, and look
  like any other row from then on. Their file stays where it was, as evidence. One that bears a name of the actor's own rows is
  never let go: in the table it would be the actor's word.
- *seal*: an entry answers for the batch that is to be sealed next, which is not what its commit said, as it lies now; the sealer
  finds it there, and seals. Its rows are quarantined by the same entry.
- Released is as released: no checker is asked again.

Left out: who signs (the command line does, with the operator's key).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, StorageUnavailable, WeaverGenError
from actors.base.files import Folders, write_atomic
from actors.spans import conventions as names
from actors.spans.adapters.progress import Instant, Outgoing
from actors.spans.adapters.quarantine import QuarantinedRows, row_sha256
from actors.spans.adapters.quarantined import Entries
from actors.spans.adapters.reading import TableReader
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.vouched import Waiting
from actors.spans.columns import Rows
from actors.spans.quarantined import Entry, in_force
from actors.spans.request import QuarantineRequest, SignedRequest, accepted, as_entered

MAX_A_TICK = 16
MAX_ROWS = 10_000
"""Rows that had been set aside and are let go by one request."""
MAX_BYTES = 16_384


def folder_of(home: Path) -> Path:
    """Return where requests lie."""
    return home / "quarantine" / "requests"


def put_request(home: Path, request_id: str, signed: SignedRequest) -> Path:
    """Lay a request down; return its file, which is gone once it was carried out, and then not in ``refused``."""
    folder = folder_of(home)
    Folders(home).ensure(folder)
    path = folder / f"{request_id}.json"
    write_atomic(path, msgspec.json.encode(signed))
    return path


def refused(path: Path) -> Path:
    """Return where a request goes that does not count."""
    return path.parent / "refused" / path.name


def why_refused(path: Path) -> str:
    """Return why a request does not count; empty if that was not written down. Raises ``OSError``."""
    try:
        return _reason_file(path).read_text()
    except FileNotFoundError:
        return ""


def _reason_file(path: Path) -> Path:
    return refused(path).with_suffix(".txt")


class Sealing(Protocol):
    """The sealer, as far as operators answer for a batch."""

    def next_waiting(self) -> Waiting: ...  # noqa: D102 - see Sealer
    def look_again(self) -> None: ...  # noqa: D102


class Requests:
    """The folder, as the actor works it off."""

    def __init__(
        self, home: Path, trust: Callable[[], TrustBundle], table: TableReader, outgoing: Outgoing, reports: Reports,
        disk: Disk, entries: Entries, sealing: Sealing,
    ) -> None:  # fmt: skip
        self._folder, self._folders = folder_of(home), Folders(home, disk.sync_directory)
        self._kept = QuarantinedRows(home / "quarantine" / "rows", disk)
        self._trust, self._table, self._outgoing, self._reports, self._disk = trust, table, outgoing, reports, disk
        self._entries, self._sealing = entries, sealing

    def work_off(self, now: Instant) -> None:
        """Carry out what is asked, and remove what was carried out."""
        try:
            paths = sorted(self._folder.glob("*.json"))[:MAX_A_TICK]
        except OSError as error:
            self._later("", error, now)
            return
        for path in paths:
            try:
                self._look_at(path, now)
            except IntegrityError as error:
                self._refuse(path, error, now)
            except (OSError, WeaverGenError) as error:
                self._later(path.name, error, now)

    def _look_at(self, path: Path, now: Instant) -> None:
        app_id = f"request/{path.stem}"
        if app_id in self._outgoing.buffer.reached:
            return
        if self._table.last_committed(app_id) is not None:
            self._sealing.look_again()
            self._disk.remove(path)
            return
        signed, trust = _read(path), self._trust()
        request = accepted(signed, trust, int(now.wall_s))
        if request.id != path.stem:
            raise IntegrityError("it lies under another's name", "id")
        if request.action == "quarantine":
            if self._table.last_committed(request.writer_id) is None:
                raise IntegrityError("no row of this writer is in the table", "rows")
            self._enter(signed, request, names.ROW_QUARANTINED, "table", now)
        elif request.action == "seal":
            self._answer(signed, request, now)
        else:
            self._release(signed, request, self._entries.read(trust), now)
        self._outgoing.note(app_id, 1, now)

    def _answer(self, signed: SignedRequest, request: QuarantineRequest, now: Instant) -> None:
        waits = self._sealing.next_waiting()
        lies = waits.index, waits.found, waits.writer_id, waits.first_seq, waits.last_seq
        if lies != (request.batch, request.found, request.writer_id, request.first_seq, request.last_seq):
            raise IntegrityError(
                f"what is to be sealed next is batch {waits.index}, and not as it says: look again", "batch"
            )
        if waits.said == waits.found:
            raise IntegrityError(f"batch {waits.index} is what its commit said: nobody has to answer for it", "batch")
        self._outgoing.enter(names.BATCH_ANSWERED, _words(signed, request, "table") | {
            names.BATCH_NUMBER: str(waits.index), names.BATCH_SAID: waits.said, names.BATCH_FOUND: waits.found,
        }, now, signed=True)  # fmt: skip

    def _release(self, signed: SignedRequest, request: QuarantineRequest, said: Sequence[Entry], now: Instant) -> None:
        quarantined = in_force(said)
        held = [
            seq
            for first, last in quarantined.aside.get(request.writer_id, ())
            for seq in range(max(first, request.first_seq), min(last, request.last_seq) + 1)
        ]
        in_table = any(
            first <= request.last_seq and last >= request.first_seq
            for first, last in quarantined.in_table.get(request.writer_id, ())
        )
        if not held and not in_table:
            raise IntegrityError("none of these rows is quarantined", "rows")
        self._put_back(request.writer_id, set(held), _set_aside(said, request.writer_id), now)
        self._enter(signed, request, names.ROW_RELEASED, "aside" if held else "table", now)

    def _put_back(self, writer_id: str, wanted: set[int], known: Mapping[int, str], now: Instant) -> None:
        """Have rows that were set aside come into the table, all of them or none, as they were by the table's own word."""
        if len(wanted) > MAX_ROWS:
            raise IntegrityError(
                f"it lets {len(wanted)} rows go that were set aside: at most {MAX_ROWS} at once", "rows"
            )
        if not wanted:
            return
        kept = [row.rows() for row in self._kept.all(writer_id) if row.writer_id == writer_id and row.seq in wanted]
        found = {rows.first_seq: rows for rows in kept if known.get(rows.first_seq, "") in {"", _was(rows)}}
        if missing := wanted - set(found):
            raise IntegrityError(
                f"{len(missing)} of the rows are not in quarantine/rows as they were set aside, the first is {min(missing)}",
                "rows",
            )
        if forged := [seq for seq, rows in found.items() if rows.spans[0].name in names.ACTOR_S]:
            name = found[min(forged)].spans[0].name
            raise IntegrityError(
                f"row {min(forged)} is named {name}, as only the actor's own are: it stays aside", "rows"
            )
        for seq, rows in sorted(found.items()):
            app_id = f"released/{writer_id}/{seq}"
            self._outgoing.buffer.again[app_id] = rows
            self._outgoing.buffer.count += 1
            self._outgoing.note(app_id, 1, now)

    def _enter(self, signed: SignedRequest, request: QuarantineRequest, name: str, place: str, now: Instant) -> None:
        self._outgoing.enter(name, _words(signed, request, place), now)

    def _refuse(self, path: Path, error: IntegrityError, now: Instant) -> None:
        try:
            self._folders.ensure(refused(path).parent)
            write_atomic(_reason_file(path), str(error).encode())
            self._disk.rename(path, refused(path))
        except OSError as failed:
            self._later(path.name, failed, now)
            return
        self._reports.open("quarantine_request_refused", {"request": path.stem, "cause": str(error)}, path.stem)

    def _later(self, name: str, error: Exception, now: Instant) -> None:
        evidence = {"request": name, "cause": str(error)}
        self._reports.lasting("quarantine_request_waits", evidence, name, now.steady_s)


def _words(signed: SignedRequest, request: QuarantineRequest, place: str) -> dict[str, str]:
    return {
        names.ROW_WRITER: request.writer_id, names.ROW_FIRST: str(request.first_seq), names.ROW_LAST: str(request.last_seq),
        names.ROW_PLACE: place, names.ROW_REASON: request.reason, names.ROW_BY: request.by,
        names.ROW_REQUEST: as_entered(signed),
    }  # fmt: skip


def _set_aside(said: Iterable[Entry], writer_id: str) -> dict[int, str]:
    """Return number → what the row was, of a writer's rows that were set aside, as far as entries tell."""
    return {
        entry.first_seq: entry.row_sha256
        for entry in said
        if (entry.writer_id, entry.name, entry.place) == (writer_id, names.ROW_QUARANTINED, "aside")
    }


def _was(rows: Rows) -> str:
    return row_sha256(rows.spans[0], rows.schema_version)


def _read(path: Path) -> SignedRequest:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise IntegrityError("it is no request: too large", "request")
        return msgspec.json.decode(path.read_bytes(), type=SignedRequest)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"it cannot be read: {error}", "request") from error
