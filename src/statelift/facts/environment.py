"""A module -> what its functions write into the environment, which clients read by themselves."""

import ast
from collections.abc import Iterator

from statelift.facts.syntax import MODULE, Syntax
from statelift.facts.values import EnvironmentWrite

UNKNOWN = "*"  # any variable
SESSION = "AWS_DEFAULT_SESSION"  # boto3's default session, which is as good as a variable
KEYED = frozenset({"os.putenv", "os.unsetenv", "os.environ.setdefault", "os.environ.pop"})
METHODS = frozenset({"update", "setdefault", "pop", "clear", "popitem"})


def environment_writes(syntax: Syntax) -> Iterator[EnvironmentWrite]:
    """Every write in a function; at import they are over before any client is built."""
    for node in syntax.walk.only(ast.Subscript, ast.Attribute, ast.Call):
        function = syntax.function(node)
        if function != MODULE:
            for name in _written(syntax, node):
                yield EnvironmentWrite(function, name, _parameter(syntax, node) if name == UNKNOWN else "")


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
        case ast.Attribute(attr="DEFAULT_SESSION", ctx=ast.Store()):
            yield SESSION
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
        case ast.Attribute(value=owner, attr="update") if _is_environment(syntax, owner):
            yield from _updated(call)
        case ast.Attribute(value=owner, attr=method) if method in METHODS and _is_environment(syntax, owner):
            yield _name(call.args[0]) if call.args else UNKNOWN
        case _:
            pass


def _updated(call: ast.Call) -> Iterator[str]:
    """`os.environ.update({"A": …}, B=…)`."""
    for given in call.args:
        match given:
            case ast.Dict(keys=keys):
                yield from (UNKNOWN if key is None else _name(key) for key in keys)
            case _:
                yield UNKNOWN
    yield from (each.arg or UNKNOWN for each in call.keywords)


def _is_environment(syntax: Syntax, node: ast.expr) -> bool:
    """`os.environ`, also by another name."""
    if isinstance(node, ast.Name):
        scope = syntax.scope(node).binding(node.id)
        given = [] if scope is None else syntax.assigned(scope, node.id)
        return syntax.dotted(node) == "os.environ" or any(syntax.dotted(each) == "os.environ" for each in given)
    return syntax.dotted(node) == "os.environ"


def _name(key: ast.expr) -> str:
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else UNKNOWN
