"""A fast sample of `make torture`, and that each of its checks can fail."""

import ast
import json
import time
from dataclasses import replace

import disguises
import pytest
import torture
from disguises import DISGUISES, disguised, tree_of
from forced import forced
from torture import Outcome, Task, tortured

from statelift.model import Problem, Verdict

PROGRAM = b'''"""Says so."""
import os

LIMIT = 3
SEEN = {}


def first(key, *, name, size=1):
    """Docs."""
    if key in SEEN:
        return SEEN[key]
    SEEN[key] = f"{name!r:>{size}}"
    return os.path.join(
        name,
        key,
    )


class Api:
    items = []

    def add(self, item):
        self.items.append(item); return self.items
'''
FEW = [each for each in DISGUISES if each.name in ("continuations", "CRLF", "all together")]
BAD = ("badsyntax", "bad_coding", "bad_getattr", "badsyntax_pep3120")


def small(files, number, most=4_000):
    return torture.thinned([path for path in files if 0 < path.stat().st_size < most], number)


def failures(outcomes):
    return [failure for each in outcomes for failure in each.failures]


# ---------------------------------------------------------------- the sample


def test_the_standard_library():
    outcomes = [tortured(task) for task in torture.tasks_of(small(torture.library_files(), 8))]
    assert failures(outcomes) == []
    assert sum(each.changed for each in outcomes) >= 6


def test_programs_that_are_wrong_on_purpose():
    named = [path for path in torture.test_suite_files() if path.stem.startswith(BAD)]
    old = [path for path in torture.library_files() if "lib2to3" in path.parts and path.stem.startswith("py2")]
    if not named:
        pytest.skip("this Python has no test suite")
    outcomes = [tortured(task) for task in torture.tasks_of([*named, *old])]
    assert failures(outcomes) == []
    wrong = [path for path in [*named, *old] if not tree_of(path.read_bytes())]
    assert sum(sum(each.problems.values()) for each in outcomes) >= len(wrong) > 3


def test_programs_that_nobody_wrote():
    outcomes = [tortured(task) for task in torture.generated(8)]
    assert failures(outcomes) == []
    assert len(outcomes) > 2


def test_a_program_in_disguise(monkeypatch):
    monkeypatch.setattr(disguises, "DISGUISES", FEW)
    outcome = tortured(Task("program", PROGRAM, in_disguise=True))
    assert outcome.failures == ()
    assert outcome.programs == outcome.changed == len(FEW) + 1


# ---------------------------------------------------------------- what it is made of


def test_a_forced_handler_calls_and_changes_what_the_module_has():
    made = forced(PROGRAM).decode()
    assert made.startswith(PROGRAM.decode())
    assert 'first(event["key"], name=event["name"])' in made
    assert 'found.append(SEEN.setdefault(event["key1"], event["value"]))' in made
    assert "found += Api.items" in made
    assert "global TORTURE_COUNT, LIMIT" in made
    compile(made, "app.py", "exec")


def test_a_forced_handler_keeps_encoding_and_line_ends():
    data = "# coding: latin-1\r\nÄ = {}\r\n".encode("latin-1")
    made = forced(data)
    assert made.startswith(data)
    assert "Ä[event".encode("latin-1") in made
    assert made.count(b"\n") == made.count(b"\r\n")
    assert forced(b"def") is None


def test_every_disguise_leaves_the_tree_and_changes_the_bytes():
    text = PROGRAM.decode()
    found = dict(disguised(text))
    assert [each.name for each in found] == [each.name for each in DISGUISES]
    assert len({*found.values(), PROGRAM}) == len(DISGUISES) + 1


def test_a_disguise_that_changes_the_tree_is_no_disguise(monkeypatch):
    monkeypatch.setattr(disguises, "DISGUISES", (disguises.Disguise("new", lambda text: b"x = 1\n"),))
    assert list(disguised(PROGRAM.decode())) == []
    assert tree_of(b"def") == ""
    assert tree_of(b"x=1") == ast.dump(ast.parse("x = 1"))


def test_thinned_files_are_spread_evenly():
    assert torture.thinned(range(10), 0) == list(range(10))
    assert torture.thinned(range(10), 5) == [0, 2, 4, 6, 8]
    assert len(torture.thinned(range(10), 4)) <= 4


