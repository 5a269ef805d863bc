"""`batch`: the same work on many local repositories."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statelift.cli.options import (
    TIERS,
    Asked,
    Choice,
    UsageError,
    cache_option,
    jobs_option,
    new_plan,
    talk,
    write_data,
)
from statelift.model import Plan

if TYPE_CHECKING:
    from statelift.batch import Outcome

repos_option = click.option(
    "--repos", multiple=True, required=True, type=click.Path(path_type=Path),
    help="A repository, a folder of repositories, or a file with one folder per line; repeatable.",
)  # fmt: skip
format_option = click.option("--format", "form", type=Choice(["table", "json"]), default="table", show_default=True)


@click.group()
def batch() -> None:
    """Migrate many local repositories; one that fails does not stop the others."""


@batch.command("plan")
@repos_option
@format_option
@jobs_option
@cache_option
def batch_plan(repos: Sequence[Path], form: str, jobs: int | None, cache: bool | None) -> int:
    """Plan every repository; the plans are kept in their .statelift folders."""
    from statelift.batch import each_outcome, plan_repository

    make = _planner(jobs, cache)
    work = _reporting_usage(lambda folder: plan_repository(folder, make))
    return _finish(list(each_outcome(_folders(repos), work, talk)), form)


@batch.command("apply")
@repos_option
@format_option
@click.option("--tier", type=Choice(["safe", "review"]), default="safe", show_default=True)
@click.option("--allow-dirty", is_flag=True, help="Write files that have uncommitted changes, too.")
@jobs_option
@cache_option
def batch_apply(
    repos: Sequence[Path], form: str, tier: str, allow_dirty: bool, jobs: int | None, cache: bool | None
) -> int:
    """Apply the kept plans (or new ones)."""
    from statelift.batch import apply_repository, each_outcome

    make = _planner(jobs, cache)
    work = _reporting_usage(lambda folder: apply_repository(folder, make, TIERS[tier], allow_dirty=allow_dirty))
    return _finish(list(each_outcome(_folders(repos), work, talk)), form, expected={"applied", "partly", "clean"})


@batch.command("status")
@repos_option
@format_option
def batch_status(repos: Sequence[Path], form: str) -> int:
    """Show what is planned and applied."""
    from statelift.batch import each_outcome, status_of

    _finish(list(each_outcome(_folders(repos), status_of, lambda _: None)), form)
    return 0


def _planner(jobs: int | None, cache: bool | None) -> Callable[[Path], Plan]:
    """Makes a plan of a repository, with its own configuration."""
    asked = Asked({} if cache is None else {"cache": cache}, jobs=jobs)
    return lambda folder: new_plan([folder], asked.settled([folder]))


def _reporting_usage(work: "Callable[[Path], Outcome]") -> "Callable[[Path], Outcome]":
    """A repository with a wrong configuration fails; the others go on."""
    from statelift.batch import Outcome

    def guarded(folder: Path) -> Outcome:
        try:
            return work(folder)
        except UsageError as error:
            return Outcome(str(folder), "failed", message=error.message)

    return guarded


def _folders(repos: Sequence[Path]) -> list[Path]:
    from statelift.batch import RepositoryListError, repositories

    try:
        return repositories(repos)
    except RepositoryListError as error:
        raise UsageError(str(error)) from error


def _finish(
    outcomes: "list[Outcome]", form: str, expected: frozenset[str] | set[str] = frozenset({"clean"})
) -> int:
    from statelift.batch import to_json

    if form == "json":
        write_data(to_json(outcomes))
    else:
        _show_table(outcomes)
    if any(outcome.status == "failed" or outcome.errors for outcome in outcomes):
        return 3
    return int(any(outcome.status not in expected for outcome in outcomes))


def _show_table(outcomes: "list[Outcome]") -> None:
    from rich.console import Console
    from rich.table import Table

    from statelift.report.terminal import escape

    columns = ("files", "safe", "review", "manual", "written", "errors")
    table = Table(box=None, pad_edge=False)
    table.add_column("repository", overflow="fold")
    table.add_column("status")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("message", overflow="fold")
    for outcome in outcomes:
        numbers = [str(getattr(outcome, column)) for column in columns]
        table.add_row(escape(outcome.repository), outcome.status, *numbers, escape(outcome.message))
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(f"{len(outcomes)} repositories, {sum(o.status == 'failed' for o in outcomes)} failed.")
