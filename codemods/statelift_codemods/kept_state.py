"""A variable that one call changes and a later one reads outlives the container.

## What it does
Finds lists, sets, single values, attributes and defaults that an invocation changes and a later one reads.

## Why
Every container has its own copy, and loses it without notice: the later invocation may run in another one.

## Becomes
The code stays as it is. Above the function that a call begins with comes a decorator,
`@stateless("STATE_TABLE_NAME", "history")`: the variable is read from a DynamoDB table before each call, and
written back after it, also after an exception. The call is one step. If another call changed meanwhile what it
read, `StateConflictError` is raised and nothing is written. Several variables lie in one item, so a call never
sees one of them newer than another.

What every reading call may have written itself was perhaps meant for one call only. Then there are two changes to
choose from, and none by default: the decorator, or a variable of the call. The handler makes it (`results = []`),
and the functions that it calls get it as a parameter: `collect(item)` becomes `collect(item, results)`, in every
file. Where a function is handed around as a value, is called by others, or gives the name another value, the
variable stays where it is, and two lines at the start of the handler set it anew (`global results` in front).

A handler that every call adds to the same logger is added once: under `if not logger.handlers:`.

## Left alone
Variables that are set before every use, caches, flags that no reply depends on.

## Safety
Always REVIEW: two calls at the same time that change the same variable can no longer both succeed. What was
changed in place, through another name or before an exception is kept exactly, types included; a value that cannot
be stored raises TypeError. MANUAL for iterators, live objects, asynchronous handlers and variables in closures.

## Where we differ from the seed documents
They give every variable a table operation of its own. With lists and several variables that is no longer one step.

## Related
AP-10 global state assumptions.
"""

import ast
import re
from collections.abc import Iterator

from statelift.judge.steps import is_for_one_call, is_only_aliased
from statelift.judge.values import Judgement
from statelift.localising import localise
from statelift.model import Edit, Tier, Verdict
from statelift.renewing import renew
from statelift.stepping import keep
from statelift.workspace import Proposal, Workspace

RULES = ("SL102", "SL103")
LOGGER = "logging.getLogger()"
NAMED = re.compile(r"(logging\.)?getLogger\(.+\)")  # Lambda gives the one without a name a handler
PLAIN = re.compile(r"(logging\.)?StreamHandler\(((stream=)?sys\.std(out|err))?\)")
ONCE = "each line of the log appears once; a handler that something else gave the same logger counts, too"
EMPTY = frozenset({"{}", "[]", "set()", "dict()", "list()"})


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """The variable is kept around each call; where it may have been meant for one call, also: it is set anew."""
    if judgement.cell is not None and judgement.cell[0][1] == LOGGER:
        yield from _added_once(judgement, workspace)
        return
    is_aliased = judgement.is_step and is_only_aliased(workspace.evidence, judgement)
    is_one_of_two = judgement.is_step and is_for_one_call(workspace.evidence, judgement)
    may_be_renewed = judgement.verdict is Verdict.LEAK or is_one_of_two or is_aliased
    local = localise(judgement, workspace) if may_be_renewed and not is_aliased else None
    renewed = local or (renew(judgement, workspace) if may_be_renewed else None)
    if judgement.is_step and not (renewed is None and is_aliased and _has_entries(judgement)):
        yield keep(judgement, workspace)
    if renewed is not None:
        yield renewed


def _added_once(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """`logger.addHandler(h)` under `if not logger.handlers:`, where the handler holds nothing of the call."""
    edits: list[Edit] = []
    for path, use in judgement.accesses:
        if use.op != "append":
            continue
        line = workspace.sources[path].rfind(b"\n", 0, use.span.start) + 1
        margin = workspace.between(path, line, use.span.start)
        is_alone = use.is_statement and not margin.strip() and workspace.text(path, use.span).count("\n") == 0
        spelled = workspace.text(path, use.name)
        if not is_alone or not _is_of_no_call(workspace.sources[path], use.place.line):
            return
        edits.append(Edit(path, use.span.start, use.span.start, f"if not {spelled}.handlers:\n{margin}    "))
    if edits:
        yield Proposal("once", "add the log handler once per container", tuple(edits), Tier.REVIEW, (ONCE,))


def _is_of_no_call(source: bytes, line: int) -> bool:
    """Whether a named logger gets a handler that is made of a standard stream, or of nothing."""
    tree = ast.parse(source)
    made = {
        each.targets[0].id: ast.unparse(each.value)
        for each in ast.walk(tree)
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=logger, attr="addHandler"), args=[given], lineno=at) if (
                at == line
            ):
                names = [ast.unparse(each) for each in (logger, given)]
                owner, handler = (made.get(name, name) for name in names)
                return NAMED.fullmatch(owner) is not None and PLAIN.fullmatch(handler) is not None
            case _:
                pass
    return False


def _has_entries(judgement: Judgement) -> bool:
    """Whether it starts with something: then it looks like a constant, and a table is not the first thought."""
    assert judgement.cell is not None
    cell = judgement.cell[1]
    return cell.kind != "call" and (cell.value is None or cell.value.text not in EMPTY)
