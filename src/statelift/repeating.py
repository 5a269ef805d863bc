"""A function that a call begins with -> whether running it again does nothing that the first time did not undo.

Only what is known to be harmless counts: everything else, a line in the log included, is an effect.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Collection, Iterator
from functools import lru_cache

from statelift.facts.values import Call
from statelift.link.names import CellKey, FunctionKey
from statelift.link.writes import is_container
from statelift.workspace import Workspace

MOST = 50  # functions that are looked at
EFFECTS = frozenset(
    "print input open exec eval compile setattr delattr globals locals vars __import__ next".split()
)
MODULES = ("json.", "math.", "datetime.", "decimal.", "collections.", "itertools.", "uuid.", "time.time",
           "copy.", "hashlib.", "base64.", "statistics.", "operator.", "urllib.parse.", "html.", "os.environ.get",
           "os.getenv")  # fmt: skip
CHANGES = frozenset(
    """append extend insert remove pop popitem clear update setdefault add discard sort reverse appendleft popleft
    extendleft rotate move_to_end subtract difference_update intersection_update""".split()
)
MAKERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.Constant, ast.JoinedStr)
BACK = frozenset({"key", "default", "cls", "object_hook", "repl"})
PASSIVE = frozenset({"staticmethod", "classmethod", "property"})
FORBIDDEN = (ast.With, ast.AsyncWith, ast.Await, ast.Yield, ast.YieldFrom, ast.Nonlocal)
DUMPING = frozenset({"json.dump", "pickle.dump"})
LOADING = frozenset({"json.load", "json.loads"})
FILLING = frozenset("append extend insert update add".split())
Opened = tuple[str, int, int]
Def = ast.FunctionDef | ast.AsyncFunctionDef


def is_repeatable(
    workspace: Workspace, function: FunctionKey, kept: CellKey | None, files: Collection[Opened] = ()
) -> bool:
    """Whether the function and all that it calls change nothing but `kept`, and say nothing to anybody.

    `files` are the calls (with line and column) on a file that is kept likewise.
    """
    waiting, seen = [function], set[FunctionKey]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        node = _node(workspace, key)
        if node is None or len(seen) > MOST or not _is_harmless(workspace, key, node, kept, files):
            return False
        if key != function and not {ast.unparse(each) for each in node.decorator_list} <= PASSIVE:
            return False  # what a decorator puts around a call runs again with it
        waiting += [callee for _, callee in workspace.program.calls.get(key, ())]
        waiting += workspace.program.wrappers.get(key, ())  # what runs in its place
    return True


def _node(workspace: Workspace, key: FunctionKey) -> Def | None:
    return _functions(workspace.sources[key[0]]).get(workspace.program.functions[key].place.line)


@lru_cache(maxsize=8)
def _functions(source: bytes) -> dict[int, Def]:
    """Line -> the function whose `def` stands there."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Def)]
    return {node.lineno: node for node in reversed(found)}


def _is_harmless(
    workspace: Workspace, key: FunctionKey, function: Def, kept: CellKey | None, files: Collection[Opened]
) -> bool:
    own = _own(function)
    filed = {(line, column) for path, line, column in files if path == key[0]}
    handles = {*_handles(function, filed)}
    loaded = {name for name in _names(function) if _is_loaded(workspace, key, function, name)} if files else set()
    uses = () if kept is None else workspace.program.accesses.get(kept, ())
    spans = {(use.place.line, use.place.column) for path, use in uses if path == key[0]}
    for node in (each for statement in function.body for each in ast.walk(statement)):
        is_filed = isinstance(node, ast.With) and all(_at(each.context_expr) in filed for each in node.items)
        is_forbidden = isinstance(node, FORBIDDEN) and not is_filed
        if is_forbidden or (isinstance(node, ast.Global) and (kept is None or node.names != [kept[1]])):
            return False
        if isinstance(node, ast.Name) and _is_object(workspace, key[0], node.id, kept):
            return False
        for changed in _changed(node):
            is_kept = any((each.lineno, each.col_offset + 1) in spans for each in _bases(changed))
            is_own = isinstance(changed, ast.Name) and changed.id in own | loaded
            is_own = is_own or _is_part(changed, loaded, function)
            if not (is_kept or is_own):
                return False
        if isinstance(node, ast.Call) and not (_at(node) in filed or _is_of_file(workspace, key, node, handles)):
            is_dumped = _dotted(workspace, key[0], node.func) in DUMPING
            if is_dumped or not (_is_known(workspace, key, node) and _calls_nothing_back(node)):
                return False
    return True


# ---------------------------------------------------------------- a file that is kept


