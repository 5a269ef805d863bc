"""A plan and the accepted changes -> the new bytes of every file. Only here do operations become files."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from hashlib import sha256

from statelift.infra.patch import patch_template
from statelift.infra.yamlpatch import Refusal
from statelift.model import (
    Change,
    Edit,
    EnsureEnv,
    EnsureGrant,
    EnsureHelperPart,
    EnsureImport,
    EnsureResource,
    FileHash,
    FileWrite,
    InfraOperation,
    Operation,
    Plan,
)
from statelift.prelude import NoPlaceError, prelude_edits
from statelift.runtime import is_pristine, parts_of, render_helper
from statelift.spans import OverlapError, splice, without_gaps

Read = Callable[[str], bytes]  # FileNotFoundError for a file that is not there


class StalePlanError(Exception):
    """A file is no longer as it was when the plan was made."""


class ComposeError(ValueError):
    """The operations cannot be combined into files; the message says which and why."""


def compose(plan: Plan, accepted: Collection[str], read: Read) -> tuple[FileWrite, ...]:
    """New bytes of all files that the accepted changes touch, sorted by path; unchanged files are left out.

    StalePlanError where a file is not as it was hashed; ComposeError where operations do not combine.
    """
    changes = [change for change in plan.changes if change.id in accepted]
    hashes = {each.path: each for each in plan.files}
    return compose_changes(changes, lambda path: _fresh(path, read, hashes.get(path)))


def compose_changes(changes: Iterable[Change], read: Read) -> tuple[FileWrite, ...]:
    """As `compose`, for bytes that are known to be fresh."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for change in changes:
        for operation in change.ops:
            for path in touched(operation):
                by_path[path].append(operation)
    writes = (_file(path, operations, read) for path, operations in sorted(by_path.items()))
    return tuple(write for write in writes if write.before != write.after)


def touched(operation: Operation) -> Iterator[str]:
    """The file that an operation changes; none for infrastructure without a template."""
    match operation:
        case Edit(path=path) | EnsureImport(path=path) | EnsureHelperPart(path=path):
            yield path
        case EnsureResource(template=str(path)) | EnsureEnv(template=str(path)) | EnsureGrant(template=str(path)):
            yield path
        case _:
            pass


def hash_of(path: str, read: Read) -> FileHash:
    """The file's hash; "" where it does not exist."""
    data = _read(path, read)
    return FileHash(path, "" if data is None else sha256(data).hexdigest())


def _read(path: str, read: Read) -> bytes | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None


def _fresh(path: str, read: Read, expected: FileHash | None) -> bytes:
    found = hash_of(path, read)
    if expected is None or found.sha256 != expected.sha256:
        raise StalePlanError(
            f"{path} has changed since the plan was made. Make a new plan: statelift plan -o plan.json"
        )
    return read(path)


def _file(path: str, operations: Sequence[Operation], read: Read) -> FileWrite:
    before = _read(path, read)
    parts = [op.part for op in operations if isinstance(op, EnsureHelperPart) and op.text is None]
    infra = [op for op in operations if isinstance(op, (EnsureResource, EnsureEnv, EnsureGrant))]
    try:
        if parts:
            return FileWrite(path, before, _helper(path, before, parts))
        if before is None:
            raise ComposeError(f"{path} does not exist any more. Make a new plan.")
        return FileWrite(path, before, _template(before, infra) if infra else _module(path, before, operations))
    except (OverlapError, NoPlaceError, Refusal) as error:
        raise ComposeError(f"{path}: {error}") from error


def _helper(path: str, before: bytes | None, parts: Sequence[str]) -> bytes:
    """The helper file with these parts and those that it has already. An edited one is kept if it has them all."""
    if before is None:
        return render_helper(parts).encode()
    text = before.decode("utf-8", "replace")
    known = parts_of(text)
    if known is None:
        raise ComposeError(f"{path} exists, and is not a file that statelift made: rename it")
    if set(parts) <= known:
        return before
    if not is_pristine(text):
        missing = ", ".join(sorted(set(parts) - known))
        raise ComposeError(
            f"{path} was edited by hand and lacks {missing}: add that, or restore the generated file"
        )
    return render_helper(known | set(parts)).encode()


def _template(before: bytes, operations: Sequence[InfraOperation]) -> bytes:
    return patch_template(before, operations)


def _module(path: str, before: bytes, operations: Sequence[Operation]) -> bytes:
    edits = dict.fromkeys(op for op in operations if isinstance(op, Edit))
    imports = [op for op in operations if isinstance(op, EnsureImport)]
    parts = [op for op in operations if isinstance(op, EnsureHelperPart)]
    encoding, newline = _form(path, before)
    made = without_gaps(
        before, [*prelude_edits(path, before, imports, parts, list(edits)), *edits]
    )  # what is brought in stands in front of an edit at its place
    return splice(before, [_with_newline(edit, newline) for edit in made], encoding)


def _form(path: str, data: bytes) -> tuple[str, str]:
    from statelift.model import Problem, SourceFile
    from statelift.source import parse_source

    parsed = parse_source(SourceFile(path, data))
    if isinstance(parsed, Problem):
        raise ComposeError(f"{path}: {parsed.message}")
    return parsed.encoding, parsed.newline


def _with_newline(edit: Edit, newline: str) -> Edit:
    text = edit.text.replace("\r\n", "\n").replace("\n", newline)
    return Edit(edit.path, edit.start, edit.end, text)
