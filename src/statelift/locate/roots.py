"""Files and declared functions -> code roots: which files form one program, and where the outside enters it."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from statelift.facts.callees import PARTIAL
from statelift.facts.values import Cell, Class, Function, ModuleFacts
from statelift.model import CodeRoot, EntryPoint, FunctionRef

EVENT_NAMES = frozenset({"event", "evt", "events", "lambda_event", "payload", "e"})
CONTEXT_NAMES = frozenset({"context", "ctx", "contex", "lambda_context", "_", "__", "c"})
TEST_FOLDERS = frozenset({"test", "tests", "e2e"})
VERBS = frozenset("get post put delete patch head options dispatch_request".split())
ROUTERS = frozenset("route websocket schedule lambda_function on_s3_event on_sqs_message resolver tool".split())
VIEWS = frozenset({"Resource", "MethodView", "View", "HTTPEndpoint"})
LAMBDA = re.compile(r"lambda (event|evt), (context|ctx|_):")
ADAPTERS = frozenset({"lambda_handler", "make_lambda_handler", "Mangum"})
HANDLERS = frozenset({"handler", "lambda_handler"})
EVENT_AND_CONTEXT = 2
IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)


def is_test(path: str) -> bool:
    """Whether a file belongs to a test suite."""
    pure = PurePosixPath(path)
    is_named = pure.name.startswith("test_") or pure.stem.endswith("_test") or pure.name == "conftest.py"
    return is_named or bool(TEST_FOLDERS & set(pure.parts[:-1]))


def group_files(
    files: Sequence[str], declared: Sequence[FunctionRef], read: Callable[[str], bytes]
) -> dict[str, tuple[str, ...]]:
    """Root folder -> its Python files. Declared code roots come first; the rest is joined along imports."""
    homes = sorted({ref.root for ref in declared if ref.path}, key=len, reverse=True)
    found: dict[str, list[str]] = defaultdict(list)
    loose: list[str] = []
    for path in files:
        home = next((root for root in homes if _is_below(path, root)), None)
        if home is None:
            loose.append(path)
        else:
            found[home].append(path)
    for root, members in _join_along_imports(loose, read).items():
        found[root] += members
    return {root: tuple(sorted(members)) for root, members in sorted(found.items())}


def _is_below(path: str, root: str) -> bool:
    return not root or path.startswith(f"{root}/")


def _join_along_imports(files: Sequence[str], read: Callable[[str], bytes]) -> dict[str, list[str]]:
    """Folders form one program where files of one import modules of the other, or below a common parent."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in files:
        folders[_folder(path)].append(path)
    modules = {path.removesuffix(".py").removesuffix("/__init__") for path in files} | set(folders)
    joined: dict[str, str] = {}
    for folder, members in folders.items():
        _join(joined, folder, _package_root(folder, set(files)))
        for head in sorted({name for path in members for name in _imported(read(path))} - sys.stdlib_module_names):
            for parent in _parents(folder):
                target = f"{parent}/{head}" if parent else head
                if target in modules:
                    _join(joined, folder, parent)
                    _join(joined, folder, target if target in folders else parent)
                    break
    return _gathered(folders, joined)


def _gathered(folders: Mapping[str, list[str]], joined: Mapping[str, str]) -> dict[str, list[str]]:
    """Root folder -> files. The root of joined folders is the innermost one above all of them."""
    groups: dict[str, set[str]] = defaultdict(set)
    for folder in {*folders, *joined}:
        groups[_head(joined, folder)].add(folder)
    found: dict[str, list[str]] = defaultdict(list)
    for members in groups.values():
        root = _common(members)
        for folder in sorted(members & folders.keys()):
            found[root] += folders[folder]
    return found


def _join(joined: dict[str, str], one: str, other: str) -> None:
    first, second = _head(joined, one), _head(joined, other)
    if first != second:
        joined[first] = second


def _head(joined: Mapping[str, str], folder: str) -> str:
    """The folder that stands for all that were joined with this one."""
    while joined.get(folder, folder) != folder:
        folder = joined[folder]
    return folder


