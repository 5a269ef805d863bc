"""An expression -> what becomes of its value: looked at, returned, stored, passed on or changed."""

import ast
from collections.abc import Iterator

from statelift.facts.scopes import FUNCTIONS, Scope
from statelift.facts.syntax import Syntax, pairs_of

DEPTH = 5
LOOKING_CALLS = frozenset(
    """len str int float bool repr print isinstance sum any all
    hash type abs round json.dumps logging.info logging.debug logging.warning logging.error copy.deepcopy format
    range math.floor math.ceil time.sleep""".split()
)
SHALLOW_COPIES = frozenset(
    "dict list tuple set frozenset sorted copy.copy reversed enumerate zip iter min max".split()
)  # what they give holds the same elements
PICKING = frozenset({"min", "max", "next", "random.choice"})  # what they give is one of the elements
LOOKING_NODES = (
    ast.Compare, ast.BinOp, ast.UnaryOp, ast.FormattedValue, ast.Subscript, ast.Slice, ast.If, ast.While, ast.IfExp,
    ast.Assert, ast.Raise, ast.MatchValue, ast.AugAssign, ast.comprehension, ast.Delete, ast.For,
    ast.AsyncFor,
)  # fmt: skip
LOOKING_METHODS = frozenset(
    """get keys items values lower upper strip lstrip rstrip split startswith endswith format join replace encode
    decode isoformat strftime count index copy hex isdigit title rsplit partition rpartition find timestamp
    total_seconds as_integer_ratio bit_length zfill new_child""".split()
)
KEYED_METHODS = frozenset({"get", "pop", "setdefault"})  # their first argument is hashed, nothing more
CHANGING_METHODS = frozenset(
    """append extend insert remove pop popitem clear update setdefault add discard sort reverse appendleft popleft
    extendleft rotate move_to_end subtract difference_update intersection_update""".split()
)


# Functions that change what they are given first.
CHANGING_CALLS = frozenset(
    """heapq.heappush heapq.heappop heapq.heapify heapq.heapreplace heapq.heappushpop bisect.insort
    bisect.insort_left bisect.insort_right random.shuffle operator.setitem operator.delitem operator.iadd
    operator.ior operator.iconcat operator.iand operator.isub""".split()
) | {f"{kind}.{method}" for kind in ("dict", "list", "set", "collections.deque") for method in CHANGING_METHODS}
LOGS = frozenset({"logger", "log", "logging"})
ASIDE_HEADS = frozenset("print logger log logging LOGGER LOG warnings metrics sys faulthandler".split())
SETUP_METHODS = (
    "setLevel", "addHandler", "basicConfig", "dictConfig", "add_metric", "put_metric", "configure", "setup",
    "patch_all", "init", "_init", "_setup", "_configure", "warm", "_warm",
)  # fmt: skip


