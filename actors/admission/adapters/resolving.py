"""Connections to a Redis that is given by name, whose resolver may hang: asking it is bounded like every other wait.

Rules:
- ``socket.getaddrinfo`` knows no bound, so it is asked in a thread of its own, one at a time; a connection waits for the answer
  for as long as for a connection. What comes later is there for the next try.
- A resolver that does not answer takes nothing away: the addresses of its last answer are used. One that says that it has none
  is believed, for this try.

Left out: which addresses are good, beyond trying the first ones.
"""

import errno
import socket
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any

from redis.connection import Connection, ConnectionPool, SSLConnection

MOST_ADDRESSES = 2
"""Of a name, that are tried for one connection; each is waited for."""
Address = tuple[Any, ...]
"""As ``socket.getaddrinfo`` returns them."""


class Resolver:
    """Addresses of one host. Asked from one thread at a time."""

    def __init__(self) -> None:
        self._asking: Future[list[Address]] | None = None
        self._known: list[Address] = []

    def addresses(self, host: str, port: int, timeout_s: float) -> list[Address]:
        """Return a host's addresses; raise ``OSError`` if there are none, or none within the time and none from before."""
        asking = self._asking = self._asking or _asked(host, port)
        if not wait([asking], timeout_s).done:
            if not self._known:
                raise OSError(errno.EHOSTUNREACH, f"the name {host} was not resolved within {timeout_s:g} s")
            return self._known
        self._asking = None
        self._known = asking.result()
        return self._known


class NamedConnection(Connection):
    """A connection over TCP."""

    def __init__(self, *, resolver: Resolver, **options: Any) -> None:  # noqa: ANN401 - whatever the client's connections take
        super().__init__(**options)  # type: ignore[no-untyped-call]  # the client does not say
        self._resolver = resolver

    def _connect(self) -> socket.socket:
        timeout_s = float(self.socket_connect_timeout or 1.0)
        failed: OSError = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in self._resolver.addresses(self.host, int(self.port), timeout_s)[
            :MOST_ADDRESSES
        ]:
            link = socket.socket(family, kind, protocol)
            try:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.settimeout(timeout_s)
                link.connect(address)
                link.settimeout(self.socket_timeout)
            except OSError as error:
                link.close()
                failed = error
            else:
                return link
        raise failed


class NamedTlsConnection(SSLConnection, NamedConnection):
    """The same with TLS, which the client's own class puts around it."""


def bounded(pool: ConnectionPool) -> ConnectionPool:
    """Let a pool's connections resolve names within their bounds."""
    named = {Connection: NamedConnection, SSLConnection: NamedTlsConnection}.get(pool.connection_class)
    if named is not None:
        pool.connection_class = named
        pool.connection_kwargs["resolver"] = Resolver()
    return pool


def _asked(host: str, port: int) -> "Future[list[Address]]":
    """Begin to ask; the thread ends with the process, however long it takes."""
    answer: Future[list[Address]] = Future()

    def ask() -> None:
        try:
            answer.set_result(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is asked for
            answer.set_exception(error)

    Thread(target=ask, name="resolver", daemon=True).start()
    return answer
