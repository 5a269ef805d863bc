"""An expression -> what is known of its value without running it: sources, type, purity, threats."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from statelift.facts.asking import answered_once
from statelift.facts.fates import fates_of_variable
from statelift.facts.inflow import Inflow
from statelift.facts.scopes import FUNCTIONS, Scope, names_bound, parameter_names
from statelift.facts.syntax import Syntax
from statelift.facts.values import Atom, Value

DEPTH = 6  # how many local assignments are followed
ATOMS_AT_MOST = 24  # of one variable, with the parts of each
ENVIRONMENT_CALLS = frozenset({"os.getenv", "os.environ.get"})
OF_PROCESS = frozenset({"id", "hash", "os.getpid", "os.getppid", "threading.get_ident"})
UTC = frozenset({"datetime.timezone.utc", "datetime.UTC"})
# Of their modules: what is the same for the same arguments at any time.
CALCULATED = frozenset(
    """datetime.timedelta datetime.timezone datetime.datetime datetime.date datetime.time datetime.datetime.combine
    datetime.datetime.fromisoformat datetime.date.fromisoformat datetime.time.fromisoformat
    datetime.date.fromordinal datetime.datetime.fromordinal datetime.date.fromisocalendar
    datetime.datetime.fromisocalendar datetime.datetime.strptime time.strptime uuid.UUID
    uuid.uuid3 uuid.uuid5""".split()
)
NONDETERMINISTIC = ("time.", "random.", "secrets.", "uuid.", "datetime.", "os.urandom")
TYPES_OF_CALLS = {
    "str": "str", "repr": "str", "int": "int", "len": "int", "float": "float", "bool": "bool", "bytes": "bytes",
    "os.getenv": "str", "os.environ.get": "str", "time.time": "float", "time.monotonic": "float",
    "time.time_ns": "int", "json.dumps": "str", "json.loads": "json", "secrets.token_hex": "str",
    "secrets.token_urlsafe": "str", "hash": "int", "round": "codec", "uuid.uuid4": "codec", "uuid.uuid1": "codec",
    "datetime.datetime.now": "codec", "datetime.datetime.utcnow": "codec", "datetime.date.today": "codec",
    "isinstance": "bool", "id": "int", "os.getpid": "int", "os.getppid": "int",
    "threading.get_ident": "int", "time.monotonic_ns": "int", "time.perf_counter": "float",
    "time.perf_counter_ns": "int", "random.randint": "int", "random.random": "float", "copy.deepcopy": "codec?",
}  # fmt: skip
STRING_METHODS = frozenset("lower upper strip lstrip rstrip title format join replace decode".split())
TEXT_MAKERS = frozenset("hex hexdigest isoformat strftime".split())  # on whatever object, they give a str
STRING_ATTRIBUTES = frozenset({"hex"})
IMMUTABLE = frozenset({"str", "int", "float", "bool", "none", "bytes"})
CAPTURING: tuple[type[ast.AST], ...] = (
    ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping, *FUNCTIONS, ast.ClassDef, ast.Import,
    ast.ImportFrom,
)  # fmt: skip
UNEVEN = (ast.Div, ast.Pow, ast.MatMult)  # two integers need not give an integer
OTHER_BINDINGS = (
    ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.FunctionDef, ast.AsyncFunctionDef,
    ast.ClassDef, ast.Import, ast.ImportFrom,
)  # fmt: skip
PURE_CALLS = frozenset({*TYPES_OF_CALLS, "max", "min", "abs", "sorted", "sum", "tuple", "list", "dict", "set"})


@dataclass(frozen=True, slots=True)
class _Known:
    atoms: frozenset[Atom]
    type: str
    threats: frozenset[str]
    is_pure: bool


HARMLESS = frozenset({"read", "dropped"})  # what is returned, the callers may change
_NONE: frozenset[str] = frozenset()
_ANYTHING = frozenset({"unknown"})
_OPAQUE = _Known(frozenset({Atom("opaque")}), "unknown", _ANYTHING, is_pure=False)
_CONSTANT = frozenset({Atom("const")})
_NO_ATOMS = frozenset[Atom]()


class Provenance:
    """Answers `value_of` for the expressions of one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.inflow = Inflow(syntax)
        self._variables: dict[tuple[Scope, str, int, tuple[int, ...], bool], _Known] = {}

    @answered_once
    def value_of(self, node: ast.expr) -> Value:
        """What is known of an expression."""
        known = self._known(node, DEPTH)
        span, text = self.syntax.span(node), self.syntax.text(node)
        asked = self.asked_in(self.inflow.tests(node))
        return Value(span, text, known.atoms, known.type, known.threats, known.is_pure, asked)

    def asked_in(self, tests: Iterable[ast.expr]) -> frozenset[Atom]:
        """The sources of tests, as those that decide about a value."""
        return _NO_ATOMS.union(*(self._known(test, DEPTH).atoms for test in tests))

    @answered_once
    def _known(self, node: ast.expr, depth: int) -> _Known:
        if depth == 0:
            return _OPAQUE
        match node:
            case ast.Constant(value=value):
                return _Known(_CONSTANT, _type_of_constant(value), threats=_NONE, is_pure=True)
            case ast.Name():
                return self._name(node, depth)
            case ast.Attribute() | ast.Subscript():
                return self._part(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.JoinedStr(values=values):
                return self._text(values, depth)
            case ast.Dict(keys=keys, values=values):
                return self._display([*(key for key in keys if key), *values], depth)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return self._display(elements, depth)
            case ast.IfExp(test=test, body=one, orelse=other):
                known = self._join([one, other], depth)
                return replace(known, atoms=known.atoms | self._known(test, depth).atoms)
            case ast.BoolOp(values=values):
                return self._join(values, depth)
            case ast.BinOp(left=left, op=operator, right=right):
                known = self._arithmetic([left, right], depth)
                return known if not isinstance(operator, UNEVEN) else replace(known, type=_quotient(known.type))
            case ast.UnaryOp(operand=operand, op=op):
                known = self._arithmetic([operand], depth)
                return known if not isinstance(op, ast.Not) else _retyped(known, "bool")
            case ast.Compare(left=left, comparators=others):
                return _retyped(self._arithmetic([left, *others], depth), "bool")
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return replace(self._known(value, depth), is_pure=False)
            case ast.Starred(value=value):
                return self._known(value, depth)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehended(node, depth - 1)
            case ast.Lambda(body=body):
                known = self._known(body, depth)
                own = f"{self.syntax.scopes.opened[node].qualname}:"
                atoms = {atom for atom in known.atoms if not atom.detail.startswith(own)}
                return replace(known, atoms=_CONSTANT | atoms, type="unknown", is_pure=False)
            case _:
                return _OPAQUE

    def _comprehended(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, depth: int
    ) -> _Known:
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        tests = [test for each in node.generators for test in each.ifs]
        inputs = [*elements, *tests, *(each.iter for each in node.generators)]
        return replace(_OPAQUE, atoms=_OPAQUE.atoms.union(*(self._known(each, depth).atoms for each in inputs)))

    # ------------------------------------------------------------ names and parts

    def _name(self, node: ast.Name, depth: int) -> _Known:
        scope = self.syntax.scope(node).binding(node.id)
        if scope is None:
            return _OPAQUE
        if scope.kind == "module":
            imported = self.syntax.imports.get((scope, node.id))
            atom = Atom("import", imported) if imported else Atom("name", node.id)
            return _Known(frozenset({atom}), "unknown", threats=_ANYTHING, is_pure=True)
        if (scope, node.id) in self._bound_otherwise:
            return _OPAQUE
        given, is_open = self.syntax.reaching(scope, node)
        asked = (scope, node.id, depth, tuple(map(id, given)), is_open)
        if asked not in self._variables:
            self._variables[asked] = self._variable(node.id, scope, depth, given, is_open)
        return self._variables[asked]

    @cached_property
    def _bound_otherwise(self) -> frozenset[tuple[Scope | None, str]]:
        """Local names that an `except`, a pattern, a definition or an import binds."""
        found: set[tuple[Scope | None, str]] = set()
        for node in self.syntax.walk.only(*OTHER_BINDINGS):
            for name in _names_bound(node):
                found.add((self.syntax.scope(node).binding(name), name))
        return frozenset(found)

    def _variable(self, name: str, scope: Scope, depth: int, given: list[ast.expr], is_open: bool) -> _Known:
        parts: list[_Known] = []
        if is_open and name in parameter_names(scope.node):
            detail = f"{scope.qualname}:{name}"
            parts = [_Known(frozenset({Atom("param", detail)}), f"param:{detail}", _NONE, is_pure=True)]
        taken = [each for each in given if _is_target(each)]
        if not (given or parts) or taken or self._is_captured(scope, name):
            return replace(
                _OPAQUE, atoms=_OPAQUE.atoms.union(*(self._taken_from(each, depth - 1) for each in taken))
            )
        known = _joined([*parts, *(self._known(each, depth - 1) for each in given)])
        threats = _NONE if known.type in IMMUTABLE else known.threats | self._threats(scope, name)
        put = (self._known(each, depth - 1).atoms for each, _ in self.inflow.put_into(scope, name))
        atoms = _told(known.atoms.union(*put))
        return _Known(atoms, known.type, threats, known.is_pure and self._is_bound_once(scope, name))

    def _is_captured(self, scope: Scope, name: str) -> bool:
        """Whether something binds the name that is no assignment: `case name`, `except … as name`, a def."""
        return (scope, name) in self._captured

    @cached_property
    def _captured(self) -> frozenset[tuple[Scope, str]]:
        return frozenset(
            (self.syntax.scope(node), name)
            for node in self.syntax.walk.only(*CAPTURING)
            for name in names_bound(node)
        )

    def _taken_from(self, target: ast.expr, depth: int) -> frozenset[Atom]:
        """Sources of what a loop goes through, or an assignment unpacks, to give a variable its value."""
        for parent in self.syntax.ancestors(target):
            match parent:
                case (
                    ast.For(iter=value)
                    | ast.comprehension(iter=value)
                    | ast.Assign(value=value)
                    | ast.AugAssign(value=value)
                ):
                    return self._known(value, depth).atoms
                case ast.Tuple() | ast.List() | ast.Starred():
                    continue
                case _:
                    break
        return _NO_ATOMS

    def _is_bound_once(self, scope: Scope, name: str) -> bool:
        return len(self.syntax.assigned(scope, name)) <= 1

    def _threats(self, scope: Scope, name: str) -> frozenset[str]:
        """What the function does to a variable's object beyond looking at it."""
        return fates_of_variable(self.syntax, scope, name) - HARMLESS

    def _part(self, node: ast.Attribute | ast.Subscript, depth: int) -> _Known:
        if self.syntax.dotted(node) in STRING_ATTRIBUTES:
            return _OPAQUE
        if _is_environment(self.syntax, node):
            return _Known(frozenset({Atom("env", self.syntax.text(node))}), "str", threats=_NONE, is_pure=True)
        base = self._known(node.value, depth)
        step = f".{node.attr}" if isinstance(node, ast.Attribute) else f"[{self.syntax.text(node.slice)}]"
        is_event_part = base.type.startswith("param:") or base.type == "json"
        is_followed = len(base.atoms) <= ATOMS_AT_MOST
        is_path = is_event_part and is_followed
        atoms = frozenset(_extended(atom, step) for atom in base.atoms) if is_path else base.atoms
        if isinstance(node, ast.Attribute) and is_followed:
            atoms = frozenset(_member(atom, step) for atom in atoms)
        if isinstance(node, ast.Attribute):
            kind = "str" if node.attr in STRING_ATTRIBUTES else "unknown"
            return _Known(atoms, kind, _NONE if kind == "str" else base.threats, base.is_pure)
        index = self._known(node.slice, depth) if not isinstance(node.slice, ast.Slice) else base
        kind = base.type if base.type.startswith("param:") or base.type == "json" else "unknown"
        kind = f"{kind}[]" if kind.startswith("param:") and not kind.endswith("[]") else kind
        return _Known(atoms | index.atoms, kind, base.threats, base.is_pure and index.is_pure)

    # ------------------------------------------------------------ calls

    def _call(self, node: ast.Call, depth: int) -> _Known:
        name = self.syntax.dotted(node.func)
        known = self.syntax.outside(node.func)
        inputs = [*node.args, *(keyword.value for keyword in node.keywords)]
        given = [self._known(each, depth) for each in inputs]
        atoms = frozenset().union(*(each.atoms for each in given)) if given else frozenset[Atom]()
        is_pure = known in PURE_CALLS and all(each.is_pure for each in given)
        if isinstance(node.func, ast.Name) and self.syntax.is_local(node.func) and not known:
            made = self._known(node.func, depth).atoms  # what a function that was passed in gives
            return _Known(atoms | made | {Atom("call", name)}, "unknown", _ANYTHING, is_pure=False)
        if known in ENVIRONMENT_CALLS:
            return _Known(atoms | {Atom("env", self.syntax.text(node))}, "str", threats=_NONE, is_pure=True)
        if known.startswith(NONDETERMINISTIC) or known in OF_PROCESS:
            kind = "unknown" if self._has_zone(known, node) else TYPES_OF_CALLS.get(name, "unknown")
            origin = Atom("const") if known in CALCULATED else Atom("nondet", name)
            return _Known(atoms | {origin}, kind, _NONE, False)
        if isinstance(node.func, ast.Attribute):
            method = self._method(node.func, name, given, depth)
            if method is not None:
                return method
        if known in PURE_CALLS:
            has_hooks = known == "json.loads" and bool(node.keywords)
            kind = "unknown" if has_hooks else TYPES_OF_CALLS.get(known, "unknown")
            is_new = kind in IMMUTABLE or kind in ("json", "codec")
            return _Known(atoms | _CONSTANT, kind, _NONE if is_new else _ANYTHING, is_pure)
        threats = frozenset({f"result:{name}"}) if name else _ANYTHING
        atoms |= self._owned(node.func, depth)
        passed = frozenset(atom if atom.into else Atom(atom.kind, atom.detail, atom.path, name) for atom in atoms)
        return _Known(passed | {Atom("call", name)}, f"call:{name}" if name else "unknown", threats, False)

    def _has_zone(self, known: str, node: ast.Call) -> bool:
        """Whether a moment gets a zone other than UTC, which is not stored exactly."""
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return known == "datetime.datetime.now" and any(self.syntax.outside(each) not in UTC for each in given)

    def _owned(self, func: ast.expr, depth: int) -> frozenset[Atom]:
        """Sources of the variable that a method is called on; what made it, the result of the method is not."""
        head = func
        while isinstance(head, ast.Attribute):
            head = head.value
        is_variable = isinstance(head, ast.Name) and head is not func and self.syntax.is_local(head)
        if not is_variable or not isinstance(func, ast.Attribute) or self.syntax.outside(func):
            return frozenset()
        return frozenset(atom for atom in self._known(func.value, depth).atoms if atom.kind != "call")

    def _method(self, func: ast.Attribute, name: str, given: list[_Known], depth: int) -> _Known | None:
        base = self._known(func.value, depth)
        atoms = frozenset[Atom]().union(*(each.atoms for each in given))
        if func.attr in TEXT_MAKERS:
            return _Known(atoms | base.atoms, "str", threats=_NONE, is_pure=base.is_pure)
        if func.attr in STRING_METHODS and base.type != "unknown" and not name.startswith(("os.", "json.")):
            is_pure = base.is_pure and all(each.is_pure for each in given)
            return _Known(atoms | base.atoms, _text_type(base.type), threats=_NONE, is_pure=is_pure)
        is_event_part = base.type.startswith("param:") or base.type == "json"
        if func.attr == "get" and is_event_part:
            asked = self.syntax.parents[func]
            key_text = self.syntax.text(asked.args[0]) if isinstance(asked, ast.Call) and asked.args else "?"
            extended = frozenset(_extended(atom, f"[{key_text}]") for atom in base.atoms)
            kind = "json" if base.type == "json" else f"{base.type.removesuffix('[]')}[]"
            found = _Known(extended, kind, base.threats, base.is_pure)
            key, default = given[:1], given[1:]
            joined = _joined([found, *default])
            return replace(joined, atoms=joined.atoms | atoms, is_pure=all(p.is_pure for p in [joined, *key]))
        if not name:
            return _Known(atoms | base.atoms | {Atom("call", "")}, "unknown", threats=_ANYTHING, is_pure=False)
        return None

    # ------------------------------------------------------------ composites

    def _text(self, values: Iterable[ast.expr], depth: int) -> _Known:
        parts = [self._known(each.value, depth) for each in values if isinstance(each, ast.FormattedValue)]
        atoms = frozenset().union(*(part.atoms for part in parts)) if parts else _CONSTANT
        return _Known(atoms, "str", threats=_NONE, is_pure=all(part.is_pure for part in parts))

    def _display(self, elements: list[ast.expr], depth: int) -> _Known:
        parts = [self._known(each, depth) for each in elements]
        atoms = frozenset(_CONSTANT).union(*(part.atoms for part in parts))
        return _Known(atoms, _container(parts), _threats(parts), all(p.is_pure for p in parts))

    def _join(self, nodes: Iterable[ast.expr], depth: int) -> _Known:
        return _joined([self._known(each, depth) for each in nodes])

    def _arithmetic(self, nodes: Iterable[ast.expr], depth: int) -> _Known:
        joined = self._join(nodes, depth)
        kind = joined.type if joined.type in IMMUTABLE else "unknown"
        return _Known(joined.atoms, kind, joined.threats, joined.is_pure)


def _names_bound(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [each.asname or each.name.partition(".")[0] for each in names]
        case ast.MatchMapping(rest=name):
            return [name] if name else []
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return [name] if name else []
        case ast.FunctionDef(name=str(name)) | ast.AsyncFunctionDef(name=str(name)) | ast.ClassDef(name=str(name)):
            return [name]
        case _:
            return []


def _container(parts: Iterable[_Known]) -> str:
    """Type of something made of these parts: "codec" where all are exactly storable, `+` joins open questions."""
    kinds = {part.type for part in parts}
    if "unknown" in kinds or "codec?" in kinds:
        return "unknown"
    open_kinds = sorted({kind for each in kinds if ":" in each for kind in each.split("+") if ":" in kind})
    return "+".join(open_kinds) if open_kinds else "codec"


def _quotient(kind: str) -> str:
    """Type of `a / b` for numbers. That of `a ** b` depends on the values, like that of `a % b` for text."""
    return "float" if kind in ("int", "float", "bool") else "unknown"


def _text_type(kind: str) -> str:
    """Type of what a string method gives: text has them, and so has a part of the event that is text."""
    return kind if ":" in kind else "str" if kind in ("str", "bytes", "json") else "unknown"


def _retyped(known: _Known, kind: str) -> _Known:
    return _Known(known.atoms, kind, threats=_NONE, is_pure=known.is_pure)


def _extended(atom: Atom, step: str) -> Atom:
    return Atom(atom.kind, atom.detail, atom.path + step, atom.into) if atom.kind == "param" else atom


def _told(atoms: frozenset[Atom]) -> frozenset[Atom]:
    """Many parts of one argument are told as the argument."""
    return atoms if len(atoms) <= ATOMS_AT_MOST else frozenset(replace(atom, path="") for atom in atoms)


def _member(atom: Atom, step: str) -> Atom:
    """`config.REGION`: what the member of a module or class is, the linked program knows."""
    is_named = atom.kind in ("name", "import")
    return Atom(atom.kind, atom.detail + step, atom.path, atom.into) if is_named else atom


def _is_environment(syntax: Syntax, node: ast.Attribute | ast.Subscript) -> bool:
    return isinstance(node, ast.Subscript) and syntax.dotted(node.value) == "os.environ"


def _type_of_constant(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool() | int() | float() | str() | bytes():
            return type(value).__name__
        case _:
            return "unknown"


def _joined(parts: Sequence[_Known]) -> _Known:
    atoms = frozenset[Atom]().union(*(part.atoms for part in parts))
    kinds = {part.type for part in parts}
    kind = kinds.pop() if len(kinds) == 1 else _container(parts)
    return _Known(atoms, kind, _threats(parts), all(part.is_pure for part in parts))


def _is_target(node: ast.expr) -> bool:
    """Whether an "assigned value" is the target itself: a loop variable or an unpacked tuple."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _threats(parts: Iterable[_Known]) -> frozenset[str]:
    return _NONE.union(*(part.threats for part in parts))