def fates_of(syntax: Syntax, node: ast.expr, depth: int = DEPTH) -> frozenset[str]:
    """A subset of: read returned "copy returned" dropped cell stored called mutated augmented passed
    `passed:CALLEE:ARG` unknown.

    `cell:NAME` and "stored" say that the object itself lives on, in a module-level container or elsewhere.
    `copy passed:CALLEE:ARG`: a shallow copy of it is passed, `inside passed:…`: what it holds. `inside:KEY` says
    that the object which it holds at KEY (`*`: at some key) is changed, and not itself.
    """
    parent = syntax.parents[node]
    if depth == 0:
        return frozenset({"unknown"})
    match parent:
        case ast.Attribute():
            return _attribute(syntax, parent, depth)
        case ast.Subscript(value=value) if value is node:
            return _subscript(syntax, parent, depth)
        case ast.Call():
            return _argument(syntax, parent, node, depth)
        case ast.keyword():
            call = syntax.parents[parent]
            return _argument(syntax, call, parent, depth) if isinstance(call, ast.Call) else frozenset({"unknown"})
        case ast.Assign(targets=targets):
            return frozenset().union(*(_bound(syntax, target, depth) for target in targets))
        case ast.AnnAssign(target=target) | ast.NamedExpr(target=target):
            followed = fates_of(syntax, parent, depth - 1) if isinstance(parent, ast.NamedExpr) else frozenset()
            return _bound(syntax, target, depth) | followed
        case ast.Return() | ast.Yield() | ast.YieldFrom():
            return frozenset({"returned"})
        case ast.Expr():
            return frozenset({"dropped"})
        case ast.IfExp(test=test) if test is not node:
            return fates_of(syntax, parent, depth)
        case ast.Starred() if isinstance(display := syntax.parents[parent], (ast.List, ast.Tuple, ast.Set)):
            return fates_of_copy(fates_of(syntax, display, depth)) | {"read"}
        case ast.BoolOp() | ast.Starred() | ast.Await():
            return fates_of(syntax, parent, depth) | {"read"}
        case ast.Dict(keys=keys, values=values):
            return _in_dict(fates_of(syntax, parent, depth), node, keys, values)
        case ast.List() | ast.Tuple() | ast.Set():
            return _in_display(syntax, parent, node, depth)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return _of_element(fates_of(syntax, parent, depth - 1), "*")
        case _:
            return _operated(syntax, parent, node, depth)


def _operated(syntax: Syntax, parent: ast.AST, node: ast.expr, depth: int) -> frozenset[str]:
    match parent:
        case (
            ast.For(target=target, iter=iterated)
            | ast.AsyncFor(target=target, iter=iterated)
            | ast.comprehension(target=target, iter=iterated)
        ) if iterated is node:
            return _within(_bound(syntax, target, depth), "*") | {"read"}
        case ast.Match():
            return _matched(syntax, parent, depth)
        case ast.withitem(optional_vars=ast.expr() as target):
            return _bound(syntax, target, depth) | {"unknown"}
        case ast.BinOp(op=ast.Add() | ast.Mult() | ast.BitOr()) if not _has_scalar(parent):
            return _of_joined(fates_of(syntax, parent, depth - 1))
        case ast.Lambda():
            return _made_by_default(syntax, parent)
        case ast.Compare(ops=[ast.Is() | ast.IsNot()], left=left, comparators=[right]):
            other = right if left is node else left
            is_asked = isinstance(other, ast.Name) and syntax.is_local(other)
            return frozenset({"read", "identity"} if is_asked else {"read"})
        case ast.AugAssign(target=target, value=value) if value is node:
            return _of_joined(_bound(syntax, target, depth))
        case _:
            return frozenset({"read" if isinstance(parent, LOOKING_NODES) else "unknown"})


def _made_by_default(syntax: Syntax, function: ast.Lambda) -> frozenset[str]:
    """Fates of what a lambda gives: `lines: list = field(default_factory=lambda: shared)` stores it in objects."""
    keyword = syntax.parents[function]
    call = syntax.parents[keyword]
    if not (isinstance(keyword, ast.keyword) and keyword.arg == "default_factory" and isinstance(call, ast.Call)):
        return frozenset({"unknown"})
    match syntax.parents[call]:
        case ast.AnnAssign(target=ast.Name(id=name) as field) | ast.Assign(targets=[ast.Name(id=name) as field]):
            return frozenset({"stored", f"field:{syntax.scope(field).qualname}.{name}"})
        case _:
            return frozenset({"unknown"})


def _in_display(syntax: Syntax, display: ast.expr, element: ast.expr, depth: int) -> frozenset[str]:
    target = _unpacked_to(syntax, display, element)
    if target is not None:
        return _bound(syntax, target, depth)
    return _of_element(fates_of(syntax, display, depth), "*")


def _unpacked_to(syntax: Syntax, display: ast.expr, element: ast.expr) -> ast.expr | None:
    """The target that gets an element of a display: `now, calls = time.time(), CALLS[client]`."""
    match syntax.parents[display]:
        case ast.Assign(targets=[target], value=value) if value is display:
            return next((name for name, given in pairs_of(target, value) if given is element), None)
        case _:
            return None


