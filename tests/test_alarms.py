"""A counter that only alerts: the addition is the default, metric and alarm may be chosen instead."""

import json
from dataclasses import replace

import pytest
from repositories import written
from test_infra_terraform import is_formatted, needs_terraform
from update_goldens import FIXTURES

from statelift.compose import compose
from statelift.discover import read_file
from statelift.infra.alarms import Alarm, alarm_of
from statelift.infra.patching import patch_file
from statelift.model import EnsureResource, Options, Tier
from statelift.planfile import PlanError, load_plan, plan_from_json, plan_to_json, save_plan
from statelift.planning import make_plan
from statelift.report import text
from statelift.report.diff import render_plan
from statelift.selecting import chosen_changes, waiting, without_rivals

APP = """import logging

logger = logging.getLogger(__name__)
LIMIT = 50
seen = {initial}
last = None


def send_alert(message):
    {effect}


def handler(event, context):
    global seen
    seen += {step}
    if {test}:
        {body}
    return {answer}
"""
SAID = {
    "initial": "0", "effect": "print(message)", "step": "1", "test": "seen % 1000 == 0",
    "body": "send_alert(f'{seen} orders')", "answer": "event",
}  # fmt: skip


def planned(tmp_path, options=None, **said):
    root = written(tmp_path / "project", {"app.py": APP.format(**SAID | said)})
    return root, make_plan([root], options or Options())


def styles(plan):
    return [change.id.partition(".")[2] for change in plan.changes]


def composed(root, plan, style):
    chosen = {change.id for change in plan.changes if change.id.endswith(f".{style}")}
    return {write.path: write.after.decode() for write in compose(plan, chosen, lambda path: read_file(root, path))}


def alarm_in(plan):
    [change] = [each for each in plan.changes if each.id.endswith(".alarm")]
    [resource] = [op for op in change.ops if isinstance(op, EnsureResource)]
    return change, alarm_of(resource)


ALERTING = {
    "seen % 1000 == 0": "1000",
    "not seen % LIMIT": "50",
    "seen and seen % 10 == 0": "10",
    "seen > 0 and seen % 10 == 0": "10",
    "seen >= LIMIT": "50",
    "seen == 7": "7",
    "seen > 7": "8",
    "7 <= seen": "7",
}


@pytest.mark.parametrize("test", ALERTING)
def test_a_branch_that_only_alerts_may_become_an_alarm_and_the_addition_is_the_default(tmp_path, test):
    root, plan = planned(tmp_path, test=test)
    assert styles(plan) == ["counter", "alarm"]
    [finding] = plan.findings
    assert [(each.alternatives_of, each.is_default) for each in plan.changes] == [
        (finding.id, True), (finding.id, False),
    ]  # fmt: skip
    change, alarm = alarm_in(plan)
    assert change.tier is Tier.REVIEW
    assert alarm == Alarm("application", "Seen", ALERTING[test], function="app.handler")
    after = composed(root, plan, "alarm")["app.py"]
    assert 'count_metric("Seen", 1)' in after
    assert "SeenAlarm tells." in after
    assert f"if {test}" not in after
    assert "global" not in after
    told = " ".join(change.reasons)
    assert "send_alert() is not called any more" in told
    assert "the text of the alert is lost" in told
    assert "tells nobody until SeenAlarm gets an action" in told


BODIES = [
    "logger.warning('many: %s', seen)",
    "send_alert('x'); logger.critical(str(seen))",
    "send_alert({'text': f'{seen}', 'limit': LIMIT})",
]


@pytest.mark.parametrize("body", BODIES)
def test_what_alerts(tmp_path, body):
    assert styles(planned(tmp_path, body=body)[1]) == ["counter", "alarm"]


NOT_OFFERED = {
    "the body is work": {"body": "flush()"},
    "the answer is used": {"body": "answer = send_alert('x')"},
    "the event goes along": {"body": "send_alert(event)"},
    "more is done": {"body": "send_alert('x'); event['a'] = 1"},
    "it returns": {"body": "send_alert('x'); return None"},
    "the alert is remembered": {"effect": "global last; last = message", "answer": "last"},
    "the alert is stored": {"effect": "TABLE.put_item(Item=message)"},
    "the alert writes a file": {"effect": "open('/tmp/a', 'w').write(message)"},
    "it is shown as well": {"answer": "{'seen': seen}"},
    "it does not begin at 0": {"initial": "5"},
    "the limit is the caller's": {"test": "seen >= event['limit']"},
    "another condition": {"test": "seen % 1000 == 0 and event['x']"},
    "another remainder": {"test": "seen % 1000 == 1"},
    "the steps are not counted": {"step": "int(event['n'])"},
    "there is an else": {"body": "send_alert('x')\n    else:\n        event = {}"},
}


