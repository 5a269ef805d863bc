"""A plan and the accepted changes -> the new bytes of every file. Only here do operations become files."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from statelift.infra.patching import patch_file
from statelift.infra.yamlpatch import Refusal
from statelift.model import (
    Change,
    Edit,
    EnsureEnv,
    EnsureGrant,
    EnsureHelperPart,
    EnsureImport,
    EnsurePackaged,
    EnsureResource,
    FileHash,
    FileWrite,
    InfraOperation,
    Operation,
    Plan,
)
from statelift.prelude import NoPlaceError, prelude_edits
from statelift.runtime import HELPER_FILE, is_pristine, parts_of, render_helper
from statelift.spans import OverlapError, splice, without_gaps

KEPT = 16  # results: the gate, the second analysis and the diff compose the same operations again
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
    writes = compose_changes(changes, lambda path: _fresh(path, read, hashes.get(path)))
    for write in writes:
        _check_sound(write)
    return writes


def compose_changes(changes: Iterable[Change], read: Read) -> tuple[FileWrite, ...]:
    """As `compose`, for bytes that are known to be fresh."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for change in changes:
        for operation in change.ops:
            for path in touched(operation):
                by_path[path].append(operation)
    writes = (_file(path, tuple(operations), read) for path, operations in sorted(by_path.items()))
    return tuple(write for write in writes if write.before != write.after)


def touched(operation: Operation) -> Iterator[str]:
    """The file that an operation changes; none for infrastructure without a template."""
    match operation:
        case Edit(path=path) | EnsureImport(path=path) | EnsureHelperPart(path=path):
            yield path
        case EnsureResource(template=str(path)) | EnsureEnv(template=str(path)) | EnsureGrant(template=str(path)):
            yield path
        case EnsurePackaged(template=path):
            yield path
        case _:
            pass


def hash_of(path: str, read: Read) -> FileHash:
    """The file's hash; "" where it does not exist."""
    return FileHash(path, _hash(_read(path, read)))


def _hash(data: bytes | None) -> str:
    return "" if data is None else sha256(data).hexdigest()


def _read(path: str, read: Read) -> bytes | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ComposeError(f"{path} cannot be read: {error.strerror or error}") from error


def _fresh(path: str, read: Read, expected: FileHash | None) -> bytes:
    if expected is None:
        raise ComposeError(f"{path} is not among the files of the plan. Make a new plan.")
    data = _read(path, read)  # once: what is hashed is what is edited
    if _hash(data) != expected.sha256:
        raise StalePlanError(
            f"{path} has changed since the plan was made. Make a new plan: statelift plan -o plan.json"
        )
    if data is None:
        raise FileNotFoundError(path)
    return data


def _check_sound(write: FileWrite) -> None:
    """A plan that was edited by hand may hold operations that no gate has seen."""
    from statelift.model import Problem, SourceFile
    from statelift.source import parse_source

    if write.path.endswith(".py"):
        parsed = parse_source(SourceFile(write.path, write.after))
        if isinstance(parsed, Problem):
            raise ComposeError(f"{write.path} could not be read any more afterwards: {parsed.message}")


def _file(path: str, operations: tuple[Operation, ...], read: Read) -> FileWrite:
    parts = [op.part for op in operations if isinstance(op, EnsureHelperPart) and op.text is None]
    infra = [op for op in operations if isinstance(op, (EnsureResource, EnsureEnv, EnsureGrant, EnsurePackaged))]
    if parts or infra:
        _check_kind(path, len(parts or infra) == len(operations), is_helper=bool(parts))
    elif not path.endswith(".py"):
        raise ComposeError(f"{path} is no Python file (.py), so it is not edited")
    before = _read(path, read)
    try:
        if parts:
            return FileWrite(path, before, _helper(path, before, parts))
        if infra:
            return FileWrite(path, before, patched(path, before, tuple(infra)))
        if before is None:
            raise ComposeError(f"{path} does not exist any more. Make a new plan.")
        return FileWrite(path, before, _module(path, before, operations))
    except ComposeError:
        raise
    except (OverlapError, NoPlaceError, Refusal) as error:
        raise ComposeError(f"{path}: {error}") from error
    except (ValueError, KeyError, SyntaxError, RecursionError) as error:
        raise ComposeError(f"{path}: the operations do not fit ({error}). Make a new plan.") from error


def _check_kind(path: str, is_alone: bool, *, is_helper: bool) -> None:
    """The helper has one name, and one kind of operation makes a file: nothing is dropped in silence."""
    if not is_alone:
        raise ComposeError(f"{path} would be a module and a helper or template at once. Make a new plan.")
    if is_helper and path.rpartition("/")[2] != HELPER_FILE:
        raise ComposeError(f"{path} is not called {HELPER_FILE}, as each helper file is")


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


@lru_cache(maxsize=KEPT)
def patched(path: str, before: bytes | None, operations: tuple[InfraOperation, ...]) -> bytes:
    """As `patch_file`, whose Refusal passes through."""
    return patch_file(path, before, operations)


@lru_cache(maxsize=KEPT)
def _module(path: str, before: bytes, operations: tuple[Operation, ...]) -> bytes:
    edits = dict.fromkeys(op for op in operations if isinstance(op, Edit))
    imports = [op for op in operations if isinstance(op, EnsureImport)]
    parts = [op for op in operations if isinstance(op, EnsureHelperPart)]
    if odd := next((each for each in imports if not _is_name(each.module) or not _is_name(each.name or "x")), None):
        raise ComposeError(f"{path}: {odd.module!r}, {odd.name!r} is not the name of something to import")
    encoding, newline = _form(path, before)
    if encoding == "utf-8" and (cut := next((edit for edit in edits if _cuts(before, edit)), None)):
        raise ComposeError(f"{path}: bytes {cut.start}-{cut.end} cut a character in two. Make a new plan.")
    made = without_gaps(
        before, [*prelude_edits(path, before, imports, parts, list(edits)), *edits]
    )  # what is brought in stands in front of an edit at its place
    return splice(before, [_with_newline(edit, newline) for edit in made], encoding)


def _is_name(dotted: str) -> bool:
    return all(part.isidentifier() for part in dotted.split("."))


def _cuts(data: bytes, edit: Edit) -> bool:
    """Whether an edit begins or ends between the bytes of one UTF-8 character."""
    return any(data[offset : offset + 1] and data[offset] & 0xC0 == 0x80 for offset in (edit.start, edit.end))


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
