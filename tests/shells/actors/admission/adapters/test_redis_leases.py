"""Leases in a real Redis that is away, slow, full, emptied, rolled back or another's; and replicas that are killed or paused."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from redis._parsers.base import BaseParser

from actors.admission.adapters.redis_leases import RedisLeases
from actors.admission.adapters.redis_notes import _WRITE
from actors.admission.config import RedisConfig
from actors.admission.ports import OutcomeUnknown
from actors.admission.quotas import Amount, Book, Reserved
from actors.base.errors import StorageUnavailable
from tests.shells.actors.admission.adapters.stores import CONFIG, WANTS, Site, drained
from tests.shells.actors.policy.adapters.test_watcher import until as until_so
from tests.shells.redis_server import PASSWORD, Server, own_port, redis_server
from tests.unit.actors.consensus.world import until

HALF = 331 // 2
"""What a replica that joined keeps of its share."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start a server."""
    with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def homes(server: Server, tmp_path: Path) -> tuple[Site, Site]:
    """Return two homes with a slot each."""
    return homes_of(server, tmp_path)


def homes_of(server: Server, folder: Path) -> tuple[Site, Site]:
    """Return two homes with a slot each."""
    return Site(folder / "a", server.url), Site(folder / "b", server.url, first_slot=1)


def redis_leases(site: Site, name: str, replicas: int = 1) -> RedisLeases:
    """Return the leases of a replica."""
    store = replace(site, own=replicas).store(name)
    assert isinstance(store, RedisLeases)
    return store


def test_homes_share_a_limit(homes: tuple[Site, Site]) -> None:
    """Each has slots of its own; what neither keeps, both lease."""
    one, two = redis_leases(homes[0], "a"), redis_leases(homes[1], "b")
    assert one.lease(7, {}).joined
    assert two.lease(7, {}).joined
    assert (one.slot, two.slot) == (0, 1)
    assert drained(one, 7) + drained(two, 7) + 2 * HALF == 663


def test_a_home_that_nobody_hears_of_keeps_its_shares(homes: tuple[Site, Site]) -> None:
    """It may be serving alone, from its first minute on."""
    one, cut_off = redis_leases(homes[0], "a"), redis_leases(replace(homes[1], url="redis://127.0.0.1:1"), "b")
    with pytest.raises(StorageUnavailable):
        cut_off.lease(7, {})
    assert cut_off.has_share(7)
    one.lease(7, {})
    assert drained(one, 7) + HALF + 331 <= 663


@pytest.mark.parametrize("how", ["restarted", "flushed", "evicted"])
def test_what_was_handed_out_of_a_lost_note_is_not_handed_out_again(
    server: Server, homes: tuple[Site, Site], how: str
) -> None:
    """In the middle of a minute: for its rest nothing more is leased; the next minute is whole."""
    one, two = redis_leases(homes[0], "a"), redis_leases(homes[1], "b")
    for store in (one, two):
        assert store.lease(7, {}).joined
    assert drained(one, 7) == 331 + 1 - HALF + 331 - HALF
    lose(server, how)
    assert (drained(one, 7), drained(two, 7)) == (0, 0)
    for store in (one, two):
        assert store.lease(8, {}).joined
    assert drained(two, 8) + 2 * HALF == 663


def lose(server: Server, how: str) -> None:
    """Let the server lose its notes."""
    if how == "restarted":
        server.kill()
        server.start()
        return
    with server.client() as client:
        if how == "flushed":
            client.flushall()
        else:
            client.delete(*client.keys("*"))


def test_who_takes_over_puts_no_share_into_a_second_note(server: Server, homes: tuple[Site, Site]) -> None:
    """The one before put it into a note that was lost; what it kept may be used up, and so may the rest."""
    before, other = redis_leases(homes[0], "a"), redis_leases(homes[1], "b")
    for store in (before, other):
        store.lease(7, {})
    drained(other, 7)
    lose(server, "restarted")
    before.close()
    after = redis_leases(homes[0], "c")
    assert after.lease(7, {}).joined is False
    assert (after.slot, after.has_share(7), drained(after, 7)) == (0, False, 0)


def test_a_vacant_share_is_put_into_one_note_only(server: Server, tmp_path: Path) -> None:
    """Another replica of the home finds the note lost, the slot still vacant, and the word that its share is gone."""
    site = Site(tmp_path, server.url, slots=3)
    one, two = redis_leases(site, "a", 3), redis_leases(site, "b", 3)
    two.lease(6, {})
    one.lease(6, {})
    assert one.lease(7, {}).joined
    assert drained(one, 7) == 663 - 221 - 110  # of the limit: the other's share, and what it kept
    lose(server, "flushed")
    assert two.lease(7, {}).joined
    assert drained(two, 7) == 221 - 110