@pytest.mark.parametrize("why", NOT_OFFERED)
def test_anything_else_has_the_addition_only(tmp_path, why):
    _, plan = planned(tmp_path, **NOT_OFFERED[why])
    assert "alarm" not in styles(plan)
    assert not any(change.is_default for change in plan.changes)


def test_an_alert_may_keep_its_own_client(tmp_path):
    assert "alarm" in styles(planned(tmp_path, effect="global last; last = last or print; last(message)")[1])


def test_a_second_plan_is_empty(tmp_path):
    root, plan = planned(tmp_path)
    for path, after in composed(root, plan, "alarm").items():
        (root / path).write_text(after)
    assert make_plan([root], Options()).findings == ()


def test_namespace_and_dimensions_are_those_of_the_metric(tmp_path):
    options = Options(metric_namespace="Shop", metric_dimensions=("stage=test", "area=eu"))
    root, plan = planned(tmp_path, options)
    _, alarm = alarm_in(plan)
    assert (alarm.namespace, dict(alarm.dimensions)) == ("Shop", {"stage": "test", "area": "eu"})
    after = composed(root, plan, "alarm")["app.py"]
    assert '"Seen", 1, namespace="Shop", dimensions={"stage": "test", "area": "eu"}' in after


def test_without_a_namespace_that_a_template_tells_there_is_no_alarm(tmp_path):
    program = FIXTURES / "alternatives" / "alarm_sam" / "before"
    files = {path.name: path.read_text() for path in (program / "src").iterdir() if path.is_file()}
    template = (program / "template.yaml").read_text()
    unknown = template.replace("NAMESPACE: Shop", "NAMESPACE: !Ref Space")
    found = []
    for number, text_ in enumerate((template, unknown)):
        own = {f"src/{name}": data for name, data in files.items()} | {"template.yaml": text_}
        found.append(styles(make_plan([written(tmp_path / f"p{number}", own)], Options())))
    assert found == [["counter", "alarm"], ["counter"]]


# ---------------------------------------------------------------- which one is taken


def decided(plan, **decisions):
    return replace(
        plan, changes=tuple(replace(c, decision=decisions.get(c.id.partition(".")[2])) for c in plan.changes)
    )


TAKEN = {
    (): ["counter"],
    (("alarm", "accepted"),): ["alarm"],
    (("alarm", "accepted"), ("counter", "rejected")): ["alarm"],
    (("counter", "rejected"),): [],
    (("alarm", "rejected"),): ["counter"],
    (("counter", "accepted"),): ["counter"],
}


@pytest.mark.parametrize("decisions", TAKEN)
def test_the_default_is_taken_where_nobody_chooses(tmp_path, decisions):
    plan = decided(planned(tmp_path)[1], **dict(decisions))
    chosen = chosen_changes(plan, Tier.REVIEW, only_accepted=False)
    assert [change.id.partition(".")[2] for change in chosen] == TAKEN[decisions]
    assert waiting(plan, chosen) == [] or not chosen
    if chosen:
        assert without_rivals(plan.changes) == chosen


def test_below_its_tier_neither_is_taken(tmp_path):
    _, plan = planned(tmp_path)
    assert chosen_changes(plan, Tier.SAFE, only_accepted=False) == []
    assert [each.id.partition(".")[2] for each in waiting(plan, [])] == ["counter", "alarm"]


def test_every_form_of_the_plan_says_it(tmp_path):
    root, plan = planned(tmp_path)
    counter, alarm = plan.changes
    assert f"changes: {counter.id}; or instead, if chosen in review: {alarm.id}\n" in text.full(plan)
    writes = compose(plan, {counter.id}, lambda path: read_file(root, path))
    shown = render_plan(plan, writes, {counter.id}).decode()
    assert "at most one is written, and this one where nobody chooses" in shown
    assert f"# not in this diff, may be chosen instead of {counter.id} (statelift review):" in shown
    saved = tmp_path / "plan.json"
    save_plan(plan, saved)
    assert load_plan(saved) == plan
    told = [change.get("is_default") for change in json.loads(saved.read_text())["changes"]]
    assert told == [True, None]