def _common(folders: Collection[str]) -> str:
    shortest = min(folders, key=len)
    return next(parent for parent in _parents(shortest) if all(_is_below(f"{each}/", parent) for each in folders))


def _imported(data: bytes) -> set[str]:
    return {match.decode() for match in IMPORT.findall(data)}


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


def _parents(folder: str) -> Iterable[str]:
    """The folder itself and everything above it, innermost first."""
    while folder:
        yield folder
        folder = _folder(folder)
    yield ""


def _package_root(folder: str, files: set[str]) -> str:
    """The folder above the outermost package that a file lies in: what Python would have on its path."""
    while folder and f"{folder}/__init__.py" in files:
        folder = _folder(folder)
    return folder


def enter_roots(
    groups: Mapping[str, tuple[str, ...]],
    facts: Mapping[str, ModuleFacts],
    declared: Sequence[FunctionRef],
    *,
    strict: bool,
    named: Collection[str] = (),
) -> tuple[CodeRoot, ...]:
    """Groups of files with their entry points: declared functions, else signatures, else public functions.

    `named` are files that the user asked for by name: without a handler of their own they are entered too.
    """
    roots: list[CodeRoot] = []
    for root, members in groups.items():
        files = tuple(path for path in members if path in facts and not is_test(path))
        entries = _declared(declared, files)
        if not entries:
            entries = [entry for path in files for entry in _by_signature(root, facts[path])]
            entries += [entry for path in files for entry in _variables(root, facts[path])]
            entered = {entry.path for entry in entries}
            closed = [path for path in files if path not in entered and (path in named or not entered)]
            entries = entries or [entry for path in files for entry in _routes(root, facts[path])]
            entries = entries or [entry for path in files for entry in _adapted(root, facts[path])]
            entries += [] if strict else _public(root, closed if not _has_routes(entries) else [], facts)
        if entries:
            roots.append(CodeRoot(root, files, tuple(entries)))
    return tuple(roots)


def _declared(declared: Sequence[FunctionRef], files: Sequence[str]) -> list[EntryPoint]:
    return [
        EntryPoint(ref.path, ref.attribute, ref.logical_id, "template", ref)
        for ref in declared
        if ref.path is not None and ref.path in files
    ]


def _by_signature(root: str, module: ModuleFacts) -> Iterable[EntryPoint]:
    wrapping = {
        each.qualname.partition(".")[0]
        for each in module.functions
        if each.is_nested and has_handler_signature(each)
    }
    for function in module.functions:
        is_wrapped = any(each.name in wrapping for each in function.decorators)
        if not function.is_nested and not function.class_name and (is_wrapped or has_handler_signature(function)):
            name = f"{_dotted(root, module.path)}.{function.qualname}"
            yield EntryPoint(module.path, function.qualname, name, "signature")


def _variables(root: str, module: ModuleFacts) -> Iterable[EntryPoint]:
    """Variables that are called as handlers: `handler = App().handle`, an object with `__call__`, a lambda that
    hands its event on, a partial function that leaves event and context open, `handler = traced(serve)`.
    """
    handlers = {each.qualname for each in module.functions if each.class_name and has_handler_signature(each)}
    for cell in _handler_cells(module):
        is_lambda = cell.value is not None and LAMBDA.match(cell.value.text)
        is_made = cell.callee and (_is_left_open(module, cell) or _is_wrapped(module, cell))
        if is_lambda or is_made or not handlers.isdisjoint(cell.runs):
            name = f"{_dotted(root, module.path)}.{cell.name}"
            yield EntryPoint(module.path, cell.name, name, "signature")


def _is_left_open(module: ModuleFacts, cell: Cell) -> bool:
    """`partial(serve, {})`: what is left of the parameters of `serve` are an event and a context."""
    call = ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None
    if cell.callee != PARTIAL or not isinstance(call, ast.Call) or not call.args:
        return False
    name, given = ast.unparse(call.args[0]), {each.arg for each in call.keywords}
    for function in module.functions:
        if function.qualname == name:
            pairs = [*zip(function.parameters, function.annotations, strict=False)][len(call.args) - 1 :]
            left = [pair for pair in pairs if pair[0].name not in given]
            parameters, annotations = (tuple(each) for each in zip(*left, strict=True)) if left else ((), ())
            return has_handler_signature(replace(function, parameters=parameters, annotations=annotations))
    return False


