"""What hostile code does to use everything up, and to be believed what it is not."""

from typing import Any

from tests.shells.actors.consensus.sandbox.escapes import (
    EXHAUSTION,
    FORGERY,
    Case,
    case,
    ended,
    number,
    raised,
    text,
    value,
)

EXHAUSTION_CASES = [
    case(EXHAUSTION, "fork bomb", "while True:\n    os.fork()", raised("PermissionError")),
    case(EXHAUSTION, "memory at once", "return len(bytearray(7 * 10**8))", raised("MemoryError"), "limit:RLIMIT_AS clock", number(7 * 10**8)),
    case(EXHAUSTION, "memory bit by bit", "held = []\nwhile len(held) < 45:\n    held.append(bytes(16_000_000))\nreturn len(held)",
         raised("MemoryError"), "limit:RLIMIT_AS clock", number(45)),
    case(EXHAUSTION, "memory of one text", "return len('x' * 7 * 10**8)", raised("MemoryError"), "limit:RLIMIT_AS clock", number(7 * 10**8)),
    case(EXHAUSTION, "disk", "with open('/tmp/x', 'wb') as f:\n    for _ in range(100):\n        f.write(bytes(10**6))", raised("PermissionError")),
    case(EXHAUSTION, "long file", "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nf = open('/tmp/x', 'wb', 0)\nreturn f.write(bytes(1_000)) + f.write(bytes(2_000_000))",
         raised("PermissionError"), "landlock limit:RLIMIT_FSIZE", number(2_001_000)),
    case(EXHAUSTION, "output flood", "for _ in range(500):\n    print('x' * 100)\nreturn 'done'", text("done")),
    case(EXHAUSTION, "record flood", "while True:\n    os.write(4, bytes(65_536))", ended("crash")),
    case(EXHAUSTION, "descriptor flood", "return len([os.dup(0) for _ in range(40)])", raised("OSError"), "limit:RLIMIT_NOFILE", number(40)),
    case(EXHAUSTION, "endless loop", "while True:\n    pass", ended("timeout")),
    case(EXHAUSTION, "sleep", "time.sleep(0.7)\nreturn 'awake'", ended("timeout"), "clock", text("awake")),
    case(EXHAUSTION, "waiting for input", "return input()", raised("EOFError")),
    case(EXHAUSTION, "waiting on the control pipe", "return os.read(3, 1)", ended("timeout")),
    case(EXHAUSTION, "recursion", "return f()", raised("RecursionError")),
    case(EXHAUSTION, "deep recursion", "sys.setrecursionlimit(10**9)\nreturn g()", ended("crash", "timeout", "exception"), before="def g():\n    return [g()]\n"),
    case(EXHAUSTION, "recursion in C", "sys.setrecursionlimit(10**9)\nreturn hash(nested())", ended("crash", "timeout", "exception"),
         before="def nested():\n    t = ()\n    for _ in range(10**6):\n        t = (t,)\n    return t\n"),
    case(EXHAUSTION, "deaf to signals", "for n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError):\n        continue\nwhile True:\n    pass",
         ended("timeout")),
    case(EXHAUSTION, "deaf to exceptions", "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        continue", ended("timeout")),
    case(EXHAUSTION, "catastrophic pattern", "import re\nreturn re.match('(a+)+b', 'a' * 60)", ended("timeout")),
    case(EXHAUSTION, "huge power", "return len(str(9 ** 9 ** 9))", ended("timeout", "exception")),
    case(EXHAUSTION, "compiler bomb", "return eval('(' * 100_000 + ')' * 100_000)", ended("exception", "crash")),
    case(EXHAUSTION, "huge result", "return list(range(10**6))", value(["x", "list"]), "bound:value_bytes", lambda s: s.value != ["x", "list"]),
    case(EXHAUSTION, "huge text", "return 'x' * 10**7", value(["x", "str"])),
    case(EXHAUSTION, "number of a million digits", "return 1 << 3_321_929", value(["x", "int"])),
    case(EXHAUSTION, "deep result", "r = []\nfor _ in range(10**5):\n    r = [r]\nreturn r", value(["x", "list"])),
    case(EXHAUSTION, "result within itself", "r = []\nr.append(r)\nreturn r", value(["x", "list"])),
    case(EXHAUSTION, "result that doubles", "r = []\nfor _ in range(30):\n    r = [r, r]\nreturn r", value(["x", "list"])),
    case(EXHAUSTION, "huge exception name", "raise type('E' * 10**6, (Exception,), {})()", raised("E" * 100)),
    case(EXHAUSTION, "endless finaliser", "class D:\n    def __del__(self):\n        while True:\n            pass\nD()\nreturn 1", ended("timeout")),
    case(EXHAUSTION, "alarm", "signal.signal(signal.SIGALRM, lambda *_: time.sleep(60))\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\nreturn 1",
         ended("timeout", "value", "crash", "exception")),
]  # fmt: skip

