"""The generated decorator: variables that outlive the container, a call as one step."""

import collections
import fractions
import json
import random
import sys
import types

import pytest
from test_runtime_world import TABLE, cloud, container, lose_in_transit, new_table, rows, watch

from statelift.runtime import render_helper

HELPER = render_helper(["stateless.handler"])
SOURCE = """
import collections
from statelift_state import stateless
history, seen, recent = [], set(), collections.deque(maxlen=3)
tally = collections.Counter()
last = None
also = history


class Api:
    hits = 0


def collect(word, found=[]):
    found.append(word)
    return list(found)


@stateless(TABLE, "history")
@stateless(TABLE, "seen", "recent", "tally")
@stateless(TABLE, "last", "Api.hits", "collect(found)")
def handler(event, context=None):
    global last
    before, last = last, event
    history.append(event)
    seen.add(event)
    recent.append(event)
    tally[event] += 1
    Api.hits += 1
    if event == "fail":
        raise ValueError("told")
    return [before, list(also), sorted(seen), list(recent), dict(tally), Api.hits, collect(event)]


@stateless(TABLE, "Api.hits")
def hits(event, context=None):
    return Api.hits
"""


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture(autouse=True)
def _clean(_cloud):
    new_table()


def started(source=SOURCE):
    """A new container with the program in it."""
    helper = container(HELPER)
    program = types.ModuleType("program")
    program.TABLE = TABLE
    sys.modules["statelift_state"], sys.modules["program"] = helper, program
    exec(compile(source, "program.py", "exec"), program.__dict__)
    program.helper = helper
    return program


def called(program, *arguments):
    """Call as if the program were the one that its container imported."""
    sys.modules["program"] = program
    return program.handler(*arguments)


def without_table():
    return started(SOURCE.replace("@stateless", "@(lambda *_: lambda f: f)"))


def test_new_containers_answer_like_one_that_never_ends():
    immortal = without_table()
    for event in ["a", "b", "a", "c", "fail", "d", "a"]:
        answers = []
        for program in (immortal, started()):
            try:
                answers.append(called(program, event))
            except ValueError as error:
                answers.append(str(error))
        assert json.dumps(answers[0]) == json.dumps(answers[1])
    assert started().hits(None) == 7


def test_two_warm_containers_that_take_turns_answer_like_one():
    immortal, one, other = without_table(), started(), started()
    chance = random.Random(5)
    for _ in range(25):
        event = chance.choice("abc")
        assert called(chance.choice([one, other]), event) == called(immortal, event)
    assert isinstance(one.recent, collections.deque)
    assert isinstance(other.tally, collections.Counter)


def test_a_call_that_changes_nothing_writes_nothing():
    program = started()
    client = watch(program.helper)
    assert program.hits(None) == 0
    assert client.calls == ["get_item"]


def test_of_two_calls_at_once_the_later_one_is_told_and_changes_nothing():
    program, other = started(), started()
    client = watch(program.helper)
    write = client._client.update_item

    def too_late(**request):
        called(other, "theirs")
        return write(**request)

    client.update_item = too_late
    with pytest.raises(program.helper.StateConflictError, match="another call changed program:last"):
        called(program, "ours")
    assert called(started(), "next")[1] == ["theirs", "next"]


def test_what_a_call_does_not_keep_does_not_concern_it():
    program = started()
    calls = watch(program.helper)
    called(started(), "a")
    sys.modules["program"] = program
    assert program.hits(None) == 1
    assert calls.calls == ["get_item"]


