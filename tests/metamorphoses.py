"""The text of a program -> the text of another that keeps its state in the same way.

Each transformation takes a program and a source of chance, and gives the changed program with the names that are
new, or None where it has nothing to do. None of them changes what the program does for the outside.
"""

import ast
import builtins
import io
import itertools
import re
import tokenize
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import NamedTuple

DYNAMIC = re.compile(r"\b(globals|locals|vars|eval|exec|setattr|getattr|delattr|__dict__|modules|importlib)\b")
SIGNATURE = frozenset(
    """event evt events lambda_event payload e context ctx contex lambda_context c self cls
    _context _ctx _event _""".split()
)
BUILT_IN = frozenset(dir(builtins)) | {a for kind in (dict, list, set, str, bytes, int, object) for a in dir(kind)}
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Entry(NamedTuple):
    """Where the outside comes in."""

    path: str
    function: str


@dataclass(frozen=True)
class Text:
    """A program: its Python files, the text of its other files, its entry points, its judged names per file."""

    files: dict[str, str]
    others: str = ""
    entries: frozenset[Entry] = frozenset()
    cells: frozenset[tuple[str, str]] = frozenset()
    names: dict[str, str] = field(default_factory=dict)

    def changed(self, path, text):
        """The program with one file replaced or added. SyntaxError where Python does not take it."""
        compile(text, path, "exec", dont_inherit=True)
        return replace(self, files={**self.files, path: text})

    def entered(self, path):
        """The top-level functions of a file that are entry points, as nodes of a tree of its own."""
        tree = ast.parse(self.files[path])
        return tree, [n for n in tree.body if isinstance(n, FUNCTIONS) and Entry(path, n.name) in self.entries]


def modules(program, chance):
    """The files in a chosen order."""
    return chance.sample(sorted(program.files), len(program.files))


def bound(tree):
    """Names that the statements of a module bind at its top level, each time that they do."""
    for node in tree.body if isinstance(tree, ast.Module) else (tree,):
        for each in within(node):
            match each:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                    yield name
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    yield name
                case ast.alias(name=name, asname=alias):
                    yield alias or name.partition(".")[0]
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                    yield name


