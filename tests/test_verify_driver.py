"""The original against the migrated program: small ones, and what becomes of a difference."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from statelift.verify.again import read_script
from statelift.verify.events.steps import Entry, Step
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import Setting
from statelift.verify.playing.compare import Difference, rules_of
from statelift.verify.playing.driver import Course, Divergence, Metric, Pair, replay, run_steps
from statelift.verify.playing.schedule import CRASHING, FAULTY, FRESH, MIXED, Adversary, Placed, Script, Turn
from statelift.verify.playing.shrink import shrunk
from statelift.verify.subjects import Subject
from statelift.verify.values import CodeTree, Event, Fault, Faults, Table
from statelift.verify.verdicts import Verdict


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


# ---------------------------------------------------------------- small programs

COUNTER = (
    "count = 0\n\n\ndef handler(event, context):\n    global count\n    count += 1\n    return {'number': count}\n"
)
CLIENT = "import os\nimport boto3\n\ndynamodb = boto3.client('dynamodb')\n"
ADD = (
    "    return int(dynamodb.update_item(TableName='T', Key={'pk': {'S': 'n'}}, ReturnValues='UPDATED_NEW',"
    " UpdateExpression='ADD n :one', ExpressionAttributeValues={':one': {'N': '1'}})['Attributes']['n']['N'])\n"
)
ATOMIC = f"{CLIENT}\n\ndef add():\n{ADD}\n\ndef handler(event, context):\n    return {{'number': add()}}\n"
RACE = (
    f"{CLIENT}\n\ndef handler(event, context):\n"
    "    found = dynamodb.get_item(TableName='T', Key={'pk': {'S': 'n'}}, ConsistentRead=True).get('Item', {})\n"
    "    number = int(found.get('n', {}).get('N', '0')) + 1\n"
    "    dynamodb.put_item(TableName='T', Item={'pk': {'S': 'n'}, 'n': {'N': str(number)}})\n"
    "    return {'number': number}\n"
)


def pair_of(original: str, migrated: str, **others: object) -> Pair:
    trees = [CodeTree((("app.py", text.encode()),)) for text in (original, migrated)]
    return Pair(*trees, Setting({}, (Table("T"),)), ("app",), rules_of([], ["T"]), **others)


def steps(count: int, payload: object = None) -> list[Step]:
    return [Step("app:handler", "lambda", payload or {}) for _ in range(count)]


def test_an_atomic_counter_equals_some_order_of_concurrent_events(sandbox: Sandbox):
    for seed in range(3):
        course = run_steps(sandbox, pair_of(COUNTER, ATOMIC), steps(12), MIXED, seed)
        assert course.divergence is None
        assert any(len(turn.placed) > 1 for turn in course.script.turns)


def test_a_race_is_found_and_shrunk_to_two_events_at_the_same_time(sandbox: Sandbox):
    pair = pair_of(COUNTER, RACE)
    found = next(
        c.divergence for seed in range(9) if (c := run_steps(sandbox, pair, steps(12), MIXED, seed)).divergence
    )
    best = shrunk(lambda script: replay(sandbox, pair, script).divergence, found)
    assert [len(turn.placed) for turn in best.script.turns] == [2]
    assert best.difference.aspect == "answer"
    again = replay(sandbox, pair, best.script)
    assert again.divergence is not None
    assert again.divergence.difference == best.difference


def test_the_same_seed_gives_the_same_course(sandbox: Sandbox):
    def told(course: Course) -> object:
        return course.script, course.expected, course.found

    one, other = (run_steps(sandbox, pair_of(COUNTER, ATOMIC), steps(10), FAULTY, 5) for _ in range(2))
    assert told(one) == told(other)


def test_output_and_metrics_of_a_counter_that_nobody_reads(sandbox: Sandbox):
    original = "seen = 0\n\n\ndef handler(event, context):\n    global seen\n    seen += 2\n    return 1\n"
    named = "{{'Namespace': 'n', 'Dimensions': [[]], 'Metrics': [{{'Name': 'Seen'}}]}}"
    head = f"{{{{'Timestamp': int(time.time() * 1000), 'CloudWatchMetrics': [{named}]}}}}"
    line = f"print(json.dumps({{{{'_aws': {head}, 'Seen': {{}}}}}}))"
    text = "import json\nimport time\n\n\ndef handler(event, context):\n    {}\n    return 1\n"
    metrics = (Metric("app", "seen", "Seen"),)
    right = pair_of(original, text.format(line.format(2)), metrics=metrics)
    wrong = pair_of(original, text.format(line.format(1)), metrics=metrics)
    assert run_steps(sandbox, right, steps(4), FRESH, 0).divergence is None
    found = run_steps(sandbox, wrong, steps(4), FRESH, 0).divergence
    assert found is not None
    assert found.difference.expected == "seen counted 8"


def test_half_an_event_after_a_crash_is_told_and_no_difference(sandbox: Sandbox):
    original = (
        "a = b = 0\n\n\ndef handler(event, context):\n    global a, b\n    a += 1\n    b += 1\n    return [a, b]\n"
    )
    two = ATOMIC.replace("def add():", "def add(name):").replace("'S': 'n'", "'S': name")
    migrated = two.replace("{'number': add()}", "[add('a'), add('b')]")
    courses = [run_steps(sandbox, pair_of(original, migrated), steps(12), CRASHING, seed) for seed in range(4)]
    assert all(course.divergence is None for course in courses)
    assert any(course.partial is not None for course in courses)


PUTS = f"""{CLIENT}

