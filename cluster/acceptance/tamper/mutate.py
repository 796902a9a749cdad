"""Draws mutants: which threat at which stage, on a copy of which moment, at which place; the same again for the same seed."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cluster.acceptance.tamper import strikes_log as log
from cluster.acceptance.tamper import strikes_table as table
from cluster.acceptance.tamper import strikes_wal as wal
from cluster.acceptance.tamper.site import Site
from cluster.acceptance.tamper.threats import Place, Stage
from cluster.acceptance.tamper.work import Layout, Mutation, Work

Strike = Callable[[Work], Mutation]
W, T, S, N = Stage.WAL, Stage.TABLE, Stage.SEALED, Stage.WITNESSED
_ROWS: dict[str, tuple[Strike, Strike]] = {
    "edit a decision": (wal.edit_decision, table.edit_decision),
    "edit another row": (wal.edit_other, table.edit_other),
    "delete amid": (wal.delete_amid, table.delete_amid),
    "delete at an edge": (wal.delete_first, table.delete_at_edge),
    "delete everything": (wal.delete_all, table.delete_all),
    "insert a decision": (wal.insert_decision, table.insert_decision),
    "insert another row": (wal.insert_other, table.insert_other),
    "reorder decisions": (partial(wal.reorder, decides=True), partial(table.reorder, decides=True)),
    "reorder other rows": (partial(wal.reorder, decides=False), partial(table.reorder, decides=False)),
    "duplicate": (wal.duplicate, table.duplicate),
    "forge a rival": (wal.rival, table.rival),
    "replay a decision": (wal.replay_decision, table.replay_decision),
    "write late": (wal.late, table.late),
    "re-sign a decision": (wal.resign, table.resign),
    "sign a new decision": (wal.sign_new, table.sign_new),
    "replay a segment": (wal.replay_segment, log.replay_segment),
    "flip bits in a segment": (wal.flip, log.flip_taken),
}
"""Threats that strike rows in the table alike, sealed or not."""
STRIKES: dict[Place, Strike] = {
    **{(name, W): strikes[0] for name, strikes in _ROWS.items()},
    **{(name, stage): strikes[1] for name, strikes in _ROWS.items() for stage in (T, S, N)},
    **{("insert an old row", stage): table.insert_old for stage in (T, S, N)},
    **{("unsay a commit", stage): table.unsay for stage in (T, S, N)},
    ("truncate", W): partial(wal.truncate, decides=True), ("truncate", T): table.truncate,
    **{("truncate", stage): log.truncate for stage in (S, N)},
    ("truncate other rows", W): partial(wal.truncate, decides=False),
    ("roll back a part", W): wal.set_back, ("roll back a part", T): table.take_back_commits,
    **{("roll back a part", stage): log.set_back_part for stage in (S, N)},
    ("roll back home", W): wal.roll_home_back, **{("roll back home", stage): log.roll_home_back for stage in (T, S, N)},
    **{("roll back and edit", stage): log.set_back_newest for stage in (S, N)},
    ("fork", W): wal.fork, ("fork", T): table.fork, **{("fork", stage): log.fork for stage in (S, N)},
    **{("fork under another key", stage): log.fork_own_key for stage in (S, N)},
    **{("re-sign the log", stage): log.resign for stage in (T, S, N)},
    **{("re-sign a false checkpoint", stage): log.false_checkpoint for stage in (S, N)},
    ("swap files", W): wal.swap, ("swap files", T): table.swap, **{("swap files", stage): log.swap for stage in (S, N)},
    **{("flip bits in pages", stage): table.flip_page for stage in (T, S, N)},
    **{("flip bits in footers", stage): table.flip_footer for stage in (T, S, N)},
    **{("flip bits in Delta's log", stage): table.flip_delta for stage in (T, S, N)},
    **{("raise a number", stage): table.raise_number for stage in (W, T, S, N)},
    **{("flip bits in tiles", stage): log.flip_tile for stage in (S, N)},
    **{("flip bits in checkpoints", stage): log.flip_checkpoint for stage in (S, N)},
    **{("merge falsely", stage): log.merge_falsely for stage in (S, N)},
    **{("expire falsely", stage): log.expire_falsely for stage in (S, N)},
    **{("forge an expiry", stage): log.forge_expiry for stage in (S, N)},
    **{("forge an entry", stage): log.forge_entry for stage in (S, N)},
    ("flip bits in cosignatures", N): log.flip_cosignature, ("remove cosignatures", N): log.remove_cosignatures,
    ("flip bits in the last commit", W): wal.flip_last,
}  # fmt: skip
"""Cell → what is done."""
MOMENTS: dict[Place, str] = {
    ("roll back home", W): "waiting", ("roll back home", T): "sealed", ("roll back home", S): "witnessed",
    ("roll back home", N): "early", ("fork", S): "witnessed", ("fork", N): "early", ("roll back and edit", S): "sealed",
    ("roll back and edit", N): "witnessed", ("write late", T): "waiting",
    ("roll back a part", T): "waiting",
}  # fmt: skip
"""Cell → the moment whose copy is struck, where that is not the last."""
LAST = "end"


class Layouts:
    """What lies where in the copies of some sites; each is read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], Layout] = {}

    def of(self, site: Site, moment: str) -> Layout:
        """Return the layout of a moment's copy."""
        key = site.folder, moment
        if key not in self._known:
            self._known[key] = Layout(site, moment)
        return self._known[key]


def moment_of(place: Place) -> str:
    """Return whose copy a cell's mutants strike."""
    return MOMENTS.get(place, LAST)


def mutate(layouts: Layouts, site: Site, place: Place, seed: str, root: Path) -> Mutation:
    """Make a copy of a home in ``root`` and strike it: the same place for the same seed."""
    layout = layouts.of(site, moment_of(place))
    return STRIKES[place](Work(layout, place[1], root, random.Random(seed)))  # noqa: S311 - draws places
