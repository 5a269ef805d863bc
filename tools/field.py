"""Folders of code that nobody wrote for this tool -> figures, and the checks that do not hold.

Usage: field.py [--json FILE] DIR...    Nothing below DIR is written. Exit 1 if any check fails.

For each folder the pipeline runs once, and all planned changes are composed (of alternatives the first ones,
then the second ones, and so on). Four checks, each with a number of failures:
  compiles   every Python file that a change touches or makes compiles
  untouched  bytes outside the edits are as they were: found out here without the code that applies edits
  settles    a copy with the changes written plans no further change
  crashes    no exception came out of the pipeline
"""

import argparse
import io
import json
import re
import shutil
import sys
import tempfile
import time
import tokenize
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from statelift.analysis import analyse
from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Change, Edit, EnsureHelperPart, EnsureImport, FileWrite, Operation, Options, Plan, Tier
from statelift.planning import plan_of

CHECKS = ("compiles", "untouched", "settles", "crashes")
_IMPORT = re.compile(rb"(import|from) \w+( import [\w, ]+)?")


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that did not hold, and where."""

    check: str
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Field:
    """What came of one folder. `findings` is tier -> family -> number, `seconds` the time of one plan."""

    folder: str
    python_files: int = 0
    findings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    left_alone: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    files_changed: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    failures: tuple[Failure, ...] = ()


def field_of(folder: Path) -> Field:
    """Plan, compose and check one folder. An exception of the pipeline becomes a failure with its traceback."""
    start = time.perf_counter()
    try:
        plan = planned(folder)
        seconds = time.perf_counter() - start
        return _figures(folder, plan, seconds, tuple(_checked(folder, plan)))
    except Exception:  # noqa: BLE001 - any exception is what this program looks for; it is counted and told
        failure = Failure("crashes", str(folder), traceback.format_exc())
        return Field(str(folder), seconds=time.perf_counter() - start, failures=(failure,))


def planned(folder: Path) -> Plan:
    """The plan of a folder, with the default options. Exceptions of the pipeline pass through."""
    return plan_of(analyse([folder], Options()), Options())


def _figures(folder: Path, plan: Plan, seconds: float, failures: tuple[Failure, ...]) -> Field:
    tiers: dict[str, Counter[str]] = {tier.word: Counter() for tier in Tier}
    for finding in plan.findings:
        tiers[(finding.tier or Tier.SAFE).word][finding.family] += 1
    changed = {op.path for change in plan.changes for op in change.ops if isinstance(op, Edit)}
    return Field(
        folder=str(folder),
        python_files=plan.file_count,
        findings={word: dict(families) for word, families in tiers.items()},
        left_alone=dict(Counter(str(suspect.verdict) for suspect in plan.left_alone)),
        changes=dict(Counter(change.tier.word for change in plan.changes)),
        files_changed=len({path for path in changed if path.endswith(".py")}),
        errors=dict(Counter(problem.kind for problem in plan.errors)),
        seconds=round(seconds, 2),
        failures=failures,
    )


# ---------------------------------------------------------------- the checks


def _checked(folder: Path, plan: Plan) -> Iterator[Failure]:
    for changes in selections(plan.changes):
        writes = compose_changes(changes, lambda path: read_file(folder, path))
        yield from compile_failures(writes)
        yield from untouched_failures(writes, changes)
        yield from _settle_failures(folder, writes)


def selections(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Sets of changes that go together: everything, with the first of each alternatives, then the second, …"""
    ranks: Counter[str] = Counter()
    ranked: list[tuple[int | None, Change]] = []
    for change in changes:
        group = change.alternatives_of
        ranked.append((None if group is None else ranks[group], change))
        if group is not None:
            ranks[group] += 1
    for number in range(max(ranks.values(), default=1 if changes else 0)):
        yield [change for rank, change in ranked if rank is None or rank == number]


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


def _settle_failures(folder: Path, writes: Sequence[FileWrite]) -> Iterator[Failure]:
    """Changes that a copy of the folder still has after the writes."""
    with tempfile.TemporaryDirectory(prefix="field-") as scratch:
        copy = Path(scratch, "copy")
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        for write in writes:
            Path(copy, write.path).write_bytes(write.after)
        for change in planned(copy).changes:
            yield Failure("settles", change.id, change.title)


# ---------------------------------------------------------------- what is printed


def table(fields: Sequence[Field]) -> str:
    """One row per folder, and their sum."""
    heads = [
        "folder",
        "py files",
        *(tier.word for tier in Tier),
        "left alone",
        "changes",
        "files",
        "errors",
        "s",
        *CHECKS,
    ]
    rows = [heads, *(_row(each) for each in fields)]
    sums = [[float(row[column]) for row in rows[1:]] for column in range(1, len(heads))]
    rows.append(
        ["all", *(f"{sum(column):.1f}" if n == 9 else f"{sum(column):.0f}" for n, column in enumerate(sums, 1))]
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(each: Field) -> list[str]:
    failed = Counter(failure.check for failure in each.failures)
    numbers = [
        each.python_files,
        *(sum(each.findings.get(tier.word, {}).values()) for tier in Tier),
        sum(each.left_alone.values()),
        sum(each.changes.values()),
        each.files_changed,
        sum(each.errors.values()),
    ]
    return [
        Path(each.folder).name,
        *map(str, numbers),
        f"{each.seconds:.1f}",
        *(str(failed[name]) for name in CHECKS),
    ]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    )


def details(fields: Sequence[Field]) -> str:
    """Over all folders: findings by family and tier, what was left alone, what could not be analysed."""
    by_family: dict[str, Counter[str]] = defaultdict(Counter)
    for word, families in (pair for each in fields for pair in each.findings.items()):
        for family, number in families.items():
            by_family[family][word] += number
    lines = [f"{family}: {_sum_of([words])}" for family, words in sorted(by_family.items())]
    lines.append(f"left alone: {_sum_of(each.left_alone for each in fields)}")
    return "\n".join([*lines, f"errors: {_sum_of(each.errors for each in fields)}"])


def _sum_of(counts: Iterable[Mapping[str, int]]) -> str:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return ", ".join(f"{number} {name}" for name, number in total.most_common()) or "none"


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = print) -> int:
    """0, or 1 where a check failed."""
    parser = argparse.ArgumentParser(description="Plan folders with Python functions, and check what comes of it.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures and failures to FILE")
    given = parser.parse_args(arguments)
    fields = []
    for folder in given.folders:
        fields.append(field_of(folder.resolve()))
        sys.stderr.write(f"{folder}: {fields[-1].seconds:.1f} s\n")
    write(f"{table(fields)}\n\n{details(fields)}")
    failures = [(each.folder, failure) for each in fields for failure in each.failures]
    for folder_name, failure in failures:
        write(f"{failure.check}: {Path(folder_name).name}: {failure.place}: {failure.message}")
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in fields], indent=2) + "\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
