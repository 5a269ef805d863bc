"""Catalogue programs whose state is kept around each call: in containers that come and go they answer as in one."""

from functools import cache
from pathlib import Path

import pytest
from test_catalogue import PROGRAMS

from statelift.analysis import analyse
from statelift.model import Options, Tier
from statelift.planning import make_plan, plan_of
from statelift.verify.events.steps import read_steps
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import run_steps
from statelift.verify.playing.schedule import FAULTY, FRESH, MIXED
from statelift.verify.subjects import Sources, read_given, subjects_of

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue"


@cache
def kept():
    """The programs that the decorator is proposed for."""
    changes = ((program, make_plan([CATALOGUE / program], Options()).changes) for program in PROGRAMS)
    return [program for program, found in changes if any(each.id.endswith(".transaction") for each in found)]


def subject_of(program):
    folder = CATALOGUE / program
    resources = folder / "resources.json"
    given = read_given(Sources(resources=str(resources) if resources.exists() else ""))
    analysis = analyse([folder], Options())
    plan = plan_of(analysis, Options())
    first = {}
    for change in plan.changes:  # of several answers to one finding, the one that keeps what it does
        if change.tier is not Tier.MANUAL:
            finding = change.id.partition(".")[0]
            first[finding] = change if change.id.endswith(".transaction") else first.get(finding, change)
    found = subjects_of(plan, analysis, list(first.values()), given)
    return found[0] if found else None


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("share", range(4))
def test_they_answer_alike(sandbox, share):
    programs = kept()[share::4]
    assert len(programs) > 15
    wrong = {}
    for program in programs:
        subject = subject_of(program)
        steps = read_steps(CATALOGUE / program / "events.json", subject.entries)
        for manner in (FRESH, MIXED):
            course = run_steps(sandbox, subject.pair, steps, manner, 1)
            if course.divergence is not None or course.broken:
                wrong[program] = course.divergence or course.broken
    assert wrong == {}


@pytest.mark.parametrize("program", ["counter/C19/average_minimal", "session/S11/history_minimal"])
def test_they_withstand_faults(sandbox, program):
    subject = subject_of(program)
    steps = read_steps(CATALOGUE / program / "events.json", subject.entries)
    for seed in range(3):
        assert run_steps(sandbox, subject.pair, steps, FAULTY, seed).divergence is None
