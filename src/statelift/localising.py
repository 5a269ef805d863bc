"""A cell that was meant for one call -> the change: a variable of each entry point, a parameter of its helpers."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from statelift.facts.values import Access, Call, Cell
from statelift.judge.addresses import function_of
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey
from statelift.link.single import is_given
from statelift.model import Edit, Span, Tier
from statelift.workspace import Proposal, Workspace, line_of

FRESH = (
    "what earlier calls left is gone: each call starts with {value}, also where the container is the same. That is"
    " another behaviour: choose it if nothing was meant to last"
)
CONTAINERS = frozenset({"list", "dict", "set"})
CHANGED_IN_PLACE = frozenset({"append", "extend", "add", "put", "delete", "pop", "remove", "discard", "setdefault"})
BOM = b"\xef\xbb\xbf"
Def = ast.FunctionDef | ast.AsyncFunctionDef


class NotLocalError(Exception):
    """The cell cannot become a variable of the call."""


@dataclass(frozen=True, slots=True)
class _Places:
    """The functions that need the variable: those that make it, and those that are given it."""

    key: CellKey
    starts: frozenset[FunctionKey]
    given: frozenset[FunctionKey]


def localise(judgement: Judgement, workspace: Workspace) -> Proposal | None:
    """The change, for review; None where some use, call or function does not allow it."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    is_plain = cell.home == "module" and cell.is_top_level and cell.is_alone and cell.definition_count == 1
    if not is_plain or cell.value is None or {atom.kind for atom in cell.value.atoms} > {"const"}:
        return None
    try:
        written = workspace.text(key[0], cell.value.span)
        value = _value(workspace, key, cell.value.text if "\n" in written else written)
        places = _places(judgement, workspace)
        edits = [*_edits(judgement, workspace, places, value)]
    except NotLocalError:
        return None
    reasons = [FRESH.format(value=value)]
    reasons += [f"{name}() gets it as a parameter" for name in sorted({name for _, name in places.given})]
    reasons += [*_tests(workspace, key, sorted(places.given))]
    tier = max(Tier.REVIEW, judgement.tier)
    return Proposal("localise", f"make {key[1]} a variable of each call", tuple(edits), tier, tuple(reasons))


def _value(workspace: Workspace, key: CellKey, text: str) -> str:
    if workspace.program.has_star_import_of(key[0]) or re.search(r"__all__", workspace.sources[key[0]].decode()):
        raise NotLocalError
    if any(isinstance(each, ast.Name) for each in ast.walk(ast.parse(text))) and text not in (
        "set()",
        "dict()",
        "list()",
    ):
        raise NotLocalError
    return text


def _tests(workspace: Workspace, key: CellKey, helpers: list[tuple[str, str]]) -> Iterator[str]:
    for path, word in (key, *helpers):
        who = workspace.evidence.mentions(path, word)
        if who:
            yield f"{who} {word}: change that, too"


# ---------------------------------------------------------------- who needs it


def _places(judgement: Judgement, workspace: Workspace) -> _Places:
    assert judgement.cell is not None
    key, program = judgement.cell[0], workspace.program
    users = {
        (path, use.function) for path, use in program.accesses.get(key, ()) if not _is_definition(judgement, use)
    }
    starts = {function_of(program, entry) for entry in workspace.entry_points(judgement)}
    if None in starts or not starts:
        raise NotLocalError
    known = {each for each in starts if each is not None}
    given: set[FunctionKey] = set()
    waiting = [each for each in users if each not in known]
    while waiting:
        function = waiting.pop()
        if function not in given:
            given.add(function)
            waiting += [each for each in _callers(workspace, function) if each not in known]
    for function in known | given:
        _check_function(workspace, function, key[1], is_start=function in known)
    return _Places(key, frozenset(known & (users | _calling(workspace, given))), frozenset(given))


def _is_definition(judgement: Judgement, use: Access) -> bool:
    assert judgement.cell is not None
    return use.statement == judgement.cell[1].statement and not use.function


def _callers(workspace: Workspace, function: FunctionKey) -> list[FunctionKey]:
    sites = workspace.program.call_sites.get(function, ())
    if not sites or any(not call.function for _, call in sites):
        raise NotLocalError
    return [(path, call.function) for path, call in sites]


def _calling(workspace: Workspace, given: set[FunctionKey]) -> set[FunctionKey]:
    return {each for function in given for each in _callers(workspace, function)}


