"""An expression -> the file path that it denotes, as a pattern with `{text}` for what is not known."""

import ast
import re
from collections import defaultdict
from functools import cached_property

from statelift.catalogue.files import NEW_NAMES, SUFFIXES
from statelift.facts.asking import answered_once
from statelift.facts.callees import callee_of, is_kept_in_s3, may_be_own
from statelift.facts.freshness import Freshness
from statelift.facts.pieces import (
    MARKERS,
    TEMPORARY,
    fresh_per_object,
    joined,
    may_be_temporary,
    one_of,
    parent,
    piece,
    remembered,
    without_suffix,
)
from statelift.facts.scopes import Scope, parameter_names
from statelift.facts.syntax import MODULE, Syntax, pairs_of
from statelift.facts.walk import below

DEPTH = 8
JOINS = frozenset({"os.path.join", "posixpath.join"})
WRAPPERS = frozenset(
    """pathlib.Path pathlib.PurePath pathlib.PosixPath pathlib.PurePosixPath str os.fspath os.path.abspath
    os.path.normpath os.path.realpath os.path.expanduser os.path.expandvars""".split()
)
FOLDERS = frozenset({"tempfile.gettempdir", "tempfile.gettempdirb"})
PAIRS = frozenset({"tempfile.mkstemp"})  # they give a number and the path
SAME = frozenset({"resolve", "absolute", "as_posix", "expanduser", "__str__", "rstrip", "strip"})
LISTINGS = frozenset({"iterdir", "glob", "rglob"})
GLOBS = frozenset({"glob.glob", "glob.iglob"})
SORTERS = frozenset({"sorted", "list", "set", "reversed", "tuple", "iter"})


