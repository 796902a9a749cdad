"""Follows untrusted data from where it comes in to where it does harm, within one file.

Rules:
- Statements are followed in order; branches are joined; loops are gone through twice. Functions of the file are followed through
  their parameters and results; everything is gone through twice so that order of definition does not matter.
- Data keeps for which harms it was cleaned (``tables.CLEANERS``, ``guards``) and how it was put together.
- What a function that is not known returns is trusted: databases, caches and other files are another's business.

Left out: aliasing through containers, globals and attributes of objects other than ``self``; flows between files.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from actors.consensus.screening.findings import Finding
from actors.consensus.screening.guards import checked, leaves, names_in
from actors.consensus.screening.labels import (
    FROM_LOCAL,
    FROM_REMOTE,
    NONE,
    Label,
    State,
    Summary,
    Taint,
    cleaned,
    copied,
    flavours,
    join,
    made_so,
    mark,
    merge,
)
from actors.consensus.screening.routes import Entry, entry_of
from actors.consensus.screening.source import Function, Source
from actors.consensus.screening.tables import (
    ALL,
    ATTRIBUTES,
    CHECKERS,
    CLEANERS,
    COMMAND,
    FETCHED,
    HANDLER_PARTS,
    HEADER,
    HOST_PREFIX,
    LOCAL,
    LOCAL_ARGUMENTS,
    METHODS,
    NAMED,
    NORMALISERS,
    PARSERS,
    PROGRAM,
    PROPAGATORS,
    REMOTE,
    REMOTE_CALLS,
    RESPONSE,
    RESPONSE_RAW,
    SIZE,
    UNTAINTING_METHODS,
    Sink,
)

MAX_EXPRESSION_DEPTH = 60
ROUNDS = 2


def check(source: Source) -> Iterator[Finding]:
    """Yield flows of untrusted data into places where it does harm."""
    flow = _Flow(source)
    for _ in range(ROUNDS):
        flow.found.clear()
        flow.go()
    yield from flow.found


class _Flow:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._summaries: dict[str, Summary] = {}
        self.found: set[Finding] = set()
        self._handlers: dict[type[ast.stmt], Callable[[Any, State], None]] = {
            ast.Assign: self._assign, ast.AnnAssign: self._assign, ast.AugAssign: self._augment, ast.For: self._loop,
            ast.AsyncFor: self._loop, ast.While: self._loop, ast.If: self._branch, ast.With: self._with,
            ast.AsyncWith: self._with, ast.Try: self._try, ast.Return: self._return, ast.Expr: self._expression,
            ast.Match: self._match,
            ast.Assert: self._assert, ast.Raise: self._raise,
        }  # fmt: skip

    def go(self) -> None:
        """Follow every function, then the module's top level."""
        for node in self._source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(node)
        self._block(self._source.tree.body, State(Entry(False, frozenset(), frozenset()), Summary()))

    def _function(self, node: Function) -> None:
        entry = entry_of(self._source, node)
        summary = Summary()
        state = State(entry, summary)
        for name in entry.parameters:
            state.taints[name] = FROM_REMOTE if name in entry.remote else frozenset({Label(f"param:{name}")})
        self._block(node.body, state)
        self._summaries[node.name] = summary

    def _block(self, body: list[ast.stmt], state: State) -> None:
        for statement in body:
            handler = self._handlers.get(type(statement))
            if handler is not None:
                handler(statement, state)

    def _assign(self, node: ast.Assign | ast.AnnAssign, state: State) -> None:
        if node.value is None:
            return
        taint = self._taint(node.value, state)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._bind(target, node.value, taint, state)

    def _bind(self, target: ast.expr, value: ast.expr, taint: Taint, state: State) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            for index, item in enumerate(target.elts):
                part = value.elts[index] if same and isinstance(value, ast.Tuple | ast.List) else value
                self._bind(item, part, self._taint(part, state) if same else taint, state)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, value, taint, state)
        elif isinstance(target, ast.Subscript):
            if "header" in self._source.plain(target.value).lower():
                self._hit(
                    target,
                    HEADER if "Location" not in ast.unparse(target.slice) else NAMED["flask.redirect"][0],
                    taint,
                    state,
                )
            else:
                self._add(target.value, taint, state)
        elif key := self._key(target):
            state.taints[key] = taint
            self._remember(key, value, state)

    def _remember(self, key: str, value: ast.expr, state: State) -> None:
        """Note names that hold a canonical path or what another name was parsed into."""
        calls = [self._source.dotted(n.func) for n in ast.walk(value) if isinstance(n, ast.Call)]
        if any(name in NORMALISERS or name.endswith(".resolve") for name in calls):
            state.canonical.add(key)
        if (
            any(name in PARSERS for name in calls)
            or (isinstance(value, ast.Attribute) and not self._source.plain(value).startswith("self."))
            or (isinstance(value, ast.Call) and calls and calls[0].endswith((".lower", ".rsplit", ".hostname")))
        ):
            state.parsed_from[key] = set(names_in(value))

    def _add(self, target: ast.expr, taint: Taint, state: State) -> None:
        while isinstance(target, ast.Subscript | ast.Attribute) and not self._key(target):
            target = target.value
        if taint and (key := self._key(target)):
            state.taints[key] = join(state.taints.get(key, NONE), taint)

    def _augment(self, node: ast.AugAssign, state: State) -> None:
        taint = self._taint(node.value, state)
        made = self._built([node.target, node.value], state) if isinstance(node.op, ast.Add) else taint
        if key := self._key(node.target):
            state.taints[key] = join(state.taints.get(key, NONE), made)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, state: State) -> None:
        if isinstance(node, ast.While):
            self._taint(node.test, state)
        else:
            self._bind(node.target, node.iter, self._taint(node.iter, state), state)
        again = not state.in_loop
        inner = replace(state, in_loop=True)
        self._block(node.body, inner)
        if again:
            self._block(node.body, inner)
        self._block(node.orelse, state)

    def _branch(self, node: ast.If, state: State) -> None:
        self._taint(node.test, state)
        found = list(checked(self._source, node.test, state.canonical))
        inside, outside = copied(state), copied(state)
        for each in found:
            mark(inside if each.passes_when else outside, each.name, each.categories)
        self._block(node.body, inside)
        self._block(node.orelse, outside)
        ends, others_end = leaves(node.body, self._source), leaves(node.orelse, self._source)
        kept = [s for s, gone in ((inside, ends), (outside, others_end)) if not gone] or [outside]
        merge(state, kept)

    def _match(self, node: ast.Match, state: State) -> None:
        self._taint(node.subject, state)
        states = []
        for case in node.cases:
            states.append(copied(state))
            self._block(case.body, states[-1])
        merge(state, [state, *states])

    def _with(self, node: ast.With | ast.AsyncWith, state: State) -> None:
        for item in node.items:
            taint = self._taint(item.context_expr, state)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, item.context_expr, taint, state)
        self._block(node.body, state)

    def _try(self, node: ast.Try, state: State) -> None:
        self._block(node.body, state)
        for handler in node.handlers:
            self._block(handler.body, copied(state))
        self._block(node.orelse, state)
        self._block(node.finalbody, state)

    def _return(self, node: ast.Return, state: State) -> None:
        if node.value is None:
            return
        taint = self._taint(node.value, state)
        state.summary.returns = join(state.summary.returns, taint)
        if state.entry.is_route and "fastapi" not in self._source.imported:
            shown = node.value.elts[0] if isinstance(node.value, ast.Tuple) and node.value.elts else node.value
            if not isinstance(shown, ast.Dict | ast.List | ast.ListComp | ast.DictComp):
                raw = state.entry.sends_text and "flask" in self._source.imported
                self._hit(node, RESPONSE_RAW if raw else RESPONSE, self._taint(shown, state), state)

    def _expression(self, node: ast.Expr, state: State) -> None:
        self._taint(node.value, state)
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if not isinstance(call, ast.Call):
            return
        name = self._source.plain(call.func)
        if name in {"int", "float", "uuid.UUID"} or CHECKERS.search(name):
            receiver = [call.func.value] if isinstance(call.func, ast.Attribute) else []
            for each in [*call.args, *(k.value for k in call.keywords), *receiver]:
                for checked_name in names_in(each):
                    mark(state, checked_name, ALL)

    def _assert(self, node: ast.Assert, state: State) -> None:
        self._taint(node.test, state)
        for each in checked(self._source, node.test, state.canonical):
            if each.passes_when:
                mark(state, each.name, each.categories)

    def _raise(self, node: ast.Raise, state: State) -> None:
        if node.exc is not None:
            self._taint(node.exc, state)

    def _key(self, target: ast.expr) -> str:
        if isinstance(target, ast.Name):
            return target.id
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            return f"self.{target.attr}"
        return ""

    def _taint(self, node: ast.AST | None, state: State, depth: int = 0) -> Taint:  # noqa: C901, PLR0911 - one a kind of syntax
        """Return what an expression's value is made of, noting what it reaches on the way."""
        if node is None or depth > MAX_EXPRESSION_DEPTH:
            return NONE
        match node:
            case ast.Constant() | ast.Lambda():
                return NONE
            case ast.Name(id=name):
                return state.taints.get(name, NONE)
            case ast.Attribute(value=value) | ast.Subscript(value=value):
                return self._part(node, value, state, depth)
            case ast.Call():
                return self._call(node, state, depth)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, left, op, right, state, depth)
            case ast.JoinedStr(values=values):
                return self._built(values, state, depth)
            case ast.Compare():
                self._children(node, state, depth)
                return NONE
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, state, depth)
            case ast.NamedExpr(target=target, value=value):
                taint = self._taint(value, state, depth + 1)
                self._bind(target, value, taint, state)
                return taint
        return self._children(node, state, depth)

    def _children(self, node: ast.AST, state: State, depth: int) -> Taint:
        return join(*(self._taint(child, state, depth + 1) for child in ast.iter_child_nodes(node)))

    def _comprehension(self, node: ast.AST, state: State, depth: int) -> Taint:
        inner = copied(state)
        for generator in getattr(node, "generators", ()):
            taint = self._taint(generator.iter, inner, depth + 1)
            for condition in generator.ifs:
                for each in checked(self._source, condition, inner.canonical):
                    if each.passes_when:
                        taint = NONE if each.categories == ALL else taint
            self._bind(generator.target, generator.iter, taint, inner)
        if isinstance(node, ast.DictComp):
            return join(self._taint(node.key, inner, depth + 1), self._taint(node.value, inner, depth + 1))
        return self._taint(getattr(node, "elt", None), inner, depth + 1)

    def _part(self, node: ast.AST, value: ast.expr, state: State, depth: int) -> Taint:
        name = self._source.plain(node)
        inner = self._taint(value, state, depth + 1)
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and f"{node.value.id}.{node.attr}" in state.taints
        ):
            return state.taints[f"{node.value.id}.{node.attr}"]
        if (origin := self._origin(name, state)) is not None:
            return origin
        if isinstance(node, ast.Subscript):
            self._taint(node.slice, state, depth + 1)
        return inner

    def _origin(self, name: str, state: State) -> Taint | None:
        if name in state.entry.parameters:
            return None
        if REMOTE.match(name) or REMOTE_CALLS.search(name) or (state.entry.is_handler and HANDLER_PARTS.match(name)):
            return FROM_REMOTE
        if FETCHED.match(name):
            return cleaned(FROM_REMOTE, frozenset({"html", "redirect", "header", "log"}))
        if LOCAL.match(name) or LOCAL_ARGUMENTS.search(name):
            return FROM_LOCAL
        return None

    def _binary(
        self, node: ast.AST, left: ast.expr, op: ast.operator, right: ast.expr, state: State, depth: int
    ) -> Taint:
        if isinstance(op, ast.Add | ast.Mod):
            return self._built([left, right], state, depth)
        both = join(self._taint(left, state, depth + 1), self._taint(right, state, depth + 1))
        if isinstance(op, ast.Mult) and any(
            isinstance(side, ast.Constant) and isinstance(side.value, str | bytes) for side in (left, right)
        ):
            self._hit(node, SIZE, both, state)
        return made_so(both, {"joined"}) if isinstance(op, ast.Div) else both

    def _built(self, parts: list[ast.expr], state: State, depth: int = 0) -> Taint:
        """Return the taint of text put together from parts."""
        texts = [self._source.constant(part) for part in parts]
        text = " ".join(t for t in texts if isinstance(t, str))
        taint = join(*(self._formatted(part, state, depth) for part in parts))
        first = next((t for t in texts[:1] if isinstance(t, str)), "")
        if HOST_PREFIX.match(first):
            taint = cleaned(taint, frozenset({"url", "redirect"}))
        return made_so(taint, flavours(text))

    def _formatted(self, part: ast.expr, state: State, depth: int) -> Taint:
        if isinstance(part, ast.FormattedValue):
            taint = self._taint(part.value, state, depth + 1)
            spec = ast.unparse(part.format_spec) if part.format_spec else ""
            number = spec.strip("f'\"")[-1:] in {"d", "f", "x", "e", "g"} and bool(spec)
            return cleaned(taint, ALL) if number else taint
        return self._taint(part, state, depth + 1)

    def _call(self, node: ast.Call, state: State, depth: int) -> Taint:
        name, plain = self._source.dotted(node.func), self._source.plain(node.func)
        positional = [self._taint(argument, state, depth + 1) for argument in node.args]
        named = {keyword.arg or "**": self._taint(keyword.value, state, depth + 1) for keyword in node.keywords}
        receiver = self._taint(node.func.value, state, depth + 1) if isinstance(node.func, ast.Attribute) else NONE
        self._sinks(node, name, plain, positional, named, receiver, state)
        everything = join(*positional, *named.values())
        if (origin := self._origin(f"{plain}()", state)) is not None:
            return origin
        if cleans := CLEANERS.get(name) or CLEANERS.get(plain):
            return cleaned(everything, cleans)
        if (summary := self._local(plain)) is not None:
            return self._through(node, summary, positional, named, state)
        return self._passed_on(node, name, plain, everything, receiver, state)

    def _local(self, plain: str) -> Summary | None:
        bare = plain.removeprefix("self.").removeprefix("cls.")
        return self._summaries.get(bare) if "." not in bare and bare in self._source.functions else None

    def _passed_on(
        self, node: ast.Call, name: str, plain: str, everything: Taint, receiver: Taint, state: State
    ) -> Taint:
        """Return what a call that is not followed makes of its arguments and receiver."""
        method = plain.rsplit(".", 1)[-1] if "." in plain or isinstance(node.func, ast.Attribute) else ""
        if method in UNTAINTING_METHODS:
            return NONE
        if method in {"append", "extend", "add", "update", "insert", "setdefault", "write"} and isinstance(
            node.func, ast.Attribute
        ):
            self._add(node.func.value, everything, state)
            return NONE
        if isinstance(node.func, ast.Attribute) and method in {"format", "join", "format_map"}:
            text = self._source.constant(node.func.value)
            taint = join(receiver, everything)
            if isinstance(text, str) and HOST_PREFIX.match(text):
                taint = cleaned(taint, frozenset({"url", "redirect"}))
            return made_so(taint, flavours(text if isinstance(text, str) else ""))
        if name in PROPAGATORS or plain in PROPAGATORS:
            joined = {"joined"} if name.endswith(("path.join", "Path")) and len(node.args) > 1 else set()
            return made_so(everything, joined)
        if method == "joinpath":
            return made_so(join(receiver, everything), {"joined"})
        return receiver

    def _through(
        self, node: ast.Call, summary: Summary, positional: list[Taint], named: Mapping[str, Taint], state: State
    ) -> Taint:
        """Return what a function of the file returns for these arguments, noting what they reach inside."""
        bare = self._source.plain(node.func).removeprefix("self.").removeprefix("cls.")
        parameters = _parameters(self._source.functions[bare])
        given = dict(zip(parameters, positional, strict=False)) | {k: v for k, v in named.items() if k in parameters}
        for parameter, sink, made in sorted(summary.reaches, key=repr):
            self._hit(node, sink, made_so(given.get(parameter, NONE), made), state, through=True)
        out: set[Label] = {label for label in summary.returns if not label.origin.startswith("param:")}
        for label in summary.returns:
            inner = given.get(label.origin.removeprefix("param:"), NONE) if label.origin.startswith("param:") else NONE
            out |= {Label(g.origin, g.clean | label.clean, g.made | label.made) for g in inner}
        return join(frozenset(out))

    def _sinks(self, node: ast.Call, name: str, plain: str, positional: list[Taint], named: Mapping[str, Taint],
               receiver: Taint, state: State) -> None:  # fmt: skip
        for sink in self._sinks_of(node, name, plain):
            taints = [positional[p] for p in sink.positions if p < len(positional)]
            taints += [named[k] for k in sink.keywords if k in named]
            if not sink.positions:
                taints.append(receiver)
            if sink.category == "html" and ({"content_type", "mimetype", "media_type"} & set(named)):
                continue
            if sink.category == "xml" and (len(positional) > 1 or "parser" in named):
                continue  # the parser's own options are judged
            self._hit(node, sink, join(*taints), state)
        if "**" in named and (plain[:1].isupper() or plain.endswith((".create", ".update", ".filter", ".values"))):
            self._hit(node, ATTRIBUTES, named["**"], state)

    def _sinks_of(self, node: ast.Call, name: str, plain: str) -> tuple[Sink, ...]:
        if found := NAMED.get(name) or NAMED.get(plain):
            return found
        if name.startswith("subprocess."):
            shell = any(k.arg == "shell" and not self._source.keyword_is(node, "shell", False) for k in node.keywords)
            listed = bool(node.args) and isinstance(node.args[0], ast.List | ast.Tuple)
            return (COMMAND,) if shell else () if listed else (PROGRAM,)
        if not isinstance(node.func, ast.Attribute) or name.startswith("re."):
            return ()
        return next((sinks for pattern, sinks in METHODS if pattern.search(plain) or pattern.search(name)), ())

    def _hit(self, node: ast.AST, sink: Sink, taint: Taint, state: State, *, through: bool = False) -> None:
        for label in taint:
            if sink.category in label.clean:
                continue
            remote = label.origin == "remote"
            if label.origin.startswith("param:"):
                state.summary.reaches.add((label.origin.removeprefix("param:"), sink, label.made))
            needed = sink.needs if remote else sink.local_needs
            verdict = sink.remote if remote else sink.local
            if verdict is None or (needed and needed not in label.made) or (through and not remote):
                continue
            origin = "a client" if remote else "its caller"
            self.found.add(Finding(f"taint-{sink.category}", f"CWE-{sink.cwe}", getattr(node, "lineno", 0), verdict,
                                   f"text from {origin} reaches a place where it does harm ({sink.category})"))  # fmt: skip


def _parameters(node: Function) -> list[str]:
    names = [a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names
