"""Thousands of programs that nobody wrote for this tool -> what went wrong, if anything.

Usage: torture.py [options] [DIR...]    Nothing below DIR is written. Exit 1 if any check fails.

The programs: the standard library of the running Python, its test suite with the files of bad syntax, the Python
files below each DIR (without one: the installed packages), programs that hypothesmith makes up, and programs in a
disguise of other white space. Each file is planned alone, as it is (its public functions are the entry points) and
once more with a handler that makes state of what it holds (`forced`); of the files below DIR, one in --twins.
Checks, each with a number of failures:
  crashes    no exception came out of the pipeline, and no signal ended it
  hangs      no program took more than --seconds of the processor's time
  told       what Python cannot parse is reported, and what it can parse is analysed or refused for a known reason
  compiles   every Python file that a change touches or makes compiles
  untouched  bytes outside the edits are as they were; with no change planned no file would be written
  settles    a second plan, after the writes, plans no further change but what the first said would come then
  same       a program in disguise gets the verdicts of the plain one, and its changes make the same tree
"""

import argparse
import json
import os
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from checks import Failure, compile_failures, untouched_failures
from disguises import disguised, tree_of
from forced import TEMPLATE, forced

from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.gathering import IN_THIS_PROCESS
from statelift.model import Change, FileWrite, Options, Plan
from statelift.planning import make_plan
from statelift.selecting import selections

