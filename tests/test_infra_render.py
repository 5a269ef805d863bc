import pytest
import yaml
from infra_templates import ALL, RESOURCES

from statelift.infra import Refusal, patch_template, render_infrastructure
from statelift.infra.values import Tagged, value_of
from statelift.locate.tree import compose_template
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource


def rendered(operations, target="cloudformation"):
    return value_of(compose_template(render_infrastructure(operations, target).encode()).root)


def test_exactly_the_resources_and_one_policy_per_function():
    other = [
        EnsureEnv("G", "ORDERS_TABLE_NAME", "OrdersTable"),
        EnsureGrant("G", "OrdersTable", ("dynamodb:GetItem",)),
    ]
    resources = rendered([*ALL, *other])["Resources"]
    assert set(resources) == {
        "ActiveSessionsTable",
        "OrdersTable",
        "ResultsBucket",
        "ResultsBucketPolicy",
        "FState",
        "GState",
    }
    statements = resources["GState"]["Properties"]["PolicyDocument"]["Statement"]
    assert statements == [
        {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": Tagged("!GetAtt", "OrdersTable.Arn")}
    ]


def test_outputs_name_every_variable_once():
    outputs = rendered([*ALL, EnsureEnv("G", "ORDERS_TABLE_NAME", "OrdersTable")])["Outputs"]
    assert outputs["OrdersTableName"] == {
        "Description": "Value of ORDERS_TABLE_NAME in F, G",
        "Value": Tagged("!Ref", "OrdersTable"),
    }
    assert set(outputs) == {"ActiveSessionsTableName", "OrdersTableName", "ResultsBucketName", "FStateArn"}


def test_the_targets_differ_in_the_transform_only():
    plain, sam = render_infrastructure(ALL, "cloudformation"), render_infrastructure(ALL, "sam")
    assert sam.replace("Transform: AWS::Serverless-2016-10-31\n", "") == plain


def test_stack_and_patch_say_the_same():
    stack = rendered(ALL)["Resources"]
    patched = value_of(compose_template(patch_template(b"Resources: {}\n", RESOURCES)).root)["Resources"]
    assert patched == {name: stack[name] for name in patched}
    assert len(patched) == 4


def test_the_order_of_operations_does_not_matter():
    assert render_infrastructure(ALL[::-1], "sam") == render_infrastructure(ALL, "sam")


def test_functions_that_differ_in_punctuation_keep_their_own_policy():
    grants = [EnsureGrant(name, "OrdersTable", ("dynamodb:GetItem",)) for name in ("app.run", "app_run")]
    resources = rendered([*RESOURCES, *grants])["Resources"]
    assert {"AppRunState", "AppRunState2"} <= set(resources)


def test_a_template_that_names_what_it_does_not_make_is_refused():
    with pytest.raises(Refusal, match="no change creates"):
        render_infrastructure([RESOURCES[0], EnsureEnv("F", "X", "Missing")], "sam")


@pytest.mark.parametrize("operations", [[], [EnsureResource("Hits", "metric")]])
def test_nothing_to_deploy_is_said(operations):
    with pytest.raises(Refusal, match="nothing to deploy"):
        render_infrastructure(operations, "cloudformation")


def test_a_stack_without_variables_is_plain_yaml():
    text = render_infrastructure([EnsureResource("OrdersTable", "table")], "cloudformation")
    assert list(yaml.safe_load(text)) == ["AWSTemplateFormatVersion", "Description", "Resources"]
