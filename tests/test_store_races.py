"""Operations of a store are atomic one by one: an event that another one may part is for review, never safe."""

import pytest
from repositories import written

from statelift.model import Options, Tier
from statelift.planning import make_plan

TEMPLATE = """Resources:
  App:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.12, CodeUri: .}
"""
READ_THEN_WRITE = {
    "by a variable": """
    known = STATUS.get(str(event["id"]), "new")
    if event["pay"]:
        STATUS[str(event["id"])] = "paid"
    return known
""",
    "in another function": """
    if not allowed(str(event["id"])):
        return "no"
    STATUS[str(event["id"])] = "paid"
    return "yes"

def allowed(key):
    return STATUS.get(key) != "paid"
""",
    "without a condition": """
    known = STATUS.get(str(event["id"]), "")
    STATUS[str(event["id"])] = "seen"
    return known
""",
}
WRITTEN_THEN_READ = {
    "what it wrote": """
    if event["state"] != "":
        STATUS[str(event["id"])] = str(event["state"])
    return STATUS.get(str(event["id"]))
""",
    "what another function wrote": """
    save(str(event["id"]), str(event["state"]))
    return STATUS.get(str(event["id"]))

def save(key, state):
    STATUS[key] = state
""",
    "an error that is kept and told": """
    try:
        work(event)
    except ValueError as error:
        return {"error": str(error), "kept": STATUS[str(event["id"])]}

def work(event):
    try:
        STATUS[str(event["id"])] = str(int(event["state"]))
    except ValueError as error:
        STATUS[str(event["id"])] = str(error)
        raise
""",
    "after a removal": """
    if event["state"] == "new":
        STATUS[str(event["id"])] = "new"
    else:
        STATUS.pop(str(event["id"]), None)
        return str(event["id"]) in STATUS
""",
}
READ_TWICE = {
    "the same entry": """
    if event["state"] == "new":
        STATUS[str(event["id"])] = "new"
    else:
        return {"was": STATUS.get(str(event["id"])), "is": STATUS.get(str(event["id"]))}
""",
    "two entries": """
    if event["state"] == "new":
        STATUS[str(event["id"])] = "new"
        STATUS[str(event["other"])] = "old"
    else:
        return STATUS.get(str(event["id"])) == STATUS.get(str(event["other"]))
""",
}
APART = {
    "branches": """
    if event["action"] == "pay":
        STATUS[str(event["id"])] = "paid"
    else:
        return STATUS.get(str(event["id"]))
""",
    "an early return": """
    if event["action"] == "show":
        return STATUS.get(str(event["id"]))
    STATUS[str(event["id"])] = "paid"
""",
    "cases": """
    match event["action"]:
        case "show":
            return STATUS.get(str(event["id"]))
        case "pay":
            STATUS[str(event["id"])] = "paid"
        case _:
            return None
""",
    "one atomic operation": """
    if event["action"] == "take":
        return STATUS.pop(str(event["id"]), "")
    return STATUS.setdefault(str(event["id"]), "new")
""",
}


def tier_of(tmp_path, body):
    program = f"STATUS = {{}}\n\n\ndef handler(event, context):{body}"
    folder = written(tmp_path / "app", {"app.py": program, "template.yaml": TEMPLATE})
    [finding] = make_plan([folder], Options()).findings
    return finding.tier, finding.reasons


@pytest.mark.parametrize("name", READ_THEN_WRITE)
def test_a_read_and_a_later_write_in_one_event_are_for_review(tmp_path, name):
    tier, reasons = tier_of(tmp_path, READ_THEN_WRITE[name])
    assert tier is Tier.REVIEW
    assert any("in the same event: another invocation may come in between" in reason for reason in reasons)


@pytest.mark.parametrize("name", WRITTEN_THEN_READ)
def test_what_a_call_wrote_may_be_another_ones_when_it_is_read(tmp_path, name):
    tier, reasons = tier_of(tmp_path, WRITTEN_THEN_READ[name])
    assert tier is Tier.REVIEW
    assert any("writes it and line" in each and "reads it in the same event" in each for each in reasons)


@pytest.mark.parametrize("name", READ_TWICE)
def test_two_reads_of_a_call_may_be_of_different_moments(tmp_path, name):
    tier, reasons = tier_of(tmp_path, READ_TWICE[name])
    assert tier is Tier.REVIEW
    assert any("reads it again in the same event" in reason for reason in reasons)


@pytest.mark.parametrize("name", APART)
def test_what_no_event_does_both_of_is_safe(tmp_path, name):
    tier, reasons = tier_of(tmp_path, APART[name])
    assert tier is Tier.SAFE, reasons
