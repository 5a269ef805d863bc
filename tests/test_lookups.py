"""A check for an entry and the reads behind it: one read, where nothing is written in between."""

from pathlib import Path

import pytest
from repositories import written
from test_red_team import finding_of, plan_of, rewritten

from statelift.analysis import analyse
from statelift.model import Options, Tier
from statelift.planning import make_plan
from statelift.planning import plan_of as plan_of_analysis
from statelift.verify.events.steps import Step
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.verdicts import Verdict

HEAD = """D = {{}}


def store(key, event):
    D[key] = {value}


def forget(key):
    D.pop(key, None)


def handler(event, context):
    k = str(event["k"])
    match event["do"]:
        case "store":
            return store(k, event)
        case "forget":
            return forget(k)
"""
TEXT, JSON = 'str(event["v"])', 'event["v"]'
ONE_READ = {
    "returned": (
        TEXT,
        "    if k in D:\n        return D[k]\n    return 0\n",
        "    if (entry := D.get(k)) is not None:\n        return entry\n    return 0\n",
    ),
    "what may be None": (
        JSON,
        "    if k in D:\n        return D[k]\n    return 0\n",
        "    if (entry := D.get(k, MISSING)) is not MISSING:\n        return entry\n    return 0\n",
    ),
    "a variable": (
        TEXT,
        "    if k not in D:\n        return 404\n    found = D[k]\n    return found, found\n",
        "    if (found := D.get(k)) is None:\n        return 404\n    return found, found\n",
    ),
    "a variable with another value elsewhere": (
        TEXT,
        "    if k in D:\n        found = D[k]\n    else:\n        found = 0\n    return found\n",
        "    if (entry := D.get(k)) is not None:\n        found = entry\n"
        "    else:\n        found = 0\n    return found\n",
    ),
    "more than one read": (
        '{"a": event["v"]}',
        '    if k in D and D[k]["a"]:\n        print(D[k]["a"])\n',
        '    if (entry := D.get(k)) is not None and entry["a"]:\n        print(entry["a"])\n',
    ),
    "a choice": (JSON, "    return D[k] if k in D else 'none'\n", "    return D.get(k, 'none')\n"),
    "a choice of nothing": (JSON, "    return [D[k] if k in D else None]\n", "    return [D.get(k)]\n"),
    "each of a loop": (
        TEXT,
        '    for each in event["ks"]:\n        if each not in D:\n            continue\n        print(D[each])\n',
        '    for each in event["ks"]:\n        if (entry := D.get(each)) is None:\n            continue\n'
        "        print(entry)\n",
    ),
    "a key that is put together": (
        TEXT,
        '    if f"{k}:1" in D:\n        return D[f"{k}:1"]\n',
        '    if (entry := D.get(f"{k}:1")) is not None:\n        return entry\n',
    ),
    "a variable of a loop, which is read behind it": (
        TEXT,
        '    for k in event["ks"]:\n        if k in D:\n            found = D[k]\n    return found\n',
        '    for k in event["ks"]:\n        if (entry := D.get(k)) is not None:\n            found = entry\n'
        "    return found\n",
    ),
}
TWO_READS = {
    "written in between": "    if k in D:\n        forget(k)\n        return D.get(k)\n",
    "another key": "    if k in D:\n        k = k + k\n        return D[k]\n",
    "another round": '    if k in D:\n        for k in event["ks"]:\n            print(D[k])\n',
    "another function": "    if k in D:\n        return [each(k) for each in (lambda k: D.get(k),)]\n",
    "a write of its own": "    if k in D:\n        D[k] = 1\n        return D[k]\n",
    "no check": "    if k in D:\n        print(k)\n    return D.get(k)\n",
    "perhaps": '    if k in D or event["x"]:\n        return D.get(k)\n',
    "a key that is used up": '    if event["ks"].pop() in D:\n        return D[event["ks"].pop()]\n',
}


def program(value, lines):
    return HEAD.format(value=value) + lines


@pytest.mark.parametrize("name", ONE_READ)
def test_a_check_and_what_it_leads_to_are_one_read(tmp_path: Path, name: str) -> None:
    value, before, expected = ONE_READ[name]
    after = rewritten(tmp_path, program(value, before))
    assert after.endswith(f"return forget(k)\n{expected}")
    assert ("import MISSING, Store" in after) is ("MISSING" in expected)


@pytest.mark.parametrize("name", TWO_READS)
def test_what_is_not_the_same_entry_is_read_twice(tmp_path: Path, name: str) -> None:
    assert "D.contains(" in rewritten(tmp_path, program(TEXT, TWO_READS[name]))


OTHERS = {
    "a check": (
        "        if k in E:\n            return D[k], E[k]\n",
        "        if (entry := E.get(k)) is not None:\n            return D.require(k), entry\n",
    ),
    "an edit": (
        "        E[k]['n'] = D[k]\n    return E.get(k)\n",
        "        with E.edit(k) as entry:\n            entry['n'] = D.require(k)\n    return E.get(k)\n",
    ),
    "a sum": (
        "        E[k] = E.get(k, '') + D[k]\n        return E.get(k)\n",
        "        E.mutate(k, lambda entry: entry + D.require(k), '')\n        return E.get(k)\n",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_entries_of_two_stores_never_share_a_name(tmp_path: Path, name: str) -> None:
    before, expected = OTHERS[name]
    head = "E = {}\n" + program(TEXT, '    if event["do"] == "e":\n        E[k] = {"n": k}\n    if k in D:\n')
    after = rewritten(tmp_path, head + before)
    assert after.endswith(f"    if D.contains(k):\n{expected}")


TEMPLATE = """Resources:
  App:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.12, CodeUri: .}
"""
SESSIONS = """SESSIONS = {}


def handler(event, context):
    key = str(event["key"])
    match event["action"]:
        case "login":
            SESSIONS[key] = str(event["user"])
        case "logout":
            SESSIONS.pop(key, None)
        case "show":
            if key not in SESSIONS:
                return {"error": "not logged in"}
            user = SESSIONS[key]
            return {"user": user}
        case "name":
            return {"name": SESSIONS[key] if key in SESSIONS else "nobody"}
"""


def test_no_entry_can_go_between_the_check_and_the_read(tmp_path: Path) -> None:
    folder = written(tmp_path / "app", {"app.py": SESSIONS, "template.yaml": TEMPLATE})
    [finding] = make_plan([folder], Options()).findings
    assert finding.tier is Tier.SAFE, finding.reasons
    writing = "SESSIONS.setdefault('x', '1')\n            user = SESSIONS[key]"
    other = tmp_path / "other"
    other.mkdir()
    apart = plan_of(other, SESSIONS.replace("user = SESSIONS[key]", writing))
    assert "is a KeyError" in str(finding_of(apart, "SESSIONS").reasons)


def test_the_answers_are_those_of_one_container(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SESSIONS)
    analysis = analyse([tmp_path], Options())
    plan = plan_of_analysis(analysis, Options())
    [subject] = subjects_of(plan, analysis, list(plan.changes), read_given(Sources()))
    actions = ["login", "show", "logout", "name"]
    events = [{"key": "ab"[n % 2], "user": f"u{n}", "action": actions[n * 5 // 3 % 4]} for n in range(18)]
    steps = [Step("app:handler", "lambda", event) for event in events]
    with Sandbox() as sandbox:
        effort = Effort(runs=0, events=18, concurrency=3, shrinking=60)
        result = examine(sandbox, subject, steps, effort, lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason
