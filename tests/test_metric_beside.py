"""A counter that code reads is sent as a metric, too, where somebody asks for it: the value stays what it was."""

import json

import pytest
from repositories import written

from statelift.analysis import analyse
from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import CellOptions, EnsureGrant, Options, Tier
from statelift.planning import make_plan, plan_of
from statelift.verify.events.steps import read_steps
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.subjects import Given, subjects_of
from statelift.verify.verdicts import Verdict

APP = """seen = 0


def handler(event, context):
    global seen
    {body}
    return {{"number": seen}}
"""
SAM = """Transform: AWS::Serverless-2016-10-31
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.12, CodeUri: .}
"""
ASKED = Options(counter_metric=True)


def planned(tmp_path, text, options=ASKED, **files):
    root = written(tmp_path / "project", {"app.py": text, **files})
    return root, make_plan([root], options)


def migrated(root, plan):
    chosen = {change.id for change in plan.changes if not change.id.endswith(".alarm")}
    writes = compose(plan, chosen, lambda path: read_file(root, path))
    return {write.path: write.after.decode() for write in writes}


WRITTEN = {
    "seen += 1": '    seen = _seen_counter.add(1)\n    count_metric("Seen", 1)\n',
    "seen += 1  # one more": '    seen = _seen_counter.add(1)  # one more\n    count_metric("Seen", 1)\n',
    "seen = seen + 3": '    seen = _seen_counter.add(3)\n    count_metric("Seen", 3)\n',
    "seen += len(event)": '    seen = _seen_counter.add(len(event))\n    count_metric("Seen", len(event))\n',
    "if event: seen += 1": '    if event: _seen_counter.add(1); count_metric("Seen", 1)\n',
    "x = seen\n    seen += 1\n    return x": '    x = _seen_counter.add(1) - 1\n    count_metric("Seen", 1)\n',
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("body", WRITTEN)
def test_the_metric_stands_behind_the_addition(tmp_path, body, newline):
    text = APP.format(body=body)
    text = text.partition('    return {"number"')[0] if "return x" in body else text
    root = written(tmp_path / "project", {"app.py": ""})
    (root / "app.py").write_bytes(text.replace("\n", newline).encode())
    plan = make_plan([root], ASKED)
    made = migrated(root, plan)["app.py"]
    assert WRITTEN[body].replace("\n", newline) in made
    assert make_plan([root], Options()).changes[0].title == plan.changes[0].title
    assert "count_metric" not in migrated(root, make_plan([root], Options()))["app.py"]


LOCKED = """import threading

lock = threading.Lock()
seen = 0


def handler(event, context):
    global seen
    with lock:
        seen += 1{comment}
    return {{"number": seen}}
"""


@pytest.mark.parametrize("comment", ["", "  # one more"])
def test_it_goes_with_a_block_whose_lock_goes(tmp_path, comment):
    root, plan = planned(tmp_path, LOCKED.format(comment=comment))
    made = migrated(root, plan)["app.py"]
    assert f'    seen = _seen_counter.add(1){comment}\n    count_metric("Seen", 1)\n    return' in made
    assert "lock" not in made


def test_one_cell_may_differ_from_all(tmp_path):
    for number, (all_, own) in enumerate([(False, True), (True, False), (True, None), (False, None)]):
        options = Options(counter_metric=all_, stores=(CellOptions("app:seen", counter_metric=own),))
        root, plan = planned(tmp_path / str(number), APP.format(body="seen += 1"), options)
        wanted = all_ if own is None else own
        assert ("count_metric" in migrated(root, plan)["app.py"]) is wanted


def test_the_configuration_says_it(tmp_path, said):
    text = APP.format(body="seen += 1")
    for number, lines in enumerate(("counter-metric = true\n", '[stores."app:seen"]\ncounter-metric = true\n')):
        root = written(tmp_path / str(number), {"app.py": text, "statelift.toml": lines})
        code, _, told = said("apply", str(root), "--tier", "review")
        assert code == 0, told
        assert 'count_metric("Seen", 1)' in (root / "app.py").read_text()
    root = written(
        tmp_path / "wrong", {"app.py": text, "statelift.toml": '[stores."app:seen"]\ncounter-metric = 1\n'}
    )
    code, _, told = said("scan", str(root))
    assert code == 2
    assert "counter-metric must be true or false" in told


NOT_SENT = {
    "another step": APP.format(body="seen += next_of(event)").replace(
        "def handler", "def next_of(event):\n    return 1\n\n\ndef handler"
    ),
    "down": APP.format(body="seen -= 1"),
    "an iterator": "import itertools\n\nids = itertools.count(1)\n\n\n"
    "def handler(event, context):\n    return next(ids)\n",
    "a dict": "from collections import defaultdict\n\nhits = defaultdict(int)\n\n\ndef handler(event, context):\n"
    "    hits[event['k']] += 1\n    return hits[event['k']]\n",
    "kept around each call": "other = 0\n"
    + APP.format(body="global other\n    seen += 1\n    other += 2").replace("seen}", "seen + other}"),
    "a class": "class C:\n    n = 0\n\n\ndef handler(event, context):\n    C.n += 1\n    return C.n\n",
}  # fmt: skip


@pytest.mark.parametrize("why", NOT_SENT)
def test_what_cannot_be_sent_rightly_is_not_and_that_is_told(tmp_path, why):
    root, plan = planned(tmp_path, NOT_SENT[why])
    assert not any("_metric(" in text for path, text in migrated(root, plan).items() if path == "app.py")
    told = [reason for finding in plan.findings for reason in finding.reasons]
    assert any(reason.startswith("no metric is sent beside it: ") for reason in told), told


def test_the_id_generator_of_the_default_is_silent(tmp_path):
    root, plan = planned(tmp_path, APP.format(body="seen += 1"), Options())
    assert "metric" not in "".join(migrated(root, plan).values())


def test_calls_need_a_right_and_a_reviewer(tmp_path):
    options = Options(counter_metric=True, metrics="api", metric_namespace="Shop")
    root, plan = planned(tmp_path, APP.format(body="seen += 1"), options, **{"template.yaml": SAM})
    [change] = plan.changes
    assert change.tier is Tier.REVIEW
    grants = [op for op in change.ops if isinstance(op, EnsureGrant)]
    assert {(each.resource, each.actions) for each in grants} == {
        ("CountersTable", ("dynamodb:GetItem", "dynamodb:UpdateItem")),
        ("metrics/Shop", ("cloudwatch:PutMetricData",)),
    }
    made = migrated(root, plan)
    assert 'put_metric("Seen", 1, namespace="Shop")' in made["app.py"]
    assert "cloudwatch:PutMetricData" in made["template.yaml"]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize("initial", ["0", "100"])
@pytest.mark.parametrize("metrics", ["emf", "api"])
def test_verify_compares_the_answers_and_the_sum(sandbox, tmp_path, metrics, initial):
    text = APP.format(body="seen += 1").replace("seen = 0", f"seen = {initial}")
    root = written(tmp_path / "project", {"app.py": text, "template.yaml": SAM})
    options = Options(counter_metric=True, metrics=metrics, metric_namespace="Shop")
    events = tmp_path / "events.json"
    events.write_text(json.dumps([{"n": n} for n in range(4)]))
    analysis = analyse([root], options)
    plan = plan_of(analysis, options)
    [subject] = subjects_of(plan, analysis, plan.changes, Given())
    [metric] = subject.pair.metrics
    assert (metric.metric, metric.initial) == ("Seen", int(initial))
    steps = read_steps(events, subject.entries)
    result = examine(sandbox, subject, steps, Effort(runs=0, events=4), lambda *_: None)
    assert result.verdict is Verdict.EQUIVALENT, result.reason
    assert result.unused == ()
