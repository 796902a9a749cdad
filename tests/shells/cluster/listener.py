"""Whoever listens where the gateway should: a small HTTP server that answers as laid out and remembers who came."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from serve_apps.gateway.readiness import SYSTEM_HEADER


@dataclass
class Listener:
    """What it answers, and what it was sent."""

    port: int = 0
    system: str | None = None
    """What it says it is; a stranger says nothing."""
    readyz: int = 200
    status: int = 200
    """Of everything but ``/readyz``."""
    body: Any = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    """Method and path of every request."""
    keys: list[str] = field(default_factory=list)
    """Every ``Authorization`` header that came."""


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen on a free loopback port."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            listener.sent.append(f"{self.command} {self.path}")
            listener.keys += [self.headers["Authorization"]] if "Authorization" in self.headers else []
            data = json.dumps(listener.body).encode()
            self.send_response(listener.readyz if self.path == "/readyz" else listener.status)
            if listener.system is not None and self.path == "/readyz":
                self.send_header(SYSTEM_HEADER, listener.system)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    listener.port = server.server_port
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