def test_sides_that_do_not_know_of_each_other_hand_out_what_each_was_given(tmp_path: Path) -> None:
    """A failover while the old server goes on: the new one's notes begin anew, though it has a copy of the old one's."""
    with redis_server(tmp_path / "old") as old, redis_server(tmp_path / "new") as new:
        with new.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", old.port)
            one, two = (redis_leases(site, name) for site, name in zip(homes_of(old, tmp_path), "ab", strict=True))
            assert one.lease(7, {}).joined
            assert two.lease(7, {}).joined
            assert wait_for_copy(old, new)
            client.execute_command("REPLICAOF", "NO", "ONE")
        got = drained(one, 7)  # which the new one has not heard of
        moved = redis_leases(homes_of(new, tmp_path)[1], "b")
        two._notes = moved._notes
        got += drained(two, 7)
        assert got + 2 * HALF == 663
        assert one.lease(8, {}).joined
        assert two.lease(8, {}).joined
        assert drained(one, 8) + drained(two, 8) + 2 * HALF == 663


def wait_for_copy(old: Server, new: Server) -> bool:
    """Wait until a server has what its primary has."""
    with old.client() as primary, new.client() as copy:
        for _ in range(200):
            if primary.wait(1, 100) == 1 and copy.keys("*") == primary.keys("*") != []:
                return True
    return False


def test_a_server_that_became_anothers_copy_and_was_promoted_again_is_another(server: Server, tmp_path: Path) -> None:
    """It runs as before and has what the other had, which may be older than what it handed out itself."""
    store = redis_leases(Site(tmp_path, server.url), "a")
    assert store.lease(7, {}).joined
    with server.client() as client, redis_server(tmp_path / "other") as other:
        note = {key: client.dump(key) for key in client.keys("*")}
        assert drained(store, 7) > 0
        with other.client() as theirs:
            for key, value in note.items():
                theirs.restore(key, 0, value)
            client.execute_command("REPLICAOF", "127.0.0.1", other.port)
            assert wait_for_copy(other, server)
            client.execute_command("REPLICAOF", "NO", "ONE")
    assert drained(store, 7) == 0


def test_a_full_server_notes_nothing_and_that_is_certain(server: Server, tmp_path: Path) -> None:
    """It is tried again, and nothing was lost by the first try."""
    store = redis_leases(Site(tmp_path, server.url), "a", 2)
    with server.full(), pytest.raises(StorageUnavailable, match=r"noted.*maxmemory"):
        store.lease(7, WANTS)
    assert store.lease(7, {}).joined
    assert drained(store, 7) + HALF == 663


def test_a_stopped_server_is_waited_for_no_longer_than_was_said(server: Server, tmp_path: Path) -> None:
    """Nothing was noted for certain: it was only read. What it answers later is nobody's."""
    store = redis_leases(Site(tmp_path, server.url, timeout_ms=200), "a", 2)
    with server.frozen():
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match=r"(?i)time"):
                store.lease(7, WANTS)
    assert store.lease(7, {}).joined
    assert drained(store, 7) + HALF == 663


async def test_a_word_that_was_lost_is_unknown_and_never_taken_back(server: Server, tmp_path: Path) -> None:
    """The server stops after it was read; what it was sent it does later, and once."""
    store = redis_leases(Site(tmp_path, server.url, timeout_ms=300), "a", 2)
    for minute in (7, 8):
        with stopped_before_writing(store, server), pytest.raises(OutcomeUnknown):
            store.lease(minute, WANTS)
        with server.client() as client:
            await until(lambda minute=minute: client.exists(f"weavergen:quotas:{minute}") == 1)  # type: ignore[misc]
        if minute == 7:
            assert 0 < drained(store, 7) < 663 - HALF
        else:
            lose(server, "flushed")
            assert store.lease(8, {}).joined is False
            assert drained(store, 8) == 0


async def test_who_joined_a_slow_server_has_his_half_once_it_says_so(server: Server, tmp_path: Path) -> None:
    """Its word was lost; the note names him. So the whole limit is had, by one who would else have lost it for a minute."""
    store, book, now_s = redis_leases(Site(tmp_path, server.url, timeout_ms=300), "a", 2), Book(2, 420.0), 425.0
    with stopped_before_writing(store, server), pytest.raises(OutcomeUnknown):
        store.lease(7, {})
    book.asked(7)
    book.failed(7, for_certain=False, has_share=store.has_share(7))
    with server.client() as client:
        await until(lambda: client.exists("weavergen:quotas:7") == 1)
    used = 0
    while (asked := book.to_ask(now_s, 20)) is not None:
        book.answered(store.lease(*asked))
        while isinstance(book.reserve("k", WANTS["k"].limit, 0, now_s), Reserved):
            used += 1
    assert (book.standing, used) == ("kept", 663)


