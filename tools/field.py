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
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from checks import Failure, compile_failures, untouched_failures

from statelift.analysis import analyse
from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.model import Edit, FileWrite, Options, Plan, Tier
from statelift.planning import plan_of
from statelift.selecting import selections

CHECKS = ("compiles", "untouched", "settles", "crashes")


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
