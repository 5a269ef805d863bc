"""Every fixture with an expected migration goes through verify, with the events that were written for it."""

import json
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from fixture_subjects import asked_cases, expected_of, migrated_cases, steps_of, subject_of

from statelift.verify.events.steps import Memory, Step, answer_of, event_of
from statelift.verify.examine import EVENTS, Effort, examine, fair, unchanged
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import World
from statelift.verify.playing.driver import Course, Pair, run_steps
from statelift.verify.playing.schedule import FRESH, STEADY
from statelift.verify.verdicts import Verdict

CASES = [*migrated_cases(), *asked_cases()]
LONG = "seeds/request_counter"  # a thousand events: it has a test of its own
SHORT = [name for name in CASES if name != LONG]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@cache
def case(name: str):
    subject = subject_of(name)
    return subject, steps_of(name, subject)


def is_about_state(name: str) -> bool:
    return bool({"state", "leak"} & {finding["verdict"] for finding in expected_of(name)["findings"]})


def telling(sandbox: Sandbox, pair: Pair, steps: Sequence[Step]) -> Course:
    """The original in new containers against itself in one."""
    return run_steps(sandbox, unchanged(pair), steps, FRESH if len(steps) < 100 else STEADY, 0)


def judged(sandbox: Sandbox, name: str, concurrency: int, runs: int = 0):
    subject, steps = case(name)
    # Without invented runs, those that look for state need few events, too: the fixture's own tell it.
    effort = Effort(runs=runs, events=EVENTS if runs else 8, concurrency=concurrency, shrinking=300)
    return examine(sandbox, subject, steps, effort, lambda *_: None)


# ---------------------------------------------------------------- the events are worth something


@pytest.mark.parametrize("name", SHORT)
def test_events_of_a_state_fixture_tell_new_containers_from_one(sandbox: Sandbox, name: str):
    subject, steps = case(name)
    assert (telling(sandbox, subject.pair, steps).divergence is not None) is is_about_state(name)


def test_events_that_use_no_state_would_fail_here(sandbox: Sandbox):
    subject, steps = case("seeds/sessions")
    logins = [step for step in steps if step.call == "app:login"]
    assert len(logins) > 1
    assert telling(sandbox, subject.pair, logins).divergence is None


# Their keys are written in the program.
SINGLE = ("COUNTERS_TABLE_NAME", "STATE_TABLE_NAME", "TMP_FILES_BUCKET_NAME")


def touched(sandbox: Sandbox, pair: Pair, steps: Sequence[Step]) -> dict[str, tuple[set[str], set[bool]]]:
    """For each own table and bucket: the keys that events used, and whether reads found something."""
    found: dict[str, tuple[set[str], set[bool]]] = {}
    memory = Memory()
    with World(sandbox, pair.migrated, pair.setting) as world:
        container = world.start_container(pair.modules)
        for number, step in enumerate(steps):
            held = {name: {plain(key) for key in keys} for name, keys in world.snapshot_state().items()}
            [seen] = world.run([(container, event_of(step, memory, number, 1_700_000_000.0 + number))])
            memory.note(answer_of(seen.outcome.payload))
            for effect in seen.effects:
                for target, key in used_by(effect) if pair.rules.own & {*effect.target.split(",")} else ():
                    if target in pair.rules.own:
                        keys, hits = found.setdefault(target, (set(), set()))
                        keys.add(key)
                        hits.add(key in held[target])
                        held[target].add(key)
    return found


def used_by(effect):
    """Table or bucket, and key; a transaction has several."""
    if not effect.request.startswith("{") or "TransactItems" not in (request := json.loads(effect.request)):
        return [(effect.target, key_of(effect))]
    parts = [part for item in request["TransactItems"] for part in item.values()]
    return [(part["TableName"], plain(json.dumps(part["Key"]))) for part in parts]


def key_of(effect) -> str:
    if effect.service == "s3":
        return effect.request.split()[1].partition("?")[0].split("/", 2)[2]
    request = json.loads(effect.request)
    return plain(json.dumps(request["Key"] if "Key" in request else {"pk": request["Item"]["pk"]}))


def plain(key: str) -> str:
    return json.dumps(json.loads(key)) if key.startswith("{") else key


@pytest.mark.parametrize("name", [name for name in SHORT if is_about_state(name)])
def test_events_hit_and_miss_with_two_keys(sandbox: Sandbox, name: str):
    subject, steps = case(name)
    pair = subject.pair
    used = touched(sandbox, pair, steps)
    environment = {value: key for key, value in pair.setting.environment.items()}
    assert used.keys() == pair.rules.own
    for resource, (keys, hits) in used.items():
        is_single = environment[resource] in SINGLE
        assert hits == {True, False}, resource
        assert len(keys) >= (1 if is_single else 2), resource


def test_one_key_or_hits_alone_would_fail_here(sandbox: Sandbox):
    subject, steps = case("seeds/sessions")
    [(keys, hits)] = touched(sandbox, subject.pair, [step for step in steps if step.call == "app:login"]).values()
    assert (len(keys) > 1, hits) == (True, {False})


# ---------------------------------------------------------------- the migrated programs answer alike


@pytest.mark.parametrize("name", SHORT)
def test_a_fixture_answers_alike_in_every_manner(sandbox: Sandbox, name: str):
    result = judged(sandbox, name, concurrency=3)
    # State that a person has to rewrite: what depends on it cannot be compared.
    kept = {call for each in case(name)[0].kept for call in each.calls}
    silent = {part.name for part in result.handlers if part.verdict is Verdict.INCONCLUSIVE}
    assert result.verdict is (Verdict.INCONCLUSIVE if silent else Verdict.EQUIVALENT), result.reason
    assert (result.covered, result.counterexample) == (result.statements, None)
    assert silent <= kept
    assert len(silent) < len(result.handlers)


@pytest.mark.slow
def test_a_fixture_with_very_many_events(sandbox: Sandbox):
    subject, steps = case(LONG)
    before = telling(sandbox, subject.pair, steps)
    assert before.divergence is not None
    course = run_steps(sandbox, subject.pair, steps, fair(STEADY, [before]), 0)
    assert course.divergence is None
    assert len(course.expected) > 1000
