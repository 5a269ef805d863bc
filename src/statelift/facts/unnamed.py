"""A module -> the objects of which functions change attributes that are not named: `vars(config).update(event)`."""

import ast
from collections.abc import Iterator

from statelift.facts.fates import fates_of
from statelift.facts.syntax import MODULE, Syntax

SELF = ""  # the module itself
ANY = "*"  # a module that is not written down
BUILDERS = frozenset({"__init__", "__new__", "__post_init__"})  # what they change is new
SETTING = frozenset({"setattr", "delattr"})
CHANGES = frozenset({"mutated", "augmented", "stored", "unknown"})
SETTERS = frozenset({"__setattr__", "__delattr__"})
EVALUATED = frozenset({"passed:eval:1", "passed:eval:2"})  # the names that an expression may use


def changed_unnamed(syntax: Syntax) -> Iterator[str]:
    """Dotted names of modules, classes and objects, as they are called in this file."""
    for node in syntax.walk.only(ast.Call, ast.Attribute):
        if syntax.function(node).rpartition(".")[2] not in {MODULE, *BUILDERS}:
            match node:
                case ast.Call():
                    yield from _by_call(syntax, node)
                case ast.Attribute(value=owner, attr="__dict__") if _is_changed(syntax, node):
                    yield from _denoted(syntax, owner)
                case ast.Attribute(value=owner, ctx=ast.Store() | ast.Del()) if _is_module(syntax, owner):
                    yield from _denoted(syntax, owner)
                case _:
                    pass


def _by_call(syntax: Syntax, call: ast.Call) -> Iterator[str]:
    match call:
        case ast.Call(func=ast.Name(id=name), args=[owner, key, *_]) if name in SETTING:
            if not isinstance(key, ast.Constant):
                yield from _denoted(syntax, owner)
            else:
                yield from (_named(each, key.value) for each in _denoted(syntax, owner))
        case ast.Call(func=ast.Attribute(value=owner, attr=method), args=[_, *_]) if method in SETTERS:
            yield from _denoted(syntax, owner)
        case ast.Call(func=ast.Name(id="vars"), args=[owner]) if _is_changed(syntax, call):
            yield from _denoted(syntax, owner)
        case ast.Call(func=ast.Name(id="globals"), args=[]) if _is_changed(syntax, call):
            yield SELF
        case ast.Call(func=ast.Name(id="exec"), args=[_]):
            yield SELF
        case ast.Call(func=func, args=[module, *_]) if syntax.outside(func) == "importlib.reload":
            yield from _denoted(syntax, module)
        case _:
            pass


def _named(owner: str, attribute: object) -> str:
    return owner if owner in (SELF, ANY) else f"{owner}.{attribute}"


def _is_changed(syntax: Syntax, names: ast.expr) -> bool:
    """Whether a dict of names is changed, or given to something that may do so."""
    fates = fates_of(syntax, names)
    return any(each in CHANGES or (each.startswith("passed") and each not in EVALUATED) for each in fates)


def _is_module(syntax: Syntax, node: ast.expr) -> bool:
    """Whether an expression asks for a module by its name."""
    return bool([*_asked_for(syntax, _meant(syntax, node))])


def _denoted(syntax: Syntax, node: ast.expr) -> Iterator[str]:
    """What an expression stands for: a name that outlives the call, the class of `self`, a module."""
    meant = _meant(syntax, node)
    owner = syntax.owner_of(meant)
    if owner is not None:
        yield owner
        return
    asked = [*_asked_for(syntax, meant)]
    yield from asked
    if not asked and _is_lasting(syntax, meant):
        yield syntax.dotted(meant)


def _is_lasting(syntax: Syntax, node: ast.expr) -> bool:
    """Whether an expression is a name of the module, or a part of what has one."""
    while isinstance(node, ast.Attribute):
        node = node.value
    is_imported = isinstance(node, ast.Name) and bool(syntax.outside(node))
    return isinstance(node, ast.Name) and (is_imported or not syntax.is_local(node))


def _meant(syntax: Syntax, node: ast.expr) -> ast.expr:
    """`c` behind `c = config` is config."""
    if not isinstance(node, ast.Name) or not syntax.is_local(node):
        return node
    scope = syntax.scope(node).binding(node.id)
    given = [] if scope is None else syntax.assigned(scope, node.id)
    return given[0] if len(given) == 1 else node


def _asked_for(syntax: Syntax, node: ast.expr) -> Iterator[str]:
    """`sys.modules[name]`, `sys.modules.get(name)` and `importlib.import_module(name)`."""
    match node:
        case ast.Subscript(value=modules, slice=name) if syntax.dotted(modules) == "sys.modules":
            yield _module(name)
        case ast.Call(func=func, args=[name, *_]) if syntax.dotted(func) in MODULE_CALLS:
            yield _module(name)
        case _:
            pass


MODULE_CALLS = frozenset({"sys.modules.get", "importlib.import_module", "__import__"})


def _module(name: ast.expr) -> str:
    match name:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id="__name__"):
            return SELF
        case _:
            return ANY
