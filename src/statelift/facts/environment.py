"""A module -> what its functions write into the environment, which clients read by themselves."""

import ast
import sys
from collections.abc import Iterator

from statelift.catalogue import CONSTRUCTORS
from statelift.facts.callees import callee_of
from statelift.facts.provenance import Provenance
from statelift.facts.syntax import MODULE, Syntax
from statelift.facts.values import EnvironmentWrite

UNKNOWN = "*"  # any variable
SESSION = "AWS_DEFAULT_SESSION"  # boto3's default session, which is as good as a variable
KEYED = frozenset({"os.putenv", "os.unsetenv", "os.environ.setdefault", "os.environ.pop"})
METHODS = frozenset({"update", "setdefault", "pop", "clear", "popitem", "__setitem__", "__delitem__", "__ior__"})
FILES = frozenset({"load_dotenv", "read_env", "read_envfile"})  # they write what a file holds
LIBRARIES = frozenset(name.partition(".")[0] for name in CONSTRUCTORS) | {"ssl"}  # with variables of their own
PATCHES = frozenset({"patch.dict", "mock.patch.dict", "unittest.mock.patch.dict"})
LOOKING = frozenset("len str repr print dict list sorted set tuple bool isinstance iter any all id type".split())


def environment_writes(syntax: Syntax, provenance: Provenance) -> Iterator[EnvironmentWrite]:
    """Every write in a function; at import they are over before any client is built."""
    names_it = b"environ" in syntax.parsed.data  # else only calls and attributes of modules can write
    kinds: tuple[type[ast.AST], ...] = (ast.Subscript, ast.Attribute, ast.Name, ast.Call, ast.AugAssign)
    for node in syntax.walk.only(*kinds if names_it else (ast.Attribute, ast.Call)):
        function = syntax.function(node)
        if function != MODULE:
            for name in _written(syntax, node):
                yield EnvironmentWrite(function, name, _parameter(syntax, node) if name == UNKNOWN else "")
            yield from _as_value(syntax, node, function)
            yield from _from_files(syntax, provenance, node, function)


def _parameter(syntax: Syntax, node: ast.AST) -> str:
    """The parameter that names the variable in `os.environ[name] = value`."""
    match node:
        case ast.Subscript(slice=ast.Name(id=name) as key):
            scope = syntax.scope(key).binding(name)
            is_own = scope is not None and scope.kind == "function" and not syntax.assigned(scope, name)
            return name if is_own else ""
        case _:
            return ""


def _written(syntax: Syntax, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Subscript(value=value, slice=key, ctx=ast.Store() | ast.Del()) if _is_environment(syntax, value):
            yield _name(key)
        case ast.AugAssign(target=target, value=value) if _is_environment(syntax, target):
            yield from _names_in(value)
        case ast.Attribute(attr="environ", ctx=ast.Store()) if syntax.dotted(node) == "os.environ":
            yield UNKNOWN
        case ast.Attribute(attr="DEFAULT_SESSION", ctx=ast.Store()):
            yield SESSION
        case ast.Attribute(value=owner, attr=name, ctx=ast.Store()):
            module = syntax.outside(owner)
            yield from [f"{module}.{name}"] if module.partition(".")[0] in LIBRARIES else []
        case ast.Call(func=func) as call:
            yield from _called(syntax, call, syntax.dotted(func))
        case _:
            pass


def _called(syntax: Syntax, call: ast.Call, callee: str) -> Iterator[str]:
    match call.func:
        case _ if callee == "boto3.setup_default_session":
            yield SESSION
        case _ if callee in KEYED and call.args:
            yield _name(call.args[0])
        case _ if callee in PATCHES and ast.unparse(call.args[0] if call.args else call) == "'os.environ'":
            yield UNKNOWN
        case ast.Attribute(value=owner, attr="update") if _is_environment(syntax, owner):
            yield from _updated(call)
        case ast.Attribute(value=owner, attr=method) if method in METHODS and _is_environment(syntax, owner):
            yield _name(call.args[0]) if call.args else UNKNOWN
        case _:
            pass


def _updated(call: ast.Call) -> Iterator[str]:
    """`os.environ.update({"A": …}, B=…)`."""
    for given in call.args:
        yield from _names_in(given)
    yield from (each.arg or UNKNOWN for each in call.keywords)


def _names_in(given: ast.expr) -> Iterator[str]:
    match given:
        case ast.Dict(keys=keys):
            yield from (UNKNOWN if key is None else _name(key) for key in keys)
        case _:
            yield UNKNOWN


# ---------------------------------------------------------------- the environment as a value


def _as_value(syntax: Syntax, node: ast.AST, function: str) -> Iterator[EnvironmentWrite]:
    """`fill(os.environ, event)`, `self.env = os.environ`: whoever gets it may write any variable."""
    if not (isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)):
        return
    if not _is_environment(syntax, node):
        return
    parent = syntax.parents[node]
    match parent:
        case ast.Call(args=arguments) if node in arguments:
            yield from _passed(syntax, parent, str(arguments.index(node)), function)
        case ast.keyword(arg=str(name)) if isinstance(call := syntax.parents[parent], ast.Call):
            yield from _passed(syntax, call, name, function)
        case ast.Assign(targets=targets):
            if not all(isinstance(each, ast.Name) for each in targets):
                yield EnvironmentWrite(function, UNKNOWN)
        case ast.Return() | ast.Yield() | ast.List() | ast.Tuple():
            yield EnvironmentWrite(function, UNKNOWN)
        case _:
            pass


def _passed(syntax: Syntax, call: ast.Call, position: str, function: str) -> Iterator[EnvironmentWrite]:
    """What the standard library gets, it reads: `subprocess.run(…, env=os.environ)`."""
    callee = callee_of(syntax, call)
    is_patch = syntax.dotted(call.func) in PATCHES
    is_library = callee.partition(".")[0] in sys.stdlib_module_names or syntax.outside(call.func) in LOOKING
    if is_patch or not is_library:
        yield EnvironmentWrite(function, UNKNOWN, passed="" if is_patch else f"passed:{callee}:{position}")


def _from_files(syntax: Syntax, provenance: Provenance, node: ast.AST, function: str) -> Iterator[EnvironmentWrite]:
    """`load_dotenv(path)` writes whatever stands there: always the same, unless another file is meant each time."""
    if isinstance(node, ast.Call) and syntax.dotted(node.func).rpartition(".")[2] in FILES:
        given = [*node.args, *(each.value for each in node.keywords)]
        values = tuple(provenance.value_of(each) for each in given)
        if values:
            yield EnvironmentWrite(function, UNKNOWN, given=values)


def _is_environment(syntax: Syntax, node: ast.expr) -> bool:
    """`os.environ`, also by another name."""
    if isinstance(node, ast.Name):
        scope = syntax.scope(node).binding(node.id)
        given = [] if scope is None else syntax.assigned(scope, node.id)
        return syntax.dotted(node) == "os.environ" or any(syntax.dotted(each) == "os.environ" for each in given)
    return syntax.dotted(node) == "os.environ"


def _name(key: ast.expr) -> str:
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else UNKNOWN