def _matched(syntax: Syntax, match: ast.Match, depth: int) -> frozenset[str]:
    """Fates of the object that a `match` looks at: a capture names it, or what it holds."""
    found = frozenset({"read"})
    scope = syntax.scope(match.subject)
    for pattern in (each.pattern for each in match.cases):
        whole = set(_whole(pattern))
        for part in ast.walk(pattern):
            match part:
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                    captured = _captured(syntax, scope, name, depth)
                    found |= captured if part in whole else _within(captured, "*")
    return found


def _whole(pattern: ast.pattern) -> Iterator[ast.pattern]:
    """The parts of a pattern that stand for the object itself."""
    yield pattern
    match pattern:
        case ast.MatchOr(patterns=patterns):
            for each in patterns:
                yield from _whole(each)
        case ast.MatchAs(pattern=ast.pattern() as inner):
            yield from _whole(inner)
        case _:
            pass


def _captured(syntax: Syntax, scope: Scope, name: str, depth: int) -> frozenset[str]:
    home = scope.binding(name)
    is_local = home is not None and home.kind != "module"
    return fates_of_variable(syntax, home, name, depth - 1) if home and is_local else frozenset({"stored"})


def _is_change(fate: str) -> bool:
    return fate.startswith(("mutated", "augmented", "inside:"))


def _within(fates: frozenset[str], key: str) -> frozenset[str]:
    """Fates of a container, from those of what it holds at a key."""
    return frozenset(_of_held(fate, key) for fate in fates)


def _of_held(fate: str, key: str) -> str:
    if _is_change(fate):
        return f"augmented:{key}" if fate.startswith("augmented") else f"inside:{key}"
    return f"inside {fate}" if fate.startswith("passed:") else fate


def _of_element(fates: frozenset[str], key: str) -> frozenset[str]:
    """Fates of what a display holds at a key, from those of the display: it changes with what is changed there."""
    kept = {fate for fate in fates if not _is_change(fate)}
    inside = [fate.partition(":") for fate in fates if _is_change(fate)]
    kinds = {kind for kind, colon, at in inside if colon and (key == "*" or at in ("*", key))}
    return frozenset(kept | {"mutated" if kind == "inside" else kind for kind in kinds})


def fates_of_element(fates: frozenset[str]) -> frozenset[str]:
    """Fates of an element, from those of what gives the elements one after the other."""
    return _of_element(fates, "*")


def fates_of_copy(fates: frozenset[str]) -> frozenset[str]:
    """Fates of an object, from those of a shallow copy: only what both hold is shared."""
    kept = {
        f"copy {fate}" if fate.startswith("passed:") else fate
        for fate in fates
        if fate not in ("mutated", "augmented") and not fate.startswith(("field:", "alias:"))
    }
    return frozenset(kept - {"returned"} | {"copy returned"} if "returned" in kept else kept)


def _of_joined(fates: frozenset[str]) -> frozenset[str]:
    """Fates of a list (or dict) that `+` makes another of, which holds the same elements."""
    shared = ("copy returned", "inside:", "augmented:")
    kept = {fate for fate in fates_of_copy(fates) if fate.startswith(shared)}
    return frozenset(kept | {"read"})


def _has_scalar(operation: ast.BinOp) -> bool:
    """Whether an operand is a number or a text: what both give holds no objects then."""
    given = (operation.left, operation.right)
    is_number = isinstance(operation.op, ast.Add) and any(isinstance(each, ast.Constant) for each in given)
    return is_number or any(isinstance(each, ast.JoinedStr) for each in given)


def _in_dict(
    fates: frozenset[str], node: ast.expr, keys: list[ast.expr | None], values: list[ast.expr]
) -> frozenset[str]:
    key = next((key for key, value in zip(keys, values, strict=True) if value is node), node)
    if key is node:
        return frozenset({"read"})  # the node is a key of the display
    return fates_of_copy(fates) | {"read"} if key is None else _of_element(fates, _key_text(key))


