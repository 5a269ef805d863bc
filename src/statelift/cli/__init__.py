"""Arguments -> stages -> exit code. Reads the command line, runs the stages, decides nothing else.

Heavy modules are imported inside the commands: `statelift --help` has to be instant.
"""

import gc
import sys
import traceback
from typing import NoReturn

import click

from statelift import __version__
from statelift.cli.baseline import baseline
from statelift.cli.batch import batch
from statelift.cli.cache import cache
from statelift.cli.configuration import configuration
from statelift.cli.explain import explain, rules
from statelift.cli.plan import infra, plan, scan
from statelift.cli.verify import verify
from statelift.cli.write import apply, review, undo
from statelift.report.terminal import escape

EXITS = """\b
Exit codes: 0 nothing to report, 1 findings or changes, 2 wrong usage or a stale plan,
3 something could not be analysed or was rolled back, 4 verify saw a difference, 130 interrupted (resumable)."""


# Nearly all objects of a run are parts of trees, which live until they are let go as a whole: to collect as often
# as Python does by default takes half of the time of a large plan.
COLLECTION = (200_000, 20, 100)


class _Commands(click.Group):
    """Commands in the order in which people use them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(cls=_Commands, epilog=EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="statelift")
def statelift() -> None:
    """Lift the state out of serverless Python: find it, plan the migration, review it, apply it."""


for command in (
    scan,
    plan,
    review,
    apply,
    verify,
    undo,
    infra,
    batch,
    explain,
    rules,
    baseline,
    configuration,
    cache,
):
    statelift.add_command(command)
statelift.add_command(plan, "diff")


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(*COLLECTION)
    try:
        sys.exit(run(sys.argv[1:]))
    except Exception as error:  # noqa: BLE001 - the last door: an internal error is exit 2, with its traceback
        click.echo(escape("".join(traceback.format_exception(error)), keep="\n"), err=True)
        click.echo(f"This is an error in statelift {__version__}, not in your code. Please report it.", err=True)
        sys.exit(2)


def run(arguments: list[str]) -> int:
    """Run the command line; gives the exit code instead of leaving."""
    try:
        result = statelift.main(args=arguments, prog_name="statelift", standalone_mode=False)
    except click.Abort:
        click.echo("Interrupted. What was written is in the journal: run the same command again.", err=True)
        return 130
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return result if isinstance(result, int) else 0


def _show(error: click.ClickException) -> None:
    """As click does, escaped: a message may quote a file that nobody has read yet."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    usage = f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n\n" if context else ""
    click.echo(escape(f"{usage}Error: {error.format_message()}", keep="\n"), err=True)
