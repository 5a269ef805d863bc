"""The cells of a module and every use of them."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace

from statelift.facts.editing import alias_of, is_editable
from statelift.facts.fates import fates_of, steers
from statelift.facts.guards import Guards
from statelift.facts.operations import Operation, operation_of
from statelift.facts.paths import Paths
from statelift.facts.provenance import Provenance
from statelift.facts.subjects import Subjects
from statelift.facts.syntax import MODULE, Syntax
from statelift.facts.values import Access, Cell, CellKind, GlobalStatement
from statelift.model import Span

CONTAINERS: dict[str, CellKind] = {"dict": "dict", "list": "list", "set": "set", "collections.OrderedDict": "call"}
IGNORED = frozenset({*sys.stdlib_module_names, "boto3", "botocore"})
WRITES = frozenset({"put", "rebind", "augment", "augment_key", "delete", "nested", "unpacked"})  # evaluated last
NOT_AN_ACCESS = frozenset({"call"})


def cells_of(syntax: Syntax, provenance: Provenance, paths: Paths) -> list[Cell]:
    """Module-level names and attributes of module-level classes that are assigned a value."""
    found: dict[str, Cell] = {}
    for node in syntax.nodes:
        for name, value in _definitions(syntax, node):
            old = found.get(name)
            cell = _cell(syntax, provenance, paths, name, node, value)
            if old is not None:
                cell = replace(old, definition_count=old.definition_count + 1)
            found[name] = cell
    return list(found.values())


def _definitions(syntax: Syntax, node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            named = [target for target in targets if isinstance(target, ast.Name)]
            given = value if len(named) == len(targets) == 1 else None
        case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
            named, given = [target], value
        case _:
            return
    for target in named:
        scope = syntax.scope(target)
        if scope.kind == "module":
            yield target.id, given
        elif scope.kind == "class" and scope.parent is not None and scope.parent.kind == "module":
            yield f"{scope.qualname}.{target.id}", given


def _cell(
    syntax: Syntax, provenance: Provenance, paths: Paths, name: str, node: ast.AST, value: ast.expr | None
) -> Cell:
    assert isinstance(node, (ast.Assign, ast.AnnAssign))
    callee = syntax.dotted(value.func) if isinstance(value, ast.Call) else ""
    owner = syntax.parents[node]
    is_top = isinstance(owner, ast.Module) or (
        isinstance(owner, ast.ClassDef) and isinstance(syntax.parents[owner], ast.Module)
    )
    known = None if value is None else provenance.value_of(value)
    kind = _kind(value, callee)
    file = "" if value is None else paths.pattern(value)
    return Cell(
        name, kind, syntax.place(node), known, 1, syntax.span(node), whole_line(syntax, node), callee, is_top, file
    )


def _kind(value: ast.expr | None, callee: str) -> CellKind:
    match value:
        case ast.Dict() | ast.DictComp():
            return "dict"
        case ast.List() | ast.ListComp():
            return "list"
        case ast.Set() | ast.SetComp():
            return "set"
        case ast.Constant(value=None):
            return "none"
        case ast.Constant(value=bool()):
            return "bool"
        case ast.Constant(value=int()):
            return "int"
        case ast.Constant(value=float()):
            return "number"
        case ast.Constant(value=str()):
            return "text"
        case ast.Call(args=[], keywords=[]) if callee in CONTAINERS:
            return CONTAINERS[callee]
        case ast.Call():
            return "call"
        case _:
            return "other"


class Accesses:
    """Collects the uses of cells in one module."""

    def __init__(self, syntax: Syntax, provenance: Provenance, subjects: Subjects, guards: Guards) -> None:
        self.syntax = syntax
        self.provenance = provenance
        self.subjects = subjects
        self.guards = guards
        self._shadowed = frozenset(self._instance_attributes())

    def _instance_attributes(self) -> Iterator[str]:
        """Class attributes that methods also assign on `self`: what they read is the instance's own."""
        for node in self.syntax.nodes:
            match node:
                case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
                    yield self.subjects.cell(node)
                case _:
                    pass

    def collect(self) -> Iterator[Access]:
        """Every use, in no particular order."""
        for node in self.syntax.nodes:
            if isinstance(node, (ast.Name, ast.Attribute)):
                subject = self.subjects.cell(node)
                if subject and self._is_interesting(node, subject):
                    yield from self._access(node, subject)

    def _is_interesting(self, node: ast.Name | ast.Attribute, subject: str) -> bool:
        head = subject.partition(".")[0]
        if head in IGNORED and subject not in self.subjects.cells:
            return False
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and self._is_definition(node):
            return False
        return subject not in self._shadowed

    def _is_definition(self, node: ast.Name) -> bool:
        statement = self.syntax.statement(node)
        is_plain = isinstance(statement, (ast.Assign, ast.AnnAssign))
        return (
            is_plain
            and self.syntax.function(node) == MODULE
            and self.syntax.scope(node).kind in ("module", "class")
        )

    def _access(self, node: ast.Name | ast.Attribute, subject: str) -> Iterator[Access]:
        operation = operation_of(self.syntax, node)
        if operation.op not in NOT_AN_ACCESS:
            yield self._made(node, subject, operation)

    def _made(self, node: ast.Name | ast.Attribute, subject: str, operation: Operation) -> Access:
        value_of = self.provenance.value_of
        statement = self.syntax.statement(node)
        whole = operation.whole
        return Access(
            subject=subject,
            op=operation.op,
            function=self.syntax.function(node),
            place=self.syntax.place(node),
            span=self.syntax.span(whole),
            name=self.syntax.span(node),
            statement=self.syntax.span(statement),
            order=self.syntax.span(whole).end if operation.op in WRITES else self.syntax.span(node).start,
            guards=self.guards.of(node),
            key=None if operation.key is None else value_of(operation.key),
            value=None if operation.value is None else value_of(operation.value),
            default=None if operation.default is None else value_of(operation.default),
            operator=operation.operator,
            fates=self._fates(operation),
            is_editable=operation.op == "nested" and is_editable(self.syntax, operation, statement),
            alias=alias_of(self.syntax, operation),
            is_attribute=isinstance(node, ast.Attribute),
            is_statement=isinstance(whole, ast.stmt) or isinstance(self.syntax.parents[whole], ast.Expr),
        )

    def _fates(self, operation: Operation) -> frozenset[str]:
        if operation.result is None:
            return frozenset()
        found = fates_of(self.syntax, operation.result)
        is_decisive = operation.op == "truth" and steers(self.syntax, operation.result)
        return found | {"decides"} if is_decisive else found


