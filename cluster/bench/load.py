"""The load generator's script and what it says at its end.

wrk drives a closed loop: each connection sends its next request when the answer to the last is in. The script prints one
line of JSON with wrk's own counts and percentiles, in microseconds. A run in which any request failed is no measurement.
A target with numbers puts the next one into each of its requests, and the first refusal is kept, to be told.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.bench.started import BenchError, run


class NothingAnswered(BenchError):
    """The load ended before its first request was answered."""


_MARK, _REFUSED = "RESULT ", "REFUSED "
_ERRORS = ("connect", "read", "write", "timeout", "status")
_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.timeout, e.status))
end
"""
_KEEPING = """
local threads = {}
setup = function(thread) table.insert(threads, thread) end
response = function(status, headers, body)
  if status >= 400 and not refused then refused = status .. ' ' .. body end
end
"""
_TELLING = """
local count = done
done = function(summary, latency, requests)
  for _, thread in ipairs(threads) do
    local told = thread:get('refused')
    if told then io.write('REFUSED ' .. told:gsub('%s+', ' '):sub(1, 600) .. '\\n') end
  end
  count(summary, latency, requests)
end
"""
_GRACE_S = 30.0
NUMBER = "{number}"
"""Stands in a body for the request's number."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers a target's requests carry, one after the other."""

    first: int
    step: int
    below: int
    """They come round at this one."""


@dataclass(frozen=True, slots=True)
class Target:
    """One request that is sent over and over."""

    url: str
    body: str
    headers: Mapping[str, str] = field(repr=False)
    """Keys are in here: never shown."""
    numbers: Numbers | None = None
    """``None``: every request is the same."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one cell of the table says."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float


def script(target: Target) -> str:
    """Return the wrk script that sends the request and reports at the end."""
    headers = {"Content-Type": "application/json"} | dict(target.headers)
    lines = ['wrk.method = "POST"', f"wrk.body = {lua_string(target.body)}"]
    lines += [f"wrk.headers[{lua_string(name)}] = {lua_string(value)}" for name, value in headers.items()]
    if target.numbers is None:
        return "\n".join(lines) + _DONE
    return "\n".join([*lines, *_numbering(target.body, target.numbers)]) + _KEEPING + _DONE + _TELLING


def _numbering(body: str, numbers: Numbers) -> list[str]:
    """Return the function that writes the next number into each request."""
    pieces = " .. n .. ".join(map(lua_string, body.split(NUMBER)))
    return [
        f"local n = {numbers.first - numbers.step}",
        "request = function()",
        f"  n = (n + {numbers.step}) % {numbers.below}",
        f"  return wrk.format(nil, nil, nil, {pieces})",
        "end",
    ]


def lua_string(text: str) -> str:
    """Write text as a Lua string, every byte as its number."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


def read_result(output: str) -> Figures:
    """Read what the script printed; raise ``BenchError`` if it printed nothing, any request failed or none was answered."""
    line = next((line for line in output.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise BenchError(f"wrk reported nothing: {' '.join(output.split())[-300:]}")
    told = json.loads(line.removeprefix(_MARK))
    failed = {name: told["errors"][name] for name in _ERRORS if told["errors"][name]}
    if failed:
        refused = "".join(f"; {line}" for line in output.splitlines() if line.startswith(_REFUSED))
        raise BenchError(
            "requests failed: " + ", ".join(f"{count} × {name}" for name, count in failed.items()) + refused
        )
    if not told["requests"]:
        raise NothingAnswered("no request was answered")
    return Figures(told["requests"] / told["duration_us"] * 1e6, told["p50_us"] / 1e3, told["p99_us"] / 1e3)


def drive(wrk: str, target: Target, folder: Path, connections: int, seconds: float) -> Figures:
    """Load the target and return what wrk measured."""
    return read_result(_run(wrk, target, folder, connections, seconds))


def warm_up(wrk: str, target: Target, folder: Path, connections: int, seconds: float) -> None:
    """Load the target; nobody asks how it went."""
    _run(wrk, target, folder, connections, seconds)


def _run(wrk: str, target: Target, folder: Path, connections: int, seconds: float) -> str:
    path = folder / "request.lua"
    path.touch(mode=0o600)
    path.write_text(script(target))
    command = [wrk, "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--timeout", "10s", "-s", str(path), target.url]
    try:
        return run(command, seconds + _GRACE_S)
    finally:
        path.unlink()
