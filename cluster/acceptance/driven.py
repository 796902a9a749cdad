"""The open-loop generator as a process of its own, and an empty server to know its limit by."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cluster.acceptance.sent import Plan, Report
from cluster.node import REPOSITORY

MARGIN_S = 60.0
_END_S = 10.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def driven(plan: Plan) -> Report:
    """Follow a plan from a process of its own; raise ``RuntimeError`` with its last words if there is no report."""
    bound_s = (plan.due_s[-1] if plan.due_s else 0.0) + plan.timeout_s + MARGIN_S
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "cluster.acceptance.open_loop", str(report)],
            input=msgspec.json.encode(plan), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=REPOSITORY,
            timeout=bound_s, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")[-2000:]
            raise RuntimeError(f"the generator ended with {done.returncode}: {said}")
        return msgspec.json.decode(report.read_bytes(), type=Report)


@contextmanager
def empty_server() -> Iterator[str]:
    """Run a server that answers every request at once with ``{}``, and looks at nothing but where requests end; yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster.acceptance.driven"], stdout=subprocess.PIPE, cwd=REPOSITORY, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the empty server did not start; it ended with {process.wait(_END_S)}")
        yield f"http://127.0.0.1:{json.loads(line)['port']}/v1/chat/completions"
    finally:
        process.terminate()
        process.wait(_END_S)
        if process.stdout is not None:
            process.stdout.close()


class _Empty(asyncio.Protocol):
    """One connection: an answer for every request that came whole; bodies have a length."""

    def __init__(self) -> None:
        import httptools

        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        if self._transport is not None:
            self._transport.write(_ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Empty, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
