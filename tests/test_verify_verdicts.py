"""Verdicts of `statelift verify` where more than one handler, change or host is in play."""

import json

import pytest
from repositories import written

TWO = """import json
import os

SESSIONS = {}


def login(event, context):
    SESSIONS[str(event["token"])] = str(event["user"])
    return {"ok": True}


def who(event, context):
    return {"user": SESSIONS.get(str(event["token"]))}


def add(event, context):
    path = f"/tmp/cart_{event['user']}.json"  # one of many, so no step is put around reading and writing
    cart = []
    if os.path.exists(path):
        with open(path) as file:
            cart = json.load(file)
    cart.append(event["item"])
    with open(path, "w") as file:
        json.dump(cart, file)
    return {"items": len(cart)}
"""
TWO_EVENTS = [
    {"call": "app:who", "event": {"token": "t1"}},
    {"call": "app:login", "event": {"token": "t1", "user": "ann"}},
    {"call": "app:login", "event": {"token": "t2", "user": "ben"}},
    {"call": "app:who", "event": {"token": "t1"}},
    *[{"call": "app:add", "event": {"user": user, "item": "tea"}} for user in ("ann", "ann", "ben", "ann")],
]
PRICES = """import urllib.request

SESSIONS = {}


def handler(event, context):
    if event["action"] == "login":
        SESSIONS[str(event["user"])] = str(event["name"])
        return {"ok": True}
    with urllib.request.urlopen("http://shop.example/price") as answer:
        return {"name": SESSIONS.get(str(event["user"])), "price": answer.read().decode()}
"""
PRICES_EVENTS = [
    {"action": "show", "user": "a", "name": ""},
    {"action": "login", "user": "a", "name": "Ann"},
    {"action": "show", "user": "a", "name": ""},
    {"action": "login", "user": "b", "name": "Ben"},
    {"action": "show", "user": "b", "name": ""},
]
LEFT = """STATE = {}
CALLS = {}


def handler(event, context):
    if event["action"] == "put":
        STATE[str(event["key"])] = str(event["value"])
        return {"ok": True}
    return {"value": STATE.get(str(event["key"]))}


def keep(event, context):
    name = str(event["name"])
    CALLS[str(event["job"])] = lambda: name
    return {"kept": name}


def again(event, context):
    return {"name": CALLS[str(event["job"])]() if str(event["job"]) in CALLS else None}
"""

LIMITED = """import time

HITS = {}


def handler(event, context):
    user = str(event["user"])
    now = time.time()
    recent = [moment for moment in HITS.get(user, []) if now - moment < 60]
    HITS[user] = [*recent, now]
    return {"allowed": len(recent) < 5}
"""


@pytest.fixture
def verified(tmp_path, said):
    """Write a program and its events, verify it: exit code and the one result."""

    def call(program, events, *options):
        folder = written(tmp_path / "app", {"app.py": program})
        file = tmp_path / "given.json"
        file.write_text(json.dumps(events))
        code, out, err = said("verify", folder, "--yes", "--events", file, "--format", "json", *options)
        assert out, err
        [result] = json.loads(out)["results"]
        return code, result

    return call


def parts(result, kind):
    return {part["name"]: part["verdict"] for part in result[kind]}


def test_each_handler_and_each_change_gets_its_own_verdict(verified):
    code, result = verified(TWO, TWO_EVENTS, "--runs", 2)
    assert (code, result["verdict"]) == (4, "DIVERGES")
    assert parts(result, "handlers") == {"app:login": "EQUIVALENT", "app:who": "EQUIVALENT", "app:add": "DIVERGES"}
    assert {name[:5]: verdict for name, verdict in parts(result, "changes").items()} == {
        "SL101": "EQUIVALENT", "SL301": "DIVERGES",
    }  # fmt: skip
    assert "--concurrency 1" in result["reason"]
    assert [part["coverage"]["statements"] > 0 for part in result["changes"]] == [True, True]


def test_events_that_never_overlap_can_be_assumed(verified):
    code, result = verified(TWO, TWO_EVENTS, "--runs", 2, "--concurrency", 1)
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result["reason"]
    assert set(parts(result, "changes").values()) == {"EQUIVALENT"}
    assert all(part["coverage"]["run"] == part["coverage"]["statements"] for part in result["changes"])


def test_a_host_beyond_aws_is_named_unless_its_answer_is_given(verified, tmp_path):
    code, result = verified(PRICES, PRICES_EVENTS, "--runs", 0)
    assert (code, result["verdict"]) == (3, "INCONCLUSIVE")
    assert "shop.example:80" in result["reason"]
    answers = tmp_path / "http.json"
    answers.write_text(json.dumps([{"url": "http://shop.example/price", "body": "12.90"}]))
    code, result = verified(PRICES, PRICES_EVENTS, "--runs", 0, "--http", answers)
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result["reason"]


def test_what_depends_on_state_that_stays_is_said_and_the_rest_is_judged(verified):
    events = [
        *[{"call": "app:keep", "event": {"job": job, "name": "n"}} for job in "ab"],
        *[{"call": "app:again", "event": {"job": job}} for job in "abc"],
        *[{"call": "app:handler", "event": {"action": "put", "key": key, "value": "v"}} for key in "ab"],
        *[{"call": "app:handler", "event": {"action": "get", "key": key}} for key in "abc"],
    ]
    code, result = verified(LEFT, events, "--runs", 1)
    assert (code, result["verdict"]) == (3, "INCONCLUSIVE")
    assert "app:again depends on CALLS (app.py:2), which stays in the container" in result["reason"]
    assert parts(result, "handlers") == {
        "app:handler": "EQUIVALENT", "app:keep": "EQUIVALENT", "app:again": "INCONCLUSIVE",
    }  # fmt: skip
    assert set(parts(result, "changes").values()) == {"EQUIVALENT"}


def test_a_list_in_another_order_is_a_warning(verified, tmp_path):
    """A set keeps no order, and the order of its texts changes with the container's hash seed."""
    program = PRICES.replace("import urllib.request\n\n", "").partition("    with urllib")[0] + (
        '    return {"name": SESSIONS.get(str(event["user"])), "tags": list({"red", "green", "blue", "white"})}\n'
    )
    code, result = verified(program, PRICES_EVENTS, "--runs", 1)
    assert (code, result["verdict"]) == (0, "ORDER-ONLY"), result["reason"]


@pytest.mark.parametrize(
    "program, verdict, word",
    [
        (PRICES.replace("import urllib.request", "import nowhere"), "ORIGINAL-BROKEN", "nowhere"),
        (PRICES.replace('event["action"] ==', 'event["missing"] =='), "VACUOUS", "KeyError"),
    ],
)
def test_what_shows_nothing_leaves_with_3(verified, program, verdict, word):
    code, result = verified(program, PRICES_EVENTS, "--runs", 0)
    assert (code, result["verdict"]) == (3, verdict)
    assert word in result["reason"]


def test_events_come_fast_enough_for_a_limit_in_a_window_of_time(verified, tmp_path, said):
    """Between some events lies a day; a window of a minute would always be empty then."""
    folder = written(tmp_path / "limited", {"app.py": LIMITED})
    code, out, err = said("verify", folder, "--yes", "--original-only", "--format", "json")
    assert (code, json.loads(out)["results"][0]["verdict"]) == (0, "STATEFUL"), err
    code, result = verified(LIMITED, [], "--concurrency", 1, "--runs", 2)
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result["reason"]
