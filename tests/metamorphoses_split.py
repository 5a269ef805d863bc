"""One module of a program -> two: a cell and functions around it move into a module of their own."""

import ast
from pathlib import PurePosixPath

from metamorphoses import DYNAMIC, FUNCTIONS, after_imports, bound, modules

PART = "split_off"
STYLES = ("from", "import", "alias", "star")


def split_from(program, chance):
    """`from split_off import CELL, helper`."""
    return split(program, chance, "from")


def split_star(program, chance):
    """`from split_off import *`."""
    return split(program, chance, "star")


def split_import(program, chance):
    """`import split_off`, and `split_off.CELL` for `CELL`."""
    return split(program, chance, "import")


def split_alias(program, chance):
    """`import split_off as split_part`, and `split_part.CELL` for `CELL`."""
    return split(program, chance, "alias")


def split(program, chance, style):
    """The program with a module more, or None where nothing can move."""
    for path in modules(program, chance):
        tree = ast.parse(program.files[path])
        is_static = not DYNAMIC.search(program.files[path]) and not path.endswith("__init__.py")
        moved = (
            chosen(Module(program, path, tree), chance, style)
            if is_static and home(program, path) is not None
            else None
        )
        if moved:
            return divided(program, path, tree, moved, style)
    return None


def home(program, path):
    """How a file of the same folder is imported: with a leading dot or not; None where that is not certain."""
    folder = PurePosixPath(path).parent
    if str(folder / "__init__.py") in program.files:
        return "."
    siblings = {PurePosixPath(each).stem for each in program.files if PurePosixPath(each).parent == folder}
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(program.files[path]))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return "" if str(folder) == "." or siblings & imported else None


class Module:
    """What can move out of a file, and what would have to move with it."""

    def __init__(self, program, path, tree):
        self.program, self.path, self.tree = program, path, tree
        self.times = [*bound(tree)]
        self.imports = {
            name: n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom) for name in bound(n)
        }
        self.definitions = {name: n for n in tree.body for name in self._defined(n)}
        self.elsewhere = "\n".join(text for other, text in program.files.items() if other != path) + program.others

    def _defined(self, node):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr())
            ):
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case _:
                return
        is_entry = (self.path, name) in self.program.entries
        if self.times.count(name) == 1 and not is_entry and not name.startswith("__"):
            yield name

    def needs(self, name):
        """The definition and all that it needs of the module; None where something cannot move."""
        waiting, found = [name], set()
        while waiting:
            one = waiting.pop()
            if one in found or (one in self.imports and self.times.count(one) == 1):
                continue
            if one not in self.definitions:
                return None
            found.add(one)
            waiting += mentioned(self.definitions[one]) & set(self.times)
        return found

    def users(self, names):
        """Functions of the module that mention one of the names, with those that are entry points."""
        return {
            node.name
            for node in self.tree.body
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and mentioned(node) & names
        }

    def rebound(self, names):
        """Which of the names some function assigns."""
        declared = {n for each in ast.walk(self.tree) if isinstance(each, ast.Global) for n in each.names}
        return names & declared

    def is_shadowed(self, names):
        """Whether one of the names means something else inside of a function."""
        assigned = {n.target.id for n in ast.walk(self.tree) if isinstance(n, ast.NamedExpr)}  # not to attributes
        return bool(names & assigned) or any(
            names
            & {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            - {n for each in ast.walk(node) if isinstance(each, ast.Global) for n in each.names}
            or names & {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
            for node in ast.walk(self.tree)
            if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef))
        )


def mentioned(node):
    """All names in a piece of code."""
    declared = {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
    return declared | {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def chosen(module, chance, style):
    """The names that move, or None."""
    cells = sorted(
        name for path, name in module.program.cells if path == module.path and name in module.definitions
    )
    if not cells:
        return None
    wanted = [chance.choice(cells), *(n for n in sorted(module.definitions) if chance.random() < 0.5)]
    found = set()
    for name in wanted:
        found |= module.needs(name) or set()
    if style in ("from", "star"):
        found |= {n for user in module.users(module.rebound(found)) for n in module.needs(user) or {""}}
    return sorted(found) if found and fits(module, found, style) else None


def fits(module, moved, style):
    """Whether the names mean the same when they are imported in this style."""
    is_known_elsewhere = any(name in module.elsewhere for name in moved)
    if style in ("import", "alias"):
        return not is_known_elsewhere and not module.is_shadowed(moved)
    rebound = module.rebound(moved)
    is_hidden = style == "star" and any(name.startswith("_") for name in moved)
    is_used = any(user not in moved for user in module.users(rebound)) or (rebound and is_known_elsewhere)
    return "" not in moved and not is_hidden and not is_used


def divided(program, path, tree, moved, style):
    """The program with the names in a module of their own."""
    module = Module(program, path, tree)
    folder, dot = PurePosixPath(path).parent, home(program, path)
    nodes = [node for node in tree.body if any(module.definitions.get(name) is node for name in moved)]
    needed = {name for node in nodes for name in mentioned(node)} & set(module.imports)
    future = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    imports = [n for n in tree.body if any(module.imports[name] is n for name in needed)]
    tree.body = [node for node in tree.body if node not in nodes]
    place = after_imports(tree)
    if style in ("import", "alias"):
        tree = ast.fix_missing_locations(
            _Prefixed(set(moved), PART if style == "import" else "split_part").visit(tree)
        )
    tree.body[place:place] = ast.parse(statement(style, dot, moved)).body
    body = [*future, *(n for n in imports if n not in future), *nodes]
    made = ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))
    return program.changed(str(folder / f"{PART}.py"), made).changed(path, ast.unparse(tree))


def statement(style, dot, moved):
    """The import in this style."""
    match style:
        case "from":
            return f"from {dot}{PART} import {', '.join(moved)}"
        case "star":
            return f"from {dot}{PART} import *"
        case "import":
            return f"from . import {PART}" if dot else f"import {PART}"
        case _:
            return f"from . import {PART} as split_part" if dot else f"import {PART} as split_part"


class _Prefixed(ast.NodeTransformer):
    """`CELL` becomes `split_off.CELL`."""

    def __init__(self, names, module):
        self.names, self.module = names, module

    def visit_Name(self, node):
        return ast.Attribute(ast.Name(self.module), node.id, node.ctx) if node.id in self.names else node

    def visit_Global(self, node):
        node.names = [name for name in node.names if name not in self.names]
        return node if node.names else ast.Pass()
