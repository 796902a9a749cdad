"""Where untrusted data comes from, where it must not go, and what makes it harmless. Used by ``taint``.

Rules:
- ``remote``: what a client or peer sends. ``local``: arguments, environment, standard input.
- A sink says what happens when remote data reaches it, and what when only local data or a parameter does.
- What cleans data cleans it for some categories only; a number is clean for all but ``size``.

Left out: how data flows (``taint``).
"""

# ruff: noqa: E501 - tables of patterns, one a line

import re
from dataclasses import dataclass

from actors.consensus.screening.findings import FindingVerdict

REMOTE = re.compile(
    r"^((self|flask|quart|bottle|info|context|sanic|web)\.)*(request|req)\.((args|form|values|json|data|files|cookies|headers|GET|POST|FILES|COOKIES"
    r"|META|body|query_params|path_params|query|params|url|path|full_path|stream|query_string|match_info|rel_url|forms|media)\b"
    r"|(get_json|get_data|get_argument|get_param|get_media|post|read|text|json|form|body|query_arguments)\(\))"
)
REMOTE_CALLS = re.compile(
    r"(^self\.get_(query_|body_)?arguments?\(\)$|\.recv(from|_into|_json|_string|_pyobj)?\(\)$|\.receive(_text|_json|_bytes)?\(\)$"
    r"|^cgi\.FieldStorage\(\)|\.basic_get\(\)$"
    r"|\.(namelist|infolist|getmembers|getnames)\(\)$)"
)
FETCHED = re.compile(r"^urllib\.request\.urlopen\(\)|^(requests|httpx)\.(get|post|put|request)\(\)")
"""What another server answered: remote, but shown and passed on as what it is."""
HANDLER_PARTS = re.compile(r"^self\.(path|headers|rfile|requestline)\b")
LOCAL = re.compile(
    r"^(input\(\)|sys\.argv|sys\.stdin|os\.environ|os\.getenv\(\)|argparse\.ArgumentParser\(\)\.parse_args\(\)|getpass\.getpass\(\))"
)
LOCAL_ARGUMENTS = re.compile(r"\.parse_(known_)?args\(\)$")
ROUTES = re.compile(
    r"\.(route|get|post|put|delete|patch|websocket|api_route|expose|view|head|options)$|^(get|post|route|api_view|view_config|expose|action"
    r"|rest_framework\.decorators\.(api_view|action)|bottle\.(route|get|post)|cherrypy\.expose|require_\w+"
    r"|django\.views\.decorators\.http\.require_\w+)$"
)
TYPED = re.compile(
    r"\b(int|float|bool|UUID|datetime|date|Decimal|Enum|Session|AsyncSession|BackgroundTasks|Request|Response|Literal)\b"
)

ALL = frozenset(
    "code command sql path url redirect html template ldap xpath log header pattern nosql attrs size loads xml argument module".split()
)


@dataclass(frozen=True, slots=True)
class Sink:
    """A place where untrusted data does harm."""

    category: str
    cwe: int
    remote: FindingVerdict
    """When remote data reaches it."""
    local: FindingVerdict | None
    """When local data or a parameter reaches it; ``None``: nothing is said."""
    positions: tuple[int, ...] = (0,)
    keywords: tuple[str, ...] = ()
    needs: str = ""
    """How data must have been put together for it to matter: ``built``, ``sql``, ``markup``; empty: however."""
    local_needs: str = ""
    """The same, for local data and parameters."""


