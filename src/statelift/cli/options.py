"""Options that several commands share, and the analysis that they start."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from statelift.model import Options, Plan, Problem, Tier

if TYPE_CHECKING:
    from statelift.analysis import Analysis

Command = TypeVar("Command", bound=Callable[..., object])
OPTIONS_FOR_EXPLAIN = Options()
TIERS = {"safe": Tier.SAFE, "review": Tier.REVIEW, "manual": Tier.MANUAL}

paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


class UsageError(click.ClickException):
    """Something that the user can put right: exit 2."""

    exit_code = 2


def selection(command: Command) -> Command:
    """Add the options that say what is looked at."""
    for option in (
        click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these files out."),
        click.option("--ignore", multiple=True, metavar="RULE", help="Leave out rules: SL101, SL1 or a name."),
        click.option("--select", multiple=True, metavar="RULE", help="Only these rules: SL101, SL1 or a name."),
        click.option("--strict-handlers", is_flag=True, help="Public functions are no entry points."),
    ):
        command = option(command)
    return command


def options_of(
    select: Sequence[str], ignore: Sequence[str], *, strict_handlers: bool, codemods: Sequence[str] = ()
) -> Options:
    """Checked options. UsageError names an unknown rule and the nearest known one."""
    for word in (*select, *ignore):
        _check_rule(word)
    return Options(
        strict_handlers=strict_handlers, select=tuple(select), ignore=tuple(ignore), codemods=tuple(codemods)
    )


def _check_rule(word: str) -> None:
    from difflib import get_close_matches

    from statelift.judge.rules import BY_CODE, BY_NAME, rule_of

    is_beginning = any(code.startswith(word.upper()) for code in BY_CODE) and word.upper().startswith("SL")
    if rule_of(word) is None and not is_beginning:
        close = get_close_matches(word, [*BY_CODE, *BY_NAME, *map(str.lower, BY_CODE)], n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]}?" if close else " `statelift rules` lists them."
        raise UsageError(f"There is no rule {word}.{hint}")


def analysis_of(paths: Sequence[Path], options: Options, exclude: Sequence[str]) -> "Analysis":
    """Analyse, with progress on a terminal. UsageError for a path that does not exist."""
    from statelift.analysis import analyse
    from statelift.discover import PathNotFoundError, PatternError

    try:
        with progress_on_terminal() as progress:
            return analyse(paths or [Path()], options, exclude, progress)
    except (PathNotFoundError, PatternError) as error:
        raise UsageError(str(error)) from error


def plan_or_load(paths: Sequence[Path], options: Options, exclude: Sequence[str]) -> Plan:
    """The plan in a file, where one *.json file is given; otherwise a new plan of the paths."""
    if len(paths) == 1 and paths[0].suffix == ".json":
        return load(paths[0])
    return new_plan(paths, options, exclude)


def new_plan(paths: Sequence[Path], options: Options, exclude: Sequence[str]) -> Plan:
    """Make a plan. UsageError where a foreign codemod cannot be loaded."""
    from statelift.planning import plan_of

    analysis = analysis_of(paths, options, exclude)
    if not options.codemods:
        return plan_of(analysis, options)
    from statelift.bowler_adapter import ScriptError

    try:
        return plan_of(analysis, options)
    except ScriptError as error:
        raise UsageError(str(error)) from error


def load(path: Path) -> Plan:
    """A saved plan. UsageError says what is wrong with it."""
    from statelift.planfile import PlanError, load_plan

    try:
        return load_plan(path)
    except (PlanError, OSError) as error:
        raise UsageError(str(error)) from error


def write_data(data: bytes | str) -> None:
    """Data goes to stdout, byte by byte."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def talk(text: str) -> None:
    """Everything that is not data goes to stderr, control characters shown."""
    from statelift.report.terminal import escape

    click.echo(escape(text, keep="\n"), err=True)


def talk_about(problems: Sequence[Problem]) -> None:
    """Say what could not be analysed, and where."""
    for problem in problems:
        talk(f"{problem.path}:{problem.line}: {problem.kind}: {problem.message}")


class progress_on_terminal:  # noqa: N801 - reads as a verb at the place of use
    """A counter on stderr, shown after a second, and only where a person looks."""

    def __enter__(self) -> Callable[[str, int, int], None]:
        self._started = time.monotonic()
        self._has_shown = False
        return self._show

    def _show(self, what: str, done: int, total: int) -> None:
        is_slow = time.monotonic() - self._started > 1
        if is_slow and done % 20 == 0 and sys.stderr.isatty():
            self._has_shown = True
            click.echo(f"\r{what} {done}/{total} files", nl=False, err=True)

    def __exit__(self, *_: object) -> None:
        if self._has_shown:
            click.echo("\r\x1b[K", nl=False, err=True)