def _is_wrapped(module: ModuleFacts, cell: Cell) -> bool:
    """`lambda_handler = traced(serve)`, where `serve` is no handler by its own names: `serve(request, info)`."""
    given = {atom.detail for atom in cell.value.atoms if atom.into} if cell.value is not None else set()
    meant = [each for each in module.functions if each.qualname in given]
    takes_two = any(len(each.parameters) == EVENT_AND_CONTEXT for each in meant)
    return cell.name in HANDLERS and takes_two and not any(map(has_handler_signature, meant))


def _adapted(root: str, module: ModuleFacts) -> Iterable[EntryPoint]:
    """`handler = Mangum(app)`: what calls the functions that a framework knows."""
    for cell in _handler_cells(module):
        if cell.callee.rpartition(".")[2] in ADAPTERS:
            yield EntryPoint(module.path, cell.name, f"{_dotted(root, module.path)}.{cell.name}", "route")


def _handler_cells(module: ModuleFacts) -> Iterable[Cell]:
    return (cell for cell in module.cells if cell.home == "module" and "handler" in cell.name.lower())


def has_handler_signature(function: Function) -> bool:
    """Whether a function takes an event and a context, as the runtime passes them."""
    taken = function.parameters[function.shift :]
    names = [each.name.strip("_").lower() or "_" for each in taken]
    required = sum(each.default is None for each in taken)
    if len(names) < 2 or required > 2:
        return False
    is_typed = "LambdaContext" in function.annotations[1 + function.shift]
    is_named = "handler" in function.qualname.lower() and len(names) == 2
    has_names = names[0] in EVENT_NAMES and names[1] in CONTEXT_NAMES
    return has_names or is_typed or (is_named and names[1] in CONTEXT_NAMES)


def _has_routes(entries: Sequence[EntryPoint]) -> bool:
    return any(entry.origin == "route" for entry in entries)


def _routes(root: str, module: ModuleFacts) -> Iterable[EntryPoint]:
    """Functions and methods that a web framework calls for a request."""
    views = {each.qualname for each in module.classes if _is_view(each, module)}
    for function in module.functions:
        is_route = any(_is_route(each.name) for each in function.decorators)
        is_verb = function.class_name in views and function.qualname.rpartition(".")[2] in VERBS
        if (is_route and not function.is_nested) or is_verb:
            name = f"{_dotted(root, module.path)}.{function.qualname}"
            yield EntryPoint(module.path, function.qualname, name, "route")


def _is_route(decorator: str) -> bool:
    owner, _, method = decorator.rpartition(".")
    return bool(owner) and method in VERBS | ROUTERS


def _is_view(each: Class, module: ModuleFacts) -> bool:
    """A class with methods for the verbs of HTTP, which a decorator or a call at import hands to a framework."""
    is_given = any(_is_route(decorator.name) for decorator in each.decorators) or each.qualname in module.mentions
    return is_given or any(base.rpartition(".")[2] in VIEWS for base in each.bases)


def _public(root: str, files: Sequence[str], facts: Mapping[str, ModuleFacts]) -> Iterable[EntryPoint]:
    """Public functions of modules that are no scripts, and that decorate nothing."""
    decorating = {d.name.rpartition(".")[2] for m in facts.values() for f in m.functions for d in f.decorators}
    for path in files:
        if PurePosixPath(path).stem not in ("__init__", "setup") and not facts[path].is_script:
            for function in facts[path].functions:
                if _is_public(function) and function.qualname not in decorating:
                    name = f"{_dotted(root, path)}.{function.qualname}"
                    yield EntryPoint(path, function.qualname, name, "public")


def _is_public(function: Function) -> bool:
    return not (function.is_nested or function.class_name or function.qualname.startswith("_"))


def _dotted(root: str, path: str) -> str:
    inside = path.removeprefix(f"{root}/") if root else path
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
