"""A witness as a process of its own: HTTP around ``actors.spans.adapters.witness``.

``python -m cluster.witness --dir DIR --name NAME --trust TRUST.JSON --port N``; DIR is never under the home of the log.

Rules:
- It listens on loopback unless told otherwise; whoever asks proves nothing but the log's signature. One connection at a time,
  with one request, for ``TIMEOUT_S`` at most, however slowly it speaks; a bounded number of them wait, and bodies are bounded.
- ``POST /add-checkpoint`` is c2sp.org/tlog-witness; ``GET /key`` gives its verifier key, ``GET /seen`` what it signed
  last, signed by it now.
- A disk that does not take what is to be remembered, or give what is, is 503, and nothing is signed.
"""

import argparse
import contextlib
import logging
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from actors.base.errors import IntegrityError, WeaverGenError
from actors.spans.adapters.witness import Witness
from actors.spans.log.witness import MAX_REQUEST_BYTES, PATH, Verdict

TIMEOUT_S = 10.0
"""How long a connection may keep the witness waiting."""
_log = logging.getLogger("weavergen.witness")


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT_S
    server: "WitnessServer"

    def do_POST(self) -> None:
        """Judge a checkpoint."""
        length = self.headers.get("Content-Length", "")
        if self.path != PATH:
            self._answer(Verdict(404, f"POST {PATH}\n"))
        elif not length.isdecimal():
            self._answer(Verdict(411, "a request says how long it is\n"))
        elif int(length) > MAX_REQUEST_BYTES:
            self._answer(Verdict(413, f"a request has at most {MAX_REQUEST_BYTES} bytes\n"))
        else:
            self._answer(self._judged(self.rfile.read(int(length))))

    def do_GET(self) -> None:
        """Tell who this is, and what it saw last."""
        self._answer(self._told())

    def _told(self) -> Verdict:
        witness = self.server.witness
        if self.path == "/key":
            return Verdict(200, f"{witness.key.text}\n")
        try:
            seen = witness.tell(int(time.time())) if self.path == "/seen" else None
        except (OSError, IntegrityError) as error:
            _log.warning("what was seen cannot be read: %s", error)
            return Verdict(503, f"this witness cannot read what it saw: {error}\n")
        return Verdict(404, "GET /key, GET /seen\n") if seen is None else Verdict(200, seen.data.decode())

    def _judged(self, data: bytes) -> Verdict:
        try:
            return self.server.witness.add_checkpoint(data, int(time.time()))
        except (OSError, IntegrityError) as error:
            _log.exception("a checkpoint was not signed")
            return Verdict(503, f"this witness cannot remember now: {error}\n")

    def _answer(self, verdict: Verdict) -> None:
        body = verdict.body.encode()
        self.send_response(verdict.status)
        self.send_header("Content-Type", verdict.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Write to the process's log."""
        _log.debug(format, *args)


class WitnessServer(HTTPServer):
    """Serves one witness, one connection at a time: what it remembers is one file."""

    request_queue_size = 16

    def __init__(self, witness: Witness, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.witness = witness

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection that may not keep others waiting for ever."""
        connection, address = super().get_request()
        connection.settimeout(TIMEOUT_S)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """Answer a connection; end it once its time is up, whatever it is doing."""
        ending = threading.Timer(TIMEOUT_S, _end, (request,))
        ending.daemon = True
        ending.start()
        try:
            super().finish_request(request, client_address)
        finally:
            ending.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        """Log what kept a request from its answer: whole, unless it is that the other side went away."""
        error = sys.exception()
        if isinstance(error, OSError):
            _log.debug("a connection ended early: %s", error)
        else:
            _log.error("a request was not answered", exc_info=error)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m cluster.witness", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="its key and its memory")
    parser.add_argument("--name", required=True, help="a schema-less URL, e.g. witness.example/1")
    parser.add_argument("--trust", type=Path, required=True, help="the log's trust.json")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0: any; it is printed")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        witness = Witness(given.dir, given.name, given.trust)
    except (OSError, WeaverGenError) as error:
        sys.exit(f"error: {error}")
    try:
        server = WitnessServer(witness, given.host, given.port)
    except (OSError, OverflowError) as error:
        sys.exit(f"error: nobody can listen on {given.host} port {given.port} ({error}): give another --host or --port")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{server.server_port} {witness.key.text}", flush=True)
    server.serve_forever()
    server.server_close()
    witness.close()


if __name__ == "__main__":
    main()
