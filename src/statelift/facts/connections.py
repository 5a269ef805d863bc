"""The clients and connections that are built inside functions."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from statelift.catalogue import CONSTRUCTORS
from statelift.facts.endings import ending_of
from statelift.facts.guards import Guards
from statelift.facts.journeys import REGISTERING
from statelift.facts.provenance import Provenance
from statelift.facts.readings import reading_of
from statelift.facts.subjects import Subjects
from statelift.facts.syntax import MODULE, Syntax
from statelift.facts.values import Argument, Connection, Ending, Hook, Owner, Value

LAST_NAMES = frozenset(name.rpartition(".")[2] for name in CONSTRUCTORS)
SESSIONS = frozenset({"boto3.Session", "boto3.session.Session"})
LOOP_SESSIONS = frozenset({"aioboto3.Session", "aiobotocore.session.get_session"})
SETTING = re.compile(
    r"\s*(?:alter\s+session\s+set\s|set\s+(?!transaction)[\w.@]+(?:\s+to\b|\s*=|\s+[\w%{'\"`]|\s+$)|create\s+(?:global\s+|local\s+)?temp|listen\s+[\"\w%{}]*\s*;?\s*$|prepare\s+\w"
    r"|lock\s+tables?\b|use\s+[`\"\[]?(?:\w+|%s|\{\w*\})?[`\"\]]?\s*;?\s*$|select\s+pg_advisory_lock|select\s+get_lock)",
    re.IGNORECASE,
)
INSIDE = re.compile(
    r"\bset_config\s*\((?![^)]*,\s*true\s*\))|\bselect\s+@\w+\s*:=|\blast_insert_id\s*\(\s*\)", re.IGNORECASE
)  # what a statement may do to the session beside what it asks


class Connections:
    """Collects the connection constructors that one module calls inside functions."""

    def __init__(self, syntax: Syntax, provenance: Provenance, subjects: Subjects, guards: Guards) -> None:
        self.syntax = syntax
        self.provenance = provenance
        self.subjects = subjects
        self.guards = guards

    def collect(self) -> Iterator[Connection]:
        """Every constructor call that runs when a function is called."""
        for node in self.syntax.walk.only(ast.Call):
            name = self._constructor(node) or self._dynamic(node) or self._handed_on(node)
            if name and self._function(node) != MODULE:
                yield self._connection(node, name)

    def hooks(self) -> Iterator[Hook]:
        """Every function that a call registers with a client which lives longer than the call."""
        for node in self.syntax.walk.only(ast.Call):
            match node:
                case ast.Call(func=ast.Attribute(value=events, attr=method)) if method in REGISTERING:
                    client, is_marked = _client_of(events), any(each.arg == "unique_id" for each in node.keywords)
                    subject = "" if client is None else self.subjects.cell(client)
                    if subject and not is_marked and self.syntax.function(node) != MODULE:
                        yield self._hook(node, subject)
                case _:
                    pass

    def _hook(self, node: ast.Call, subject: str) -> Hook:
        given = {each.arg: each.value for each in node.keywords}
        named = [*node.args, *(given[name] for name in ("event_name", "handler") if name in given)]
        is_whole = len(named) == len(node.args) + len(node.keywords) == 2
        event = named[0].value if is_whole and isinstance(named[0], ast.Constant) else None
        return Hook(
            subject=subject,
            text=self.syntax.text(node.func),
            function=self.syntax.function(node),
            place=self.syntax.place(node),
            guards=self.guards.of(node),
            event=event if isinstance(event, str) else "",
            registered=self.syntax.text(named[1]) if is_whole else "",
            is_plain=is_whole and self.syntax.module_function(named[1]) is not None,
            end=max((self.syntax.span(each).end for each in named), default=0),
        )

    def _function(self, node: ast.Call) -> str:
        """The function whose call evaluates the node; of a lambda that a module-level name stands for, the name."""
        scope = self.syntax.scope(node).function()
        if scope is None or not isinstance(scope.node, ast.Lambda):
            return self.syntax.function(node)
        match self.syntax.parents[scope.node]:
            case ast.Assign(targets=[ast.Name(id=name) as target]) if not self.syntax.is_local(target):
                return name
            case _:
                return self.syntax.function(node)

    def _constructor(self, node: ast.Call) -> str:
        name = self.syntax.outside(self._meant(node.func)[0])
        if name in CONSTRUCTORS:
            parent = self.syntax.parents[node]
            is_chained = isinstance(parent, ast.Attribute) and parent.attr in ("client", "resource")
            return "" if is_chained and name in SESSIONS else name
        match node.func:
            case ast.Attribute(value=owner, attr=("client" | "resource" | "create_client") as made):
                session = self._session(owner)
                maker = "" if session is None else self.syntax.outside(session.func)
                if maker in LOOP_SESSIONS and session is not None and self._function(session) != MODULE:
                    return ""  # the session is told, and neither can be kept
                return f"boto3.{made}" if maker in SESSIONS and made != "create_client" else maker
            case _:
                return ""

    def _meant(self, maker: ast.expr, hops: int = 3) -> tuple[ast.expr, ast.Call | None]:
        """What a name stands for, also through `partial(driver.connect, …)`, with that call."""
        match maker:
            case ast.Name(id=name) if hops:
                scope = self.syntax.scope(maker).binding(name)
                given = [] if scope is None else self.syntax.assigned(scope, name)
                is_other = len(given) == 1 and given[0] is not maker
                return self._meant(given[0], hops - 1) if is_other else (maker, None)
            case ast.Call(func=func, args=[made, *_]) if self.syntax.outside(func) == "functools.partial":
                return self._meant(made, hops - 1)[0], maker
            case _:
                return maker, None

    def _dynamic(self, node: ast.Call) -> str:
        """`getattr(boto3, kind)(…)`, also through a variable: a client, but which one is not written down."""
        maker = node.func
        if isinstance(maker, ast.Name) and self.syntax.is_local(maker):
            scope = self.syntax.scope(maker).binding(maker.id)
            given = [] if scope is None else self.syntax.assigned(scope, maker.id)
            maker = given[0] if len(given) == 1 else maker
        match maker:
            case ast.Call(func=ast.Name(id="getattr") as called, args=[module, _]):
                is_meant = self.syntax.outside(called) and self.syntax.outside(module) == "boto3"
                return "boto3.client" if is_meant else ""
            case _:
                return ""

    def _handed_on(self, node: ast.Call) -> str:
        """A name that some module gives, which may have a constructor from its library: the program tells."""
        name = self.syntax.outside(node.func)
        head, _, last = name.rpartition(".")
        is_own = head and name not in CONSTRUCTORS and head.partition(".")[0] not in sys.stdlib_module_names
        return name if is_own and last in LAST_NAMES else ""

    def _session(self, owner: ast.expr) -> ast.Call | None:
        """The call that makes a session: the expression itself, or what its variable is bound to, once."""
        match owner:
            case ast.Call(func=function):
                return owner if self.syntax.outside(function) in SESSIONS | LOOP_SESSIONS else None
            case ast.Name(id=name):
                scope = self.syntax.scope(owner).binding(name)
                given = [] if scope is None else self.syntax.assigned(scope, name)
                is_made = len(given) == 1 and isinstance(given[0], ast.Call)
                is_kept = scope is not None and scope.kind == "module"
                is_own = is_kept or (scope is not None and scope is self.syntax.scope(owner).function())
                return self._session(given[0]) if is_made and is_own else None
            case _:
                return None

    def _owner(self, node: ast.Call) -> Owner | None:
        """Where a client is made of a session that stands in a variable: that name, and the session's call."""
        match node.func:
            case ast.Attribute(value=ast.Name() as owner) if self.syntax.is_local(owner):
                session = self._session(owner)
                return None if session is None else Owner(self.syntax.span(owner), self.syntax.span(session))
            case _:
                return None

    def _connection(self, node: ast.Call, name: str) -> Connection:
        return Connection(
            constructor=name,
            text=self.syntax.text(node),
            function=self._function(node),
            place=self.syntax.place(node),
            span=self.syntax.span(node),
            order=self.syntax.span(node).start,
            guards=self.guards.of(node),
            arguments=tuple(self._arguments(node)),
            ending=self._ending(node),
            maker=self.syntax.span(node.func),
            local_imports=tuple(self._local_imports(node)),
            factory=self._factory(node),
            cell=self._cell(node),
            owner=self._owner(node),
            is_dynamic=bool(self._dynamic(node)),
            reading=reading_of(self.syntax, node),
        )

    def _ending(self, node: ast.Call) -> Ending:
        """How it is ended; what is set on the session that a client is made of stays with the client."""
        found = ending_of(self.syntax, self.provenance, node)
        session = self._session(node.func.value) if isinstance(node.func, ast.Attribute) else None
        changes = () if session is None else ending_of(self.syntax, self.provenance, session).changes
        return replace(found, changes=(*changes, *found.changes))

    def setting(self) -> str:
        """The first SQL text of the file that changes the session rather than data."""
        for node in self.syntax.walk.only(ast.Constant, ast.JoinedStr):
            text = "" if isinstance(self.syntax.parents[node], ast.Expr) else _text(node)
            if INSIDE.search(text) or (SETTING.match(text) and not _is_continued(self.syntax.parents, node)):
                return " ".join(text.split())[:40]
        return ""

    def _arguments(self, node: ast.Call) -> Iterator[Argument]:
        session = self._session(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if session is not None:
            yield from (replace(each, is_inherited=True) for each in self._arguments(session))
        partial = self._meant(node.func)[1]
        if partial is not None:
            yield from (replace(each, has_locals=False) for each in [*self._arguments(partial)][1:])
        for position, value in enumerate(node.args):
            name = "*" if isinstance(value, ast.Starred) else str(position)
            yield Argument(name, self._value(value), self._has_locals(value))
        for keyword in node.keywords:
            yield Argument(keyword.arg or "**", self._value(keyword.value), self._has_locals(keyword.value))

    def _value(self, node: ast.expr) -> Value:
        """The value of an argument; `self.region` is what the class gives it, where it does so once."""
        own = self.provenance.value_of(node)
        match node:
            case ast.Attribute(value=owner, attr=attribute) if (name := self.syntax.owner_of(owner)) is not None:
                given = self._attributes.get(f"{name}.{attribute}", [])
                if len(given) == 1 and given[0] is not None:
                    made = self.provenance.value_of(given[0])
                    return replace(own, atoms=made.atoms, type=made.type)
            case _:
                pass
        return own

    @cached_property
    def _attributes(self) -> dict[str, list[ast.expr | None]]:
        """What methods assign to the attributes of their objects; None where that is not one expression."""
        found: dict[str, list[ast.expr | None]] = defaultdict(list)
        for node in self.syntax.walk.only(ast.Attribute):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                owner = self.syntax.owner_of(node.value)
                parent = self.syntax.parents[node]
                given = parent.value if isinstance(parent, (ast.Assign, ast.AnnAssign)) else None
                found[f"{owner}.{node.attr}"].append(given)
        return found

    def _has_locals(self, node: ast.expr) -> bool:
        names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
        return any(self.syntax.is_local(each) and not self._is_local_import(each) for each in names)

    def _is_local_import(self, name: ast.Name) -> bool:
        scope = self.syntax.scope(name).binding(name.id)
        return scope is not None and (scope, name.id) in self.syntax.imports

    def _factory(self, node: ast.Call) -> int | None:
        """Where `def` stands, if the function around it is nothing but `return node`, perhaps with a docstring."""
        statement = self.syntax.parents[node]
        function = self.syntax.parents[statement]
        if not (isinstance(statement, ast.Return) and isinstance(function, ast.FunctionDef)):
            return None
        is_top = isinstance(self.syntax.parents[function], ast.Module)
        is_plain = is_top and not function.decorator_list and ast.unparse(function.args) == ""
        is_only = len(function.body) == 1 or (len(function.body) == 2 and ast.get_docstring(function) is not None)
        return self.syntax.span(function).start if is_plain and is_only else None

    def _local_imports(self, node: ast.Call) -> Iterator[str]:
        """Import statements inside the function that the names of the constructor, or of its session, come from."""
        session = self._session(node.func.value) if isinstance(node.func, ast.Attribute) else None
        for name in (*ast.walk(node), *(ast.walk(session) if session is not None else ())):
            if not isinstance(name, ast.Name):
                continue
            scope = self.syntax.scope(name).binding(name.id)
            if scope is not None and scope.kind == "function" and (scope, name.id) in self.syntax.imports:
                yield _import_text(name.id, self.syntax.imports[scope, name.id])

    def _cell(self, node: ast.Call) -> str:
        """The cell that keeps the connection, where the function stores it."""
        match self.syntax.parents[node]:
            case ast.NamedExpr(target=target):
                return self.subjects.cell(target)
            case ast.Assign(targets=targets):
                bases = (each.value if isinstance(each, ast.Subscript) else each for each in targets)
                return next(filter(None, map(self.subjects.cell, bases)), "")
            case _:
                return ""


def _text(node: ast.AST) -> str:
    """What a text says, with `{}` for what it is told when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(each) if isinstance(each, ast.Constant) else "{}" for each in values)
        case _:
            return ""


def _is_continued(parents: Mapping[ast.AST, ast.AST], node: ast.AST) -> bool:
    """Whether a text is put behind one that is written there and ends no statement: "UPDATE users " + "SET …"."""
    parent = parents[node]
    match parent:
        case ast.BinOp(op=ast.Add(), left=left, right=right) if right is node:
            before = _last_text(left).rstrip()
            return bool(before) and not before.endswith(";")
        case ast.BinOp(left=left) if left is node:
            return _is_continued(parents, parent)
        case ast.Attribute(attr="format") | ast.Call(func=ast.Attribute(attr="format")):
            return _is_continued(parents, parent)
        case ast.JoinedStr(values=pieces):
            before = _text(ast.JoinedStr(pieces[: pieces.index(node)])) if node in pieces else ""
            return bool(before.replace("{}", "").strip()) and not before.rstrip().endswith(";")
        case _:
            return False


def _last_text(node: ast.expr) -> str:
    """What an expression of texts that are added ends with; "" where that is not written there."""
    match node:
        case ast.BinOp(op=ast.Add(), right=right):
            return _last_text(right)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return _last_text(value)
        case ast.JoinedStr(values=[*_, ast.Constant(value=str(text))]):
            return text
        case _:
            return _text(node)


def _import_text(local: str, target: str) -> str:
    module, _, name = target.rpartition(".")
    if not module:
        return f"import {target}" if target == local else f"import {target} as {local}"
    return f"from {module} import {name}" if name == local else f"from {module} import {name} as {local}"


def _client_of(events: ast.expr) -> ast.expr | None:
    """The client of `client.meta.events`, also of a resource: `table.meta.client.meta.events`."""
    match events:
        case ast.Attribute(value=ast.Attribute(value=client, attr="meta"), attr="events"):
            inner = client
            while isinstance(inner, ast.Attribute) and inner.attr in ("client", "meta"):
                inner = inner.value
            return inner
        case _:
            return None
