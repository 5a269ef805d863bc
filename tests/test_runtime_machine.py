"""The generated Store against a dict, step by step, on two DynamoDBs that share no code: moto and dynalite.

Each step answers or raises as the dict does, and in the end the entries and their order are those of the dict. Some
answers are lost after the server has acted; two containers take turns.
"""

import contextlib
import datetime as dt
import decimal
import os
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from real_servers import dynalite
from test_runtime_store import numbers, shape
from test_runtime_world import TABLE, cloud, container, new_table

# Runs of at most fifty steps, and the operations that they have to come to: over ten thousand together.
SIZES = {"moto": (72, 3500), "dynalite": (135, 6500)}
WRITES = frozenset({"UpdateItem", "DeleteItem"})
odd_keys = st.sampled_from(
    ["", "~", "~j1", "1", "ä\u2028", "k" * 3000, b"a", None, (1, "x"), (True, "x"), dt.date.max]
)
keys = st.sampled_from(["a", "b", "c"]) | odd_keys | numbers
scalars = st.sampled_from(
    [None, 0, 1.5, -0.0, 2**70, "", "text", b"\x00", decimal.Decimal("1.10"), dt.timedelta(1)]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=3,
)


class Dicts(RuleBasedStateMachine):
    """One dict, one table, two containers."""

    runs = 0
    steps = 0
    lost = 0

    @initialize()
    def start(self):
        new_table()
        boto3.client("dynamodb").get_waiter("table_exists").wait(TableName=os.environ[TABLE])
        self.real = {}
        self.modules = modules()
        self.counts = {}  # their items lie in the same table, and are no entries of the store
        self.numbers = self.modules[0].Counters(TABLE)
        type(self).runs += 1
        for number in range(2):  # of the writes of a removal the second one, too
            LOSING.append(number)
            self.check(lambda d: d.__setitem__("a", 1), lambda s: s.put("a", 1))
            self.check(lambda d: d.pop("a"), lambda s: s.pop("a"))

    def check(self, expected, asked):
        """Both answer alike, or raise alike."""
        type(self).steps += 1
        self.modules.reverse()
        store = self.modules[0].Store(TABLE)
        assert outcome(asked, store) == outcome(expected, self.real)

    @rule(key=keys, value=values)
    def put(self, key, value):
        self.check(lambda d: d.__setitem__(key, value), lambda s: s.put(key, value))

    @rule(key=keys, default=values)
    def get(self, key, default):
        self.check(lambda d: d.get(key, default), lambda s: s.get(key, default))

    @rule(key=keys)
    def require(self, key):
        self.check(lambda d: d[key], lambda s: s.require(key))

    @rule(key=keys)
    def contains(self, key):
        self.check(lambda d: key in d, lambda s: s.contains(key))

    @rule(key=keys)
    def delete(self, key):
        self.check(lambda d: d.__delitem__(key), lambda s: s.delete(key))

    @rule(key=keys, default=st.just(()) | st.tuples(values))
    def pop(self, key, default):
        self.check(lambda d: d.pop(key, *default), lambda s: s.pop(key, *default))

    @rule(key=keys, value=values)
    def setdefault(self, key, value):
        self.check(lambda d: d.setdefault(key, value), lambda s: s.setdefault(key, value))

    @rule(key=keys, default=st.just(()) | st.just(([],)), fails=st.booleans())
    def edit(self, key, default, fails):
        def in_place(value):
            if isinstance(value, (list, dict)):
                value.clear() if len(value) > 2 else add(value)
            if fails:
                raise ZeroDivisionError

        def edited(store):
            with store.edit(key, *(list(each) for each in default)) as value:
                in_place(value)

        def changed(real):
            in_place(real.setdefault(key, list(default[0])) if default else real[key])

        self.check(changed, edited)

    @rule(key=keys, default=st.just(()) | st.just((0,)))
    def mutate(self, key, default):
        def changed(real):
            real[key] = [real.get(key, *default) if default else real[key]]
            return real[key]

        self.check(changed, lambda s: s.mutate(key, lambda value: [value], *default))

    @rule(key=keys, value=values)
    def claim(self, key, value):
        def claimed(real):
            return key not in real and real.setdefault(key, value) is value

        self.check(claimed, lambda s: s.claim(key, value))

    @rule(key=keys, value=values, default=st.just(()) | st.just((0,)), is_told=st.booleans())
    def put_if(self, key, value, default, is_told):
        def changed(real):
            found = real.get(key, *default) if default else real[key]
            if bool(found) is is_told:
                real[key] = value
            return bool(found) is is_told

        name = "put_if" if is_told else "put_unless"
        self.check(changed, lambda s: getattr(s, name)(key, value, bool, *default))

    @rule(key=keys, n=st.integers(-(2**62), 2**62))
    def count(self, key, n):
        def counted(_):
            self.counts[("n", key)] = self.counts.get(("n", key), 0) + n
            return self.counts[("n", key)]

        self.check(counted, lambda _: self.modules[0].Counters(TABLE).add(("n", key), n))

    @rule(key=keys)
    def ask_for_a_count(self, key):
        self.check(lambda _: self.counts.get(("n", key), 0), lambda _: self.numbers.get(("n", key), 0))
        self.check(lambda _: self.counts[("n", key)], lambda _: self.numbers.require(("n", key)))
        self.check(lambda _: ("n", key) in self.counts, lambda _: self.numbers.contains(("n", key)))

    @rule()
    def whole(self):
        self.check(len, lambda s: s.count())
        self.check(list, lambda s: s.keys())

    @precondition(lambda self: not LOSING)
    @rule(count=st.integers(0, 2))
    def lose_an_answer(self, count):
        LOSING.append(count)

    def teardown(self):
        LOSING.clear()
        if hasattr(self, "real"):
            self.check(lambda d: list(d.items()), lambda s: s.items())


