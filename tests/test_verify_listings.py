"""The documents' own "correct" listings, run against their "wrong" ones: what verify has to say of each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from statelift.verify.events.steps import Json, Step
from statelift.verify.examine import unchanged
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import Setting
from statelift.verify.playing.compare import rules_of
from statelift.verify.playing.driver import Course, Pair, run_steps
from statelift.verify.playing.schedule import FAULTY, FRESH, MIXED, STEADY
from statelift.verify.resources import read_tree
from statelift.verify.surroundings import read_surroundings
from statelift.verify.values import CodeTree

SEEDS = Path(__file__).parents[1] / "fixtures" / "seeds"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def listings(wrong: str, correct: str, *own: str, ignore: Sequence[str] = ()) -> Pair:
    beside = SEEDS / correct / "resources.json"
    resources = read_surroundings(beside)[1] if beside.exists() else ()
    trees = [read_tree(SEEDS / name / "before") for name in (wrong, correct)]
    return Pair(*trees, Setting({}, resources), ("app",), rules_of(ignore, own))


def sessions_of(users: Sequence[Json]) -> list[Step]:
    """One that nobody has is validated; then every user logs in, and the token is validated."""
    found = [Step("app:validate_session", "call", ["nobody"])]
    for user in users:
        found.append(Step("app:login", "call", [user]))
        found.append(Step("app:validate_session", "call", [{"$answer": len(found) - 1}]))
    return found


SESSIONS = listings("sessions", "sessions_external", "Sessions")


@pytest.mark.parametrize("users", [["ann", "ben"], [1, 2, 30]])
def test_sessions_answer_alike_for_texts_and_whole_numbers_but_read_weakly(sandbox: Sandbox, users):
    course = run_steps(sandbox, SESSIONS, sessions_of(users), FRESH, 0)
    assert course.divergence is None
    assert course.weak_reads == {"Sessions"}


def test_sessions_part_where_a_weak_read_is_stale(sandbox: Sandbox):
    steps = sessions_of(["ann", "ben"] * 3)
    found = [run_steps(sandbox, SESSIONS, steps, FAULTY, seed).divergence for seed in range(4)]
    assert any(found)
    assert {each.event.call for each in found if each is not None} == {"app:validate_session"}
    assert all("null" in each.difference.found for each in found if each is not None)


def test_sessions_part_for_a_user_that_is_no_whole_number(sandbox: Sandbox):
    found = run_steps(sandbox, SESSIONS, sessions_of([0.5]), FRESH, 0).divergence
    assert found is not None
    assert found.difference.found.startswith("raises TypeError: Float types are not supported")


def counter(every: bytes, *ignore: str) -> Pair:
    pair = listings("request_counter", "request_metric", ignore=ignore)
    files = tuple((path, data.replace(b"% 1000", b"% " + every)) for path, data in pair.original.files)
    return Pair(CodeTree(files), *(getattr(pair, name) for name in ("migrated", "setting", "modules", "rules")))


def test_the_counter_answers_alike_and_loses_its_alert(sandbox: Sandbox):
    steps = [Step("app:handler", "lambda", {"id": "a", "values": [n]}) for n in range(12)]
    alike = run_steps(sandbox, counter(b"10", "@stdout", "@effects"), steps, MIXED, 0)
    assert alike.divergence is None
    assert len(alike.expected) == 12
    found = run_steps(sandbox, counter(b"10", "@effects"), steps, STEADY, 0).divergence
    assert found is not None
    assert (found.difference.aspect, found.difference.found) == ("output", "[]")
    assert "ALERT Processed 10 requests" in found.difference.expected


def test_results_in_s3_part_at_the_first_event(sandbox: Sandbox):
    pair = listings("tmp_results", "results_in_s3", "my-results-bucket")
    steps = [Step("app:retrieve_handler", "lambda", {"id": "a"})]
    course = run_steps(sandbox, pair, steps, FRESH, 0)
    found = course.divergence
    assert found is not None
    assert (len(course.expected), found.difference.expected[:25]) == (1, "raises FileNotFoundError:")
    assert "NoSuchKey" in found.difference.found


@pytest.mark.parametrize("seed", range(4))
def test_a_cache_with_a_fallback_needs_no_change(sandbox: Sandbox, seed: int):
    tree = read_tree(SEEDS / "cache_with_fallback" / "before")
    steps = [Step("app:handler", "lambda", {"key": key}) for key in "abacabbc"]
    course: Course = run_steps(sandbox, unchanged(Pair(tree, tree, Setting(), ("app",))), steps, FRESH, seed)
    assert course.divergence is None
    assert len(course.expected) == 8
