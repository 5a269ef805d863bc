"""Plan -> text for machines: JSON, JSON lines, annotations of GitHub Actions."""

import json
from collections.abc import Iterator, Mapping
from typing import cast

from statelift.model import Finding, Plan, Problem
from statelift.planfile import Json, scan_to_json
from statelift.report.terminal import visible

_LINE_TYPES = {
    "findings": "finding", "left_alone": "left_alone", "suppressed": "suppressed",
    "errors": "error", "warnings": "warning",
}  # fmt: skip


def to_json(plan: Plan) -> str:
    """The document of scan.schema.json. Raises PlanError for a finding without tier."""
    return json.dumps(scan_to_json(plan), indent=2) + "\n"


def to_json_lines(plan: Plan) -> str:
    """One object per line, each with its `type`: finding, left_alone, error, warning, and a summary at the end.

    Raises PlanError for a finding without tier.
    """
    return "".join(json.dumps(record) + "\n" for record in _typed_records(scan_to_json(plan)))


def _typed_records(scan: Json) -> Iterator[Json]:
    for key, word in _LINE_TYPES.items():
        for record in cast(list[Json], scan.get(key, [])):
            yield {"type": word, **record}
    yield {"type": "summary", **cast(Json, scan["summary"])}


def github(plan: Plan) -> str:
    """Workflow commands: a warning per finding, an error per problem, a notice per comment that hides nothing."""
    warnings = [_warning(finding) for finding in plan.findings]
    errors = [_problem("error", problem) for problem in plan.errors]
    return "".join([*warnings, *errors, *(_problem("notice", problem) for problem in plan.warnings)])


def _warning(finding: Finding) -> str:
    place = finding.place
    tier = "" if finding.tier is None else f" ({finding.tier.word})"
    properties = {
        "file": place.path,
        "line": place.line,
        "endLine": place.end_line,
        "col": place.column,
        "title": f"{finding.rule} {finding.name}{tier}",
    }
    return _command("warning", properties, "\n".join((finding.message, *finding.reasons)))


def _problem(level: str, problem: Problem) -> str:
    properties = {"file": problem.path, "line": problem.line, "title": problem.kind}
    return _command(level, properties, problem.message)


def _command(level: str, properties: Mapping[str, object], message: str) -> str:
    """A property without value (no file, line 0) is left out: it would point at nothing."""
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value)
    return f"::{level} {given}::{_data(message)}\n"


def _data(text: str) -> str:
    shown = visible(text, keep="\r\n")
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