def within(node):
    """The node and all below it that belong to the same scope."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from within(child)


def after_docstring(body):
    """How many statements of a body have to stay first."""
    count = 0
    for node in body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not count
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (is_text or is_future):
            break
        count += 1
    return count


def after_imports(tree):
    """Where a further import can stand."""
    count = after_docstring(tree.body)
    while count < len(tree.body) and isinstance(tree.body[count], ast.Import | ast.ImportFrom):
        count += 1
    return count


# ---------------------------------------------------------------- the form only


def unparse(program, chance):
    """Quotes, brackets and line breaks as `ast.unparse` writes them; no comments."""
    for path in modules(program, chance):
        program = program.changed(path, ast.unparse(ast.parse(program.files[path])) + "\n")
    return program


def add_comments(program, chance):
    """Comments and blank lines between and behind statements."""
    for path in modules(program, chance):
        lines = program.files[path].splitlines(keepends=True)
        kinds = Counter()
        for token in tokenize.generate_tokens(io.StringIO(program.files[path]).readline):
            if token.type == tokenize.NEWLINE and chance.random() < 0.4:
                kinds[token.end[0] if token.end[1] else token.end[0] - 1] += 1
        for number in kinds:
            text = lines[number - 1]
            if text.endswith("\n") and "#" not in text and not text.endswith("\\\n"):
                lines[number - 1] = f"{text[:-1]}  # as agreed\n" + "\n" * chance.randrange(2)
        program = program.changed(path, "".join(lines))
    return program


def add_docstrings(program, chance):
    """A docstring for every function that has none."""
    return each_function(program, chance, with_docstring)


def with_docstring(node):
    if ast.get_docstring(node) is None:
        node.body.insert(0, ast.Expr(ast.Constant("Do what the name says.")))
        return True
    return False


def add_hints(program, chance):
    """`object` as the type of everything that has none."""
    return each_function(program, chance, with_hints)


def with_hints(node):
    if node.decorator_list:
        return False
    arguments = [
        a for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if a.annotation is None
    ]
    for each in arguments:
        if each.arg not in ("self", "cls"):
            each.annotation = ast.Name("object")
    if node.returns is None:
        node.returns = ast.Name("object")
    return True


def each_function(program, chance, change):
    has_changed = False
    for path in modules(program, chance):
        tree = ast.parse(program.files[path])
        done = [change(node) for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
        if any(done):
            has_changed = True
            program = program.changed(path, ast.unparse(ast.fix_missing_locations(tree)))
    return program if has_changed else None


# ---------------------------------------------------------------- names


def rename(program, chance):
    """Cells, functions, classes, variables and attributes get other names, in all files."""
    if any(DYNAMIC.search(text) for text in program.files.values()):
        return None
    trees = {path: ast.parse(text) for path, text in program.files.items()}
    names = sorted(own_names(program, trees))
    if not names:
        return None
    chosen = chance.sample(names, chance.randint(1, len(names)))
    new = {name: new_name(name, number, chance) for number, name in enumerate(chosen)}
    for path, tree in trees.items():
        program = program.changed(path, ast.unparse(_Renaming(new).visit(tree)))
    return replace(program, names=new)


def new_name(name, number, chance):
    """Another name of the same style."""
    word = f"{chance.choice(WORDS)}_{number}"
    word = word.upper() if name.isupper() else word.title().replace("_", "") if name[0].isupper() else word
    return "_" * (len(name) - len(name.lstrip("_"))) + word


def own_names(program, trees):
    """Names that the program itself binds, and that nothing from outside can know."""
    found = set()
    foreign = (
        set(BUILT_IN) | SIGNATURE | {PurePosixPath(p).stem for p in trees} | set(re.findall(r"\w+", program.others))
    )
    for tree in trees.values():
        for node in ast.walk(tree):
            bound_here, foreign_here = _names_at(node, trees)
            found |= bound_here
            foreign |= foreign_here
    return {name for name in found - foreign if not name.startswith("__") and name.strip("_")}


def _names_at(node, trees):
    """What a node binds, and which names it takes from outside."""
    none = set()
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return {name}, none
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}, none
        case ast.ClassDef(name=name, bases=bases, keywords=keywords):
            inherited = (
                {n for each in node.body for n in bound(each)} if bases or keywords or node.decorator_list else none
            )
            return {name}, inherited
        case ast.Attribute(attr=name, value=ast.Name(id="self"), ctx=ast.Store()):
            return {name}, none
        case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls")):
            return none, none
        case ast.Attribute(attr=name, value=ast.Name(id=base)) if is_own_module(base, trees):
            return none, none
        case ast.Attribute(attr=name):
            return none, {name}
        case ast.keyword(arg=str(name)):
            return none, {name}
        case ast.Constant(value=str(text)):
            return none, set(re.findall(r"\w+", text))
        case ast.Import(names=names):
            return none, {word for each in names for word in (each.asname or each.name).split(".")}
        case ast.ImportFrom(module=module, names=names, level=level):
            is_own = level or is_own_module((module or "").rpartition(".")[2], trees)
            return none, none if is_own else {each.asname or each.name for each in names}
        case ast.MatchClass(kwd_attrs=names):
            return none, set(names)
        case _:
            return none, none


def is_own_module(name, trees):
    """Whether a file of the program has this name."""
    return any(PurePosixPath(path).stem == name for path in trees)


class _Renaming(ast.NodeTransformer):
    """Replaces identifiers, wherever they stand."""

    FIELDS = ("id", "arg", "attr", "name", "asname", "rest")

    def __init__(self, names):
        self.names = names

    def generic_visit(self, node):
        for field_name in self.FIELDS:
            value = getattr(node, field_name, None)
            if isinstance(value, str):
                setattr(node, field_name, self.names.get(value, value))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self.names.get(each, each) for each in node.names]
        return super().generic_visit(node)


# ---------------------------------------------------------------- the order, and code that does nothing


def reorder(program, chance):
    """Functions that stand one behind the other in another order."""
    has_changed = False
    for path in modules(program, chance):
        for run in runs_of_functions(ast.parse(program.files[path])):
            lines = program.files[path].split("\n")
            parts = [lines[node.lineno - 1 : node.end_lineno] for node in run]
            gaps = [lines[a.end_lineno : b.lineno - 1] for a, b in itertools.pairwise(run)] + [[]]
            mixed = chance.sample(parts, len(parts))
            joined = [line for part, gap in zip(mixed, gaps, strict=True) for line in (*part, *gap)]
            lines[run[0].lineno - 1 : run[-1].end_lineno] = joined
            has_changed = has_changed or mixed != parts
            program = program.changed(path, "\n".join(lines))
    return program if has_changed else None


def runs_of_functions(tree):
    """Groups of two or more neighbours that nothing at import can tell apart."""
    run = []
    for node in [*tree.body, None]:
        if isinstance(node, FUNCTIONS) and is_plain(node) and node.name not in {each.name for each in run}:
            run.append(node)
            continue
        if len(run) > 1:
            yield run
        run = []


def is_plain(node):
    """Whether defining the function runs no code of the program."""
    return not (node.decorator_list or node.args.defaults or [d for d in node.args.kw_defaults if d])


DEAD = '''

def _never_called_{number}(value: int = 3) -> int:
    """Nobody calls this."""
    total = [value]
    total.append(value)
    return sum(total)
'''


def add_dead_code(program, chance):
    """Functions that nobody calls and that touch nothing of the program."""
    for number, path in enumerate(modules(program, chance)):
        program = program.changed(
            path, program.files[path].rstrip("\n") + "\n" + DEAD.replace("{number}", str(number))
        )
    return program


def add_logging(program, chance):
    """A line in the log at the begin of every function."""
    form = chance.choice(["print('called')", "import logging\nlogging.getLogger(__name__).info('called %s', 1)"])

    def with_line(node):
        if not any(isinstance(each, ast.Name) and each.id in ("print", "logging") for each in bound_in(node)):
            node.body[after_docstring(node.body) : after_docstring(node.body)] = ast.parse(form).body
        return True

    return each_function(program, chance, with_line)


def bound_in(node):
    """Names that a function assigns."""
    return [n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def wrap_in_try(program, chance):
    """The body of an entry point in a `try` that raises again whatever it catches."""
    has_changed = False
    for path in modules(program, chance):
        tree, entries = program.entered(path)
        for node in entries:
            count = after_docstring(node.body)
            handler = ast.ExceptHandler(ast.Name("Exception"), None, [ast.Raise()])
            if node.body[count:]:
                node.body[count:] = [ast.Try(node.body[count:], [handler], [], [])]
                has_changed = True
        program = program.changed(path, ast.unparse(ast.fix_missing_locations(tree)))
    return program if has_changed else None


# ---------------------------------------------------------------- a helper of its own


def extract_helper(program, chance):
    """One statement that touches a cell moves into a function with parameters."""
    for path in modules(program, chance):
        tree = ast.parse(program.files[path])
        cells = {name for where, name in program.cells if where == path} & set(bound(tree))
        found = [*extractable(tree, cells)]
        if found:
            function, block, index = chance.choice(found)
            helper = extracted(block, index, locals_of(function), cells)
            tree.body.insert(tree.body.index(function), helper)
            return program.changed(path, ast.unparse(ast.fix_missing_locations(tree)))
    return None


def extractable(tree, cells):
    """(function, block, index) of the statements that can move."""
    for function in tree.body:
        if isinstance(function, FUNCTIONS) and not locals_of(function) & cells:
            for node in ast.walk(function):
                for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
                    if isinstance(block, list) and in_function(function, node):
                        yield from ((function, block, i) for i, each in enumerate(block) if can_move(each, cells))


def in_function(function, node):
    """Whether a block belongs to the function itself, not to one inside of it."""
    nested = [n for n in ast.walk(function) if isinstance(n, SCOPES) and n is not function]
    return not isinstance(node, ast.Lambda | ast.IfExp) and not any(node in ast.walk(each) for each in nested)


def can_move(node, cells):
    """Whether a statement touches a cell, and does nothing that only its own function can do."""
    parts = [*ast.walk(node)]
    touched = {each.id for each in parts if isinstance(each, ast.Name)} & cells
    is_bound_to_place = any(
        isinstance(n, (*SCOPES, ast.Yield, ast.YieldFrom, ast.Await, ast.NamedExpr, ast.JoinedStr)) for n in parts
    )
    stored = {each.id for each in parts if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    is_known = isinstance(node, ast.Expr | ast.Assign | ast.AugAssign | ast.Delete | ast.Return)
    is_simple = not stored - cells or is_one_variable(node)
    return bool(touched) and is_known and is_simple and not is_bound_to_place


def is_one_variable(node):
    return isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)


def locals_of(function):
    """Names that belong to a function."""
    declared = {name for n in ast.walk(function) if isinstance(n, ast.Global) for name in n.names}
    own = {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)} | {n.id for n in bound_in(function)}
    own |= {
        n.name
        for n in ast.walk(function)
        if isinstance(n, (*FUNCTIONS, ast.ExceptHandler)) and n is not function and n.name
    }
    own |= {
        (a.asname or a.name).partition(".")[0]
        for n in ast.walk(function)
        if isinstance(n, ast.Import | ast.ImportFrom)
        for a in n.names
    }
    return own - declared


def extracted(block, index, own, cells):
    """Replaces a statement by a call, and gives the function that does what it did."""
    node = block[index]
    keeps = is_one_variable(node) and node.targets[0].id not in cells
    work = ast.Return(node.value) if keeps else node
    used = sorted({n.id for n in ast.walk(work) if isinstance(n, ast.Name) and n.id in own})
    call = ast.Call(ast.Name("_moved_out"), [ast.Name(name) for name in used], [])
    block[index] = (
        ast.Assign(node.targets, call)
        if keeps
        else ast.Return(call)
        if isinstance(node, ast.Return)
        else ast.Expr(call)
    )
    stored = sorted(
        {n.id for n in ast.walk(work) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store | ast.Del)}
    )
    body = [*([ast.Global(stored)] if stored else []), work]
    arguments = ast.arguments([], [ast.arg(name) for name in used], None, [], [], None, [])
    return ast.FunctionDef("_moved_out", arguments, body, [])


def renamed(symbol, names):
    """A dotted symbol with the new names."""
    return re.sub(r"\w+", lambda match: names.get(match[0], match[0]), symbol)
