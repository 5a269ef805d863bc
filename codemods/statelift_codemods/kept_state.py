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

The decorator also names what is no variable of a module: an attribute (`Api.hits`), a default (`collect(found)`),
what a ContextVar holds (`user`), a variable of the environment (`os:environ.MODE`) that calls set and that only the
program reads, an attribute of the one object that a class gives (`Registry().names`), and a variable that a
function shares with the one that made it, once, at import (`swap.nonlocal.previous`).

What every reading call may have written itself was perhaps meant for one call only. Then there are two changes to
choose from, and none by default: the decorator, or a variable of the call. The handler makes it (`results = []`),
and the functions that it calls get it as a parameter: `collect(item)` becomes `collect(item, results)`, in every
file. Where a function is handed around as a value, is called by others, or gives the name another value, the
variable stays where it is, and two lines at the start of the handler set it anew (`global results` in front).

What every call adds to a part of the process, so that it grows and grows, is added once. A handler of a logger
stands under `if not logger.handlers:`; one that holds something of the call (a buffer whose text is the answer)
takes the place of the last one, behind `logger.handlers.clear()`. A folder that is the same in every call stands
under `if folder not in sys.path:`, and so do entries of other lists of the interpreter.

Keys that a call appends to a Powertools logger, and that stand in the lines of later calls, are removed where each
call begins: `logger.remove_keys(["user"])`.

## Left alone
Variables that are set before every use, caches, flags that no reply depends on.

## Safety
Always REVIEW: two calls at the same time that change the same variable can no longer both succeed. What was
changed in place, through another name or before an exception is kept exactly, types included; a value that cannot
be stored raises TypeError. MANUAL for iterators, live objects, asynchronous handlers, closures that are made more
than once, a ContextVar that is reset, and variables of the environment that Python or a library reads by itself.

## Where we differ from the seed documents
They give every variable a table operation of its own. With lists and several variables that is no longer one step.

## Related
AP-10 global state assumptions.
"""

from collections.abc import Iterator

from statelift.forgetting import forget_keys
from statelift.judge.registrations import POWERTOOLS
from statelift.judge.steps import is_for_one_call, is_only_aliased
from statelift.judge.values import Judgement
from statelift.localising import localise
from statelift.model import Verdict
from statelift.registering import is_registration, register_once
from statelift.renewing import renew
from statelift.stepping import keep
from statelift.workspace import Proposal, Workspace

RULES = ("SL102", "SL103")
EMPTY = frozenset({"{}", "[]", "set()", "dict()", "list()"})


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """The variable is kept around each call; where it may have been meant for one call, also: it is set anew."""
    if is_registration(judgement):
        yield register_once(judgement, workspace)
        return
    if judgement.cell is not None and judgement.cell[1].callee.startswith(POWERTOOLS):
        yield forget_keys(judgement, workspace)
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


def _has_entries(judgement: Judgement) -> bool:
    """Whether it starts with something: then it looks like a constant, and a table is not the first thought."""
    assert judgement.cell is not None
    cell = judgement.cell[1]
    return cell.kind != "call" and (cell.value is None or cell.value.text not in EMPTY)
