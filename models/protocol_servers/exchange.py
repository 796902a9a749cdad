"""Does what a plan says: sends the bytes, waits, and ends the response the way it is to end.

Rules: nothing is sent beyond the plan. A reset is a real one: the socket lingers for no time, so that closing it sends RST.
"""

import asyncio
import socket
import struct
from typing import cast

from aiohttp import web

from models.protocol_servers.plans import Ending, Plan
from models.recorded import HANG_S

NO_LINGER = struct.pack("ii", 1, 0)


async def play(request: web.BaseRequest, plan: Plan, headers: dict[str, str]) -> web.StreamResponse:
    """Send one response; returns when it has ended, raises ``ConnectionError`` or is cancelled if the client left."""
    if plan.wait_s:
        await asyncio.sleep(plan.wait_s)
    head = {**headers, **plan.headers, "Content-Type": plan.content_type}
    if plan.length is not None and plan.ending is Ending.PROPER:
        return web.Response(status=plan.status, headers=head, body=cast("bytes", plan.steps[0]))
    if plan.length is not None:
        head["Content-Length"] = str(plan.length)
    response = web.StreamResponse(status=plan.status or 200, headers=head)
    if plan.status:
        await response.prepare(request)
        for step in plan.steps:
            await (response.write(step) if isinstance(step, bytes) else asyncio.sleep(step))
    await _end(request, response, plan.ending)
    return response


async def _end(request: web.BaseRequest, response: web.StreamResponse, ending: Ending) -> None:
    transport = request.transport
    if ending is Ending.PROPER:
        await response.write_eof()
    elif ending is Ending.SILENCE:
        await asyncio.sleep(HANG_S)
    elif transport is None:
        raise ConnectionResetError("the client has left")
    elif ending is Ending.RESET:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
    else:
        if ending is Ending.MISFRAMED:
            transport.write(b"no length\r\n")
        transport.close()