CODE = Sink("code", 94, "reject", "reject", (0,), ("source",))
MODULE = Sink("module", 470, "reject", None)
COMMAND = Sink("command", 78, "reject", "reject", (0,), ("cmd", "command", "args"), local_needs="built")
PROGRAM = Sink("command", 78, "reject", None, (0,), ("args",))
SQL = Sink(
    "sql",
    89,
    "reject",
    "reject",
    (0,),
    ("sql", "query", "statement", "where", "raw_query"),
    needs="sql",
    local_needs="sql",
)
SQL_ANY = Sink(
    "sql",
    89,
    "reject",
    "reject",
    (0, 1),
    ("sql", "query", "where", "select", "order_by", "tables"),
    local_needs="built",
)
EXECUTED = Sink("sql", 89, "reject", "reject", (0,), ("sql", "query", "statement", "operation"), local_needs="sql")
PATH = Sink("path", 22, "reject", "flag", (0,), ("file", "path", "filename", "path_or_file"), local_needs="joined")
PATHS = Sink("path", 22, "reject", "flag", (0, 1), ("src", "dst"), local_needs="joined")
PATH_SELF = Sink("path", 22, "reject", "flag", (), local_needs="joined")
SAVED = Sink("path", 434, "reject", "flag", (0, 1), ("dst",), local_needs="joined")
URL = Sink("url", 918, "reject", "flag", (0,), ("url",), local_needs="built")
URL_SECOND = Sink("url", 918, "reject", "flag", (1,), ("url",), local_needs="built")
REDIRECT = Sink("redirect", 601, "reject", None, (0,), ("url", "location", "redirect_to"))
HTML = Sink("html", 79, "reject", "reject", (0,), ("content", "response"), local_needs="markup")
RESPONSE = Sink("html", 79, "reject", None, (0,), ("content", "response"), needs="markup")
RESPONSE_RAW = Sink("html", 79, "reject", None, (0,), ("content",))
TEMPLATE = Sink("template", 1336, "reject", "reject", (0,), ("source", "template_string"), local_needs="built")
LDAP = Sink("ldap", 90, "reject", "reject", (0, 1, 2), ("search_filter", "filterstr", "search_base"), "built", "ldap")
XPATH = Sink("xpath", 643, "reject", "reject", (0,), ("path",), "built", "built")
HEADER = Sink("header", 113, "reject", None, (0, 1), ("value",))
PATTERN = Sink("pattern", 1333, "reject", None, (0,), ("pattern",))
NOSQL = Sink("nosql", 943, "reject", None, (0,), ("filter",))
SIZE = Sink("size", 770, "reject", None)
LOADS = Sink("loads", 502, "reject", None, (0,), ())
XML = Sink("xml", 611, "reject", None, (0,), ("source", "text"))
LOG = Sink("log", 117, "flag", None, (0, 1, 2, 3), ())
ATTRIBUTE = Sink("attrs", 915, "reject", None, (1,), ())
ATTRIBUTES = Sink("attrs", 915, "reject", None, (), ())
ARGUMENT = Sink("argument", 88, "flag", None, (0,), ("args",))