class OutcomeUnknownError(RuntimeError):
    pass


def put(name, n):
    dynamodb.put_item(TableName="T", Item={{"pk": {{"S": name}}, "n": {{"N": str(n)}}}})


def get(name):
    return dynamodb.get_item(TableName="T", Key={{"pk": {{"S": name}}}}, ConsistentRead=True)["Item"]["n"]["N"]


def handler(event, context):
    if "n" not in event:
        return [get("a"), get("b")]
    put("a", event["n"])
    put("b", event["n"])
"""


@pytest.mark.parametrize("spared", [("T",), ()])
def test_what_a_refused_event_wrote_before_is_half_an_event_only_if_the_original_writes_there(
    sandbox: Sandbox, spared: tuple[str, ...]
):
    refused = '    if event["n"] == 2:\n        raise OutcomeUnknownError\n    put("b"'
    pair = pair_of(PUTS, PUTS.replace('    put("b"', refused))
    given = [Step("app:handler", "lambda", each) for each in ({"n": 1}, {"n": 2}, {})]
    course = run_steps(sandbox, pair, given, replace(FRESH, faults=Faults(spared=spared)), 0)
    assert course.refused == 1
    assert (course.partial is not None, course.divergence is not None) == (bool(spared), not spared)


def test_turns_wait_for_the_answers_that_they_speak_of(sandbox: Sandbox):
    original = "def handler(event, context):\n    return {'id': event.get('id', 'x') + '!'}\n"
    chain = [
        Step("app:handler", "lambda", {}),
        *(Step("app:handler", "lambda", {"id": {"$answer": n, "at": ["id"]}}) for n in range(5)),
    ]
    course = run_steps(sandbox, pair_of(original, original), chain, MIXED, 0)
    assert [each.answer["reply"]["id"] for each in course.found] == ["x" + "!" * n for n in range(1, 7)]


def test_processes_of_a_managed_instance_share_one_tmp(sandbox: Sandbox):
    text = (
        f"{CLIENT}\n\ndef handler(event, context):\n    open('/tmp/x', 'w').write(event['n'])\n"
        "    dynamodb.get_item(TableName='T', Key={'pk': {'S': 'n'}}, ConsistentRead=True)\n"
        "    return open('/tmp/x').read()\n"
    )
    many = [Step("app:handler", "lambda", {"n": str(n)}) for n in range(12)]
    apart, shared = (
        [run_steps(sandbox, pair_of(text, text), many, replace(MIXED, shares_tmp=is_shared), n) for n in range(3)]
        for is_shared in (False, True)
    )
    assert [course.divergence for course in apart] == [None] * 3
    found = next(course.divergence for course in shared if course.divergence is not None)
    again = replay(sandbox, pair_of(text, text), read_script(json.dumps(asdict(found.script))))
    assert again.divergence is not None
    assert again.divergence.difference == found.difference


def test_an_adversary_is_repeatable_and_uses_every_freedom():
    class Silent:
        answers = ()

    memory = Silent()
    turns = [list(Adversary(MIXED, 3).turns(steps(60), memory)) for _ in range(2)]
    assert turns[0] == turns[1]
    assert {len(turn.placed) for turn in turns[0]} == {1, 2, 3}
    assert any(turn.recycled for turn in turns[0])
    assert {placed.hash_seed for turn in turns[0] for placed in turn.placed} == {0, 1}
    slots = [placed.slot for turn in turns[0] for placed in turn.placed]
    assert len(set(slots)) < len(slots)


def verdict_of(sandbox: Sandbox, original: str, migrated: str) -> tuple[Verdict, str]:
    subject = Subject("app", ".", pair_of(original, migrated), (Entry("app:handler"),))
    result = examine(sandbox, subject, [], Effort(runs=1, events=8), lambda *_: None)
    return result.verdict, result.reason


DEF = "def handler(event, context):\n"
CALLS_OUT = f"""import socket


{DEF}    try:
        socket.create_connection(('shop.example', 443))
    except OSError:
        return 1