def add(value):
    value.append(1) if isinstance(value, list) else value.update(new=1)


def outcome(function, subject):
    try:
        return shape(function(subject))
    except (KeyError, TypeError, ZeroDivisionError, RecursionError) as error:
        return [type(error).__name__, shape(error.args)]


# ---------------------------------------------------------------- the two servers

LOSING = []  # how many writes are answered before one is not
_MODULES = []


def modules():
    """Two containers, kept over the runs: they hold no state of their own."""
    return list(_MODULES)


def lose(request, **_):
    """Below the SDK, which sends the request again: the server has acted, and nobody hears of it."""
    target = request.headers.get("X-Amz-Target", b"")
    name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
    if name in WRITES and LOSING:
        LOSING[0] -= 1
        if LOSING[0] < 0:
            LOSING.clear()
            Dicts.lost += 1
            raise ReadTimeoutError(endpoint_url=request.url)


@contextlib.contextmanager
def moto(_):
    with cloud():
        yield


@contextlib.contextmanager
def server_of_its_own(folder):
    environment = {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-central-1",
    }  # fmt: skip
    with dynalite(folder) as address:
        environment["AWS_ENDPOINT_URL_DYNAMODB"] = address
        with mock.patch.dict(os.environ, environment), mock.patch("time.sleep"):
            yield


def before_sending(client):
    """Where moto has already acted."""
    client.meta.events.register_last("before-send.dynamodb", lose)


def once_answered(client):
    """Where a server has acted."""
    session = client._endpoint.http_session
    send = session.send

    def send_and_lose(request):
        answer = send(request)
        lose(request)
        return answer

    session.send = send_and_lose


def losing_containers(loses):
    for _ in range(2):
        module = container()
        loses(module._dynamodb())
        yield module


SERVERS = {"moto": (moto, before_sending), "dynalite": (server_of_its_own, once_answered)}


@pytest.mark.parametrize("name", SERVERS)
def test_a_store_does_what_a_dict_does(name, tmp_path):
    runs, at_least = SIZES[name]
    Dicts.runs = Dicts.steps = Dicts.lost = 0
    server, loses = SERVERS[name]
    with server(tmp_path):
        _MODULES[:] = losing_containers(loses)
        run_state_machine_as_test(
            Dicts,
            settings=settings(
                max_examples=runs,
                stateful_step_count=50,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert Dicts.steps >= at_least
    assert Dicts.runs >= runs
    assert Dicts.lost >= 2 * Dicts.runs  # each run begins with two
