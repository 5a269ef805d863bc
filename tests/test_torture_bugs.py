"""What tools/torture.py found: each program once made statelift crash, hang or err."""

import time

import pytest

from statelift import gathering
from statelift.compose import compose_changes
from statelift.discover import read_file
from statelift.facts import flow
from statelift.facts.values import ModuleFacts
from statelift.gathering import facts_of
from statelift.model import Options, Problem, SourceFile, Tier
from statelift.planning import make_plan


def early_returns(number):
    return "X = {}\ndef f(a):\n" + "".join(f"    if a == {i}:\n        return X[{i}]\n" for i in range(number))


def conjunction(number):
    return "X = {}\ndef f(a):\n    return " + " and ".join(f"X.get({i})" for i in range(number)) + "\n"


def facts(text):
    return facts_of(SourceFile("app.py", text.encode()))


# ---------------------------------------------------------------- time


def test_each_test_is_looked_at_once_however_many_nodes_it_guards():
    """600 early returns took seven seconds: each access looked at every test before it."""
    start = time.process_time()
    assert isinstance(facts(early_returns(600)), ModuleFacts)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("text", [early_returns(100), conjunction(100)], ids=["statements", "operands"])
def test_a_file_with_too_many_conditions_is_told_and_left(monkeypatch, text):
    monkeypatch.setattr(flow, "CONDITIONS_AT_MOST", 1_000_000)
    assert isinstance(facts(text), ModuleFacts)
    monkeypatch.setattr(flow, "CONDITIONS_AT_MOST", 3_000)
    found = facts(text)
    assert isinstance(found, Problem)
    assert (found.kind, found.path) == ("too-branched", "app.py")


def test_a_file_with_too_many_nodes_is_told_and_left(monkeypatch):
    text = "X = {\n" + "".join(f"    {i}: [{i}],\n" for i in range(300)) + "}\ndef f(a):\n    return X[a]\n"
    monkeypatch.setattr(gathering, "NODES_AT_MOST", 1_000)
    found = facts(text)
    assert isinstance(found, Problem)
    assert (found.kind, found.path) == ("too-large", "app.py")
    assert "--exclude" in found.message
    monkeypatch.setattr(gathering, "NODES_AT_MOST", 2_000)
    assert isinstance(facts(text), ModuleFacts)


def test_what_a_file_that_is_too_large_may_do_to_a_cell_makes_it_manual(monkeypatch, tmp_path):
    (tmp_path / "app.py").write_text(
        "import data\nSEEN = {}\ndef handler(event, context):\n"
        "    old = SEEN.get(event['id'])\n    SEEN[event['id']] = event['name']\n    return {'old': old}\n"
    )
    plain = "TABLE = {}\n"
    (tmp_path / "data.py").write_text(plain)
    assert [finding.tier for finding in make_plan([tmp_path], Options()).findings] == [Tier.REVIEW]
    rows = "import app\napp.SEEN.clear()\n" + "".join(f"TABLE[{i}] = {i}\n" for i in range(500))
    (tmp_path / "data.py").write_text(rows)
    monkeypatch.setattr(gathering, "NODES_AT_MOST", 1_000)
    plan = make_plan([tmp_path], Options())
    assert [problem.kind for problem in plan.errors] == ["too-large"]
    assert [finding.tier for finding in plan.findings] == [Tier.MANUAL]
    assert plan.changes == ()


# ---------------------------------------------------------------- places


@pytest.mark.parametrize("end", [";", " ;  ", "; # why"])
@pytest.mark.parametrize("top", ['"""Says so."""', "import os"])
def test_a_semicolon_that_nothing_follows_is_no_reason_to_refuse(tmp_path, top, end):
    rest = (
        "\n\nSEEN = {}\n\n\ndef handler(event, context):\n    old = SEEN.get(event['id'])\n"
        "    SEEN[event['id']] = event['name']\n    return {'old': old}\n"
    )
    (tmp_path / "app.py").write_text(top + end + rest)
    plan = make_plan([tmp_path], Options())
    (write, _) = compose_changes(plan.changes, lambda path: read_file(tmp_path, path))
    assert write.after.startswith(f"{top}{end}\n\nfrom statelift_state import Store".encode())


