"""Calls that are dangerous whatever flows into them."""

import pytest

from actors.consensus.screening import dangerous
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import marshal\ndef f(x): return marshal.loads(x)", "danger-deserialise"),
        ("import shelve\nd = shelve.open('x')", "danger-deserialise"),
        ("from yaml import load\ndef f(x): return load(x)", "danger-yaml"),
        ("def f(x): exec('y = ' + x)", "danger-eval"),
        ("import subprocess\ndef f(x): subprocess.call(['sh', '-c', x])", "danger-shell"),
        ("import os\ndef f(x): os.popen('ls %s' % x)", "danger-shell"),
        ("import os\nos.umask(0)", "danger-permissions"),
        ("import shutil\nshutil.unpack_archive('a', 'b')", "danger-unpack"),
        ("import telnetlib\nt = telnetlib.Telnet('h')", "danger-cleartext"),
        ("from xml.dom import minidom\ndef f(x): return minidom.parseString(x)", "danger-xml"),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(dangerous.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import yaml\ndef f(x): return yaml.load(x, Loader=yaml.SafeLoader)",
        "import subprocess\ndef f(x): subprocess.run(['ls', x])",
        "import tarfile\nt = tarfile.open('x')\nt.extractall('y', filter='data')",
        "import os\nos.chmod('x', 0o755)\nos.umask(0o077)",
        "def f(model): return model.eval()",
        "eval('1 + 1')",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(dangerous.check, code) == set()
