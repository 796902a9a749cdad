"""Weak cryptography: hashes, ciphers, keys, randomness, certificates, comparisons.

Rules:
- MD5 and SHA-1 are rejected unless ``usedforsecurity=False``; passwords are not hashed with a fast hash of any kind.
- Ciphers: no DES, RC4, Blowfish, no ECB, no constant key, IV, nonce or salt, RSA of 2048 bits and up, PBKDF2 of 100,000 rounds.
- ``random`` and ``uuid1`` never make what must not be guessed.
- Certificates and host names are checked; TLS is 1.2 or later.
- Digests and tokens are compared in constant time.

Left out: protocols built from sound parts (padding oracles, missing authentication).
"""

import ast
import re
from collections.abc import Iterator

from actors.consensus.screening.dangerous import Check, finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.source import Source

MIN_RSA_BITS, MIN_ROUNDS, MIN_BCRYPT_ROUNDS = 2048, 100_000, 10
SECRET_WORDS = re.compile(
    r"(?i)(token|secret|passw(or)?d|passwd|passphrase|otp|api_?key|salt|nonce|session_?id|reset_?code|csrf|verification_?code"
    r"|invite_?code|activation|\bpin\b|_pin\b|_key\b|^key$|^iv$|coupon|cookie|secure|captcha)"
)
PASSWORD_WORDS = re.compile(r"(?i)(passw(or)?d|passwd|passphrase|\bpwd\b|_pwd\b|^pw$)")
DIGEST_WORDS = re.compile(r"(?i)(signature|hmac|digest|\bsig\b|_sig$|^mac$|_mac$|api_?key|token|secret)")
WEAK_HASHES = frozenset({"md5", "sha1", "md4", "md2"})
STRONG_FAST_HASHES = frozenset({"sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b", "blake2s"})
WEAK_CIPHERS = re.compile(r"\b(DES3?|ARC2|ARC4|Blowfish|TripleDES|RC4|IDEA|CAST5|SEED|XOR)\b(?!\w)")
RANDOM_CALLS = frozenset("random choice choices randint randrange sample shuffle getrandbits uniform randbytes".split())
WEAK_TLS = re.compile(r"(PROTOCOL_SSLv2|PROTOCOL_SSLv3|PROTOCOL_SSLv23|PROTOCOL_TLSv1(_1)?|SSLv2_METHOD|SSLv3_METHOD|TLSv1_METHOD"
                      r"|TLSVersion\.(SSLv3|TLSv1|TLSv1_1|MINIMUM_SUPPORTED))$")  # fmt: skip
REQUESTERS = ("requests.", "httpx.", "aiohttp.")


def check(source: Source) -> Iterator[Finding]:
    """Yield what is weak."""
    for call, name in source.calls():
        for each in CHECKS:
            yield from each(source, call, name)
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            yield from _assigned(source, node)
        elif isinstance(node, ast.Compare):
            yield from _compared(source, node)
        elif isinstance(node, ast.Attribute) and WEAK_TLS.search(source.dotted(node)):
            yield finding(node, "crypto-tls-version", 327, "allows a version of TLS that is broken")


def words_of(node: ast.AST) -> Iterator[str]:
    """Yield the names an expression is built from, and constant keys it is looked up by."""
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                yield key
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
                yield key


