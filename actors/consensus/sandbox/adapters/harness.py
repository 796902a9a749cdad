"""Runs inside the sandbox: a warm parent that gives every candidate a process of its own. Standard library only.

Rules:
- Three kinds of process. The *warm parent* (pid 1 of its own pid namespace) has its modules loaded and never reads a job. For
  each it forks a *runner* ahead of time, waits, ends whatever is left in the namespace, says so and forks the next. The *runner*
  forks the *candidate*'s process, then reads the job, hands the candidate the code and one call at a time, and passes its
  records on without looking into them. Nothing of a job is ever in the memory that another one is forked from.
- The candidate's process confines itself before it compiles the code: limits, Landlock, a second and tighter filter. Of processor
  time the soft limit is told by its signal: the kernel's ticks may run ahead of the usage. It never knows what should come out.
- A record counts only under the number the runner drew for that very call. Anything else on the pipe ends the job.
- Values are written as text by exact type (``type(x) is int``) through references taken before the candidate runs.
- What shares a process with its records can lie about itself, and gains nothing; it cannot speak for another job.

Left out: what is allowed (the settings handed in), reading the records (outside).

Frames out are a letter, four bytes of length, content: ``H`` ready, ``R`` a record, then, once the candidate is dead, its end
(``D`` done, ``T`` out of time, ``C`` else), ``E`` once nothing of it is left. A job is such fields: code, how many calls, each.
"""

import ast
import base64
import builtins
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import resource
import select
import signal
import struct
import sys
import time
import types
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any

CONTROL, RESULTS = 3, 4
NONCE = 16
READY = b"r"
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Rights a kernel of each Landlock ABI can restrict; later ones add none on files."""
_READ = 0b1100
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_LONGEST_INT_BITS = 13_000

Settings = dict[str, Any]
Value = Any


class Lost(Exception):
    """The candidate ended, or wrote something that is no record."""


# --- the warm parent -----------------------------------------------------------------------------------------------------


def main() -> int:
    """Get ready, then serve jobs until the input ends."""
    settings: Settings = json.loads(sys.argv[1])
    if os.getpid() != 1:
        raise SystemExit("not the first process of a pid namespace of its own: nothing could be ended for certain")
    for name in settings["preload"]:
        importlib.import_module(name)
    os.environ.clear()
    sys.argv[:], sys.orig_argv[:] = [""], []
    libc = ctypes.CDLL(None, use_errno=True)
    null = os.open("/dev/null", os.O_RDWR)
    confine(libc, settings, "harness")
    gc.collect()
    gc.freeze()
    send(b"H", str(landlock_abi(libc)).encode())
    while True:
        runner = os.fork()
        if runner == 0:
            os._exit(served(libc, settings, null))
        _, status = os.waitpid(runner, 0)
        end_everything()
        if status != 0:
            return 1
        send(b"E", b"")


def end_everything() -> None:
    """Kill and reap every other process of the namespace."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def send(letter: bytes, content: bytes) -> None:
    """Write one frame to the outside."""
    write_all(1, letter + struct.pack("<I", len(content)) + content)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(descriptor, data) :]


def read_all(descriptor: int, length: int) -> bytes:
    """Read exactly so much; raise ``Lost`` if it ends before."""
    parts = []
    while length:
        part = os.read(descriptor, min(length, 65_536))
        if not part:
            raise Lost
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


# --- the runner ----------------------------------------------------------------------------------------------------------


def served(libc: ctypes.CDLL, settings: Settings, null: int) -> int:
    """Run the next job; return the exit status, 0 if another may follow."""
    control_out, control_in = os.pipe()
    results_out, results_in = os.pipe()
    candidate = os.fork()
    if candidate == 0:
        try:
            fix_descriptors(control_out, results_in, null)
            confine(libc, settings, "candidate")
            run_candidate(settings)
        finally:
            os._exit(1)
    os.close(control_out)
    os.close(results_in)
    try:
        code = read_field()
        count = struct.unpack("<I", read_all(0, 4))[0]
        calls = [call_message(read_field()) for _ in range(count)]
        read_until(results_out, len(READY), time.monotonic() + settings["start_ms"] / 1000)
    except (Lost, TimeoutError):
        return 1
    send(exchanged(settings, candidate, control_in, results_out, [code, *calls]), b"")
    return 0


