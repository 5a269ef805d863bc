"""What a counter's addition returns, where code reads it: the numbers are those of the original, call by call."""

import sys
import types
from unittest import mock

import pytest
from repositories import written
from test_runtime_world import TABLE, cloud, container

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

COUNTER = "n = {start}\n\n\ndef helper():\n    {helper}\n\n\ndef handler(event, context):\n    global n\n{body}"


def program(body: str, *, start: int = 0, helper: str = "return 0") -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return COUNTER.format(start=start, body=lines, helper=helper.replace("\n", "\n    "))


def migrated(tmp_path, text):
    root = written(tmp_path / "project", {"app.py": text})
    plan = make_plan([root], Options())
    writes = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    return plan, {write.path: write.after.decode() for write in writes}


def answers(text, events, helper=""):
    """The answers of a program; an exception is one, too."""
    module = types.ModuleType("app")
    found = []
    with mock.patch.dict(sys.modules, {"statelift_state": container(helper)} if helper else {}):
        exec(compile(text, "app.py", "exec"), module.__dict__)
        for event in events:
            try:
                found.append(module.handler(event, None))
            except (KeyError, ZeroDivisionError) as error:
                found.append(repr(error))
    return found


def check(tmp_path, monkeypatch, text, variable, events):
    plan, files = migrated(tmp_path, text)
    with cloud():
        monkeypatch.setenv(variable, __import__("os").environ[TABLE])
        assert answers(files["app.py"], events, files["statelift_state.py"]) == answers(text, events)
    again = make_plan([written(tmp_path / "again", files)], Options())
    assert again.changes == ()
    return plan, files["app.py"]


FORMS = {
    "behind": ("n += 1\nreturn n", "n = _n_counter.add(1)"),
    "twice": ("n += 1\nn += 2\nreturn n", "n = _n_counter.add(2)"),
    "in front": ("x = n\nn += 1\nreturn x", "x = _n_counter.add(1) - 1\n    return x"),
    "in front, by more": ("x = n\nn += 5\nreturn x", "x = _n_counter.add(5) - 5\n"),
    "in front, down": ("x = n\nn -= 2\nreturn x", "x = _n_counter.add(-2) + 2\n"),
    "in a dict": ('x = {"id": n}\nn += 1\nreturn x', 'x = {"id": _n_counter.add(1) - 1}\n'),
    "in a sum": ("x = 2 * n\nn += 1\nreturn x", "x = 2 * (_n_counter.add(1) - 1)\n"),
    "in a text": ('x = f"A{n}"\nn += 1\nreturn x', "_n_counter.add(1) - 1"),
    "less one": ("n += 1\nreturn n - 1", "return n - 1"),
    "down": ("n -= 1\nreturn n", "n = _n_counter.add(-1)"),
    "under a condition": ("if event:\n    x = n\n    n += 1\n    return x\nreturn None", "_n_counter.add(1) - 1"),
    "read elsewhere": ("x = n if event else 0\nn += 1\nreturn x", "_n_counter.value()"),
    "one behind the other": ("x = n\ny = 1\nn += 1\nreturn x + y", "x = _n_counter.value()"),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("start", [0, 7])
def test_the_numbers_are_those_of_the_original(tmp_path, monkeypatch, name, start):
    body, expected = FORMS[name]
    text = program(body, start=start)
    plan, after = check(tmp_path, monkeypatch, text, "COUNTERS_TABLE_NAME", [1, 0, 1, 1])
    assert expected in after
    assert [change.tier for change in plan.changes] == [Tier.REVIEW]


def test_what_a_called_function_adds_is_not_missed(tmp_path, monkeypatch):
    text = program("n += 1\nhelper()\nreturn n", helper="global n\nn += 1")
    _, after = check(tmp_path, monkeypatch, text, "COUNTERS_TABLE_NAME", [1, 1])
    assert "return _n_counter.value()" in after
    assert "    _n_counter.add(1)\n    helper()" in after


def test_two_counters_without_global_in_one_module_and_one_in_two_functions_are_findings_of_their_own(tmp_path):
    text = (
        "n = 0\nm = 0\n\n\ndef handler(event, context):\n    n += 1\n    return event\n\n\n"
        "def other(event, context):\n    n += 1\n    m += 1\n    return event\n"
    )
    plan = make_plan([written(tmp_path / "project", {"app.py": text})], Options())
    assert [finding.symbol for finding in plan.findings] == ["n", "m"]
    [first, _] = plan.findings
    assert [use.line for use in first.uses] == [6, 11]
    assert first.handlers == ("app.handler", "app.other")
    assert sum("raises UnboundLocalError" in reason for reason in first.reasons) == 2
    assert first.message.endswith("handler() and other() always raise")
