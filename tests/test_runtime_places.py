"""The generated decorator keeps what is no variable of a module: containers that come and go answer as one does."""

import itertools
import json
import os
import types

import pytest
from test_runtime_stateless import called
from test_runtime_world import TABLE, cloud, container, lose_in_transit, new_table, rows, watch

from statelift.runtime import render_helper

ENVIRONMENT = """
import os


def handler(event):
    before = os.environ.get("PLACES_MODE"), os.getenv("PLACES_MODE", "none"), "PLACES_MODE" in os.environ
    if event == "gone":
        os.environ.pop("PLACES_MODE", None)
    elif event:
        os.environ["PLACES_MODE"] = event
    return before
"""
CONTEXT = """
from contextvars import ContextVar

user = ContextVar("user", default="nobody")


def handler(event):
    before = user.get(), user.get("given")
    if event != "gone":
        user.set(event)
    return before
"""
CLOSURE = """
def remember():
    previous, times = None, []

    def swap(value):
        nonlocal previous
        times.append(value)
        before, previous = previous, value
        return before, list(times)

    return swap


swap = remember()


def handler(event):
    return swap(event)
"""
MADE = """
class Registry:
    _instance = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance.names = []
            cls._instance.last = None
        return cls._instance


def handler(event):
    registry = Registry()
    registry.names.append(event)
    before, registry.last = registry.last, event
    return before, list(Registry().names)
"""
LOCAL = """
import threading

local = threading.local()


def handler(event):
    before = getattr(local, "user", "nobody")
    if event == "gone":
        del local.user
    else:
        local.user = event
    return before
"""
PLACES = {
    "environment": (ENVIRONMENT, ["os:environ.PLACES_MODE"]),
    "context": (CONTEXT, ["user"]),
    "closure": (CLOSURE, ["swap.nonlocal.previous", "swap.nonlocal.times"]),
    "made": (MADE, ["Registry().names", "Registry().last"]),
    "handler": (LOCAL, ["local.user"]),
}
EVENTS = ["ann", "bob", "~", "gone", "eve", "ann"]
_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture(autouse=True)
def _clean(_cloud, monkeypatch):
    monkeypatch.setenv("PLACES_MODE", "normal")
    new_table()


def started(place, *, is_kept=True):
    """A new container; the context, closures and classes are its own, the environment is that of the process."""
    source, names = PLACES[place]
    helper = container(render_helper([f"stateless.{place}"]))
    helper.__name__ = f"places{next(_numbers)}"
    program = new_module(source)
    program.helper = helper
    os.environ["PLACES_MODE"] = "normal"
    if is_kept:
        program.handler = helper.stateless(TABLE, *names)(program.handler)
    return program


def new_module(source):
    program = types.ModuleType("program")
    exec(compile(source, "program.py", "exec"), program.__dict__)
    return program


def answers(place, events, *, is_kept):
    """What one container answers that never ends, or a new one for each event."""
    program = started(place, is_kept=is_kept)
    found = []
    for event in events:
        program = started(place) if is_kept else program
        found.append(json.dumps(called(program, event)))
    return found


def of_one(place, events):
    """What one container answers that never ends."""
    program = started(place, is_kept=False)
    return [json.dumps(called(program, event)) for event in events]


def events_of(place):
    return EVENTS if place in ("environment", "handler") else [each for each in EVENTS if each != "gone"]


@pytest.mark.parametrize("place", PLACES)
def test_new_containers_answer_like_one_that_never_ends(place):
    expected = of_one(place, events_of(place))
    assert [json.dumps(called(started(place), event)) for event in events_of(place)] == expected


@pytest.mark.parametrize("place", [each for each in PLACES if each != "environment"])  # which both share here
def test_warm_containers_that_take_turns_answer_like_one(place):
    expected = of_one(place, events_of(place))
    turns = itertools.cycle([started(place), started(place)])
    assert [json.dumps(called(next(turns), event)) for event in events_of(place)] == expected


def test_a_warm_container_sees_what_others_wrote_into_the_environment():
    one = started("environment")
    assert called(one, "ann")[0] == "normal"
    assert called(started("environment"), "bob")[0] == "ann"
    assert os.environ["PLACES_MODE"] == "bob"
    os.environ["PLACES_MODE"] = "normal"
    assert called(one, "gone")[0] == "bob"
    assert called(one, "")[2] is False


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("above", [True, False])
def test_a_write_whose_answer_is_lost_is_recognised(place, above):
    expected = of_one(place, EVENTS[:3])
    first, second, third = started(place), started(place), started(place)
    found = [called(first, EVENTS[0])]
    os.environ["PLACES_MODE"] = "normal"
    if above:
        watch(second.helper, lose={1})
    else:
        lose_in_transit(second.helper._dynamodb(), 1)
    found += [called(second, EVENTS[1]), called(third, EVENTS[2])]
    assert [json.dumps(each) for each in found] == expected


@pytest.mark.parametrize("place", PLACES)
def test_a_call_that_meets_another_one_leaves_nothing_behind(place):
    program, other = started(place), started(place)
    client = watch(program.helper)
    write = client._client.update_item

    def too_late(**request):
        called(other, "theirs")
        return write(**request)

    client.update_item = too_late
    with pytest.raises(program.helper.StateConflictError, match="another call changed"):
        called(program, "ours")
    del client.update_item
    alone = of_one(place, ["theirs", "next"])[1]
    os.environ["PLACES_MODE"] = "normal"
    assert json.dumps(called(program, "next")) == alone


def test_what_was_not_set_is_not_set_again_after_a_conflict():
    program = started("context")
    watch(program.helper, lose={1}, arrives=False)
    with pytest.raises(program.helper.OutcomeUnknownError):
        called(program, "ann")
    assert called(program, "gone") == ("nobody", "given")


def test_other_context_variables_are_left_as_the_call_left_them():
    program = started("context")
    exec(
        "last = ContextVar('last')\ndef serve(event):\n    before = last.get('none')\n    last.set(event)\n"
        "    user.set(event)\n    return before\n",
        vars(program),
    )
    serve = program.helper.stateless(TABLE, "user")(program.serve)
    called(program, "zoe")
    assert [serve(event) for event in ("ann", "bob")] == ["none", "ann"]
    assert program.last.get() == "bob"
    assert program.user.get() == "nobody"  # what is kept is gone behind the call


def test_the_item_names_each_place():
    for place in PLACES:
        called(started(place), "ann")
    names = {name for row in rows() for name in row} - {"pk", "r", "p"}
    assert names == {
        "os:environ.PLACES_MODE",
        *("program:user", "program:swap.nonlocal.previous", "program:swap.nonlocal.times"),
        *("program:Registry().names", "program:Registry().last", "program:local.user"),
    }
