"""A port that can refuse connections and take them again.

Rules: while it refuses, nobody listens, and the port stays ours: a socket that is bound to it but does not listen keeps
others away, and the system answers every connection with a reset. Requests under way are finished, connections that wait
for one are closed.
"""

import socket

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

BACKLOG = 512


class Door:
    """One port of a runner."""

    def __init__(self, runner: web.ServerRunner, host: str) -> None:
        self._runner = runner
        self._host = host
        self._site: web.TCPSite | None = None
        self._keeper: socket.socket | None = None
        self.port = 0
        self.busy: set[RequestHandler] = set()
        """Connections with a request under way; the request handler keeps it."""

    @property
    def is_open(self) -> bool:
        """Whether connections are taken."""
        return self._site is not None

    async def open(self, port: int = 0) -> None:
        """Listen: first on ``port`` (0: a free one), later on the same again."""
        if self._site is not None:
            return
        site = web.TCPSite(self._runner, self._host, self.port or port, backlog=BACKLOG, reuse_address=True)
        await site.start()
        self._site, self.port = site, site.port
        self._let_go()

    async def close(self) -> None:
        """Refuse connections."""
        if self._site is None:
            return
        await self._site.stop()
        self._site = None
        family = socket.getaddrinfo(self._host, self.port, type=socket.SOCK_STREAM)[0][0]
        self._keeper = socket.socket(family)
        self._keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._keeper.bind((self._host, self.port))
        server = self._runner.server
        for connection in list(server.connections) if server is not None else []:
            if _local_port(connection) == self.port:
                (connection.close if connection in self.busy else connection.force_close)()

    async def leave(self) -> None:
        """Give the port up."""
        self._let_go()
        if self._site is not None:
            await self._site.stop()
            self._site = None

    def _let_go(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


def _local_port(connection: RequestHandler) -> int:
    transport = connection.transport
    return 0 if transport is None else int(transport.get_extra_info("sockname")[1])
