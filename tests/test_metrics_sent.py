"""Counters that become metrics by calls of PutMetricData: code, rights in every format, and what verify sees."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from deployments import PROJECTS, deploying
from repositories import written
from test_runtime_world import cloud, container, lose_in_transit

from statelift.infra.costs import known_prices, lines, notes
from statelift.infra.patching import patch_file
from statelift.model import EnsureGrant, Options, Tier
from statelift.planning import make_plan
from statelift.verify.events.steps import Step
from statelift.verify.machine.calls import Call
from statelift.verify.machine.guard import granted_rights, judged
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import run_steps
from statelift.verify.playing.schedule import FAULTY, MIXED
from statelift.verify.values import CodeTree

PROGRAM = """requests = 0


def handler(event, context):
    global requests
    requests += 2
    return event
"""
SENT = Options(metrics="api", metric_namespace="Shop/Web")
FORMATS = sorted(set(PROJECTS) - {"snippet", "chalice", "terraform-module"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def put(namespace: str) -> Call:
    body = json.dumps({"Namespace": namespace, "MetricData": [{"MetricName": "Requests", "Value": 2}]}).encode()
    return Call("cloudwatch", "PutMetricData", "POST", "https://monitoring.us-east-1.amazonaws.com/", (), body, 0)


# ---------------------------------------------------------------- code and rights


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_grants_this_namespace_and_no_other(tmp_path, name):
    made = deploying(tmp_path / "project", PROJECTS[name], PROGRAM, SENT)
    text = made.files["src/app.py"].decode()
    assert 'put_metric("Requests", 2, namespace="Shop/Web")' in text
    deployed = made.deployed()
    [step] = made.steps[:1]
    assert judged(put("Shop/Web"), step.call, deployed).missing == ()
    used = judged(put("Shop/Web"), step.call, deployed).used
    assert {right.action for right in used} == {"cloudwatch:PutMetricData"}
    assert granted_rights(deployed) == set(used)
    other = replace(deployed, names=deployed.names | {"metrics/Other"})
    assert judged(put("Other"), step.call, other).missing != ()


def test_each_stage_of_chalice_grants_it():
    grant = EnsureGrant("F", "metrics/Shop", ("cloudwatch:PutMetricData",), role="notes-dev")
    before = PROJECTS["chalice"][".chalice/policy-dev.json"].encode()
    after = patch_file(".chalice/policy-dev.json", before, [grant])
    [made] = [each for each in json.loads(after)["Statement"] if each["Action"] == ["cloudwatch:PutMetricData"]]
    assert (made["Resource"], made["Condition"]) == ("*", {"StringEquals": {"cloudwatch:namespace": "Shop"}})
    assert patch_file(".chalice/policy-dev.json", after, [grant]) == after


def test_the_namespace_of_the_template_is_the_one_that_is_granted(tmp_path):
    variables = "      Environment: {Variables: {POWERTOOLS_METRICS_NAMESPACE: Theirs}}\n"
    text = PROJECTS["sam"]["template.yaml"] + variables
    made = deploying(tmp_path / "project", {"template.yaml": text}, PROGRAM, Options(metrics="api"))
    assert made.deployed().names == {"metrics/Theirs"}
    assert b"cloudwatch:namespace: Theirs" in made.files["template.yaml"]
    unknown = text.replace("Theirs", "!Ref Name")
    root = written(tmp_path / "other", {"template.yaml": unknown, "src/app.py": PROGRAM})
    [change] = make_plan([root], Options(metrics="api")).changes
    assert any("no template tells the namespace" in reason for reason in change.reasons)


def test_it_is_review_and_a_second_plan_is_empty(tmp_path):
    made = deploying(tmp_path / "project", PROJECTS["sam"], PROGRAM, SENT)
    again = written(tmp_path / "again", {path: data.decode() for path, data in made.files.items()})
    assert make_plan([again], SENT).changes == ()
    [change] = make_plan([tmp_path / "project"], SENT).changes
    assert change.tier is Tier.REVIEW
    [note] = notes([change], known_prices())
    assert (note.kind, note.monthly) == ("metrics", 10.0)
    assert "PutMetricData" in next(lines([note], known_prices(), 1_000_000))


def test_one_counter_alone_is_sent_by_calls(tmp_path, said):
    both = PROGRAM.replace("requests = 0\n", "requests = 0\nerrors = 0\n").replace(
        "    requests += 2\n", "    requests += 2\n    global errors\n    errors += 1\n"
    )
    asked = '[stores."app:errors"]\nmetrics = "api"\n'
    root = written(tmp_path / "project", {"app.py": both, "statelift.toml": asked})
    code, _, told = said("apply", str(root), "--tier", "review")
    assert code == 0, told
    text = (root / "app.py").read_text()
    assert 'count_metric("Requests", 2)' in text
    assert 'put_metric("Errors", 1)' in text
    assert "style" not in told


# ---------------------------------------------------------------- the helper


def error(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutMetricData")


def data(client) -> dict[str, float]:
    found = client.list_metrics(Namespace="application")["Metrics"]
    return {each["MetricName"]: len(each["Dimensions"]) for each in found}


def test_it_arrives_with_its_dimensions():
    with cloud():
        container().put_metric("Requests", 2, dimensions={"key": "a"})
        assert data(boto3.client("cloudwatch")) == {"Requests": 1}


@pytest.mark.parametrize(
    ("errors", "calls"),
    [
        ([error("Throttling"), error("ThrottlingException")], 3),
        ([error("Throttling")] * 3, 3),
        ([error("InternalServiceFault", 500)], 1),
        ([error("AccessDenied", 403)], 1),
        ([ReadTimeoutError(endpoint_url="x")], 1),
    ],
    ids=["throttled", "always throttled", "of the server", "no right", "lost"],
)
def test_no_error_reaches_the_handler_and_nothing_counts_twice(errors, calls, capsys):
    module = container()
    client = mock.Mock(put_metric_data=mock.Mock(side_effect=[*errors, None]))
    with mock.patch.object(module, "_cloudwatch", lambda: client):
        assert module.put_metric("Requests", 2, namespace="n") is None
    assert client.put_metric_data.call_count == calls
    told = capsys.readouterr()
    assert told.out == ""
    assert ("2 may be missing in Requests" in told.err) is (len(errors) == calls)


# ---------------------------------------------------------------- verify


def test_verify_adds_the_calls_up_and_a_wrong_sum_is_a_difference(tmp_path, sandbox):
    made = deploying(tmp_path / "project", PROJECTS["sam"], PROGRAM, SENT)
    steps = [Step(made.steps[0].call, "lambda", {"n": n}) for n in range(6)]
    for manner in (MIXED, FAULTY):
        course = run_steps(sandbox, made.pair, steps, manner, 0)
        assert course.divergence is None
        assert course.rights
    files = {name: text.replace(b'"Requests", 2', b'"Requests", 1') for name, text in made.pair.migrated.files}
    wrong = replace(made.pair, migrated=CodeTree(tuple(files.items())))
    found = run_steps(sandbox, wrong, steps, MIXED, 0).divergence
    assert found is not None
    assert (found.difference.aspect, found.difference.found) == ("metric", "Requests sums to 6")


def test_an_answer_that_is_lost_counts_once(capsys):
    with cloud():
        module = container()
        requests = lose_in_transit(module._cloudwatch(), 0)
        module.put_metric("Requests", 2)
        assert len(requests) == 1
        now = dt.datetime.now(dt.UTC)
        [point] = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="application", MetricName="Requests", Period=3600, Statistics=["Sum"],
            StartTime=now - dt.timedelta(hours=2), EndTime=now + dt.timedelta(hours=2),
        )["Datapoints"]  # fmt: skip
        assert point["Sum"] == 2
    assert "2 may be missing in Requests" in capsys.readouterr().err
