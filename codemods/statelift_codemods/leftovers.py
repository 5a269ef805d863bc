"""A new folder or file in /tmp that every call leaves behind goes with the block that uses it.

## What it does
Finds `folder = tempfile.mkdtemp()`, `fd, path = tempfile.mkstemp()` and paths in /tmp that are new in every call
(`f"/tmp/{uuid.uuid4()}.pdf"`, the id of the request, a clock) in functions that a handler's call runs, where
nothing removes what is made. The rule is off by default: select it with `--select SL302`.

## Why
A container keeps /tmp from call to call. After some hundred calls it is full, and writing fails.

## Becomes
`folder = tempfile.mkdtemp()` becomes `with tempfile.TemporaryDirectory() as folder:` around the statements that use
the folder. Files get `with _scratch(…) as path:`, a function of the module that removes the file. Both are removed
after an exception, too. What mkstemp() has opened is closed, or not, where it was.

## Left alone
Folders and files whose path is returned, stored, given to a thread or to an inner function, those that the program
removes or moves, and paths that are made of a name that something else is told as well. What reads them later in
the same call keeps them, too.

## Safety
REVIEW: code that is not here may have kept the path.

## Related
AP-20 file system persistence.
"""

from collections.abc import Iterator

from statelift.facts.values import Leftover
from statelift.judge.values import Judgement
from statelift.model import EnsureHelperPart, EnsureImport, Operation, Tier
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
    head = f"{maker}{arguments} as {leftover.name}"
    if leftover.kind != "folder":
        imports, head = _scratch(path, leftover, workspace)
    try:
        edits = _wrapped(path, leftover, head, workspace)
    except NotReproducedError as error:
        yield Proposal("folder", title, (), Tier.MANUAL, (str(error),))
        return
    yield Proposal("folder", title, (*edits, *imports), judgement.tier)


def _scratch(path: str, leftover: Leftover, workspace: Workspace) -> tuple[tuple[Operation, ...], str]:
    """What the module has to define, and what its with statement enters."""

    def define(name: str) -> str:
        return _SCRATCH.format(name=name)

    name = workspace.unused_name(path, "_scratch", define)
    target = workspace.text(path, leftover.target)
    bound = f"({target})" if leftover.kind == "file" and not target.startswith("(") else target
    definition = EnsureHelperPart(path, name, define(name))
    imports = (EnsureImport(path, "contextlib"), EnsureImport(path, "os"))
    return (*imports, definition), f"{name}({workspace.text(path, leftover.call)}) as {bound}"


_SCRATCH = '''@contextlib.contextmanager
def {name}(made):
    """A file of one call: the path, or what mkstemp() gave, is removed behind the block."""
    try:
        yield made
    finally:
        with contextlib.suppress(OSError):
            os.remove(made[1] if isinstance(made, tuple) else made)
'''


def _wrapped(path: str, leftover: Leftover, head: str, workspace: Workspace) -> tuple[Operation, ...]:
    data = workspace.sources[path]
    return wrap_in_with(path, data, leftover.top, leftover.span.start, leftover.last.start, head)
