"""A store that a call reads before it writes -> `@one_step(STORE)` above the function that does both.

Each operation of a store is atomic, two of them are not: between a check and the write that it decides about,
another call may come. The decorator stands above the function that does it all, or the one that a call begins with.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from statelift.facts.values import Access, Function, Guard
from statelift.judge.addresses import function_of
from statelift.judge.blocks import is_fixed
from statelift.judge.steps import STARTING, one_steps_above
from statelift.judge.stores import operations, racing
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey, Target, import_target
from statelift.link.program import HELPER
from statelift.link.writes import is_container, is_write
from statelift.model import Edit, Operation
from statelift.repeating import is_repeatable
from statelift.stepping import AGAIN, line_above
from statelift.workspace import Workspace

ONE, SEVERAL = "store.step", "store.steps"
SCANS = frozenset({"items", "len"})
STEP = (
    "@one_step makes each call of {} one step on {}: if another call changed meanwhile what it has read,"
    " StateConflictError is raised and nothing is written"
)
MANY = "it uses entries in a loop: a step of more than 100 raises ValueError and writes nothing"
Uses = list[tuple[str, Access]]


@dataclass(frozen=True, slots=True)
class Step:
    """The decorators, the helper parts by file and function, and what a reviewer has to know."""

    operations: tuple[Operation, ...]
    calls: tuple[tuple[str, str, str], ...]
    reasons: tuple[str, ...]


def step_of(judgement: Judgement, workspace: Workspace) -> Step | None:
    """What makes the reads and writes of a call one step; None where it is not asked for, or cannot be done."""
    if not judgement.is_racing or judgement.cell is None or judgement.cell[1].home != "module":
        return None
    key = judgement.cell[0]
    evidence = workspace.evidence
    reached = [(path, use) for path, use in judgement.accesses if evidence.is_reachable(path, use.function)]
    functions = _functions(judgement, workspace, reached)
    names = [_name_at(workspace, key, function) for function in functions]
    if not functions or not all(names) or _has_threads(workspace):
        return None
    is_alone = len(functions) == 1 and _is_only_store(workspace, key)
    part = ONE if is_alone and _has_one_key(workspace, key, reached, functions[0]) else SEVERAL
    repeated = {function for function in functions if is_repeatable(workspace, function, key)}
    edits = [
        _decorator(workspace, key, function, name, is_repeated=function in repeated)
        for function, name in zip(functions, names, strict=True)
    ]
    imports = [each for path, _ in functions for each in workspace.helper(path, "one_step", [part])]
    what = ", ".join(f"{qualname}()" for _, qualname in functions)
    reasons = [STEP.format(what, key[1]), *([AGAIN] if repeated else ())]
    reasons += [MANY] if _has_loop(workspace, key, reached, functions) else []
    return Step((*edits, *imports), tuple((*function, part) for function in functions), tuple(reasons))


def _functions(judgement: Judgement, workspace: Workspace, uses: Uses) -> list[FunctionKey]:
    """The function that alone uses the store, once in each call; else those that calls begin with; or none."""
    program, evidence = workspace.program, workspace.evidence
    keyed = [(path, use) for path, use in uses if use.op not in SCANS]
    homes = sorted({(path, use.function) for path, use in keyed})
    if len(homes) == 1 and _is_whole_step(workspace, judgement, homes[0], keyed):
        return homes if _scans_outside(workspace, uses, homes) else []
    found = [function_of(program, entry) for entry in workspace.entry_points(judgement)]
    racing_entries = {entry for entry, _, _ in racing(evidence, judgement, operations(evidence, judgement, keyed))}
    entries = sorted({each for each in found if each in racing_entries})
    is_complete = all(found) and all(_is_plain(program.functions[each]) for each in entries)
    return entries if is_complete and _scans_outside(workspace, uses, entries) else []


def _is_plain(function: Function) -> bool:
    return not (function.is_async or function.has_generator or function.is_nested)


def _is_whole_step(workspace: Workspace, judgement: Judgement, home: FunctionKey, uses: Uses) -> bool:
    """Whether the function is called in one place, for each message perhaps, and nothing else that lasts changes.

    Each message is a step of its own then, which runs again without the others.
    """
    program, key = workspace.program, judgement.cell
    assert key is not None
    if not _is_plain(program.functions[home]):
        return False
    starts = {function_of(program, entry) for entry in workspace.entry_points(judgement)}
    ways = {tuple((each.path, each.function, each.guards) for each in way[1:])
            for path, use in uses for way in workspace.evidence.ways.of(key[0], path, use)}  # fmt: skip
    outermost = [way[-1][:2] if way else home for way in ways]
    is_once = len(outermost) == len(set(outermost)) and set(outermost) <= starts
    return is_once and _is_only_state(workspace, key[0])


def _is_loop(guard: Guard) -> bool:
    return guard.kind == "loop"


def _has_loop(workspace: Workspace, key: CellKey, uses: Uses, functions: list[FunctionKey]) -> bool:
    """Whether a step may use an entry for each of many things."""
    for path, use in uses:
        for way in workspace.evidence.ways.of(key, path, use):
            for frame in way:
                if any(map(_is_loop, frame.guards)):
                    return True
                if (frame.path, frame.function) in functions:
                    break
    return False


def _is_only_state(workspace: Workspace, key: CellKey) -> bool:
    """Whether calls change nothing else that lasts."""
    return not any(_is_written(workspace, other) for other in workspace.program.accesses if other != key)


def _is_only_store(workspace: Workspace, key: CellKey) -> bool:
    """Whether no other one can take part in the same step."""
    cells = workspace.program.cells
    others = [other for other in workspace.program.accesses if other != key and other in cells]
    stores = [
        each for each in others if is_container(cells[each]) or cells[each].callee.endswith(f"{HELPER}.Store")
    ]
    return not any(_is_written(workspace, each) for each in stores)


def _is_written(workspace: Workspace, key: CellKey) -> bool:
    """Whether a call changes a cell; one that is in a table already may be changed by any method."""
    cell = workspace.program.cells.get(key)
    is_moved = cell is not None and f"{HELPER}." in cell.callee
    return is_moved or any(
        is_write(cell, use.op) and workspace.evidence.is_reachable(path, use.function)
        for path, use in workspace.program.accesses[key]
    )


def _scans_outside(workspace: Workspace, uses: Uses, functions: list[FunctionKey]) -> bool:
    """Whether no step reads the whole store: it would not see there what it has not written yet."""
    inside = workspace.evidence.reach.below(functions)
    return not any(use.op in SCANS and (path, use.function) in inside for path, use in uses)


def _has_threads(workspace: Workspace) -> bool:
    modules = workspace.program.modules.values()
    return any(STARTING & (each.identifiers | {name for name, _ in each.attributes}) for each in modules)


def _has_one_key(workspace: Workspace, key: CellKey, uses: Uses, function: FunctionKey) -> bool:
    """Whether a call of the function uses one entry only, so that a plain conditional write is enough."""
    texts: set[str] = set()
    for path, use in uses:
        for way in workspace.evidence.ways.of(key, path, use) if use.op not in SCANS else ():
            texts |= {frame.key for frame in way if (frame.path, frame.function) == function}
            is_inside = any((frame.path, frame.function) == function for frame in way)
            if not is_inside or not is_fixed(use.key):
                return False
    if len(texts) != 1 or "" in texts or _has_loop(workspace, key, uses, [function]):
        return False
    bound = [*_bound(workspace, function)]
    names = {node.id for node in ast.walk(ast.parse(texts.pop(), mode="eval")) if isinstance(node, ast.Name)}
    return all(bound.count(name) <= 1 for name in names)


def _bound(workspace: Workspace, function: FunctionKey) -> Iterator[str]:
    """The names that a function binds, each as often as it does."""
    line = workspace.program.functions[function].place.line
    for node in ast.walk(ast.parse(workspace.sources[function[0]])):
        if isinstance(node, ast.FunctionDef) and node.lineno == line:
            for each in ast.walk(node):
                match each:
                    case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                        yield name
                    case _:
                        pass


# ---------------------------------------------------------------- the line


def _name_at(workspace: Workspace, key: CellKey, function: FunctionKey) -> str:
    """How a decorator above the function spells the store; "" where it has no name there yet."""
    program, path = workspace.program, function[0]
    if path == key[0]:
        is_before = program.cells[key].place.line < program.functions[function].place.line
        return key[1] if is_before else ""
    spelled = {workspace.text(path, use.name) for at, use in program.accesses[key] if at == path}
    imports = [each for each in program.modules[path].imports if not each.function]
    through = {each.local: program.resolve(path, f"{import_target(each)}.{key[1]}") for each in imports}
    spelled |= {f"{local}.{key[1]}" for local, target in through.items() if _is_cell(target, key)}
    return min((each for each in spelled if each.partition(".")[0] in through), default="")


def _is_cell(target: Target | None, key: CellKey) -> bool:
    return target is not None and target.kind == "cell" and (target.path, target.name) == key


def _decorator(workspace: Workspace, key: CellKey, function: FunctionKey, name: str, *, is_repeated: bool) -> Edit:
    """The line above `def`, below all other decorators but those of stores that come later in the plan."""
    program, path = workspace.program, function[0]
    later = {other[1].rpartition(".")[2] for other in program.cells if other > key}
    lines = [line for line, store in one_steps_above(program, function) if store.rpartition(".")[2] in later]
    at, margin = line_above(workspace, path, min([*lines, program.functions[function].place.line]))
    start = at + len(margin.encode(program.modules[path].encoding))
    again = ", retry=True" if is_repeated else ""
    text = f"@{workspace.helper_name(path, 'one_step')}({name}{again})\n{margin}"
    return Edit(path, start, start, text)