CHECKS = ("crashes", "hangs", "told", "compiles", "untouched", "settles", "same")
REFUSALS = frozenset({"newlines", "encoding", "too-deep", "too-large", "too-branched"})  # of what Python can parse
PROGRAM = "app.py"
SOURCES = ("library", "tests", "folders", "generated", "disguised")
FIRST = " that first"  # "change that first", "apply that first, then plan again"
SHARE = 600  # programs that a pool of processes looks at
PAUSE = 5.0  # seconds between two lines of progress
STDLIB = Path(sysconfig.get_paths()["stdlib"])
FIXTURES = Path(__file__).parents[1] / "fixtures"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one group of programs, or of one. `slowest` is (seconds, name)."""

    group: str
    files: int = 0
    programs: int = 0
    changed: int = 0
    changes: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.group,
            self.files + other.files,
            self.programs + other.programs,
            self.changed + other.changed,
            self.changes + other.changes,
            dict(Counter(self.problems) + Counter(other.problems)),
            self.seconds + other.seconds,
            max(self.slowest, other.slowest),
            self.failures + other.failures,
        )


class TookTooLongError(BaseException):
    """The time of one program is over. No boundary of the pipeline may take it for an error of its own."""


# ---------------------------------------------------------------- one program


@dataclass(frozen=True, slots=True)
class Task:
    """One file to torture, and how: `as it is` and forced, or in every disguise."""

    name: str
    data: bytes
    in_disguise: bool = False
    seconds: int = 60
    has_twin: bool = True
    """Whether it is planned once more with a handler put into it."""


def tortured(task: Task) -> Outcome:
    """Everything that is done with one file. Nothing is raised: what goes wrong is a failure."""
    programs = _in_disguise(task) if task.in_disguise else _as_it_is(task)
    return sum(programs, Outcome("", files=1))


def _as_it_is(task: Task) -> Iterator[Outcome]:
    yield _watched(task, "", lambda: _planned_alone(task.name, task.data))
    with_handler = forced(task.data) if task.has_twin else None
    if with_handler is not None and tree_of(with_handler):
        label = f"{task.name} + handler"
        yield _watched(task, " + handler", lambda: _planned_alone(label, with_handler, TEMPLATE))


def _in_disguise(task: Task) -> Iterator[Outcome]:
    data = forced(task.data) or task.data
    yield _watched(task, " in disguise", lambda: _compared(task.name, data))


def _watched(task: Task, suffix: str, run: Callable[[], Outcome]) -> Outcome:
    """The outcome, or the failure to have one, with the time that it took."""
    name, start = task.name + suffix, time.process_time()
    IN_THIS_PROCESS.forget()  # it would grow with each program
    try:
        with _time_limit(task.seconds):
            found = run()
    except TookTooLongError:
        found = Outcome("", programs=1, failures=(Failure("hangs", name, f"more than {task.seconds} s"),))
    except Exception:  # noqa: BLE001 - any exception is what this program looks for; it is counted and told
        found = Outcome("", programs=1, failures=(Failure("crashes", name, traceback.format_exc()),))
    seconds = time.process_time() - start
    return replace(found, seconds=seconds, slowest=(round(seconds, 1), name))


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)  # of the processor: a busy machine makes no hang
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def planned(folder: Path) -> Plan:
    """The plan of the program in a folder, named as a file: its public functions are entry points."""
    return make_plan([folder / PROGRAM], Options())


def _planned_alone(name: str, data: bytes, template: bytes | None = None) -> Outcome:
    return _planned_with_result(name, data, template)[0]


Result = tuple[frozenset[tuple[str, str, str]], str]  # what each suspect is; the tree with all changes in it


def _planned_with_result(name: str, data: bytes, template: bytes | None) -> tuple[Outcome, Result]:
    with _folder(data, template) as folder:
        plan = planned(folder)
        failures = [*_told(data, plan), *_checked(folder, plan)]
        outcome = Outcome(
            "",
            programs=1,
            changed=bool(plan.changes),
            changes=len(plan.changes),
            problems=dict(Counter(problem.kind for problem in plan.errors)),
            failures=tuple(replace(each, place=f"{name}: {each.place}") for each in failures),
        )
        return outcome, _result(folder, plan, data)


def _result(folder: Path, plan: Plan, data: bytes) -> Result:
    after = {write.path: write.after for write in _writes(folder, next(selections(plan.changes), []))}
    found = [*plan.findings, *plan.left_alone]
    verdicts = frozenset((each.rule, each.symbol, str(each.verdict)) for each in found)
    return verdicts, tree_of(after.get(PROGRAM, data))


@contextmanager
def _folder(data: bytes, template: bytes | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        folder = Path(scratch)
        (folder / PROGRAM).write_bytes(data)
        if template is not None:
            (folder / "template.yaml").write_bytes(template)
        yield folder


def _told(data: bytes, plan: Plan) -> Iterator[Failure]:
    kinds = {problem.kind for problem in plan.errors if problem.path == PROGRAM}
    is_program = bool(tree_of(data))
    if not is_program and not kinds:
        yield Failure("told", PROGRAM, "Python cannot parse it, and nothing was reported")
    if is_program and kinds - REFUSALS:
        yield Failure("told", PROGRAM, f"Python can parse it, and it was refused: {', '.join(kinds)}")
    if len(plan.errors) > 1:
        yield Failure("told", PROGRAM, f"{len(plan.errors)} problems for one file")


def _checked(folder: Path, plan: Plan) -> Iterator[Failure]:
    for changes in selections(plan.changes):
        writes = _writes(folder, changes)
        yield from compile_failures(writes)
        yield from untouched_failures(writes, changes)
        for write in writes:
            (folder / write.path).write_bytes(write.after)
        again = planned(folder)
        freed = {
            id_ for each in again.findings if (each.rule, each.symbol) in _waiting(plan) for id_ in each.changes
        }
        yield from (Failure("settles", each.id, each.title) for each in again.changes if each.id not in freed)
        yield from (Failure("settles", problem.path, problem.message) for problem in again.errors)
        _put_back(folder, writes)


def _waiting(plan: Plan) -> set[tuple[str, str]]:
    """What the plan leaves to a second one, and says so: state behind a memo, edits of the same text."""
    return {(each.rule, each.symbol) for each in plan.findings if any(FIRST in reason for reason in each.reasons)}


def _writes(folder: Path, changes: Iterable[Change]) -> tuple[FileWrite, ...]:
    return compose_changes(changes, lambda path: read_file(folder, path))


def _put_back(folder: Path, writes: Iterable[FileWrite]) -> None:
    for write in writes:
        if write.before is None:
            (folder / write.path).unlink()
        else:
            (folder / write.path).write_bytes(write.before)


# ---------------------------------------------------------------- a program in disguise


def _compared(name: str, data: bytes) -> Outcome:
    """The program in all disguises, each against the plain one."""
    text = _plain_text(data)
    if not tree_of(text.encode()):
        return Outcome("")
    outcome, known = _planned_with_result(name, text.encode(), TEMPLATE)
    for disguise, other in disguised(text):
        label = f"{name} in {disguise.name}"
        found, (verdicts, tree) = _planned_with_result(label, other, TEMPLATE)
        faults = [] if verdicts == known[0] else [f"other verdicts: {verdicts ^ known[0]}"]
        if tree != known[1] and not disguise.has_comments:  # a comment in an edit's way is a reason to refuse it
            faults.append("the changes make another program")
        same = tuple(Failure("same", label, fault) for fault in faults)
        outcome += replace(found, failures=found.failures + same)
    return outcome


def _plain_text(data: bytes) -> str:
    """UTF-8 text with LF; what cannot be had in that form gives "" or no program."""
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return ""


# ---------------------------------------------------------------- where programs come from


def library_files() -> list[Path]:
    """The standard library without its tests."""
    return [path for path in _python_files(STDLIB) if not _is_below(path, "test", "site-packages")]


def test_suite_files() -> list[Path]:
    """Python's own tests, and programs that are wrong on purpose."""
    return _python_files(STDLIB / "test")