"""


@pytest.mark.parametrize(
    "original, verdict, word",
    [
        (f"{DEF}    return 1\n", Verdict.VACUOUS, "do not tell"),
        (f"STATE = {{}}\n\n\n{DEF}    raise ValueError('no')\n", Verdict.VACUOUS, "with an error"),
        (f"{DEF}    return sessions\n", Verdict.ORIGINAL_BROKEN, "NameError"),
        ("import nowhere\n", Verdict.ORIGINAL_BROKEN, "nowhere"),
        (f"import os\n\n\n{DEF}    os._exit(1)\n", Verdict.ORIGINAL_BROKEN, "does not survive"),
        (CALLS_OUT, Verdict.INCONCLUSIVE, "shop.example"),
    ],
)
def test_what_shows_nothing_is_never_called_equivalent(
    sandbox: Sandbox, original: str, verdict: Verdict, word: str
):
    found, reason = verdict_of(sandbox, original, original)
    assert (found, word in reason) == (verdict, True), reason


def test_no_verdict_says_proved():
    assert [each for each in Verdict if "PROVE" in each] == []
    assert {each: each.exit_code for each in Verdict if each.exit_code} == {
        Verdict.DIVERGES: 4, Verdict.VACUOUS: 3, Verdict.INCONCLUSIVE: 3, Verdict.ORIGINAL_BROKEN: 3,
    }  # fmt: skip


def test_shrinking_drops_events_mishaps_and_values():
    """Against a made-up program that parts whenever an event has a `bad` value above 10."""

    def play(script: Script) -> Divergence | None:
        bad = [event for event in script.events if json.loads(event.payload).get("bad", 0)]
        return Divergence(script, bad[0], Difference("answer", "1", "2")) if bad else None

    events = [
        Event("app:handler", json.dumps({"n": n, "bad": 57 if n == 6 else 0, "t": "long"}), seed=n)
        for n in range(9)
    ]
    turns = tuple(
        Turn(tuple(Placed(event, n) for n, event in enumerate(events[start : start + 3]))) for start in (0, 3, 6)
    )
    faults = Faults(plan=(Fault("stale", 1, 0), Fault("lost", 6, 0)))
    found = play(Script(turns, faults=faults))
    assert found is not None
    best = shrunk(play, found)
    assert [json.loads(event.payload) for event in best.script.events] == [{"bad": 1}]
    assert best.script.faults.plan == ()


def run_of(*sizes: int) -> Script:
    """Turns of so many events at the same time."""
    numbers = iter(range(sum(sizes)))
    turns = []
    for size in sizes:
        events = [Event("app:handler", "{}", seed=next(numbers)) for _ in range(size)]
        turns.append(Turn(tuple(Placed(event, slot) for slot, event in enumerate(events))))
    return Script(tuple(turns))


def test_a_doubtful_difference_is_settled_by_a_run_with_fewer_events_at_the_same_time():
    """Against a made-up program that races after nine events: only those can leave a doubt."""
    played: list[Script] = []

    def play(script: Script) -> Divergence | None:
        played.append(script)
        is_racing = len(script.turns[-1].placed) == 2 and len(script.events) == 11
        has_doubt = any(len(turn.placed) > 1 for turn in script.turns[:-1])
        parted = Divergence(script, script.events[-1], Difference("answer", "1", "2"), has_doubt)
        return parted if is_racing else None

    found = play(run_of(2, 3, 1, 3, 2))
    assert found is not None
    assert found.has_doubt
    best = shrunk(play, found, events=0)
    assert not best.has_doubt
    assert [len(turn.placed) for turn in best.script.turns] == [1] * 9 + [2]
    count = len(played)
    assert shrunk(play, found, events=0) == best
    assert len(played) == 2 * count - 1


def test_a_certain_difference_is_never_given_up_for_a_doubtful_one():
    def play(script: Script) -> Divergence | None:
        has_doubt = len(script.turns) < 3
        return Divergence(script, script.events[-1], Difference("answer", "1", "2"), has_doubt)

    best = shrunk(play, Divergence(run_of(1, 1, 1, 1), run_of(1).events[0], Difference("answer", "1", "2")))
    assert (len(best.script.turns), best.has_doubt) == (3, False)


@pytest.mark.parametrize("events", [0, 50, 300])
def test_shrinking_ends_by_a_count_of_events(events: int):
    played = [0]

    def play(script: Script) -> Divergence | None:
        played[0] += len(script.events)
        return None

    shrunk(play, Divergence(run_of(*[3] * 20), run_of(1).events[0], Difference("answer", "1", "2")), events=events)
    assert played[0] <= events + 60


def test_shrinking_a_difference_that_always_shows_ends_soon():
    played = [0]

    def play(script: Script) -> Divergence | None:
        played[0] += 1
        return Divergence(script, script.events[-1], Difference("answer", "1", "2"))

    best = shrunk(play, Divergence(run_of(*[3] * 20), run_of(1).events[0], Difference("answer", "1", "2")))
    assert len(best.script.events) == 1
    assert played[0] < 20
