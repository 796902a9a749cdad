"""The log over HTTP: what its checkpoint vouches for, as it lies, and nothing else."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from actors.base.errors import InvalidKey, NotFound
from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import log_keys, origin, read_checkpoint, sign_checkpoint
from actors.spans.log.note import read_key
from actors.spans.log.tiles import ENTRIES, Hashes, Tile, read_path, split_leaves, tiles_of
from actors.spans.merkle import leaf_hash, stored_root, tree_root
from actors.store.auth import Principal
from serve_apps.gateway.access import Access
from serve_apps.gateway.app import create_app
from serve_apps.gateway.published_log import PublishedLog
from tests.unit.actors.spans.telemetry import NOW_S, Authority

KEYS = Authority()
OF = origin(KEYS.trust())
LEAVES = [b"leaf %d" % number for number in range(600)]


def grow(files: LogFiles, start: int, end: int) -> None:
    """Put leaves into a log, and a checkpoint over them."""
    root = files.extend(start, LEAVES[start:end])
    files.put(sign_checkpoint(KEYS.key(), OF, end, root, int(NOW_S * 1000)))


class Site:
    """A gateway's application in front of a log's folder."""

    def __init__(self, home: Path) -> None:
        self.files = LogFiles(home / "log")
        self.log = PublishedLog(self.files, KEYS.trust, 8)
        backend: Any = SimpleNamespace(
            access=Access(_known), chat=None, traces=None, settings=None, published_log=self.log
        )
        self.app = create_app(backend)

    async def get(self, path: str, key: str = "writer") -> httpx.Response:
        """Ask for a path below ``/v1/log/``."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://gateway"
        ) as client:  # fmt: skip
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            return await client.get(f"/v1/log/{path}", headers=headers)


def _known(key: str) -> Principal:
    if key != "writer":
        raise InvalidKey("unknown key")
    return Principal("id", "acme", "writer", frozenset(), 0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site whose log is empty."""
    return Site(tmp_path)


async def test_whoever_has_a_key_can_rebuild_the_log_from_what_is_given(site: Site) -> None:
    """Every tile and bundle of the checkpoint's size, and with them its root."""
    grow(site.files, 0, 600)
    checkpoint = await site.get("checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["cache-control"] == "no-cache"
    head = read_checkpoint(checkpoint.content).head
    given: dict[Tile, bytes] = {}
    for tile in tiles_of(head.size):
        answer = await site.get(f"tile/{tile.path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert "immutable" in answer.headers["cache-control"]
        given[tile] = answer.content
    assert stored_root(600, Hashes(600, given.__getitem__)) == head.root == tree_root(list(map(leaf_hash, LEAVES)))
    leaves = [leaf for tile, data in given.items() if tile.level == ENTRIES for leaf in split_leaves(data)]
    assert leaves == LEAVES


async def test_the_keys_that_are_given_verify_the_checkpoint_that_is_given(site: Site) -> None:
    """As any verifier of notes does it: one with a time, one without."""
    grow(site.files, 0, 3)
    lines = (await site.get("key")).text.splitlines()
    keys = [read_key(line) for line in lines]
    assert [key.text for key in keys] == lines
    note = read_checkpoint((await site.get("checkpoint")).content).note
    good = [read_key(line) for line in site.log.keys(int(NOW_S)).decode().splitlines()]
    assert set(note.signed_by(good)) == set(good) == set(log_keys(OF, KEYS.key().public))


async def test_partial_tiles_are_given_after_the_full_one_took_their_place(site: Site) -> None:
    """A reader that has the older checkpoint still needs them."""
    grow(site.files, 0, 5)
    narrower = await site.get("tile/entries/000.p/4")  # of no checkpoint that was ever signed
    assert split_leaves(narrower.content) == LEAVES[:4]
    grow(site.files, 5, 300)
    assert not (site.files.path / "tile" / "0" / "000.p").exists()
    hashes = (await site.get("tile/0/000.p/5")).content
    assert hashes == b"".join(map(leaf_hash, LEAVES[:5]))
    assert split_leaves((await site.get("tile/entries/000.p/5")).content) == LEAVES[:5]


@pytest.mark.parametrize(
    "path",
    ["0/001", "0/000.p/6", "entries/000", "1/000.p/1", "0/0", "%2e%2e/checkpoint", "0/000.p/5/%2e%2e", "data/000", ""],
)
async def test_what_the_checkpoint_does_not_vouch_for_does_not_exist(site: Site, path: str) -> None:
    """A wider tile than the log has, another way to write one, a way out of the folder; what a crash left behind neither."""
    grow(site.files, 0, 5)
    site.files.extend(5, LEAVES[5:9])
    assert (await site.get(f"tile/{path}")).status_code == 404
    with pytest.raises(NotFound, match="no tile"):
        await site.log.tile(unquote(path))
    assert read_path("0/000.p/5") is not None
    assert (await site.get("tile/0/000.p/5")).status_code == 200


async def test_an_empty_a_broken_and_a_closed_log_are_told_apart(site: Site) -> None:
    """Nothing logged yet is 404, damage 503, no key 401."""
    assert (await site.get("checkpoint")).status_code == 404
    assert (await site.get("checkpoint", key="")).status_code == 401
    assert (await site.get("tile/0/000", key="x")).status_code == 401
    grow(site.files, 0, 5)
    (site.files.path / "tile" / "0" / "000.p" / "5").unlink()
    damaged = await site.get("tile/0/000.p/5")
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (503, "not_ready")
    (site.files.path / "checkpoint").write_bytes(b"{}")
    assert (await site.get("checkpoint")).status_code == 503


async def test_too_many_at_once_are_refused(tmp_path: Path) -> None:
    """The disk is not asked by more than the bound."""
    site = Site(tmp_path)
    grow(site.files, 0, 5)
    log = PublishedLog(site.files, KEYS.trust, 1)
    answers = await asyncio.gather(*(log.checkpoint() for _ in range(3)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Overloaded", "Overloaded", "bytes"]
    log.close()
