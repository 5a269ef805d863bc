"""Tests and other modules that touch what is moved are named in the reasons of its change, however they do it."""

import pytest
from repositories import written

from statelift.model import Options, Tier
from statelift.planning import make_plan

TEMPLATE = """Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {{Handler: app.handler, Runtime: python3.12, CodeUri: {root}}}
"""
CELLS = {
    "store": (
        "CELL = {}",
        "key = str(event['id'])\n    if 'v' in event:\n        CELL[key] = str(event['v'])\n        return None\n"
        "    return CELL.get(key)",
    ),
    "counter": ("CELL = 0", "global CELL\n    CELL += 1\n    return CELL"),
    "metric": ("CELL = 0", "global CELL\n    CELL += 1\n    return event"),
    "tally": (
        "from collections import defaultdict\n\nCELL = defaultdict(int)",
        "CELL[event['id']] += 1\n    return CELL[event['id']]",
    ),
    "transaction": ("CELL = []", "CELL.append(event['id'])\n    return sorted(CELL)"),
    "slot": ("CELL = None", "global CELL\n    before = CELL\n    CELL = event['id']\n    return before"),
}
TOUCHING = {
    "import": "from app import CELL\n\n\ndef test_it():\n    assert not CELL\n",
    "attribute": "import app\n\n\ndef test_it():\n    app.CELL['a'] = 1\n",
    "setattr": 'import app\n\n\ndef test_it(monkeypatch):\n    monkeypatch.setattr(app, "CELL", {})\n',
    "setattr by path": 'def test_it(monkeypatch):\n    monkeypatch.setattr("app.CELL", {})\n',
    "patch.dict": "from unittest import mock\n\n\n"
    '@mock.patch.dict("app.CELL", {"a": 1})\ndef test_it():\n    pass\n',
    "patch.object": "from unittest.mock import patch\nimport app\n\n\n"
    '@patch.object(app, "CELL", 5)\ndef test_it():\n    pass\n',
}  # fmt: skip


def planned(tmp_path, kind, others, root="src/", options=None):
    first, body = CELLS[kind]
    app = f"{first}\n\n\ndef handler(event, context):\n    {body}\n"
    files = {f"{root}app.py": app, "template.yaml": TEMPLATE.format(root=root or "."), **others}
    return make_plan([written(tmp_path / "project", files)], options or Options())


def naming(plan, path):
    """Of each change of the program, whether its reasons name a file."""
    return [any(path in reason for reason in change.reasons) for change in plan.changes]


@pytest.mark.parametrize("how", TOUCHING)
@pytest.mark.parametrize("kind", CELLS)
def test_a_test_is_named(tmp_path, kind, how):
    plan = planned(tmp_path, kind, {"tests/test_app.py": TOUCHING[how]})
    assert plan.changes
    assert all(naming(plan, "tests/test_app.py"))
    assert {change.tier for change in plan.changes} == {Tier.REVIEW}


@pytest.mark.parametrize("options", [Options(style="inline"), Options(style="transaction")], ids=lambda o: o.style)
@pytest.mark.parametrize("kind", ["store", "counter", "tally"])
def test_in_every_style(tmp_path, kind, options):
    plan = planned(tmp_path, kind, {"tests/test_app.py": TOUCHING["setattr"]}, options=options)
    assert plan.changes
    assert all(naming(plan, "tests/test_app.py"))


@pytest.mark.parametrize("kind", CELLS)
def test_without_such_a_test_nothing_is_named(tmp_path, kind):
    other = "import app\n\n\ndef test_it():\n    assert app.handler({}, None) == 'EXCELLENT'\n"
    plan = planned(tmp_path, kind, {"tests/test_app.py": other})
    assert plan.changes
    assert not any(naming(plan, "test_app.py"))


def test_all_of_them_are_named_and_many_are_counted(tmp_path):
    tests = {f"tests/test_{n}.py": TOUCHING["import"] for n in range(2)}
    [change] = planned(tmp_path / "a", "store", tests).changes
    assert "tests/test_0.py and tests/test_1.py mention CELL, which is no dict any more" in change.reasons
    tests = {f"tests/test_{n}.py": TOUCHING["import"] for n in range(9)}
    [change] = planned(tmp_path / "b", "store", tests).changes
    assert any("tests/test_2.py and 6 more files mention CELL" in reason for reason in change.reasons)


SCRIPT = "import sys\n\nsys.path.insert(0, 'src')\n{line}\n\nprint({use})\n"


@pytest.mark.parametrize(
    ("line", "use", "is_named"),
    [
        ("from app import CELL", "CELL", True),
        ("import app", "app.CELL", True),
        ("from src.app import CELL as known", "known", True),
        ("import app", "app.handler", False),
        ("import json", "json.dumps('CELL')", False),
    ],
)
@pytest.mark.parametrize("kind", ["store", "counter", "transaction"])
def test_a_module_that_is_not_deployed_with_it_is_named(tmp_path, kind, line, use, is_named):
    plan = planned(tmp_path, kind, {"scripts/show.py": SCRIPT.format(line=line, use=use)})
    assert plan.changes
    assert set(naming(plan, "scripts/show.py")) == {is_named}


def test_a_program_with_a_module_of_that_name_means_its_own(tmp_path):
    theirs = {"other/app.py": "CELL = {}\n", "other/show.py": "from app import CELL\n\nprint(CELL)\n"}
    plan = planned(tmp_path, "store", theirs)
    assert not any(naming(plan, "other/show.py"))


@pytest.mark.parametrize(("line", "is_named"), [("from functions.orders import app", True), ("import app", False)])
def test_tests_far_away_are_named_where_they_are_about_the_program(tmp_path, line, is_named):
    far = f"{line}\n\n\ndef test_it():\n    app.CELL.clear()\n"
    plan = planned(tmp_path, "store", {"tests/unit/test_orders.py": far}, root="functions/orders/")
    assert naming(plan, "tests/unit/test_orders.py") == [is_named]


def test_who_looks_for_a_file_in_tmp_is_named(tmp_path):
    app = (
        'import json\n\n\ndef handler(event, context):\n    if "v" in event:\n'
        '        with open("/tmp/last.json", "w") as file:\n            json.dump(event, file)\n        return {}\n'
        '    with open("/tmp/last.json") as file:\n        return json.load(file)\n'
    )
    files = {"app.py": app, "tests/test_app.py": "def test_it():\n    open('/tmp/last.json').close()\n"}
    [change] = make_plan([written(tmp_path / "project", files)], Options()).changes
    assert "tests/test_app.py mentions /tmp/last.json, which lies in S3 then" in change.reasons
