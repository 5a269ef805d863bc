"""A module's tree and its cells -> every use of them."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace

from statelift.facts.cells import defaults_of, whole_line
from statelift.facts.checking import check_of
from statelift.facts.editing import alias_of, is_editable
from statelift.facts.fates import fates_beside, fates_of, fates_of_copy, fates_of_variable, renews, steers
from statelift.facts.finding import found_of
from statelift.facts.guards import Guards
from statelift.facts.logs import is_logged
from statelift.facts.operations import Operation, operation_of
from statelift.facts.provenance import Provenance
from statelift.facts.scopes import FUNCTIONS, names_bound
from statelift.facts.settings import setting_of
from statelift.facts.subjects import LOGGER, PROCESS, Subjects
from statelift.facts.syntax import MODULE, Syntax
from statelift.facts.values import Access, GlobalStatement

BY_NAME = frozenset({"getattr", "setattr", "delattr", "hasattr"})
IGNORED = frozenset({*sys.stdlib_module_names, "boto3", "botocore"})
WRITES = frozenset({"put", "rebind", "augment", "augment_key", "delete", "nested", "unpacked"})  # evaluated last
COPIES = frozenset({"copy", "slice", "made", "len", "items", "keys", "values"})  # they give a new object
VIEWED = frozenset({"read", "truth", "escape", "attribute", "unknown:isoformat", "unknown:strftime"})
CALLED = "unknown:__call__"
NOT_AN_ACCESS = frozenset({"call"})


class Accesses:
    """Collects the uses of cells in one module."""

    def __init__(
        self,
        syntax: Syntax,
        provenance: Provenance,
        subjects: Subjects,
        guards: Guards,
        called: frozenset[str] = frozenset(),
    ) -> None:
        """`called` are the cells of which a call is a use: bound methods, partial functions."""
        self.called = called
        self.syntax = syntax
        self.provenance = provenance
        self.subjects = subjects
        self.guards = guards

    def collect(self) -> Iterator[Access]:
        """Every use, in no particular order."""
        for node in self.syntax.walk.only(ast.Name, ast.Attribute, ast.Call):
            setting = setting_of(self.syntax, node)
            if setting is not None:
                yield self._made(node, *setting)
            match node:
                case ast.Name() | ast.Attribute():
                    subject = self.subjects.cell(node)
                    if subject and self._is_interesting(node, subject):
                        yield from self._access(node, subject)
                case ast.Call(func=ast.Name(id=called), args=[owner, ast.Constant(value=str(name)), *rest]):
                    if called in BY_NAME and (subject := self.subjects.member(owner, name)):
                        yield self._made(node, subject, _by_name(called, node, rest))
                case ast.Call(func=ast.Name(id="globals") as called, args=[]):
                    if self.syntax.outside(called):
                        yield self._of_names(node)
                case ast.Call(func=called) if isinstance(self.syntax.parents[node], ast.Attribute):
                    if self.syntax.outside(called) == "logging.getLogger":
                        yield self._made(node, LOGGER, operation_of(self.syntax, node))
                case _:
                    pass
        yield from self._captures()

    def _of_names(self, node: ast.Call) -> Access:
        """`globals()["hits"]` is the variable; anything else is a use of all of them."""
        match self.syntax.parents[node]:
            case ast.Subscript(slice=ast.Constant(value=str(name))) as variable if name in self.subjects.cells:
                return self._made(variable, name, operation_of(self.syntax, variable))
            case _:
                return self._made(node, "globals()", operation_of(self.syntax, node))

    def _captures(self) -> Iterator[Access]:
        """`case {"mode": mode}` and `except E as mode` in a function that says `global mode`."""
        for node in self.syntax.walk.only(ast.match_case, ast.ExceptHandler):
            match node:
                case ast.match_case(pattern=pattern, body=body):
                    names = {each for part in ast.walk(pattern) for each in names_bound(part)}
                case ast.ExceptHandler(name=str(name), body=body):
                    names = {name}
                case _:
                    continue
            for name in sorted(names & self.subjects.cells):
                scope = self.syntax.scope(body[0]).binding(name)
                if scope is not None and scope.kind == "module" and self.syntax.function(body[0]) != MODULE:
                    yield self._captured(body[0], name)

    def _captured(self, first: ast.stmt, name: str) -> Access:
        """A name that is bound in front of this statement, where that runs."""
        span = self.syntax.span(first)
        return Access(
            name, "rebind", self.syntax.function(first), self.syntax.place(first), span, span, span,
            span.start, self.guards.of(first), spelled=name,
        )  # fmt: skip

    def _is_interesting(self, node: ast.Name | ast.Attribute, subject: str) -> bool:
        if subject == LOGGER and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            return False  # `logger = logging.getLogger()` in a function binds a name, and changes no logger
        if subject in self.subjects.cells or subject in PROCESS:
            return not (isinstance(node, ast.Name) and self._is_definition(node))
        return "." not in subject or subject.partition(".")[0] not in IGNORED

    def _is_definition(self, node: ast.Name) -> bool:
        if not isinstance(node.ctx, ast.Store) or self.syntax.scope(node).kind not in ("module", "class"):
            return False
        is_plain = isinstance(self.syntax.statement(node), (ast.Assign, ast.AnnAssign))
        return is_plain and self.syntax.function(node) == MODULE

    def _access(self, node: ast.Name | ast.Attribute, subject: str) -> Iterator[Access]:
        operation = _environment(self.syntax, node) or operation_of(self.syntax, node)
        if operation.op == "call" and subject in self.called:
            operation = Operation(CALLED, operation.whole, result=self.syntax.parents[node])  # type: ignore[arg-type]
        if operation.op not in NOT_AN_ACCESS:
            made = self._made(node, subject, operation)
            yield made
            yield from self._as_default(node, made)

    def _as_default(self, node: ast.expr, made: Access) -> Iterator[Access]:
        """A variable that is a parameter's default is one more name for it in that function."""
        arguments = self.syntax.parents[node]
        function = self.syntax.parents.get(arguments)
        if isinstance(arguments, ast.arguments) and isinstance(function, FUNCTIONS):
            scope = self.syntax.scopes.opened[function]
            name = defaults_of(arguments).get(node)
            if name is not None:
                yield replace(made, function=scope.qualname, fates=fates_of_variable(self.syntax, scope, name))

    def _made(self, node: ast.expr, subject: str, operation: Operation) -> Access:
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
            spelled=self.syntax.text(node),
            fates=self._fates(operation, node),
            is_editable=operation.op == "nested" and is_editable(self.syntax, operation, statement),
            alias=alias_of(self.syntax, operation),
            check=check_of(self.syntax, operation, statement, lambda each: self.subjects.cell(each) == subject),
            found=found_of(self.syntax, operation, lambda each: self.subjects.cell(each) == subject),
            is_attribute=isinstance(node, ast.Attribute),
            is_statement=_is_statement(self.syntax, operation),
        )

    def _fates(self, operation: Operation, node: ast.expr) -> frozenset[str]:
        own = self.syntax.text(node)
        if operation.op == "rebind" and operation.is_part and isinstance(operation.whole, ast.Assign):
            return fates_beside(self.syntax, operation.whole, node)
        if operation.result is None:
            return frozenset()
        found = fates_of(self.syntax, operation.result)
        if operation.op in COPIES and operation.result is operation.whole:
            found = fates_of_copy(found)
        if operation.op in ("contains", "lacks"):
            is_aside = not steers(self.syntax, operation.result, own) and not _prints(self.syntax, node)
            return found | {"aside"} if is_aside else found
        if operation.op == "read" and found == {"read"} and renews(self.syntax, operation.result):
            return found | {"renews"}
        if operation.op in VIEWED:
            others = set[str]()
            if is_logged(self.syntax, operation.result, others=others):
                return found | ({f"logged by:{each}" for each in others} or {"logged"})
        is_decisive = operation.op == "truth" and steers(self.syntax, operation.result, own)
        return found | {"decides"} if is_decisive else found


