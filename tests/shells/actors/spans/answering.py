"""A batch that somebody changed between its commit and its seal, and an operator who answers for it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa

from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans.adapters.parquet import file_name
from actors.spans.adapters.requests import put_request
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.vouched import Waiting, waiting
from actors.spans.request import QuarantineRequest, sign_request
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, rewritten
from tests.unit.actors.spans.asked import OPERATOR
from tests.unit.actors.spans.telemetry import Home


def of_tenant(rows: pa.Table, name: str = "t-2") -> pa.Table:
    """Return rows with a value that nobody wrote, and that no statistic of Delta's tells."""
    place = rows.schema.get_field_index("tenant")
    return rows.set_column(place, "tenant", pa.array([name] * rows.num_rows).cast(rows.schema.field("tenant").type))


def fitted(made: Sealed, batch: int, change: Callable[[pa.Table], pa.Table] = of_tenant) -> None:
    """Write a batch's file with other rows, under the name that fits, and have Delta's log say so."""
    path = made.file_of(batch)
    rewritten(path, change)
    data = path.read_bytes()
    day = path.parent.name.removeprefix("date=")
    fresh = made.home / "spans" / file_name(day, hashlib.sha256(data).hexdigest())
    path.rename(fresh)
    for entry in sorted((made.home / "spans" / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for add in (action["add"] for action in actions if path.name in action.get("add", {}).get("path", "")):
            add |= {"path": f"{fresh.parent.name}/{fresh.name}", "size": len(data)}
        entry.write_text("\n".join(map(json.dumps, actions)))


def with_a_changed_batch(home: Home, batches: int = 3, changed: int = 1) -> int:
    """Leave batches that are committed and not sealed, one of which is not what its commit said; return its number."""
    made = Sealed(home.path, authority=home.authority)
    changed += made.sealer.size
    for _ in range(batches):
        made.commit()
    fitted(made, changed)
    return changed


def as_it_lies(home: Home, batch: int) -> Waiting:
    """Return what an operator sees of a batch."""
    return waiting(SpanTable(home.path / "spans", 10), batch, home.authority.trust())


def answered(home: Home, seen: Waiting, number: int = 1, key: SigningKey = OPERATOR, **changes: object) -> Path:
    """Lay down what an operator signed who saw a batch so."""
    made = ulid(NOW_MS, number.to_bytes(10, "big"))
    request = QuarantineRequest(
        "weavergen.quarantine-request/1", made, "seal", seen.writer_id, seen.first_seq, seen.last_seq, "restored by hand",
        "operator a", NOW_MS, seen.index, seen.found,
    )  # fmt: skip
    return put_request(home.path, made, sign_request(msgspec.structs.replace(request, **changes), key))