def _key_text(key: ast.expr) -> str:
    return repr(key.value) if isinstance(key, ast.Constant) else "*"


def _attribute(syntax: Syntax, attribute: ast.Attribute, depth: int) -> frozenset[str]:
    if not isinstance(attribute.ctx, ast.Load):
        return frozenset({"mutated"})
    call = syntax.parents[attribute]
    if not (isinstance(call, ast.Call) and call.func is attribute):
        is_bound = attribute.attr in CHANGING_METHODS and not isinstance(call, (ast.Attribute, ast.Subscript))
        return frozenset({"mutated"}) if is_bound else fates_of(syntax, attribute, depth)
    if attribute.attr in CHANGING_METHODS:
        return frozenset({"mutated"})
    if attribute.attr in LOOKING_METHODS:
        return _looked(syntax, attribute.attr, call, depth) | {"read"}
    return frozenset({"unknown"})


def _looked(syntax: Syntax, method: str, call: ast.Call, depth: int) -> frozenset[str]:
    """Fates of an object of which a method gives a copy, or what it holds."""
    match method, call.args:
        case "copy" | "new_child", _:
            return fates_of_copy(fates_of(syntax, call, depth - 1))
        case "get", [key, *_]:
            return _within(fates_of(syntax, call, depth - 1), _key_text(key))
        case "values" | "items", _:
            return _within(fates_of(syntax, call, depth - 1), "*")
        case _:
            return frozenset()


def _subscript(syntax: Syntax, subscript: ast.Subscript, depth: int) -> frozenset[str]:
    if not isinstance(subscript.ctx, ast.Load):
        return frozenset({"mutated"})
    parent = syntax.parents[subscript]
    if isinstance(parent, ast.AugAssign) and parent.target is subscript:
        return frozenset({"mutated"})
    if _is_replaced(syntax, subscript):
        return frozenset({"read"})
    return _within(fates_of(syntax, subscript, depth), _key_text(subscript.slice)) | {"read"}


def _is_replaced(syntax: Syntax, part: ast.Subscript) -> bool:
    """Whether a statement before has put something else at this key: `copy["rows"] = []`."""
    match part:
        case ast.Subscript(value=ast.Name(id=name) as base, slice=ast.Constant(value=key)):
            scope = syntax.scope(base).binding(name)
            is_plain = scope is not None and scope.kind == "function" and len(syntax.assigned(scope, name)) == 1
            return is_plain and any(_puts(each, name, key) for each in _before(syntax, part))
        case _:
            return False


def _puts(statement: ast.stmt, name: str, key: object) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=base), slice=ast.Constant(value=at))]):
            return (base, at) == (name, key)
        case _:
            return False


def _before(syntax: Syntax, node: ast.AST) -> Iterator[ast.stmt]:
    """The statements that have run wherever a node runs: those before it in the blocks around it."""
    for owner in syntax.ancestors(node):
        for block in ("body", "orelse", "handlers", "finalbody"):
            statements = getattr(owner, block, None)
            if isinstance(statements, list) and node in statements:
                yield from statements[: statements.index(node)]
        node = owner


def steers(syntax: Syntax, node: ast.expr, own: str = "") -> bool:
    """Whether a test decides about more than calls whose result nobody uses, such as a line in the log.

    `own` is the text of the cell that is asked: what is entered into it is no more than that.
    """
    child: ast.AST = node
    inner: ast.AST = node
    while not isinstance(child, ast.stmt):
        child, inner = syntax.parents[child], child
    if not (isinstance(child, ast.If) and inner is child.test):
        return True
    skipped = _skipped(syntax, child)
    decided = (each for each in (*child.body, *child.orelse, *skipped) if not _is_entry(each, own))
    return not all(_is_aside(syntax, each, bool(skipped)) for each in decided)