def _check_function(workspace: Workspace, key: FunctionKey, name: str, *, is_start: bool) -> None:
    """Raise NotLocalError where a function may be called by others, or uses the name for something else."""
    program = workspace.program
    known = program.functions.get(key)
    is_readable = program.modules[key[0]].encoding == "utf-8" and not workspace.sources[key[0]].startswith(BOM)
    if known is None or known.is_nested or known.class_name or not is_readable:
        raise NotLocalError
    if is_start:
        is_apart = bool(program.call_sites.get(key))
    else:
        is_apart = bool(known.decorators) or is_given(program, key) or key in program.entries
    declared = any(each.function == key[1] and name in each.names for each in program.modules[key[0]].globals)
    if is_apart or (name in known.bound and not declared):
        raise NotLocalError
    node = _node(workspace, key)
    inner = [each for each in ast.walk(node) if isinstance(each, (*_SCOPES, ast.Lambda)) and each is not node]
    used = [each.id for one in inner for each in ast.walk(one) if isinstance(each, ast.Name)]
    if name in used or any(isinstance(each, ast.ImportFrom) for each in ast.walk(node)):
        raise NotLocalError


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@lru_cache(maxsize=16)
def _tree(data: bytes) -> ast.Module:
    return ast.parse(data)


def _node(workspace: Workspace, key: FunctionKey) -> Def:
    line = workspace.program.functions[key].place.line
    for node in ast.walk(_tree(workspace.sources[key[0]])):
        if isinstance(node, Def) and node.lineno == line:
            return node
    raise NotLocalError


# ---------------------------------------------------------------- edits


def _edits(judgement: Judgement, workspace: Workspace, places: _Places, value: str) -> Iterator[Edit]:
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    start, end, above, behind = _with_comments(cell, workspace.sources[path])
    yield Edit(path, start, end, "")
    yield from _uses(judgement, workspace, places)
    for module, facts in workspace.program.modules.items():
        if any(
            each.name == name and _is_meant(workspace, module, each.local, places.key) for each in facts.imports
        ):
            raise NotLocalError
    for statement in workspace.program.modules[path].globals:
        if name in statement.names:
            if statement.names != (name,) or not statement.is_removable:
                raise NotLocalError
            yield Edit(path, statement.line.start, statement.line.end, "")
    for function in sorted(places.starts):
        yield _start(workspace, function, name, f"{value}{behind}", above)
    for function in sorted(places.given):
        yield _parameter(workspace, function, name)
        for where, call in workspace.program.call_sites[function]:
            yield _argument(workspace, where, call, name, is_named=_takes_names(_node(workspace, function)))


def _is_meant(workspace: Workspace, module: str, local: str, key: CellKey) -> bool:
    target = workspace.program.resolve(module, local)
    return target is not None and (target.path, target.name) == key


