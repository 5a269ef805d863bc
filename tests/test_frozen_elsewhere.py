"""Values of the import in another module, or in a default argument, that every call computes for itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue" / "session" / "S55"


def composed(root):
    plan = make_plan([root], Options())
    chosen = {change.id for change in plan.changes}
    return {each.path: each.after.decode() for each in compose(plan, chosen, lambda path: read_file(root, path))}


GOLDEN = {
    "frozen_default": (
        "app.py",
        "def token(user, issued=time.time()):\n",
        "def token(user, issued=None):\n    if issued is None:\n        issued = time.time()\n",
    ),
    "frozen_id_real": (
        "app.py",
        "-> dict[str, Any]:\n    try:",
        "-> dict[str, Any]:\n    correlation.CORRELATION_ID = str(uuid.uuid4())\n    try:",
    ),
}


@pytest.mark.parametrize("program", GOLDEN)
def test_a_program_of_the_catalogue_becomes_this_and_is_done_then(program, tmp_path):
    path, old, new = GOLDEN[program]
    sources = {each.name: each.read_text() for each in (CATALOGUE / program).glob("*.py")}
    [change] = make_plan([CATALOGUE / program], Options()).changes
    assert (change.tier, change.id.partition(".")[2]) == (Tier.REVIEW, "localise")
    made = composed(CATALOGUE / program)
    lines = [line for line in made[path].splitlines() if line not in ("import correlation", "import uuid")]
    assert lines == sources[path].replace(old, new).splitlines()
    again = written(tmp_path / "again", sources | made)
    assert make_plan([again], Options()).findings == ()


CLOCK = "import time\nfrom datetime import date\n\nNOW = VALUE\n\n\ndef age(start):\n    return NOW - start\n"
APP = "from clock import age\n\n\ndef handler(event, context):\n    return {'age': age(event['start'])}\n"


def test_what_the_value_is_made_of_is_imported(tmp_path):
    files = {"clock.py": CLOCK.replace("VALUE", "date.today()"), "app.py": APP}
    made = composed(written(tmp_path / "app", files))["app.py"]
    assert "from datetime import date\n" in made
    assert "import clock\n" in made
    assert "    clock.NOW = date.today()\n    return" in made


LEFT = {
    "has it under its own name": {
        "app.py": APP.replace("age\n", "NOW, age\n", 1).replace("return {", "return {NOW: 1, ")
    },
    "uses the name for something else": {
        "app.py": APP.replace("    return", "    time = event['time']\n    return")
    },
    "uses the module's name": {"app.py": APP.replace("    return", "    clock = event['time']\n    return")},
    "is made of a name of its own": {
        "clock.py": CLOCK.replace("VALUE", "_now()").replace("NOW =", "_now = time.time\nNOW =")
    },
    "is imported by way of another file": {
        "app.py": APP.replace("clock", "times"),
        "times.py": "from clock import age\n",
    },
}


@pytest.mark.parametrize("why", LEFT)
def test_another_module_is_left_alone_that(why, tmp_path):
    files = {"clock.py": CLOCK.replace("VALUE", "time.time()"), "app.py": APP}
    assert len(make_plan([written(tmp_path / "plain", files)], Options()).changes) == 1
    plan = make_plan([written(tmp_path / "app", files | LEFT[why])], Options())
    assert plan.changes == ()


TOKEN = """import time


def token(user, at=time.time()):
    return f"{user}:{at}"


def handler(event, context):
    return {"token": token(event["user"])}
"""
GIVEN = {
    "is given by position": TOKEN.replace('token(event["user"])', 'token(event["user"], event["at"])'),
    "is given by name": TOKEN.replace('token(event["user"])', 'token(event["user"], at=event["at"])'),
    "may be among others": TOKEN.replace('token(event["user"])', "token(*event['all'])"),
    "may be among named ones": TOKEN.replace('token(event["user"])', "token(**event)"),
    "is asked for twice": TOKEN.replace('token(event["user"])', "token(event['a']) + token(event['b'])"),
    "is asked for in a loop": TOKEN.replace('token(event["user"])', "[token(each) for each in event]"),
    "is handed on": TOKEN.replace('token(event["user"])', "list(map(token, event))"),
    "has a type": TOKEN.replace("at=", "at: float = "),
}


@pytest.mark.parametrize("why", GIVEN)
def test_a_default_is_left_alone_that(why, tmp_path):
    assert len(make_plan([written(tmp_path / "plain", {"app.py": TOKEN})], Options()).changes) == 1
    assert make_plan([written(tmp_path / "app", {"app.py": GIVEN[why]})], Options()).changes == ()


# What a clock or chance gives is another value for each call now, on purpose: verify, which compares with what new
# containers answer, has nothing to compare it with.
CALLS = """
import json, time, app
ticks = iter(range(1_700_000_000, 1_800_000_000))
time.time = lambda: next(ticks)
handler = getattr(app, "lambda_handler", None) or app.handler
print(json.dumps([handler(event, None) for event in ({events})]))
"""


def answers(root, events):
    text = CALLS.format(events=events)
    done = subprocess.run([sys.executable, "-c", text], cwd=root, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("program", GOLDEN)
def test_each_call_of_a_container_has_a_value_of_its_own(program, tmp_path):
    sources = {each.name: each.read_text() for each in (CATALOGUE / program).glob("*.py")}
    before = written(tmp_path / "before", sources)
    after = written(tmp_path / "after", sources | composed(CATALOGUE / program))
    events = "{'user': 'ann', 'body': '{}'}, " * 3
    old, new = answers(before, events), answers(after, events)
    assert old[0] == old[1] == old[2]
    assert len({json.dumps(each) for each in new}) == 3
    assert [each.keys() for each in new] == [each.keys() for each in old]
