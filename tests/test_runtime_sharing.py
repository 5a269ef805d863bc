"""One object in several places: a call finds it as one object again, in whatever container it runs."""

import random
import sys

import pytest
from test_runtime_stateless import started
from test_runtime_world import cloud, new_table

SOURCE = """
from statelift_state import stateless
users, log, last = {}, [], None
state = {"stats": {}, "seen": set()}
stats = state["stats"]


@stateless(TABLE, "users", "log", "last", "state", "stats")
def handler(step, name=None):
    global last, log
    match step:
        case "add":
            users[name] = {"name": name, "n": 0, "tags": []}
        case "select":
            last = users.get(name)
        case "log":
            log.append(users.get(name))
        case "nest":
            users[name] = {"name": name, "n": 0, "tags": log}
        case "count" if last:
            last["n"] += 1
        case "first" if log and log[0]:
            log[0]["n"] += 10
        case "tag" if name in users:
            users[name]["tags"].append(len(users))
        case "whole":
            last = {"n": 0, "all": users}
        case "new":
            log = [log[-1]] if log else []
        case "same":
            log = state.setdefault("log", [])
        case "stats":
            stats[name] = stats.get(name, 0) + 1
        case "forget":
            users.pop(name, None)
    return repr([users, log, last, state, stats, last is users.get(name), log is state.get("log")])
"""
STEPS = "add select log nest count first tag whole new same stats forget".split()


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture(autouse=True)
def _clean(_cloud):
    new_table()


def plain():
    """The program as it was: one process."""
    scope = {"TABLE": ""}
    exec(SOURCE.replace("from statelift_state import stateless", "stateless = lambda *names: lambda f: f"), scope)
    return scope["handler"]


def called(program, *arguments):
    sys.modules["program"] = program
    sys.modules["statelift_state"] = program.helper
    return program.handler(*arguments)


@pytest.mark.parametrize(
    "steps",
    [
        ["add", "select", "count", "log", "first", "count"],
        ["add", "log", "log", "first", "tag", "log"],
        ["stats", "stats", "new", "stats"],
        ["add", "same", "log", "first", "same", "log"],
        ["add", "log", "new", "first", "forget", "count"],
    ],
)
def test_what_one_call_joins_stays_joined(steps):
    original, containers = plain(), [started(SOURCE), started(SOURCE)]
    for number, step in enumerate(steps):
        assert called(containers[number % 2], step, "a") == original(step, "a"), steps[: number + 1]


@pytest.mark.parametrize("seed", range(30))
def test_any_order_of_steps(seed):
    chance = random.Random(seed)
    original, containers = plain(), [started(SOURCE), started(SOURCE)]
    done = []
    for _ in range(12):
        done.append((chance.choice(STEPS), chance.choice("ab")))
        expected = original(*done[-1])
        container = chance.choice(containers)
        if "..." in expected:  # a list in itself: no table can hold that
            with pytest.raises(RecursionError):
                called(container, *done[-1])
            return
        assert called(container, *done[-1]) == expected, done
