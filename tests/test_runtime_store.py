"""The generated Store against a real dict: the same answers, errors and order."""

import datetime as dt
import decimal
import enum
import json
import os
from collections import OrderedDict, namedtuple

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_runtime_world import TABLE, cloud, container, new_table, rows

HELPER = container()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)).map(lambda when: when.replace(fold=0)),
    st.dates(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from(["~", "~t", "", "\ud800", "~j1"]),
)
hashables = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
values = st.recursive(
    scalars | st.decimals() | st.builds(bytearray, st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
        st.dictionaries(hashables, inner, max_size=2),
        st.sets(scalars, max_size=3),
        st.frozensets(hashables, max_size=2),
    ),
    max_leaves=8,
)
numbers = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e300, 2.0**70, 2**70, float("inf"), float("-inf")]),
    st.sampled_from(["1", "1.0", "0.5", "0.1", "1E+2", "-0", "Infinity", "1e300"]).map(decimal.Decimal),
)
keys = st.recursive(
    numbers | st.sampled_from(["1", "", "~", "~j1", "a", b"a", None, dt.date(2024, 1, 1)]),
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)


def shape(value):
    """A text that differs where value, type or (in lists and dicts) order differs; NaN equals NaN."""
    match value:
        case dict():
            return ["dict", [[shape(key), shape(item)] for key, item in value.items()]]
        case list() | tuple():
            return [type(value).__name__, [shape(item) for item in value]]
        case set() | frozenset():
            return [type(value).__name__, sorted((shape(item) for item in value), key=json.dumps)]
        case _:
            return [type(value).__name__, repr(value)]


@given(values)
@settings(max_examples=300, deadline=None)
def test_values_come_back_with_their_exact_types(value):
    text = HELPER._encode(value)
    assert text.isascii()
    assert shape(HELPER._decode(text)) == shape(value)


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Colour.RED, "Colour"),
        (Name("a"), "Name"),
        (namedtuple("Point", "x")(1), "Point"),
        (OrderedDict(a=1), "OrderedDict"),
        ([object()], "builtins.object"),
        (lambda: 1, "function"),
        (1j, "complex"),
        (dt.time(1), "datetime.time"),
        (dt.datetime(2024, 1, 1, fold=1), "fold"),
        (dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(0), "GMT")), "GMT"),
    ],
)
def test_what_would_not_come_back_as_it_was_is_a_type_error_that_names_it(value, named):
    with pytest.raises(TypeError, match=named):
        HELPER._encode({"a": (value,)})


@pytest.mark.parametrize(
    ("key", "value", "size"),
    [("a", "x" * 400_100, "400102 bytes as JSON, 3 its key"), ("k" * 399_999, "v", "3 bytes as JSON, 400001 its")],
)
def test_what_does_not_fit_into_an_item_is_refused_with_its_size(monkeypatch, key, value, size):
    monkeypatch.setenv(TABLE, "items")
    with pytest.raises(ValueError, match=f"too large for an item of 400 KB: {size}"):
        HELPER.Store(TABLE).put(key, value)


@given(keys, keys)
@settings(max_examples=800, deadline=None)
def test_keys_have_one_text_exactly_if_they_are_equal(one, other):
    assert (HELPER._key_text(one) == HELPER._key_text(other)) == (one == other)


def test_key_texts_stay_readable_and_short():
    assert HELPER._key_text("user-1") == "user-1"
    assert HELPER._key_text("\ud800").isascii()  # Lambda's own decoder lets half of a pair through
    assert HELPER._key_text("~") == '~j"~"'
    assert HELPER._key_text((1.0, True, "a")) == '~j{"~t":[1,1,"a"]}'
    assert len(HELPER._key_text("x" * 2049)) == 66
    assert HELPER._key_text("x" * 2049) != HELPER._key_text("x" * 2050)


