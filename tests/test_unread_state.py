"""A collection that nobody reads: what is left of its statements, what the log gets, and where it is only told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import written

from statelift.analysis import analyse
from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan, plan_of
from statelift.selecting import answered, chosen_changes
from statelift.verify.events.steps import read_steps
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import run_steps
from statelift.verify.playing.schedule import FAULTY
from statelift.verify.subjects import Given, Sources, subjects_of
from statelift.verify.values import CodeTree
from statelift.verify.verdicts import Verdict

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue" / "session" / "S52"
PROGRAM = """import time
import uuid
from collections import namedtuple
from dataclasses import dataclass

{seen}


@dataclass
class Plain:
    user: str


class Loud:
    def __init__(self, user):
        print(user)


def note(user):
    print("noted", user)
    return user


def handler(event, context):
    user, item = event["user"], event["item"]
{body}
    return {{"user": user}}
"""


def program(body, seen="seen = {}"):
    margin = "".join(f"    {line}\n" for line in body.split("\n")).rstrip("\n")
    return PROGRAM.format(body=margin, seen=seen)


def composed(root, style):
    plan = make_plan([root], Options())
    chosen = {change.id for change in plan.changes if change.id.endswith(f".{style}")}
    return {each.path: each.after.decode() for each in compose(plan, chosen, lambda path: read_file(root, path))}


def body_of(text):
    """The statements between the first line of the handler and its last one."""
    _, _, rest = text.partition('    user, item = event["user"], event["item"]\n')
    lines = rest.partition('    return {"user": user}\n')[0].splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines)


LIST, DICT, SET = "seen = []", "seen = {}", "seen: set[str] = set()"
# statement, definition -> what stays of it, and the line of the log
FORMS = {
    ("seen[user] = item", DICT): ("", 'print("seen", user, item)'),
    ("seen[user] = note(item)", DICT): ("note(item)", 'print("seen", user, note(item))'),
    ("seen[user] = {'at': time.time(), 'id': str(uuid.uuid4())}", DICT): (
        "", 'print("seen", user, {\'at\': time.time(), \'id\': str(uuid.uuid4())})'
    ),
    ("seen[user] = [item, note(item), item['a']]", DICT): (
        "note(item)\nitem['a']", 'print("seen", user, [item, note(item), item[\'a\']])'
    ),
    ("seen.setdefault(user, []).append(note(item))", DICT): ("note(item)", 'print("seen", user, note(item))'),
    ("seen.update({user: note(item)})", DICT): ("note(item)", 'print("seen", {user: note(item)})'),
    ("seen.pop(user, None)\nseen[user] = item", DICT): ("", 'print("seen", user, item)'),
    ("seen.clear()\nseen[user] = item", DICT): ("", 'print("seen", user, item)'),
    ("seen.append(Plain(user))", LIST): ("", 'print("seen", Plain(user))'),
    ("seen.append(Loud(user))", LIST): ("Loud(user)", 'print("seen", Loud(user))'),
    ("seen.append(f'{user} {item}')", LIST): ("", "print(\"seen\", f'{user} {item}')"),
    ("seen.append(f'{user:>9}')", LIST): ("f'{user:>9}'", "print(\"seen\", f'{user:>9}')"),
    ("seen.append(context.function_name)", LIST): ("context.function_name", 'print("seen", context.function_name)'),
    ("seen.extend([user, note(item)])", LIST): ("note(item)", 'print("seen", user, note(item))'),
    ("seen.insert(0, user)  # newest first", LIST): (
        "# newest first", 'print("seen", user)  # newest first'
    ),
    ("seen.append(note(user)); note(item)", LIST): (
        "note(user); note(item)", 'print("seen", note(user)); note(item)'
    ),
    ("if item:\n    seen.append(user)\n    seen.append(item)", LIST): (
        "if item:\n    pass", 'if item:\n    print("seen", user)\n    print("seen", item)'
    ),
    ("if item:\n    seen.append(user)", LIST): ("if item:\n    pass", 'if item:\n    print("seen", user)'),
    ("if item:\n    seen.append(\n        note(user)\n    )", LIST): (
        "if item:\n    note(user)", 'if item:\n    print("seen", note(user))'
    ),
    ("seen.add(user)\nseen.discard(note(item))", SET): ("note(item)", 'print("seen", user)\nnote(item)'),
}  # fmt: skip


@pytest.mark.parametrize(("body", "seen"), FORMS)
def test_what_is_left_of_a_statement(tmp_path, body, seen):
    root = written(tmp_path / "app", {"app.py": program(body, seen)})
    assert {change.tier for change in make_plan([root], Options()).changes} == {Tier.REVIEW}
    for style, left in zip(("delete", "log"), FORMS[body, seen], strict=True):
        made = composed(root, style)["app.py"]
        assert body_of(made) == left
        assert "seen =" not in made and "seen:" not in made
        again = written(tmp_path / style, {"app.py": made})
        assert make_plan([again], Options()).findings == ()


def test_what_the_next_line_asks_anyway_is_not_asked_twice(tmp_path):
    text = "seen = {}\n\n\ndef handler(event, context):\n    seen[event['id']] = 1\n    return {LAST}\n"
    asked = written(tmp_path / "a", {"app.py": text.replace("LAST", "'id': event['id']")})
    assert composed(asked, "delete") == {
        "app.py": "\n\ndef handler(event, context):\n    return {'id': event['id']}\n"
    }
    for last in ("'id': print(1) or event['id']", "'id': event.get('id')", "'id': 1 if context else event['id']"):
        other = written(tmp_path / str(len(last)), {"app.py": text.replace("LAST", last)})
        assert "    event['id']\n" in composed(other, "delete")["app.py"]


TOLD = {
    (
        "seen[user].append(item)",
        "from collections import defaultdict\nseen = defaultdict(list)",
    ): "line 26 does more",
    ("if item: seen.append(user)", LIST): "line 26 does more",
    ("seen.extend(item)", LIST): "line 26 does more",
    ("task = context.loop.create_task(item)\nseen.append(task)", LIST): "line 27: what it gets may only live",
    ("seen.append(context.loop.create_task(item))", LIST): "line 26: what it gets may only live",
    ("seen.append(user)", "seen, other = [], 1"): "line 6: it has no definition of its own",
    ("seen.append(user)", "if True:\n    seen = []"): "line 7: it has no definition of its own",
    ("seen.append(user)", "seen = []\n__all__ = ['seen']"): "__all__ of app.py names seen",
}


@pytest.mark.parametrize(("body", "seen"), TOLD)
def test_why_it_is_only_told(tmp_path, body, seen):
    root = written(tmp_path / "app", {"app.py": program(body, seen)})
    [finding] = [each for each in make_plan([root], Options()).findings if each.symbol == "seen"]
    assert (finding.rule, finding.tier, finding.changes) == ("SL104", Tier.MANUAL, ())
    lines = seen.count("\n")
    wanted = TOLD[body, seen].replace("line 26", f"line {26 + lines}")
    assert any(reason.startswith(wanted) for reason in finding.reasons), finding.reasons


ELSEWHERE = {
    "from store import seen\n\n\ndef peek():\n    return 1\n": "other.py imports it by its name",
    "import store\n\n\ndef peek():\n    return store.seen\n": "another file uses it",
}


@pytest.mark.parametrize("other", ELSEWHERE)
def test_another_file_that_names_it_is_no_reason_to_break_it(tmp_path, other):
    files = {
        "store.py": "seen = []\n\n\ndef note(user):\n    seen.append(user)\n",
        "app.py": "import other\nimport store\n\n\ndef handler(event, context):\n    store.note(event['user'])\n",
        "other.py": other,
    }
    [finding] = make_plan([written(tmp_path / "app", files)], Options()).findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert any(reason.startswith(ELSEWHERE[other]) for reason in finding.reasons), finding.reasons


# ---------------------------------------------------------------- verify


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


def subject_of(name, style, *ignored):
    analysis = analyse([CATALOGUE / name], Options())
    plan = answered(plan_of(analysis, Options()), [style])
    chosen = chosen_changes(plan, Tier.REVIEW, only_accepted=False)
    [subject] = subjects_of(plan, analysis, chosen, Given(sources=Sources(ignore=ignored)))
    return subject, read_steps(CATALOGUE / name / "events.json", subject.entries)


@pytest.mark.parametrize("name", ["write_only_minimal", "write_only_real"])
def test_nothing_tells_that_it_is_gone(sandbox, name):
    subject, steps = subject_of(name, "delete")
    result = examine(sandbox, subject, steps, Effort(runs=0, events=1, concurrency=3), lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason
    assert run_steps(sandbox, subject.pair, steps, FAULTY, 1).divergence is None
    files = {
        path: data.replace(b"pass", b"return print(card)").replace(b'["id"]}', b'["id"], "seen": 1}')
        for path, data in subject.pair.migrated.files
    }
    wrong = replace(subject, pair=replace(subject.pair, migrated=CodeTree(tuple(sorted(files.items())))))
    assert examine(sandbox, wrong, steps, Effort(runs=0, events=1), lambda *_: None).verdict is Verdict.DIVERGES


def test_the_log_has_more_lines_and_answers_are_the_same(sandbox):
    subject, steps = subject_of("write_only_minimal", "log")
    found = examine(sandbox, subject, steps, Effort(runs=0, events=1), lambda *_: None)
    assert (found.verdict, found.counterexample.divergence.difference.aspect) == (Verdict.DIVERGES, "output")
    subject, steps = subject_of("write_only_minimal", "log", "@stdout")
    found = examine(sandbox, subject, steps, Effort(runs=0, events=1), lambda *_: None)
    assert found.verdict is Verdict.EQUIVALENT, found.reason
    assert json.dumps("seen") in dict(subject.pair.migrated.files)["app.py"].decode()


def test_a_test_that_names_it_stands_in_the_reasons(tmp_path):
    files = {
        "app.py": program("seen.append(user)", LIST),
        "tests/test_app.py": "import app\n\n\ndef test_it():\n    assert app.seen == []\n",
    }
    plan = make_plan([written(tmp_path / "app", files)], Options())
    assert [any("test_app.py mentions seen" in each for each in change.reasons) for change in plan.changes] == [
        True
    ] * 2