def renews(syntax: Syntax, node: ast.expr) -> bool:
    """Whether a test decides about nothing but variables of the container that are set anew, and its memory."""
    child: ast.AST = node
    inner: ast.AST = node
    while not isinstance(child, ast.stmt):
        child, inner = syntax.parents[child], child
    is_test = isinstance(child, ast.If) and inner is child.test and not child.orelse
    return is_test and isinstance(child, ast.If) and all(_is_renewal(syntax, each) for each in child.body)


def _is_renewal(syntax: Syntax, statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name() as name]):
            return not syntax.is_local(name)
        case ast.Expr(value=ast.Call(func=function)):
            return syntax.outside(function) == "gc.collect"
        case ast.Global() | ast.Pass():
            return True
        case _:
            return False


def _is_entry(statement: ast.stmt, own: str) -> bool:
    """`own.add(x)`, `own[x] = y`."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="add" | "append"))):
            return ast.unparse(owner) == own
        case ast.Assign(targets=[ast.Subscript(value=owner)], value=ast.Constant()):
            return ast.unparse(owner) == own
        case _:
            return False


def _skipped(syntax: Syntax, test: ast.If) -> list[ast.stmt]:
    """All of a function that a bare `return` under the test cuts short; the test itself where that is unclear."""
    if not any(isinstance(each, ast.Return) for each in test.body):
        return []
    owner = syntax.parents[test]
    return [each for each in owner.body if each is not test] if isinstance(owner, FUNCTIONS) else [test]


def _is_aside(syntax: Syntax, statement: ast.stmt, is_whole: bool) -> bool:
    """Whether a statement only logs, counts or sets a library up. `is_whole`: all of its function is looked at."""
    match statement:
        case ast.Expr(value=ast.Call(func=function)):
            called = syntax.module_function(function)
            return is_setup(syntax, function) if called is None else _is_all_aside(syntax, called)
        case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Global() | ast.Return(value=None):
            return True
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name() as name]):
            return is_whole or not syntax.is_local(name)
        case ast.Assign(targets=[ast.Attribute(value=ast.Name() as owner)]):
            return bool(syntax.outside(owner)) or syntax.owner_of(owner) is not None
        case ast.If(body=body, orelse=orelse):
            return all(_is_aside(syntax, each, is_whole) for each in (*body, *orelse))
        case _:
            return False


def _is_all_aside(syntax: Syntax, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function of the module does no more than that; one that calls others is not looked at."""
    is_leaf = not any(
        syntax.module_function(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)
    )
    return is_leaf and all(_is_aside(syntax, each, is_whole=False) for each in function.body)


def is_setup(syntax: Syntax, function: ast.expr) -> bool:
    """Whether what is called logs, counts or sets a library up."""
    match function:
        case ast.Attribute(value=ast.Call(func=maker)):  # logging.getLogger().info(…)
            return is_setup(syntax, maker)
        case _:
            pass
    callee = syntax.dotted(function)
    *owners, method = callee.split(".")
    is_aside = not (ASIDE_HEADS | syntax.loggers).isdisjoint(owners or [method])
    return is_aside or method.startswith(SETUP_METHODS)


def _argument(syntax: Syntax, call: ast.Call, given: ast.AST, depth: int) -> frozenset[str]:
    if given is call.func:
        return frozenset({"called"})
    name = syntax.dotted(call.func)
    is_key = isinstance(call.func, ast.Attribute) and call.func.attr in KEYED_METHODS and call.args[:1] == [given]
    if syntax.outside(call.func) == "sum" and len(call.args) + len(call.keywords) > 1:
        return _of_joined(fates_of(syntax, call, depth - 1))
    if is_key or syntax.outside(call.func) in LOOKING_CALLS or name.partition(".")[0] in LOGS | syntax.loggers:
        return frozenset({"read"})
    if syntax.outside(call.func) in CHANGING_CALLS and call.args[:1] == [given]:
        return frozenset({"mutated"})
    if syntax.outside(call.func) in PICKING and call.args[:1] == [given]:
        if len(call.args) > 1 and syntax.outside(call.func) != "next":
            return frozenset({"read"})  # `min(limit, count)`: numbers
        return _within(fates_of(syntax, call, depth - 1), "*") | {"read"}
    if isinstance(call.func, ast.Attribute) and call.func.attr == "shuffle" and call.args[:1] == [given]:
        return frozenset({"mutated"})
    if syntax.outside(call.func) in SHALLOW_COPIES:
        return fates_of_copy(fates_of(syntax, call, depth - 1)) | {"read"}
    if isinstance(given, ast.keyword):
        position = given.arg or "**"
    else:
        position = str([each is given for each in call.args].index(True)) if given in call.args else "*"
    return frozenset({f"passed:{name}:{position}"} if name else {"passed"})


