"""`one_step`: what a function reads and writes of its stores is one transaction, with the answers of a dict."""

import contextlib
import os

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_runtime_world import TABLE, cloud, container, lose_in_transit, new_table, rows

OTHER = "OTHERS_TABLE_NAME"


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture
def tables(monkeypatch):
    new_table()
    monkeypatch.setenv(OTHER, os.environ[TABLE])
    new_table()


KEYS = st.sampled_from(["a", "b", 1, True, ("a", 1)])
VALUES = st.integers(0, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VALUES),
        st.tuples(st.sampled_from(["get", "require", "contains", "delete", "pop", "add", "change"]), KEYS),
        st.tuples(st.just("setdefault"), KEYS, VALUES),
        st.tuples(st.just("leave")),
    ),
    max_size=8,
)


class LeftError(Exception):
    pass


def with_dict(entries, name, *args):
    match name, args:
        case "put", (key, value):
            entries[key] = value
        case (("get" | "setdefault" | "pop"), _):
            return getattr(entries, name)(*args)
        case "require", (key,):
            return entries[key]
        case "contains", (key,):
            return key in entries
        case "delete", (key,):
            del entries[key]
        case (("add" | "change"), (key,)):
            entries[key] = entries.get(key, 0) + 1 if name == "add" else entries[key] + 1
            return entries[key]
        case _:
            raise LeftError
    return None


def with_store(store, name, *args):
    match name, args:
        case "add", (key,):
            return store.mutate(key, lambda value: value + 1, 0)
        case "change", (key,):
            return store.mutate(key, lambda value: value + 1)
        case "leave", _:
            raise LeftError
        case _:
            return getattr(store, name)(*args)


def played(steps, subject, do):
    """The answers until one raises."""
    told = []
    try:
        for step in steps:
            told.append(do(subject, *step))
    except (KeyError, LeftError) as error:
        told.append(type(error))
    return told


@given(st.lists(st.tuples(STEPS, st.integers(0, 12)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_step_answers_and_leaves_what_a_dict_does(calls):
    """Each call in a container of its own, with the answer to one of its requests lost in transit."""
    new_table()
    entries = {}
    for steps, lost in calls:
        module = container()
        store = module.Store(TABLE)
        lose_in_transit(module._dynamodb(), lost)
        step = module.one_step(store)(lambda steps=steps, store=store: played(steps, store, with_store))
        assert step() == played(steps, entries, with_dict)
        assert container().Store(TABLE).items() == [*entries.items()]


def test_nothing_is_written_where_another_call_wrote_what_was_read(tables):
    store, others = container().Store(TABLE), container().Store(TABLE)
    module = container()
    store = module.Store(TABLE)

    def call():
        found = store.get("a", 0)
        others.put("a", 5)
        store.put("b", found + 1)

    with pytest.raises(module.StateConflictError, match="'a'"):
        module.one_step(store)(call)()
    assert others.items() == [("a", 5)]


@pytest.mark.parametrize("change", ["put", "removed", "removed and put"])
def test_a_removal_in_between_is_seen_too(tables, change):
    module, others = container(), container().Store(TABLE)
    store = module.Store(TABLE)
    others.put("a", 1)

    def call():
        store.put("b", store.get("a"))
        if change != "put":
            others.delete("a")
        if change != "removed":
            others.put("a", 1)

    with pytest.raises(module.StateConflictError):
        module.one_step(store)(call)()
    assert not others.contains("b")


def test_with_retry_the_function_is_run_again(tables):
    module, others = container(), container().Store(TABLE)
    store, runs = module.Store(TABLE), []

    @module.one_step(store, retry=True)
    def count():
        number = store.get("n", 0)
        runs.append(number)
        if len(runs) < 3:
            others.put("n", number + 10)
        store.put("n", number + 1)
        return number + 1

    assert (count(), others.get("n"), runs) == (21, 21, [0, 10, 20])


def test_what_is_only_read_is_of_one_moment(tables):
    """Two reads with a write in between would tell of a state that there never was."""
    module, others = container(), container().Store(TABLE)
    store = module.Store(TABLE)

    def call():
        first = store.get("a")
        others.put("a", 1)
        return first, store.get("b")

    with pytest.raises(module.StateConflictError):
        module.one_step(store)(call)()
    assert module.one_step(store)(lambda: store.get("a"))() == 1


def test_several_stores_take_one_step(tables):
    module, others = container(), container().Store(TABLE)
    here, there = module.Store(TABLE), module.Store(OTHER)

    @module.one_step(here)
    @module.one_step(there)
    def call(is_met=False):
        here.put("a", here.get("a", 0) + 1)
        there.put("a", there.get("a", 0) + 1)
        if is_met:
            others.put("a", 7)

    call()
    assert (here.get("a"), there.get("a")) == (1, 1)
    with pytest.raises(module.StateConflictError):
        call(is_met=True)
    assert (here.get("a"), there.get("a")) == (7, 1)


def test_an_entry_that_is_put_and_taken_leaves_nothing(tables):
    module = container()
    store = module.Store(TABLE)

    def call():
        store.put("a", 1)
        return store.pop("a"), store.get("a"), store.contains("a")

    assert module.one_step(store)(call)() == (1, None, False)
    assert rows() == []


def test_more_than_a_transaction_takes_is_refused_before_anything_is_written(tables):
    module = container()
    store = module.Store(TABLE)
    with pytest.raises(ValueError, match="101 entries are too many for one step of 100"):
        module.one_step(store)(lambda: [store.put(number, 1) for number in range(101)])()
    assert rows() == []
    module.one_step(store)(lambda: [store.put(number, 1) for number in range(100)])()
    assert store.keys() == [*range(100)]


def test_an_entry_that_is_over_is_none(tables):
    module = container()
    store = module.Store(TABLE, ttl_seconds=60)
    store.put("a", 1)
    boto3.client("dynamodb").update_item(
        TableName=os.environ[TABLE], Key={"pk": {"S": "a"}}, UpdateExpression="SET #e = :past",
        ExpressionAttributeNames={"#e": "expires"}, ExpressionAttributeValues={":past": {"N": "1"}},
    )  # fmt: skip
    store.put("b", 2)
    assert module.one_step(store)(lambda: (store.get("a"), store.put("a", 3), store.get("a")))() == (None, None, 3)
    assert store.items() == [("b", 2), ("a", 3)]


def test_an_unknown_outcome_is_told(tables):
    """All requests are lost from the write on: it may still arrive."""
    module = container()
    store = module.Store(TABLE)
    lossy = [*range(1, 9)]

    class Dead:
        def __init__(self, client):
            self.client, self.calls = client, 0

        def __getattr__(self, name):
            self.calls += 1
            if self.calls - 1 in lossy:
                from botocore.exceptions import ReadTimeoutError

                raise ReadTimeoutError(endpoint_url="https://aws.test")
            return getattr(self.client, name)

    client = Dead(module._dynamodb())
    module._dynamodb = lambda: client
    with pytest.raises(module.OutcomeUnknownError, match="may have been written"), contextlib.ExitStack():
        module.one_step(store)(lambda: store.put("a", store.get("a", 0) + 1))()