@pytest.mark.parametrize("says", ["ERR upstream timeout", "WRONGTYPE of something", "UNKNOWN"])
def test_a_proxy_that_passes_a_word_on_and_answers_with_an_error_leaves_it_open(
    server: Server, tmp_path: Path, says: str
) -> None:
    """The share is in the note: whoever used it alone, too, would have it twice."""
    store = redis_leases(Site(tmp_path, server.url), "a", 2)
    with answered_by_a_proxy(store, says), pytest.raises(OutcomeUnknown, match="did not say"):
        store.lease(7, {})
    assert store.has_share(7) is False
    assert store.lease(7, {}).joined


@contextmanager
def answered_by_a_proxy(store: RedisLeases, says: str) -> Iterator[None]:
    """Let what is written be passed on, and answered as a server answers with an error."""
    notes, run = store._notes, store._notes._run

    def passed_on(script: str, *arguments: Any) -> Any:
        found = run(script, *arguments)
        if script == _WRITE:
            raise BaseParser.parse_error(says)
        return found

    notes._run = passed_on  # type: ignore[method-assign]
    try:
        yield
    finally:
        notes._run = run  # type: ignore[method-assign]


def test_what_a_server_refuses_to_begin_is_certain(server: Server, tmp_path: Path) -> None:
    """It may not be written by this user, or the server is another's copy: the share is the replica's, alone."""
    store = redis_leases(Site(tmp_path, server.url), "a", 2)
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)
        with pytest.raises(StorageUnavailable, match="NOREPLICAS"):
            store.lease(7, {})
        client.config_set("min-replicas-to-write", 0)
        client.execute_command("REPLICAOF", "127.0.0.1", 1)
        with pytest.raises(StorageUnavailable):
            store.lease(7, {})
        client.execute_command("REPLICAOF", "NO", "ONE")
    assert store.has_share(7)
    assert store.lease(7, {}).joined


@contextmanager
def stopped_before_writing(store: RedisLeases, server: Server) -> Iterator[None]:
    """Stop a server between what it is asked first and what it is sent then."""
    notes, write = store._notes, store._notes.write

    def late(*arguments: Any) -> bool:
        with server.frozen():
            return write(*arguments)

    notes.write = late  # type: ignore[method-assign]
    try:
        yield
    finally:
        notes.write = write  # type: ignore[method-assign]


def test_others_that_are_quicker_every_time_end_the_try(server: Server, homes: tuple[Site, Site]) -> None:
    """As often as was said; nothing was noted."""
    one, two = redis_leases(homes[0], "a"), redis_leases(homes[1], "b")
    one._redis = one._redis.model_copy(update={"attempts": 3})
    write, tries = one._notes.write, []

    def slow(*arguments: Any) -> bool:
        two.lease(7, WANTS)
        tries.append(write(*arguments))
        return tries[-1]

    one._notes.write = slow  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailable, match="quicker 3 times"):
        one.lease(7, WANTS)
    assert tries == [False] * 3
    one._notes.write = write  # type: ignore[method-assign]
    assert one.lease(7, {}).joined


def hold(site: Site, told: "Queue[int]", go: Event) -> None:
    """Join a minute as a process of its own, and lease all that there is of the next one once it may go on."""
    store = site.store("child")
    told.put(store.slot if store.lease(7, {}).joined else -1)
    go.wait(60)
    told.put(drained(store, 8))
    told.close()
    told.join_thread()


@contextmanager
def held(site: Site) -> Iterator[tuple[Any, "Queue[int]", Event]]:
    """Let a process hold a slot."""
    context = multiprocessing.get_context("spawn")
    told: Queue[int] = context.Queue()
    go = context.Event()
    process = context.Process(target=hold, args=(site, told, go))
    process.start()
    assert told.get(timeout=60) == 0
    try:
        yield process, told, go
    finally:
        process.kill()
        process.join(timeout=60)


def test_a_killed_replicas_slot_is_another_ones_from_the_next_minute_on(server: Server, tmp_path: Path) -> None:
    """Of that minute it may have used everything that was its."""
    site = Site(tmp_path, server.url)
    with held(site) as (process, _, _):
        other = redis_leases(site, "a", 1)
        other.lease(7, {})
        assert other.slot is None
        process.kill()
        process.join(timeout=60)
        assert other.lease(7, {}).joined is False
        assert (other.slot, drained(other, 7)) == (0, 663 - HALF)
        assert other.lease(8, {}).joined


