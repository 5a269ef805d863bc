"""Values computed from the entries that they replace: one step, of which concurrent calls lose nothing."""

from pathlib import Path

import pytest
from test_red_team import finding_of, plan_of, rewritten

from statelift.analysis import analyse
from statelift.model import Options, Tier
from statelift.planning import plan_of as plan_of_analysis
from statelift.verify.events.steps import Step
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Sources, read_given, subjects_of
from statelift.verify.verdicts import Verdict

PROGRAM = """S = {{}}


def handler(event, context):
    k = str(event["k"])
    n = event["n"]
    {statement}
    return S.get(k)
"""
BECOMES = {
    "S[k] = S.get(k, 0) + n": "S.mutate(k, lambda entry: entry + n, 0)",
    "S[k] = max(S.get(k, n), n)": "",  # the default is evaluated in each try
    "S[k] = max(S.get(k) or 0, int(n))": "S.mutate(k, lambda entry: max(entry or 0, int(n)), None)",
    "S[k] = S[k] * 2": "S.mutate(k, lambda entry: entry * 2)",
    "S[k] = S.get(k, 0) + n, 1": "S.mutate(k, lambda entry: (entry + n, 1), 0)",
    "S[k] = S.get(k, 1) * S.get(k, 1)": "S.mutate(k, lambda entry: entry * entry, 1)",
    "S[k] = int(n) + S[k]": "",  # int() may raise before the KeyError
    "S[k] = S.get(str(n), 0) + 1": "",  # another entry
    "S[k] = len(str(input())) + S.get(k, 0)": "",  # what computes it again would ask again
    'S[k] = f"{S.get(k)}{n}"': "",  # where a part of an f-string stands, Python 3.11 does not tell
    "S[str(event['k'])] = S.get(str(event['k']), 0) + n": "",  # the key may raise after the value
}


@pytest.mark.parametrize("statement", BECOMES)
def test_what_is_computed_from_the_entry_is_one_step(tmp_path: Path, statement: str) -> None:
    source = PROGRAM.format(statement=statement)
    after = rewritten(tmp_path, source)
    if expected := BECOMES[statement]:
        assert f"    {expected}\n" in after
        assert "in one step" in str(plan_of(tmp_path, source).findings[0].reasons)
    else:
        assert "mutate" not in after


BALANCE = """import threading

LOCK = threading.Lock()
BALANCE = {}


def handler(event, context):
    account = event["account"]
    with LOCK:
        BALANCE[account] = BALANCE.get(account, 0) + event["amount"]
    return "ok" if event["amount"] else BALANCE[account]
"""


def test_nothing_is_lost_where_calls_run_at_the_same_time(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BALANCE)
    analysis = analyse([tmp_path], Options())
    plan = plan_of_analysis(analysis, Options())
    [subject] = subjects_of(plan, analysis, list(plan.changes), read_given(Sources()))
    steps = [Step("app:handler", "lambda", {"account": "a", "amount": n % 4}) for n in range(24)]
    with Sandbox() as sandbox:
        effort = Effort(runs=0, events=24, concurrency=3, shrinking=100)
        result = examine(sandbox, subject, steps, effort, lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason


KEPT = """import boto3

S = {}


def handler(event, context):
    k = str(event["k"])
    made = MADE
    S[k] = S.get(k) or made
    AFTER
    return bool(S.get(k))
"""


def test_what_an_entry_is_set_to_is_still_looked_at(tmp_path: Path) -> None:
    live = KEPT.replace("MADE", 'boto3.client("s3")').replace("AFTER", "print(k)")
    assert finding_of(plan_of(tmp_path, live), "S").tier is Tier.MANUAL
    changed = KEPT.replace("MADE", '{"n": 1}').replace("AFTER", 'made["n"] = 2')
    found = finding_of(plan_of(tmp_path, changed), "S")
    assert found.tier in (Tier.REVIEW, Tier.MANUAL)
    assert "is stored as a copy, but it is changed in place" in str(found.reasons)
