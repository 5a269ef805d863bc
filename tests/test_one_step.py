"""A store that a call reads before it writes: the function that does both is one transaction."""

from pathlib import Path

import pytest
from test_red_team import plan_of, rewritten

from statelift.analysis import analyse
from statelift.model import Edit, Options, Tier
from statelift.planning import plan_of as plan_of_analysis
from statelift.verify.events.steps import Step
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.verdicts import Verdict

BUCKETS = """import time

BUCKETS = {}


def allow(client, now):
    tokens, last = BUCKETS.get(client, (3, now))
    tokens = min(3, tokens + now - last)
    if tokens < 1:
        BUCKETS[client] = (tokens, now)
        return False
    BUCKETS[client] = (tokens - 1, now)
    return True


def handler(event, context):
    print("asked")
    return {"allowed": allow(event["client"], event["now"])}
"""
ACCOUNTS = """import json

ACCOUNTS = {}


def handler(event, context):
    print(json.dumps(event))
    if event["op"] == "open":
        ACCOUNTS[event["to"]] = event["amount"]
        return None
    known = ACCOUNTS.get(event["from"], 0)
    if known < event["amount"]:
        return "too little"
    ACCOUNTS[event["from"]] = known - event["amount"]
    ACCOUNTS[event["to"]] = ACCOUNTS.get(event["to"], 0) + event["amount"]
    return [ACCOUNTS[event["from"]], ACCOUNTS[event["to"]]]


def show(event, context):
    return ACCOUNTS.get(event["from"])
"""
RECORDS = """STOCK = {}


def take(item, count):
    left = STOCK.get(item, 5)
    if left < count:
        return "out"
    STOCK[item] = left - count
    return "taken"


def handler(event, context):
    return [take(record["item"], record["count"]) for record in event["Records"]]
"""


def reasons_of(tmp_path: Path, source: str) -> str:
    [change] = plan_of(tmp_path, source).changes
    assert change.tier is Tier.REVIEW
    return "\n".join(change.reasons)


def test_the_function_that_does_both_is_run_again(tmp_path: Path) -> None:
    after = rewritten(tmp_path, BUCKETS)
    assert "@one_step(BUCKETS, retry=True)\ndef allow(client, now):\n" in after
    assert after.count("one_step") == 2  # and its import
    assert "step of more than 100" not in reasons_of(tmp_path, BUCKETS)


def test_a_handler_that_says_something_is_not_run_again(tmp_path: Path) -> None:
    after = rewritten(tmp_path, ACCOUNTS)
    assert "@one_step(ACCOUNTS)\ndef handler(event, context):\n" in after
    assert "\n\n\ndef show(event, context):\n" in after  # it only reads


def test_each_message_is_a_step_of_its_own(tmp_path: Path) -> None:
    assert "@one_step(STOCK, retry=True)\ndef take(item, count):\n" in rewritten(tmp_path, RECORDS)


def test_a_loop_inside_of_a_step_is_told(tmp_path: Path) -> None:
    source = BUCKETS.replace("    print", "    for _ in event:\n        pass\n    print")
    assert "step of more than 100" not in reasons_of(tmp_path, source)
    source = RECORDS.replace("def take(item, count):", "def take(record):\n    item, count = record.values()")
    looped = """STOCK = {}


def handler(event, context):
    for item in event["items"]:
        left = STOCK.get(item, 5)
        print(left)
        STOCK[item] = left - 1
"""
    assert "a step of more than 100 raises ValueError" in reasons_of(tmp_path, looped)


@pytest.mark.parametrize(
    ("name", "source"),
    {
        "it reads the whole store": BUCKETS.replace("    if tokens < 1:", "    if len(BUCKETS) > 9:"),
        "threads go on": BUCKETS.replace("import time", "from threading import Thread").replace(
            "    print(", "    Thread(target=print).start()\n    print("
        ),
        "it is asynchronous": BUCKETS.replace("def allow", "async def allow")
        .replace("def handler", "async def handler")
        .replace("allow(event", "await allow(event"),
        "one operation": BUCKETS.replace("BUCKETS.get(client, (3, now))", "(3, now)"),
    }.items(),
)
def test_where_it_cannot_be_one_step(tmp_path: Path, name: str, source: str) -> None:
    assert not [change for change in plan_of(tmp_path, source).changes if "one_step" in str(change.reasons)], name


@pytest.mark.parametrize(
    ("line", "name"),
    [("import shelf", "shelf.KNOWN"), ("import shelf as kept", "kept.KNOWN"), ("from shelf import KNOWN", "KNOWN")],
)
def test_a_store_of_another_module_is_named_as_it_is_there(tmp_path: Path, line: str, name: str) -> None:
    handler = f"""{line}


def handler(event, context):
    n = {name}.get(event["k"], 0)
    print(n)
    {name}[event["k"]] = n + 1
    return n
"""
    assert f"@one_step({name})\n" in planned(tmp_path, {"shelf.py": "KNOWN = {}\n", "app.py": handler})


def test_a_handler_that_only_calls_the_module_of_a_store_names_it_there(tmp_path: Path) -> None:
    shelf = """KNOWN = {}


def known(key):
    return KNOWN.get(key)


def keep(key, value):
    KNOWN[key] = value
"""
    handler = """{}


def handler(event, context):
    if shelf.known(event["k"]) is None:
        print("new")
        shelf.keep(event["k"], event["v"])
"""
    files = {"shelf.py": shelf, "app.py": handler.format("import shelf")}
    assert "@one_step(shelf.KNOWN)\n" in planned(tmp_path / "one", files)
    files["app.py"] = handler.format("from shelf import keep, known").replace("shelf.", "")
    assert "one_step" not in planned(tmp_path / "other", files)


def planned(folder: Path, files: dict[str, str]) -> str:
    """The texts of the edits."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    [change] = plan_of_analysis(analyse([folder], Options()), Options()).changes
    return "\n".join(each.text for each in change.ops if isinstance(each, Edit))


# ---------------------------------------------------------------- at the same time

EVENTS = {
    BUCKETS: [("handler", {"client": "ab"[n % 2], "now": n // 3}) for n in range(18)],
    ACCOUNTS: [("handler", {"op": "open", "to": name, "amount": 9}) for name in "abc"]
    + [
        ("handler", {"op": "move", "from": "abc"[n % 3], "to": "bca"[n % 3], "amount": 1 + n % 4})
        for n in range(12)
    ]
    + [("show", {"from": name}) for name in "abc"],
    RECORDS: [("handler", {"Records": [{"item": f"i{n % 2}", "count": 1}]}) for n in range(15)],
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize("source", EVENTS, ids=["buckets", "accounts", "records"])
def test_events_at_the_same_time_answer_as_one_after_the_other(
    tmp_path: Path, sandbox: Sandbox, source: str
) -> None:
    (tmp_path / "app.py").write_text(source)
    analysis = analyse([tmp_path], Options())
    plan = plan_of_analysis(analysis, Options())
    [subject] = subjects_of(plan, analysis, list(plan.changes), read_given(Sources()))
    steps = [Step(f"app:{call}", "lambda", event) for call, event in EVENTS[source]]
    result = examine(
        sandbox, subject, steps, Effort(runs=0, events=18, concurrency=3, shrinking=60), lambda *_: None
    )
    assert result.verdict is Verdict.EQUIVALENT, result.reason
