"""`baseline create`, `update` and `prune`: findings that are known, so that only new ones are told."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statelift.cli.options import Asked, UsageError, analysis_of, paths_argument, selection, talk, talk_about

if TYPE_CHECKING:
    from statelift.baseline import Baseline, Entry

file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def baseline() -> None:
    """Keep a list of known findings, so that only new ones are told."""


@baseline.command("create")
@file_argument
@paths_argument
@selection
def create(file: Path, paths: Sequence[Path], asked: Asked) -> int:
    """Write a new baseline with all findings of today."""
    from statelift.baseline import BaselineError, empty_baseline

    try:
        known = empty_baseline(file)
    except BaselineError as error:
        raise UsageError(str(error)) from error
    present, _, code = _compared(known, paths, asked)
    _save(file, present)
    talk(f"{_count(present)} in {file}. Use it: statelift scan --baseline {file}")
    return code


@baseline.command("update")
@file_argument
@paths_argument
@selection
def update(file: Path, paths: Sequence[Path], asked: Asked) -> int:
    """Add new findings, and drop those that are gone."""
    known = load(file)
    present, kept, code = _compared(known, paths, asked)
    _save(file, [*present, *kept])
    _tell_difference(known, [*present, *kept])
    return code


@baseline.command("prune")
@file_argument
@paths_argument
@selection
def prune(file: Path, paths: Sequence[Path], asked: Asked) -> int:
    """Drop findings that are gone, and add none."""
    known = load(file)
    present, kept, code = _compared(known, paths, asked)
    still = [entry for entry, is_known in zip(present, known.matched(present), strict=True) if is_known]
    _save(file, [*still, *kept])
    _tell_difference(known, [*still, *kept])
    return code


def load(file: Path) -> "Baseline":
    """A baseline. UsageError says what is wrong with it."""
    from statelift.baseline import BaselineError, load_baseline

    try:
        return load_baseline(file)
    except BaselineError as error:
        raise UsageError(str(error)) from error


def _compared(known: "Baseline", paths: Sequence[Path], asked: Asked) -> "tuple[list[Entry], list[Entry], int]":
    """Entries of today's findings, entries that this run has no opinion on, and the exit code."""
    from statelift.planning import known_entries

    settled = asked.settled(paths)
    analysis = analysis_of(paths, settled)
    talk_about(analysis.problems)
    present, kept = known_entries(analysis, settled.options(), known)
    return present, kept, 3 if analysis.problems else 0


def _save(file: Path, entries: "Sequence[Entry]") -> None:
    from statelift.baseline import save_baseline

    try:
        save_baseline(file, entries)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error


def _tell_difference(before: "Baseline", after: "Sequence[Entry]") -> None:
    from collections import Counter

    old, new = Counter(before.entries), Counter(after)
    added, gone = (new - old).total(), (old - new).total()
    talk(f"{added} added, {gone} removed: {_count(after)} in {before.file.name}.")


def _count(entries: "Sequence[Entry]") -> str:
    from statelift.report.text import count

    return count(len(entries), "known finding")
