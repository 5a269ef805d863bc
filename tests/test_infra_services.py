import json
import os
import random
import shutil
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from infra_services import ACCEPTED, EVERY_ACCEPTED, HEAD, PLAIN, REFUSED
from infra_templates import ALL, operations_for
from located import locate
from test_infra_patch import is_subsequence

from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.infra.values import Tagged, plain_of, value_of
from statelift.locate.tree import compose_template
from statelift.model import EnsureGrant
from statelift.verify.deployment.names import names_of
from statelift.verify.deployment.services import service_deployment

PATH = "svc/serverless.yml"
EXPECTED = {
    ("OrdersTable.Arn", "", "dynamodb:GetItem"),
    ("OrdersTable.Arn", "", "dynamodb:UpdateItem"),
    ("ActiveSessionsTable.Arn", "", "dynamodb:GetItem"),
    ("ActiveSessionsTable.Arn", "", "dynamodb:PutItem"),
    ("ResultsBucket.Arn", "/tmp/results.json", "s3:GetObject"),
    ("ResultsBucket.Arn", "/tmp/parts/*", "s3:PutObject"),
    ("ResultsBucket.Arn", "", "s3:ListBucket"),
}


def patched(service, operations=ALL):
    return patch_file(PATH, service if isinstance(service, bytes) else service.encode(), operations)


def value(data):
    return value_of(compose_template(data).root)


def function_of(data):
    functions = value(data)["functions"]
    return functions["F"] if isinstance(functions, dict) else functions[0]["F"]


def statements_of(data):
    function, provider = function_of(data), value(data)["provider"]
    if "iamRoleStatements" in function:
        return function["iamRoleStatements"]
    shared = provider.get("iamRoleStatements") or provider["iam"]["role"]["statements"]
    return policy_of(data)["PolicyDocument"]["Statement"] if isinstance(shared, str) else shared


def policy_of(data):
    return resources_of(data)["StateliftPolicy"]["Properties"]


def target(resource):
    match resource:
        case Tagged(text=text):
            return text, ""
        case {"Fn::Join": ["", [Tagged(text=text), rest]]}:
            return text, rest
        case _:
            return None


def rights(data):
    found = set()
    for statement in statements_of(data):
        if (place := target(statement["Resource"])) is not None:
            found |= {(*place, action) for action in statement["Action"]}
    return found


def resources_of(data):
    resources = value(data)["resources"]
    parts = resources if isinstance(resources, list) else [resources]
    return {
        key: body for part in parts if isinstance(part, dict) for key, body in (part.get("Resources") or {}).items()
    }


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_everything_asked_for_is_there_and_only_that(name):
    after = patched(EVERY_ACCEPTED[name])
    assert rights(after) == EXPECTED
    environment = function_of(after)["environment"]
    assert environment["ORDERS_TABLE_NAME"] == Tagged("!Ref", "OrdersTable")
    assert environment["RESULTS_BUCKET_NAME"] == Tagged("!Ref", "ResultsBucket")
    added = {"ActiveSessionsTable", "OrdersTable", "ResultsBucket", "ResultsBucketPolicy"}
    assert set(resources_of(after)) - {"Own", "Other", "StateliftPolicy"} == added


@pytest.mark.parametrize("name", [name for name in EVERY_ACCEPTED if name.startswith("statements-file")])
def test_statements_that_stand_in_another_file_get_a_policy_beside_them(name):
    after = patched(EVERY_ACCEPTED[name])
    assert policy_of(after)["Roles"] == [Tagged("!Ref", "IamRoleLambdaExecution")]
    found = service_deployment(after, "F", names_of(ALL))
    assert {action for each in found.statements for action in each.actions} == {right for *_, right in EXPECTED}
    assert found.unread == ("the statements of the provider",)


def test_other_services_get_no_such_policy():
    assert "StateliftPolicy" not in resources_of(patched(PLAIN))


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_a_second_run_changes_nothing(name):
    once = patched(EVERY_ACCEPTED[name])
    assert patched(once) == once


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_only_characters_are_added(name):
    before, after = EVERY_ACCEPTED[name], patched(EVERY_ACCEPTED[name]).decode()
    assert is_subsequence(before, after)
    if name in ACCEPTED:
        assert is_subsequence(before.splitlines(), after.splitlines())
        assert ("\r\n" in before) == ("\r\n" in after)


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_no_variable_of_the_framework_is_made(name):
    assert patched(EVERY_ACCEPTED[name]).count(b"${") == EVERY_ACCEPTED[name].encode().count(b"${")


