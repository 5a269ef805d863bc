"""The generated Counter, metric function and connection slot."""

import json
import random

import pytest
from botocore.exceptions import HTTPClientError
from test_runtime_world import TABLE, cloud, container, lose_in_transit, new_table, rows, watch

from statelift.runtime import render_helper, render_inline_metric


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture(autouse=True)
def _clean(_cloud):
    new_table()


def counter(module=None, initial=0):
    return (module or container()).Counter(TABLE, "app.request_count", initial=initial)


def test_a_counter_starts_at_its_initial_value_and_counts_in_both_directions():
    one = counter(initial=-7)
    assert one.value() == -7
    assert [one.add(), one.add(10), one.add(-3), one.add(0), one.add(True)] == [-6, 4, 1, 1, 2]
    assert one.value() == counter(initial=99).value() == 2


def test_counters_of_one_table_do_not_meet():
    module = container()
    one, other = module.Counter(TABLE, "a.x"), module.Counter(TABLE, "b.x")
    assert (one.add(), one.add(), other.add()) == (1, 2, 1)


@pytest.mark.parametrize("n", [1.0, "1", None])
def test_a_counter_refuses_what_is_no_int(n):
    with pytest.raises(TypeError, match=f"adds an int, not a {type(n).__name__}"):
        counter().add(n)


def test_a_warm_container_adds_with_one_call():
    module = container()
    one = counter(module)
    one.add()
    client = watch(module)
    assert (one.add(), one.add()) == (2, 3)
    assert client.calls == ["update_item", "update_item"]


def test_more_containers_than_slots_share_one_sum():
    module = container()
    counters = [counter(module) for _ in range(34)]
    assert [one.add() for one in counters] == list(range(1, 35))
    assert len(json.dumps(rows()[0])) < 2500


@pytest.mark.parametrize("number", range(3))
def test_a_new_container_on_an_old_counter_survives_a_lost_answer(number):
    """Its slot holds what another container signed, which its own first attempt may not be confused with."""
    theirs, module = counter(), container()
    theirs._slot = 3
    theirs.add(5)
    mine = counter(module)
    mine._slot = 3
    lose_in_transit(module._dynamodb(), number)
    assert (mine.add(), mine.add()) == (6, 7)


@pytest.mark.parametrize("seed", range(12))
def test_interleaved_containers_that_lose_answers_count_exactly(seed):
    """Containers run inside each other's calls. Every sum is returned once, or its loss is named."""
    chance = random.Random(seed)
    modules = [container() for _ in range(3)]
    counters = [counter(module, initial=100) for module in modules]
    for one in counters:
        one._slot = chance.randrange(2)
    depth, sums, unknown = 0, [], 0

    def meanwhile():
        nonlocal depth
        if depth < 3 and chance.random() < 0.4:
            depth += 1
            add(chance.choice(counters))
            depth -= 1

    def add(one):
        nonlocal unknown
        try:
            sums.append(one.add())
        except one.add.__globals__["OutcomeUnknownError"]:
            unknown += 1
        except HTTPClientError:
            pass  # a lost read: nothing was added

    for module in modules:
        for number in chance.sample(range(20), 3):
            lose_in_transit(module._dynamodb(), number, meanwhile)
        watch(module, lose={chance.randrange(10)}, meanwhile=meanwhile)
    for _ in range(12):
        add(chance.choice(counters))

    total = counter(initial=100).value() - 100
    assert len(sums) == len(set(sums))
    assert len(sums) <= total <= len(sums) + unknown
    assert set(sums) <= set(range(101, 101 + total))


# ---------------------------------------------------------------- metrics


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_metric_is_one_line_in_embedded_metric_format(capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "shop")
    monkeypatch.setattr("time.time", lambda: 1700000000.5)
    container(render_helper(["metric.count"])).count_metric("RequestCount", 2)
    line = capsys.readouterr().out
    assert line.startswith('{"_aws"')
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1700000000500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "shop",
                    "Dimensions": [[]],
                    "Metrics": [{"Name": "RequestCount", "Unit": "Count"}],
                }
            ],
        },
        "RequestCount": 2,
    }


def test_the_namespace_of_a_metric_is_its_argument_else_the_environment_else_a_word(capsys, monkeypatch):
    count = container().count_metric
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE", raising=False)
    for arguments, expected in [((), "application"), (("mine",), "mine")]:
        count("Orders", 1, *arguments)
        assert printed(capsys)["_aws"]["CloudWatchMetrics"][0]["Namespace"] == expected


def test_the_inline_metric_needs_nothing_around_it(capsys):
    name, text = render_inline_metric()
    names = {}
    exec(text, names)
    names[name]("Orders")
    answer = printed(capsys)
    container().count_metric("Orders")
    assert {**answer, "_aws": 0} == {**printed(capsys), "_aws": 0}
    assert answer["Orders"] == 1


# ---------------------------------------------------------------- connections


def test_a_slot_opens_late_keeps_what_is_usable_and_replaces_what_is_dead():
    opened, dead = [], set()

    def open_connection():
        opened.append(object())
        return opened[-1]

    slot = container(render_helper(["connection.slot"])).ConnectionSlot(
        open_connection, lambda connection: connection not in dead
    )
    assert opened == []
    first = slot.get()
    assert slot.get() is first
    dead.add(first)
    assert slot.get() is slot.get() is opened[1]
    assert len(opened) == 2


def test_a_slot_tries_again_after_a_failed_opening():
    answers = [OSError("refused"), "connection"]

    def open_connection():
        match answers.pop(0):
            case OSError() as error:
                raise error
            case connection:
                return connection

    slot = container().ConnectionSlot(open_connection, lambda _: True)
    with pytest.raises(OSError, match="refused"):
        slot.get()
    assert slot.get() == "connection"
