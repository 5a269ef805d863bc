"""What reading the results on public repositories taught: each once a wrong tier, verdict or crash."""

from pathlib import Path

import pytest

from statelift.model import Finding, Options, Plan, Tier
from statelift.planning import make_plan

ASSUMED = """\
def handler(event, context):
    creds = boto3.client("sts").assume_role(RoleArn=event["role"], RoleSessionName="x")["Credentials"]
"""
TENANT = {
    "environment": f'import os, boto3\n{ASSUMED}    os.environ["AWS_ACCESS_KEY_ID"] = creds["AccessKeyId"]\n',
    "any variable": f"import os, boto3\n{ASSUMED}    os.environ.update(creds)\n",
    "default session": f'import boto3\n{ASSUMED}    boto3.setup_default_session(aws_access_key_id=creds["Id"])\n',
    "its attribute": f"import boto3\n{ASSUMED}    boto3.DEFAULT_SESSION = boto3.Session()\n",
}


def plan_of(folder: Path, **files: str) -> Plan:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return make_plan([folder], Options())


def only_finding(plan: Plan) -> Finding:
    (finding,) = plan.findings
    return finding


@pytest.mark.parametrize("way", TENANT)
def test_a_client_is_not_kept_where_the_program_changes_its_credentials(tmp_path: Path, way: str) -> None:
    plan = plan_of(tmp_path, app=TENANT[way] + '    return boto3.client("s3").list_buckets()["Buckets"]\n')
    assert plan.changes == ()
    assert {str(suspect.verdict) for suspect in plan.left_alone} == {"event-dependent"}


def test_a_variable_set_at_import_is_constant(tmp_path: Path) -> None:
    source = (
        'import os, boto3\nos.environ["AWS_REGION"] = "eu"\ndef handler(event, context):\n    boto3.client("s3")\n'
    )
    assert only_finding(plan_of(tmp_path, app=source)).tier is Tier.SAFE


def test_threads_anywhere_in_the_program_lower_the_tier(tmp_path: Path) -> None:
    app = (
        "from concurrent.futures import ThreadPoolExecutor\nfrom store import save\n"
        'def handler(event, context):\n    ThreadPoolExecutor().map(save, event["items"])\n'
    )
    store = 'import boto3\ndef save(item):\n    boto3.resource("dynamodb").Table("t").put_item(Item=item)\n'
    finding = only_finding(plan_of(tmp_path, app=app, store=store))
    assert finding.tier is Tier.MANUAL  # and a resource of boto3 may not be shared by them
    assert any("thread" in reason for reason in finding.reasons)


HANDLER = "def handler(event, context):\n    return 1\n"
OPEN = 'import boto3\ndef save(item):\n    return boto3.client("s3").put_object(Body=item)\n'


def test_public_functions_are_no_entry_points_beside_a_handler(tmp_path: Path) -> None:
    assert plan_of(tmp_path, app=HANDLER, tool=OPEN).findings == ()


def test_a_file_that_is_named_is_entered_all_the_same(tmp_path: Path) -> None:
    plan_of(tmp_path, app=HANDLER, tool=OPEN)
    finding = only_finding(make_plan([tmp_path / "tool.py"], Options()))
    assert (finding.place.path, finding.tier) == ("tool.py", Tier.REVIEW)


def test_a_registry_that_a_class_fills_at_import_is_constant(tmp_path: Path) -> None:
    source = """\
HANDLERS = {}
class register:
    def __new__(cls, target):
        HANDLERS[target.name()] = target
        return target
    @classmethod
    def find(cls, name):
        return HANDLERS[name]
def handler(event, context):
    return register.find(event["kind"])().run()
"""
    plan = plan_of(tmp_path, app=source)
    assert plan.findings == ()


def test_a_lazy_object_may_be_named_after_its_function(tmp_path: Path) -> None:
    source = """\
layer = None
def handler(event, context):
    global layer
    if layer is None:
        layer = build(context.function_name.lower())
    return layer.get(event["id"])
"""
    assert [str(s.verdict) for s in plan_of(tmp_path, app=source).left_alone] == ["lazy-client"]


def test_pure_methods_of_a_set_are_no_writes(tmp_path: Path) -> None:
    source = 'WORDS = {"a"}\ndef handler(event, context):\n    return sorted(WORDS.union(event["words"]))\n'
    plan = plan_of(tmp_path, app=source)
    assert plan.findings == plan.left_alone == ()


def test_a_client_that_is_only_passed_on_is_safe(tmp_path: Path) -> None:
    source = """\
import boto3
def create(client, arn):
    return look(client, arn)
def look(client, arn):
    return client.get_secret_value(SecretId=arn)
def handler(event, context):
    return create(boto3.client("secretsmanager"), event["arn"])
"""
    assert only_finding(plan_of(tmp_path, app=source)).tier is Tier.SAFE


def test_a_getter_of_a_session_is_named_after_the_service(tmp_path: Path) -> None:
    source = (
        "import boto3\ndef handler(event, context):\n    "
        'return boto3.Session(region_name="us-east-1").resource("dynamodb").Table("t").scan()\n'
    )
    (change,) = plan_of(tmp_path, app=source).changes
    assert any(getattr(op, "part", "") == "_dynamodb_resource" for op in change.ops)


def test_an_import_among_others_is_seen(tmp_path: Path) -> None:
    source = 'import json, boto3\ndef handler(event, context):\n    return boto3.client("s3").list_buckets()\n'
    assert only_finding(plan_of(tmp_path, app=source)).rule == "SL401"