def purpose(source: Source, node: ast.AST) -> str:
    """Return the names a value is made for: what it is assigned or returned to, and the function it is made in."""
    words = []
    for parent in source.around(node):
        match parent:
            case ast.Assign(targets=targets):
                words += [ast.unparse(target) for target in targets]
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.NamedExpr(target=target):
                words.append(ast.unparse(target))
            case ast.keyword(arg=str(name)):
                words.append(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                words.append(name)
                break
    return " ".join(words)


def _hashes(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    algorithm = _algorithm(source, call, name)
    if not algorithm or source.keyword_is(call, "usedforsecurity", False):
        return
    hashed = source.argument(call, 1 if name == "hashlib.new" else 0, "data", "string")
    secret = hashed is not None and any(PASSWORD_WORDS.search(word) for word in words_of(hashed))
    if algorithm in WEAK_HASHES:
        yield finding(call, "crypto-hash", 327, "uses a broken hash")
    elif algorithm in STRONG_FAST_HASHES and secret:
        yield finding(
            call, "crypto-password-hash", 916, "hashes a password with a fast hash; use scrypt, bcrypt or Argon2"
        )


def _algorithm(source: Source, call: ast.Call, name: str) -> str:
    if name == "hashlib.new":
        first = source.constant(source.argument(call, 0, "name"))
        return first.lower().replace("-", "") if isinstance(first, str) else ""
    if name.startswith("hashlib."):
        return name.removeprefix("hashlib.").lower()
    if ".hashes." in name and "primitives" in name:
        return name.rsplit(".", 1)[-1].lower()
    if name.endswith((".MD5.new", ".SHA1.new", ".SHA.new", ".MD4.new", ".MD2.new")) and "Hash" in name:
        return name.split(".")[-2].lower().replace("sha", "sha1").replace("sha11", "sha1")
    return ""


def _ciphers(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    library = name.startswith(("Crypto.", "Cryptodome.", "cryptography.", "pyDes."))
    if library and (WEAK_CIPHERS.search(name) or name.startswith("pyDes.")):
        yield finding(call, "crypto-cipher", 327, "uses a broken cipher")
    if (library and name.endswith("modes.ECB")) or any(source.dotted(a).endswith("MODE_ECB") for a in call.args):
        yield finding(call, "crypto-ecb", 327, "encrypts block by block (ECB), which shows repetitions")
    if library and name.endswith((".AES.new", ".ChaCha20.new", ".DES.new", ".Salsa20.new")):
        yield from _constant_parts(source, call, ((0, "key", 321), (2, "iv", 329), (-1, "nonce", 323)))
    elif library and name.endswith(("algorithms.AES", "Fernet", "AESGCM", "ChaCha20Poly1305")):
        yield from _constant_parts(source, call, ((0, "key", 321),))
    elif library and name.endswith(("modes.CBC", "modes.GCM", "modes.CTR", "modes.CFB", "modes.OFB")):
        yield from _constant_parts(source, call, ((0, "initialization_vector", 329),))
    elif name.endswith((".encrypt",)) and name.split(".")[-2] in {"AESGCM()", "ChaCha20Poly1305()"}:
        yield from _constant_parts(source, call, ((0, "nonce", 323),))


def _constant_parts(source: Source, call: ast.Call, parts: tuple[tuple[int, str, int], ...]) -> Iterator[Finding]:
    for position, keyword, cwe in parts:
        given = source.argument(call, position, keyword)
        if given is not None and _fixed(source, given):
            yield finding(
                call, f"crypto-constant-{keyword}", cwe, "encrypts with a key, IV or nonce written in the code"
            )


def _fixed(source: Source, node: ast.expr) -> bool:
    """Tell a value that is the same in every run, also ``b"0" * 16``, ``bytes(16)`` and ``"key".encode()``."""
    if isinstance(node, ast.Name) and node.id in source.bound and not isinstance(source.bound[node.id], ast.Name):
        return _fixed(source, source.bound[node.id])
    match node:
        case ast.Constant(value=value):
            return isinstance(value, str | bytes)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Add()):
            return _fixed(source, left)
        case ast.Call(func=ast.Name(id="bytes" | "bytearray"), args=[only, *_]):
            return source.is_constant(only)
        case ast.Call(func=ast.Attribute(value=value, attr="encode" | "ljust" | "fromhex"), args=arguments):
            return _fixed(source, value) or bool(arguments and _fixed(source, arguments[0]))
    return False


def _keys(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name.endswith(("rsa.generate_private_key", "dsa.generate_private_key")):
        position = 1 if ".rsa." in name else 0
        yield from _short_key(source, call, source.argument(call, position, "key_size"))
    elif name.endswith((".RSA.generate", ".DSA.generate")) or name in {"rsa.newkeys", "paramiko.RSAKey.generate"}:
        yield from _short_key(source, call, source.argument(call, 0, "bits"))
    elif name == "hashlib.pbkdf2_hmac" or name.endswith((".PBKDF2HMAC", ".PBKDF2")):
        rounds = source.argument(call, 3, "iterations", "count")
        salt = source.argument(call, 2 if "hmac" in name else 1, "salt")
        if isinstance(count := source.constant(rounds), int) and count < MIN_ROUNDS:
            yield finding(call, "crypto-rounds", 916, "derives a key with too few rounds")
        if salt is not None and _fixed(source, salt):
            yield finding(call, "crypto-salt", 760, "derives a key with a salt written in the code")
    elif name in {"bcrypt.gensalt", "hashlib.scrypt"}:
        given = source.argument(call, -1, "salt") if name == "hashlib.scrypt" else None
        cost = source.constant(source.argument(call, 0, "rounds"))
        if (given is not None and _fixed(source, given)) or (isinstance(cost, int) and cost < MIN_BCRYPT_ROUNDS):
            yield finding(call, "crypto-salt", 916, "derives a key with a constant salt or too few rounds")


def _short_key(source: Source, call: ast.Call, bits: ast.expr | None) -> Iterator[Finding]:
    if isinstance(size := source.constant(bits), int) and size < MIN_RSA_BITS:
        yield finding(call, "crypto-key-size", 326, "makes an RSA or DSA key of fewer than 2048 bits")


def _random(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    weak = name.startswith(("random.", "numpy.random.")) and name.rsplit(".", 1)[-1] in RANDOM_CALLS
    weak = weak or (name.startswith("random.Random().") and name.rsplit(".", 1)[-1] in RANDOM_CALLS)
    weak = weak or name in {"uuid.uuid1", "uuid.uuid3", "uuid.uuid5", "time.time"}
    words = purpose(source, call)
    if weak and SECRET_WORDS.search(words):
        if name == "time.time":
            return
        yield finding(call, "crypto-random", 338, "makes a secret from a generator that can be predicted; use secrets")


def _certificates(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in {"ssl._create_unverified_context", "ssl._create_stdlib_context"}:
        yield finding(call, "crypto-verify-off", 295, "makes TLS connections without checking certificates")
    off = any(source.keyword_is(call, option, False) for option in ("verify", "verify_ssl", "validate_certs"))
    off = off or (source.keyword_is(call, "ssl", False) and "aiohttp" in source.imported)
    if off and (name.startswith(REQUESTERS) or {"requests", "httpx", "aiohttp"} & source.imported):
        yield finding(call, "crypto-verify-off", 295, "turns certificate checks off")
    if name == "ssl.wrap_socket" or source.keyword_is(call, "check_hostname", False):
        yield finding(call, "crypto-verify-off", 297, "does not check the host's name")
    for keyword in call.keywords:
        if keyword.arg in {"cert_reqs", "ssl_cert_reqs"} and _none_required(source, keyword.value):
            yield finding(call, "crypto-verify-off", 295, "accepts connections without a certificate")


def _none_required(source: Source, node: ast.expr) -> bool:
    return source.dotted(node).endswith("CERT_NONE") or source.constant(node) in {"CERT_NONE", "none"}


def _assigned(source: Source, node: ast.Assign) -> Iterator[Finding]:
    for target in node.targets:
        if not isinstance(target, ast.Attribute):
            continue
        off = node.value is not None and source.is_constant(node.value) and source.constant(node.value) is False
        if target.attr == "check_hostname" and off:
            yield finding(node, "crypto-verify-off", 297, "does not check the host's name")
        elif target.attr == "verify" and off and {"requests", "httpx"} & source.imported:
            yield finding(node, "crypto-verify-off", 295, "turns certificate checks off")
        elif target.attr == "verify_mode" and _none_required(source, node.value):
            yield finding(node, "crypto-verify-off", 295, "accepts connections without a certificate")
        elif source.dotted(target) == "ssl._create_default_https_context":
            yield finding(node, "crypto-verify-off", 295, "turns certificate checks off for the whole process")


def _compared(source: Source, node: ast.Compare) -> Iterator[Finding]:
    if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return
    sides = (node.left, node.comparators[0])
    if any(source.is_constant(side) for side in sides):
        return
    names = [source.dotted(side) for side in sides]
    computed = any(re.search(r"hmac\.(new|digest)\(\)", name) for name in names)
    named = all(DIGEST_WORDS.search(" ".join(words_of(side))) for side in sides)
    if _passwords(sides):
        yield finding(node, "crypto-compare", 208, "compares a password in a time that tells how much of it is right")
    elif (
        computed
        or (named and {"hmac", "hashlib"} & source.imported)
        or (named and any(_outside(name) for name in names))
    ):
        yield finding(node, "crypto-compare", 208, "compares a secret in a time that tells how much of it is right")


def _passwords(sides: tuple[ast.expr, ast.expr]) -> bool:
    """Tell a password given from one that is kept; not two fields of one form."""
    words = [" ".join(words_of(side)) for side in sides]
    kept = any(isinstance(side, ast.Attribute | ast.Subscript) for side in sides)
    two_fields = re.search(r"(?i)(confirm|repeat|again|verif|new|old|1|2|hash|digest)", " ".join(words))
    return kept and all(PASSWORD_WORDS.search(each) for each in words) and two_fields is None


def _outside(name: str) -> bool:
    return any(word in name for word in ("request.", "headers", "environ", "getenv"))


CHECKS: tuple[Check, ...] = (_hashes, _ciphers, _keys, _random, _certificates)
