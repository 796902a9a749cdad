"""Dangerous operations: processes, signals, native code and the kernel's less travelled calls."""

from actors.consensus.sandbox.syscalls import NUMBERS
from tests.shells.actors.consensus.sandbox.attempts import DANGER, DENIED, case, ended, number, raised, raw, text, value

CASES = [
    case(DANGER, "forking", "return os.fork() >= 0", DENIED, "filter:clone", value(True)),
    case(
        DANGER,
        "another program",
        "os.execv(sys.executable, ['python', '-c', '1'])",
        DENIED,
        "filter:execve landlock",
        ended("crash"),
    ),
    case(
        DANGER,
        "spawning",
        "return os.posix_spawn(sys.executable, ['python'], {}) > 0",
        DENIED,
        "filter:clone,execve landlock",
        value(True),
    ),
    case(
        DANGER,
        "subprocess",
        """
            import subprocess
            return subprocess.run([sys.executable, '-c', '1']).returncode
            """,
        raised("PermissionError", "ImportError"),
    ),
    case(DANGER, "shell", "return os.system('true')", number(127 << 8)),
    case(
        DANGER,
        "thread",
        """
            import threading
            threading.Thread(target=int).start()
            return 'started'
            """,
        raised("RuntimeError"),
        "filter:clone,set_robust_list,rseq",
        text("started"),
    ),
    case(
        DANGER,
        "signal to the warm parent",
        """
            os.kill(1, signal.SIGTERM)
            return 'sent'
            """,
        DENIED,
        "filter:kill landlock",
        text("sent"),
    ),
    case(
        DANGER,
        "signal to everyone",
        """
            os.kill(-1, 0)
            return 'sent'
            """,
        DENIED,
        "filter:kill landlock",
        text("sent"),
    ),
    case(
        DANGER,
        "signal to the runner",
        """
            os.kill(os.getppid(), 0)
            return 'sent'
            """,
        DENIED,
        "filter:kill landlock",
        text("sent"),
    ),
    case(
        DANGER,
        "raising its own limits",
        """
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))
            return 'set'
            """,
        raised("PermissionError", "ValueError", "OSError"),
        "filter:prlimit64",
        text("set"),
    ),
    case(
        DANGER,
        "executable memory",
        """
            import mmap
            return len(mmap.mmap(-1, 4096, prot=7))
            """,
        DENIED,
        "filter:mmap",
        number(4096),
    ),
    case(
        DANGER,
        "native library",
        """
            import syslog
            return 'loaded'
            """,
        raised("ImportError"),
        "filter:mmap,mprotect",
        text("loaded"),
    ),
    case(
        DANGER,
        "priority",
        """
            os.setpriority(os.PRIO_PROCESS, 0, 19)
            return 'set'
            """,
        DENIED,
        "filter:setpriority",
        text("set"),
    ),
    case(
        DANGER,
        "processor choice",
        """
            os.sched_setaffinity(0, os.sched_getaffinity(0))
            return 'set'
            """,
        DENIED,
        "filter:sched_setaffinity",
        text("set"),
    ),
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
]
