"""What a call writes at once and what it writes at its end are two moments: who reviews the step is told."""

import pytest
from repositories import written

from statelift.model import Options, Tier
from statelift.planning import make_plan

STORE = """
    D[str(event["id"])] = str(event["state"])
"""
TWO = {
    "a store beside a list that is kept": (
        STORE + '    LOG.append(str(event["id"]))\n    return LOG, D.get("a")\n', "D",
    ),
    "numbers beside a list that is kept": (
        '    LOG.append(str(event["id"]))\n    return {"n": next(N), "log": LOG}\n', "N",
    ),
    "a list beside a store that is one step": (
        '    LOG.append(str(event["id"]))\n    if D.get(str(event["id"])) == "x":\n'
        '        D[str(event["id"])] = str(len(LOG))\n    return D.get("a")\n', "LOG",
    ),
}  # fmt: skip
ONE = {
    "two that are kept": '    LOG.append(str(event["id"]))\n    E[len(E)] = LOG[-1]\n    return LOG, list(E)\n',
    "never in one call": """    if event["state"]:
        LOG.append(str(event["id"]))
        return LOG
    if event["put"]:
        D[str(event["id"])] = "x"
    else:
        return D.get(str(event["id"]))
""",
}


def reasons_of(tmp_path, body):
    cells = "import itertools\n\nD = {}\nE = {}\nLOG = []\nN = itertools.count()\n"
    app = f"{cells}\n\ndef handler(event, context):\n{body}"
    plan = make_plan([written(tmp_path / "app", {"app.py": app})], Options())
    return {change.id: change.reasons for change in plan.changes}


@pytest.mark.parametrize("name", TWO)
def test_a_step_names_what_is_no_part_of_it(tmp_path, name):
    body, other = TWO[name]
    told = [each for reasons in reasons_of(tmp_path, body).values() for each in reasons]
    assert any(each.startswith(f"{other} is no part of that step: others may see") for each in told), told


@pytest.mark.parametrize("name", ONE)
def test_what_is_one_step_or_never_met_is_not_named(tmp_path, name):
    told = reasons_of(tmp_path, ONE[name])
    assert any(id_.endswith(".transaction") for id_ in told), told
    assert not [each for reasons in told.values() for each in reasons if "no part of that step" in each], told


WRITTEN = {
    "two stores": ('''    if event["state"]:
        D[str(event["id"])] = str(event["state"])
        E[str(event["id"])] = "x"
    elif event["e"]:
        return E.get(str(event["e"]))
    else:
        return D.get(str(event["id"]))
''', {"D": "it and E", "E": "it and D"}),
    "two entries of one": ('''    if event["state"]:
        D[str(event["id"])] = str(event["state"])
        D["last"] = str(event["id"])
    else:
        return D.get(str(event["id"]))
''', {"D": "it more than once"}),
    "one entry in each call": ('''    if event["state"]:
        D[str(event["id"])] = str(event["state"])
    elif event["e"]:
        D[str(event["e"])] = "x"
    else:
        return D.get(str(event["id"]))
''', {}),
    "one entry twice": ('''    if event["state"]:
        D[event["id"]] = "x"
        print(event["id"])
        D[event["id"]] = "y"
    else:
        return D.get(event["id"])
''', {"D": "it more than once"}),
    "an entry for each of many": ('''    if event["state"]:
        for name in event["names"]:
            D[str(name)] = str(event["state"])
    else:
        return D.get(str(event["id"]))
''', {"D": "it more than once"}),
}  # fmt: skip


TEMPLATE = """AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: app.handler
      Runtime: python3.12
"""


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_call_writes_one_after_the_other_is_told(tmp_path, name):
    body, expected = WRITTEN[name]
    app = f"D = {{}}\nE = {{}}\n\n\ndef handler(event, context):\n{body}"
    plan = make_plan([written(tmp_path / "app", {"app.py": app, "template.yaml": TEMPLATE})], Options())
    told = {change.title.split()[1]: str(change.reasons) for change in plan.changes}
    assert told
    assert {change.tier for change in plan.changes} == {Tier.REVIEW if expected else Tier.SAFE}
    for symbol, reasons in told.items():
        assert ("one after the other" in reasons) == (symbol in expected)
        assert expected.get(symbol, "") in reasons
