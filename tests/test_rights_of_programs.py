"""Migrated programs of the catalogue: each right that they are given is used, and without any one they are refused.

What a function may do follows from the helper's calls that its rewritten code makes (test_verify_rights.py holds
the helper's parts against the calls in their code). Here the programs run: all their events one after the other,
each event alone where nothing is there yet, and with answers of writes that are lost.
"""

from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from catalogue_verdicts import programs

from statelift.analysis import analyse
from statelift.model import EnsureGrant, Options, Tier
from statelift.planning import make_plan, plan_of
from statelift.verify.events.steps import START, Memory, event_of, read_steps
from statelift.verify.machine.guard import granted_rights
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import World
from statelift.verify.playing.schedule import NO_FAULTS
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.values import Faults

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue"
FAMILIES = ("tmp", "counter", "session", "noop", "libraries")
SAMPLE = ("tmp/T21/minimal", "tmp/T22/visitor_tokens", "tmp/T26/minimal", "counter/C02/visits_minimal")
# Rights that no event uses, and why; all others have to be used.
UNREACHED = {
    "tmp/T17/exactly_once": "a file would have to go between the refusal of its second maker and the look at it",
    "session/S07/device_shadow": "its framework is not installed here",
    "session/S14/cooldown_real": "its topic is not there, so that nothing is written",
    "noop/K15/poisoned_real": "its table is not there, so that nothing is written",
    "noop/K05/near_outer_only": "nothing is written: a constant that is taken for state",
}
LOST = Faults(lost=0.4)


def ways_of(steps):
    """(events, mishaps, seed), cheapest first."""
    yield steps, NO_FAULTS, 0
    for step in steps:
        yield [step], NO_FAULTS, 0
    for seed in range(6):
        yield steps, LOST, seed


def subjects(program):
    """The code roots of a program with the first change of each finding that asks for rights."""
    folder = CATALOGUE / program
    resources = folder / "resources.json"
    given = read_given(Sources(resources=str(resources) if resources.exists() else ""))
    analysis = analyse([folder], Options())
    plan = plan_of(analysis, Options())
    first = {}
    for change in plan.changes:
        if change.tier is not Tier.MANUAL and any(isinstance(each, EnsureGrant) for each in change.ops):
            first.setdefault(change.id.partition(".")[0], change)
    return subjects_of(plan, analysis, [*first.values()], given) if first else []


def run(sandbox, pair, steps, faults, seed):
    """The rights that a run uses, and the sentences on those that it lacks; each event in a new container."""
    used, refused, memory = set(), [], Memory()
    with World(sandbox, pair.migrated, pair.setting, faults=faults, seed=seed) as world:
        for number, step in enumerate(steps):
            container = world.start_container(pair.modules)
            [seen] = world.run([(container, event_of(step, memory, number, START + number))])
            used |= {right for effect in seen.effects for right in effect.rights}
            refused += [reason for effect in seen.effects for reason in effect.missing]
    return used, refused


def without(deployed, right):
    """The same deployment, but that one function may not do one thing."""
    functions = [
        (handler, tuple(fewer(each, right.action) if each.function == right.function else each for each in behind))
        for handler, behind in deployed.functions
    ]
    return replace(deployed, functions=tuple(functions))


def fewer(function, action):
    kept = [
        replace(each, actions=tuple(name for name in each.actions if name != action))
        for each in function.statements
    ]
    return replace(function, statements=tuple(kept))


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(hash_seeds=(0,)) as made:
        yield made


def told(sandbox, program, subject):
    """What is wrong with the rights of a program, as sentences."""
    deployed = subject.pair.setting.deployed
    unused, ways = set(granted_rights(deployed)), {}
    for way in ways_of(read_steps(CATALOGUE / program / "events.json", subject.entries)):
        used, refused = run(sandbox, subject.pair, *way) if unused else (set(), ())
        yield from refused
        ways |= dict.fromkeys(used & unused, way)
        unused -= used
    yield from (f"{right.function} never uses {right.action}" for right in unused if program not in UNREACHED)
    for right, way in ways.items():
        setting = replace(subject.pair.setting, deployed=without(deployed, right))
        _, refused = run(sandbox, replace(subject.pair, setting=setting), *way)
        if not any(f"{right.function} may not {right.action} on " in reason for reason in refused):
            yield f"{right.function} runs without {right.action}"


def wrong(sandbox, names):
    found = defaultdict(list)
    for program in names:
        for subject in subjects(program):
            for sentence in told(sandbox, program, subject):
                found[program].append(sentence)
    return dict(found)


@pytest.mark.parametrize("program", SAMPLE)
def test_each_right_is_used_and_none_can_go(sandbox, program):
    assert [granted_rights(each.pair.setting.deployed) for each in subjects(program)]
    assert wrong(sandbox, [program]) == {}


@cache
def everything():
    return [f"{family}/{each}" for family in FAMILIES for each in programs(family)]


@pytest.mark.complete
@pytest.mark.slow
@pytest.mark.parametrize("share", range(8))
def test_the_same_holds_for_all_programs(sandbox, share):
    assert wrong(sandbox, everything()[share::8]) == {}


# ---------------------------------------------------------------- shelves


READ, LISTED = {"s3:GetObject", "s3:ListBucket"}, {"s3:ListBucket"}
WRITE = {"s3:PutObject"}
REMOVE = READ | {"s3:DeleteObject"}
SHELVES = {
    "shelf[event['k']] = 1": WRITE,
    "return shelf[event['k']]": READ,
    "return shelf.get(event['k'])": READ,
    "return event['k'] in shelf": READ,
    "shelf[event['k']] += 1": READ | WRITE,
    "shelf.setdefault(event['k'], 1)": READ | WRITE,
    "del shelf[event['k']]": REMOVE,
    "shelf.pop(event['k'], None)": REMOVE,
    "shelf.clear()": REMOVE,
    "shelf.update(event)": WRITE,
    "return len(shelf)": LISTED,
    "return sorted(shelf)": LISTED,
    "return [each for each in shelf]": LISTED,
    "return [shelf[each] for each in shelf]": READ,
    "return list(shelf.keys())": LISTED,
    "return event['k'] in shelf.keys()": READ,
    "return dict(shelf.items())": READ,
    "return dict(shelf)": READ,
    "return bool(shelf and 1)": REMOVE | WRITE,
    "if not shelf: shelf['a'] = 1": LISTED | WRITE,
    "return helped(shelf)": REMOVE | WRITE,
    "again = shelf; again['a'] = 1": REMOVE | WRITE,
    "get = shelf.get; return get('a')": REMOVE | WRITE,
    "return max(shelf, key=shelf.get)": REMOVE | WRITE,
    "return max(shelf, key=lambda each: shelf[each])": READ,
}
PROGRAM = """import shelve


def helped(shelf):
    return shelf.pop("a", 1)


def handler(event, context):
    with shelve.open("/tmp/shelf") as shelf:
        {line}
"""


@pytest.mark.parametrize("line", SHELVES)
def test_a_shelf_is_given_the_rights_of_what_is_done_with_its_entries(tmp_path, line):
    (tmp_path / "app.py").write_text(PROGRAM.format(line=line))
    [change] = make_plan([tmp_path], Options()).changes
    [grant] = [each for each in change.ops if isinstance(each, EnsureGrant)]
    assert set(grant.actions) == SHELVES[line]
