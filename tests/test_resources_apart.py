"""Code roots that are deployed beside each other get resources of their own: what was apart stays apart."""

import itertools

import pytest
from repositories import written

from statelift.model import EnsureResource, Options
from statelift.planning import make_plan

STATE = """\
import json
SESSIONS = {}
hits = 0


def handler(event, context):
    global hits
    hits += 1
    if "name" in event:
        SESSIONS[event["user"]] = event["name"]
        with open("/tmp/last.json", "w") as file:
            json.dump(event, file)
    with open("/tmp/last.json") as file:
        last = json.load(file)
    return {"name": SESSIONS.get(event["user"]), "hits": hits, "last": last}
"""
FUNCTION = """\
  {name}:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: {folder}/
      Handler: app.handler
      Runtime: python3.12
"""
HEAD = "AWSTemplateFormatVersion: '2010-09-09'\nTransform: AWS::Serverless-2016-10-31\nResources:\n"


def resources(tmp_path, *folders, template=True):
    files = {f"{folder}/app.py": STATE for folder in folders}
    if template:
        declared = (FUNCTION.format(name=f"F{n}", folder=folder) for n, folder in enumerate(folders))
        files["template.yaml"] = HEAD + "".join(declared)
    plan = make_plan([written(tmp_path, files)], Options())
    made = [(change.id, op.id) for change in plan.changes for op in change.ops if isinstance(op, EnsureResource)]
    homes = {finding.id: finding.place.path for finding in plan.findings}
    return {folder: {id_ for change, id_ in made if homes[change.partition(".")[0]].startswith(f"{folder}/")}
            for folder in folders}  # fmt: skip


@pytest.mark.parametrize("template", [True, False])
@pytest.mark.parametrize("folders", [("a", "b"), ("orders/src", "users/src", "orders"[:3])])
def test_two_programs_with_the_same_names_share_nothing(tmp_path, folders, template):
    found = resources(tmp_path, *folders, template=template)
    assert all(len(ids) == 3 for ids in found.values())
    for one, other in itertools.combinations(found.values(), 2):
        assert not one & other


def test_one_program_keeps_the_short_names(tmp_path):
    assert resources(tmp_path, "src") == {"src": {"SessionsTable", "StateTable", "TmpFilesBucket"}}


def test_names_that_would_run_into_one_are_not_patched_in_silence(tmp_path):
    files = {"a/app.py": STATE.replace("SESSIONS", "B_ITEMS"), "a/b/app.py": STATE.replace("SESSIONS", "ITEMS")}
    declared = FUNCTION.format(name="F1", folder="a") + FUNCTION.format(name="F2", folder="a/b")
    plan = make_plan([written(tmp_path, {**files, "template.yaml": HEAD + declared})], Options())
    made = [op for change in plan.changes for op in change.ops if isinstance(op, EnsureResource)]
    tables = [op.id for op in made if dict(op.properties)["origin"].rpartition(":")[2] != "hits"]
    assert len(tables) == len(set(tables))
    assert any(
        "ABItemsTable with different values of root" in reason for f in plan.findings for reason in f.reasons
    )
