"""Options that several commands share, and the analysis that they start."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from statelift.config import (
    KEYS,
    ConfigError,
    Settings,
    Value,
    baseline_of,
    find_configuration,
    read_configuration,
)
from statelift.judge.rules import nearest, rule_flaw
from statelift.model import CellOptions, Metrics, Options, Plan, Problem, Style, Tier
from statelift.selecting import NoAlternativeError, answered

if TYPE_CHECKING:
    from statelift.analysis import Analysis
    from statelift.baseline import Baseline
    from statelift.gathering import Gatherer

TIERS = {"safe": Tier.SAFE, "review": Tier.REVIEW, "manual": Tier.MANUAL}

paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


class UsageError(click.ClickException):
    """Something that the user can put right: exit 2."""

    exit_code = 2


class Choice(click.Choice[str]):
    """One of some words. A wrong one is answered with the nearest."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself, or click's usage error with a suggestion."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(
                f"{error.message}{suggestion(value, list(self.choices))}", ctx, param
            ) from error


def suggestion(word: str, known: Sequence[str]) -> str:
    """What to add to a message about a wrong word: the nearest right one, if any is near."""
    close = nearest(word, known)
    return f" Did you mean {close}?" if close else ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says on what is looked at: `given` holds only the keys that it names."""

    given: Mapping[str, Value]
    file: Path | None = None
    is_isolated: bool = False
    jobs: int | None = None

    def settled(self, paths: Sequence[Path]) -> "Settled":
        """The command line over the configuration of the paths over the defaults. UsageError for a wrong one."""
        for key in ("select", "extend-select", "ignore"):
            for flaw in filter(None, map(rule_flaw, _words(self.given.get(key)))):
                raise UsageError(flaw)
        try:
            return Settled(self.given, self._configuration(paths), self.jobs)
        except ConfigError as error:
            raise UsageError(str(error)) from error

    def _configuration(self, paths: Sequence[Path]) -> Settings:
        if self.is_isolated:
            return Settings()
        file = self.file or find_configuration(_start(paths))
        return Settings() if file is None else read_configuration(file)


@dataclass(frozen=True, slots=True)
class Settled:
    """Effective values, and where each comes from."""

    given: Mapping[str, Value]
    settings: Settings
    jobs: int | None = None

    def value(self, key: str) -> Value:
        """The value that counts."""
        return self.given.get(key, self.settings.values.get(key, KEYS[key].default))

    def words(self, key: str) -> tuple[str, ...]:
        """The value of a key that holds a list."""
        return _words(self.value(key))

    def origin(self, key: str) -> str:
        """`command line`, `pyproject.toml:12` or `default`."""
        return "command line" if key in self.given else self.settings.origin(key)

    @property
    def exclude_from(self) -> Path | None:
        """The folder that the exclude patterns start from, None for the root of the run."""
        return None if "exclude" in self.given else self.settings.folder

    @property
    def fail_on(self) -> str:
        """The least tier that makes exit 1, or `never`."""
        return str(self.value("fail-on"))

    def options(self, codemods: Sequence[str] = ()) -> Options:
        """What changes the result of a plan."""
        select = self.words("select")
        return Options(
            strict_handlers=self.value("strict-handlers") is True,
            select=(*select, *self.words("extend-select")) if select else (),
            ignore=self.words("ignore"),
            codemods=tuple(codemods),
            is_ephemeral=self.given.get("ephemeral") is True,
            style=cast(Style, self.value("style")),
            stores=self.stores,
            fix_original=self.value("fix-original") is True,
            metrics=cast(Metrics, self.value("metrics")),
            metric_namespace=str(self.value("metric-namespace")),
            metric_unit=str(self.value("metric-unit")),
            metric_dimensions=self.words("metric-dimensions"),
            counter_metric=bool(self.value("counter-metric")),
            bucket=str(self.value("bucket")),
            bucket_env=str(self.value("bucket-env")),
        )

    @property
    def stores(self) -> tuple[CellOptions, ...]:
        """What is asked for single cells."""
        value = self.value("stores")
        return tuple(each for each in value if isinstance(each, CellOptions)) if isinstance(value, tuple) else ()


def _words(value: Value) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, tuple) else ()


def _start(paths: Sequence[Path]) -> Path:
    """The folder that all paths lie in."""
    folders = [path if path.is_dir() else path.parent for path in (each.absolute() for each in paths or [Path()])]
    return Path(os.path.commonpath(folders))


def selection(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that say what is looked at; the command gets them as one `asked`."""

    @wraps(command)
    def with_asked(config: Path | None, isolated: bool, ephemeral: bool, jobs: int | None, **words: object) -> int:
        names = {key: key.replace("-", "_") for key in KEYS}
        values = {key: cast(Value, words.pop(name)) for key, name in names.items() if name in words}
        given = {key: value for key, value in values.items() if value not in (None, ())}
        given |= {"ephemeral": True} if ephemeral else {}  # never by a file: it lets data go
        return command(asked=Asked(given, config, isolated, jobs), **words)

    return _with_options(with_asked)


