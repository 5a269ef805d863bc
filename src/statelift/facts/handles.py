"""An opened file -> what is written through it, whether it is a plain stream, and what keeps it open."""

import ast
from collections.abc import Sequence

from statelift.facts.provenance import Provenance
from statelift.facts.syntax import Syntax
from statelift.facts.values import Atom

NEEDS_A_FILE = ("subprocess.", "os.", "fcntl.", "mmap.", "numpy.memmap", "numpy.fromfile", "shelve.", "asyncio.")
READING = frozenset({"read", "readline", "readlines", "readinto", "seek", "__next__"})
NEEDED = frozenset({"fileno", "name", "truncate", "isatty"})
CONTAINER = "*"  # a cell of the module keeps the handle


class Handles:
    """Answers questions on the objects that `open` and its like give."""

    def __init__(self, syntax: Syntax, provenance: Provenance) -> None:
        self.syntax = syntax
        self.provenance = provenance

    def written(self, node: ast.Call) -> frozenset[Atom]:
        """Sources of everything that is passed to calls together with the file handle."""
        return frozenset[Atom]().union(*(self._given_with(each) for each in self.uses(node)))

    def is_plain(self, node: ast.Call) -> bool:
        """Whether the handle is only read, written and closed: nothing needs a real file behind it."""
        return not any(self._needs_a_file(each) for each in self.uses(node))

    def is_closed(self, node: ast.Call) -> bool:
        """Whether the function closes what it opens, or gives it to one that may: it is not left to be dropped."""
        parent = self.syntax.parents[node]
        used = [self.syntax.parents[each] for each in self.uses(node) if each is not node]
        is_entered = isinstance(parent, (ast.withitem, ast.Return)) or any(
            isinstance(each, (ast.withitem, ast.Return)) for each in used
        )
        is_given = isinstance(parent, ast.Call) and self.syntax.dotted(parent.func) == "contextlib.closing"
        is_ended = any(isinstance(each, ast.Attribute) and each.attr == "close" for each in used)
        return is_entered or is_given or is_ended

    def only_call(self, node: ast.Call) -> tuple[str, ast.expr | None]:
        """The one call that the handle is used by, `json.dump` or `.write`, and what it is given beside it."""
        uses = self.uses(node)
        parent = self.syntax.parents[uses[0]] if len(uses) == 1 and uses[0] is not node else None
        match parent:
            case ast.Call(args=[content, handle]) if handle is uses[0]:
                return self.syntax.outside(parent.func), content
            case ast.Call(args=[handle]) if handle is uses[0]:
                return self.syntax.outside(parent.func), None
            case ast.Attribute(attr=method):
                call = self.syntax.parents[parent]
                is_called = isinstance(call, ast.Call) and call.func is parent and not call.keywords
                given = call.args if isinstance(call, ast.Call) else []
                return (f".{method}", next(iter(given), None)) if is_called and len(given) <= 1 else ("", None)
            case _:
                return "", None

    def asks_where(self, node: ast.Call) -> bool:
        """Whether the position in the file is asked for or set."""
        used = [self.syntax.parents[each] for each in self.uses(node)]
        return any(isinstance(each, ast.Attribute) and each.attr in ("tell", "seek") for each in used)

    def descriptor_kind(self, node: ast.Call) -> str | None:
        """How a descriptor is written to: `b` by os.write, "" as the text file that os.fdopen makes of it.

        None where it is used in another way.
        """
        uses = self.uses(node)
        scope = (
            None if uses == [node] else self.syntax.scope(uses[0]).binding(ast.unparse(uses[0])) if uses else None
        )
        if scope is not None and len(self.syntax.assigned(scope, ast.unparse(uses[0]))) != 1:
            return None
        used = [self.syntax.parents[each] for each in uses]
        match used:
            case [ast.Call(args=[_, ast.Constant(value="w" | "wb" as mode)], keywords=[]) as call] if (
                self.syntax.outside(call.func) == "os.fdopen"
            ):
                return mode[1:] if self.is_plain(call) else None
            case [ast.Expr()]:
                return "b"
            case _:
                return "b" if all(map(self._is_plain_use, used)) else None

    def _is_plain_use(self, parent: ast.AST) -> bool:
        """Whether a descriptor is closed, or bytes are written to it."""
        if not isinstance(parent, ast.Call) or parent.keywords:
            return False
        wanted = {"os.close": 1, "os.write": 2}.get(self.syntax.outside(parent.func), 0)
        return len(parent.args) == wanted and isinstance(parent.func, ast.Attribute)

    def is_read(self, node: ast.Call) -> bool:
        """Whether what was in the file before is read through the handle."""
        used = [self.syntax.parents[each] for each in self.uses(node)]
        return any(not isinstance(each, ast.Attribute) or each.attr in READING for each in used)

    def keeper(self, node: ast.Call) -> str:
        """What keeps the handle open: the class of the object that holds it, "*" for a cell, or ""."""
        match self.syntax.parents[node]:
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
                return self._holder(target)
            case _:
                return ""

    def _holder(self, target: ast.expr) -> str:
        match target:
            case ast.Name():
                return "" if self.syntax.is_local(target) else CONTAINER
            case ast.Attribute(value=owner):
                return self.syntax.owner_of(owner) or CONTAINER
            case _:
                return CONTAINER

    def uses(self, node: ast.Call) -> Sequence[ast.expr]:
        """The places where the handle is used: loads of its variable, or the call itself."""
        name = self._name(node)
        scope = None if name is None else self.syntax.scope(name).binding(name.id)
        if name is None or scope is None:
            return [node]
        return self.syntax.loads_after(name, scope)

    def _name(self, node: ast.Call) -> ast.Name | None:
        match self.syntax.parents[node]:
            case ast.withitem(optional_vars=ast.Name() as name):
                return name
            case ast.Assign(targets=[ast.Name() as name]) | ast.NamedExpr(target=ast.Name() as name):
                return name
            case _:
                return None

    def _given_with(self, handle: ast.expr) -> frozenset[Atom]:
        parent = self.syntax.parents[handle]
        match parent:
            case ast.Call(args=arguments) if handle in arguments:
                return self._atoms([each for each in arguments if each is not handle])
            case ast.Attribute():
                call = self.syntax.parents[parent]
                return self._atoms(call.args) if isinstance(call, ast.Call) else frozenset()
            case ast.withitem(optional_vars=None) | ast.Expr():
                return frozenset()
            case _:
                return frozenset({Atom("opaque")})

    def _needs_a_file(self, handle: ast.expr) -> bool:
        match self.syntax.parents[handle]:
            case ast.Attribute(attr=attribute):
                return attribute in NEEDED
            case ast.Call(func=function):
                return self.syntax.dotted(function).startswith(NEEDS_A_FILE)
            case ast.keyword() as keyword:
                call = self.syntax.parents[keyword]
                return isinstance(call, ast.Call) and self.syntax.dotted(call.func).startswith(NEEDS_A_FILE)
            case _:
                return False

    def _atoms(self, nodes: Sequence[ast.expr]) -> frozenset[Atom]:
        return frozenset[Atom]().union(*(self.provenance.value_of(each).atoms for each in nodes))
