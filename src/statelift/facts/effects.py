"""A call and one of its arguments -> the path that it is, and where the other arguments come from."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from statelift.catalogue.files import Effect, Role
from statelift.facts.paths import Paths
from statelift.facts.pieces import may_be_temporary
from statelift.facts.provenance import Provenance
from statelift.facts.shelves import Deeds
from statelift.facts.syntax import Syntax
from statelift.facts.values import Atom
from statelift.model import Span

OPEN_OPTIONS = frozenset({"mode", "encoding", "newline", "errors"})


@dataclass(frozen=True, slots=True)
class Found:
    """One effect of a call, before its place and guards are told. The fields are those of FileEffect."""

    effect: Effect
    api: str
    path: str
    named: ast.expr | None = None
    mode: str = ""
    written: frozenset[Atom] = frozenset()
    source: str = ""
    is_rewritable: bool = False
    joint: Span | None = None
    keeper: str = ""
    is_closed: bool = True
    deeds: Deeds = frozenset()
    through: str = ""
    content: ast.expr | None = None


class Arguments:
    """Answers what the arguments of calls mean as paths and as content."""

    def __init__(self, syntax: Syntax, provenance: Provenance, paths: Paths) -> None:
        self.syntax = syntax
        self.provenance = provenance
        self.paths = paths

    def path(self, node: ast.Call, role: Role) -> tuple[ast.expr | None, str | None]:
        """The argument that is the path, and its pattern: None where it is none, or none below /tmp."""
        given = argument(node, role.position, role.keyword)
        path = None if given is None else self.paths.path_of(given)
        if path is not None and is_relative(path):
            path = f"<cwd>/{path}"
        return given, path if path is not None and may_be_temporary(path) else None

    def base(self, owner: ast.expr) -> str:
        """The pattern of the `pathlib.Path` that a method is called on, otherwise ""."""
        path = self.paths.path_of(owner) or ""
        if is_relative(path) and not isinstance(owner, ast.Constant):
            path = f"<cwd>/{path}"
        return path if may_be_temporary(path) else ""

    def content(self, node: ast.Call, role: Role) -> frozenset[Atom]:
        """Sources of what a call writes: its other arguments, and the call itself."""
        if role.effect not in ("write", "fill"):
            return frozenset()
        others = [each for index, each in enumerate(node.args) if index != role.position]
        return self.atoms(others) | {Atom("call", self.syntax.dotted(node.func))}

    def atoms(self, nodes: Sequence[ast.expr]) -> frozenset[Atom]:
        """Sources of these expressions."""
        return frozenset[Atom]().union(*(self.provenance.value_of(each).atoms for each in nodes))


def argument(node: ast.Call, position: int, keyword: str = "") -> ast.expr | None:
    """The argument of a call, by position or else by keyword."""
    if len(node.args) > position:
        return node.args[position]
    return next((each.value for each in node.keywords if each.arg and each.arg == keyword), None)


def is_relative(path: str) -> bool:
    """Whether a path starts in the working folder: its first part is known."""
    return bool(path) and path[0] not in "/<{" and "://" not in path


def method_name(node: ast.Call) -> str:
    """The name of the method or function that is called, without what it belongs to."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def is_false(node: ast.Call, name: str, position: int, *, default: bool) -> bool:
    """Whether a flag of a call is `False`; `default` is what it is where it is not given."""
    given = argument(node, position, name)
    return not default if given is None else ast.unparse(given) == "False"
