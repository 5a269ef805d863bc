"""fixtures -> subjects: programs with an expected output, their events and what lies outside, ready for verify."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from update_goldens import options_of

from statelift.analysis import analyse
from statelift.model import Tier
from statelift.planning import plan_of
from statelift.selecting import chosen_changes
from statelift.verify.events.steps import Step, read_steps
from statelift.verify.subjects import Sources, Subject, read_given, subjects_of
from statelift.verify.values import CodeTree, Table

FIXTURES = Path(__file__).parents[1] / "fixtures"
_STAND_INS = FIXTURES / "stand_ins"
_NEEDS_STAND_IN = re.compile(rb"^\s*import (redis|pymysql|mysql)\b", re.MULTILINE)


def migrated_cases() -> list[str]:
    """The fixtures that have an expected output: `seeds/x`, `projects/y`."""
    seeds = [f"seeds/{after.parent.name}" for after in FIXTURES.glob("seeds/*/after")]
    projects = [f"projects/{after.name.removesuffix('.after')}" for after in FIXTURES.glob("projects/*.after")]
    return sorted(projects + seeds)


def asked_cases() -> list[str]:
    """The fixtures whose configuration asks for something else than the defaults: `styles/x`."""
    return sorted(f"styles/{after.parent.name}" for after in FIXTURES.glob("styles/*/after"))


def catalogue_cases() -> list[str]:
    """Programs of the catalogue with state in memory and events of their own: `catalogue/session/S01/minimal`."""
    found = []
    for family in ("session", "counter"):
        for events in sorted(FIXTURES.glob(f"catalogue/{family}/*/*/events.json")):
            expected = json.loads((events.parent / "expected.json").read_text())
            if expected["expect"] == "flag":
                found.append(events.parent.relative_to(FIXTURES).as_posix())
    return found


def subject_of(name: str) -> Subject:
    """The program of a fixture and its migration, all safe and review changes written."""
    folder, beside = _places(name)
    resources = beside("resources.json")
    given = read_given(Sources(resources=str(resources) if resources.exists() else ""))
    options = options_of(folder)
    analysis = analyse([folder], options)
    plan = plan_of(analysis, options)
    (subject, *_) = subjects_of(plan, analysis, chosen_changes(plan, Tier.REVIEW, only_accepted=False), given)
    return with_stand_ins(subject)


def steps_of(name: str, subject: Subject) -> list[Step]:
    """The events that were written for a fixture."""
    _, beside = _places(name)
    return read_steps(beside("events.json"), subject.entries)


def expected_of(name: str) -> dict[str, Any]:
    """What was written by hand of a fixture: `expected.json`."""
    _, beside = _places(name)
    found: dict[str, Any] = json.loads(beside("expected.json").read_text())
    return found


def _places(name: str) -> tuple[Path, Callable[[str], Path]]:
    """The folder of the program, and how the files beside it are found."""
    if name.startswith(("seeds/", "styles/")):
        return FIXTURES / name / "before", lambda file: FIXTURES / name / file
    if name.startswith("catalogue/"):
        return FIXTURES / name, lambda file: FIXTURES / name / file
    return FIXTURES / name, lambda file: FIXTURES / f"{name}.{file}"


def with_stand_ins(subject: Subject) -> Subject:
    """The subject with stand-ins for the servers that its program speaks to, on both sides."""
    if not any(_NEEDS_STAND_IN.search(data) for path, data in subject.pair.original.files if path.endswith(".py")):
        return subject
    pair = subject.pair
    setting = replace(pair.setting, resources=(*pair.setting.resources, Table("outside")))
    return replace(
        subject,
        pair=replace(pair, original=_joined(pair.original), migrated=_joined(pair.migrated), setting=setting),
    )


def _joined(tree: CodeTree) -> CodeTree:
    files = (path for path in _STAND_INS.rglob("*.py"))
    found = {path.relative_to(_STAND_INS).as_posix(): path.read_bytes() for path in files}
    return CodeTree(tuple(sorted({**found, **dict(tree.files)}.items())))
