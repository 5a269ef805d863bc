"""A new folder in /tmp that every call leaves behind goes with the block that uses it.

## What it does
Finds `folder = tempfile.mkdtemp()` in functions that a handler's call runs, where nothing removes the folder. The
rule is off by default: select it with `--select SL302`.

## Why
A container keeps /tmp from call to call. After some hundred calls it is full, and writing fails.

## Becomes
`folder = tempfile.mkdtemp()` becomes `with tempfile.TemporaryDirectory() as folder:` around the statements that use
the folder. It is removed after an exception, too.

## Left alone
Folders whose path is returned, stored, given to a thread or to an inner function, and those that the program
removes. What reads them later in the same call keeps them, too.

## Safety
REVIEW: code that is not here may have kept the path.

## Related
AP-20 file system persistence.
"""

from collections.abc import Iterator

from statelift.facts.values import Leftover
from statelift.judge.values import Judgement
from statelift.model import EnsureImport, Operation, Tier
from statelift.structural import NotReproducedError, wrap_in_with
from statelift.workspace import Proposal, Workspace

RULES = ("SL302",)
OLD, NEW = "mkdtemp", "TemporaryDirectory"


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the statements that use the folder stand under a `with` that makes and removes it."""
    if judgement.leftover is None:
        return
    path, leftover = judgement.leftover
    title = f"remove {leftover.name} behind its last use"
    if workspace.program.modules[path].encoding != "utf-8":
        yield Proposal("folder", title, (), Tier.MANUAL, ("the file is not UTF-8",))
        return
    callee = workspace.text(path, leftover.callee)
    maker = callee.removesuffix(OLD) + NEW if "." in callee else NEW
    imports: tuple[Operation, ...] = () if "." in callee else (EnsureImport(path, "tempfile", NEW),)
    arguments = workspace.between(path, leftover.callee.end, leftover.call.end)
    try:
        edits = _wrapped(path, leftover, f"{maker}{arguments} as {leftover.name}", workspace)
    except NotReproducedError as error:
        yield Proposal("folder", title, (), Tier.MANUAL, (str(error),))
        return
    yield Proposal("folder", title, (*edits, *imports), judgement.tier)


def _wrapped(path: str, leftover: Leftover, head: str, workspace: Workspace) -> tuple[Operation, ...]:
    data = workspace.sources[path]
    return wrap_in_with(path, data, leftover.top, leftover.span.start, leftover.last.start, head)
