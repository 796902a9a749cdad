"""Notes of minutes in a Redis: one hash a minute, read and written by two scripts, each of which is one step for everybody.

Rules:
- A note is written only if all that was read of it still stands; whoever was slower reads again.
- A note counts only for the *incarnation* of the server that it was begun in (its run and its replication ids): a server that
  restarted, or took over from another, may have lost leases that were handed out. Its notes begin anew, whatever it has kept.
  Note and leases are one key: what is evicted, expires or is deleted is lost together.
- Every key expires. A note holds ``max_keys`` keys, one call ``max_wants``; there is one connection, and every wait is
  bounded, that for its address as well (``resolving``).
- Nothing is sent again. What the server says that it refuses to begin (``REFUSED``), or was never asked to write, was not noted
  for certain. Whatever else comes to what was to be written, or nothing, leaves that open (``OutcomeUnknown``): a proxy that
  passed it on and lost patience answers with an error, too. A full server refuses only the first word of a script that
  takes memory: nothing is removed before it where there was nothing.
- The password is in the client alone: neither in a message nor in what is shown.

Left out: what a note means (``quotas``), who puts which share into it (``redis_leases``), and Redis Cluster.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import RedisError
from redis.retry import Retry

from actors.admission.adapters.resolving import bounded
from actors.admission.config import RedisConfig
from actors.admission.ports import OutcomeUnknown
from actors.admission.quotas import Amount, Note
from actors.base.errors import StorageUnavailable

KEPT_S = 180
"""How long a note that nobody writes is kept; one that expires early is lost like any other, and nothing is handed out twice."""
REFUSED = frozenset({
    "OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOAUTH", "NOPERM", "WRONGPASS", "BUSY", "LOADING", "MASTERDOWN", "NOSCRIPT",
    "MOVED", "ASK", "TRYAGAIN", "CROSSSLOT", "CLUSTERDOWN",
})  # fmt: skip
"""Codes of errors that Redis answers with before it runs anything, or at the first word of a script that would write."""
_HEAD = "note"
_INCARNATION = """
local function incarnation()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
"""
_READ = (
    _INCARNATION
    + """
local got = {incarnation(), redis.call('HLEN', KEYS[1])}
for n = 1, #ARGV do got[n + 2] = redis.call('HGET', KEYS[1], ARGV[n]) end
return got
"""
)
"""ARGV: names of fields. Returns the server's incarnation, how many fields there are, and the fields."""
_WRITE = (
    _INCARNATION
    + """
if incarnation() ~= ARGV[1] then return 0 end
local added = 0
for n = 5, #ARGV, 3 do
  local now = redis.call('HGET', KEYS[1], ARGV[n]) or ''
  if now ~= ARGV[n + 1] and (ARGV[2] == '0' or n == 5) then return 0 end
  if now == '' then added = added + 1 end
end
if ARGV[2] == '1' then
  if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
elseif redis.call('HLEN', KEYS[1]) + added > tonumber(ARGV[3]) then return 0 end
for n = 5, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 2]) end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
)
"""ARGV: incarnation, whether the note begins anew, most fields, seconds; then each field, the head first: name, what it was, what
it is to be."""


class _Head(msgspec.Struct, frozen=True):
    """What a note says beside its leases."""

    of: int
    slots: dict[int, str]
    incarnation: str


class Found(msgspec.Struct, frozen=True):
    """A note as it was read: only with the leases that were asked for."""

    note: Note
    others: int
    """How many further keys it holds."""
    incarnation: bytes
    is_new: bool
    """There was none that counts."""
    fields: dict[str, bytes]
    """What stood there, byte for byte."""


class RedisNotes:
    """The notes of minutes. Its calls come from one thread at a time."""

    def __init__(self, config: RedisConfig, password: str | None, slots: int, max_keys: int) -> None:
        self._config, self._slots, self._max_keys = config, slots, max_keys
        self._redis = Redis(connection_pool=_pool(config, password))
        self._decode = msgspec.json.Decoder(_Head).decode

    def read(self, minute: int, keys: Sequence[str]) -> Found:
        """Return a minute's note; raise ``StorageUnavailable``."""
        names = [_HEAD, *(f"key:{key}" for key in keys)]
        try:
            incarnation, count, *values = self._run(_READ, minute, *names)
            fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            head = self._decode(fields[_HEAD]) if _HEAD in fields else None
            if head is None or head.incarnation.encode() != incarnation:
                return Found(Note(minute, self._slots), 0, incarnation, is_new=True, fields=fields)
            leased = {key: _amount(fields[f"key:{key}"]) for key in keys if f"key:{key}" in fields}
        except (RedisError, OSError) as error:
            raise StorageUnavailable(f"nothing can be leased from {self}: {error}") from error
        except (msgspec.DecodeError, ValueError) as error:
            raise StorageUnavailable(
                f"{self} has something else under {self._name(minute)}: set admission.quotas.redis.prefix to a name "
                "that no other program uses there"
            ) from error
        others = count - 1 - len(leased)
        return Found(Note(minute, head.of, head.slots, leased), others, incarnation, is_new=False, fields=fields)

    def write(self, found: Found, note: Note) -> bool:
        """Put a note in the place of what was found; tell whether it still stood there.

        Raise ``StorageUnavailable`` if it was not put there for certain, ``OutcomeUnknown`` if nobody knows.
        """
        head = msgspec.json.encode(_Head(note.of, note.slots, found.incarnation.decode()))
        changed = {f"key:{key}": _text(amount) for key, amount in note.leased.items()}
        fields = [
            part for name, new in ((_HEAD, head), *changed.items()) for part in (name, found.fields.get(name, b""), new)
        ]
        most = self._max_keys + 1
        try:
            done = self._run(_WRITE, note.minute, found.incarnation, int(found.is_new), most, KEPT_S, *fields)
        except (RedisError, OSError) as error:
            if _code(error) in REFUSED:
                raise StorageUnavailable(f"nothing can be noted in {self}: {error}") from error
            raise OutcomeUnknown(f"{self} did not say whether it noted what was leased: {error}") from error
        return bool(done)

    def close(self) -> None:
        """Hang up."""
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def _run(self, script: str, minute: int, *arguments: str | bytes | float) -> Any:  # noqa: ANN401 - a script's answer
        run = cast("Callable[..., Any]", self._redis.eval)
        return run(script, 1, self._name(minute), *arguments)

    def _name(self, minute: int) -> str:
        return f"{self._config.prefix}:quotas:{minute}"

    def __str__(self) -> str:
        return f"Redis at {self._config.url}"

    def __repr__(self) -> str:
        return f"RedisNotes({self._config.url})"


def _pool(config: RedisConfig, password: str | None) -> ConnectionPool:
    timeout_s = config.timeout_ms / 1000
    named: dict[str, object] = {"ssl_ca_certs": str(config.ca_file)} if config.ca_file is not None else {}
    pool = ConnectionPool.from_url(
        config.url, max_connections=1, username=config.username, password=password, socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0), protocol=2, driver_info=None, **named,
    )  # fmt: skip
    return bounded(pool)


def _code(error: Exception) -> str:
    """Return the code of a server's error; the client's own have none."""
    code: str | None = getattr(error, "status_code", None)
    return code or str(error).partition(" ")[0]


def _amount(field: bytes) -> Amount:
    requests, tokens = field.split()
    return Amount(int(requests), int(tokens))


def _text(amount: Amount) -> bytes:
    return b"%d %d" % (amount.requests, amount.tokens)
