"""Where a home's spans table lies, as its configuration says and the home remembers.

Rules:
- ``home/spans/_storage.json`` is made durable before the first row goes to a bucket. From then on nobody takes the home's
  own directory for an empty table, or another bucket: rows do not move by themselves.
- A home that has a table of its own does not begin another one in a bucket.
- Where the home's disk does not give it, nothing is contradicted: a backup is read while ``home/spans`` is away.
- What it says is an address. Endpoint and timeouts are the configuration's alone: they may change.

Left out: the backup's word (``handover``); moving a table.
"""

import json
from pathlib import Path

from actors.base.errors import HomeError, IntegrityError
from actors.base.files import Folders, write_new
from actors.spans.adapters.delta import DELTA_LOG
from actors.spans.adapters.objects import ObjectPath
from actors.spans.place import Location, Place

NAME = "_storage.json"
SCHEMA = "weavergen.span-storage/1"


def table_of(home: Path, location: Location) -> Place:
    """Return where the table lies; raise ``HomeError`` if this home's rows lie elsewhere."""
    desk = home / "spans"
    try:
        there = _remembered(desk / NAME)
    except OSError:  # away: whatever is asked of the table there says so
        there = location.url
    if there and there != location.url:
        raise HomeError(
            f"the spans of this home lie in {there}, and spans.storage is {location.url or 'empty'}: it has to name that place"
        )
    if not location.url:
        return desk
    if not there and (desk / DELTA_LOG).is_dir():
        raise HomeError(
            f"{desk} holds this home's spans, and spans.storage names {location.url}: leave it empty, or begin with a new home"
        )
    return ObjectPath(location)


def named(path: str, location: Location) -> Place:
    """Return the file that a path stands for, which another process wrote down: of the bucket, or of this machine."""
    if location.url and path.startswith(f"{location.url}/"):
        return ObjectPath(location, path.removeprefix(f"{location.url}/"))
    return Path(path)


def remember(desk: Path, url: str) -> None:
    """Have the home's ``desk`` say durably where its rows will lie; raise ``OSError`` if its disk cannot."""
    if not (desk / NAME).exists():
        Folders(desk.parent).ensure(desk)
        write_new(desk / NAME, json.dumps({"schema": SCHEMA, "url": url}).encode())


def _remembered(place: Path) -> str:
    try:
        held = json.loads(place.read_bytes())
        if held["schema"] != SCHEMA:
            raise ValueError(f"it is no {SCHEMA}")
        return str(held["url"])
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{place} does not say where the spans lie ({error}): bring it back", "storage") from error