def read_field() -> bytes:
    """Read one field of a job."""
    return read_all(0, struct.unpack("<I", read_all(0, 4))[0])


def exchanged(settings: Settings, candidate: int, control: int, results: int, messages: list[bytes]) -> bytes:
    """Hand over one message after another and pass the records on; return the letter that says how it ended."""
    deadline = time.monotonic() + settings["job_ms"] / 1000
    left = settings["output_bytes"]
    try:
        for message in messages:
            nonce = os.urandom(NONCE)
            write_all(control, struct.pack("<I", len(message)) + nonce + message)
            until = min(deadline, time.monotonic() + settings["call_ms"] / 1000)
            record = awaited(results, nonce, left, until)
            left -= len(record)
            send(b"R", record)
    except TimeoutError:
        return b"T"
    except (Lost, BrokenPipeError):
        return died(candidate, settings["cpu_s"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(candidate, signal.SIGKILL)
    return b"D"


def awaited(results: int, nonce: bytes, left: int, until: float) -> bytes:
    """Return the record that carries the number; raise ``Lost`` on anything else, ``TimeoutError`` at ``until``."""
    head = read_until(results, NONCE + 4, until)
    length = struct.unpack("<I", head[NONCE:])[0]
    if head[:NONCE] != nonce or length > left:
        raise Lost
    return read_until(results, length, until)


def read_until(results: int, length: int, until: float) -> bytes:
    """Read exactly so much before ``until``."""
    data = bytearray()
    while len(data) < length:
        ready, _, _ = select.select([results], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(results, min(65_536, length - len(data)))
        if not part:
            raise Lost
        data += part
    return bytes(data)


def died(candidate: int, cpu_s: int) -> bytes:
    """End and reap the candidate; say whether it had used up its processor time."""
    os.kill(candidate, signal.SIGKILL)
    _, status, usage = os.wait4(candidate, 0)
    return b"T" if os.WTERMSIG(status) == signal.SIGXCPU or sum(usage[:2]) >= cpu_s - 0.1 else b"C"


def call_message(call: bytes) -> bytes:
    """Return how to evaluate an expression; a plain call of a name with literals apart: its arguments can be seen after."""
    source = call.decode()
    try:
        node = ast.parse(source.strip(), mode="eval").body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not has_stars(node):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            for value in values:
                ast.literal_eval(value)
            return json.dumps(
                {
                    "name": node.func.id,
                    "arguments": f"[{', '.join(ast.unparse(value) for value in values)}]",
                    "keywords": [keyword.arg for keyword in node.keywords],
                }
            ).encode()
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return json.dumps({"expression": source}).encode()
    return json.dumps({"expression": source}).encode()


def has_stars(call: ast.Call) -> bool:
    """Tell whether arguments are spread into the call."""
    return any(isinstance(value, ast.Starred) for value in call.args) or any(kw.arg is None for kw in call.keywords)


# --- the barriers --------------------------------------------------------------------------------------------------------


def fix_descriptors(control: int, results: int, null: int) -> None:
    """Keep the two pipes and nothing else; standard input, output and error lead nowhere."""
    for kept, place in ((control, 10), (results, 11), (null, 12)):
        os.dup2(kept, place)
    for kept, place in ((10, CONTROL), (11, RESULTS), (12, 0), (12, 1), (12, 2)):
        os.dup2(kept, place)
    os.closerange(RESULTS + 1, 64)


def confine(libc: ctypes.CDLL, settings: Settings, role: str) -> None:
    """Set limits, Landlock and the filter for the rest of this process; raise ``OSError`` if one cannot be set."""
    for name, value in settings["limits"][role].items():
        hard = (
            value + 1 if name == "RLIMIT_CPU" else value
        )  # the soft one says which it was: ticks may run ahead of usage
        resource.setrlimit(getattr(resource, name), (value, hard))
    prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    if role == "candidate":
        prctl(libc, _PR_SET_DUMPABLE, 0)
    if settings["readable"] is not None:
        restrict(libc, settings["readable"])
    if (encoded := settings["filters"][role]) is not None:
        data = base64.b64decode(encoded)
        text = ctypes.create_string_buffer(data, len(data))
        header = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(data) // 8, ctypes.addressof(text)))
        prctl(libc, _PR_SET_SECCOMP, 2, ctypes.addressof(header))


def prctl(libc: ctypes.CDLL, option: int, first: int, second: int = 0) -> None:
    """Set an option of this process."""
    arguments = (ctypes.c_ulong(value) for value in (first, second, 0, 0))
    checked(libc.prctl(ctypes.c_int(option), *arguments))


def checked(result: int) -> int:
    """Return a system call's result; raise ``OSError`` if it failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def landlock_abi(libc: ctypes.CDLL) -> int:
    """Return the Landlock version of the kernel, 0 or less if it has none."""
    return int(libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1)))


def restrict(libc: ctypes.CDLL, readable: list[str]) -> None:
    """Leave this process nothing but reading beneath ``readable``: no TCP, and no signal or abstract socket to the outside."""
    abi = landlock_abi(libc)
    if abi < 1:
        raise OSError("the kernel has no Landlock")
    parts = [_FILE_RIGHTS[min(abi, 5)], *([3] if abi >= 4 else []), *([3] if abi >= 6 else [])]
    rules = ctypes.create_string_buffer(struct.pack(f"<{len(parts)}Q", *parts))
    made = libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), rules, ctypes.c_size_t(8 * len(parts)), ctypes.c_uint(0))
    ruleset = checked(made)
    for path in readable:
        directory = os.open(path, os.O_PATH | os.O_CLOEXEC)
        beneath = ctypes.create_string_buffer(struct.pack("<Qi", _READ, directory))
        done = libc.syscall(
            ctypes.c_long(_LANDLOCK_ADD), ctypes.c_int(ruleset), ctypes.c_int(1), beneath, ctypes.c_uint(0)
        )
        checked(done)
        os.close(directory)
    checked(libc.syscall(ctypes.c_long(_LANDLOCK_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint(0)))
    os.close(ruleset)


# --- the candidate -------------------------------------------------------------------------------------------------------


def run_candidate(settings: Settings) -> None:
    """Serve messages until the runner ends this process: the first runs the code, the others evaluate calls."""
    serve = candidate_server(settings)
    write_all(RESULTS, READY)
    serve()


def candidate_server(settings: Settings) -> Callable[[], None]:
    """Return the loop, with everything it uses taken before the candidate can change a name."""
    printed = Printed(settings["printed_bytes"])
    sys.stdout = sys.__stdout__ = printed  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = Printed(0)  # type: ignore[misc, assignment]
    sys.stdin = sys.__stdin__ = io.StringIO("")  # type: ignore[misc, assignment]
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    sys.modules["__main__"] = types.ModuleType("__main__")
    namespace = module.__dict__
    namespace["__builtins__"] = builtins
    quiet = quieter()
    encode = encoder(settings)
    perform, take = performer(namespace), printed.take
    read, write, pack, unpack = read_all, write_all, struct.pack, struct.unpack
    name_of, size, quote, tag, encoded = class_name, len, encode_basestring_ascii, str.format, str.encode

    def serve() -> None:
        while True:
            length = unpack("<I", read(CONTROL, 4))[0]
            nonce = read(CONTROL, NONCE)
            message = read(CONTROL, length)
            arguments: list[Any] = []
            failure = None
            try:
                result = perform(message, arguments)
                quiet()
                value = encode(result)
            except BaseException as raised:  # noqa: BLE001 - whatever a candidate raises is its outcome
                failure = name_of(raised)
            quiet()
            text = value if failure is None else quote(failure)
            told = ",".join([encode(argument) for argument in arguments])
            data = encoded(
                tag('["{}",{},[{}],{}]', "v" if failure is None else "e", text, told, quote(take())), "ascii"
            )
            write(RESULTS, nonce + pack("<I", size(data)) + data)

    return serve


def performer(namespace: dict[str, Any]) -> Callable[[bytes, list[Any]], Any]:
    """Return what carries out a message; the arguments of a plain call are put into the list it is given."""
    execute, evaluate, translate, pairs, named, size, loads = exec, eval, compile, zip, dict, len, json.loads
    begun: list[bool] = []

    def perform(message: bytes, arguments: list[Any]) -> Value:
        if not begun:
            begun.append(True)
            return execute(translate(message, "candidate.py", "exec", 0, True), namespace)
        call = loads(message)
        if "expression" in call:
            return evaluate(translate(call["expression"].strip(), "call", "eval", 0, True), namespace)
        arguments += evaluate(call["arguments"], {"__builtins__": {"set": set}})
        names = call["keywords"]
        plain = size(arguments) - size(names)
        function = evaluate(call["name"], namespace)
        return function(*arguments[:plain], **named(pairs(names, arguments[plain:])))

    return perform


def quieter() -> Callable[[], None]:
    """Return what takes back whatever a candidate set up to run in between: tracing, timers, a low recursion limit."""
    trace, profile, limit, timer = sys.settrace, sys.setprofile, sys.setrecursionlimit, signal.setitimer
    digits, timers = sys.set_int_max_str_digits, (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

    def quiet() -> None:
        trace(None)
        profile(None)
        limit(1000)
        digits(0)
        for which in timers:
            timer(which, 0)

    return quiet


class Printed(io.TextIOBase):
    """Standard output of a candidate, cut to a bound."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._parts: list[str] = []
        self._left = bound

    def write(self, text: str, /) -> int:
        """Keep what still fits."""
        if type(text) is not str:
            raise TypeError("write() argument must be str")
        if self._left > 0:
            self._parts.append(text[: self._left])
            self._left -= len(text)
        return len(text)

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def take(self) -> str:
        """Return what was written, and begin anew."""
        text = "".join(self._parts)
        self._parts, self._left = [], self._bound
        return text


def class_name(
    value: object, kind: Callable[[object], type] = type, read: Value = type.__dict__["__name__"].__get__
) -> str:
    """Return the name of a value's true class, whatever it or its metaclass claims."""
    return str.__getitem__(read(kind(value)), slice(100))


def encoder(settings: Settings) -> Callable[[Any], str]:
    """Return what writes a value down by its exact type; what is too long, deep or cyclic is told by its class alone."""
    depth, longest = settings["value_depth"], settings["value_bytes"]
    kind, quote, name_of, size, leaf = type, encode_basestring_ascii, class_name, len, leaf_encoder()
    kinds: dict[type, str] = {list: "l", tuple: "t", set: "S", frozenset: "F"}
    letter, ordered = kinds.get, sorted
    mapping, tag = dict, str.format

    def encode(value: Value) -> str:
        try:
            return text_of(value, depth, [longest])
        except (TooMuch, MemoryError, RecursionError):
            return tag('["x",{}]', quote(name_of(value)))

    def text_of(value: Value, left: int, budget: list[int]) -> str:
        budget[0] -= 8
        if left < 0 or budget[0] < 0:
            raise TooMuch
        of = kind(value)
        if (found := letter(of)) is not None:
            members = [text_of(member, left - 1, budget) for member in value]
            return tag('["{}",[{}]]', found, ",".join(ordered(members) if found in "SF" else members))
        if of is mapping:
            pairs = [
                tag("[{},{}]", text_of(key, left - 1, budget), text_of(held, left - 1, budget))
                for key, held in value.items()
            ]
            return tag('["d",[{}]]', ",".join(pairs))
        if (of is str or of is bytes) and size(value) > budget[0]:
            raise TooMuch
        text = leaf(value)
        budget[0] -= size(text)
        return text

    return encode


class TooMuch(Exception):
    """A value that is too long, too deep or cyclic to be written down."""


def leaf_encoder() -> Callable[[Any], str]:
    """Return what writes down a value without members; anything it does not know is told by its true class."""
    kind, quote, name_of, bits, tag = type, encode_basestring_ascii, class_name, int.bit_length, str.format
    decimal, shown, real, imaginary = int.__repr__, float.__repr__, complex.real.__get__, complex.imag.__get__
    encoded, hexadecimal = str.encode, bytes.hex

    def leaf(value: Value) -> str:  # noqa: PLR0911 - one line for each type
        if value is None or value is True or value is False:
            return "null" if value is None else "true" if value else "false"
        of = kind(value)
        if of is int and bits(value) <= _LONGEST_INT_BITS:
            return tag('["i","{}"]', decimal(value))
        if of is float:
            return tag('["f","{}"]', shown(value))
        if of is complex:
            return tag('["c","{}","{}"]', shown(real(value)), shown(imaginary(value)))
        if of is bytes:
            return tag('["b","{}"]', hexadecimal(value))
        if of is str:
            try:
                encoded(value)
            except UnicodeEncodeError:
                return '["x","str"]'
            return tag('["s",{}]', quote(value))
        return tag('["x",{}]', quote(name_of(value)))

    return leaf


if __name__ == "__main__":
    sys.exit(main())
