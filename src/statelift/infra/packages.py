"""Dockerfile or serverless.yml + files -> its new bytes: one line for each file that has to be packaged.

The new Dockerfile is read as it is to find functions: it must copy what it copied, and that file.
"""

import re
from collections.abc import Sequence

from statelift.infra.yamlpatch import Document, Refusal
from statelift.locate.images import TASK_ROOT, Copy, ImageError, Recipe, read_recipe
from statelift.locate.services import patterns_path
from statelift.locate.tree import string
from statelift.model import EnsurePackaged

_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_WORD = re.compile(r"[ \t]*(\w+)")


def with_patterns(document: Document, operations: Sequence[EnsurePackaged]) -> Document:
    """A service whose package patterns name the files. Raises Refusal."""
    for operation in sorted(operations, key=lambda each: (each.function, each.path)):
        name = inside(operation)
        path = patterns_path(document.tree, operation.function)
        if path is None:
            raise Refusal("The package patterns are not a plain list of this file.")
        node = document.node(path)
        known = [string(item) for item in node.value] if node is not None else []
        if name not in known[_last_exclusion(known) :]:
            document = document.with_item(path, name)
    return document


def _last_exclusion(known: Sequence[str | None]) -> int:
    """Where the patterns behind the last one that may exclude begin."""
    return max((n for n, text in enumerate(known, 1) if text is None or text.startswith("!")), default=0)


def with_copies(data: bytes, operations: Sequence[EnsurePackaged]) -> bytes:
    """A Dockerfile that copies the files to where Python starts. Raises Refusal."""
    for name in sorted({inside(operation) for operation in operations}):
        data = _with_copy(data, name)
    return data


def inside(operation: EnsurePackaged) -> str:
    """The file as the packager names it. Raises Refusal for a name that it would misread."""
    base = f"{operation.base}/" if operation.base else ""
    name = operation.path.removeprefix(base)
    if not operation.path.startswith(base) or not _NAME.fullmatch(name):
        raise Refusal(f"{operation.path} cannot be named below {operation.base or 'the project'}.")
    return name


def _with_copy(data: bytes, name: str) -> bytes:
    before = _recipe(data)
    wanted = Copy(name, before.root, True)
    if wanted in before.copies:
        return data
    newline = "\r\n" if data.count(b"\r\n") * 2 > data.count(b"\n") else "\n"
    lines = data.decode().splitlines(keepends=True)
    at = _behind_last_copy(lines)
    target = (
        "${LAMBDA_TASK_ROOT}" if before.root == TASK_ROOT and "LAMBDA_TASK_ROOT" in data.decode() else before.root
    )
    if not lines[at - 1].endswith(("\n", "\r")):
        lines[at - 1] += newline
    lines.insert(at, f"COPY {name} {target}/{newline}")
    after = "".join(lines).encode()
    _prove(before, _recipe(after), wanted)
    return after


def _recipe(data: bytes) -> Recipe:
    try:
        return read_recipe(data.decode())
    except (ImageError, UnicodeDecodeError) as error:
        raise Refusal(f"This Dockerfile cannot be read: {error}") from error


def _behind_last_copy(lines: Sequence[str]) -> int:
    """The number of lines up to the end of the last COPY or ADD, the lines that it is continued on included."""
    at, is_open, is_copy = 0, False, False
    for number, line in enumerate(lines, 1):
        word = _WORD.match(line)
        if "<<" in line:
            raise Refusal("The Dockerfile has a text inside (<<), which is not followed.")
        if not is_open and line.strip() and not line.lstrip().startswith("#"):
            is_copy = word is not None and word[1].upper() in ("COPY", "ADD")
        if line.lstrip().startswith("#"):
            continue
        is_open = line.rstrip().endswith("\\")
        if is_copy and not is_open and line.strip():
            at, is_copy = number, False
    if not at:
        raise Refusal("The Dockerfile copies nothing.")
    return at


def _prove(before: Recipe, after: Recipe, wanted: Copy) -> None:
    is_same = (before.command, before.root, before.base) == (after.command, after.root, after.base)
    if not is_same or after.copies != (*before.copies, wanted):
        raise Refusal("The addition could not be proved to change nothing else, so it was not made.")
