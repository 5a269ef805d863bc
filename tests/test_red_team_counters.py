"""Counters whose metric or atomic counter was once wrong without a word."""

from pathlib import Path

import pytest
from test_red_team import TEMPLATE, finding_of

from statelift.compose import compose
from statelift.model import Options, Tier
from statelift.planning import make_plan

COUNT = "requests = 0\n\n\ndef handler(event, context):\n    global requests\n    requests += 1\n    return 1\n"


def plan_of(folder: Path, **files: str):
    (folder / "template.yaml").write_text(TEMPLATE)
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return make_plan([folder], Options())


def test_a_lonely_counter_is_safe(tmp_path: Path) -> None:
    assert finding_of(plan_of(tmp_path, app=COUNT), "requests").tier is Tier.SAFE


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"app": COUNT.replace("requests", "_requests = 0\nrequests", 1)}, "requests"),
        ({"app": COUNT, "tests__test_app": "from app import handler, requests\n"}, "requests"),
        ({"app": COUNT, "metrics": 'NAMES = ["Requests"]\n'}, "requests"),
        (
            {"app": COUNT.replace("    return 1", "    with contextlib.redirect_stdout(out):\n        run()")},
            "requests",
        ),
        ({"app": COUNT.replace("    return 1", "    sys.stdout = event['to']")}, "requests"),
        ({"app": COUNT.replace("requests", "_")}, "_"),
        ({"app": COUNT.replace("requests = 0", "requests, errors = 0, 0")}, "requests"),
        ({"app": COUNT.replace("requests = 0", "requests = errors = 0")}, "requests"),
    ],
)
def test_what_makes_a_metric_doubtful_is_said(tmp_path: Path, files: dict[str, str], name: str) -> None:
    finding = finding_of(plan_of(tmp_path, **files), name)
    assert finding.tier in (Tier.REVIEW, Tier.MANUAL)
    assert len(finding.reasons) > 1


def test_counters_of_two_modules_are_two_metrics(tmp_path: Path) -> None:
    hit = "errors = 0\n\n\ndef hit():\n    global errors\n    errors += 1\n"
    app = "import orders\nimport users\n\n\ndef handler(event, context):\n    orders.hit()\n    users.hit()\n"
    plan = plan_of(tmp_path, app=app, orders=hit, users=hit)
    chosen = {change.id for change in plan.changes}
    after = compose(plan, chosen, lambda path: (tmp_path / path).read_bytes())
    text = b"".join(write.after for write in after)
    assert b'"OrdersErrors"' in text
    assert b'"UsersErrors"' in text


@pytest.mark.parametrize("calling", ["list(map(count, event['values']))", "event['f'](count)"])
def test_a_step_that_others_may_give_is_no_whole_number(tmp_path: Path, calling: str) -> None:
    above = "calls = 0\n\n\ndef count(step=1):\n    global calls\n    calls += step\n"
    app = f"{above}\n\ndef handler(event, context):\n    count()\n    {calling}\n"
    assert finding_of(plan_of(tmp_path, app=app), "calls").tier is not Tier.SAFE


def test_a_number_that_nobody_reads_is_a_metric_whatever_its_type(tmp_path: Path) -> None:
    above = "total = 0\n\n\ndef handler(event, context):\n    global total\n    total += sum(event['sizes'])\n"
    finding = finding_of(plan_of(tmp_path, app=above), "total")
    assert (finding.rule, finding.tier) == ("SL201", Tier.REVIEW)
