"""Calls of AWS4Auth -> whether they could ask for the keys each time they sign, and the texts to write for that."""

import ast
from collections.abc import Iterator

from statelift.facts.endings import variable_of
from statelift.facts.syntax import MODULE, Syntax
from statelift.facts.values import Signer
from statelift.model import Span

MAKER = "requests_aws4auth.AWS4Auth"
SESSIONS = frozenset({"boto3.Session", "boto3.session.Session"})
RENEWING = "refreshable_credentials"
SETTINGS = ("os.environ", "os.getenv")


def signers(syntax: Syntax) -> Iterator[Signer]:
    """Every signer that a function makes with the keys of that moment."""
    for node in syntax.walk.only(ast.Call):
        if not isinstance(node, ast.Call) or syntax.outside(node.func) != MAKER:
            continue
        if syntax.function(node) != MODULE and not any(each.arg == RENEWING for each in node.keywords):
            yield _signer(syntax, node)


def _signer(syntax: Syntax, node: ast.Call) -> Signer:
    plain = Signer(syntax.function(node), syntax.place(node), syntax.span(node))
    found = _keys(node)
    if found is None:
        return plain
    keys, region, service = found
    made = _made(syntax, keys)
    asked, frozen = _asked(syntax, made) if made is not None else (None, None)
    is_only = len(_loads(syntax, keys)) == 3
    settings = [_setting(syntax, each) for each in (region, service)]
    if asked is None or None in settings or (frozen is not None and not is_only):
        return plain
    session = _session(syntax, asked)
    if session is None:
        return plain
    maker, first, second = (_written(syntax, each) for each in (node.func, region, service))
    variable = variable_of(syntax, node)
    is_bound = variable is not None and _made(syntax, variable) is node
    return Signer(
        plain.function,
        plain.place,
        plain.span,
        text=f"{maker}({RENEWING}={keys.id}, region={first}, service={second})",
        variable=variable.id if variable is not None and is_bound else "",
        keys=keys.id,
        parameters=tuple(dict.fromkeys(name for each in settings for name in each or ())),
        frozen=frozen,
        session=session or None,
    )


def _keys(node: ast.Call) -> tuple[ast.Name, ast.expr, ast.expr] | None:
    """The variable whose three parts are handed over, the region and the service."""
    match node:
        case ast.Call(
            args=[
                ast.Attribute(value=ast.Name() as keys, attr="access_key"),
                ast.Attribute(value=ast.Name() as other, attr="secret_key"),
                region,
                service,
            ],
            keywords=[
                ast.keyword(arg="session_token", value=ast.Attribute(value=ast.Name() as last, attr="token"))
            ],
        ) if keys.id == other.id == last.id:
            return keys, region, service
        case _:
            return None


def _written(syntax: Syntax, node: ast.expr) -> str:
    span = syntax.span(node)
    return syntax.parsed.data[span.start : span.end].decode(syntax.parsed.encoding)


def _loads(syntax: Syntax, name: ast.Name) -> list[ast.Name]:
    scope = syntax.scope(name).binding(name.id)
    return [] if scope is None else syntax.loads(scope, name.id)


def _made(syntax: Syntax, name: ast.Name) -> ast.expr | None:
    """The only value of a variable; None for parameters, and where there are others."""
    scope = syntax.scope(name).binding(name.id)
    given = [] if scope is None else syntax.assigned(scope, name.id)
    return given[0] if len(given) == 1 and isinstance(given[0], (ast.Call, ast.Constant, ast.Subscript)) else None


def _asked(syntax: Syntax, made: ast.expr) -> tuple[ast.expr | None, Span | None]:
    """The session that is asked for its credentials, and the text that freezes them."""
    frozen = None
    match made:
        case ast.Call(func=ast.Attribute(value=inner, attr="get_frozen_credentials"), args=[], keywords=[]):
            frozen, made = Span(syntax.span(inner).end, syntax.span(made).end), inner
        case _:
            pass
    match made:
        case ast.Call(func=ast.Attribute(value=session, attr="get_credentials"), args=[], keywords=[]):
            return session, frozen
        case _:
            return None, None


def _session(syntax: Syntax, asked: ast.expr) -> Span | tuple[()] | None:
    """Where a call makes the session, () for one of the module, None for one that is not known."""
    match asked:
        case ast.Call(func=maker, args=[], keywords=[]) if syntax.outside(maker) in SESSIONS:
            return syntax.span(asked) if syntax.function(asked) != MODULE else ()
        case ast.Name():
            made = _made(syntax, asked)
            return None if made is None else _session(syntax, made)
        case _:
            return None


def _setting(syntax: Syntax, value: ast.expr) -> tuple[str, ...] | None:
    """The local variables in a region or service that is the same in every call; None for any other."""
    match value:
        case ast.Constant() | ast.Subscript() | ast.Call():
            owner = value.value if isinstance(value, ast.Subscript) else getattr(value, "func", None)
            is_read = owner is not None and syntax.outside(owner).startswith(SETTINGS)
            is_whole = all(isinstance(each, ast.Constant) for each in getattr(value, "args", ()))
            return () if isinstance(value, ast.Constant) or (is_read and is_whole) else None
        case ast.Name(id=name) if syntax.is_local(value):
            made = _made(syntax, value)
            return (name,) if made is not None and _setting(syntax, made) == () else None
        case ast.Name():
            made = _made(syntax, value)
            return None if made is None else _setting(syntax, made)
        case _:
            return None
