"""Catalogue programs whose files go to S3: in containers that come and go they answer as they did in one."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from catalogue_verdicts import expected, programs

from statelift.analysis import analyse
from statelift.model import Options, Tier
from statelift.planning import make_plan, plan_of
from statelift.verify.events.steps import read_steps
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import run_steps
from statelift.verify.playing.schedule import FAULTY, FRESH, STEADY
from statelift.verify.subjects import Sources, read_given, subjects_of

# The root logger shows all that is told, and so the SDK's own line about its credentials.
LOGGING = {"T17/exactly_once"}
CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue" / "tmp"


@cache
def kept():
    """The programs that are kept in S3 with all their state: nothing else of them waits for a person."""
    rows = [each for each in programs("tmp") if expected("tmp", each)["expect"] == "flag"]
    plans = {each: make_plan([CATALOGUE / each], Options()) for each in rows}
    return [
        name
        for name, plan in plans.items()
        if [each.id.rpartition(".")[2] for each in plan.changes] == ["s3"] and len(plan.findings) == 1
    ]


def subject_of(program):
    folder = CATALOGUE / program
    resources = folder / "resources.json"
    given = read_given(Sources(resources=str(resources) if resources.exists() else ""))
    analysis = analyse([folder], Options())
    plan = plan_of(analysis, Options())
    (found,) = subjects_of(plan, analysis, [each for each in plan.changes if each.tier is not Tier.MANUAL], given)
    return found


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


def differences(sandbox, program, *manners):
    subject = subject_of(program)
    steps = read_steps(CATALOGUE / program / "events.json", subject.entries)
    found = [
        run_steps(sandbox, subject.pair, steps, manner, seed).divergence for seed, manner in enumerate(manners)
    ]
    return [each for each in found if each is not None]


@pytest.mark.parametrize(
    "program", ["T02/minimal", "T12/chat_drafts", "T17/minimal", "T17/os_open_exclusive", "T24/shutil_move"]
)
def test_they_answer_alike(sandbox, program):
    assert differences(sandbox, program, FRESH, STEADY) == []


@pytest.mark.complete
@pytest.mark.parametrize("share", range(4))
def test_all_answer_alike(sandbox, share):
    told = {name: differences(sandbox, name, FRESH, STEADY) for name in kept()[share::4] if name not in LOGGING}
    assert {name: each for name, each in told.items() if each} == {}


@pytest.mark.parametrize("program", ["T02/minimal", "T17/minimal"])
def test_they_withstand_faults(sandbox, program):
    alone = replace(FAULTY, concurrency=1)
    assert differences(sandbox, program, alone, alone, alone) == []


@pytest.mark.complete
def test_most_programs_that_hold_state_are_among_them():
    assert len(kept()) > 25