class Paths:
    """Answers `path_of` for the expressions of one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.freshness = Freshness(syntax)

    def pattern(self, node: ast.expr) -> str:
        """The pattern of a path below /tmp, otherwise ""."""
        path = self.path_of(node)
        return path if path is not None and may_be_temporary(path) else ""

    @answered_once
    def part(self, node: ast.expr) -> str:
        """The text of an expression as a part of some path: a pattern in any case."""
        return self._plain_piece(node, DEPTH)

    @answered_once  # attributes that are assigned from one another would be followed on exponentially many ways
    def path_of(self, node: ast.expr, depth: int = DEPTH) -> str | None:
        """The path, or None where the expression is not known to be one."""
        if depth == 0:
            return None
        match node:
            case ast.Constant(value=str(text)):
                return text if not text.startswith("//") else f"/{text.lstrip('/')}"
            case ast.JoinedStr(values=values):
                return self._concatenated(values, depth)
            case ast.FormattedValue(value=value):
                return self._piece(value, depth) if node.format_spec is None else self._unknown(node)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self._concatenated([left, right], depth)
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                return self._joined([left, right], depth)
            case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(text)), right=right):
                return re.sub(r"%[-#0 +.\d]*[a-zA-Z]", lambda _: self._unknown(right), text)
            case ast.BoolOp(op=ast.Or(), values=[first, last]):
                return self._variable(first, last, depth) or self.path_of(last, depth - 1)
            case ast.IfExp(body=body, orelse=orelse):
                return one_of({self.path_of(body, depth - 1), self.path_of(orelse, depth - 1)})
            case ast.NamedExpr(value=value):
                return self.path_of(value, depth - 1)
            case ast.Call(func=function, args=arguments):
                return self._call(node, self.syntax.dotted(function), arguments, depth)
            case ast.Name(id=name):
                return self._name(node, name, depth)
            case ast.Attribute():
                return self._attribute(node, depth)
            case ast.Subscript(value=value, slice=ast.Constant(value=key)):
                return self._part(value, key)
            case _:
                return None

    # ------------------------------------------------------------ calls

    def _call(self, node: ast.Call, name: str, arguments: list[ast.expr], depth: int) -> str | None:
        match name:
            case _ if name in JOINS or (name in WRAPPERS and arguments):
                return self._joined(arguments, depth)
            case _ if name in FOLDERS:
                return TEMPORARY
            case _ if name in NEW_NAMES:
                return self._new(node, depth)
            case "os.getenv" | "os.environ.get" if arguments:
                return self._variable(node, arguments[1] if len(arguments) > 1 else None, depth)
            case "os.path.dirname" if arguments:
                return parent(self.path_of(arguments[0], depth - 1))
            case "shutil.make_archive" if len(arguments) >= 2:
                return self._archive(arguments, depth)
            case _:
                return self._method(node, depth)

    def _variable(self, node: ast.expr, default: ast.expr | None, depth: int) -> str | None:
        """What a variable of the environment says, as far as templates tell; `default` where they do not."""
        name = environment_name(self.syntax, node)
        path = "" if default is None else self.path_of(default, depth - 1)
        return None if not name or path is None or ">" in path else f"<env {name}|{path}>"

    def _new(self, node: ast.Call, depth: int) -> str | None:
        """A new name, in /tmp unless the call says where."""
        given = next((each.value for each in node.keywords if each.arg == "dir"), None)
        is_elsewhere = given is not None and not (isinstance(given, ast.Constant) and given.value is None)
        folder = self.path_of(given, depth - 1) if given is not None and is_elsewhere else TEMPORARY
        where = f"{self.syntax.function(node)}:{node.lineno}:{node.col_offset}"
        mark = "!" if self.syntax.function(node) != MODULE else "~"
        name = piece(self.syntax.dotted(node.func), where, mark)
        return None if folder is None else f"{folder}/{name}"

    def _archive(self, arguments: list[ast.expr], depth: int) -> str | None:
        base, kind = self.path_of(arguments[0], depth - 1), arguments[1]
        suffix = SUFFIXES.get(str(kind.value)) if isinstance(kind, ast.Constant) else None
        return base if base is None or suffix is None else base + suffix

    def _method(self, node: ast.Call, depth: int) -> str | None:
        match node.func, node.args:
            case ast.Attribute(value=base, attr="joinpath"), arguments:
                return self._joined([base, *arguments], depth)
            case ast.Attribute(value=ast.Constant(value=str(text)), attr="format"), _:
                return re.sub(r"\{[^{}]*\}", lambda _: self._unknown(node), text)
            case ast.Attribute(attr="strftime"), [ast.Constant(value=str(text)), *_]:
                return re.sub(r"(%[-\w])+", lambda _: self._unknown(node), text)
            case ast.Attribute(value=base, attr="with_name"), [name]:
                folder = parent(self.path_of(base, depth - 1))
                return None if folder is None else f"{folder}/{self._plain_piece(name, depth)}"
            case ast.Attribute(value=base, attr="with_suffix"), [suffix]:
                stem = without_suffix(self.path_of(base, depth - 1))
                return None if stem is None else stem + self._plain_piece(suffix, depth)
            case ast.Attribute(value=base, attr=attribute), _ if attribute in SAME:
                return self.path_of(base, depth - 1)
            case _:
                return self._made(node)

    def _made(self, node: ast.Call) -> str | None:
        """What a function of the program may return; the generated store gives scratch."""
        if is_kept_in_s3(self.syntax, node):
            return None
        callee = callee_of(self.syntax, node)
        is_own = bool(callee) and may_be_own(self.syntax, node, callee)
        return f"<call {callee}|{self.syntax.span(node).end}>" if is_own else None

    # ------------------------------------------------------------ names

    def _name(self, node: ast.Name, name: str, depth: int) -> str | None:
        scope = self.syntax.scope(node).binding(name)
        if scope is None:
            return None
        given, is_open = self.syntax.reaching(scope, node)
        imported = self.syntax.imports.get((scope, name))
        if imported and not given:
            return f"<import {imported}>"
        if is_open and name in parameter_names(scope.node):
            return f"<param {scope.qualname}:{name}>" if not given else None
        is_remembered = scope.function() is not self.syntax.scope(node).function()
        if is_remembered and len(given) > 1:
            return self._remembered(given, depth)
        path = one_of({self._assigned(each, depth) for each in given})
        return path if path is None or not is_remembered else remembered(path)

    def _remembered(self, given: list[ast.expr], depth: int) -> str | None:
        """The path that a variable of the module is given, where that is one (and None where there is none)."""
        path = one_of({self._assigned(each, depth) for each in given if not _is_nothing(each)})
        return None if path is None else remembered(path)

    def _assigned(self, value: ast.expr, depth: int) -> str | None:
        if isinstance(value, ast.Name) and isinstance(value.ctx, ast.Store):
            return self._listed(value, depth)
        return self.path_of(value, depth - 1)

    def _listed(self, target: ast.Name, depth: int) -> str | None:
        """`for path in folder.iterdir()`: some file of the folder. `number, path = tempfile.mkstemp()`."""
        match self.syntax.parents[target]:
            case ast.For(iter=source) | ast.comprehension(iter=source):
                folder = self._folder(source, depth)
                return None if folder is None else f"{folder}/{self._unknown(target)}"
            case ast.Tuple(elts=[_, second]) if second is target:
                statement = self.syntax.statement(target)
                call = statement.value if isinstance(statement, ast.Assign) else None
                is_pair = isinstance(call, ast.Call) and self.syntax.dotted(call.func) in PAIRS
                return self.path_of(call, depth - 1) if is_pair and call is not None else None
            case _:
                return None

    def _folder(self, source: ast.expr, depth: int) -> str | None:
        """The folder that is listed, where the elements are paths (and not mere names)."""
        match source:
            case ast.IfExp(body=body):
                return self._folder(body, depth)
            case ast.GeneratorExp(generators=[ast.comprehension(iter=inner)]):
                return self._folder(inner, depth)
            case ast.ListComp(elt=ast.Name(id=name), generators=[ast.comprehension(ast.Name(id=each), inner)]):
                return self._folder(inner, depth) if name == each else None
            case ast.Call(func=ast.Name(id=name), args=[inner, *_]) if name in SORTERS:
                return self._folder(inner, depth)
            case ast.Call(func=function, args=[given, *_]) if self.syntax.outside(function) in GLOBS:
                return parent(self.path_of(given, depth - 1))
            case ast.Call(func=ast.Attribute(value=base, attr=method)) if method in LISTINGS:
                return self.path_of(base, depth - 1)
            case ast.Name() if depth > 0:
                scope = self.syntax.scope(source).binding(source.id)
                reached, is_open = ([], True) if scope is None else self.syntax.reaching(scope, source)
                return self._folder(reached[0], depth - 1) if len(reached) == 1 and not is_open else None
            case _:
                return None

    def _entry(self, node: ast.expr, depth: int) -> str | None:
        """The path of an entry of a folder: `for entry in os.scandir(folder)`."""
        match self._only(node):
            case ast.Name() as target if isinstance(target.ctx, ast.Store):
                loop = self.syntax.parents[target]
                source = loop.iter if isinstance(loop, (ast.For, ast.comprehension)) else target
                return self._scanned(source, self._unknown(node), depth)
            case _:
                return None

    def _scanned(self, source: ast.expr, name: str, depth: int) -> str | None:
        match self._only(source) or source:
            case ast.Call(func=function, args=[given]) if self.syntax.outside(function) == "os.scandir":
                folder = self.path_of(given, depth - 1)
                return None if folder is None else f"{folder}/{name}"
            case _:
                return None

    def _only(self, node: ast.expr) -> ast.expr | None:
        """The one thing that is assigned to a variable; the target itself where it is what a loop goes through."""
        scope = self.syntax.scope(node).binding(node.id) if isinstance(node, ast.Name) else None
        given = self.syntax.assigned(scope, node.id) if scope is not None and isinstance(node, ast.Name) else []
        return given[0] if len(given) == 1 else None

    def _attribute(self, node: ast.Attribute, depth: int) -> str | None:
        if node.attr == "parent":
            return parent(self.path_of(node.value, depth - 1))
        owner = self.syntax.owner_of(node.value)
        if owner is not None:
            given = self._stored[owner, node.attr]
            found = {self.path_of(each, depth - 1) for each in given if not _is_nothing(each)}
            path = one_of(found) if found else f"<import {owner}.{node.attr}>"
            return None if path is None else fresh_per_object(path, owner)
        if node.attr == "path" and (path := self._entry(node.value, depth)):
            return path
        if node.attr == "name" and (path := self._of_object(node.value, depth)):
            return path
        dotted = self.syntax.dotted(node)
        return f"<import {dotted}>" if dotted and not self._is_variable(node) else None

    def _of_object(self, node: ast.expr, depth: int) -> str | None:
        """`folder.name`, where the variable holds a new temporary file or folder."""
        path = self.path_of(node, depth - 1)
        is_new = path is not None and path.rpartition("/")[2].startswith("{tempfile.")
        return path if is_new else None

    def _part(self, owner: ast.expr, key: object) -> str | None:
        """`PATHS["queue"]`: what a constant holds, the linked program knows. `tempfile.mkstemp()[1]`."""
        if self.syntax.dotted(owner) == "os.environ":
            return f"<env {key}|>"
        if key == 1 and isinstance(owner, ast.Call) and self.syntax.dotted(owner.func) in PAIRS:
            return self.path_of(owner)
        dotted = self.syntax.dotted(owner)
        is_constant = bool(dotted) and isinstance(owner, (ast.Name, ast.Attribute)) and isinstance(key, str)
        is_local = isinstance(owner, ast.Name) and self.syntax.is_local(owner)
        return f"<import {dotted}.{key}>" if is_constant and not is_local else None

    def _is_variable(self, node: ast.Attribute) -> bool:
        head: ast.expr = node
        while isinstance(head, ast.Attribute):
            head = head.value
        is_import = bool(self.syntax.outside(node))
        return isinstance(head, ast.Name) and self.syntax.is_local(head) and not is_import

    @cached_property
    def _stored(self) -> defaultdict[tuple[str, str], list[ast.expr]]:
        """What methods assign to the attributes of their object; a node that is itself the target: unknown."""
        found: defaultdict[tuple[str, str], list[ast.expr]] = defaultdict(list)
        for node in self.syntax.walk.only(ast.Assign, ast.AnnAssign):
            match node:
                case ast.Assign(targets=targets, value=value):
                    pairs = [pair for target in targets for pair in pairs_of(target, value)]
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    pairs = [(target, value)]
                case _:
                    pairs = []
            for stored, given in pairs:
                owner = self.syntax.owner_of(stored.value) if isinstance(stored, ast.Attribute) else None
                if isinstance(stored, ast.Attribute) and owner is not None:
                    found[owner, stored.attr].append(given)
        return found

    # ------------------------------------------------------------ pieces

    def _piece(self, node: ast.expr, depth: int) -> str:
        return self.path_of(node, depth - 1) or self._unknown(node)

    def _plain_piece(self, node: ast.expr, depth: int) -> str:
        """Only the first piece may be looked up in the linked program: `<param …>` inside a path is unknown."""
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            node = node.value
        found = self._piece(node, depth)
        return self._unknown(node) if found.startswith(MARKERS) else found

    def _pieces(self, nodes: list[ast.expr], depth: int) -> list[str]:
        return [
            self._plain_piece(node, depth) if number else self._piece(node, depth)
            for number, node in enumerate(nodes)
        ]

    def _unknown(self, node: ast.expr) -> str:
        """A piece that only stands for the same text where the same variables hold the same values."""
        names = [each for each in below(node) if isinstance(each, ast.Name) and self.syntax.is_local(each)]
        where = self.syntax.function(node) if names else ""
        if not all(self._is_fixed(name) for name in names):
            where += f":{node.lineno}:{node.col_offset}"
        mark = "!" if self.syntax.function(node) != MODULE else "~"
        return piece(self.syntax.text(node), where, mark if self.freshness.is_fresh(node) else "")

    def _is_fixed(self, name: ast.Name) -> bool:
        scope = self.syntax.scope(name).binding(name.id)
        return scope is None or self._binding_count(scope, name.id) <= 1

    def _binding_count(self, scope: Scope, name: str) -> int:
        return len(self.syntax.assigned(scope, name)) + (name in parameter_names(scope.node))

    def _concatenated(self, nodes: list[ast.expr], depth: int) -> str:
        return "".join(self._pieces(nodes, depth))

    def _joined(self, nodes: list[ast.expr], depth: int) -> str | None:
        if not nodes or any(isinstance(node, ast.Starred) for node in nodes):
            return None
        return joined(self._pieces(nodes, depth))


def environment_name(syntax: Syntax, node: ast.expr) -> str:
    """The variable that `os.environ[NAME]`, `os.environ.get(NAME)` or `os.getenv(NAME)` asks for, or ""."""
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
            return name if syntax.dotted(value) == "os.environ" else ""
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
            return name if syntax.dotted(function) in ("os.getenv", "os.environ.get") else ""
        case _:
            return ""


def _is_nothing(node: ast.expr) -> bool:
    """`None` or an empty text: no path yet."""
    return isinstance(node, ast.Constant) and not node.value