def unbound_accesses(syntax: Syntax, accesses: Accesses, cells: frozenset[str]) -> Iterator[Access]:
    """`n += 1` in a function without `global n`, where the module has an `n`: always UnboundLocalError."""
    for node in syntax.nodes:
        match node:
            case ast.AugAssign(target=ast.Name(id=name) as target) if name in cells:
                scope = syntax.scope(target).binding(name)
                if scope is None or scope.kind != "function":
                    continue
                others = [each for each in syntax.assigned(scope, name) if each is not target]
                if not others and not _is_parameter(scope.node, name):
                    yield accesses._made(target, name, operation_of(syntax, target))
            case _:
                pass


def _is_parameter(function: ast.AST, name: str) -> bool:
    match function:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            return any(each is not None and each.arg == name for each in every)
        case _:
            return False


def global_statements(syntax: Syntax) -> Iterator[GlobalStatement]:
    """`global` statements, and whether their line holds nothing else."""
    for node in syntax.nodes:
        if isinstance(node, ast.Global):
            line = whole_line(syntax, node)
            owner = syntax.parents[node]
            is_alone = len(getattr(owner, "body", [])) > 1 and line is not None
            yield GlobalStatement(
                syntax.function(node), tuple(node.names), line or syntax.span(node), is_removable=is_alone
            )


def whole_line(syntax: Syntax, node: ast.stmt) -> Span | None:
    """The statement's lines with their line end, where they hold nothing else (not even a comment)."""
    parsed = syntax.parsed
    span = syntax.span(node)
    last = node.end_lineno or node.lineno
    start = parsed.line_starts[node.lineno - 1]
    following = parsed.line_starts[last] if last < len(parsed.line_starts) else len(parsed.data)
    around = parsed.data[start : span.start] + parsed.data[span.end : following]
    return Span(start, following) if not around.strip() else None
