"""Plan -> text for people: what was found where and why, what was left alone, what could not be read."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from statelift.model import Change, Finding, Plan, Problem, Tier
from statelift.planfile import summary
from statelift.report.terminal import escape


def full(plan: Plan) -> str:
    """Findings with reasons and change ids, grouped by file; suspects counted; errors; one line of numbers."""
    ordered = _by_place(plan.findings)
    blocks = [
        "".join(_detailed(finding, plan) for finding in group)
        for _, group in groupby(ordered, key=lambda finding: finding.place.path)
    ]
    if plan.errors:
        blocks.append("".join(_problem_line(problem) for problem in plan.errors))
    blocks.append("".join(_closing(plan)))
    return "\n".join(blocks)


def concise(plan: Plan) -> str:
    """One line per finding, one per error, nothing else."""
    findings = "".join(headline(finding) + "\n" for finding in _by_place(plan.findings))
    return findings + "".join(_problem_line(problem) for problem in plan.errors)


def finding_of(plan: Plan, change: Change) -> Finding | None:
    """The finding that the change answers, if one names it."""
    for finding in plan.findings:
        if finding.id == change.alternatives_of or change.id in finding.changes:
            return finding
    return None


def headline(finding: Finding) -> str:
    """`path:line:col SL101 session-store state safe  message`, safe to print, without a line end."""
    place = finding.place
    tier = "left alone" if finding.tier is None else finding.tier.word
    where = f"{place.path}:{place.line}:{place.column}"
    return escape(f"{where} {finding.rule} {finding.name} {finding.verdict} {tier}  {finding.message}")


def count(number: int, noun: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _by_place(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: finding.place)


def _detailed(finding: Finding, plan: Plan) -> str:
    lines = [headline(finding), *(f"    {escape(reason)}" for reason in finding.reasons)]
    if finding.changes:
        lines.append(f"    changes: {escape(_answers(finding, plan))}")
    return "\n".join(lines) + "\n"


def _answers(finding: Finding, plan: Plan) -> str:
    """The changes; of alternatives, which is taken where nobody chooses and which may be instead."""
    defaults = {change.id for change in plan.changes if change.is_default}
    leading = [name for name in finding.changes if name in defaults]
    rivals = {change.id for change in plan.changes if change.alternatives_of == finding.id}
    others = [name for name in finding.changes if name not in leading]
    if leading and others:
        return f"{', '.join(leading)}; or instead, if chosen in review: {', '.join(others)}"
    if len(rivals) > 1 and not leading:
        return f"{' or '.join(others)}: choose one in review"
    return ", ".join(finding.changes)


def _problem_line(problem: Problem) -> str:
    line = f":{problem.line}" if problem.line else ""
    return escape(f"{problem.path or '.'}{line}: {problem.kind}: {problem.message}") + "\n"


def _closing(plan: Plan) -> Iterator[str]:
    if plan.left_alone:
        suspects = count(len(plan.left_alone), "suspect")
        yield f"{suspects} left alone. Why: statelift explain FILE:LINE\n"
    yield _numbers(plan) + "\n"


def _numbers(plan: Plan) -> str:
    numbers = summary(plan)
    tiers = ", ".join(f"{numbers['findings_by_tier'][tier.word]} {tier.word}" for tier in Tier)
    findings = count(len(plan.findings), "finding") + (f" ({tiers})" if plan.findings else "")
    errors, files = count(len(plan.errors), "error"), count(plan.file_count, "file")
    hidden = f"{len(plan.suppressed)} suppressed, " if plan.suppressed else ""
    return f"{findings}, {len(plan.left_alone)} left alone, {hidden}{errors} in {files}"
