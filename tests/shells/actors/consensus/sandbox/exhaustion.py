"""What hostile code does to use everything up."""

from tests.shells.actors.consensus.sandbox.attempts import EXHAUSTION, case, ended, number, raised, text, value

CASES = [
    case(
        EXHAUSTION,
        "fork bomb",
        """
            while True:
                os.fork()
            """,
        raised("PermissionError"),
    ),
    case(
        EXHAUSTION,
        "memory at once",
        "return len(bytearray(7 * 10**8))",
        raised("MemoryError"),
        "limit:RLIMIT_AS clock",
        number(7 * 10**8),
    ),
    case(
        EXHAUSTION,
        "memory bit by bit",
        """
            held = []
            while len(held) < 45:
                held.append(bytes(16_000_000))
            return len(held)
            """,
        raised("MemoryError"),
        "limit:RLIMIT_AS clock",
        number(45),
    ),
    case(
        EXHAUSTION,
        "memory of one text",
        "return len('x' * 7 * 10**8)",
        raised("MemoryError"),
        "limit:RLIMIT_AS clock",
        number(7 * 10**8),
    ),
    case(
        EXHAUSTION,
        "disk",
        """
            with open('/tmp/x', 'wb') as f:
                for _ in range(100):
                    f.write(bytes(10**6))
            """,
        raised("PermissionError"),
    ),
    case(
        EXHAUSTION,
        "long file",
        """
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            f = open('/tmp/x', 'wb', 0)
            return f.write(bytes(1_000)) + f.write(bytes(2_000_000))
            """,
        raised("PermissionError"),
        "landlock limit:RLIMIT_FSIZE",
        number(2_001_000),
    ),
    case(
        EXHAUSTION,
        "output flood",
        """
            for _ in range(500):
                print('x' * 100)
            return 'done'
            """,
        text("done"),
    ),
    case(
        EXHAUSTION,
        "record flood",
        """
            while True:
                os.write(4, bytes(65_536))
            """,
        ended("crash"),
    ),
    case(
        EXHAUSTION,
        "descriptor flood",
        "return len([os.dup(0) for _ in range(40)])",
        raised("OSError"),
        "limit:RLIMIT_NOFILE",
        number(40),
    ),
    case(
        EXHAUSTION,
        "endless loop",
        """
            while True:
                pass
            """,
        ended("timeout"),
    ),
    case(
        EXHAUSTION,
        "sleep",
        """
            time.sleep(0.7)
            return 'awake'
            """,
        ended("timeout"),
        "clock",
        text("awake"),
    ),
    case(EXHAUSTION, "waiting for input", "return input()", raised("EOFError")),
    case(EXHAUSTION, "waiting on the control pipe", "return os.read(3, 1)", ended("timeout")),
    case(EXHAUSTION, "recursion", "return f()", raised("RecursionError")),
    case(
        EXHAUSTION,
        "deep recursion",
        """
            sys.setrecursionlimit(10**9)
            return g()
            """,
        ended("crash", "timeout", "exception"),
        before="""
            def g():
                return [g()]
            """,
    ),
    case(
        EXHAUSTION,
        "recursion in C",
        """
            sys.setrecursionlimit(10**9)
            return hash(nested())
            """,
        ended("crash", "timeout", "exception"),
        before="""
            def nested():
                t = ()
                for _ in range(10**6):
                    t = (t,)
                return t
            """,
    ),
    case(
        EXHAUSTION,
        "deaf to signals",
        """
            for n in range(1, 65):
                try:
                    signal.signal(n, signal.SIG_IGN)
                except (OSError, ValueError):
                    continue
            while True:
                pass
            """,
        ended("timeout"),
    ),
    case(
        EXHAUSTION,
        "deaf to exceptions",
        """
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    continue
            """,
        ended("timeout"),
    ),
    case(
        EXHAUSTION,
        "catastrophic pattern",
        """
            import re
            return re.match('(a+)+b', 'a' * 60)
            """,
        ended("timeout"),
    ),
    case(EXHAUSTION, "huge power", "return len(str(9 ** 9 ** 9))", ended("timeout", "exception")),
    case(EXHAUSTION, "compiler bomb", "return eval('(' * 100_000 + ')' * 100_000)", ended("exception", "crash")),
    case(
        EXHAUSTION,
        "huge result",
        "return list(range(10**6))",
        value(["x", "list"]),
        "bound:value_bytes",
        lambda s: s.value != ["x", "list"],
    ),
    case(EXHAUSTION, "huge text", "return 'x' * 10**7", value(["x", "str"])),
    case(EXHAUSTION, "number of a million digits", "return 1 << 3_321_929", value(["x", "int"])),
    case(
        EXHAUSTION,
        "deep result",
        """
            r = []
            for _ in range(10**5):
                r = [r]
            return r
            """,
        value(["x", "list"]),
    ),
    case(
        EXHAUSTION,
        "result within itself",
        """
            r = []
            r.append(r)
            return r
            """,
        value(["x", "list"]),
    ),
    case(
        EXHAUSTION,
        "result that doubles",
        """
            r = []
            for _ in range(30):
                r = [r, r]
            return r
            """,
        value(["x", "list"]),
    ),
    case(EXHAUSTION, "huge exception name", "raise type('E' * 10**6, (Exception,), {})()", raised("E" * 100)),
    case(
        EXHAUSTION,
        "endless finaliser",
        """
            class D:
                def __del__(self):
                    while True:
                        pass
            D()
            return 1
            """,
        ended("timeout"),
    ),
    case(
        EXHAUSTION,
        "alarm",
        """
            signal.signal(signal.SIGALRM, lambda *_: time.sleep(60))
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            return 1
            """,
        ended("timeout", "value", "crash", "exception"),
    ),
]
