"""Instruments of Prometheus become metrics: names, labels, numbers, and where it is only told."""

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
from statelift.verify.events.steps import read_steps
from statelift.verify.examine import Effort, examine
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import run_steps
from statelift.verify.playing.schedule import FAULTY
from statelift.verify.subjects import Given, subjects_of
from statelift.verify.values import CodeTree
from statelift.verify.verdicts import Verdict

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue" / "counter" / "C29"
STAND_IN = Path(__file__).with_name("stand_ins") / "prometheus_client.py"
PROGRAM = """import time
from prometheus_client import Counter, Gauge, Histogram, Summary

{made}


def handler(event, context):
    user, n = event["user"], event["n"]
    {use}
    return user
"""
DEFAULTS = Options()
PLAIN = 'X = Counter("hits_total", "Hits")'
LABELLED = 'X = Counter("hits_total", "Hits", ["user", "kind"])'


def composed(root, options=DEFAULTS):
    plan = make_plan([root], options)
    chosen = {change.id for change in plan.changes}
    return {each.path: each.after.decode() for each in compose(plan, chosen, lambda path: read_file(root, path))}


def program(made, use):
    return {"app.py": PROGRAM.format(made=made, use=use)}


SENT = {
    (PLAIN, "X.inc()"): 'count_metric("hits_total", 1)',
    (PLAIN, "X.inc(3)"): 'count_metric("hits_total", 3)',
    (PLAIN, "X.inc(len(user))"): 'count_metric("hits_total", len(user))',
    (PLAIN, "X.inc(amount=n)"): 'count_metric("hits_total", float(n))',
    (
        'X = Counter("hits", "Hits", namespace="shop", subsystem="api")',
        "X.inc()",
    ): 'count_metric("shop_api_hits", 1)',
    ('X = Counter(name="hits", documentation="Hits")', "X.inc()"): 'count_metric("hits", 1)',
    (LABELLED, 'X.labels(user, "a").inc()'): (
        'count_metric("hits_total", 1, dimensions={"user": str(user), "kind": "a"})'
    ),
    (LABELLED, "X.labels(kind=f'{n}', user=user).inc()"): (
        'count_metric("hits_total", 1, dimensions={"kind": f\'{n}\', "user": str(user)})'
    ),
    (LABELLED, "X.labels(user, 1).inc(n)"): (
        'count_metric("hits_total", dimensions={"user": str(user), "kind": str(1)}, n=float(n))'
    ),
    ('X = Gauge("users", "Users")', "X.set(n)"): 'count_metric("users", float(n), unit="None")',
    ('X = Gauge("body_bytes", "Size")', "X.set(len(user))"): 'count_metric("body_bytes", len(user), unit="Bytes")',
    ('X = Histogram("seconds", "Time", buckets=[1, 2])', "X.observe(time.time() - n)"): (
        'count_metric("seconds", time.time() - n, unit="Seconds")'
    ),
    ('X = Summary("took", "Time", unit="seconds")', "X.observe(2.5)"): (
        'count_metric("took_seconds", 2.5, unit="Seconds")'
    ),
}


@pytest.mark.parametrize(("made", "use"), SENT)
def test_a_number_becomes_a_metric_with_its_name_and_labels(tmp_path, made, use):
    root = written(tmp_path / "app", program(made, use))
    [change] = make_plan([root], Options()).changes
    assert (change.tier, change.id.partition(".")[2]) == (Tier.REVIEW, "metric")
    text = composed(root)["app.py"]
    assert f"    {SENT[made, use]}\n" in text
    assert "\nX = " not in text
    assert make_plan([written(tmp_path / "again", {"app.py": text})], Options()).findings == ()


def test_the_line_is_what_cloudwatch_reads(tmp_path, capsys):
    text = composed(written(tmp_path / "app", program(LABELLED, "X.labels(user, n).inc(n)")))["app.py"]
    scope = {}
    exec(text.replace("from prometheus_client import", "# "), scope)
    scope["handler"]({"user": "ann", "n": 2}, None)
    line = json.loads(capsys.readouterr().out)
    assert (line["hits_total"], line["user"], line["kind"]) == (2.0, "ann", "2")
    [metric] = line["_aws"]["CloudWatchMetrics"]
    assert (metric["Dimensions"], metric["Metrics"]) == (
        [["user", "kind"]], [{"Name": "hits_total", "Unit": "Count"}],
    )  # fmt: skip


def test_what_may_be_below_zero_is_said(tmp_path):
    for use, count in (("X.inc(n)", 1), ("X.inc()", 0)):
        [finding] = make_plan([written(tmp_path / use, program(PLAIN, use))], Options()).findings
        assert sum("below zero raised ValueError" in reason for reason in finding.reasons) == count