def _uses(judgement: Judgement, workspace: Workspace, places: _Places) -> Iterator[Edit]:
    """`module.name` becomes `name`; a helper may change the object, but not give the name another one."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    for path, use in workspace.program.accesses.get(key, ()):
        if _is_definition(judgement, use):
            continue
        text = workspace.text(path, use.name)
        is_given = (path, use.function) in places.given
        if not use.function or use.op in ("dynamic", "unbind") or text.rpartition(".")[2] != key[1]:
            raise NotLocalError
        is_in_place = use.op in CHANGED_IN_PLACE or (use.op == "augment" and cell.kind in CONTAINERS)
        if is_given and not is_in_place and use.op in ("rebind", "augment"):
            raise NotLocalError
        if text != key[1]:
            yield Edit(path, use.name.start, use.name.end, key[1])


def _with_comments(cell: Cell, data: bytes) -> tuple[int, int, list[str], str]:
    """The lines that define a cell, with the comments above and behind, which go with it to its new place."""
    stop = data.find(b"\n", cell.statement.end)
    begin = data.rfind(b"\n", 0, cell.statement.start) + 1
    behind = data[cell.statement.end : stop if stop >= 0 else len(data)].decode().rstrip()
    if behind.strip() and not behind.lstrip().startswith("#"):
        raise NotLocalError
    lines = data[:begin].decode().splitlines(keepends=True)
    above: list[str] = []
    while lines and lines[-1].startswith("#"):
        above.insert(0, lines.pop())
    rest = data[stop + 1 :] if stop >= 0 else b""
    is_about_it = bool(lines) and not lines[-1].strip() and rest[:2].strip() == b""
    if not is_about_it:
        above = []
    start = begin - sum(len(each.encode()) for each in above)
    whole = replace(cell, line=Span(start, len(data) - len(rest)))
    return *line_of(whole, data), [each.rstrip() for each in above], behind


def _start(workspace: Workspace, function: FunctionKey, name: str, value: str, above: list[str]) -> Edit:
    """The first line of an entry point, behind its docstring and behind such lines of names that come earlier."""
    node, data = _node(workspace, function), workspace.sources[function[0]]
    lines = data.splitlines(keepends=True)
    body = [each for each in node.body if not isinstance(each, ast.Global)]
    index = 1 if ast.get_docstring(node, clean=False) is not None and len(body) > 1 else 0
    while index + 1 < len(body) and _is_earlier(body[index], name):
        index += 1
    first = body[index]
    line = min([first.lineno, *(each.lineno for each in getattr(first, "decorator_list", []))])
    margin = lines[line - 1][: first.col_offset].decode()
    if margin.strip() or node.body[0].lineno == node.lineno:
        raise NotLocalError
    at = sum(len(each) for each in lines[: line - 1])
    return Edit(function[0], at, at, "".join(f"{margin}{each}\n" for each in (*above, f"{name} = {value}")))


def _is_earlier(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=other)], value=ast.List() | ast.Dict() | ast.Constant() | ast.Call()):
            return other < name
        case _:
            return False


def _takes_names(node: Def) -> bool:
    """Whether the new parameter can only be given by its name."""
    arguments = node.args
    if arguments.kwarg is not None:
        raise NotLocalError
    return bool(arguments.defaults or arguments.vararg or arguments.kwonlyargs)


def _parameter(workspace: Workspace, function: FunctionKey, name: str) -> Edit:
    node, data = _node(workspace, function), workspace.sources[function[0]]
    arguments = node.args
    is_open = not (arguments.vararg or arguments.kwonlyargs)
    text = f"*, {name}" if _takes_names(node) and is_open else name
    start = sum(len(each) for each in data.splitlines(keepends=True)[: node.lineno - 1])
    end = start + _closing(data[start:].decode())
    has_others = bool([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs] or arguments.vararg)
    return _inserted(function[0], data, end, text, has_others=has_others)


def _closing(text: str) -> int:
    """Offset in bytes of the parenthesis that closes the parameters of the function that a text begins with."""
    depth, is_in = 0, False
    lines = text.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.string in ("(", "[", "{") and token.type == tokenize.OP:
            depth += 1
            is_in |= token.string == "(" and depth == 1
        elif token.string in (")", "]", "}") and token.type == tokenize.OP:
            depth -= 1
            if depth == 0 and is_in and token.string == ")":
                row, column = token.start
                return len("".join(lines[: row - 1]).encode()) + len(lines[row - 1][:column].encode())
    raise NotLocalError


def _argument(workspace: Workspace, path: str, call: Call, name: str, *, is_named: bool) -> Edit:
    data = workspace.sources[path]
    made = ast.parse(f"({workspace.text(path, call.span)}\n)", mode="eval").body
    if not isinstance(made, ast.Call) or workspace.program.modules[path].encoding != "utf-8":
        raise NotLocalError
    if made.args and isinstance(made.args[-1], ast.GeneratorExp):
        raise NotLocalError
    by_name = is_named or made.keywords or any(isinstance(each, ast.Starred) for each in made.args)
    if any(each.arg in (None, name) for each in made.keywords):
        raise NotLocalError
    text = f"{name}={name}" if by_name else name
    return _inserted(path, data, call.span.end - 1, text, has_others=bool(made.args or made.keywords))


def _inserted(path: str, data: bytes, closing: int, text: str, *, has_others: bool) -> Edit:
    """One more argument in front of a closing parenthesis, in a line of its own where the others have such."""
    if data[closing : closing + 1] != b")":
        raise NotLocalError
    before = data[:closing].rstrip()
    last = before[before.rfind(b"\n") + 1 :]
    if b"#" in last or b"#" in data[len(before) : closing]:
        raise NotLocalError
    if not has_others:
        return Edit(path, closing, closing, text)
    if not before.endswith(b","):
        return Edit(path, len(before), len(before), f", {text}")
    if b"\n" in data[len(before) : closing]:
        margin = last[: len(last) - len(last.lstrip())].decode()
        return Edit(path, len(before), len(before), f"\n{margin}{text},")
    return Edit(path, len(before), len(before), f" {text}")
