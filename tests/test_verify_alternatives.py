"""Alternatives under verify: what becomes one of each call is measured by new containers; an alarm lacks alerts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import written
from update_goldens import FIXTURES

from statelift.analysis import analyse
from statelift.model import Options, Tier
from statelift.planning import plan_of
from statelift.selecting import NoAlternativeError, answered, chosen_changes
from statelift.verify.events.steps import read_steps
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Given, Sources, subjects_of
from statelift.verify.values import CodeTree
from statelift.verify.verdicts import Verdict

LEAK = FIXTURES / "alternatives" / "leak_with_helper"
EFFORT = Effort(runs=1, events=8, shrinking=60)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


def subjects(folder: Path, *words: str):
    analysis = analyse([folder], Options())
    plan = answered(plan_of(analysis, Options()), words)
    return subjects_of(plan, analysis, chosen_changes(plan, Tier.REVIEW, only_accepted=False), Given())


def judged(sandbox, subject, events):
    return examine(sandbox, subject, read_steps(events, subject.entries), EFFORT, lambda *_: None)


def mistaken(subject, path, old, new):
    """The subject with a mistake in the migrated program."""
    files = dict(subject.pair.migrated.files)
    text = files[path].decode()
    assert text.count(old) == 1, text
    files[path] = text.replace(old, new).encode()
    return replace(subject, pair=replace(subject.pair, migrated=CodeTree(tuple(sorted(files.items())))))


def test_it_answers_as_the_original_does_in_new_containers(sandbox):
    [subject] = subjects(LEAK / "before", "localise")
    assert subject.pair.is_fresh
    result = judged(sandbox, subject, LEAK / "events.json")
    assert (result.verdict, result.covered) == (Verdict.EQUIVALENT, result.statements), result.reason
    assert (
        result.reason == "no event was answered differently than by the original in a new container for each event"
    )
    assert "answers of a container that remembers differ on purpose" in result.notes[0]


MISTAKES = {
    "a helper with a list of its own": ("checks.py", 'flaws.append("no name")', '[].append("no name")'),
    "made anew too late": (
        "app.py",
        '    checks.amount_flaw(event.get("amount", 0), flaws)\n',
        '    flaws = []\n    checks.amount_flaw(event.get("amount", 0), flaws)\n',
    ),
    "a default that remembers": ("app.py", "    flaws = []\n", "    flaws = checks.__dict__.setdefault('x', [])\n"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_one_diverges(sandbox, mistake):
    [subject] = subjects(LEAK / "before", "localise")
    result = judged(sandbox, mistaken(subject, *MISTAKES[mistake]), LEAK / "events.json")
    assert result.verdict is Verdict.DIVERGES
    assert "the original in a new container for each event" in result.reason


def test_the_original_itself_is_no_answer(sandbox):
    [subject] = subjects(LEAK / "before", "localise")
    same = replace(subject, pair=replace(subject.pair, migrated=subject.pair.original))
    assert judged(sandbox, same, LEAK / "events.json").verdict is Verdict.DIVERGES


def test_events_that_do_not_fill_it_show_nothing(sandbox, tmp_path):
    [subject] = subjects(LEAK / "before", "localise")
    events = tmp_path / "events.json"
    events.write_text('[{"name": "ann", "amount": 1}, {"name": "ben", "amount": 2}]')
    found = examine(
        sandbox, subject, read_steps(events, subject.entries), Effort(runs=0, events=1), lambda *_: None
    )
    assert found.verdict is Verdict.VACUOUS


MIXED = """SEEN = {}
found = []


def handler(event, context):
    found.append(event["word"])
    SEEN[event["word"]] = event["place"]
    return {"found": len(found), "at": SEEN.get(event["other"])}
