"""What hostile code tries in the sandbox, what must be seen of it, and which barriers to lift for it to succeed.

Rules:
- ``lift`` names the barriers that stop a case; without exactly those, in a sandbox that is otherwise whole, ``then`` is seen.
- A barrier is ``filter:call,call`` (system calls), ``landlock``, ``limit:NAME``, ``clock``, ``mount:path``, ``proc``, ``network``,
  ``remount``, ``without:option`` of bubblewrap, or ``source:name`` of the harness (see ``lifting``).
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.consensus.sandbox.protocol import Observed
from actors.consensus.sandbox.syscalls import NUMBERS

PRELUDE = """
import builtins, errno, gc, json, os, signal, socket, sys, time

def raw(number, *arguments):
    kind = next(c for c in object.__subclasses__() if c.__name__ == "CDLL")
    names = kind.__init__.__globals__
    result = kind(None, use_errno=True).syscall(*map(names["c_long"], (number, *arguments)))
    return result if result >= 0 else -names["get_errno"]()

"""
SECRET = "/opt/of-the-machine/secret"
"""Stands for a file of the machine: the tests put the path of a real one in its place."""
PORT = "65432"
"""Stands for the port of a listener outside."""

Seen = Callable[[Observed], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """One escape attempt."""

    topic: str
    name: str
    code: str
    sees: Seen
    lift: tuple[str, ...] = ()
    then: Seen | None = None
    call: str = "f()"


def value(encoded: Any) -> Seen:
    """Expect exactly this value."""
    return lambda seen: seen.end == "value" and seen.value == encoded


def text(content: str) -> Seen:
    """Expect this string."""
    return value(["s", content])


def raised(*names: str) -> Seen:
    """Expect one of these exceptions."""
    return lambda seen: seen.end == "exception" and seen.exception in names


def ended(*ends: str) -> Seen:
    """Expect that the call was ended so."""
    return lambda seen: seen.end in ends


def number(result: int) -> Seen:
    """Expect this int."""
    return value(["i", str(result)])


def not_refused(seen: Observed) -> bool:
    """Expect that the kernel looked at the call: it worked, or failed for a reason of its own."""
    return (seen.end == "value" and seen.value != ["i", str(-1)]) or seen.end in {"crash", "timeout"}


def went_through(seen: Observed) -> bool:
    """Expect any value, or an error that is no refusal."""
    return seen.end == "value" or (seen.end == "exception" and seen.exception != "PermissionError")


def case(
    topic: str, name: str, body: str, sees: Seen, lift: str = "", then: Seen | None = None, before: str = ""
) -> Case:
    """Return a case whose ``f`` has this body."""
    code = (
        PRELUDE + textwrap.dedent(before) + "\ndef f():\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    )
    return Case(topic, name, code, sees, tuple(lift.split()), then or (went_through if lift else None))


def raw(topic: str, name: str, *arguments: int, lift: str = "", privileged: bool = False) -> Case:
    """Return a case that makes one system call by its number; ``privileged`` ones are refused by the kernel itself as well."""
    shown = ", ".join(map(str, (NUMBERS[name][0], *arguments)))
    lifted = "" if privileged else lift or f"filter:{name}"
    return case(
        topic, f"system call {name}", f"return raw({shown})", number(-1), lifted, not_refused if lifted else None
    )


DENIED = raised("PermissionError")
ABSENT = raised("FileNotFoundError")
INFORMATION, FILES, NETWORK, DANGER = "information", "file system", "network", "dangerous operations"
EXHAUSTION, FORGERY = "exhaustion", "forgery"

INFORMATION_CASES = [
    case(INFORMATION, "environment", "return sorted(os.environ.items())", value(["l", []]), "source:environment"),
    case(INFORMATION, "environment in C", "return os.getenvb(b'PYTHONHASHSEED')", value(None), "source:environment"),
    case(INFORMATION, "file of the machine", f"return open({SECRET!r}).read()", ABSENT, f"mount:{SECRET} landlock", text("secret")),
    case(INFORMATION, "password file", "return open('/etc/passwd').read() != ''", ABSENT, "mount:/etc/passwd landlock", value(True)),
    case(INFORMATION, "own process", "return open('/proc/self/maps').read() != ''", ABSENT, "proc landlock", value(True)),
    case(INFORMATION, "other processes", "return open('/proc/1/status').read() != ''", ABSENT, "proc landlock", value(True)),
    case(INFORMATION, "mounts", "return open('/proc/mounts').read() != ''", ABSENT, "proc landlock"),
    case(INFORMATION, "devices", "return os.listdir('/sys/class')", ABSENT, "mount:/sys landlock"),
    case(INFORMATION, "home folders", "return os.listdir('/home')", ABSENT, "mount:/home landlock"),
    case(INFORMATION, "listing the root", "return os.listdir('/')", DENIED, "landlock"),
    case(INFORMATION, "listing beside the library", "return os.listdir(os.path.dirname(os.path.dirname(os.__file__)))", DENIED, "landlock"),
    case(INFORMATION, "installed packages", "return os.listdir(os.path.dirname(os.__file__) + '/site-packages')", value(["l", []])),
    case(INFORMATION, "host name", "return os.uname().nodename", text("sandbox"), "without:--hostname", lambda s: s.value != ["s", "sandbox"]),
    case(INFORMATION, "user", "return os.getuid()", number(65534), "without:--uid", lambda s: s.value != ["i", "65534"]),
    case(INFORMATION, "command line", "return sys.argv + sys.orig_argv", value(["l", [["s", ""]]]), "source:arguments", lambda s: s.end == "value"),
    case(INFORMATION, "inherited descriptors", "return [n for n in range(5, 64) if is_open(n)]", value(["l", []]), "source:descriptors",
         lambda s: s.end == "value" and s.value != ["l", []],
         before="def is_open(n):\n    try:\n        os.fstat(n)\n    except OSError as e:\n        return e.errno != errno.EBADF\n    return True\n"),
    case(INFORMATION, "main module", "return hasattr(sys.modules['__main__'], 'served')", value(False), "source:main-module", value(True)),
    case(INFORMATION, "load of the machine", "return os.getloadavg()", raised("OSError"), "proc landlock filter:sysinfo"),
    raw(INFORMATION, "syslog", 10, 0, 0, privileged=True),
    raw(INFORMATION, "sysinfo", 0),
    raw(INFORMATION, "process_vm_readv", 1, 0, 0, 0, 0, 0),
    raw(INFORMATION, "perf_event_open", 0, 0, 0, 0, 0),
    raw(INFORMATION, "name_to_handle_at", 0, 0, 0, 0, 0),
]  # fmt: skip

FILE_CASES = [
    case(FILES, "writing to /tmp", "return open('/tmp/x', 'w').write('x')", DENIED, "landlock", number(1)),
    case(FILES, "writing to the root", "return open('/x', 'w').write('x')", raised("OSError"), "remount landlock", number(1)),
    case(FILES, "writing to the library", "return os.open(os.__file__, os.O_RDWR)", raised("OSError")),
    case(FILES, "making a folder", "os.mkdir('/tmp/x')", DENIED, "filter:mkdir landlock", value(None)),
    case(FILES, "deleting", "os.unlink('/tmp/x')", DENIED, "filter:unlink landlock", ABSENT),
    case(FILES, "deleting a folder", "os.rmdir('/tmp/x')", DENIED, "filter:rmdir landlock", ABSENT),
    case(FILES, "symbolic link", "os.symlink('/', '/tmp/x')", DENIED, "filter:symlink landlock", value(None)),
    case(FILES, "hard link", "os.link('/dev/null', '/tmp/x')", DENIED, "filter:link landlock"),
    case(FILES, "renaming", "os.rename('/tmp/x', '/tmp/y')", DENIED, "filter:rename landlock", ABSENT),
    case(FILES, "changing a mode", "os.chmod('/tmp', 0o777)", DENIED, "filter:chmod", value(None)),
    case(FILES, "changing an owner", "os.chown('/tmp', 1, 1)", DENIED, "filter:chown", raised("OSError")),
    case(FILES, "cutting a file", "os.truncate('/tmp/x', 0)", DENIED, "filter:truncate landlock", ABSENT),
    case(FILES, "changing times", "os.utime('/tmp')", DENIED, "filter:utimensat", value(None)),
    case(FILES, "leaving the folder", "os.chdir('/tmp')", DENIED, "filter:chdir", value(None)),
    case(FILES, "file in memory", "return os.memfd_create('x') > 0", DENIED, "filter:memfd_create", value(True)),
    case(FILES, "memory of the machine", "return os.open('/dev/mem', os.O_RDONLY)", ABSENT),
    raw(FILES, "mount", 0, 0, 0, 0, 0, lift="filter:mount capabilities"),
    raw(FILES, "umount2", 0, 0, lift="filter:umount2 capabilities"),
    raw(FILES, "pivot_root", 0, 0, lift="filter:pivot_root capabilities"),
    raw(FILES, "chroot", 0),
    raw(FILES, "setxattr", 0, 0, 0, 0, 0),
    raw(FILES, "inotify_init1", 0),
]  # fmt: skip

CALL_HOME = f"""
s = socket.socket()
s.settimeout(0.2)
s.connect(("127.0.0.1", {PORT}))
return s.recv(5)
"""
NETWORK_CASES = [
    case(NETWORK, "calling out by TCP", CALL_HOME, DENIED, "filter:socket,connect,getsockopt landlock network", value(["b", b"hello".hex()])),
    case(NETWORK, "UDP", "return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno() > 0", DENIED, "filter:socket", value(True)),
    case(NETWORK, "IPv6", "return socket.socket(socket.AF_INET6).fileno() > 0", DENIED, "filter:socket"),
    case(NETWORK, "Unix socket", "return socket.socket(socket.AF_UNIX).fileno() > 0", DENIED, "filter:socket", value(True)),
    case(NETWORK, "raw packets", "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW).fileno()", DENIED),
    case(NETWORK, "netlink", "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno() > 0", DENIED, "filter:socket", value(True)),
    case(NETWORK, "virtual machine socket", "return socket.socket(socket.AF_VSOCK).fileno() > 0", DENIED, "filter:socket"),
    case(NETWORK, "kernel cipher socket", "return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).fileno() > 0", DENIED, "filter:socket"),
    case(NETWORK, "datagram pair", "return socket.socketpair(type=socket.SOCK_DGRAM)[0].fileno() > 0", DENIED, "filter:socketpair", value(True)),
    case(NETWORK, "listening", "s = socket.socket()\ns.bind(('127.0.0.1', 0))\nreturn 'bound'", DENIED, "filter:socket,bind,setsockopt landlock", text("bound")),
    case(NETWORK, "name resolution", "return socket.getaddrinfo('localhost.invalid', 80)", raised("gaierror")),
    case(NETWORK, "web", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1', timeout=0.1)", raised("URLError", "ImportError")),
    raw(NETWORK, "io_uring_setup", 1, 0),
    raw(NETWORK, "connect", 0, 0, 0),
    raw(NETWORK, "sendmsg", 0, 0, 0),
]  # fmt: skip

DANGER_CASES = [
    case(DANGER, "forking", "return os.fork() >= 0", DENIED, "filter:clone", value(True)),
    case(DANGER, "another program", "os.execv(sys.executable, ['python', '-c', '1'])", DENIED, "filter:execve landlock", ended("crash")),
    case(DANGER, "spawning", "return os.posix_spawn(sys.executable, ['python'], {}) > 0", DENIED, "filter:clone,execve landlock", value(True)),
    case(DANGER, "subprocess", "import subprocess\nreturn subprocess.run([sys.executable, '-c', '1']).returncode",
         raised("PermissionError", "ImportError")),
    case(DANGER, "shell", "return os.system('true')", number(127 << 8)),
    case(DANGER, "thread", "import threading\nthreading.Thread(target=int).start()\nreturn 'started'", raised("RuntimeError"),
         "filter:clone,set_robust_list,rseq", text("started")),
    case(DANGER, "signal to the warm parent", "os.kill(1, signal.SIGTERM)\nreturn 'sent'", DENIED, "filter:kill landlock", text("sent")),
    case(DANGER, "signal to everyone", "os.kill(-1, 0)\nreturn 'sent'", DENIED, "filter:kill landlock", text("sent")),
    case(DANGER, "signal to the runner", "os.kill(os.getppid(), 0)\nreturn 'sent'", DENIED, "filter:kill landlock", text("sent")),
    case(DANGER, "raising its own limits", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))\nreturn 'set'",
         raised("PermissionError", "ValueError", "OSError"), "filter:prlimit64", text("set")),
    case(DANGER, "executable memory", "import mmap\nreturn len(mmap.mmap(-1, 4096, prot=7))", DENIED, "filter:mmap", number(4096)),
    case(DANGER, "native library", "import syslog\nreturn 'loaded'", raised("ImportError"), "filter:mmap,mprotect", text("loaded")),
    case(DANGER, "priority", "os.setpriority(os.PRIO_PROCESS, 0, 19)\nreturn 'set'", DENIED, "filter:setpriority", text("set")),
    case(DANGER, "processor choice", "os.sched_setaffinity(0, os.sched_getaffinity(0))\nreturn 'set'", DENIED, "filter:sched_setaffinity", text("set")),
    case(DANGER, "calls of another architecture", f"return raw({0x40000000 | 39})", ended("crash")),
    raw(DANGER, "mprotect", 0, 4096, 4),
    raw(DANGER, "vfork"),
    raw(DANGER, "ptrace", 16, 0, 0, 0),
    raw(DANGER, "process_vm_writev", 1, 0, 0, 0, 0, 0),
    raw(DANGER, "unshare", 0x10000000),
    raw(DANGER, "clone", 0x10000000 | 17, 0, 0, 0, 0),
    raw(DANGER, "setns", 0, 0),
    raw(DANGER, "keyctl", 0, -3, 0),
    raw(DANGER, "add_key", 0, 0, 0, 0, 0),
    raw(DANGER, "request_key", 0, 0, 0, 0),
    raw(DANGER, "bpf", 0, 0, 0, privileged=True),
    raw(DANGER, "userfaultfd", 0, privileged=True),
    raw(DANGER, "kexec_load", 0, 0, 0, 0, privileged=True),
    raw(DANGER, "init_module", 0, 0, 0, privileged=True),
    raw(DANGER, "finit_module", 0, 0, 0, privileged=True),
    raw(DANGER, "clock_settime", 0, 0),
    raw(DANGER, "sethostname", 0, 1, lift="filter:sethostname capabilities"),
    raw(DANGER, "personality", 0x0040000),
    raw(DANGER, "reboot", 0, 0, 0, 0, privileged=True),
    raw(DANGER, "setuid", 65534),
    raw(DANGER, "pidfd_open", 1, 0),
    raw(DANGER, "prctl", 15, 0),
    raw(DANGER, "landlock_create_ruleset", 0, 0, 1),
    raw(DANGER, "shmget", 0, 4096, 0o1600),
    raw(DANGER, "timerfd_create", 0, 0),
    case(DANGER, "system call clone3", f"return raw({NUMBERS['clone3'][0]}, 0, 0)", number(-38)),
]  # fmt: skip