NAMED: dict[str, tuple[Sink, ...]] = {
    **dict.fromkeys(("eval", "exec", "code.InteractiveConsole().push"), (CODE,)),
    **dict.fromkeys(("__import__", "importlib.import_module"), (MODULE,)),
    **dict.fromkeys("os.system os.popen subprocess.getoutput subprocess.getstatusoutput asyncio.create_subprocess_shell".split(), (COMMAND,)),
    **dict.fromkeys("pexpect.spawn pexpect.run os.execl os.execv os.execvp os.spawnl asyncio.create_subprocess_exec".split(), (PROGRAM,)),
    **dict.fromkeys("sqlalchemy.text sqlalchemy.sql.text django.db.models.expressions.RawSQL pandas.read_sql pandas.read_sql_query".split(), (SQL_ANY,)),
    **dict.fromkeys("open io.open codecs.open os.open os.remove os.unlink os.listdir os.scandir os.rmdir os.makedirs os.mkdir shutil.rmtree"
                    " flask.send_file send_file fastapi.responses.FileResponse starlette.responses.FileResponse aiofiles.open"
                    " django.http.FileResponse flask.send_from_directory bottle.static_file zipfile.ZipFile tarfile.open"
                    " aiohttp.web.FileResponse linecache.getlines numpy.load pandas.read_csv".split(), (PATH,)),
    **dict.fromkeys("shutil.copy shutil.copyfile shutil.move shutil.copytree shutil.copy2 os.rename os.replace os.symlink os.link".split(), (PATHS,)),
    **dict.fromkeys([f"{library}.{method}" for library in ("requests", "httpx") for method in "get post put delete head patch options stream".split()], (URL,)),
    **dict.fromkeys("urllib.request.urlopen urllib.request.Request urllib.request.urlretrieve urllib.request.build_opener().open http.client.HTTPConnection"
                    " http.client.HTTPSConnection socket.create_connection urllib2.urlopen pycurl.Curl().setopt wget.download feedparser.parse".split(), (URL,)),
    **dict.fromkeys(("requests.request", "httpx.request"), (URL_SECOND,)),
    **dict.fromkeys("flask.redirect redirect django.shortcuts.redirect django.http.HttpResponseRedirect starlette.responses.RedirectResponse"
                    " django.http.HttpResponsePermanentRedirect fastapi.responses.RedirectResponse self.redirect bottle.redirect quart.redirect"
                    " aiohttp.web.HTTPFound werkzeug.utils.redirect sanic.response.redirect cherrypy.HTTPRedirect".split(), (REDIRECT,)),
    **dict.fromkeys("markupsafe.Markup flask.Markup jinja2.Markup Markup django.utils.safestring.mark_safe mark_safe"
                    " django.utils.safestring.SafeString".split(), (HTML,)),
    **dict.fromkeys("django.utils.html.format_html".split(), (Sink("html", 79, "reject", "flag", (0,), (), "built", "markup"),)),
    **dict.fromkeys("django.http.HttpResponse fastapi.responses.HTMLResponse starlette.responses.HTMLResponse sanic.response.html".split(), (RESPONSE_RAW,)),
    **dict.fromkeys("flask.make_response flask.Response aiohttp.web.Response werkzeug.wrappers.Response self.write self.finish self.wfile.write"
                    " starlette.responses.Response fastapi.Response fastapi.responses.Response quart.make_response".split(), (RESPONSE,)),
    **dict.fromkeys("flask.render_template_string jinja2.Template mako.template.Template tornado.template.Template django.template.Template"
                    " bottle.template quart.render_template_string jinja2.Environment().from_string".split(), (TEMPLATE,)),
    **dict.fromkeys("lxml.etree.XPath".split(), (XPATH,)),
    **dict.fromkeys("lxml.etree.parse lxml.etree.fromstring lxml.etree.XML lxml.etree.iterparse lxml.objectify.fromstring".split(), (XML,)),
    **dict.fromkeys([f"re.{name}" for name in "compile match search fullmatch findall finditer sub split".split()], (PATTERN,)),
    **dict.fromkeys("bytes bytearray time.sleep asyncio.sleep os.urandom secrets.token_bytes numpy.zeros numpy.ones".split(), (SIZE,)),
    **dict.fromkeys("self.send_header".split(), (HEADER,)),
    **dict.fromkeys("setattr".split(), (ATTRIBUTE,)),
}  # fmt: skip
METHODS: tuple[tuple[re.Pattern[str], tuple[Sink, ...]], ...] = (
    (re.compile(r"(?i)(cursor|cur|conn|connection|db|database|session|engine|c)(\(\)|\[\])?\.(execute|executemany|executescript)$"), (EXECUTED,)),
    (re.compile(r"\.(execute|executemany|executescript|fetch|fetchrow|fetchall|fetchval|raw|query|text|prepare|sql|read_sql)$"), (SQL,)),
    (re.compile(r"\.(objects|query|\w+)\.(extra)$|\.objects\.raw$"), (SQL_ANY,)),
    (re.compile(r"\.(exec_command|sudo|run_command|getoutput)$"), (COMMAND,)),
    (re.compile(r"\.(search_s|search_ext_s|search_ext|search_st|search)$"), (LDAP,)),
    (re.compile(r"\.(xpath|XPath)$"), (XPATH,)),
    (re.compile(r"\.(from_string)$"), (TEMPLATE,)),
    (re.compile(r"(?i)(session|client|http|opener|ClientSession\(\)|Client\(\)|Session\(\)|PoolManager\(\))\.(get|post|put|delete|head|patch|open|urlopen)$"), (URL,)),
    (re.compile(r"(?i)(session|client|http|PoolManager\(\)|Session\(\))\.request$"), (URL_SECOND,)),
    (re.compile(r"(?i)(collection|col|coll|users?|accounts?|db|mongo|\[\]|orders?|items|products|posts|find)\.(find|find_one|update_one|update_many|delete_one|delete_many|count_documents|find_one_and_update)$"), (NOSQL,)),
    (re.compile(r"\.save$"), (SAVED,)),
    (re.compile(r"\.__dict__\.update$"), (Sink("attrs", 915, "reject", None),)),
    (re.compile(r"(pathlib\.Path\(\)|Path\(\)|\.joinpath\(\)|_?(path|file|target|dest|destination))\.(read_text|write_text|read_bytes|write_bytes|open|unlink|rmdir|mkdir)$"), (PATH_SELF,)),
    (re.compile(r"(?i)(^|\.)(log|logger|logging|app\.logger|getLogger\(\))\.(debug|info|warning|error|critical|exception)$"), (LOG,)),
)  # fmt: skip