def fates_of_variable(syntax: Syntax, scope: Scope, name: str, depth: int = DEPTH) -> frozenset[str]:
    """The fates of the object that a variable holds, as far as its function tells."""
    asked = (scope, name, depth)
    if asked not in syntax.fates:
        syntax.fates[asked] = _fates_at(syntax, scope, name, syntax.loads(scope, name), depth)
    return syntax.fates[asked]


def _fates_at(syntax: Syntax, scope: Scope, name: str, loads: list[ast.Name], depth: int) -> frozenset[str]:
    found = frozenset[str]().union(*(fates_of(syntax, load, depth) for load in loads))
    return found | _augmented(syntax, scope, name)


def _fates_from(syntax: Syntax, scope: Scope, target: ast.Name, depth: int) -> frozenset[str]:
    """The fates of the object that one assignment gives to a variable."""
    if len(syntax.assigned(scope, target.id)) <= 1:
        return fates_of_variable(syntax, scope, target.id, depth)
    return _fates_at(syntax, scope, target.id, syntax.loads_after(target, scope), depth)


def _augmented(syntax: Syntax, scope: Scope, name: str) -> frozenset[str]:
    """`name += [x]` changes the list that the name stands for; with a number it can only rebind the name."""
    for target in syntax.assigned(scope, name):
        match syntax.parents[target]:
            case ast.AugAssign(target=augmented, value=value, op=operator) if augmented is target:
                is_number = isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
                if not is_number:  # a dict knows `|=`, and no other of them
                    return frozenset({"mutated" if isinstance(operator, ast.BitOr) else "augmented"})
            case _:
                pass
    return frozenset()


def _member_name(syntax: Syntax, node: ast.expr, owner: ast.expr, attribute: str) -> str:
    held = syntax.owner_of(owner)
    if held is not None:
        return f"{held}.{attribute}"
    is_module_level = isinstance(owner, ast.Name) and not syntax.is_local(owner)
    return syntax.dotted(node) if is_module_level else ""


def fates_beside(syntax: Syntax, assign: ast.Assign, own: ast.expr) -> frozenset[str]:
    """Fates of what a statement gives to several targets, by way of all but one: `found = CELL = load()`."""
    others = (target for target in assign.targets if target is not own)
    return frozenset[str]().union(*(_bound(syntax, each, DEPTH) for each in others))


def _bound(syntax: Syntax, target: ast.expr, depth: int) -> frozenset[str]:
    match target:
        case ast.Name(id=name):
            scope = syntax.scope(target).binding(name)
            if scope is None or scope.kind == "module":
                return frozenset({"stored", f"alias:{name}"})
            return _fates_from(syntax, scope, target, depth - 1) | {"read"}
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return frozenset({"read"}).union(*(_bound(syntax, each, depth) for each in elements))
        case ast.Subscript(value=ast.Name() as base) if not syntax.is_local(base):
            return frozenset({f"cell:{syntax.dotted(base)}"})
        case ast.Subscript(value=ast.Attribute(value=owner, attr=attribute) as base):
            name = _member_name(syntax, base, owner, attribute)
            return frozenset({f"cell:{name}" if name else "stored"})
        case ast.Attribute(value=owner, attr=attribute) if (held := syntax.owner_of(owner)) is not None:
            return frozenset({"stored", f"field:{held}.{attribute}"})
        case _:
            return frozenset({"stored"})