# ---------------------------------------------------------------- ways through the calls


def all_call_all(number):
    """Functions that hand their argument to each other and give it back: as _pydecimal does with its context."""
    head = "SEEN = {}\n\n"
    functions = "".join(
        f"def f{i}(x):\n" + "".join(f"    x = f{j}(x)\n" for j in range(number)) + "    return x\n\n"
        for i in range(number)
    )
    return (
        f"{head}{functions}def handler(event, context):\n    old = SEEN.get(event['id'])\n"
        "    SEEN[event['id']] = f0(event['name'])\n    return {'old': f0(old)}\n"
    )


def test_ways_through_the_calls_are_not_walked_one_by_one(tmp_path):
    """Twelve functions were 12 ** 6 ways, times six for the depth: _pydecimal took more than ten minutes."""
    (tmp_path / "app.py").write_text(all_call_all(12))
    start = time.process_time()
    plan = make_plan([tmp_path], Options())
    assert time.process_time() - start < 10
    assert [finding.symbol for finding in plan.findings] == ["SEEN"]


def test_paths_through_parameters_are_not_followed_way_by_way(tmp_path):
    """Each of eight hops had every call site: a module of the standard library took for ever."""
    functions = "".join(
        f"def f{i}(path):\n" + "".join(f"    f{j}(path)\n" for j in range(14)) + "    open(path).read()\n\n"
        for i in range(14)
    )
    handler = "def handler(event, context):\n    open('/tmp/x', 'a').write(event['x'])\n    f0('/tmp/x')\n"
    (tmp_path / "app.py").write_text(f"{functions}{handler}")
    start = time.process_time()
    plan = make_plan([tmp_path], Options())
    assert time.process_time() - start < 10
    assert [finding.symbol for finding in plan.findings] == ["/tmp/x"]


# ---------------------------------------------------------------- each answer to a finding settles it

PIPES = """
KIND = "a"
kinds = [KIND, "b"]


class Template:
    def __init__(self):
        self.steps = []

    def append(self, command, kind):
        if kind not in kinds:
            raise ValueError(kind)
        self.steps.append((command, kind))


def run(template, event):
    for command, kind in event["steps"]:
        template.append(command, kind)


def handler(event, context):
    kinds.append(event["kind"])
    run(Template(), event)
    return len(kinds)
"""


def test_an_answer_that_a_second_run_would_not_see_is_not_given(tmp_path):
    """Only the first of several answers was tried: the second one made `kinds` new, and was proposed again."""
    (tmp_path / "app.py").write_text(PIPES)
    plan = make_plan([tmp_path], Options())
    assert [finding.symbol for finding in plan.findings] == ["kinds"]
    for change in plan.changes:
        writes = compose_changes([change], lambda path: read_file(tmp_path, path))
        for write in writes:
            (tmp_path / write.path).write_bytes(write.after)
        assert make_plan([tmp_path], Options()).changes == ()
        (tmp_path / "app.py").write_text(PIPES)
        (tmp_path / "statelift_state.py").unlink(missing_ok=True)


COUNTING = "n = 0\n\n\ndef handler(event, context):\n    global n{end}\n    n += 1\n    return n\n"


@pytest.mark.parametrize("end", ["", " ;", ";"])
def test_a_global_statement_goes_with_its_semicolon(tmp_path, end):
    """With one, the counter was kept around each call instead of becoming an atomic one."""
    (tmp_path / "app.py").write_text(COUNTING.format(end=end))
    plan = make_plan([tmp_path], Options())
    assert [change.id.rpartition(".")[2] for change in plan.changes] == ["counter"]
    (write, _) = compose_changes(plan.changes, lambda path: read_file(tmp_path, path))
    assert b"global" not in write.after
