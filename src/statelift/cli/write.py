"""`review`, `apply` and `undo`: a person decides, and files are written or restored."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statelift.cli.options import (
    TIERS,
    Asked,
    Choice,
    UsageError,
    alternatives,
    is_plan,
    load,
    new_plan,
    paths_argument,
    plan_or_load,
    selection,
    talk,
    talk_about,
    with_answers,
)
from statelift.model import Change, Finding, Plan, Tier
from statelift.selecting import chosen_changes, waiting

if TYPE_CHECKING:
    from statelift.model import FileWrite
    from statelift.writing.runs import Run


@click.command()
@paths_argument
@selection
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("plan.json"), show_default=True,
    help="Where a new plan is saved (a given plan keeps its file).",
)  # fmt: skip
def review(paths: Sequence[Path], output: Path, asked: Asked) -> int:
    """Decide change by change; each answer is saved in the plan at once."""
    from statelift.planfile import save_plan
    from statelift.report.terminal import escape
    from statelift.review import review as ask_about

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "review asks questions, and this is not a terminal. Use `statelift plan` to look at the changes and"
            " `statelift apply --tier review` to take them all."
        )
    target = paths[0] if is_plan(paths) else output
    made = load(target) if is_plan(paths) else new_plan(paths, asked.settled(paths))
    decided = ask_about(
        made,
        ask=input,
        show=click.echo,
        describe=lambda change: _described(made, change),
        save=lambda plan: save_plan(plan, target),
        explain=_explained,
    )
    save_plan(decided, target)
    click.echo(escape(f"Decisions are saved in {target}. Next: statelift apply {target} --only-accepted"))
    return 0


def _described(made: Plan, change: Change) -> str:
    from statelift.cli.plan import diff_of
    from statelift.report.terminal import escape

    lines = [f"{change.rule} {change.tier.word}: {change.title}", *(f"  {reason}" for reason in change.reasons)]
    text = diff_of(made, [change]).decode("utf-8", "replace")
    hunks = [line for line in text.splitlines() if not line.startswith("# ")]
    return escape("\n".join([*lines, *hunks]), keep="\n\t")


def _explained(finding: Finding) -> str:
    from statelift.report.terminal import escape

    uses = [f"  {use.path}:{use.line} {use.kind}" for use in finding.uses]
    return escape("\n".join([finding.message, *finding.reasons, "It is used here:", *uses]), keep="\n")


@click.command()
@paths_argument
@selection
@click.option(
    "--tier", type=Choice(["safe", "review"]), default="safe", show_default=True,
    help="Write changes up to this tier, and those that were accepted in review.",
)  # fmt: skip
@click.option("--only-accepted", is_flag=True, help="Write only what was accepted in review.")
@click.option("--allow-dirty", is_flag=True, help="Write files that have uncommitted changes, too.")
@alternatives
def apply(
    paths: Sequence[Path], tier: str, only_accepted: bool, allow_dirty: bool, words: Sequence[str], asked: Asked
) -> int:
    """Write the changes: all files or none, journaled, undoable."""
    from statelift.writing.errors import WriteFailedError, WritingError

    try:
        made, finished = _fresh_plan(paths, asked)
        made = with_answers(made, words)
        chosen = chosen_changes(made, Tier.MANUAL if only_accepted else TIERS[tier], only_accepted=only_accepted)
        run = _finished(made, chosen, finished)
        if run is None:
            run = _write(made, _composed(made, chosen), chosen, allow_dirty=allow_dirty)
    except WriteFailedError as error:
        talk(str(error))
        return 3
    except WritingError as error:
        raise UsageError(str(error)) from error
    _report(made, chosen, run)
    return 3 if made.errors else int(_has_unwritten(made, chosen, run))


def _fresh_plan(paths: Sequence[Path], asked: Asked) -> "tuple[Plan, list[Run]]":
    """Finish what interrupted runs left, then plan (or load) on what is there now; these runs."""
    from statelift.writing.apply import pending_runs, resume

    made = plan_or_load(paths, asked)
    finished = []
    for run in pending_runs(Path(made.root)):
        finished.append(resume(Path(made.root), run.id))
        talk(f"Finished the interrupted run {run.id} first.")
    return plan_or_load(paths, asked) if finished else made, finished


def _finished(made: Plan, chosen: Sequence[Change], finished: "Sequence[Run]") -> "Run | None":
    """The run that was finished just now, where it wrote exactly these changes of a saved plan."""
    from statelift.writing.runs import State

    asked_for = (State.DONE, Path(made.root), {change.id for change in chosen})
    return next((run for run in finished if (run.state, run.root, set(run.change_ids)) == asked_for), None)


def _composed(made: Plan, chosen: Sequence[Change]) -> "tuple[FileWrite, ...]":
    from statelift.compose import ComposeError, StalePlanError, compose
    from statelift.discover import read_file
    from statelift.writing.guard import check_paths

    check_paths(Path(made.root), [each.path for each in made.files])
    try:
        return compose(made, {change.id for change in chosen}, lambda path: read_file(Path(made.root), path))
    except (StalePlanError, ComposeError, OSError) as error:
        raise UsageError(str(error)) from error


def _write(
    made: Plan, writes: "Sequence[FileWrite]", chosen: Sequence[Change], *, allow_dirty: bool
) -> "Run | None":
    from statelift.writing.apply import apply_writes

    if not writes:
        return None
    return apply_writes(Path(made.root), writes, allow_dirty=allow_dirty, change_ids=[each.id for each in chosen])


def _report(made: Plan, chosen: Sequence[Change], run: "Run | None") -> None:
    from statelift.report.terminal import escape

    if run is not None:
        for path in run.files:
            click.echo(escape(path))
        talk(f"Written as run {run.id}; `statelift undo` takes it back.")
    talk_about([*made.errors, *made.warnings])
    left = len(waiting(made, chosen))
    manual = sum(finding.tier is Tier.MANUAL for finding in made.findings)
    parts = [f"{len(chosen)} written"]
    if left:
        parts.append(f"{left} wait for review: statelift review")
    if manual:
        parts.append(f"{manual} to do by hand: statelift scan")
    talk(", ".join(parts) + ".")


def _has_unwritten(made: Plan, chosen: Sequence[Change], run: "Run | None") -> bool:
    """Whether something that was asked for is not written."""
    accepted = {change.id for change in made.changes if change.decision == "accepted"}
    return not accepted <= {change.id for change in chosen} or bool(chosen and run is None)


@click.command()
@click.argument("run", required=False)
@click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path(),
    help="The folder that was migrated (where .statelift lies).",
)  # fmt: skip
def undo(run: str | None, root: Path) -> int:
    """Restore the bytes from before a run (the newest by default), without git."""
    from statelift.report.terminal import escape
    from statelift.writing.errors import WritingError
    from statelift.writing.undo import undo_run

    try:
        undone = undo_run(root, run)
    except WritingError as error:
        raise UsageError(str(error)) from error
    for path in (*undone.restored, *undone.removed):
        click.echo(escape(path))
    talk(f"Run {undone.run_id} is undone: {len(undone.restored)} restored, {len(undone.removed)} removed.")
    return 0
