"""Calls that are dangerous whatever flows into them.

Rules:
- Deserialising what can run code, unpacking archives without a filter, parsing XML with entities on, shells around text that
  is not constant, ``eval`` and its kin on text that is not constant, permissions for everyone, temporary names that race.
- A call on constants alone does what its author wrote, and is judged by the other rules.

Left out: who controls what flows in (``taint``), ciphers and certificates (``crypto``), frameworks' settings (``web``).
"""

import ast
from collections.abc import Callable, Iterator

from actors.consensus.screening.findings import Finding, FindingVerdict
from actors.consensus.screening.source import Source

Check = Callable[[Source, ast.Call, str], Iterator[Finding]]

LOADERS = frozenset(
    "pickle.load pickle.loads pickle.Unpickler pickle.Unpickler().load cPickle.load cPickle.loads _pickle.loads _pickle.load"
    " marshal.load marshal.loads shelve.open dill.load dill.loads cloudpickle.load cloudpickle.loads jsonpickle.decode"
    " jsonpickle.loads pandas.read_pickle joblib.load pickle5.loads jsonpickle.unpickler.decode".split()
)
YAML_LOADERS = frozenset({"yaml.load", "yaml.load_all"})
YAML_UNSAFE = frozenset({"yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all"})
YAML_SAFE = ("SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader")
EVALUATORS = frozenset({"eval", "exec", "execfile", "code.InteractiveInterpreter().runsource", "timeit.timeit"})
SHELLS = frozenset(
    "os.system os.popen os.popen2 os.popen3 os.popen4 commands.getoutput commands.getstatusoutput subprocess.getoutput"
    " subprocess.getstatusoutput asyncio.create_subprocess_shell popen2.popen2 popen2.popen3 platform.popen".split()
)
RUNNERS = frozenset({f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")})
TEMP_NAMES = frozenset({"tempfile.mktemp", "os.tempnam", "os.tmpnam"})
XML_PARSERS = frozenset(
    "xml.etree.ElementTree.parse xml.etree.ElementTree.fromstring xml.etree.ElementTree.iterparse xml.etree.ElementTree.XML"
    " xml.etree.cElementTree.parse xml.etree.cElementTree.fromstring xml.dom.minidom.parse xml.dom.minidom.parseString"
    " xml.dom.pulldom.parse xml.dom.pulldom.parseString xml.sax.parse xml.sax.parseString xml.etree.ElementTree.XMLParser"
    " xml.dom.expatbuilder.parseString xml.dom.expatbuilder.parse xmlrpc.client.ServerProxy".split()
)
PLAIN_PROTOCOLS = frozenset({"telnetlib.Telnet", "ftplib.FTP", "imaplib.IMAP4", "poplib.POP3", "nntplib.NNTP"})
LXML_UNSAFE = {"resolve_entities": True, "load_dtd": True, "no_network": False, "huge_tree": True}
OPEN_MODES = 0o022


def check(source: Source) -> Iterator[Finding]:
    """Yield what every call is found to be."""
    for call, name in source.calls():
        for each in CHECKS:
            yield from each(source, call, name)


def finding(node: ast.AST, rule: str, cwe: int, message: str, verdict: FindingVerdict = "reject") -> Finding:
    """Return a finding at a node."""
    return Finding(rule, f"CWE-{cwe}", getattr(node, "lineno", 0), verdict, message)


def _deserialise(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in LOADERS and not (call.args and source.is_constant(call.args[0]) and name != "shelve.open"):
        yield finding(call, "danger-deserialise", 502, "deserialises what can run code; use JSON or a signed format")
    elif name in YAML_UNSAFE:
        yield finding(call, "danger-yaml", 502, "loads YAML that can build objects; use safe_load")
    elif name in YAML_LOADERS:
        loader = source.argument(call, 1, "Loader")
        if loader is None or not source.dotted(loader).endswith(YAML_SAFE):
            yield finding(call, "danger-yaml", 502, "loads YAML without a safe loader")
    elif name in {"torch.load", "numpy.load"}:
        unsafe = name == "numpy.load" and source.keyword_is(call, "allow_pickle", True)
        if unsafe or (name == "torch.load" and not source.keyword_is(call, "weights_only", True)):
            yield finding(call, "danger-deserialise", 502, "loads an array file that may hold pickled objects")
    elif name == "ruamel.yaml.YAML" and source.keyword_is(call, "typ", "unsafe"):
        yield finding(call, "danger-yaml", 502, "builds an unsafe YAML loader")


def _evaluate(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name == "compile" and call.args and not source.is_constant(call.args[0]):
        yield finding(call, "danger-compile", 95, "compiles text that is not constant", "flag")
    if name not in EVALUATORS or not call.args:
        return
    if name == "timeit.timeit" and source.is_constant(call.args[0]):
        return
    if not source.is_constant(call.args[0]) and not isinstance(call.args[0], ast.Lambda):
        yield finding(call, "danger-eval", 95, "evaluates text that is not constant as code")
    elif name in {"eval", "exec"}:
        yield finding(call, "danger-eval-constant", 95, "evaluates constant text as code", "flag")


def _shell(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    command = source.argument(call, 0, "args", "cmd", "command")
    if command is None:
        return
    constant = source.is_constant(command)
    if name in SHELLS or (
        name in RUNNERS and any(k.arg == "shell" and source.constant(k.value) is not False for k in call.keywords)
    ):
        yield _shell_finding(call, constant)
    elif name in RUNNERS and isinstance(command, ast.List | ast.Tuple) and _is_shell_list(source, command):
        yield finding(call, "danger-shell", 78, "hands text that is not constant to a shell")


def _shell_finding(call: ast.Call, constant: bool) -> Finding:
    if constant:
        return finding(call, "danger-shell-constant", 78, "runs a constant command through a shell", "flag")
    return finding(call, "danger-shell", 78, "hands text that is not constant to a shell")


def _is_shell_list(source: Source, command: ast.List | ast.Tuple) -> bool:
    """Tell ``["sh", "-c", text]``."""
    if len(command.elts) < 3 or source.is_constant(command.elts[2]):
        return False
    program, option = source.constant(command.elts[0]), source.constant(command.elts[1])
    shells = ("sh", "bash", "zsh", "dash", "cmd", "cmd.exe", "powershell", "pwsh")
    return (
        isinstance(program, str) and program.rsplit("/", 1)[-1] in shells and option in {"-c", "/c", "-lc", "-Command"}
    )


def _files(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in TEMP_NAMES:
        yield finding(call, "danger-temp-name", 377, "makes a temporary name that another may take first; use mkstemp")
    elif name in {
        "os.chmod",
        "os.lchmod",
        "os.fchmod",
        "os.mkdir",
        "os.makedirs",
        "os.open",
        "os.mkfifo",
    } or name.endswith((".chmod", ".mkdir")):
        yield from _mode(source, call, name)
    elif name == "os.umask" and isinstance(mask := source.constant(source.argument(call, 0)), int) and not mask & 0o002:
        yield finding(call, "danger-permissions", 732, "lets everybody write what is created")


def _mode(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    position = {"os.open": 2}.get(name, 1 if name.startswith("os.") else 0)
    mode = source.argument(call, position, "mode")
    value = source.constant(mode)
    if (isinstance(value, int) and value & OPEN_MODES) or (mode is not None and _stat_open(mode)):
        yield finding(call, "danger-permissions", 732, "gives others permission to write")


def _stat_open(mode: ast.expr) -> bool:
    names = {n.attr for n in ast.walk(mode) if isinstance(n, ast.Attribute)}
    return bool(names & {"S_IWOTH", "S_IRWXO"})


def _archives(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name == "shutil.unpack_archive" and not _filtered(source, call):
        yield finding(call, "danger-unpack", 22, "unpacks an archive that may write outside its folder")
    elif name.endswith((".extractall", ".extract")) and "tarfile" in source.imported and "zip" not in name.lower():
        members = any(k.arg == "members" for k in call.keywords)
        if name.endswith(".extract") and not name.startswith("tarfile."):
            return
        if not _filtered(source, call) and not members:
            yield finding(call, "danger-unpack", 22, "unpacks a tar archive without a filter")
    elif name.endswith(".extractall") and name.startswith("zipfile."):
        yield finding(call, "danger-zip-size", 409, "unpacks a zip archive of unbounded size", "flag")


def _filtered(source: Source, call: ast.Call) -> bool:
    given = next((k.value for k in call.keywords if k.arg == "filter"), None)
    if given is None:
        return False
    return source.constant(given) in {"data", "tar"} or not (
        source.is_constant(given) or source.dotted(given) == "tarfile.fully_trusted_filter"
    )


def _xml(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in XML_PARSERS:
        verdict: FindingVerdict = "flag" if name.endswith(("XMLParser", "ServerProxy")) else "reject"
        yield finding(call, "danger-xml", 611, "parses XML with entities on; use defusedxml", verdict)
    elif name in {"xml.sax.make_parser", "xml.sax.make_parser()"}:
        yield finding(call, "danger-xml", 611, "parses XML with a parser that may load entities", "flag")
    elif name.endswith(".setFeature") and len(call.args) == 2:
        if (
            source.dotted(call.args[0]).endswith(("feature_external_ges", "feature_external_pes"))
            and source.constant(call.args[1]) is True
        ):
            yield finding(call, "danger-xml", 611, "turns external entities on")
    elif (
        name.startswith("lxml.")
        and name.endswith(("XMLParser", "iterparse", "ETCompatXMLParser"))
        and any(source.keyword_is(call, option, value) for option, value in LXML_UNSAFE.items())
    ):
        yield finding(call, "danger-xml", 611, "parses XML with entities or documents from elsewhere")


def _protocols(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in PLAIN_PROTOCOLS:
        yield finding(call, "danger-cleartext", 319, "speaks a protocol that sends passwords in the clear")
    elif name.endswith(".set_missing_host_key_policy") and call.args:
        if source.dotted(call.args[0]).removesuffix("()").endswith(("AutoAddPolicy", "WarningPolicy")):
            yield finding(call, "danger-host-key", 295, "accepts any SSH host key")
    elif name.endswith(".bind") and call.args and isinstance(call.args[0], ast.Tuple) and call.args[0].elts:
        if source.constant(call.args[0].elts[0]) in {"0.0.0.0", "", "::"}:  # noqa: S104 - what is looked for
            yield finding(call, "danger-bind-all", 605, "listens on every interface", "flag")
    elif name.endswith(".login") and "smtplib.SMTP()" in name and not _starts_tls(source):
        yield finding(call, "danger-cleartext", 319, "logs in to a mail server without TLS")


def _starts_tls(source: Source) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "starttls" for node in source.nodes)


CHECKS: tuple[Check, ...] = (_deserialise, _evaluate, _shell, _files, _archives, _xml, _protocols)
