"""Which kinds of outside effects a call has.

Rules:
- network: sends or listens; process: starts or ends processes; file: reads, writes or changes files; crypto: encrypts, signs or
  hashes; eval: runs text or bytes as code, loads what can run code, calls native code.
- Importing a module that is for nothing else counts like calling it.

Left out: how dangerous the call is.
"""

# ruff: noqa: E501 - tables of names, one a line

from collections.abc import Iterator

from actors.consensus.screening.findings import SinkKind
from actors.consensus.screening.source import Source

MODULES: dict[str, SinkKind] = {
    **dict.fromkeys(
        "socket socketserver requests httpx aiohttp urllib3 ftplib smtplib telnetlib paramiko imaplib poplib nntplib xmlrpc websocket"
        " websockets pycurl fabric boto3 botocore dns scapy zmq grpc pika kafka redis".split(),
        "network",
    ),
    **dict.fromkeys("subprocess pty multiprocessing pexpect sh plumbum psutil signal".split(), "process"),
    **dict.fromkeys("shutil tempfile glob fileinput sqlite3 dbm shelve tarfile zipfile".split(), "file"),
    **dict.fromkeys(
        "hashlib hmac secrets ssl Crypto Cryptodome cryptography nacl bcrypt jwt rsa passlib".split(), "crypto"
    ),
    **dict.fromkeys(
        "pickle marshal dill cloudpickle ctypes cffi code codeop runpy importlib jsonpickle joblib".split(), "eval"
    ),
}
CALLS: dict[str, SinkKind] = {
    **dict.fromkeys("urllib.request.urlopen urllib.request.urlretrieve urllib.request.Request http.client.HTTPConnection"
                    " http.client.HTTPSConnection http.server.HTTPServer asyncio.open_connection asyncio.start_server"
                    " urllib.request.build_opener webbrowser.open".split(), "network"),
    **dict.fromkeys("os.system os.popen os.fork os.kill os.killpg os.abort os._exit os.posix_spawn"
                    " asyncio.create_subprocess_shell asyncio.create_subprocess_exec".split(), "process"),
    **dict.fromkeys("open io.open os.open os.remove os.unlink os.rmdir os.removedirs os.rename os.replace os.mkdir os.makedirs"
                    " os.listdir os.scandir os.walk os.chmod os.chown os.link os.symlink os.truncate codecs.open".split(), "file"),
    **dict.fromkeys("eval exec compile __import__".split(), "eval"),
}  # fmt: skip
_PATH_METHODS = frozenset(
    "read_text write_text read_bytes write_bytes unlink rmdir touch iterdir rename symlink_to hardlink_to chmod".split()
)


def kind_of(name: str) -> SinkKind | None:
    """Return the kind of effect of what has this dotted name, ``None`` if it has none that is known."""
    if name in CALLS:
        return CALLS[name]
    if name.startswith(("os.exec", "os.spawn")):
        return "process"
    if name.startswith(("pathlib.Path", "Path(")) and name.rsplit(".", 1)[-1] in _PATH_METHODS:
        return "file"
    return MODULES.get(name.split(".", maxsplit=1)[0].removesuffix("()")) if "." in name else None


def sinks(source: Source) -> Iterator[SinkKind]:
    """Yield the kinds of effects a source reaches for."""
    for _, name in source.calls():
        if (kind := kind_of(name)) is not None:
            yield kind
    for module in source.imported:
        if (kind := MODULES.get(module)) is not None:
            yield kind