"""
EVENTS = [
    {"word": "a", "place": "x", "other": "a"},
    {"word": "b", "place": "y", "other": "a"},
    {"word": "c", "place": "z", "other": "b"},
]


def test_other_changes_of_the_program_are_measured_as_always(sandbox, tmp_path):
    folder = written(tmp_path / "app", {"app.py": MIXED})
    events = tmp_path / "events.json"
    events.write_text(json.dumps(EVENTS))
    stored, local = subjects(folder, "localise")
    assert [each.pair.is_fresh for each in (stored, local)] == [False, True]
    assert [change.id.partition(".")[2] for each in (stored, local) for change in each.changes] == [
        "store", "localise",
    ]  # fmt: skip
    for subject in (stored, local):
        assert judged(sandbox, subject, events).verdict is Verdict.EQUIVALENT
    wrong = mistaken(stored, "app.py", 'SEEN.get(event["other"])', "SEEN.get(event['word'])")
    assert judged(sandbox, wrong, events).verdict is Verdict.DIVERGES
    wrong = mistaken(local, "app.py", "    found = []\n", "    found = []\n    found.append('x')\n")
    assert judged(sandbox, wrong, events).verdict is Verdict.DIVERGES


# ---------------------------------------------------------------- an alarm in place of a branch


ALARM = FIXTURES / "alternatives" / "alarm_sam"


def alarmed(*ignored):
    analysis = analyse([ALARM / "before"], Options())
    plan = answered(plan_of(analysis, Options()), ["alarm"])
    chosen = chosen_changes(plan, Tier.REVIEW, only_accepted=False)
    [subject] = subjects_of(plan, analysis, chosen, Given(sources=Sources(ignore=ignored)))
    return subject


def refused(tmp_path):
    events = tmp_path / "events.json"
    events.write_text(json.dumps([{"id": name, "amount": 20, "limit": 10} for name in "abcd"]))
    return events


def test_the_alert_is_missing_and_answers_and_the_sum_are_right(sandbox, tmp_path):
    result = judged(sandbox, alarmed(), refused(tmp_path))
    assert (result.verdict, result.counterexample.divergence.difference.aspect) == (Verdict.DIVERGES, "output")
    assert "ALERT 3 orders were refused" in result.reason
    result = judged(sandbox, alarmed("@stdout"), refused(tmp_path))
    assert result.verdict is Verdict.VACUOUS  # no answer shows the number, and the alert is not looked at
    assert [each.verdict for each in result.handlers] == [Verdict.EQUIVALENT]
    wrong = mistaken(alarmed("@stdout"), "app.py", 'count_metric("Refused", 1)', 'count_metric("Refused", 2)')
    result = judged(sandbox, wrong, refused(tmp_path))
    assert (result.verdict, result.counterexample.divergence.difference.aspect) == (Verdict.DIVERGES, "metric")


# ---------------------------------------------------------------- the command line


def test_the_alternative_is_named_on_the_command_line(said, tmp_path):
    options = ("--yes", "--runs", 0, "--events", LEAK / "events.json")
    folder = written(tmp_path / "app", {each.name: each.read_text() for each in (LEAK / "before").iterdir()})
    code, out, _ = said("verify", folder, *options, "--alternative", "localise")
    assert (code, out.partition(" (")[0]) == (0, ".: EQUIVALENT")
    assert said("verify", folder, *options)[2].startswith("There is nothing to verify")
    code, _, told = said("verify", folder, *options, "--alternative", "localize")
    assert code == 2
    assert "There is no alternative localize. The alternatives are localise, transaction." in told
    assert said("apply", folder, "--alternative", "localise")[0] == 0
    assert "flaws = []" in (folder / "app.py").read_text()
    (folder / "app.py").write_text((folder / "app.py").read_text().replace("list(flaws)", "[]"))
    code, out, _ = said("verify", folder, *options, "--run", "last", "--format", "json")
    [result] = json.loads(out)["results"]
    assert (code, result["verdict"]) == (4, "DIVERGES")
    script = tmp_path / "again.py"
    script.write_text(result["counterexample"]["script"])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("They part.\n"), done.stderr


def test_an_id_is_a_name_too():
    analysis = analyse([LEAK / "before"], Options())
    plan = plan_of(analysis, Options())
    [one] = [change for change in plan.changes if change.id.endswith(".localise")]
    assert [change.decision for change in answered(plan, [one.id]).changes] == ["rejected", "accepted"]
    with pytest.raises(NoAlternativeError, match="no alternative nothing"):
        answered(plan, ["nothing"])