def test_a_paused_replica_keeps_its_slot_however_long(server: Server, tmp_path: Path) -> None:
    """Nobody gives its share away meanwhile; it wakes up in a minute that others have begun without it."""
    site = Site(tmp_path, server.url, slots=3)
    with held(replace(site)) as (process, told, go):
        other = redis_leases(site, "a", 3)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            other.lease(7, {})
            lose(server, "restarted")
            assert other.lease(8, {}).joined
            got = drained(other, 8)
            assert got == 663 - 221 - 110  # without the share that the other may use alone
        finally:
            os.kill(process.pid, signal.SIGCONT)
        go.set()
        assert told.get(timeout=60) == 221 - 110
    assert other.lease(8, {}).joined


def test_two_homes_on_one_slot_are_told_and_never_alone(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever comes second sees it; it leases like one without a slot."""
    one, two = (redis_leases(Site(tmp_path / name, server.url, slots=1), name) for name in "ab")
    assert one.lease(7, {}).joined
    with caplog.at_level(logging.ERROR):
        assert two.lease(7, {}).joined is False
    assert "first_slot" in caplog.text
    server.kill()
    with pytest.raises(StorageUnavailable):
        two.lease(8, {})
    assert two.has_share(8) is False


def test_homes_that_count_otherwise_have_nothing_where_another_was_first(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And say so, once."""
    one, two = (redis_leases(Site(tmp_path / str(n), server.url, slots=n), "a") for n in (1, 2))
    assert one.lease(7, {}).joined
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert two.lease(7, WANTS).given == {"k": Amount()}
    assert caplog.text.count("the same admission.quotas.redis.slots") == 1


def test_every_key_expires_and_notes_are_few(server: Server, tmp_path: Path) -> None:
    """However many minutes there were, Redis drops them by itself."""
    store = redis_leases(Site(tmp_path, server.url), "a")
    with server.client() as client:
        for minute in range(7, 10):
            store.lease(minute, WANTS)
            assert 0 < client.ttl(f"weavergen:quotas:{minute}") <= 300
        assert len(client.keys("*")) == 3


def test_something_else_in_a_notes_place_leases_nothing(server: Server, tmp_path: Path) -> None:
    """Another program's data is left as it is."""
    store = redis_leases(Site(tmp_path, server.url), "a")
    with server.client() as client:
        client.hset("weavergen:quotas:7", "note", "theirs")
        with pytest.raises(StorageUnavailable, match="prefix"):
            store.lease(7, WANTS)
        client.set("weavergen:quotas:8", "theirs")
        with pytest.raises(StorageUnavailable, match="WRONGTYPE"):
            store.lease(8, WANTS)
        assert client.get("weavergen:quotas:8") == b"theirs"


def test_one_connection_is_all_that_it_takes(server: Server, tmp_path: Path) -> None:
    """However often it is asked; none is left after the end."""
    store = redis_leases(Site(tmp_path, server.url), "a")
    with server.client() as client:
        for _ in range(20):
            store.lease(7, WANTS)
        until_so(lambda: len(client.client_list()) == 2)  # the server hears of who hung up a moment later
        store.close()
        until_so(lambda: len(client.client_list()) == 1)


def test_with_tls_a_server_is_believed_by_its_certificate(tmp_path: Path) -> None:
    """The one of ``ca_file``; by the system's alone it is nobody, and nothing is leased."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    port = own_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(pem), "--tls-key-file", str(secret)]
    with redis_server(tmp_path / "redis", *options, "--tls-auth-clients", "no"):
        believing = RedisConfig(url=f"rediss://127.0.0.1:{port}", slots=1, first_slot=0, ca_file=pem, timeout_ms=1000)
        store = RedisLeases(tmp_path / "a", "a", 1, CONFIG, believing, PASSWORD)
        assert store.lease(7, {}).joined
        doubting = believing.model_copy(update={"ca_file": None})
        with pytest.raises(StorageUnavailable, match=r"(?i)certificate"):
            RedisLeases(tmp_path / "b", "b", 1, CONFIG, doubting, PASSWORD).lease(8, {})


def test_no_password_is_shown(server: Server, tmp_path: Path) -> None:
    """Neither where it is wrong nor where it is right."""
    store = redis_leases(Site(tmp_path, server.url), "a")
    with server.client() as client:
        client.config_set("requirepass", "another")
    with pytest.raises(StorageUnavailable) as told:
        store.lease(7, WANTS)
    assert server.url in str(told.value)
    assert not any(PASSWORD in text for text in (str(told.value), repr(store), repr(store._notes), str(store._notes)))
