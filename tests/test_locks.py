"""Locks around what moves to a table: they go where they guard nothing else, and stay with a reason elsewhere."""

import ast
from pathlib import Path

import pytest
from test_red_team import finding_of, plan_of, rewritten

from statelift.analysis import analyse
from statelift.model import Options
from statelift.planning import plan_of as plan_of_analysis
from statelift.verify.events.steps import Step
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.verdicts import Verdict

STORE = """import json
import threading

LOCK = threading.Lock()
STATUS = {}


def handler(event, context):
    key = str(event["key"])
    with LOCK:
        # under the lock
        if "value" in event:
            STATUS[key] = str(event["value"])

        found = STATUS.get(key)
    return json.dumps(found)
"""
MOVED = """import json

from statelift_state import Store, one_step

STATUS = Store("STATUS_TABLE_NAME")


@one_step(STATUS)
def handler(event, context):
    key = str(event["key"])
    # under the lock
    if "value" in event:
        STATUS.put(key, str(event["value"]))

    found = STATUS.get(key)
    return json.dumps(found)
"""
COUNTER = """\"\"\"Tickets.\"\"\"

from threading import Lock

lock = Lock()
tickets = 0


def handler(event, context):
    global tickets
    with lock:
        tickets += 1
        return {"ticket": tickets}
"""
COUNTED = """\"\"\"Tickets.\"\"\"

from statelift_state import Counter

_tickets_counter = Counter("COUNTERS_TABLE_NAME", "app.tickets")


def handler(event, context):
    tickets = _tickets_counter.add(1)
    return {"ticket": tickets}
"""
CLAIMED = """from threading import Lock

_lock = Lock()
SEEN = set()


def first(message):
    with _lock:
        if message in SEEN:
            return False
        # from now on it counts as seen
        SEEN.add(message)
        return True


def handler(event, context):
    return [first(str(each)) for each in event["ids"]]
"""
CLAIMED_AFTER = """from statelift_state import Store

SEEN = Store("SEEN_TABLE_NAME")


def first(message):
    # from now on it counts as seen
    if not SEEN.claim(message):
        return False
    return True


def handler(event, context):
    return [first(str(each)) for each in event["ids"]]
"""
CARTS = """import threading

CARTS = {}
_lock = threading.RLock()


def handler(event, context):
    user = str(event["user"])
    with _lock:
        CARTS.setdefault(user, []).append(str(event["item"]))
        if event.get("clear"):
            CARTS.pop(user)
            return []
        return CARTS.get(user)
"""
CARTS_AFTER = """from statelift_state import Store, one_step

CARTS = Store("CARTS_TABLE_NAME")


@one_step(CARTS)
def handler(event, context):
    user = str(event["user"])
    with CARTS.edit(user, []) as cart:
        cart.append(str(event["item"]))
    if event.get("clear"):
        CARTS.pop(user)
        return []
    return CARTS.get(user)
"""
GOING = {STORE: MOVED, COUNTER: COUNTED, CLAIMED: CLAIMED_AFTER, CARTS: CARTS_AFTER}
NAMES = ["a store", "a counter", "a claim", "an edit"]
FOUND = "        found = STATUS.get(key)\n"
SENDING = STORE.replace("import json", "from mail import send\nimport json")
STAYING = {
    "another cell": (
        STORE.replace(FOUND, f"{FOUND}        LOG.put(key)\n").replace("(found)", "([found, LOG.qsize()])")
        + "\n\nfrom queue import Queue\n\nLOG = Queue()\n",
        "LOG",
    ),
    "other code": (
        STORE.replace(FOUND, f"{FOUND}        send(found)\n").replace(
            "import json", "from mail import send\nimport json"
        ),
        "send()",
    ),
    "another object": (STORE.replace(FOUND, f"{FOUND}        context.key = key\n"), "context.key"),
    "another use": (
        STORE.replace("    return json", "    if LOCK.locked():\n        return None\n    return json"),
        "in another way",
    ),
    "threads": (STORE.replace("import threading", "import threading\n\nBACKGROUND = threading.Thread"), "threads"),
    "a comment beside it": (STORE.replace("threading.Lock()", "threading.Lock()  # for STATUS"), "a comment"),
    "a comment above it": (STORE.replace("LOCK =", "# guards STATUS\nLOCK ="), "a comment"),
    "a text of more lines": (
        STORE.replace(FOUND, f'{FOUND}        found = found or """none\n        yet"""\n'),
        "to the left",
    ),
}


@pytest.mark.parametrize("source", GOING, ids=NAMES)
def test_a_lock_that_guards_nothing_else_goes(tmp_path: Path, source: str) -> None:
    assert rewritten(tmp_path, source) == GOING[source]
    plan = plan_of(tmp_path, source)
    [change] = plan.changes
    assert "it guards nothing else" in str(change.reasons)


@pytest.mark.parametrize("name", STAYING)
def test_a_lock_that_may_be_needed_stays_with_a_reason(tmp_path: Path, name: str) -> None:
    source, why = STAYING[name]
    ast.parse(source)
    after = rewritten(tmp_path, source)
    assert "    with LOCK:\n" in after
    assert "STATUS.put(" in after
    plan = plan_of(tmp_path, source)
    own = [change for change in plan.changes if change.id in finding_of(plan, "STATUS").changes]
    [reason] = [each for change in own for each in change.reasons if "the lock LOCK stays" in each]
    assert why in reason


def test_an_import_that_others_need_stays(tmp_path: Path) -> None:
    source = STORE.replace("    return json", "    print(threading.current_thread().name)\n    return json")
    after = rewritten(tmp_path, source)
    assert "import threading\n" in after
    assert "LOCK" not in after


def test_without_the_lock_the_answers_are_those_of_one_container(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CLAIMED)
    analysis = analyse([tmp_path], Options())
    plan = plan_of_analysis(analysis, Options())
    [subject] = subjects_of(plan, analysis, list(plan.changes), read_given(Sources()))
    steps = [Step("app:handler", "lambda", {"ids": [n % 3, n % 4]}) for n in range(12)]
    with Sandbox() as sandbox:
        effort = Effort(runs=0, events=12, concurrency=3, shrinking=60)
        result = examine(sandbox, subject, steps, effort, lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason
