"""Plan, new file bytes -> unified diff: exact bytes that `git apply` takes, with the reasons in between.

There is no `diff --git` line: below the top folder of a repository git takes the paths of such a diff from
the top folder, applies nothing, and says nothing. Every line that is not diff starts with `# `.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

from statelift.infra.costs import in_short
from statelift.infra.suggestions import advice_for
from statelift.model import (
    Change,
    Edit,
    EnsureEnv,
    EnsureGrant,
    EnsureHelperPart,
    EnsureImport,
    EnsurePackaged,
    EnsureResource,
    FileWrite,
    Operation,
    Plan,
    Tier,
)
from statelift.report.terminal import escape
from statelift.report.text import finding_of, headline

_CONTEXT = 3
_LONG = 2000
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_QUOTED = re.compile(rb'[\x00-\x1f\x7f"\\]')
_SIGNS: dict[str, tuple[bytes, bytes]] = {
    "equal": (b" ", b""),
    "delete": (b"-", b""),
    "insert": (b"", b"+"),
    "replace": (b"-", b"+"),
}


def unified(path: str, before: bytes | None, after: bytes) -> bytes:
    """The unified diff of one file, b"" if no line differs. `before` is None for a new file."""
    old, new = _lines(before or b""), _lines(after)
    hunks = b"".join(_hunks(old, new))
    if not hunks:
        return b""
    source = b"/dev/null" if before is None else _header_name("a/" + path)
    return b"--- %s\n+++ %s\n%s" % (source, _header_name("b/" + path), hunks)


def _lines(data: bytes) -> list[bytes]:
    """Lines as git sees them: they end at a line feed, and nowhere else."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _header_name(name: str) -> bytes:
    """A tab ends a name with spaces; control characters, quotes and backslashes are quoted as in C."""
    raw = name.encode("utf-8", "surrogateescape")
    if _QUOTED.search(raw):
        return b'"' + _QUOTED.sub(lambda match: b"\\%03o" % match[0][0], raw) + b'"'
    return raw + (b"\t" if b" " in raw else b"")