def test_equal_times_in_different_zones_are_one_key():
    noon = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    later = noon.astimezone(dt.timezone(dt.timedelta(hours=1)))
    assert HELPER._key_text(noon) == HELPER._key_text(later)
    assert HELPER._key_text(noon) != HELPER._key_text(noon.replace(tzinfo=None))


def test_unhashable_keys_raise_the_error_of_a_dict():
    with pytest.raises(TypeError) as expected:
        {}.get([])
    with pytest.raises(TypeError) as raised:
        HELPER._key_text([])
    assert "unhashable" in str(raised.value)
    assert "list" in str(expected.value)


# ---------------------------------------------------------------- against a dict

few_keys = st.sampled_from(["a", "b", "", "~", "~j1", "1", 1, True, 1.0, None, (1, "x"), (True, "x"), "k" * 3000])
few_values = st.sampled_from(
    [
        None,
        0,
        1.5,
        "text",
        "",
        [1, [2]],
        {"a": {"~b": 1}},
        {1: "one"},
        (1, 2),
        {3},
        b"\x00",
        decimal.Decimal("1.10"),
    ]
)
operations = st.one_of(
    st.tuples(st.sampled_from(["put", "put", "put", "setdefault"]), few_keys, few_values),
    st.tuples(st.sampled_from(["get", "pop"]), few_keys, few_values),
    st.tuples(st.sampled_from(["get", "require", "contains", "delete", "pop", "setdefault"]), few_keys),
    st.tuples(st.sampled_from(["items", "count"])),
)
IN_A_DICT = {
    "get": dict.get,
    "require": dict.__getitem__,
    "contains": dict.__contains__,
    "put": dict.__setitem__,
    "delete": dict.__delitem__,
    "pop": dict.pop,
    "setdefault": dict.setdefault,
    "items": lambda d: list(d.items()),
    "count": len,
}


def outcome(function, *arguments):
    try:
        return shape(function(*arguments))
    except (KeyError, TypeError) as error:
        return [type(error).__name__, shape(error.args)]


@pytest.fixture(scope="module")
def _cloud():
    with cloud():
        yield