_FILE = click.Path(path_type=Path, dir_okay=False)
jobs_option = click.option(
    "-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes for many files.  [default: all cores]"
)
cache_option = click.option(
    "--cache/--no-cache", default=None, help="Keep what files say for later runs.  [default: cache]"
)


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    for option in (
        click.option(
            "--style", type=Choice(get_args(Style)), help="The form of code that keeps state.  [default: store]"
        ),
        click.option(
            "--metrics",
            type=Choice(get_args(Metrics)),
            help="How metrics are sent: EMF on stdout, or calls.  [default: emf]",
        ),
        click.option(
            "--fix-original/--no-fix-original",
            default=None,
            help="Add a missing `global`, and migrate the counter.",
        ),
        click.option("--baseline", metavar="FILE", help="Leave out the findings that are known in this file."),
        click.option("--ephemeral", is_flag=True, help="Tables and buckets go with their stack: for previews."),
        jobs_option,
        cache_option,
        click.option("--isolated", is_flag=True, help="Use no configuration file."),
        click.option("--config", type=_FILE, help="Use this configuration file."),
        click.option("--handler", multiple=True, metavar="NAME", help="Only what these entry points reach."),
        click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these files out."),
        click.option("--ignore", multiple=True, metavar="RULE", help="Leave out rules: SL101, SL1 or a name."),
        click.option("--extend-select", multiple=True, metavar="RULE", help="These rules, too."),
        click.option("--select", multiple=True, metavar="RULE", help="Only these rules: SL101, SL1 or a name."),
        click.option(
            "--strict-handlers/--no-strict-handlers", default=None, help="Public functions are no entry points."
        ),
    ):
        command = option(command)
    return command


def analysis_of(paths: Sequence[Path], settled: Settled) -> "Analysis":
    """Analyse, with progress on a terminal. UsageError for a path that does not exist."""
    from statelift.analysis import analyse_project
    from statelift.discover import PathNotFoundError, PatternError, discover

    try:
        with progress_on_terminal() as progress:
            project = discover(paths or [Path()], settled.words("exclude"), settled.exclude_from)
            return analyse_project(project, settled.options(), {}, progress, gatherer_of(settled))
    except PathNotFoundError as error:
        raise UsageError(str(error)) from error
    except PatternError as error:
        raise UsageError(f"{settled.origin('exclude')}: {error}") from error


def gatherer_of(settled: Settled) -> "Gatherer":
    """What takes facts as it is asked for: in so many processes, with or without the cache of this user."""
    from statelift.cache import UnsafeFolderError, default_folder, open_cache
    from statelift.gathering import Gatherer, usable_cores

    jobs = settled.jobs or usable_cores()
    folder = default_folder() if settled.value("cache") is True else None
    try:
        return Gatherer(None if folder is None else open_cache(folder), jobs)
    except UnsafeFolderError as error:
        talk(f"{error} Nothing is kept meanwhile.")
        return Gatherer(None, jobs)


def is_plan(paths: Sequence[Path]) -> bool:
    """Whether a saved plan is given in place of paths."""
    return len(paths) == 1 and paths[0].suffix == ".json"


def plan_or_load(paths: Sequence[Path], asked: Asked) -> Plan:
    """The plan in a file, where one *.json file is given; otherwise a new plan of the paths."""
    return load(paths[0]) if is_plan(paths) else new_plan(paths, asked.settled(paths))


alternatives = click.option(
    "--alternative", "words", multiple=True, metavar="ID|STYLE",
    help="Take this answer where a finding has several, by its id or style (localise, alarm); repeatable.",
)  # fmt: skip


def with_answers(made: Plan, words: Sequence[str]) -> Plan:
    """The plan with these alternatives chosen. UsageError where there is no such one."""
    try:
        return answered(made, words)
    except NoAlternativeError as error:
        raise UsageError(f"--alternative: {error}") from error


def new_plan(paths: Sequence[Path], settled: Settled, codemods: Sequence[str] = ()) -> Plan:
    """Make a plan. UsageError where a handler is not known, or a foreign codemod cannot be loaded."""
    from statelift.planning import Scope, UnknownCellError, UnknownHandlerError, plan_of

    analysis = analysis_of(paths, settled)
    options = settled.options(codemods)
    scope = Scope(settled.words("handler"), known_baseline(settled))
    try:
        if not options.codemods:
            return plan_of(analysis, options, scope=scope)
        return _with_foreign(lambda: plan_of(analysis, options, scope=scope))
    except UnknownHandlerError as error:
        raise UsageError(f"{settled.origin('handler')}: {error}") from error
    except UnknownCellError as error:
        raise UsageError(f"{settled.origin('stores')}: {error}") from error


def known_baseline(settled: Settled) -> "Baseline | None":
    """The baseline of the command line, or of the configuration. UsageError where it cannot be used."""
    from statelift.baseline import BaselineError, load_baseline

    given = settled.given.get("baseline")
    file = Path(str(given)) if given is not None else baseline_of(settled.settings)
    if file is None:
        return None
    try:
        return load_baseline(file)
    except BaselineError as error:
        raise UsageError(str(error)) from error


def _with_foreign(make: Callable[[], Plan]) -> Plan:
    from statelift.bowler_adapter import ScriptError

    try:
        return make()
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
    """Data goes to stdout: byte by byte, but for a terminal, where control characters are shown."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    if sys.stdout.isatty():
        raw = _for_eyes(raw)
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def _for_eyes(raw: bytes) -> bytes:
    from statelift.report.terminal import escape

    return escape(raw.decode("utf-8", "surrogateescape").replace("\r\n", "\n"), keep="\n\t").encode()


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