def _hunks(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[bytes]:
    head, tail = _unchanged(old, new)
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    # In a short file every line may anchor the comparison: the smallest diff. In a long one that takes
    # seconds, so lines that occur often (blank ones) do not.
    matcher = SequenceMatcher(None, old, new, autojunk=len(old) > _LONG)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        (_, first_old, _, first_new, _), (_, _, last_old, _, last_new) = group[0], group[-1]
        ranges = (_range(head + first_old, head + last_old), _range(head + first_new, head + last_new))
        yield b"@@ -%s +%s @@\n" % ranges
        for word, old_start, old_end, new_start, new_end in group:
            minus, plus = _SIGNS[word]
            yield from _signed(minus, old[old_start:old_end])
            yield from _signed(plus, new[new_start:new_end])


def _unchanged(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[int, int]:
    """How many lines at both ends need no comparison: the equal ones, less the context of a hunk."""
    shorter = min(len(old), len(new))
    head = _equal(zip(old, new, strict=False), shorter)
    tail = _equal(zip(reversed(old), reversed(new), strict=False), shorter - head)
    return max(0, head - _CONTEXT), max(0, tail - _CONTEXT)


def _equal(pairs: Iterable[tuple[bytes, bytes]], limit: int) -> int:
    lengths = (count for count, (one, other) in enumerate(islice(pairs, limit)) if one != other)
    return next(lengths, limit)


def _range(start: int, end: int) -> bytes:
    """Line numbers count from 1; an empty range names the line before it."""
    match end - start:
        case 0:
            return b"%d,0" % start
        case 1:
            return b"%d" % (start + 1)
        case length:
            return b"%d,%d" % (start + 1, length)


def _signed(sign: bytes, lines: Sequence[bytes]) -> Iterator[bytes]:
    for line in lines if sign else ():
        yield sign + line + (b"" if line.endswith(b"\n") else _NO_NEWLINE)


def render_plan(plan: Plan, writes: Sequence[FileWrite], shown: Collection[str] | None = None) -> bytes:
    """One diff per file with its changes and their reasons, then what is not in it, then what stays manual.

    `shown` holds the ids of the changes that `writes` were composed from. None means every safe or review
    change that nobody rejected.
    """
    if shown is None:
        shown = {change.id for change in plan.changes if _is_open(change)}
    seen: set[str] = set()
    parts: list[bytes] = []
    for write in writes:
        touching = [change for change in plan.changes if change.id in shown and _touches(change, write.path)]
        notes = _comments(_file_notes(plan, write, touching, seen))
        seen.update(change.id for change in touching)
        parts += [notes, unified(write.path, write.before, write.after)]
    parts += [_comments(_absent_notes(plan, seen)), _comments(_manual_notes(plan))]
    return b"".join(parts)


def _is_open(change: Change) -> bool:
    return change.tier is not Tier.MANUAL and change.decision != "rejected"


def _touches(change: Change, path: str) -> bool:
    return any(path == _file_of(operation) for operation in change.ops)


def _file_of(operation: Operation) -> str | None:
    match operation:
        case Edit() | EnsureImport() | EnsureHelperPart():
            return operation.path
        case EnsureResource() | EnsureEnv() | EnsureGrant() | EnsurePackaged():
            return operation.template


def _file_notes(plan: Plan, write: FileWrite, changes: Iterable[Change], seen: Collection[str]) -> Iterator[str]:
    """The changes of a file; reasons stand where a change comes first."""
    yield write.path
    if write.before is None and not write.after:
        yield "  a new, empty file: a diff without git's own header cannot say that"
    for change in changes:
        if change.id in seen:
            yield f"{_headline(change)}, continued"
        else:
            yield from _change_notes(plan, change)


def _headline(change: Change) -> str:
    return f"{change.rule} {change.tier.word}: {change.title}  [{change.id}]"


def _change_notes(plan: Plan, change: Change) -> Iterator[str]:
    yield _headline(change)
    yield from (f"  {reason}" for reason in change.reasons)
    finding = finding_of(plan, change)
    yield from _beside(in_short(change))
    yield from _beside(advice_for(finding, change.reasons) if finding is not None else "")
    if change.needs:
        yield f"  needs {', '.join(change.needs)}"
    if change.alternatives_of is not None:
        default = ", and this one where nobody chooses" if change.is_default else ""
        yield f"  one of several answers to {change.alternatives_of}: at most one is written{default}"


def _absent_notes(plan: Plan, seen: Collection[str]) -> Iterator[str]:
    for change in plan.changes:
        if change.id not in seen and change.tier is not Tier.MANUAL:
            yield f"not in this diff, {_why_absent(plan, change)}:"
            yield from _change_notes(plan, change)


def _why_absent(plan: Plan, change: Change) -> str:
    if change.decision == "rejected":
        return "rejected"
    if change.alternatives_of is not None and change.decision is None:
        leading = default_of(plan, change)
        instead = f"may be chosen instead of {leading.id}" if leading is not None else "not chosen yet"
        return f"{instead} (statelift review)"
    return "changes none of these files"


def default_of(plan: Plan, change: Change) -> Change | None:
    """The answer to the same finding that is taken where nobody chooses, if it is another one."""
    rivals = (each for each in plan.changes if each.alternatives_of == change.alternatives_of)
    return next((each for each in rivals if each.is_default and each.id != change.id), None)


def _manual_notes(plan: Plan) -> Iterator[str]:
    for finding in plan.findings:
        if finding.tier is Tier.MANUAL:
            yield f"left to you: {headline(finding)}"
            yield from (f"  {reason}" for reason in finding.reasons)
            yield from _beside(advice_for(finding, finding.reasons))


def _beside(note: str) -> Iterator[str]:
    if note:
        yield f"  {note}"


def _comments(notes: Iterable[str]) -> bytes:
    lines = (line for note in notes for line in note.split("\n"))
    return "".join(f"# {escape(line)}\n" for line in lines).encode()
