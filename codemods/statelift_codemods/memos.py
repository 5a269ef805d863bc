"""A memo whose results do not hold for later calls is computed by each call.

## What it does
Finds functions with `functools.cache`, `lru_cache` or `cached_property` whose result depends on more than their
arguments (the time, variables that calls change), or is changed by who gets it.

## Why
The memo lives as long as the container: a later call gets what an earlier one was told, or has made of it.

## Becomes
The decorator goes (`cached_property` becomes `property`), and its import with it where nothing else needs that. The
function stays as it is.

## Left alone
Memos that depend on their arguments alone.

## Safety
Always REVIEW: each call computes the result anew, which costs time, and a request where the function asks another
service. MANUAL where something clears or asks the memo, and where the function opens a connection.

## Related
AP-10 global state assumptions.
"""

import ast
import re
from collections.abc import Iterator

from statelift.catalogue import CONSTRUCTORS
from statelift.facts.values import Function
from statelift.judge.memos import KEEPERS, PROPERTY
from statelift.judge.values import Judgement
from statelift.link.names import FunctionKey
from statelift.model import Edit, Tier
from statelift.workspace import Proposal, Workspace

RULES = ("SL106",)
ASKING = ("cache_clear", "cache_info", "cache_parameters", "__wrapped__")
COST = "each call computes it again: that costs time, and a request where it asks another service"
Def = ast.FunctionDef | ast.AsyncFunctionDef


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the function is computed for each call."""
    key = (judgement.subject.path, judgement.subject.symbol)
    function = workspace.program.functions[key]
    if _is_asked(workspace) or _is_connection(function):
        return
    edits = tuple(_edits(key, function, workspace))
    if edits:
        name = key[1].rpartition(".")[2]
        who = workspace.evidence.mentions(key[0], name, "cache_clear")
        reasons = (COST, f"{who} {name} and cache_clear: the memo is gone then") if who else (COST,)
        yield Proposal("plain", f"compute {key[1]}() for each call", edits, Tier.REVIEW, reasons)


def _is_asked(workspace: Workspace) -> bool:
    attributes = {name for module in workspace.program.modules.values() for name, _ in module.attributes}
    return not attributes.isdisjoint(ASKING)


def _is_connection(function: Function) -> bool:
    atoms = {atom for each in function.returns for atom in each.value.atoms}
    return any(atom.kind == "call" and atom.detail in CONSTRUCTORS for atom in atoms)


def _edits(key: FunctionKey, function: Function, workspace: Workspace) -> Iterator[Edit]:
    path, data = key[0], workspace.sources[key[0]]
    node = next(
        (
            each
            for each in ast.walk(ast.parse(data))
            if isinstance(each, Def) and each.lineno == function.place.line
        ),
        None,
    )
    if node is None or workspace.program.modules[path].encoding != "utf-8":
        return
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for known, decorator in zip(function.decorators, node.decorator_list, strict=True):
        if known.name == PROPERTY:
            start = starts[decorator.lineno - 1] + decorator.col_offset
            yield Edit(path, start, start + len(ast.unparse(decorator).encode()), "property")
        elif known.name in KEEPERS:
            yield Edit(path, starts[decorator.lineno - 1], starts[decorator.end_lineno or decorator.lineno], "")
        if known.name in KEEPERS:
            yield from _import(path, ast.unparse(decorator).partition("(")[0].partition(".")[0], data)


def _import(path: str, name: str, data: bytes) -> Iterator[Edit]:
    """The line that imports the decorator, where it imports nothing else and nothing else uses that."""
    line = re.search(
        rb"^(from functools import %s|import functools)[ \t]*\r?\n" % name.encode(), data, re.MULTILINE
    )
    is_last = len(re.findall(rb"\b%s\b" % name.encode(), data)) == (2 if line is not None else -1)
    if line is not None and is_last:
        yield Edit(path, line.start(), line.end(), "")
