"""What hostile code does to learn about the machine and about other jobs."""

from tests.shells.actors.consensus.sandbox.attempts import (
    ABSENT,
    DENIED,
    INFORMATION,
    SECRET,
    case,
    number,
    raised,
    raw,
    text,
    value,
)

CASES = [
    case(INFORMATION, "environment", "return sorted(os.environ.items())", value(["l", []]), "source:environment"),
    case(INFORMATION, "environment in C", "return os.getenvb(b'PYTHONHASHSEED')", value(None), "source:environment"),
    case(
        INFORMATION,
        "file of the machine",
        f"return open({SECRET!r}).read()",
        ABSENT,
        f"mount:{SECRET} landlock",
        text("secret"),
    ),
    case(
        INFORMATION,
        "password file",
        "return open('/etc/passwd').read() != ''",
        ABSENT,
        "mount:/etc/passwd landlock",
        value(True),
    ),
    case(
        INFORMATION, "own process", "return open('/proc/self/maps').read() != ''", ABSENT, "proc landlock", value(True)
    ),
    case(
        INFORMATION,
        "other processes",
        "return open('/proc/1/status').read() != ''",
        ABSENT,
        "proc landlock",
        value(True),
    ),
    case(INFORMATION, "mounts", "return open('/proc/mounts').read() != ''", ABSENT, "proc landlock"),
    case(INFORMATION, "devices", "return os.listdir('/sys/class')", ABSENT, "mount:/sys landlock"),
    case(INFORMATION, "home folders", "return os.listdir('/home')", ABSENT, "mount:/home landlock"),
    case(INFORMATION, "listing the root", "return os.listdir('/')", DENIED, "landlock"),
    case(
        INFORMATION,
        "listing beside the library",
        "return os.listdir(os.path.dirname(os.path.dirname(os.__file__)))",
        DENIED,
        "landlock",
    ),
    case(
        INFORMATION,
        "installed packages",
        "return os.listdir(os.path.dirname(os.__file__) + '/site-packages')",
        value(["l", []]),
    ),
    case(
        INFORMATION,
        "host name",
        "return os.uname().nodename",
        text("sandbox"),
        "without:--hostname",
        lambda s: s.value != ["s", "sandbox"],
    ),
    case(
        INFORMATION, "user", "return os.getuid()", number(65534), "without:--uid", lambda s: s.value != ["i", "65534"]
    ),
    case(
        INFORMATION,
        "command line",
        "return sys.argv + sys.orig_argv",
        value(["l", [["s", ""]]]),
        "source:arguments",
        lambda s: s.end == "value",
    ),
    case(
        INFORMATION,
        "inherited descriptors",
        "return [n for n in range(5, 64) if is_open(n)]",
        value(["l", []]),
        "source:descriptors",
        lambda s: s.end == "value" and s.value != ["l", []],
        before="""
            def is_open(n):
                try:
                    os.fstat(n)
                except OSError as e:
                    return e.errno != errno.EBADF
                return True
            """,
    ),
    case(
        INFORMATION,
        "main module",
        "return hasattr(sys.modules['__main__'], 'served')",
        value(False),
        "source:main-module",
        value(True),
    ),
    case(
        INFORMATION, "load of the machine", "return os.getloadavg()", raised("OSError"), "proc landlock filter:sysinfo"
    ),
    raw(INFORMATION, "syslog", 10, 0, 0, privileged=True),
    raw(INFORMATION, "sysinfo", 0),
    raw(INFORMATION, "process_vm_readv", 1, 0, 0, 0, 0, 0),
    raw(INFORMATION, "perf_event_open", 0, 0, 0, 0, 0),
    raw(INFORMATION, "name_to_handle_at", 0, 0, 0, 0, 0),
]