@settings(max_examples=40, deadline=None)
@given(st.permutations(operations_for()), st.sampled_from(sorted(EVERY_ACCEPTED)), st.integers(0, 3))
def test_one_after_the_other_holds_what_all_at_once_holds(changes, name, count):
    data = EVERY_ACCEPTED[name].encode()
    for change in changes[:count]:
        data = patched(data, change)
    wanted = [operation for change in changes[:count] for operation in change]
    random.Random(count).shuffle(wanted)
    once = patched(EVERY_ACCEPTED[name], wanted) if wanted else EVERY_ACCEPTED[name].encode()
    assert sorted(map(str, value(data).items())) == sorted(map(str, value(once).items()))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    service, reason = REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        patched(service)
    found = locate({PATH: service, "svc/app.py": "", "svc/functions.yml": "F: {handler: app.handler}\n"})
    assert all(reason in function.patchable for function in found.functions)


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_what_is_patched_is_located_as_patchable(name):
    found = locate({PATH: EVERY_ACCEPTED[name], "svc/app.py": ""})
    assert [function.patchable for function in found.functions] == [""]


def test_a_role_of_its_own_keeps_the_rights_of_the_provider():
    after = function_of(patched(EVERY_ACCEPTED["own-roles"]))
    assert after["iamRoleStatementsInherit"] is True
    assert "iamRoleStatementsInherit" not in function_of(patched(EVERY_ACCEPTED["own-roles-with-statements"]))


def test_functions_that_share_a_role_share_the_rights_and_it_is_said():
    service = PLAIN + "  G:\n    handler: app.other\n"
    found = locate({PATH: service, "svc/app.py": ""}).functions
    assert ["the 2 functions of this service share one role" in function.sharing for function in found] == [
        True,
        True,
    ]
    own = service.replace("functions:", "plugins:\n  - serverless-iam-roles-per-function\nfunctions:")
    assert [function.sharing for function in locate({PATH: own, "svc/app.py": ""}).functions] == ["", ""]
    assert [function.sharing for function in locate({PATH: PLAIN, "svc/app.py": ""}).functions] == [""]


def test_rights_of_two_functions_are_one_statement():
    both = [*ALL, EnsureGrant("G", "OrdersTable", ("dynamodb:DeleteItem",))]
    after = patched(PLAIN + "  G:\n    handler: app.other\n", both)
    about = [each for each in statements_of(after) if each["Resource"] == Tagged("!GetAtt", "OrdersTable.Arn")]
    assert [each["Action"] for each in about] == [
        ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
    ]


def test_a_variable_of_the_provider_is_in_the_way():
    service = HEAD + "  environment:\n    ORDERS_TABLE_NAME: other\nfunctions:\n  F:\n    handler: app.handler\n"
    with pytest.raises(Refusal, match="another value"):
        patched(service)


def test_a_right_needs_its_resource():
    with pytest.raises(Refusal, match="no resource OrdersTable"):
        patched(PLAIN, [EnsureGrant("F", "OrdersTable", ("dynamodb:GetItem",))])


def test_nothing_else_changes():
    for name, service in EVERY_ACCEPTED.items():
        before, after = (
            plain_of(compose_template(service.encode()).root),
            plain_of(compose_template(patched(service)).root),
        )
        assert before.keys() <= after.keys(), name
        assert all(after[key] == before[key] for key in before.keys() - {"functions", "provider", "resources"})


def test_the_output():
    assert yaml.safe_load(patched(HEAD + "functions:\n  F: {handler: a.b}\n", ALL[:3]).replace(b"!", b"")) == {
        "service": "shop",
        "provider": {
            "name": "aws",
            "runtime": "python3.12",
            "iam": {
                "role": {
                    "statements": [
                        {
                            "Effect": "Allow",
                            "Action": ["dynamodb:GetItem", "dynamodb:UpdateItem"],
                            "Resource": "GetAtt OrdersTable.Arn",
                        }
                    ]
                }
            },
        },
        "functions": {"F": {"handler": "a.b", "environment": {"ORDERS_TABLE_NAME": "Ref OrdersTable"}}},
        "resources": {"Resources": {"OrdersTable": TABLE}},
    }


TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "DeletionPolicy": "RetainExceptOnCreate",
    "UpdateReplacePolicy": "Retain",
    "Metadata": {"statelift": {"origin": "app.py:ORDERS"}},
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
    },
}


@pytest.mark.skipif(shutil.which("serverless") is None, reason="the Serverless Framework is not installed")
@pytest.mark.parametrize("name", ["plain", "statements", "resources", "environment"])
def test_the_framework_packages_it(name, tmp_path):
    (tmp_path / "serverless.yml").write_bytes(patched(EVERY_ACCEPTED[name]))
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    quiet = {"HOME": str(tmp_path), "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"}
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    subprocess.run(["serverless", "package"], cwd=tmp_path, check=True, env=os.environ | quiet | keys)
    made = json.loads((tmp_path / ".serverless" / "cloudformation-template-update-stack.json").read_text())
    variables = made["Resources"]["FLambdaFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["ORDERS_TABLE_NAME"] == {"Ref": "OrdersTable"}
    assert {"OrdersTable", "ResultsBucket", "ResultsBucketPolicy"} <= set(made["Resources"])
