"""Mistakes put into migrated programs: a sample is run here, `make mutants` runs one over all fixtures."""

import ast

import pytest
from mutants import bred, explained, ground_of, seen_by
from mutations import mutants_of

from statelift.verify.machine.sandbox import Sandbox

FIXTURE = "seeds/cart_local"
PROGRAM = """def add(user, item):
    with CARTS.edit(user) as cart:
        cart.append(item)
    if not item:
        CARTS.delete(user)
    return {"user": user, "count": len(cart) + 1}
"""


def test_mutants_differ_from_the_program_and_from_each_other():
    made = list(mutants_of(PROGRAM, range(1, 9)))
    texts = {mutant.text for mutant in made}
    assert len(texts) == len(made) == len({mutant.name for mutant in made})
    assert ast.unparse(ast.parse(PROGRAM)) not in texts
    assert all(ast.parse(text) for text in texts)
    names = " ".join(mutant.name for mutant in made)
    for mistake in ("not written back", "dropped `cart.append", "one key for all", "never `if", "return None"):
        assert mistake in names


def test_only_what_is_wanted_is_made():
    made = list(mutants_of(PROGRAM, range(1, 9), lambda name: "dropped" in name))
    assert made
    assert all("dropped" in mutant.name for mutant in made)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def ground(sandbox):
    return ground_of(sandbox, FIXTURE)


@pytest.mark.slow
def test_verify_sees_mutants(sandbox, ground):
    found = list(bred(sandbox, FIXTURE, ground))
    missed = [each.name for each in found if seen_by(sandbox, ground, each) is None]
    assert len(found) >= 8
    assert [name for name in missed if name not in explained()] == []
    assert len(missed) < len(found) / 4


@pytest.mark.parametrize("program", ["catalogue/counter/C01/class_calls", "catalogue/counter/C01/sqs_worker"])
def test_counters_of_classes_and_metrics_behind_tracebacks_are_judged(sandbox, program):
    ground_of(sandbox, program)  # it raises where the migrated program parts from the original