ANYTHING = """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __repr__(self): return "1"
    def __index__(self): return 1
"""
RECORD = """
def forged(nonce, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return nonce + len(data).to_bytes(4, "little") + data
"""
EVERYWHERE = """
def everywhere(data):
    for number in range(64):
        try:
            os.write(number, data)
        except OSError:
            continue
"""
NESTED: list[Any] = ["i", "1"]
for _ in range(6):
    NESTED = ["l", [NESTED]]
GOOD = '["v", ["i", "1"], [], ""]'
FORGERY_CASES = [
    case(FORGERY, "equals everything", "return Anything()", value(["x", "Anything"]), before=ANYTHING),
    case(FORGERY, "equals everything, in a list", "return [Anything(), 1]", value(["l", [["x", "Anything"], ["i", "1"]]]), before=ANYTHING),
    case(FORGERY, "kind of int", "class I(int):\n    def __eq__(self, other): return True\nreturn I(3)", value(["x", "I"]), "source:exact-int", number(3)),
    case(FORGERY, "kind of str", "return type('S', (str,), {'__eq__': lambda s, o: True})('x')", value(["x", "S"])),
    case(FORGERY, "kind of list", "return type('L', (list,), {'__iter__': lambda s: iter([1])})()", value(["x", "L"])),
    case(FORGERY, "kind of dict", "return type('D', (dict,), {'items': lambda s: [(1, 1)]})()", value(["x", "D"])),
    case(FORGERY, "kind of float", "return type('F', (float,), {'__repr__': lambda s: '1.0'})(2)", value(["x", "F"])),
    case(FORGERY, "enum that is an int", "import enum\nreturn enum.IntEnum('E', 'a')(1)", value(["x", "E"])),
    case(FORGERY, "lies about its class", "return type('Liar', (), {'__class__': property(lambda s: int)})()", value(["x", "Liar"])),
    case(FORGERY, "lies about its name", "return M('Liar', (), {})()", value(["x", "Liar"]),
         before="class M(type):\n    @property\n    def __name__(cls): return 'int'\n"),
    case(FORGERY, "name that is no plain text", "class C: pass\nC.__name__ = type('S', (str,), {'__getitem__': lambda s, i: 'int'})('C')\nreturn C()", value(["x", "C"])),
    case(FORGERY, "true is not one", "return [True, 1, 1.0]", value(["l", [True, ["i", "1"], ["f", "1.0"]]])),
    case(FORGERY, "builtins replaced", "builtins.type = builtins.len = builtins.sorted = builtins.isinstance = builtins.repr = lambda *a: 1\nreturn [2, 'b', {3}]",
         value(["l", [["i", "2"], ["s", "b"], ["S", [["i", "3"]]]]])),
    case(FORGERY, "builtins emptied", "for name in list(vars(builtins)):\n    delattr(builtins, name)\nreturn [2]", ended("exception", "crash", "value")),
    case(FORGERY, "json replaced", "json.dumps = json.loads = lambda *a, **k: 'forged'\njson.encoder.encode_basestring_ascii = lambda s: '\"forged\"'\nreturn 'true'", text("true")),
    case(FORGERY, "modules replaced", "for name in list(sys.modules):\n    sys.modules[name] = None\nreturn 'true'", text("true")),
    case(FORGERY, "system replaced", "os.write = lambda *a: 1 / 0\nos.read = lambda *a: b''\nreturn 'true'", ended("crash", "value", "timeout", "exception")),
    case(FORGERY, "output replaced", "class O:\n    def write(self, t): return 1\n    take = lambda s: 'forged'\nsys.stdout = O()\nprint('x')\nreturn 'true'", text("true")),
    case(FORGERY, "output poisoned", "sys.stdout._parts = [type('S', (str,), {})('x'), 3]\nreturn 'true'", ended("crash", "value")),
    case(FORGERY, "traced", "sys.settrace(lambda frame, event, arg: (_ for _ in ()).throw(SystemExit))\nreturn 1", ended("value", "exception")),
    case(FORGERY, "profiled", "def see(frame, event, arg):\n    frame.f_locals['value'] = 7\nsys.setprofile(see)\nreturn 1", number(1)),
    case(FORGERY, "recursion limit lowered", "sys.setrecursionlimit(30)\nreturn [[[[[[1]]]]]]", value(NESTED)),
    case(FORGERY, "digits limited", "sys.set_int_max_str_digits(640)\nreturn 10**1000 // 10**999", number(10)),
    case(FORGERY, "record on every descriptor", f"everywhere(forged(bytes(16), {GOOD!r}.encode()))\nreturn 2", ended("crash"), "source:record-numbers", number(1),
         before=RECORD + EVERYWHERE),
    case(FORGERY, "record, then the end", f"os.write(4, forged(bytes(16), {GOOD!r}.encode()))\nos._exit(0)", ended("crash"), "source:record-numbers", number(1), before=RECORD),
    case(FORGERY, "frames to the outside", "everywhere(b'E' + bytes(4))\nos._exit(0)", ended("crash"), before=EVERYWHERE),
    case(FORGERY, "malformed record under its number", "os.write(4, forged(number(), b'{\"v\": 1'))\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "record of another shape", "os.write(4, forged(number(), ['v', ['i', 1], [], '']))\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "record of unknown kind", "os.write(4, forged(number(), ['passed', None, [], '']))\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "record too deep", "os.write(4, forged(number(), b'[\"v\",' + b'[' * 10**5 + b']' * 10**5 + b',[],\"\"]'))\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "record longer than it says", "os.write(4, number() + b'\\xff\\xff\\xff\\x7f')\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "record shorter than it says", "os.write(4, number() + b'\\x09\\0\\0\\0x')\nos._exit(0)", ended("crash"), before=RECORD),
    case(FORGERY, "record that is no text", "os.write(4, forged(number(), b'\\xff\\xfe\\x00'))\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "number too long to be read", "os.write(4, forged(number(), ['v', ['i', '9' * 5000], [], '']))\ntime.sleep(9)", ended("crash"), before=RECORD),
    case(FORGERY, "results pipe closed", "os.close(4)\nreturn 1", ended("crash")),
    case(FORGERY, "both pipes exchanged", "os.dup2(0, 4)\nreturn 1", ended("timeout", "crash")),
    case(FORGERY, "exit", "os._exit(0)", ended("crash")),
    case(FORGERY, "exit at the end", "import atexit\natexit.register(lambda: os.write(4, b'x'))\nraise SystemExit(0)", raised("SystemExit")),
    case(FORGERY, "interrupt", "raise KeyboardInterrupt", raised("KeyboardInterrupt")),
    case(FORGERY, "exception of its own", "raise type('Passed', (BaseException,), {'__str__': lambda s: 1 / 0})()", raised("Passed")),
    case(FORGERY, "exception that lies about its class", "raise type('Liar', (Exception,), {'__class__': property(lambda s: ValueError)})()", raised("Liar")),
    case(FORGERY, "frames searched for what comes later", "return sought(sys._getframe())", value(False),
         before="def sought(frame):\n    while frame:\n        if 'gnirts terces'[::-1] in str(frame.f_locals):\n            return True\n        frame = frame.f_back\n    return any('gnirts terces'[::-1] in o for o in gc.get_objects() if type(o) in (list, tuple, set))\n"),
]  # fmt: skip
"""``number()`` finds, in the frames of the harness, the number that its record must carry (see ``test_escapes``)."""

CASES: list[Case] = [*EXHAUSTION_CASES, *FORGERY_CASES]
