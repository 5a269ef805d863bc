"""Namespace, unit and dimensions of new metrics: as configured, and as CloudWatch reads them."""

import io
import json
from contextlib import redirect_stdout

import pytest
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan
from statelift.runtime import render_helper, render_inline_metric

APP = """requests = 0


def handler(event, context):
    global requests
    requests += 1
    return event
"""
SAM = """Transform: AWS::Serverless-2016-10-31
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.12, CodeUri: .}
"""
SAID = {
    'metric-namespace = "Shop"': (', namespace="Shop"', {"Namespace": "Shop", "Dimensions": [[]]}, {}, "Count"),
    'metric-unit = "Bytes"': (', unit="Bytes"', {"Dimensions": [[]]}, {}, "Bytes"),
    'metric-dimensions = ["service=a=b", "n=1"]': (
        ', dimensions={"service": "a=b", "n": "1"}',
        {"Dimensions": [["service", "n"]]},
        {"service": "a=b", "n": "1"},
        "Count",
    ),
}


def printed(files):
    """The line that one call of the migrated handler prints."""
    space = {}
    if "statelift_state.py" in files:
        exec(compile(files["statelift_state.py"], "statelift_state.py", "exec", dont_inherit=True), space)
    text = files["app.py"].replace("from statelift_state import count_metric\n", "")
    exec(compile(text, "app.py", "exec", dont_inherit=True), space)
    out = io.StringIO()
    with redirect_stdout(out):
        space["handler"]({}, None)
    return json.loads(out.getvalue())


@pytest.mark.parametrize("template", [SAM, ""], ids=["helper", "inline"])
@pytest.mark.parametrize("text", SAID)
def test_what_is_said_arrives(tmp_path, said, text, template):
    files = {"app.py": APP, "statelift.toml": text + "\n", **({"template.yaml": template} if template else {})}
    root = written(tmp_path / "project", files)
    code, _, told = said("apply", str(root), "--tier", "review")
    assert code == 0, told
    arguments, directive, top, unit = SAID[text]
    made = {path.name: path.read_text() for path in root.glob("*.py")}
    assert f'count_metric("Requests", 1{arguments})' in made["app.py"]
    line = printed(made)
    [metric] = line["_aws"]["CloudWatchMetrics"]
    assert directive.items() <= metric.items()
    assert metric["Metrics"] == [{"Name": "Requests", "Unit": unit}]
    assert line["Requests"] == 1
    assert top.items() <= line.items()


def test_a_dimension_of_the_metric_s_own_name_is_told(tmp_path):
    root = written(tmp_path / "project", {"app.py": APP})
    plan = make_plan([root], Options(metric_dimensions=("Requests=1",)))
    assert plan.changes == ()


KEYED = """{imports}

KINDS = {made}


def handler(event, context):
    {use}
    return {answer}
"""
FORMS = {
    ("import collections", "collections.defaultdict(int)", 'KINDS[event["kind"]] += 1'): ("1", 'event["kind"]'),
    ("import collections", "collections.Counter()", "KINDS[event['kind']] += 3"): ("3", "event['kind']"),
    ("", "{}", 'KINDS[event["kind"]] = KINDS.get(event["kind"], 0) + 2'): ("2", 'event["kind"]'),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_tally_that_nobody_reads_is_a_metric_with_a_dimension(tmp_path, form):
    imports, made, use = form
    text = KEYED.format(imports=imports, made=made, use=use, answer="None")
    root = written(tmp_path / "project", {"app.py": text})
    plan = make_plan([root], Options())
    [write] = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    step, key = FORMS[form]
    assert f'    count_metric("Kinds", {step}, dimensions={{"key": str({key})}})\n' in write.after.decode()
    assert "KINDS" not in write.after.decode()
    [change] = plan.changes
    assert (change.rule, change.tier) == ("SL201", Tier.REVIEW)
    again = make_plan([written(tmp_path / "again", {"app.py": write.after.decode()})], Options())
    assert again.changes == ()


OTHERS = {
    "a missing key raises": ("", "{}", 'KINDS[event["kind"]] += 1', "None"),
    "somebody reads it": (
        "import collections",
        "collections.Counter()",
        'KINDS[event["kind"]] += 1',
        "dict(KINDS)",
    ),
    "it counts down": ("import collections", "collections.Counter()", 'KINDS[event["kind"]] -= 1', "None"),
    "the step is not known": ("import collections", "collections.Counter()", 'KINDS["a"] += event["n"]', "None"),
    "it begins with something": ("", '{"a": 1}', 'KINDS["a"] = KINDS.get("a", 0) + 1', "None"),
    "its key does something": ("import collections", "collections.Counter()", "KINDS[print(event)] += 1", "None"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_tally_is_no_metric(tmp_path, name):
    imports, made, use, answer = OTHERS[name]
    root = written(
        tmp_path / "project", {"app.py": KEYED.format(imports=imports, made=made, use=use, answer=answer)}
    )
    plan = make_plan([root], Options())
    assert [change for change in plan.changes if change.id.endswith(".metric")] == []
    assert [finding.symbol for finding in plan.findings] == ["KINDS"]


def test_nothing_said_nothing_written(tmp_path):
    root = written(tmp_path / "project", {"app.py": APP})
    plan = make_plan([root], Options())
    [write] = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    assert '    count_metric("Requests", 1)\n' in write.after.decode()
    assert "dimensions" not in render_inline_metric()[1] + render_helper(["metric.count"])


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ('metric-namespace = "AWS/Lambda"', "not begin with AWS/"),
        ('metric-unit = "Counts"', "Did you mean Count?"),
        ('metric-dimensions = ["service"]', "texts name=value"),
        ('metric-dimensions = ["a=1", "a=2"]', "names a dimension twice"),
    ],
)
def test_what_cloudwatch_would_not_take(tmp_path, said, text, flaw):
    root = written(tmp_path / "project", {"app.py": APP, "statelift.toml": text + "\n"})
    code, _, told = said("scan", str(root))
    assert code == 2
    assert flaw in told
