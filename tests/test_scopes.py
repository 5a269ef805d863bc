"""Our scopes agree with the compiler's own symbol table, over the standard library of the running Python.

Every tenth file; all of them with STATELIFT_ALL_SCOPES=1.
"""

import ast
import os
import symtable
import sys
import sysconfig
import textwrap
import tokenize
import warnings
from collections import Counter
from pathlib import Path

import pytest

from statelift.facts.scopes import Scope, Scopes

LIBRARY = Path(sysconfig.get_path("stdlib"))
EVERY = 1 if os.environ.get("STATELIFT_ALL_SCOPES") else 10
FILES = sorted(path for path in LIBRARY.rglob("*.py") if "site-packages" not in path.parts)[::EVERY]
BATCHES = [FILES[start::16] for start in range(16)]
IMPLICIT = {".0", "__class__", "__classdict__", "__conditional_annotations__"}


def without_annotations(tree):
    """They are evaluated late (or never) where the file or the Python says so: then they are no uses."""
    for node in ast.walk(tree):
        match node:
            case ast.arg():
                node.annotation = None
            case ast.AnnAssign():
                node.annotation = ast.Constant(None)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                node.returns = None
    return tree


class AllGenerators(ast.NodeTransformer):
    """Since Python 3.12 the table shows the names of other comprehensions as those of the function around."""

    def visit(self, node):
        node = self.generic_visit(node)
        match node:
            case ast.ListComp(elt=made, generators=parts) | ast.SetComp(elt=made, generators=parts):
                return ast.GeneratorExp(made, parts)
            case ast.DictComp(key=key, value=value, generators=parts):
                return ast.GeneratorExp(ast.Tuple([key, value], ast.Load()), parts)
            case _:
                return node


def comparable(text):
    """The text without what the symbol table of this Python does not show."""
    tree = ast.parse(text)
    if sys.version_info >= (3, 12):
        tree = AllGenerators().visit(tree)
    is_late = sys.version_info >= (3, 14) or "from __future__ import annotations" in text
    if is_late:
        tree = without_annotations(tree)
    return ast.unparse(tree) if is_late or sys.version_info >= (3, 12) else text


def read(path):
    """Text and tree of a file; None for the few that are broken on purpose, or have scopes that we do not model."""
    try:
        with warnings.catch_warnings(), tokenize.open(path) as file:
            warnings.simplefilter("ignore")
            text = comparable(file.read())
            compile(text, str(path), "exec", dont_inherit=True)
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return None if any(is_beyond_us(node) for node in ast.walk(tree)) else (text, tree)


def is_beyond_us(node):
    """Type parameters, `(name): int` (it binds nothing), and `top`, which symtable takes for a module."""
    match node:
        case ast.AnnAssign(target=ast.Name(), value=None, simple=0) | ast.FunctionDef(name="top"):
            return True
        case _:
            return bool(getattr(node, "type_params", None))


# ---------------------------------------------------------------- what the compiler says


def compiled(text):
    found = Counter()
    tables = [symtable.symtable(text, "file", "exec")]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        kind = str(getattr(table.get_type(), "value", table.get_type())).lower()
        if kind in ("function", "class"):
            names = {symbol.get_name(): meaning(symbol) for symbol in table.get_symbols() if is_used(symbol)}
            found[kind, table.get_lineno(), frozenset(names.items())] += 1
    return found


def is_used(symbol):
    """Not one that only passes through to an inner function."""
    signs = (symbol.is_referenced, symbol.is_assigned, symbol.is_parameter, symbol.is_imported)
    declared = (symbol.is_declared_global, symbol.is_annotated, symbol.is_namespace, symbol.is_nonlocal)
    return symbol.get_name() not in IMPLICIT and any(sign() for sign in (*signs, *declared))


def meaning(symbol):
    if symbol.is_free():
        return "free"
    return "global" if symbol.is_global() else "local"


# ---------------------------------------------------------------- what we say


def ours(tree):
    scopes = Scopes(tree)
    used = {
        id(scope): set(names)
        for scope, names in ((s, s.bound | s.globals | s.nonlocals) for s in scopes.opened.values())
    }
    for node, scope in scopes.of.items():
        if isinstance(node, ast.Name) and id(scope) in used:
            used[id(scope)].add(node.id)
        if isinstance(node, ast.NamedExpr) and scope.kind == "comprehension":
            used[id(scope)].add(node.target.id)
    found = Counter()
    for node, scope in scopes.opened.items():
        names = {mangled(scope, name): bound_in(scope, name) for name in used[id(scope)] - IMPLICIT}
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        found[kind, node.lineno, frozenset(names.items())] += 1
    return found


def bound_in(scope: Scope, name: str) -> str:
    home = scope.binding(name)
    if home is None or home.kind == "module":
        return "global"
    return "local" if home is scope else "free"


def mangled(scope, name):
    """Private names carry the name of their class in the symbol table."""
    if not name.startswith("__") or name.endswith("__"):
        return name
    while scope is not None and scope.kind != "class":
        scope = scope.parent
    owner = scope.node.name.lstrip("_") if scope is not None else ""
    return f"_{owner}{name}" if owner else name


# ---------------------------------------------------------------- they agree


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_names_mean_what_the_compiler_says(number):
    for path in BATCHES[number]:
        if (found := read(path)) is not None:
            text, tree = found
            theirs, mine = compiled(text), ours(tree)
            assert mine == theirs, f"{path}\nours alone {mine - theirs}\ntheirs alone {theirs - mine}"


def test_most_files_can_be_compared():
    readable = [path for path in FILES[:60] if read(path) is not None]
    assert len(readable) > 50


TRICKY = {
    "a walrus in a comprehension": """
        def f():
            [w := y for y in z]
            return w
        """,
    "a walrus in nested comprehensions": """
        def f():
            return [[w := y for y in x] for x in z], w
        """,
    "a class between": """
        def f(a):
            class C:
                a = a
                def g(self):
                    return a
        """,
    "global in the middle": """
        def f():
            global a
            a = 1
            def g():
                return a
            return g
        """,
    "nonlocal": """
        def f():
            a = 1
            def g():
                nonlocal a
                a += 1
            return g
        """,
    "a class that says global": """
        a = 1
        def f():
            class C:
                global a
                a = 2
            return a
        """,
    "defaults and decorators": """
        def f(a):
            @a
            def g(b=a, *c, d=a, **e):
                return b
            return g
        """,
    "a lambda's default": """
        def f(a):
            return lambda b=a: (a, b)
        """,
    "a comprehension in a class": """
        class C:
            a = 1
            b = [a for _ in [a]]
        """,
    "an exception's name": """
        def f():
            try:
                pass
            except E as e:
                return lambda: e
        """,
    "patterns": """
        def f(x):
            match x:
                case {"a": a, **b} | [a, *b] | C(a=a, b=b) as c:
                    return a, b, c
        """,
    "imports": """
        def f():
            import a.b, c.d as e
            from g import h as i
            return a, e, i
        """,
    "del, for and with": """
        def f():
            for a in b:
                del a
            async def g():
                async with c as d:
                    return d
        """,
    "the first iterator is outside": """
        def f(a):
            return [b for a in a for b in a if a]
        """,
}


@pytest.mark.parametrize("case", TRICKY)
def test_tricky_programs_agree_too(case):
    text = comparable(textwrap.dedent(TRICKY[case]))
    assert ours(ast.parse(text)) == compiled(text)
