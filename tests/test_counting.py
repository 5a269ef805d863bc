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


KEYED = "{imports}counts = {made}\n\n\ndef handler(event, context):\n{body}"
EMPTY = {"a dict": ("", "{}"), "dict()": ("", "dict()")}
COUNTING = {
    "defaultdict": ("import collections\n\n", "collections.defaultdict(int)"),
    "a lambda": ("from collections import defaultdict\n\n", "defaultdict(lambda: 0)"),
    "Counter": ("from collections import Counter\n\n", "Counter()"),
}
BY_GET = {
    "read behind": ("counts[k] = counts.get(k, 0) + 1\nreturn counts[k]", "return count\n"),
    "by more, from behind": (
        "counts[k] = counts.get(k, 0) + 3\nreturn counts.get(k, 0)",
        "count = counts.add(k, 3)",
    ),
    "down": ("counts[k] = counts.get(k, 0) - 2\nreturn counts[k]", "count = counts.add(k, -2)"),
    "under a condition": (
        'if event["n"]:\n    counts[k] = counts.get(k, 0) + 1\nreturn counts.get(k, 0)',
        "return counts.get(k, 0)\n",
    ),
    "asked before": (
        "if counts.get(k, 0) >= 2:\n    return 'full'\ncounts[k] = counts.get(k, 0) + 1\nreturn 'ok'",
        "if counts.get(k, 0) >= 2:",
    ),
    "two keys": (
        'counts[k] = counts.get(k, 0) + 1\ncounts["a"] = counts.get("a", 0) + 1\nreturn counts[k]',
        ("return counts.require(k)\n", "return counts.get(k, 0)\n"),
    ),
}
BY_STEP = {
    "read behind": ("counts[k] += 1\nreturn {'n': counts[k]}", "return {'n': count}"),
    "by what comes in": ("counts[k] += int(event['n'])\nreturn counts[k]", "counts.add(k, int(event['n']))"),
    "down": ("counts[k] -= 1\nreturn counts[k]", "counts.add(k, -1)"),
    "read only": ("if event['n']:\n    counts[k] += 1\nreturn counts[k]", "return counts.get(k, 0)"),
}
CASES = [(made, form) for made in (*EMPTY.values(), *COUNTING.values()) for form in BY_GET.values()]
CASES += [(made, form) for made in COUNTING.values() for form in BY_STEP.values()]
CASES += [
    (EMPTY["a dict"], ("if k in counts:\n    return counts[k]\ncounts[k] = counts.get(k, 0) + 1", "contains(k)"))
]
KEYED_EVENTS = [
    {"k": k, "n": n} for k, n in (("a", 0), ("b", 1), ("a", 2), (1, 1), (True, 1), ("a", 1), (None, 1), ("", 1))
]


def keyed(made, body):
    lines = "".join(f"    {line}\n" for line in ('k = event["k"]\n' + body).splitlines())
    return KEYED.format(imports=made[0], made=made[1], body=lines)


@pytest.mark.parametrize(("made", "form"), CASES)
def test_a_count_of_each_key_is_one_addition(tmp_path, monkeypatch, made, form):
    body, expected = form
    plan, after = check(tmp_path, monkeypatch, keyed(made, body), "COUNTS_TABLE_NAME", KEYED_EVENTS)
    assert 'counts = Counters("COUNTS_TABLE_NAME")' in after
    assert any(text in after for text in ([expected] if isinstance(expected, str) else expected))
    assert [change.tier for change in plan.changes] == [Tier.REVIEW]
    assert [change.id.rpartition(".")[2] for change in plan.changes] == ["counters"]


OTHERS = {
    "a missing key raises": (EMPTY["a dict"], "counts[k] += 1\nreturn counts[k]"),
    "all of them": (COUNTING["Counter"], "counts[k] += 1\nreturn dict(counts)"),
    "how many": (COUNTING["Counter"], "counts[k] += 1\nreturn len(counts)"),
    "what a read leaves behind": (COUNTING["defaultdict"], "counts[k] += 1\nreturn [counts[1], 2 in counts]"),
    "nothing is no 0": (COUNTING["defaultdict"], "counts[k] += 1\nreturn [counts[1], counts.get(2)]"),
    "set": (COUNTING["Counter"], "counts[k] += 1\nif counts[k] > 2:\n    counts[k] = 0\nreturn counts[k]"),
    "no whole number": (COUNTING["Counter"], "counts[k] += 0.5\nreturn counts[k]"),
    "a key that moves": (EMPTY["a dict"], "counts[k] = counts.get(k, 0) + 1\nk = 1\nreturn counts.get(k, 0)"),
    "begun": (("", '{"a": 1}'), "counts[k] = counts.get(k, 0) + 1\nreturn counts[k]"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_an_addition_cannot_do_is_done_in_another_way(tmp_path, name):
    made, body = OTHERS[name]
    plan, _ = migrated(tmp_path, keyed(made, body))
    assert [finding.symbol for finding in plan.findings] == ["counts"]
    assert not any(change.id.endswith(".counters") for change in plan.changes)


def test_what_a_called_function_adds_is_not_missed(tmp_path, monkeypatch):
    text = program("n += 1\nhelper()\nreturn n", helper="global n\nn += 1")
    _, after = check(tmp_path, monkeypatch, text, "COUNTERS_TABLE_NAME", [1, 1])
    assert "return _n_counter.value()" in after
    assert "    _n_counter.add(1)\n    helper()" in after


@pytest.mark.parametrize("line", ["x = n + helper()", "x = helper() + n", "x = [n, helper()]"])
def test_what_a_called_function_reads_is_not_counted_too_early(tmp_path, monkeypatch, line):
    text = program(f"{line}\nn += 1\nreturn x", helper="return n")
    _, after = check(tmp_path, monkeypatch, text, "COUNTERS_TABLE_NAME", [1, 1])
    assert "_n_counter.add(1) - 1" not in after


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("n += 1\nif n % 2 == 0:\n    await helper()\nreturn 0", "n = _n_counter.add(1)"),
        ("n += 1\nawait helper()\nreturn n", "return _n_counter.value()"),
        ("x = n\nn += 1\nawait helper()\nreturn x", "x = _n_counter.add(1) - 1"),
        ("x = [n, await helper()]\nn += 1\nreturn x", "x = [_n_counter.value(), await helper()]"),
    ],
)
def test_where_a_coroutine_waits_others_may_count(tmp_path, body, expected):
    text = program(body).replace("def ", "async def ")
    _, files = migrated(tmp_path, text)
    assert expected in files["app.py"]


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
