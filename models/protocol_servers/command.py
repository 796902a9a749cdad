"""``python -m models.protocol_servers --protocol openai --answers FILE…``: one provider as a program.

Prints one JSON line with its ports once it listens, and ends on SIGTERM or SIGINT. Orders are taken at ``POST /control`` of
either port while a control key is given.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from models.errors import AnswersError
from models.protocol_servers.anthropic_messages import AnthropicMessages
from models.protocol_servers.gemini_content import GeminiContent
from models.protocol_servers.openai_chat import OpenAIChat
from models.protocol_servers.server import LOOPBACK, ProtocolServer
from models.protocol_servers.wire import Wire
from models.recorded import load_recorded

PROTOCOLS: dict[str, Callable[[str | None], Wire]] = {
    "openai": OpenAIChat,
    "anthropic": AnthropicMessages,
    "gemini": GeminiContent,
}


def main(argv: list[str] | None = None) -> int:
    """Serve until told to end; 2 if keys or answers cannot be read."""
    args = _parser().parse_args(argv)
    try:
        wire = PROTOCOLS[args.protocol](_key(args.key_file))
        server = ProtocolServer(wire, load_recorded(args.answers), _key(args.control_key_file), args.seed)
    except (AnswersError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asyncio.run(_serve(server, args.host, args.port))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.protocol_servers", description=__doc__)
    parser.add_argument("--protocol", choices=sorted(PROTOCOLS), required=True)
    parser.add_argument("--answers", type=Path, nargs="+", required=True, help="files of recorded answers")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--key-file", type=Path, help="file with the key every request must show; without it any will do"
    )
    parser.add_argument("--control-key-file", type=Path, help="file with the key of /control; without it there is none")
    parser.add_argument("--seed", type=int, default=0, help="draws which requests a fault with a probability hits")
    return parser


def _key(file: Path | None) -> str | None:
    if file is None:
        return None
    key = file.read_text(encoding="utf-8").strip()
    if not key:
        raise ValueError(f"{file}: is empty; put a key into it")
    return key


async def _serve(server: ProtocolServer, host: str, port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.start(host, port)
    try:
        said = {"port": server.port, "control_port": server.control_port, **server.state()}
        sys.stdout.write(msgspec.json.encode(said | {"models": list(server.counts)}).decode() + "\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        await server.stop()
