"""`verify`: runs the original and the migrated program, and tells whether they answered alike."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from statelift.cli.options import (
    Asked,
    UsageError,
    alternatives,
    analysis_of,
    is_plan,
    load,
    paths_argument,
    talk,
    with_answers,
    write_data,
)
from statelift.config import Value
from statelift.model import Plan, Tier
from statelift.selecting import chosen_changes

if TYPE_CHECKING:
    from statelift.analysis import Analysis
    from statelift.verify.events.steps import Step
    from statelift.verify.examine import Effort, Progress
    from statelift.verify.subjects import Sources, Subject
    from statelift.verify.verdicts import Result
    from statelift.writing.runs import Run

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_NOTHING: Mapping[str, Value] = MappingProxyType({})
_ASKED: Sequence[Mapping[str, Value]] = (  # options that give changes of other names than the configuration does
    _NOTHING,
    {"style": "store"},
    {"style": "inline"},
    {"style": "transaction"},
    {"fix-original": True},
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line asks for."""

    events: tuple[Path, ...]
    effort: "Effort"
    is_original: bool


@click.command()
@paths_argument
@click.option(
    "--events", multiple=True, type=click.Path(path_type=Path, exists=True),
    help="Events to send: a JSON or JSON lines file, or a folder of them; repeatable.",
)  # fmt: skip
@click.option(
    "--runs", type=click.IntRange(0, 1000), default=4, show_default=True, help="Runs with generated events."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same run.")
@click.option(
    "--concurrency", type=click.IntRange(1, 3), default=3, show_default=True,
    help="Most events at the same time; 1 assumes that they never overlap.",
)  # fmt: skip
@click.option(
    "--managed-instances", is_flag=True, help="All containers share one /tmp, as on Lambda's managed instances."
)
@click.option(
    "--ignore", multiple=True, metavar="PATH", help="Do not compare this part of replies: body.requestId."
)
@click.option("--resources", type=_FILE, help="What is there before the first event: env, tables, buckets.")
@click.option("--http", type=_FILE, help="Answers to calls that leave AWS, equal for both programs.")
@click.option("--python", metavar="EXE", help="Run the program with this interpreter and its packages.")
@click.option(
    "--run", "run_id", is_flag=False, flag_value="last", default="", metavar="[RUN]",
    help="Verify what a run of apply wrote, by default the newest.",
)  # fmt: skip
@alternatives
@click.option("--original-only", is_flag=True, help="Only show whether the program as it is keeps state.")
@click.option("--yes", is_flag=True, help="Do not ask before the program is run.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(
    paths: Sequence[Path], events: Sequence[Path], runs: int, seed: int, concurrency: int,
    managed_instances: bool, ignore: Sequence[str],
    resources: Path | None, http: Path | None, python: str | None, run_id: str, words: Sequence[str],
    original_only: bool, yes: bool, form: str,
) -> int:  # fmt: skip
    """Run the original and the migrated program against a simulated AWS, and compare what they answer."""
    from statelift.verify.examine import Effort
    from statelift.verify.subjects import Sources

    _check_extra()
    effort = Effort(runs=runs, seed=seed, concurrency=concurrency, shares_tmp=managed_instances)
    wanted = _Wanted(tuple(events), effort, original_only)
    plan = paths[0] if is_plan(paths) else None
    sources = Sources(_text(plan), run_id, python or "", _text(resources), _text(http), tuple(ignore))
    with ExitStack() as stack:
        subjects = _subjects(paths, sources, stack, words, is_original=original_only)
        if not subjects:
            talk("There is nothing to verify: no change of the plan would be written.")
            return 0
        _ask(subjects, has_consent=yes)
        results, limits = _examined(subjects, wanted, python)
    return _reported(results, limits, form)


def _text(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())


def _check_extra() -> None:
    missing = [name for name in ("boto3", "moto", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"verify needs {', '.join(missing)}: pip install 'statelift[verify]'.")


def _planned(paths: Sequence[Path], asked: Mapping[str, Value] = _NOTHING) -> "tuple[Plan, Analysis]":
    """The plan, and an analysis of its root. UsageError where a saved plan is stale."""
    from statelift.planning import plan_of

    saved = load(paths[0]) if is_plan(paths) else None
    settled = Asked(asked).settled(paths if saved is None else [Path(saved.root)])
    analysis = analysis_of(paths if saved is None else [Path(saved.root)], settled)
    if saved is None:
        return plan_of(analysis, settled.options()), analysis
    _check_fresh(saved, analysis)
    return saved, analysis


def _check_fresh(plan: Plan, analysis: "Analysis") -> None:
    from statelift.compose import hash_of

    for file in plan.files:
        if hash_of(file.path, analysis.read).sha256 != file.sha256:
            raise UsageError(
                f"{file.path} has changed since the plan was made. Make a new plan: statelift plan -o …"
            )


def _subjects(
    paths: Sequence[Path], sources: "Sources", stack: ExitStack, words: Sequence[str], *, is_original: bool
) -> "list[Subject]":  # fmt: skip
    """The code roots of the paths, of a saved plan, or of what a run wrote (also where nothing else is left)."""
    from statelift.verify.applied import NoRunError, written_run
    from statelift.verify.subjects import originals_of, read_given, subjects_of

    with _said():
        if not sources.run:
            given = read_given(sources)
            plan, analysis = _planned(paths)
            if is_original:
                return originals_of(plan, analysis, given)
            chosen = chosen_changes(with_answers(plan, words), Tier.REVIEW, only_accepted=False)
            if chosen or sources.plan:
                return subjects_of(plan, analysis, chosen, given)
        try:
            run = written_run(paths[0].absolute(), sources.run or "last")
        except NoRunError:
            if sources.run:
                raise
            return []
        talk(f"Verified is what run {run.id} wrote.")
        return _written(run, replace(sources, run=run.id), stack, is_original=is_original)


def _written(run: "Run", sources: "Sources", stack: ExitStack, *, is_original: bool) -> "list[Subject]":
    """The code roots of a run: the original as it was before, the migrated program as it is now."""
    from statelift.verify.applied import as_before
    from statelift.verify.subjects import originals_of, read_given, subjects_of

    given = read_given(sources, written=run.root)
    before = stack.enter_context(as_before(run))
    if is_original:
        return originals_of(*_planned([before]), given)
    plan, analysis = _planned_as(run, before)
    return subjects_of(plan, analysis, [change for change in plan.changes if change.id in run.change_ids], given)


def _planned_as(run: "Run", before: Path) -> "tuple[Plan, Analysis]":
    """The plan that has the run's changes: `apply` may have been asked for another style than the configuration.

    UsageError where no plan has any of them.
    """
    wanted, tried = set(run.change_ids), []
    for asked in _ASKED:
        tried.append(_planned([before], asked))
        if wanted <= _ids(tried[-1][0]):
            return tried[-1]
    plan, analysis = max(tried, key=lambda each: len(wanted & _ids(each[0])))
    missing = ", ".join(sorted(wanted - _ids(plan)))
    if not wanted & _ids(plan):
        raise UsageError(
            f"Run {run.id} wrote {missing}, and no plan of what was there before has that: it was made with other"
            " options. Undo the run and verify its plan: statelift verify plan.json."
        )
    talk(f"Not told apart, as a plan of today does not have it: {missing}.")
    return plan, analysis


def _ids(plan: Plan) -> set[str]:
    return {change.id for change in plan.changes}


@contextmanager
def _said() -> Iterator[None]:
    """What cannot be used, as an error of the command line."""
    from statelift.compose import ComposeError
    from statelift.verify.applied import NoRunError
    from statelift.verify.playing.compare import IgnoreError
    from statelift.verify.resources import ResourceError
    from statelift.writing.errors import WritingError

    try:
        yield
    except (ComposeError, IgnoreError, ResourceError, NoRunError, WritingError, OSError) as error:
        raise UsageError(str(error)) from error


def _ask(subjects: "Sequence[Subject]", *, has_consent: bool) -> None:
    """Code is run from here on: a person says yes first. UsageError where nobody can be asked."""
    if has_consent:
        return
    roots = ", ".join(subject.name for subject in subjects)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("verify runs the code that it is given, and nobody can be asked here: say so with --yes.")
    if not click.confirm(f"verify runs the code in {roots}, in a sandbox without network. Go on?", err=True):
        raise UsageError("Nothing was run.")


def _examined(
    subjects: "Sequence[Subject]", wanted: _Wanted, python: str | None
) -> "tuple[list[Result], tuple[str, ...]]":  # fmt: skip
    from statelift.verify.events.steps import EventsError
    from statelift.verify.examine import examine, examine_original
    from statelift.verify.machine.sandbox import Sandbox, VerifySetupError

    work = examine_original if wanted.is_original else examine
    try:
        steps = [_steps(subject, wanted) for subject in subjects]
        with Sandbox(python) as sandbox, _progress() as progress:
            results = [
                work(sandbox, subject, batch, wanted.effort, progress)
                for subject, batch in zip(subjects, steps, strict=True)
            ]
            return results, sandbox.limits
    except (EventsError, VerifySetupError) as error:
        raise UsageError(str(error)) from error


def _steps(subject: "Subject", wanted: _Wanted) -> "list[Step]":
    """The user's steps for a code root, or those of an events folder beside it."""
    from statelift.verify.events.steps import read_steps

    root = Path(subject.root)
    folders = [root / subject.name / "events", root / "events"]
    found = wanted.events or tuple(folder for folder in folders if any(folder.glob("*.json")))[:1]
    return [step for path in found for step in read_steps(path, subject.entries) if _is_known(step, subject)]


def _is_known(step: "Step", subject: "Subject") -> bool:
    """Whether a step is for this code root: files of events may speak of several."""
    module = step.call.partition(":")[0].replace(".", "/")
    files = {path for path, _ in subject.pair.original.files}
    return bool({f"{module}.py", f"{module}/__init__.py"} & files)


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A bar on a terminal, after the first second nobody has to wonder."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verify", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


def _reported(results: "Sequence[Result]", limits: Sequence[str], form: str) -> int:
    from statelift.verify.report import to_json, to_text
    from statelift.verify.verdicts import worst

    write_data(to_json(results, limits) if form == "json" else to_text(results, limits))
    return worst([result.verdict for result in results])
