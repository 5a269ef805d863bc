"""Applying any accepted subset equals planning with only that subset, in one go or one change after the other."""

import ast
import random
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from repositories import copied
from update_goldens import cases

from statelift.analysis import analyse
from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Change, FileWrite, Options, Plan, Tier
from statelift.planning import plan_of

MOST = 24


@cache
def analysis_of(name: str):
    return analyse([cases()[name][0]], Options())


@cache
def plan_for(name: str) -> Plan:
    return plan_of(analysis_of(name), Options())


def takeable(plan: Plan) -> list[Change]:
    """What a person may take together: of several answers to one finding the first."""
    found: dict[str, Change] = {}
    for change in plan.changes:
        if change.tier is not Tier.MANUAL:
            found.setdefault(change.alternatives_of or change.id, change)
    return list(found.values())


SEVERAL = [name for name in cases() if len(takeable(plan_for(name))) > 1]


def subsets(plan: Plan) -> Iterator[frozenset[str]]:
    """All subsets that a person may accept, or a sample of them."""
    ids = [change.id for change in plan.changes if change.tier is not Tier.MANUAL]
    every = [frozenset(chosen) for size in range(len(ids) + 1) for chosen in combinations(ids, size)]
    allowed = [chosen for chosen in every if is_allowed(plan, chosen)]
    random.Random(0).shuffle(allowed)
    return iter(allowed[:MOST])


def is_allowed(plan: Plan, chosen: frozenset[str]) -> bool:
    changes = [change for change in plan.changes if change.id in chosen]
    answered = [change.alternatives_of for change in changes if change.alternatives_of]
    return len(answered) == len(set(answered)) and all(chosen.issuperset(change.needs) for change in changes)


def composed(plan: Plan, chosen: frozenset[str], folder: Path) -> tuple[FileWrite, ...]:
    return compose(plan, chosen, lambda path: read_file(folder, path))


def test_there_are_programs_with_several_changes():
    assert {"projects/shop", "projects/plain", "projects/package"} <= set(SEVERAL)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_subset_of_a_plan_is_the_plan_of_that_subset(name):
    folder, plan = cases()[name][0], plan_for(name)
    for chosen in subsets(plan):
        alone = plan_of(analysis_of(name), Options(), only=chosen)
        assert {change.id for change in alone.changes} == chosen
        assert composed(plan, chosen, folder) == composed(alone, chosen, folder), sorted(chosen)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("order", ["as planned", "backwards", "shuffled"])
def test_one_change_after_the_other_ends_like_all_at_once(name, order, tmp_path):
    program, plan = cases()[name][0], plan_for(name)
    changes = takeable(plan)
    at_once = {write.path: write.after for write in composed(plan, frozenset(c.id for c in changes), program)}
    {"as planned": list, "backwards": list.reverse, "shuffled": random.Random(1).shuffle}[order](changes)
    folder = copied(program, tmp_path / "project")
    for change in changes:
        apply_alone(folder, same_change(plan, change, folder))
    for path, data in at_once.items():
        before = (program / path).read_text() if (program / path).exists() else ""
        found, wanted = (folder / path).read_text(), data.decode()
        assert sorted(found.splitlines()) == sorted(wanted.splitlines())
        if path.endswith(".py"):
            assert without_new_functions(found, before) == without_new_functions(wanted, before)
        else:
            assert found == wanted


def without_new_functions(text: str, before: str) -> list[str]:
    """The top-level statements. Functions that are made one at a time stand in the order in which they came."""
    known = {each.name for each in ast.parse(before).body if isinstance(each, ast.FunctionDef)}
    statements = ast.parse(text).body
    return [ast.unparse(s) for s in statements if not (isinstance(s, ast.FunctionDef) and s.name not in known)]


def apply_alone(folder: Path, found: tuple[Plan, Change]) -> None:
    plan, change = found
    for write in composed(plan, frozenset([change.id]), folder):
        (folder / write.path).write_bytes(write.after)


def same_change(first: Plan, change: Change, folder: Path) -> tuple[Plan, Change]:
    """The plan of what is there now, and in it the change that answers the same finding."""
    plan = plan_of(analyse([folder], Options()), Options())
    return plan, next(each for each in plan.changes if each.id == change.id)
