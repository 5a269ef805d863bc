"""`explain` and `rules`: what a rule means, and why a line got its verdict."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statelift.cli.options import Asked, Choice, Settled, UsageError, analysis_of, known_baseline, write_data

LINES_AT_MOST = 9

if TYPE_CHECKING:
    from statelift.analysis import Analysis


class NotAnalysedError(click.ClickException):
    """Nothing can be said about this file: exit 3."""

    exit_code = 3


@click.command()
@click.argument("subject", metavar="RULE|FILE:LINE")
def explain(subject: str) -> int:
    """Show a rule's page, or why a line is (or is not) a finding."""
    place = re.fullmatch(r"(.+?):(\d+)(?::\d+)?", subject)  # as `scan` tells it, with the column
    if place is None:
        write_data(_rule_page(subject))
        return 0
    write_data("\n".join(_pages(Path(place.group(1)), int(place.group(2)))))
    return 0


def _rule_page(word: str) -> str:
    from statelift.judge.rules import rule_flaw, rule_of
    from statelift.registry import codemod_for

    rule = rule_of(word)
    if rule is None and (not word.strip() or Path(word).exists() or word.endswith(".py")):
        file = word if word.endswith(".py") else "FILE"
        raise UsageError(f"Name a rule, or a file with a line: {file}:12.")
    if rule is None:
        flaw = rule_flaw(word) or f"{word} is how several rules begin: `statelift rules` lists them."
        raise UsageError(f"{flaw} For a line, write FILE:LINE.")
    codemod = codemod_for(rule.code)
    page = (
        (codemod.__doc__ or "").strip()
        if codemod is not None
        else "No codemod rewrites this: it is told, with advice."
    )
    return f"{rule.code} {rule.name} ({rule.family})\n\n{rule.summary}\n\n{page}\n"


def _pages(path: Path, line: int) -> list[str]:
    """A page for each judgement that speaks of the line; what is said where there is none."""
    if not path.is_file():
        raise UsageError(f"{path} is not a file. Name a Python file and a line: FILE:LINE.")
    count = path.read_bytes().count(b"\n") + 1
    if not 1 <= line <= count:
        raise UsageError(f"{path} has {count} lines: there is no line {line}.")
    root = _project_of(path)
    settled = Asked(dict.fromkeys(("select", "ignore", "exclude"), ())).settled([root])
    analysis = analysis_of([root], settled)
    name = path.resolve().relative_to(root).as_posix()
    if problem := next((each for each in analysis.problems if each.path == name), None):
        raise NotAnalysedError(f"{path}:{problem.line}: {problem.kind}: {problem.message}")
    pages = list(_verdicts(analysis, settled, name, line))
    return pages or [f"{path}:{line}: {_nothing(analysis, name)}\n"]


def _nothing(analysis: "Analysis", name: str) -> str:
    """What is said of a line that no judgement speaks of."""
    if not name.endswith(".py"):
        return "this is no Python file: only those are judged."
    if name not in analysis.project.files:
        return "this file is not looked at: it is ignored (.gitignore), excluded, or hidden."
    told = {
        judgement.subject.place.line for _, judgement, _ in analysis.judgements if judgement.subject.path == name
    }
    others = f" Of this file, {_listed(told)} can be explained." if told else ""
    return f"nothing here outlives an invocation: no cell, no file in /tmp, no connection.{others}"


def _listed(lines: set[int]) -> str:
    known = sorted(lines)
    shown = ", ".join(map(str, known[:LINES_AT_MOST]))
    return f"line{'s' * (len(known) > 1)} {shown}{' …' * (len(known) > LINES_AT_MOST)}"


def _verdicts(analysis: "Analysis", settled: Settled, name: str, line: int) -> Iterator[str]:
    """A page for each judgement whose statement or use stands on the line of the file `name`."""
    from statelift.planning import Scope, plan_of

    plan = plan_of(analysis, settled.options(), scope=Scope(known=known_baseline(settled)))
    found = {finding.id: finding for finding in (*plan.findings, *plan.left_alone)}
    hidden = {each.finding.id: f"suppressed by the {each.by}: {each.reason}" for each in plan.suppressed}
    for _, judgement, identifier in analysis.judgements:
        subject = judgement.subject
        lines = {(subject.path, subject.place.line), *((use.path, use.line) for use in subject.uses)}
        is_within = subject.path == name and subject.place.line <= line <= subject.place.end_line
        if is_within or (name, line) in lines:
            finding = found.get(identifier)
            tier = finding.tier.word if finding is not None and finding.tier is not None else "left alone"
            head = f"{judgement.rule} {judgement.verdict} · {'suppressed' if identifier in hidden else tier}"
            reasons = finding.reasons if finding is not None else judgement.reasons
            why = (hidden[identifier],) if identifier in hidden else ()
            yield _page(head, judgement.message, (*why, *reasons), lines, analysis.read)


def _project_of(path: Path) -> Path:
    """The project around a file: alone, without its template and its other modules, it would be judged differently.

    The nearest folder with a template, not beyond the repository; else the repository or package; else its folder.
    """
    folders = list(path.resolve().parents)
    top = next((depth for depth, folder in enumerate(folders) if (folder / ".git").exists()), len(folders) - 1)
    for marks in (_TEMPLATES, _PROJECTS):
        for folder in folders[: top + 1]:
            if any((folder / mark).exists() for mark in marks):
                return folder
    return folders[0]


_TEMPLATES = ("template.yaml", "template.yml", "serverless.yml", "serverless.yaml", "cdk.json", "samconfig.toml")
_PROJECTS = (".git", "pyproject.toml")


def _page(head: str, message: str, reasons: tuple[str, ...], lines: set[tuple[str, int]], read: object) -> str:
    from statelift.report.terminal import escape

    assert callable(read)
    quoted = []
    for path, line in sorted(lines):
        source = read(path).decode("utf-8", "replace").split("\n")
        text = source[line - 1].strip() if line <= len(source) else ""
        quoted.append(f"    {escape(path)}:{line}: {escape(text)}")
    return "\n".join([f"{head}: {escape(message)}", *(f"  - {escape(reason)}" for reason in reasons), *quoted, ""])


@click.command()
@click.option("--format", "form", type=Choice(["text", "json", "markdown"]), default="text", show_default=True)
def rules(form: str) -> int:
    """List the rules."""
    from statelift.judge.rules import RULES

    match form:
        case "json":
            rows = [{"code": r.code, "name": r.name, "family": r.family, "summary": r.summary} for r in RULES]
            write_data(json.dumps(rows, indent=2) + "\n")
        case "markdown":
            lines = [f"| {r.code} | {r.name} | {r.family} | {r.summary} |" for r in RULES]
            write_data("\n".join(["| code | name | family | what |", "|---|---|---|---|", *lines, ""]))
        case _:
            write_data("".join(f"{r.code}  {r.name:24} {r.family:11} {r.summary}\n" for r in RULES))
    return 0