# ---------------------------------------------------------------- checks that fail


def checks_of(task):
    return {failure.check for failure in tortured(task).failures}


def broken(monkeypatch, plan_of):
    """Lets `plan_of(plan, number)` spoil each plan that the pipeline makes."""
    make_plan, number = torture.make_plan, iter(range(10_000))

    def spoiled(paths, options):
        return plan_of(make_plan(paths, options), next(number))

    monkeypatch.setattr(torture, "make_plan", spoiled)


def test_a_crash_is_found(monkeypatch):
    broken(monkeypatch, lambda plan, number: 1 / 0)
    assert checks_of(Task("x", PROGRAM)) == {"crashes"}


def test_a_hang_is_found(monkeypatch):
    broken(monkeypatch, lambda plan, number: busy(5))
    start = time.process_time()
    assert checks_of(Task("x", b"def", seconds=1)) == {"hangs"}
    assert time.process_time() - start < 4


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_what_is_not_told_is_found(monkeypatch):
    broken(monkeypatch, lambda plan, number: replace(plan, errors=()))
    assert checks_of(Task("x", b"def")) == {"told"}


def test_what_is_refused_without_need_is_found(monkeypatch):
    problem = Problem(torture.PROGRAM, 1, "syntax-error", "")
    broken(monkeypatch, lambda plan, number: replace(plan, errors=(problem,)))
    assert "told" in checks_of(Task("x", PROGRAM))


def test_a_second_plan_with_changes_is_found(monkeypatch):
    first = []
    broken(monkeypatch, lambda plan, number: first.append(plan) or first[0])
    assert "settles" in checks_of(Task("x", forced(PROGRAM)))


def test_a_verdict_that_hangs_on_white_space_is_found(monkeypatch):
    def spoiled(plan, number):
        findings = tuple(replace(each, verdict=Verdict.POOL) for each in plan.findings)
        return replace(plan, findings=findings) if number else plan

    broken(monkeypatch, spoiled)
    monkeypatch.setattr(disguises, "DISGUISES", FEW[:1])
    assert "same" in checks_of(Task("x", PROGRAM, in_disguise=True))


# ---------------------------------------------------------------- what is printed


def test_figures_add_up_and_failures_end_with_one(tmp_path, capsys, monkeypatch):
    target = tmp_path / "out.json"
    monkeypatch.setattr(torture, "_groups", lambda *_: [("mine", [Task("a", PROGRAM), Task("b", b"def")])])
    monkeypatch.setattr(torture, "group_of", in_this_process)
    assert torture.main(["--json", str(target)]) == 0
    (found,) = json.loads(target.read_text())
    figures = [found[name] for name in ("group", "files", "programs", "problems")]
    assert figures == ["mine", 2, 3, {"syntax-error": 1}]
    broken(monkeypatch, lambda plan, number: 1 / 0)
    assert torture.main([]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out


def in_this_process(name, tasks, jobs, seconds):
    return sum((tortured(task) for task in tasks), Outcome(name))


def test_processes_bring_the_same_as_one(tmp_path):
    tasks = [Task("a", PROGRAM), Task("b", b"def")]
    apart, here = torture.group_of("mine", tasks, 2, 60), in_this_process("mine", tasks, 1, 60)
    assert (apart.files, apart.programs, apart.changes, apart.problems) == (
        here.files,
        here.programs,
        here.changes,
        here.problems,
    )


MEMO = b"""from functools import lru_cache

SEEN = {}


@lru_cache
def seen(key):
    return SEEN.get(key)


def handler(event, context):
    SEEN[event["key"]] = event["value"]
    return seen(event["key"])
"""


def test_what_the_first_plan_leaves_to_the_second_is_no_failure():
    outcome = tortured(Task("x", MEMO, has_twin=False))
    assert (outcome.changed, outcome.failures) == (True, ())
    with torture._folder(MEMO, None) as folder:
        assert torture._waiting(torture.planned(folder)) == {("SL101", "SEEN")}


def test_a_change_that_nothing_announced_is_a_failure(monkeypatch):
    monkeypatch.setattr(torture, "_waiting", lambda plan: set())
    assert [each.check for each in tortured(Task("x", MEMO, has_twin=False)).failures] == ["settles"]