def _at(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset + 1


def _handles(function: Def, filed: Collection[tuple[int, int]]) -> Iterator[str]:
    """The names of the file, opened."""
    for node in ast.walk(function):
        match node:
            case ast.withitem(context_expr=opened, optional_vars=ast.Name(id=name)) if _at(opened) in filed:
                yield name
            case _:
                pass


def _is_of_file(workspace: Workspace, key: FunctionKey, call: ast.Call, handles: Collection[str]) -> bool:
    """Whether a call reads or writes the file: `f.write(text)`, `json.dump(data, f)`."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="read" | "write" | "readlines" | "writelines")
        ):
            return name in handles
        case ast.Call(args=[_, ast.Name(id=name)]):
            return name in handles and _dotted(workspace, key[0], call.func) in DUMPING
        case _:
            return False


def _names(function: Def) -> set[str]:
    return {
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _is_loaded(workspace: Workspace, key: FunctionKey, function: Def, name: str) -> bool:
    """Whether a variable only ever holds what was just made of JSON, or nothing."""
    given = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == [name]
    ]
    stores = [
        node
        for node in ast.walk(function)
        if (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.arg) and node.arg == name)
    ]
    return len(given) == len(stores) and all(_is_new(workspace, key, each) for each in given)


def _is_new(workspace: Workspace, key: FunctionKey, value: ast.expr | None, depth: int = 3) -> bool:
    """Whether a value and all that is in it was made by this very expression."""
    match value:
        case ast.Constant() | ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case ast.Call() if _dotted(workspace, key[0], value.func) in LOADING:
            return not value.keywords
        case ast.Call() if depth:
            callees = [made for call, made in workspace.program.calls.get(key, ()) if _at(value) == _line(call)]
            bodies = [(each, _node(workspace, each)) for each in callees]
            return bool(bodies) and all(body and _gives_new(workspace, at, body, depth - 1) for at, body in bodies)
        case _:
            return False


def _line(call: Call) -> tuple[int, int]:
    return call.place.line, call.place.column


def _gives_new(workspace: Workspace, key: FunctionKey, function: Def, depth: int) -> bool:
    is_plain = not function.decorator_list and isinstance(function, ast.FunctionDef)
    given = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return is_plain and all(_is_new(workspace, key, each, depth) for each in given)


def _is_part(changed: ast.expr, loaded: Collection[str], function: Def) -> bool:
    """Whether an element of such a value changes, and nothing from elsewhere was put there as an element."""
    match changed:
        case ast.Subscript(value=ast.Name(id=name)):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="setdefault"), args=[_, default]):
            if not _is_empty(default):
                return False
        case _:
            return False
    puts = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Subscript) and ast.unparse(each.value) == name for each in node.targets)
    ]
    filled = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr in FILLING]
    is_filled = any(ast.unparse(node.value) == name for node in filled)
    return name in loaded and all(map(_is_empty, puts)) and not is_filled


def _is_empty(node: ast.expr) -> bool:
    match node:
        case ast.Constant() | ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case _:
            return False


def _is_object(workspace: Workspace, path: str, name: str, kept: CellKey | None) -> bool:
    """Whether a name stands for an object made at import: reading an attribute of it may run anything."""
    target = workspace.program.resolve(path, name)
    key = None if target is None or target.kind != "cell" else (target.path, target.name)
    cell = None if key is None or key == kept else workspace.program.cells[key]
    return cell is not None and cell.kind in ("call", "other") and not is_container(cell)


def _own(function: Def) -> set[str]:
    """Local names that only ever hold what the function made itself."""
    bound: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if isinstance(value, MAKERS):
                made[name] += 1
            case ast.AugAssign(target=ast.Name(id=name)):
                made[name] += 1
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                bound[name] += 1
            case ast.Global(names=names):
                bound.update(names)
            case _:
                pass
    return {name for name, count in made.items() if bound[name] == count}


def _calls_nothing_back(call: ast.Call) -> bool:
    """Whether no function is handed over, to be called there."""
    if isinstance(call.func, ast.Name) and call.func.id in ("map", "filter"):
        return False
    return all(isinstance(each.value, (ast.Lambda, ast.Constant)) for each in call.keywords if each.arg in BACK)


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    """What a node gives another value, or changes in place; binding a plain local name is no change."""
    match node:
        case (
            ast.Attribute(value=value, ctx=ast.Store() | ast.Del())
            | ast.Subscript(value=value, ctx=ast.Store() | ast.Del())
        ):
            yield value
        case ast.AugAssign(target=ast.Name() as target):
            yield target  # it changes a list in place
        case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in CHANGES:
            yield value
        case _:
            pass


def _bases(node: ast.expr) -> Iterator[ast.expr]:
    while True:
        yield node
        match node:
            case (
                ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Call(func=ast.Attribute(value=value))
            ):
                node = value
            case _:
                return


def _is_known(workspace: Workspace, key: FunctionKey, call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr=method) if method in CHANGES:
            return True  # what it changes is looked at
        case ast.Name(id=name) if name in vars(builtins):
            return name not in EFFECTS
        case _:
            pass
    calls = workspace.program.calls.get(key, ())
    at = (call.lineno, call.col_offset + 1)
    if any((made.place.line, made.place.column) == at for made, _ in calls):
        return True
    dotted = _dotted(workspace, key[0], call.func)
    is_text_method = isinstance(call.func, ast.Attribute) and any(
        hasattr(kind, call.func.attr) for kind in (str, int, float, dict, list, set)
    )
    is_of_module = dotted.partition(".")[0] in {each.local for each in workspace.program.modules[key[0]].imports}
    return dotted.startswith(MODULES) or (is_text_method and not is_of_module)


def _dotted(workspace: Workspace, path: str, node: ast.expr) -> str:
    """`loads` -> `json.loads`, where it is imported so."""
    text = ast.unparse(node)
    head, _, rest = text.partition(".")
    imports = (each for each in workspace.program.modules[path].imports if each.local == head)
    for each in imports:
        full = f"{each.module}.{each.name}" if each.name else each.module
        return f"{full}.{rest}" if rest else full
    return text
