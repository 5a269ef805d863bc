"""Events: read from files as people write them, and invented from what a handler reads."""

import json

import pytest

from statelift.verify.events.generate import generated_steps
from statelift.verify.events.reading import shapes_of
from statelift.verify.events.steps import Entry, EventsError, Memory, Step, event_of, filled, read_steps
from statelift.verify.values import CodeTree

HANDLER = Entry("app:handler", names=("Login", "handler"))


def tree(**files: str) -> CodeTree:
    return CodeTree(tuple((f"{name}.py", text.encode()) for name, text in files.items()))


def shape(text: str, call: str = "app:handler", **others: str):
    return shapes_of(tree(app=text, **others), call)[0]


# ---------------------------------------------------------------- files


def test_the_forms_of_a_file(tmp_path):
    listed = tmp_path / "a.json"
    listed.write_text(json.dumps([{"call": "app:handler", "args": [{"n": 1}, None], "repeat": 2}, {"n": 3}]))
    assert read_steps(listed, [HANDLER]) == [Step("app:handler", "lambda", {"n": n}) for n in (1, 1, 3)]
    lines = tmp_path / "b.jsonl"
    lines.write_text('{"n": 1}\n\n{"n": 2}\n')
    assert [step.payload for step in read_steps(lines, [HANDLER])] == [{"n": 1}, {"n": 2}]
    assert [step.payload for step in read_steps(tmp_path, [HANDLER])] == [{"n": 1}, {"n": 1}, {"n": 3}]


