"""`scan`, `plan` and `infra`: what never writes a user's file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from statelift.cli.options import (
    TIERS,
    Asked,
    Choice,
    UsageError,
    alternatives,
    new_plan,
    paths_argument,
    plan_or_load,
    selection,
    suggestion,
    talk,
    talk_about,
    with_answers,
    write_data,
)
from statelift.model import Change, EnsureEnv, EnsureGrant, EnsureResource, Plan, Tier
from statelift.selecting import chosen_changes, without_rivals

TARGETS = ("cloudformation", "sam", "serverless", "terraform", "cdk")
SKELETONS = ("file-system", "cache", "database-proxy", "workflow", "dashboard")
FORMATS = ("full", "concise", "json", "json-lines", "github")


def render(plan: Plan, form: str) -> str:
    """The findings of a plan in one of FORMATS."""
    from statelift.report import machine, text

    match form:
        case "full":
            return text.full(_from_here(plan))
        case "concise":
            return text.concise(_from_here(plan))
        case "json":
            return machine.to_json(plan)
        case "json-lines":
            return machine.to_json_lines(plan)
        case _:
            return machine.github(_from_here(plan))


def _from_here(plan: Plan) -> Plan:
    """With paths as one has to write them in the working folder; a root that lies elsewhere changes nothing."""
    root, here = Path(plan.root), Path.cwd()
    if root == here or not root.is_relative_to(here):
        return plan
    prefix = root.relative_to(here).as_posix()
    findings = [replace(f, place=replace(f.place, path=f"{prefix}/{f.place.path}")) for f in plan.findings]
    errors = [replace(problem, path=f"{prefix}/{problem.path}") for problem in plan.errors]
    return replace(plan, findings=tuple(findings), errors=tuple(errors))


def exit_of(plan: Plan, *, has_news: bool) -> int:
    """3 where something could not be analysed, else 1 where there is something to report."""
    return 3 if plan.errors else int(has_news)


@click.command()
@paths_argument
@click.option("--format", "form", type=Choice(FORMATS), default="full", show_default=True)
@click.option("--output", multiple=True, metavar="FORMAT=FILE", help="Also write a report to a file; repeatable.")
@click.option(
    "--fail-on", type=Choice([*TIERS, "never"]),
    help="Exit 1 for findings of this tier or beyond (safe < review < manual).  [default: safe]",
)  # fmt: skip
@selection
def scan(paths: Sequence[Path], form: str, output: Sequence[str], asked: Asked) -> int:
    """Find state; never writes."""
    targets = [_report_target(each) for each in output]
    settled = asked.settled(paths)
    made = new_plan(paths, settled)
    write_data(render(made, form))
    for target_form, name in targets:
        _write_report(made, target_form, name)
    talk_about(made.warnings)
    least = TIERS.get(settled.fail_on)
    return exit_of(made, has_news=any(least is not None and (f.tier or 0) >= least for f in made.findings))


def _report_target(target: str) -> tuple[str, str]:
    form, _, name = target.partition("=")
    if form not in FORMATS or not name:
        known = f"{', '.join(FORMATS)}, not {target!r}.{suggestion(form, FORMATS)}"
        raise UsageError(f"--output takes FORMAT=FILE with a format of {known}")
    return form, name


def _write_report(plan: Plan, form: str, name: str) -> None:
    try:
        Path(name).write_bytes(render(plan, form).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}.") from error


@click.command()
@paths_argument
@selection
@alternatives
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan as JSON.")
@click.option(
    "--tier", type=Choice(["safe", "review"]), default="review", show_default=True,
    help="Show changes up to this tier in the diff.",
)  # fmt: skip
@click.option(
    "--codemod", multiple=True, metavar="SCRIPT", help="Also run a Bowler script; its changes are REVIEW."
)
@click.option(
    "--format", "form", type=Choice(["diff", *FORMATS]), default="diff", show_default=True
)  # fmt: skip
def plan(
    paths: Sequence[Path], output: Path | None, tier: str, codemod: Sequence[str], form: str,
    words: Sequence[str], asked: Asked,
) -> int:  # fmt: skip
    """Show the migration as a unified diff on stdout; never writes. Alias: diff."""
    made = with_answers(new_plan(paths, asked.settled(paths), codemod), words)
    shown = chosen_changes(made, TIERS[tier], only_accepted=False)
    write_data(diff_of(made, shown) if form == "diff" else render(made, form))
    if output is not None:
        _save(made, output)
    talk(closing(made))
    return exit_of(made, has_news=bool(made.changes))


def _save(made: Plan, output: Path) -> None:
    from statelift.planfile import save_plan

    try:
        save_plan(made, output)
    except OSError as error:
        raise UsageError(f"The plan cannot be saved as {output}: {error.strerror}.") from error
    talk(f"Saved as {output}. Next: statelift review {output}, then statelift apply {output}")


def diff_of(made: Plan, changes: Sequence[Change]) -> bytes:
    """The diff of these changes of a plan, from the bytes on disk. UsageError where they are stale."""
    from statelift.compose import ComposeError, StalePlanError, compose
    from statelift.discover import read_file
    from statelift.report.diff import render_plan

    accepted = {change.id for change in changes}
    try:
        writes = compose(made, accepted, lambda path: read_file(Path(made.root), path))
    except (StalePlanError, ComposeError, OSError) as error:
        raise UsageError(str(error)) from error
    return render_plan(made, writes, accepted)


def closing(made: Plan) -> str:
    """One line that says what there is."""
    from statelift.report.text import count

    by_tier = {tier: sum(finding.tier is tier for finding in made.findings) for tier in Tier}
    tiers = ", ".join(f"{number} {tier.word}" for tier, number in by_tier.items() if number)
    found = f"{count(len(made.findings), 'finding')} ({tiers})" if made.findings else "No state found"
    trouble = f"; {len(made.errors)} could not be analysed" if made.errors else ""
    talk_about([*made.errors, *made.warnings])
    alone = f"{count(len(made.left_alone), 'suspect')} left alone"
    hidden = f", {len(made.suppressed)} suppressed" if made.suppressed else ""
    return f"{found}, {alone}{hidden} in {count(made.file_count, 'file')}{trouble}."


@click.command()
@paths_argument
@selection
@alternatives
@click.option(
    "--target", type=Choice(TARGETS), default="cloudformation", show_default=True, help="The template language.",
)  # fmt: skip
@click.option(
    "--rate",
    type=click.IntRange(min=0),
    default=1_000_000,
    show_default=True,
    help="Invocations a month, for the costs on stderr.",
)
@click.option("--prices", type=click.Path(path_type=Path, dir_okay=False), help="A table of prices of your own.")
@click.option(
    "--skeleton", type=Choice(SKELETONS), help="Print the start of a stack for what no change moves, instead.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not to stdout."
)
def infra(
    paths: Sequence[Path], target: str, rate: int, prices: Path | None, skeleton: str | None, output: Path | None,
    words: Sequence[str], asked: Asked,
) -> int:  # fmt: skip
    """Print one template with the tables, buckets and rights that the changes need, to deploy or to copy from."""
    from statelift.infra import Refusal

    if skeleton is not None:
        _give(_skeleton(skeleton), output)
        return 0
    made = with_answers(plan_or_load(paths, asked), words)
    changes = without_rivals(made.changes)
    found = [op for each in changes for op in each.ops if isinstance(op, (EnsureResource, EnsureEnv, EnsureGrant))]
    try:
        if found:
            _give(rendered(found, target), output)
    except Refusal as refusal:
        raise UsageError(str(refusal)) from refusal
    if found:
        _talk_about_costs(changes, rate, prices)
    else:
        talk("The changes of this plan need no infrastructure.")
    _talk_about_suggestions(made)
    return exit_of(made, has_news=False)


def _give(text: str, output: Path | None) -> None:
    """Print it, or write the file and the folders above it."""
    if output is None:
        write_data(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
    talk(f"Written to {output}.")


def _skeleton(name: str) -> str:
    from statelift.infra.suggestions import skeleton

    return skeleton(name)


def _talk_about_suggestions(made: Plan) -> None:
    from statelift.infra.suggestions import suggestions

    for each in suggestions(made.findings):
        talk(each.sentence)


def rendered(operations: Sequence[EnsureResource | EnsureEnv | EnsureGrant], target: str) -> str:
    """All that the operations ask for in one of TARGETS. Raises Refusal."""
    from statelift.infra import render_example, render_infrastructure

    match target:
        case "serverless" | "terraform" | "cdk":
            return render_example(operations, target)
        case "sam":
            return render_infrastructure(operations, "sam")
        case _:
            return render_infrastructure(operations, "cloudformation")


def _talk_about_costs(changes: Sequence[Change], rate: int, file: Path | None) -> None:
    from statelift.infra.costs import PriceError, known_prices, lines, load_prices, notes

    try:
        prices = known_prices() if file is None else load_prices(file)
    except (PriceError, OSError) as error:
        raise UsageError(str(error)) from error
    found = list(notes(changes, prices, rate))
    for line in lines(found, prices, rate) if found else ():
        talk(line)
