"""Finds the files that the sandboxed Python is made of, by asking one that runs outside with the same modules loaded."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import cast

from actors.base.errors import OperatorError
from actors.consensus.sandbox.confinement import PRELOADED, Interpreter
from actors.consensus.sandbox.syscalls import AUDIT_ARCHITECTURES, Machine

_ASK_S = 30
_SCRIPT = """
import ctypes, importlib, json, resource, select, sys
for name in json.loads(sys.argv[1]): importlib.import_module(name)
class Info(ctypes.Structure):
    _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]
found = []
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
def each(info, size, data):
    found.append(info.contents.name.decode())
    return 0
ctypes.CDLL(None).dl_iterate_phdr(each, None)
print(json.dumps(found))
"""


def find_interpreter() -> Interpreter:
    """Return the interpreter below this one's virtual environment; raise ``OperatorError`` if it cannot be asked."""
    machine = platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        raise OperatorError(f"no system call filter is written for {machine}")
    executable = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    library = os.path.realpath(sysconfig.get_path("stdlib"))
    command = [executable, "-I", "-S", "-c", _SCRIPT, json.dumps(PRELOADED)]
    try:
        asked = subprocess.run(command, capture_output=True, timeout=_ASK_S, check=True, env={})  # noqa: S603 - our own interpreter, our own script
        names = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise OperatorError(f"the Python to run candidates with does not start: {type(error).__name__}") from error
    shared = tuple(name for name in names if name.startswith("/") and not name.startswith(f"{library}/"))
    packages = tuple(str(path) for name in ("site-packages", "dist-packages") if (path := Path(library, name)).is_dir())
    return Interpreter(executable, library, packages, shared, cast("Machine", machine))
