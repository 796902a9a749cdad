"""What hostile code does to be believed what it is not."""

from typing import Any

from tests.shells.actors.consensus.sandbox.attempts import (
    FORGERY,
    case,
    ended,
    number,
    raised,
    text,
    value,
)

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

CASES = [
    case(FORGERY, "equals everything", "return Anything()", value(["x", "Anything"]), before=ANYTHING),
    case(
        FORGERY,
        "equals everything, in a list",
        "return [Anything(), 1]",
        value(["l", [["x", "Anything"], ["i", "1"]]]),
        before=ANYTHING,
    ),
    case(
        FORGERY,
        "kind of int",
        """
            class I(int):
                def __eq__(self, other): return True
            return I(3)
            """,
        value(["x", "I"]),
        "source:exact-int",
        number(3),
    ),
    case(FORGERY, "kind of str", "return type('S', (str,), {'__eq__': lambda s, o: True})('x')", value(["x", "S"])),
    case(FORGERY, "kind of list", "return type('L', (list,), {'__iter__': lambda s: iter([1])})()", value(["x", "L"])),
    case(FORGERY, "kind of dict", "return type('D', (dict,), {'items': lambda s: [(1, 1)]})()", value(["x", "D"])),
    case(FORGERY, "kind of float", "return type('F', (float,), {'__repr__': lambda s: '1.0'})(2)", value(["x", "F"])),
    case(
        FORGERY,
        "enum that is an int",
        """
            import enum
            return enum.IntEnum('E', 'a')(1)
            """,
        value(["x", "E"]),
    ),
    case(
        FORGERY,
        "lies about its class",
        "return type('Liar', (), {'__class__': property(lambda s: int)})()",
        value(["x", "Liar"]),
    ),
    case(
        FORGERY,
        "lies about its name",
        "return M('Liar', (), {})()",
        value(["x", "Liar"]),
        before="""
            class M(type):
                @property
                def __name__(cls): return 'int'
            """,
    ),
    case(
        FORGERY,
        "name that is no plain text",
        """
            class C: pass
            C.__name__ = type('S', (str,), {'__getitem__': lambda s, i: 'int'})('C')
            return C()
            """,
        value(["x", "C"]),
    ),
    case(FORGERY, "true is not one", "return [True, 1, 1.0]", value(["l", [True, ["i", "1"], ["f", "1.0"]]])),
    case(
        FORGERY,
        "builtins replaced",
        """
            builtins.type = builtins.len = builtins.sorted = builtins.isinstance = builtins.repr = lambda *a: 1
            return [2, 'b', {3}]
            """,
        value(["l", [["i", "2"], ["s", "b"], ["S", [["i", "3"]]]]]),
    ),
    case(
        FORGERY,
        "builtins emptied",
        """
            for name in list(vars(builtins)):
                delattr(builtins, name)
            return [2]
            """,
        ended("exception", "crash", "value"),
    ),
    case(
        FORGERY,
        "json replaced",
        """
            json.dumps = json.loads = lambda *a, **k: 'forged'
            json.encoder.encode_basestring_ascii = lambda s: '"forged"'
            return 'true'
            """,
        text("true"),
    ),
    case(
        FORGERY,
        "modules replaced",
        """
            for name in list(sys.modules):
                sys.modules[name] = None
            return 'true'
            """,
        text("true"),
    ),
    case(
        FORGERY,
        "system replaced",
        """
            os.write = lambda *a: 1 / 0
            os.read = lambda *a: b''
            return 'true'
            """,
        ended("crash", "value", "timeout", "exception"),
    ),
    case(
        FORGERY,
        "output replaced",
        """
            class O:
                def write(self, t): return 1
                take = lambda s: 'forged'
            sys.stdout = O()
            print('x')
            return 'true'
            """,
        text("true"),
    ),
    case(
        FORGERY,
        "output poisoned",
        """
            sys.stdout._parts = [type('S', (str,), {})('x'), 3]
            return 'true'
            """,
        ended("crash", "value"),
    ),
    case(
        FORGERY,
        "traced",
        """
            sys.settrace(lambda frame, event, arg: (_ for _ in ()).throw(SystemExit))
            return 1
            """,
        ended("value", "exception"),
    ),
    case(
        FORGERY,
        "profiled",
        """
            def see(frame, event, arg):
                frame.f_locals['value'] = 7
            sys.setprofile(see)
            return 1
            """,
        number(1),
    ),
    case(
        FORGERY,
        "recursion limit lowered",
        """
            sys.setrecursionlimit(30)
            return [[[[[[1]]]]]]
            """,
        value(NESTED),
    ),
    case(
        FORGERY,
        "digits limited",
        """
            sys.set_int_max_str_digits(640)
            return 10**1000 // 10**999
            """,
        number(10),
    ),
    case(
        FORGERY,
        "record on every descriptor",
        f"everywhere(forged(bytes(16), {GOOD!r}.encode()))\nreturn 2",
        ended("crash"),
        "source:record-numbers",
        number(1),
        before=RECORD + EVERYWHERE,
    ),
    case(
        FORGERY,
        "record, then the end",
        f"os.write(4, forged(bytes(16), {GOOD!r}.encode()))\nos._exit(0)",
        ended("crash"),
        "source:record-numbers",
        number(1),
        before=RECORD,
    ),
    case(
        FORGERY,
        "frames to the outside",
        """
            everywhere(b'E' + bytes(4))
            os._exit(0)
            """,
        ended("crash"),
        before=EVERYWHERE,
    ),
    case(
        FORGERY,
        "malformed record under its number",
        """
            os.write(4, forged(number(), b'{"v": 1'))
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "record of another shape",
        """
            os.write(4, forged(number(), ['v', ['i', 1], [], '']))
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "record of unknown kind",
        """
            os.write(4, forged(number(), ['passed', None, [], '']))
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "record too deep",
        """
            os.write(4, forged(number(), b'["v",' + b'[' * 10**5 + b']' * 10**5 + b',[],""]'))
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "record longer than it says",
        r"""
            os.write(4, number() + b'\xff\xff\xff\x7f')
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "record shorter than it says",
        r"""
            os.write(4, number() + b'\x09\0\0\0x')
            os._exit(0)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "record that is no text",
        r"""
            os.write(4, forged(number(), b'\xff\xfe\x00'))
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "number too long to be read",
        """
            os.write(4, forged(number(), ['v', ['i', '9' * 5000], [], '']))
            time.sleep(9)
            """,
        ended("crash"),
        before=RECORD,
    ),
    case(
        FORGERY,
        "results pipe closed",
        """
            os.close(4)
            return 1
            """,
        ended("crash"),
    ),
    case(
        FORGERY,
        "both pipes exchanged",
        """
            os.dup2(0, 4)
            return 1
            """,
        ended("timeout", "crash"),
    ),
    case(FORGERY, "exit", "os._exit(0)", ended("crash")),
    case(
        FORGERY,
        "exit at the end",
        """
            import atexit
            atexit.register(lambda: os.write(4, b'x'))
            raise SystemExit(0)
            """,
        raised("SystemExit"),
    ),
    case(FORGERY, "interrupt", "raise KeyboardInterrupt", raised("KeyboardInterrupt")),
    case(
        FORGERY,
        "exception of its own",
        "raise type('Passed', (BaseException,), {'__str__': lambda s: 1 / 0})()",
        raised("Passed"),
    ),
    case(
        FORGERY,
        "exception that lies about its class",
        "raise type('Liar', (Exception,), {'__class__': property(lambda s: ValueError)})()",
        raised("Liar"),
    ),
    case(
        FORGERY,
        "frames searched for what comes later",
        "return sought(sys._getframe())",
        value(False),
        before="""
            def sought(frame):
                while frame:
                    if 'gnirts terces'[::-1] in str(frame.f_locals):
                        return True
                    frame = frame.f_back
                return any('gnirts terces'[::-1] in o for o in gc.get_objects() if type(o) in (list, tuple, set))
            """,
    ),
]
"""``number()`` finds, in the frames of the harness, the number that its record must carry (see ``test_escapes``)."""
