"""Changes and the writes that they become -> what is wrong with them, found out without the code that composes."""

import codecs
import io
import re
import tokenize
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from statelift.model import Change, Edit, EnsureHelperPart, EnsureImport, FileWrite, Operation

_IMPORT = re.compile(rb"(import|from) \w+( import [\w, ]+)?")


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that did not hold, and where."""

    check: str
    place: str
    message: str


def compile_failures(writes: Iterable[FileWrite]) -> Iterator[Failure]:
    """Python files that do not compile."""
    for write in writes:
        if write.path.endswith(".py"):
            try:
                with warnings.catch_warnings(action="ignore"):
                    compile(write.after, write.path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                yield Failure("compiles", write.path, str(error))


def untouched_failures(writes: Iterable[FileWrite], changes: Iterable[Change]) -> Iterator[Failure]:
    """Files in which more differs than the edits, imports and definitions of these changes can have made."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in (op for change in changes for op in change.ops):
        if isinstance(operation, (Edit, EnsureImport, EnsureHelperPart)):
            by_path[operation.path].append(operation)
    for write in writes:
        if write.before is None:
            continue
        if write.path.endswith(".py"):
            message = _module_fault(write.before, write.after, by_path[write.path])
        else:
            message = _missing(write.before, write.after)
        if message:
            yield Failure("untouched", write.path, message)


def _module_fault(before: bytes, after: bytes, operations: Sequence[Operation]) -> str:
    """What is wrong with `after`: it must be `before` with the edits in it, and new lines of known content."""
    edited = _edited(before, [op for op in operations if isinstance(op, Edit)])
    if edited.startswith(codecs.BOM_UTF8):  # what comes in front of the first line stands behind the mark
        if not after.startswith(codecs.BOM_UTF8):
            return "the byte order mark is gone"
        edited, after = edited.removeprefix(codecs.BOM_UTF8), after.removeprefix(codecs.BOM_UTF8)
    after = _unjoined(edited, after, [op for op in operations if isinstance(op, EnsureImport)])
    return _missing(edited, after) or _surplus(edited, after, operations)


def _unjoined(expected: bytes, after: bytes, imports: Sequence[EnsureImport]) -> bytes:
    """`after`, where a `from module import names` that took up a wanted name reads as it does in `expected`."""
    for line in expected.splitlines(keepends=True):
        for module in {each.module for each in imports if each.name is not None}:
            names = {(each.name or "").encode() for each in imports if each.module == module}
            if line.startswith(b"from %s import " % module.encode()):
                known = _words(line)
                after = b"".join(
                    line
                    if [word for word in _words(found) if word not in names or word in known] == known
                    else found
                    for found in after.splitlines(keepends=True)
                )
    return after


def _words(line: bytes) -> list[bytes]:
    return re.findall(rb"[\w.*#]+", line)


def _edited(before: bytes, edits: Sequence[Edit]) -> bytes:
    """The edits, put in from the end to the front. Of insertions at one offset the first comes first."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(before).readline)
    newline = "\r\n" if b"\r\n" in before else "\n"
    order = {edit: number for number, edit in enumerate(edits)}
    for edit in sorted(order, key=lambda each: (each.start, each.end, order[each]), reverse=True):
        text = edit.text.replace("\r\n", "\n").replace("\n", newline)
        before = (
            before[: edit.start]
            + text.encode(encoding.removesuffix("-sig"), "surrogateescape")
            + before[edit.end :]
        )
    return before


def _missing(expected: bytes, after: bytes) -> str:
    """The first line of `expected` that `after` does not have in its place; "" if it has them all, in order."""
    found = iter(after.splitlines(keepends=True))
    for number, line in enumerate(expected.splitlines(keepends=True), 1):
        if line not in found:
            return f"line {number} of what the edits give is not there, or not in order: {line!r}"
    return ""


def _surplus(expected: bytes, after: bytes, operations: Sequence[Operation]) -> str:
    """A line of `after` that is not in `expected`, blank, an import or of a definition that was asked for."""
    texts = [op.text for op in operations if isinstance(op, EnsureHelperPart) and op.text is not None]
    known = {line for text in texts for line in text.encode().splitlines()}
    extra = Counter(after.splitlines()) - Counter(expected.splitlines())
    for line in extra:
        if line.strip() and line not in known and not _IMPORT.fullmatch(line):
            return f"a line that no operation asked for: {line!r}"
    return ""
