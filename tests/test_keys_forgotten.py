"""Keys that a call appends to a Powertools logger: removed where each call begins, or told why not."""

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

PROGRAM = """from aws_lambda_powertools import Logger

logger = Logger(service="shop")


def handler(event, context):
    if "user" in event:
        logger.append_keys(user=event["user"], kind="a")
    logger.info("called")
    return {"id": event["id"]}
"""


def planned(tmp_path, text):
    root = written(tmp_path / "app", {"app.py": text})
    return root, make_plan([root], Options())


def composed(tmp_path, text):
    root, plan = planned(tmp_path, text)
    [write] = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    return write.after.decode()


def lines(root):
    """What three calls of one container write to the log, with the stand-in for Powertools."""
    calls = "import app\nfor event in ({'id': 1}, {'id': 2, 'user': 'ann'}, {'id': 3}): app.handler(event, None)"
    stand_ins = Path(__file__).with_name("stand_ins")
    text = f"import sys\nsys.path.append({str(stand_ins)!r})\n{calls}"
    done = subprocess.run([sys.executable, "-c", text], cwd=root, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_has_the_keys_of_its_own_call_only(tmp_path):
    root, plan = planned(tmp_path, PROGRAM)
    assert [line.get("user") for line in lines(root)] == [None, "ann", "ann"]
    assert [(change.tier, change.id.partition(".")[2]) for change in plan.changes] == [(Tier.REVIEW, "localise")]
    made = composed(tmp_path, PROGRAM)
    assert 'context):\n    logger.remove_keys(["kind", "user"])\n    if' in made
    again = written(tmp_path / "again", {"app.py": made})
    assert [line.get("user") for line in lines(again)] == [None, "ann", None]
    assert make_plan([again], Options()).findings == ()


def test_an_id_of_the_request_is_a_key(tmp_path):
    text = PROGRAM.replace(
        'logger.append_keys(user=event["user"], kind="a")', 'logger.set_correlation_id(event["user"])'
    )
    assert 'logger.remove_keys(["correlation_id"])' in composed(tmp_path, text)


TOLD = {
    "keys that are not written out": (
        PROGRAM.replace('user=event["user"]', "**event"), "which keys it is given is not written out"
    ),
    "a key of the constructor": (
        PROGRAM.replace('"shop")', '"shop", user="nobody")'), "line 3 gives it a key of that name"
    ),
    "a decorator that can do it": (
        PROGRAM.replace("def handler", "@logger.inject_lambda_context\ndef handler"), "say clear_state=True to"
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", TOLD)
def test_why_keys_are_only_told(tmp_path, why):
    text, reason = TOLD[why]
    _, plan = planned(tmp_path, text)
    [finding] = plan.findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert any(each.startswith(reason) for each in finding.reasons), finding.reasons


REMOVED = {
    "all of them first": ('    logger.remove_keys(["kind", "user"])\n', True),
    "one of two": ('    logger.remove_keys(["user"])\n', False),
    "some calls only": ('    if event:\n        logger.remove_keys(["kind", "user"])\n', False),
    "names that are computed": ("    logger.remove_keys(list(event))\n", False),
    "behind a line": ('    logger.info("begins")\n    logger.remove_keys(["kind", "user"])\n', False),
}


@pytest.mark.parametrize("form", REMOVED)
def test_what_is_removed_by_hand_counts_where_it_is_all(tmp_path, form):
    line, is_enough = REMOVED[form]
    _, plan = planned(tmp_path, PROGRAM.replace("    if ", f"{line}    if ", 1))
    assert (plan.findings == ()) is is_enough