@pytest.mark.usefixtures("_cloud")
@given(st.lists(operations, min_size=25, max_size=50))
@settings(max_examples=32, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_store_answers_like_a_dict(steps):
    new_table()
    real, store = {}, HELPER.Store(TABLE)
    for name, *arguments in steps:
        expected = outcome(IN_A_DICT[name], real, *arguments)
        assert outcome(getattr(store, name), *arguments) == expected
    assert outcome(store.items) == shape(list(real.items()))
    assert len(rows()) == len(real)


@pytest.mark.usefixtures("_cloud")
def test_another_container_sees_what_was_put_and_arguments_may_be_named():
    new_table()
    HELPER.Store(TABLE).put(value={"n": 1}, key=7)
    assert container().Store(TABLE).items() == [(7, {"n": 1})]


@pytest.mark.usefixtures("_cloud")
def test_the_order_holds_while_the_clock_stands_still(monkeypatch):
    new_table()
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    store = HELPER.Store(TABLE)
    for key in "dacb":
        store.put(key, None)
    assert [key for key, _ in store.items()] == list("dacb")


@pytest.mark.usefixtures("_cloud")
def test_items_reads_all_pages():
    new_table()
    store = HELPER.Store(TABLE)
    for number in range(6):
        store.put(number, "x" * 350_000)
    assert [key for key, _ in store.items()] == list(range(6))
    assert store.count() == 6


def test_a_missing_variable_is_no_key_error(monkeypatch):
    monkeypatch.delenv("NO_SUCH_TABLE_NAME", raising=False)
    with pytest.raises(RuntimeError, match="NO_SUCH_TABLE_NAME is not set"):
        HELPER.Store("NO_SUCH_TABLE_NAME").require("a")


def test_an_edit_reads_changes_and_writes_back():
    new_table()
    carts = HELPER.Store(TABLE)
    with carts.edit("ann", []) as cart:
        cart.append("tea")
    with pytest.raises(ZeroDivisionError), carts.edit("ann") as cart:
        cart.append("milk")
        raise ZeroDivisionError
    assert carts.get("ann") == ["tea", "milk"]
    with pytest.raises(KeyError, match="bob"), carts.edit("bob"):
        pass


def test_an_edit_with_a_default_keeps_the_key_like_setdefault():
    new_table()
    carts = HELPER.Store(TABLE)
    with carts.edit("ann", {}):
        pass
    assert carts.get("ann") == {}


def test_of_two_edits_at_once_one_is_told():
    new_table()
    carts = HELPER.Store(TABLE)
    carts.put("ann", ["tea"])
    with pytest.raises(HELPER.StateConflictError, match="ann"), carts.edit("ann") as cart:
        cart.append("milk")
        carts.put("ann", ["coffee"])
    assert carts.get("ann") == ["coffee"]


# ---------------------------------------------------------------- expiry, tables that are there already


@pytest.fixture
def clock(monkeypatch):
    """The time, as it is told to the helper; a call moves it on."""
    now = [1_700_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.time_ns", lambda: int(now[0] * 1e9))

    def pass_by(seconds):
        now[0] += seconds

    return pass_by


@pytest.mark.usefixtures("_cloud")
def test_an_entry_is_gone_when_its_time_is_up_although_the_item_is_still_there(clock):
    new_table()
    store = HELPER.Store(TABLE, ttl_seconds=60)
    store.put("a", [1])
    store.put("b", 2)
    clock(59)
    store.put("b", 3)
    clock(1)
    assert (store.get("a"), store.contains("a"), store.items(), store.count()) == (None, False, [("b", 3)], 1)
    with pytest.raises(KeyError):
        store.require("a")
    with pytest.raises(KeyError):
        store.delete("a")
    assert store.pop("a", "gone") == "gone"
    with pytest.raises(KeyError), store.edit("a"):
        pass
    with pytest.raises(KeyError):
        store.mutate("a", list)
    assert len(rows()) == 2


@pytest.mark.usefixtures("_cloud")
@pytest.mark.parametrize("way", ["put", "setdefault", "claim", "edit", "mutate", "put_if"])
def test_an_expired_entry_comes_back_as_a_new_one(clock, way):
    new_table()
    store = HELPER.Store(TABLE, ttl_seconds=60)
    store.put(1, [])
    clock(40)
    store.put("b", [])
    clock(40)
    match way:
        case "edit":
            with store.edit(True, []) as value:
                value.append(7)
        case "mutate":
            store.mutate(True, lambda value: [*value, 7], [])
        case "put_if":
            assert store.put_if(True, [7], lambda value: not value, [])
        case _:
            getattr(store, way)(True, [7])
    assert repr(store.items()) == "[('b', []), (True, [7])]"
    clock(50)
    assert repr(store.items()) == "[(True, [7])]"


@pytest.mark.usefixtures("_cloud")
def test_a_table_may_have_its_own_key_and_expiry_attribute(clock):
    name = "their-sessions"
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "session.id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "session.id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    os.environ[TABLE] = name
    store = HELPER.Store(TABLE, key="session.id", ttl_seconds=5, ttl_attribute="ttl")
    store.put("a", {"n": 1})
    [row] = rows()
    assert (row["session.id"], row["ttl"]) == ({"S": "a"}, {"N": "1700000005"})
    assert store.setdefault("a", 2) == {"n": 1}
    assert store.pop("a") == {"n": 1}
    assert rows() == []


@pytest.mark.usefixtures("_cloud")
def test_an_edit_that_changes_nothing_writes_nothing():
    new_table()
    store = HELPER.Store(TABLE)
    store.put("a", {"x", "y", "z"})
    before = rows()
    with store.edit("a") as value:
        assert value == {"x", "y", "z"}
    assert rows() == before