def _python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.is_file())


def _is_below(path: Path, *names: str) -> bool:
    return path.relative_to(STDLIB).parts[0] in names


def thinned(files: Sequence[Path], limit: int) -> list[Path]:
    """At most so many of them, evenly spread; all for 0."""
    if not limit or len(files) <= limit:
        return list(files)
    return [files[number * len(files) // limit] for number in range(limit)]


def generated(number: int) -> list[Task]:
    """Programs that hypothesmith makes up from the grammar and from LibCST's nodes: the same ones each time."""
    if not number:
        return []
    with warnings.catch_warnings(action="ignore"):
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesmith import from_grammar, from_node

    texts: list[str] = []

    def keep(text: str) -> None:
        texts.append(text)

    for strategy in (from_grammar(), from_node()):
        quiet = settings(
            max_examples=number // 2, derandomize=True, database=None, deadline=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        with warnings.catch_warnings(action="ignore"):
            quiet(given(strategy)(keep))()
    distinct = dict.fromkeys(text.encode("utf-8", "surrogatepass") for text in texts)
    return [Task(f"generated {position}", data) for position, data in enumerate(distinct, 1)]


def to_disguise(number: int) -> list[Task]:
    """Our own fixtures, and modules of the standard library that are not too long."""
    own = sorted(FIXTURES.rglob("before/**/*.py"))
    small = [path for path in library_files() if 500 < path.stat().st_size < 20_000]
    files = thinned([*own, *small], number) if number else []
    return [Task(str(path), path.read_bytes(), in_disguise=True) for path in files]


def tasks_of(files: Iterable[Path], twins: int = 1) -> list[Task]:
    """One task for each file. One in `twins` is planned with a handler in it, too."""
    return [Task(str(path), path.read_bytes(), has_twin=number % twins == 0) for number, path in enumerate(files)]


# ---------------------------------------------------------------- all of them


def group_of(name: str, tasks: Sequence[Task], jobs: int, seconds: int) -> Outcome:
    """The sum of the outcomes of a group's tasks. A process that dies is a failure, and ends its share."""
    total, start, shown = Outcome(name), time.perf_counter(), 0.0
    waiting = [replace(task, seconds=seconds) for task in tasks]
    for number, found in enumerate(_outcomes(waiting, jobs), 1):
        total += found
        for failure in found.failures:
            sys.stderr.write(f"\r{failure.check}: {failure.place}\n")
        if time.perf_counter() > shown + PAUSE:
            shown = time.perf_counter()
            sys.stderr.write(f"\r{name}: {number} of {len(waiting)}, {len(total.failures)} failures ")
            sys.stderr.flush()
    took = time.perf_counter() - start
    sys.stderr.write(f"\r{name}: {len(waiting)} files in {took:.0f} s, {len(total.failures)} failures\n")
    return total


def _outcomes(tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    """The outcomes in the order of the tasks. Processes that grow old are replaced share by share: a pool that
    does so by itself (`max_tasks_per_child`) may wait for ever (https://github.com/python/cpython/issues/115634).
    """
    for at in range(0, len(tasks), SHARE):
        share = tasks[at : at + SHARE]
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            results = pool.map(tortured, share)
            for task in share:
                try:
                    yield next(results)
                except BrokenProcessPool:
                    yield Outcome("", failures=(Failure("crashes", task.name, "a process died"),))
                    break


def table(outcomes: Sequence[Outcome]) -> str:
    """One row per group."""
    heads = ["programs from", "files", "plans", "changed", "changes", "refused", "s", "slowest s", *CHECKS]
    rows = [heads, *(_row(each) for each in outcomes)]
    if len(outcomes) > 1:
        rows.append(_row(replace(sum(outcomes, Outcome("all")), group="all")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _row(each: Outcome) -> list[str]:
    failed = Counter(failure.check for failure in each.failures)
    numbers = [each.files, each.programs, each.changed, each.changes, sum(each.problems.values())]
    seconds = [f"{each.seconds:.0f}", f"{each.slowest[0]:.1f}"]
    return [each.group, *map(str, numbers), *seconds, *(str(failed[check]) for check in CHECKS)]


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = print) -> int:
    """0, or 1 where a check failed."""
    parser = argparse.ArgumentParser(description="Plan thousands of programs, and check what comes of it.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="at most N files of each source")
    parser.add_argument(
        "--twins", type=int, default=3, metavar="N", help="one file in N of DIR also with a handler"
    )
    parser.add_argument("--generated", type=int, default=2000, metavar="N", help="programs of hypothesmith")
    parser.add_argument("--disguised", type=int, default=150, metavar="N", help="programs in each disguise")
    parser.add_argument("--seconds", type=int, default=120, metavar="N", help="processor time of one program")
    parser.add_argument("--jobs", "-j", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write figures and failures to FILE")
    parser.add_argument("--only", action="append", choices=SOURCES, help="not all sources of programs")
    given = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    for name, tasks in _groups(given):
        if tasks:
            outcomes.append(group_of(name, tasks, given.jobs, given.seconds))
        if given.json:
            given.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=2) + "\n")
    write(table(outcomes))
    for outcome in outcomes:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(outcome.problems.items()))
        write(f"{outcome.group}: slowest {outcome.slowest[1]}; refused: {kinds or 'none'}")
    failures = [failure for each in outcomes for failure in each.failures]
    for failure in failures:
        write(f"{failure.check}: {failure.place}: {failure.message}")
    return int(bool(failures))


def _groups(given: argparse.Namespace) -> Iterator[tuple[str, list[Task]]]:
    asked = given.only or SOURCES
    if "library" in asked:
        yield "standard library", tasks_of(thinned(library_files(), given.limit))
    if "tests" in asked:
        yield "test suite of Python", tasks_of(thinned(test_suite_files(), given.limit))
    if "folders" in asked:
        for folder in given.folders or [Path(sysconfig.get_paths()["purelib"])]:
            yield folder.resolve().name, tasks_of(thinned(_python_files(folder), given.limit), given.twins)
    if "generated" in asked:
        yield "hypothesmith", generated(given.generated)
    if "disguised" in asked:
        yield "in disguise", to_disguise(given.disguised)


if __name__ == "__main__":
    sys.exit(main())