def test_two_defaults_are_refused(tmp_path):
    data = plan_to_json(planned(tmp_path)[1])
    for change in data["changes"]:
        change["is_default"] = True
    with pytest.raises(PlanError, match=r"changes\[1\]\.is_default is the second one"):
        plan_from_json(json.loads(json.dumps(data)))
    data["changes"][1] |= {"alternatives_of": None}
    with pytest.raises(PlanError, match=r"changes\[1\]\.is_default belongs to alternatives"):
        plan_from_json(json.loads(json.dumps(data)))


def test_the_command_line_writes_the_default_and_nothing_waits(tmp_path, said):
    root, _ = planned(tmp_path)
    code, _, told = said("apply", str(root), "--tier", "review")
    assert code == 0, told
    assert "wait for review" not in told
    assert "_seen_counter.add(1)" in (root / "app.py").read_text()


def test_infra_prints_what_the_default_needs_or_what_was_chosen(tmp_path, said):
    root, plan = planned(tmp_path)
    _, printed, _ = said("infra", str(root))
    assert "CountersTable" in printed
    assert "SeenAlarm" not in printed
    save_plan(decided(plan, alarm="accepted", counter="rejected"), tmp_path / "plan.json")
    for target in ("cloudformation", "sam", "serverless", "terraform", "cdk"):
        code, printed, told = said("infra", str(tmp_path / "plan.json"), "--target", target)
        assert code == 0, told
        assert "1000" in printed
        assert "CountersTable" not in printed


# ---------------------------------------------------------------- what the tools are told

ASKED = Alarm("Shop/eu", "Seen", "1000", (("area", "eu ${x}"), ("stage", "test")), function="F")
MADE = EnsureResource("SeenAlarm", "alarm", (*ASKED.properties, ("origin", "app.py:seen")))
FACTS = ("Shop/eu", "Seen", "1000", "3600", "area", "stage", "test")
PROGRAMS = {
    "template.yaml": (
        "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {Handler: app.handler}\n",
        ("Threshold: 1000", "Namespace: Shop/eu", "Period: 3600", "- Name: stage\n          Value: test"),
    ),
    "serverless.yml": (
        "service: s\nprovider:\n  name: aws\nfunctions:\n  F:\n    handler: app.handler\n",
        ("Threshold: 1000", "Namespace: Shop/eu", "Period: 3600", "MetricName: Seen"),
    ),
    "statelift.tf": (
        None,
        (
            'resource "aws_cloudwatch_metric_alarm" "statelift_seen_alarm" {', "threshold           = 1000",
            '    "area"  = "eu $${x}"\n    "stage" = "test"\n',
        ),
    ),
    "stack.py": (
        "from aws_cdk import Stack, aws_lambda\n\n\nclass S(Stack):\n    def __init__(self, scope, id):\n"
        "        super().__init__(scope, id)\n"
        '        f = aws_lambda.Function(self, "F", handler="app.handler")\n',
        ('seen_alarm = aws_cloudwatch.Alarm(', "period=Duration.seconds(3600)", "threshold=1000",
         'dimensions_map={"area": "eu ${x}", "stage": "test"}'),
    ),
    ".chalice/statelift.json": (None, ('"Threshold": 1000', '"Namespace": "Shop/eu"', '"MetricName": "Seen"')),
}  # fmt: skip


@pytest.mark.parametrize("path", PROGRAMS)
def test_every_tool_gets_the_same_facts_once(path):
    before, wanted = PROGRAMS[path]
    after = patch_file(path, None if before is None else before.encode(), [MADE])
    for each in wanted:
        assert each in after.decode()
    for fact in FACTS:
        assert fact in after.decode()
    assert patch_file(path, after, [MADE]) == after


@needs_terraform
def test_terraform_would_format_it_so():
    assert is_formatted(patch_file("statelift.tf", None, [MADE]))


def test_a_template_of_one_s_own_gets_alarm_and_code_in_one_change():
    plan = make_plan([FIXTURES / "alternatives" / "alarm_sam" / "before"], Options())
    change, alarm = alarm_in(plan)
    assert alarm == Alarm("Shop", "Refused", "3", function="Orders")
    assert {getattr(op, "template", "template.yaml") for op in change.ops} == {"template.yaml"}