def test_arguments_of_a_plain_function_are_a_list(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('[{"call": "app:login", "args": ["ann"]}]')
    assert read_steps(file, [Entry("app:login", "call")]) == [Step("app:login", "call", ["ann"])]


def test_an_event_without_a_name_goes_to_the_handler_of_the_file(tmp_path):
    (tmp_path / "login.json").write_text('{"user": "ann"}')
    (tmp_path / "event.json").write_text('{"user": "ben"}')
    entries = [HANDLER, Entry("jobs:run", names=("Cleanup", "run"))]
    assert [step.call for step in read_steps(tmp_path / "login.json", entries)] == ["app:handler"]
    assert [step.call for step in read_steps(tmp_path / "event.json", entries)] == ["app:handler", "jobs:run"]


@pytest.mark.parametrize("text, word", [("{", "not JSON"), ('[{"call": "x", "args": []}]', "no function x")])
def test_what_cannot_be_used_is_said(tmp_path, text, word):
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(EventsError, match=word):
        read_steps(file, [HANDLER])


def test_a_repeated_step_counts_once_for_answers(tmp_path):
    file = tmp_path / "a.json"
    repeated = {"call": "app:handler", "args": [{}, None], "repeat": 3}
    file.write_text(json.dumps([repeated, {"call": "app:handler", "args": [{"$answer": 0}, None]}]))
    assert read_steps(file, [HANDLER])[-1].payload == {"$answer": 2}


# ---------------------------------------------------------------- markers


def test_answers_find_their_way_back():
    memory = Memory()
    memory.note({"statusCode": 200, "body": '{"token": "t-1"}'})
    memory.note({"session": "s-1"})
    assert filled({"a": {"$answer": 1, "at": ["session"]}}, memory) == {"a": "s-1"}
    assert filled({"$feedback": "token", "pick": 7, "else": "a"}, memory) == "t-1"
    assert filled({"$feedback": "unknown", "pick": 0, "else": "a"}, memory) in ("t-1", "s-1")
    assert filled({"$feedback": "unknown", "pick": 0, "else": "a", "is_named": True}, memory) == "a"
    assert filled({"$feedback": "token", "pick": 0, "else": "a"}, Memory()) == "a"
    memory.note({"token": "t-2"})
    assert [memory.recall("token", pick, "a") for pick in (0, 1, 2, 9)] == ["t-1", "t-2", "t-1", "t-1"]
    assert filled({"$json": {"t": {"$answer": 1}}}, memory) == '{"t": {"session": "s-1"}}'
    with pytest.raises(EventsError, match=r"\$answer 5"):
        filled({"$answer": 5}, memory)


def test_a_step_becomes_an_event_with_a_seed_of_its_own():
    step = Step("app:handler", "lambda", {"n": 1})
    one, other = (event_of(step, Memory(), number, 10.0 * number) for number in (1, 2))
    assert (one.payload, one.at) == ('{"n": 1}', 10.0)
    assert one.seed != other.seed


# ---------------------------------------------------------------- what a handler reads


def test_keys_constants_and_arithmetic():
    found = shape("""
import json
ACTIONS = ("add", "drop")
TABLE = {"x": 1, "y": 2}
def handler(event, context):
    body = json.loads(event["body"])
    user, name = body["user"], body.get("name", "")
    if body["action"] in ACTIONS or body["action"] == "show":
        total = 1 + body["amount"]
    return TABLE[event["pathParameters"]["kind"]], int(event["n"])
""")
    body = found.keys["body"].parsed
    assert body is not None
    assert set(body.keys) == {"user", "name", "action", "amount"}
    assert body.optional == {"name"}
    assert body.keys["action"].constants == ["add", "drop", "show"]
    assert body.keys["amount"].uses == {"number"}
    assert found.keys["pathParameters"].keys["kind"].constants == ["x", "y"]
    assert found.keys["n"].uses == {"digits"}


def test_arguments_are_followed_through_calls_loops_tables_and_match():
    found = shape(
        """
from store import save
import store
class Api:
    def __init__(self, event):
        self.event = event
    def run(self):
        return self.event["from_method"]
def show(payload):
    return payload["shown"]
ROUTES = {"show": show, "save": lambda payload: save(key=payload["saved"])}
def handler(event, context):
    for record in event["Records"]:
        save(record["messageId"])
    match event["command"]:
        case {"kind": "move", "to": target}:
            store.save(target)
    Api(event).run()
    return ROUTES[event["route"]](event)
""",
        store="def save(key):\n    DATA[key] = 1\n",
    )
    assert set(found.keys) == {"Records", "command", "route", "shown", "saved", "from_method"}
    assert found.keys["Records"].item.keys["messageId"].uses == {"key"}
    assert found.keys["command"].keys["kind"].constants == ["move"]
    assert found.keys["command"].keys["to"].uses == {"key"}
    assert found.keys["route"].constants == ["show", "save"]
    assert found.keys["saved"].uses == {"key"}


def test_a_route_that_is_put_together_is_taken_apart():
    found = shape("""
def handler(event, context):
    route = f"{event['httpMethod']} {event['path']}"
    if route == "GET /a":
        return 1
    return route == "POST /b"
""")
    assert (found.keys["httpMethod"].constants, found.keys["path"].constants) == (["GET", "POST"], ["/a", "/b"])


def test_code_that_calls_itself_or_cannot_be_parsed_is_no_trouble():
    assert shape("def handler(event, context):\n    return handler(event['next'], context)\n").keys
    assert shapes_of(tree(app="def handler(:"), "app:handler") == ()
    assert shapes_of(tree(app="handler = 1"), "app:handler") == ()


# ---------------------------------------------------------------- invented events

SESSIONS = """
import json
def handler(event, context):
    body = json.loads(event["body"])
    if body["action"] == "login":
        return {"token": SESSIONS.put(body["user"])}
    return SESSIONS[body["token"]], body.get("note")
"""


def test_the_same_seed_gives_the_same_steps_and_another_one_others():
    made = [generated_steps(tree(app=SESSIONS), [HANDLER], 24, seed) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert len(made[0]) == 24


def test_invented_events_have_the_parts_that_are_read_and_collide():
    steps = generated_steps(tree(app=SESSIONS), [HANDLER], 400, 0)
    memory = Memory()
    memory.note({"token": "t-1"})
    bodies = [json.loads(filled(step.payload, memory)["body"]) for step in steps if "body" in step.payload]
    assert len(bodies) > 360
    assert {"login", "other"} <= {body.get("action") for body in bodies}
    assert sum(body.get("token") == "t-1" for body in bodies) > 5
    assert any("note" not in body for body in bodies)
    assert sum(body.get("user") == "a" for body in bodies) > 20
    near = [[body["token"] for body in bodies[n : n + 8] if "token" in body] for n in range(len(bodies))]
    assert any(1 in tokens and "1" in tokens for tokens in near)


def test_some_events_come_twice():
    steps = generated_steps(tree(app=SESSIONS), [HANDLER], 400, 0)
    chunks = [steps[start : start + 8] for start in range(0, 400, 8)]
    twice = [chunk for chunk in chunks if chunk[::2] == chunk[1::2]]
    assert 0.3 < len(twice) / len(chunks) < 0.7


def test_known_envelopes_are_completed():
    queue = "def handler(event, context):\n    return [record['body'] for record in event['Records']]\n"
    steps = generated_steps(tree(app=queue), [HANDLER], 40, 0)
    records = [record for step in steps for record in step.payload.get("Records", [])]
    assert records
    assert {record["eventSource"] for record in records if "eventSource" in record} == {"aws:sqs"}
    assert len({record["messageId"] for record in records if "messageId" in record}) > 1


def test_a_handler_that_reads_nothing_gets_empty_events():
    steps = generated_steps(tree(app="def handler(event, context):\n    return 1\n"), [HANDLER], 10, 0)
    assert [step.payload for step in steps] == [{}] * 10


@pytest.mark.parametrize("seed", range(0, 1000, 77))
def test_every_invented_step_can_be_sent(seed):
    for number, step in enumerate(generated_steps(tree(app=SESSIONS), [HANDLER], 8, seed)):
        event = event_of(step, Memory(), number, 0.0)
        assert isinstance(json.loads(event.payload), dict)
