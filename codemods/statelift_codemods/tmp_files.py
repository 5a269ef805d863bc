"""A file in /tmp that a later invocation reads becomes an object in S3.

## What it does
Finds paths below /tmp that one invocation writes and another one reads, or tests for existence.

## Why
/tmp belongs to one container. The next invocation may run in another one, where the file does not exist.

## Becomes
`open("/tmp/results.json", "w")` becomes `TMP_FILES.open("/tmp/results.json", "w")`: the same file object,
read from and written to `s3://$TMP_FILES_BUCKET_NAME/tmp/results.json`. `os.path.exists` and `os.remove`
likewise, and the same methods of `pathlib.Path`: `PATH.write_text(x)` becomes `TMP_FILES.write_text(PATH, x)`.
A missing object raises FileNotFoundError, as a missing file does.

## Left alone
Scratch files (written before they are read, in the same invocation), temporary files with a name of their
own, and caches that are written only where they are missing.

## Safety
Always REVIEW: concurrent invocations now share the file. MANUAL for appending, databases, memory maps and
everything else that S3 cannot do.

## Where we differ from the seed documents
The documents write one object per event (`results/{event['id']}.json`). The original has one file that every
call replaces, and its reader passes no id: ours keeps one object.

## Related
AP-20 file system persistence.
"""

from collections.abc import Iterator

from statelift.catalogue.files import BECOMES
from statelift.facts.values import FileEffect
from statelift.infra.names import bucket_id, env_name
from statelift.judge.values import Judgement
from statelift.model import Edit, EnsureHelperPart, Tier, Verdict
from statelift.workspace import Proposal, Workspace

RULES = ("SL301",)
BUCKET = "TMP_FILES"
NAME = "TMP_FILES"
CLOSED = "others see the new content once the file is closed, not after a flush; it has no name and no file number"
WRITERS = frozenset({"write_text", "write_bytes"})


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: every use of the path goes to S3."""
    if judgement.verdict is not Verdict.STATE or judgement.tier is Tier.MANUAL:
        return
    effects = [(path, each) for path, each in judgement.effects if each.is_rewritable]
    edits = [edit for path, each in effects for edit in _edits(path, each)]
    calls = [(path, effect.function, _part(effect)) for path, effect in effects]
    parts = [part for _, _, part in calls]
    bucket = bucket_id(workspace.resource_name(BUCKET))
    variable = env_name(bucket)
    paths = sorted({path for path, _ in effects})
    stores = [EnsureHelperPart(path, NAME, f'{NAME} = FileStore("{variable}")\n') for path in paths]
    imports = [op for path in paths for op in workspace.helper(path, "FileStore", parts)]
    ops = (
        *edits,
        *stores,
        *dict.fromkeys(imports),
        *workspace.infrastructure(judgement, bucket, "bucket", calls, _prefix(judgement.subject.symbol)),
    )
    reasons = (CLOSED,) if "files.open_write" in parts else ()
    proposal = Proposal("s3", f"keep {judgement.subject.symbol} in S3", ops, judgement.tier, reasons)
    for tier, reason in workspace.obstacles(judgement, needs_resource=True):
        proposal = proposal.lowered(tier, reason)
    yield proposal


def _edits(path: str, effect: FileEffect) -> Iterator[Edit]:
    """`open(PATH)` gets another name; a method of a path becomes one that is given the path."""
    callee, end = effect.callee, effect.span.end
    if effect.joint is None:
        yield Edit(path, callee.start, callee.end, f"{NAME}.{_method(effect)}")
        return
    has_arguments = effect.joint.end < end
    yield Edit(path, callee.start, callee.start, f"{NAME}.{_method(effect)}(")
    yield Edit(path, effect.joint.start, effect.joint.end, ", " if has_arguments else _close(effect))
    if has_arguments and effect.api == "Path.read_text":
        yield Edit(path, end, end, ".read()")


def _close(effect: FileEffect) -> str:
    match effect.api:
        case "Path.read_text":
            return ").read()"
        case "Path.read_bytes":
            return ', "rb").read()'
        case _:
            return ")"


def _method(effect: FileEffect) -> str:
    return BECOMES[effect.api]


def _part(effect: FileEffect) -> str:
    match effect.effect:
        case "exists" | "remove":
            return f"files.{effect.effect}"
        case "write":
            return f"files.{_method(effect)}" if _method(effect) in WRITERS else "files.open_write"
        case _:
            return "files.open_read"


def _prefix(pattern: str) -> str:
    """The object's key, or the folder (with a slash at its end) that all keys of the pattern lie in."""
    known, hole, _ = pattern.removeprefix("/").partition("{}")
    return f"{known.rpartition('/')[0]}/" if hole else known