_TEXT = ALL - {"size"}
CLEANERS: dict[str, frozenset[str]] = {
    **dict.fromkeys("int float complex Decimal decimal.Decimal abs round ord hash uuid.UUID datetime.datetime.strptime datetime.date.fromisoformat"
                    " datetime.datetime.fromisoformat ipaddress.ip_address ipaddress.IPv4Address ipaddress.ip_network".split(), _TEXT),
    **dict.fromkeys("bool len isinstance min".split(), ALL),
    **dict.fromkeys("shlex.quote pipes.quote".split(), frozenset({"command"})),
    **dict.fromkeys("html.escape markupsafe.escape flask.escape django.utils.html.escape bleach.clean nh3.clean cgi.escape"
                    " django.utils.html.conditional_escape xml.sax.saxutils.escape tornado.escape.xhtml_escape html.sanitize"
                    " jinja2.escape escape django.utils.html.strip_tags json.dumps".split(), frozenset({"html"})),
    **dict.fromkeys("werkzeug.utils.secure_filename secure_filename werkzeug.security.safe_join flask.safe_join"
                    " werkzeug.utils.safe_join django.utils._os.safe_join django.utils.text.get_valid_filename".split(), frozenset({"path", "header"})),
    **dict.fromkeys("os.path.basename ntpath.basename posixpath.basename".split(), frozenset({"path"})),
    **dict.fromkeys("urllib.parse.quote urllib.parse.quote_plus urllib.parse.urlencode".split(),
                    frozenset({"url", "redirect", "header", "html", "path", "log", "argument"})),
    **dict.fromkeys("ldap.filter.escape_filter_chars ldap3.utils.conv.escape_filter_chars ldap.dn.escape_dn_chars ldap3.utils.dn.escape_rdn"
                    " ldap.filter.filter_format".split(), frozenset({"ldap"})),
    **dict.fromkeys("re.escape".split(), frozenset({"pattern"})),
    **dict.fromkeys("hashlib.sha256 hashlib.md5 hashlib.sha1 hmac.new ast.literal_eval re.sub".split(), ALL),
    **dict.fromkeys("django.urls.reverse flask.url_for url_for reverse".split(), frozenset({"url", "redirect"})),
    **dict.fromkeys("psycopg2.sql.SQL psycopg2.sql.Identifier psycopg2.sql.Literal psycopg.sql.SQL psycopg.sql.Identifier".split(), ALL),
    **dict.fromkeys("repr ascii".split(), frozenset({"log", "header"})),
    **dict.fromkeys("str.isalnum".split(), ALL),
}  # fmt: skip
PROPAGATORS = frozenset(
    "re.search re.match re.fullmatch re.findall re.finditer re.split str bytes bytearray list tuple set frozenset dict sorted reversed next iter enumerate zip map filter max sum os.path.join os.path.abspath"
    " os.path.normpath os.path.realpath os.path.expanduser os.path.splitext os.path.split os.path.dirname pathlib.Path Path pathlib.PurePath"
    " pathlib.PosixPath json.loads json.load urllib.parse.unquote urllib.parse.unquote_plus urllib.parse.urljoin urllib.parse.urlparse"
    " urllib.parse.urlsplit urllib.parse.parse_qs urllib.parse.parse_qsl base64.b64decode base64.urlsafe_b64decode io.BytesIO io.StringIO"
    " shlex.split copy.copy copy.deepcopy format repr textwrap.dedent string.Template string.Template().substitute"
    " string.Template().safe_substitute open unicodedata.normalize zlib.decompress gzip.decompress bytes.fromhex codecs.decode"
    " itertools.chain os.fspath f ''.join operator.itemgetter werkzeug.urls.url_parse binascii.unhexlify html.unescape tuple asyncio.wait_for"
    " typing.cast flask.request.get_json django.http.QueryDict".split()
)
NORMALISERS = frozenset({"os.path.realpath", "os.path.abspath", "os.path.normpath"})
PARSERS = frozenset(
    "urllib.parse.urlparse urllib.parse.urlsplit ipaddress.ip_address socket.gethostbyname socket.getaddrinfo os.path.splitext"
    " os.path.realpath os.path.abspath os.path.normpath".split()
)
UNTAINTING_METHODS = frozenset(
    "isdigit isalnum isalpha isdecimal isidentifier isnumeric startswith endswith count index find exists is_file is_dir group_ hexdigest"
    " digest validate_on_submit is_valid lower_ verify fetchone fetchall rowcount status_code close commit".split()
)
PREDICATES = re.compile(
    r"(?i)(^|\.|_)(is|valid|validate|allowed|allow|check|safe|verify|has|permitted|ensure|assert|compare_digest|in)(_|$|[a-z]*\b)"
)
CHECKERS = re.compile(
    r"(?i)(^|\.)_?(validate|check|ensure|assert|verify|require|reject|guard|relative_to|full_clean|enforce)\w*$"
)
SQL_TEXT = re.compile(
    r"(?i)\b(select|insert\s+into|update|delete\s+from|drop|alter|create\s+(table|user|role|database)|where|order\s+by|values|having|union|grant|call|exec|truncate|limit|and|set)\b"
)
HOST_PREFIX = re.compile(r"^([a-z][a-z0-9+.-]*:)?//[^/{}%\s]+[/?#]|^/(?![/\\])|^[?#]")
