"""``python -m models.sealed.inside``: runs closed off: says what it sees of the network, then serves one model on its socket.

Two arguments: the port of a listener outside that must not be reached, and the arguments of vLLM's server as JSON; without the
latter it only looks, and waits to be ended. What it sees is written before anything of the engine is loaded. Nothing is decided
in here: who started it reads the file and ends it, unless it is closed off.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from models.sealed.confinement import FOLDER, LOOK
from models.sealed.look import look

ALONE_S = 60
"""After so long what only looks ends, if nobody did it."""

if TYPE_CHECKING:
    from vllm.config import VllmConfig


def main() -> int:
    """Look around and serve."""
    port, *serve = sys.argv[1:]
    target = Path(FOLDER, LOOK)
    part = target.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(look(int(port))))
    part.rename(target)
    if serve:
        asyncio.run(_serve(json.loads(serve[0])))
    else:
        signal.alarm(ALONE_S)
        signal.pause()
    return 0


async def _serve(arguments: list[str]) -> None:
    """Run vLLM's server until it is ended. A CPU engine computes in its core's process (as ``serve_apps.cpu_engine`` says)."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.api_server.entry import build_and_serve, setup_server
    from vllm.v1.engine.async_llm import AsyncLLM

    parsed = _parsed(arguments)
    address, listener = setup_server(parsed, reuse_port=False)
    config = AsyncEngineArgs.from_cli_args(parsed).create_engine_config()
    _compute_in_the_core(config)
    engine = AsyncLLM.from_vllm_config(config)
    try:
        await (await build_and_serve(engine, address, listener, parsed))
    finally:
        engine.shutdown()
        listener.close()


def _parsed(arguments: list[str]) -> Any:  # noqa: ANN401 - vLLM's namespace
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(arguments)
    validate_parsed_serve_args(parsed)
    return parsed


def _compute_in_the_core(config: "VllmConfig") -> None:
    from vllm.platforms import current_platform

    if current_platform.is_cpu() and config.parallel_config.world_size == 1:
        config.parallel_config.distributed_executor_backend = "uni"


if __name__ == "__main__":
    sys.exit(main())
