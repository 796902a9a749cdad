"""How a command ends that has read the spans table.

Arrow's and Delta's native threads may still run when the interpreter takes itself apart; one that then asks for its lock is
ended in the middle of C++ and aborts the process (exit code 134 of a check that was green). So a command waits for Python's
own threads, flushes, and ends the process itself.
"""

import contextlib
import logging
import os
import sys
import threading
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process with an exit code; what was registered to run at exit does not."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(code)