def test_with_retry_the_handler_runs_again_on_what_is_there_now():
    source = SOURCE.replace('"history")', '"history", retry=True)').replace('"tally")', '"tally", retry=True)')
    source = source.replace('"collect(found)")', '"collect(found)", retry=True)')
    program, other, times = started(source), started(), iter(range(3))
    client = watch(program.helper)
    write = client._client.update_item

    def too_late(**request):
        if next(times, None) is not None:
            called(other, "theirs")
            sys.modules["program"] = program
        return write(**request)

    client.update_item = too_late
    assert called(program, "ours")[1] == ["theirs"] * 3 + ["ours"]


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("comes_after", [True, False])
def test_a_write_whose_answer_is_lost_is_recognised(above, comes_after):
    program = started()
    called(started(), "first")

    def meanwhile():
        if comes_after:
            called(started(), "theirs")
            sys.modules["program"] = program

    if above:
        watch(program.helper, lose={1}, meanwhile=meanwhile)
    else:
        lose_in_transit(program.helper._dynamodb(), 1, meanwhile)
    assert called(program, "ours")[1] == ["first", "ours"]
    assert called(started(), "last")[1] == ["first", "ours", *(["theirs"] if comes_after else []), "last"]


def test_a_write_that_cannot_be_found_is_named():
    program = started()
    watch(program.helper, lose={1}, arrives=False)
    with pytest.raises(program.helper.OutcomeUnknownError, match=r"program:last.* may have been written"):
        called(program, "ours")


def test_a_lost_read_is_an_error_and_runs_nothing():
    program = started()
    watch(program.helper, lose={0})
    with pytest.raises(Exception, match="Connection was closed"):
        called(program, "ours")
    assert program.history == []


def test_calls_within_a_call_are_part_of_it():
    program = started(
        "from statelift_state import stateless\nn = 0\n"
        "@stateless(TABLE, 'n')\ndef one(event):\n    global n\n    n += 1\n    return n\n"
        "@stateless(TABLE, 'n')\ndef handler(event):\n    global n\n    n += 10\n    return [one(event), n]\n"
    )
    client = watch(program.helper)
    assert called(program, 0) == [11, 11]
    assert client.calls == ["get_item", "update_item"]
    assert called(program, 0) == [22, 22]


def test_attributes_come_and_go():
    source = (
        "import threading\nfrom statelift_state import stateless\nlocal = threading.local()\n"
        "@stateless(TABLE, 'local.user')\ndef handler(event):\n"
        "    before = getattr(local, 'user', 'nobody')\n    local.user = event\n"
        "    if event is None:\n        del local.user\n    return before\n"
    )
    events = ["ann", "bob", None, "eve", None, None]
    assert [called(started(source), event) for event in events] == [
        "nobody",
        "ann",
        "bob",
        "nobody",
        "eve",
        "nobody",
    ]


def test_a_text_is_never_taken_for_nothing():
    source = (
        "from statelift_state import stateless\nlast = 'none'\n"
        "@stateless(TABLE, 'last')\ndef handler(event):\n    global last\n    before, last = last, event\n"
        "    return before\n"
    )
    assert [called(started(source), event) for event in ("~", "a", "~")] == ["none", "~", "a"]


def test_types_that_a_table_cannot_hold_are_refused_by_name():
    source = (
        "from statelift_state import stateless\nlast = None\n"
        "@stateless(TABLE, 'last')\ndef handler(event):\n    global last\n    last = event\n"
    )
    program = started(source)
    called(program, (1, {2: b"3"}))
    assert called(started(source), [1]) is None
    with pytest.raises(TypeError, match=r"fractions\.Fraction"):
        called(program, fractions.Fraction(1, 2))
    with pytest.raises(ValueError, match="too large for an item of 400 KB: program:last"):
        called(program, "x" * 400_001)
    assert rows()[0]["program:last"] == {"S": "[1]"}


def test_queues_inside_of_a_dict_keep_their_length_and_who_shares_them():
    source = (
        "import collections\nfrom statelift_state import stateless\n"
        "hits = collections.defaultdict(lambda: collections.deque(maxlen=2))\n"
        "@stateless(TABLE, 'hits')\ndef handler(event):\n"
        "    hits[event[0]].append(event[1])\n    hits['again'] = hits['a']\n"
        "    return hits['a'] is hits['again'], {key: list(queue) for key, queue in hits.items()}\n"
    )
    assert called(started(source), ["a", 1]) == (True, {"a": [1], "again": [1]})
    assert called(started(source), ["a", 2]) == (True, {"a": [1, 2], "again": [1, 2]})
    assert called(started(source), ["a", 3]) == (True, {"a": [2, 3], "again": [2, 3]})
