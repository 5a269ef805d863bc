"""A cell that was meant for one call -> the change: every function that a call begins with sets it anew."""

import ast
import builtins
import re
from collections.abc import Iterator, Mapping

from statelift.beginnings import Body, Def, body_of
from statelift.judge.addresses import CONTEXT, function_of
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey
from statelift.model import Edit, EnsureImport, EntryPoint, Operation, Tier, Verdict
from statelift.workspace import Proposal, Workspace

FRESH = (
    "what earlier calls left is gone: each call starts with {value}, also where the container is the same. That is"
    " another behaviour: choose it if nothing was meant to last"
)
ANEW = (
    "each call computes {value} anew: what one call does alone stays as it is, and calls of one container no longer"
    " share it"
)
BUILTINS = frozenset(dir(builtins))
REPEATING = (
    ast.For, ast.AsyncFor, ast.While, ast.comprehension, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip


def renew(judgement: Judgement, workspace: Workspace) -> Proposal | None:
    """Set the cell to its first value at the start of each call; None where that has no one place."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if cell.value is None or cell.home != "module" or not cell.is_top_level or cell.definition_count != 1:
        return None
    if cell.callee == CONTEXT:  # a new one for each call would never go
        return None
    if any(
        _is_computed(workspace, key, atom.detail) for atom in cell.value.atoms if atom.kind in ("name", "import")
    ):
        return None
    if any(not use.function or use.function.endswith("<lambda>") for _, use in judgement.accesses):
        return None
    written = workspace.text(key[0], cell.value.span)
    value = cell.value.text if "\n" in written else written  # as its author wrote it, where that is one line
    edits: list[Operation] = []
    for entry in workspace.entry_points(judgement):
        is_elsewhere = judgement.verdict is Verdict.FROZEN and entry.path != key[0]
        made = (_renewed_elsewhere if is_elsewhere else _renewed)(key, value, workspace, entry)
        if made is None:
            return None
        edits += made
    reasons = [(ANEW if judgement.verdict is Verdict.FROZEN else FRESH).format(value=value)]
    if who := workspace.evidence.mentions(key[0], key[1].rpartition(".")[2]):
        reasons.append(f"{who} {key[1]}: what is put there before a call is gone when the call begins")
    title = f"start each call with a new {key[1]}"
    ops = tuple(dict.fromkeys(edits))
    return Proposal("localise", title, ops, max(Tier.REVIEW, judgement.tier), tuple(reasons)) if ops else None


def _is_computed(workspace: Workspace, key: CellKey, name: str) -> bool:
    """Whether a name stands for a value of the program that is not written out: it would be as old as before."""
    target = workspace.program.resolve(key[0], name)
    value = workspace.program.cells[target.path, target.name].value if target and target.kind == "cell" else None
    return target is not None and (value is None or {atom.kind for atom in value.atoms} != {"const"})


def _renewed(key: CellKey, value: str, workspace: Workspace, entry: EntryPoint) -> list[Operation] | None:
    function = function_of(workspace.program, entry)
    if function is None or function[0] != key[0] or workspace.program.modules[key[0]].encoding != "utf-8":
        return None
    body = body_of(workspace, function)
    used = {node.id for node in ast.walk(ast.parse(value, mode="eval")) if isinstance(node, ast.Name)}
    if body is None or not body.is_plain or used & (body.names - {key[1]}):
        return None
    return list(_lines(key[1], value, function[0], body))


# ---------------------------------------------------------------- a variable of another module


def _renewed_elsewhere(key: CellKey, value: str, workspace: Workspace, entry: EntryPoint) -> list[Operation] | None:
    """`clock.NOW = time.time()` at the start of the handler, where its file imports the module by that name."""
    function, dotted = function_of(workspace.program, entry), workspace.program.dotted(key[0])
    body = None if function is None else body_of(workspace, function)
    if function is None or body is None or not body.is_plain or _is_bound_elsewhere(key, workspace):
        return None
    path, module = function[0], workspace.program.modules[function[0]]
    if not any((each.module, each.level) == (dotted, 0) for each in module.imports) or module.encoding != "utf-8":
        return None
    used = {node.id for node in ast.walk(ast.parse(value, mode="eval")) if isinstance(node, ast.Name)}
    if body.names & {*used, dotted.partition(".")[0]} or used & BUILTINS & module.exports:
        return None
    wanted = [_import_of(key[0], name, path, workspace) for name in sorted(used - BUILTINS)]
    own = EnsureImport(path, dotted)
    if None in wanted or _is_taken(own, dotted.partition(".")[0], workspace):
        return None
    at = body.start_of(body.first)
    line = Edit(path, at, at, f"{body.margin}{dotted}.{key[1]} = {value}\n")
    return [line, own, *(each for each in wanted if each is not None)]


def _is_bound_elsewhere(key: CellKey, workspace: Workspace) -> bool:
    """Whether a file has the value under a name of its own, which would stay as it is."""
    program = workspace.program
    targets = [
        program.resolve(path, each.local)
        for path, module in program.modules.items()
        for each in module.imports
        if each.name == key[1] and path != key[0]
    ]
    is_imported = any(target is not None and (target.path, target.name) == key for target in targets)
    return is_imported or program.has_star_import_of(key[0])


def _import_of(home: str, name: str, path: str, workspace: Workspace) -> EnsureImport | None:
    """The import that gives another file a name of this one; None where it has none, or uses the name already."""
    for each in workspace.program.modules[home].imports:
        is_plain = each.level == 0 and not each.function and (each.name or each.module) == name == each.local
        if is_plain:
            wanted = EnsureImport(path, each.module, each.name)
            return None if _is_taken(wanted, name, workspace) else wanted
    return None


def _is_taken(wanted: EnsureImport, name: str, workspace: Workspace) -> bool:
    """Whether a file uses the name for something else."""
    module = workspace.program.modules[wanted.path]
    own = [each for each in module.imports if each.local == name]
    is_same = all((each.module, each.name, each.function) == (wanted.module, wanted.name, "") for each in own)
    return not is_same or (not own and name in module.identifiers | module.exports)


# ---------------------------------------------------------------- a default argument


def renew_default(judgement: Judgement, workspace: Workspace) -> Proposal | None:
    """`def token(user, issued=None):` and `issued = time.time()` below it; None where a call gives it itself.

    Each call of the function computes it: so no invocation may come there twice.
    """
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    qualname, _, parameter = name.removesuffix(")").rpartition("(")
    function, module = (path, qualname), workspace.program.modules[path]
    body = body_of(workspace, function) if function in workspace.program.functions else None
    if (
        cell.home != "default"
        or cell.value is None
        or body is None
        or not body.is_plain
        or module.encoding != "utf-8"
    ):
        return None
    if _is_annotated(body.node, parameter) or not _is_called_once(function, parameter, body.node, workspace):
        return None
    value = cell.value.text
    at = body.start_of(body.first)
    lines = f"{body.margin}if {parameter} is None:\n{body.margin}    {parameter} = {value}\n"
    edits = (Edit(path, cell.value.span.start, cell.value.span.end, "None"), Edit(path, at, at, lines))
    reasons = [ANEW.format(value=value), "a caller that gives None for it gets a new value, too"]
    if who := workspace.evidence.mentions(path, qualname.rpartition(".")[2]):
        reasons.append(f"{who} {qualname}: its default is None now")
    title = f"compute {parameter} in each call of {qualname}()"
    return Proposal("localise", title, edits, max(Tier.REVIEW, judgement.tier), tuple(reasons))


def _is_annotated(node: Def, parameter: str) -> bool:
    """Whether a type is written down for the parameter: it would say nothing of None."""
    arguments = [each for each in ast.walk(node.args) if isinstance(each, ast.arg)]
    return any(each.arg == parameter and each.annotation is not None for each in arguments)


def _is_called_once(function: FunctionKey, parameter: str, node: Def, workspace: Workspace) -> bool:
    """Whether all that is done with the function is one call, which each invocation comes to once at most."""
    path, name = function
    word = re.compile(rb"\b%s\b" % name.encode())
    others = [
        data for other, data in workspace.sources.items() if other in workspace.program.modules and other != path
    ]
    if "." in name or any(word.search(data) for data in others):
        return False
    tree = ast.parse(workspace.sources[path])
    parents = {child: each for each in ast.walk(tree) for child in ast.iter_child_nodes(each)}
    uses = [each for each in ast.walk(tree) if isinstance(each, ast.Name) and each.id == name]
    call = parents[uses[0]] if len(uses) == 1 else None
    if not isinstance(call, ast.Call) or call.func is not uses[0] or _is_given(call, parameter, node):
        return False
    around = [*_around(call, parents)]
    starts = {
        each and each[1] for each in (function_of(workspace.program, e) for e in workspace.program.root.entries)
    }
    home = around[-1] if around else None
    return (
        isinstance(home, Def)
        and home.name in starts
        and not any(isinstance(each, REPEATING) for each in around[:-1])
    )


def _around(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """What stands around a node, inside out, up to the module."""
    while not isinstance(parents[node], ast.Module):
        node = parents[node]
        yield node


def _is_given(call: ast.Call, parameter: str, node: Def) -> bool:
    """Whether a call may give the parameter a value."""
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
    position = names.index(parameter) if parameter in names else len(names)
    is_unpacked = any(isinstance(each, ast.Starred) for each in call.args)
    return is_unpacked or len(call.args) > position or any(each.arg in (parameter, None) for each in call.keywords)


def _lines(name: str, value: str, path: str, body: Body) -> Iterator[Edit]:
    """`global name` where the function has none at its top, and the assignment behind it."""
    declared = [
        index for index, each in enumerate(body.node.body) if isinstance(each, ast.Global) and name in each.names
    ]
    elsewhere = [each for each in ast.walk(body.node) if isinstance(each, ast.Global) and name in each.names]
    margin = body.margin
    if declared:
        at = body.start_of(declared[0] + 1)
        yield Edit(path, at, at, f"{margin}{name} = {value}\n")
    elif not elsewhere:
        at = body.start_of(_place(name, body))
        yield Edit(path, at, at, f"{margin}global {name}\n{margin}{name} = {value}\n")


def _place(name: str, body: Body) -> int:
    """Behind such lines for names that come earlier, so that changes give one text in any order."""
    statements, index = body.node.body, body.first
    while index + 1 < len(statements):
        match statements[index], statements[index + 1]:
            case ast.Global(names=[one]), ast.Assign(targets=[ast.Name(id=other)]) if one == other and one < name:
                index += 2
            case _:
                break
    return index