def _prints(syntax: Syntax, node: ast.expr) -> bool:
    """Whether the statement prints: a log line may be missed or repeated, output may be meant for somebody."""
    inside = ast.walk(syntax.statement(node))
    return any(isinstance(each, ast.Call) and syntax.outside(each.func) == "print" for each in inside)


def _is_statement(syntax: Syntax, operation: Operation) -> bool:
    whole = operation.whole
    is_whole = isinstance(whole, ast.stmt) or isinstance(syntax.parents[whole], ast.Expr)
    return is_whole and not operation.is_part


def _by_name(called: str, call: ast.Call, rest: list[ast.expr]) -> Operation:
    """`getattr(handler, "count", 0)` and its like, where the name is written out."""
    match called, rest:
        case "setattr", [value]:
            return Operation("rebind", call, value=value)
        case "delattr", _:
            return Operation("unbind", call)
        case "hasattr", _:
            return Operation("truth", call, result=call)
        case _:
            return Operation("read", call, result=call)


def _environment(syntax: Syntax, node: ast.expr) -> Operation | None:
    """`os.getenv(NAME)` and `os.putenv(NAME, VALUE)`."""
    match syntax.parents[node], syntax.dotted(node):
        case ast.Call(args=[key, *rest]) as call, "os.getenv":
            return Operation("get", call, key=key, default=rest[0] if rest else None, result=call)
        case ast.Call(args=[key, value]) as call, "os.putenv":
            return Operation("put", call, key=key, value=value)
        case _:
            return None


def unbound_accesses(syntax: Syntax, accesses: Accesses, cells: frozenset[str]) -> Iterator[Access]:
    """`n += 1` in a function without `global n`, where the module has an `n`: always UnboundLocalError."""
    for node in syntax.walk.only(ast.AugAssign):
        match node:
            case ast.AugAssign(target=ast.Name(id=name) as target):
                imported = syntax.imports.get((syntax.scopes.module, name), "")
                is_known = imported or name in cells or "*" in syntax.scopes.module.bound
                if is_known and _is_unbound(syntax, target):
                    yield accesses._made(target, imported or name, operation_of(syntax, target))
            case _:
                pass


def _is_unbound(syntax: Syntax, target: ast.Name) -> bool:
    scope = syntax.scope(target).binding(target.id)
    if scope is None or scope.kind != "function" or _is_parameter(scope.node, target.id):
        return False
    return not any(each is not target for each in syntax.assigned(scope, target.id))


def _is_parameter(function: ast.AST, name: str) -> bool:
    match function:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            return any(each is not None and each.arg == name for each in every)
        case _:
            return False


def global_statements(syntax: Syntax) -> Iterator[GlobalStatement]:
    """`global` statements, and whether their line holds nothing else."""
    for node in syntax.walk.only(ast.Global):
        if isinstance(node, ast.Global):
            line = whole_line(syntax, node)
            owner = syntax.parents[node]
            is_alone = len(getattr(owner, "body", [])) > 1 and line is not None
            yield GlobalStatement(
                syntax.function(node), tuple(node.names), line or syntax.span(node), is_removable=is_alone
            )