TOLD = {
    ('X = Gauge("users", "Users")', "X.inc()"): "line 9 does something else than .set(…)",
    ('X = Histogram("took", "Time")', "X.time()"): "line 9 does something else than .observe(…)",
    (PLAIN, "y = X.inc()"): "line 9 does something else than .inc(…)",
    (PLAIN, "X.inc(1, exemplar={'a': 'b'})"): "line 9 does something else than .inc(…)",
    (PLAIN, "X.labels(user).inc()"): "line 9: its labels are not those of the constructor",
    (LABELLED, "X.inc()"): "line 9: its labels are not those of the constructor",
    (LABELLED, "X.labels(user).inc()"): "line 9: its labels are not those of the constructor",
    (LABELLED, "X.labels(*n).inc()"): "line 9: its labels are not those of the constructor",
    (LABELLED, "X.labels(user=user, sort=n).inc()"): "line 9: its labels are not those of the constructor",
    (
        LABELLED.replace("kind", "hits_total"),
        "X.labels(user, n).inc()",
    ): "line 9: a label has the name of something",
    (
        PLAIN.replace('"Hits"', '"Hits", registry=None'),
        "X.inc()",
    ): "line 4: what the constructor says is not all known",
    (PLAIN.replace('"Hits"', '"Hits", LABELS'), "X.inc()"): "line 4: what the constructor says is not all known",
    (f"import prometheus_client\n{PLAIN}", "X.inc(); prometheus_client.push_to_gateway('h', 'j', None)"): (
        "app.py uses push_to_gateway"
    ),
    (
        f"{PLAIN}\nfrom prometheus_client import generate_latest",
        "X.inc(); generate_latest()",
    ): "app.py uses generate_latest",
    (f"{PLAIN}\nX.inc(0)", "X.inc()"): "line 5 does something else",
}


@pytest.mark.parametrize(("made", "use"), TOLD)
def test_why_it_is_only_told(tmp_path, made, use):
    plan = make_plan([written(tmp_path / "app", program(made, use))], Options())
    [finding] = [each for each in plan.findings if each.symbol == "X"]
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert any(reason.startswith(TOLD[made, use]) for reason in finding.reasons), finding.reasons


def test_a_file_that_imports_the_instrument_by_its_name_is_no_reason_to_break_it(tmp_path):
    files = {
        "metrics.py": 'from prometheus_client import Counter\n\nHITS = Counter("hits_total", "Hits")\n',
        "app.py": "from metrics import HITS\n\n\ndef handler(event, context):\n    HITS.inc()\n    return 1\n",
    }
    [finding] = make_plan([written(tmp_path / "app", files)], Options()).findings
    assert (finding.tier, finding.changes) == (Tier.MANUAL, ())
    assert "app.py imports it by its name, which goes: name its module there" in finding.reasons


def test_what_the_configuration_says_of_metrics_is_said(tmp_path):
    options = Options(metric_namespace="shop", metric_dimensions=("stage=prod",))
    text = composed(written(tmp_path / "app", program(LABELLED, "X.labels(user, 'a').inc()")), options)["app.py"]
    dimensions = """{"stage": "prod", "user": str(user), "kind": 'a'}"""
    assert f'count_metric("hits_total", 1, namespace="shop", dimensions={dimensions})' in text


# ---------------------------------------------------------------- verify


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as made:
        yield made


def subject_of(name, tmp_path):
    sources = {each.name: each.read_text() for each in (CATALOGUE / name).glob("*.py")}
    root = written(tmp_path / "app", sources)
    analysis = analyse([root], Options())
    plan = plan_of(analysis, Options())
    [subject] = subjects_of(plan, analysis, plan.changes, Given())
    library = (STAND_IN.name, STAND_IN.read_bytes())
    trees = [CodeTree((*tree.files, library)) for tree in (subject.pair.original, subject.pair.migrated)]
    pair = replace(subject.pair, original=trees[0], migrated=trees[1])
    return replace(subject, pair=pair), read_steps(CATALOGUE / name / "events.json", subject.entries)


@pytest.mark.parametrize("name", ["prometheus_minimal", "prometheus_real", "pushed_gauge"])
def test_answers_are_the_same_and_the_metric_is_the_sum(sandbox, name, tmp_path):
    subject, steps = subject_of(name, tmp_path)
    found = examine(sandbox, subject, steps, Effort(runs=0, events=1, concurrency=3), lambda *_: None)
    assert [each.verdict for each in found.handlers] == [Verdict.EQUIVALENT], found.reason
    assert run_steps(sandbox, subject.pair, steps, FAULTY, 1).divergence is None


def test_a_wrong_number_diverges(sandbox, tmp_path):
    subject, steps = subject_of("prometheus_minimal", tmp_path)
    files = [
        (path, data.replace(b'"requests_total", 1', b'"requests_total", 2'))
        for path, data in subject.pair.migrated.files
    ]
    wrong = replace(subject, pair=replace(subject.pair, migrated=CodeTree(tuple(files))))
    found = examine(sandbox, wrong, steps, Effort(runs=0, events=1), lambda *_: None)
    assert (found.verdict, found.counterexample.divergence.difference.aspect) == (Verdict.DIVERGES, "metric")
