"""What AWS would not take is refused, and what holds data stays unless somebody asks for the opposite."""

import re

import pytest
from infra_services import PLAIN as PLAIN_SERVICE
from infra_templates import PLAIN as TEMPLATE
from infra_templates import ROLE
from infra_terraform import PLAIN as TERRAFORM
from repositories import written
from test_packages import HEAD, STATE, sam

from statelift.infra import Refusal
from statelift.infra.limits import check_environment, check_resources, short
from statelift.infra.patching import patch_file
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, Options
from statelift.planfile import load_plan, save_plan
from statelift.planning import make_plan

TABLE = EnsureResource("OrdersTable", "table")


def variable(function):
    return EnsureEnv(function, "ORDERS_TABLE_NAME", "OrdersTable")


def test_the_size_of_an_environment_is_counted_in_bytes():
    check_environment("F", {"A": "x" * 4000}, "B")
    with pytest.raises(Refusal, match="has 4020 bytes, and Lambda allows 4096: ORDERS_TABLE_NAME does not fit"):
        check_environment("F", {"A": "x" * 4019}, "ORDERS_TABLE_NAME")
    with pytest.raises(Refusal, match="has 4022 bytes"):
        check_environment("F", {"A": "\u20ac" * 1340, "B": None}, "ORDERS_TABLE_NAME")


def filled(size):
    value = "x" * size
    inside = f"      Environment:\n        Variables:\n          BIG: {value}\n"
    shared = f"Globals:\n  Function:\n    Environment:\n      Variables:\n        BIG: {value}\n"
    service = PLAIN_SERVICE.replace("  name: aws\n", f"  name: aws\n  environment:\n    BIG: {value}\n", 1)
    block = f'\n  environment {{\n    variables = {{\n      BIG = "{value}"\n    }}\n  }}\n}}\n'
    yield "t.yaml", TEMPLATE + inside, "F", [TABLE]
    yield "t.yaml", shared + TEMPLATE, "F", [TABLE]
    yield "serverless.yml", service, "F", [TABLE]
    yield "main.tf", TERRAFORM.rstrip().removesuffix("}") + block, "aws_lambda_function.F", []


@pytest.mark.parametrize("number", range(4))
def test_full_environments_get_nothing_more(number):
    path, text, function, resources = list(filled(3900))[number]
    assert b"ORDERS_TABLE_NAME" in patch_file(path, text.encode(), [*resources, variable(function)])
    path, text, function, resources = list(filled(4060))[number]
    with pytest.raises(Refusal, match="Lambda allows 4096"):
        patch_file(path, text.encode(), [*resources, variable(function)])


def test_full_templates_get_nothing_more():
    check_resources(499)
    others = "".join(f"  T{number}:\n    Type: AWS::SNS::Topic\n" for number in range(499))
    with pytest.raises(Refusal, match="has 500 resources"):
        patch_file("t.yaml", (TEMPLATE + others).encode(), [TABLE])
    one_less = others.replace("  T0:\n    Type: AWS::SNS::Topic\n", "")
    assert b"OrdersTable" in patch_file("t.yaml", (TEMPLATE + one_less).encode(), [TABLE])


def test_long_names_are_cut_and_stay_apart():
    assert short("a" * 128) == "a" * 128
    one, other = short("a" * 200 + "b"), short("a" * 200 + "c")
    assert one != other
    assert len(one) == len(other) == 128
    name = "A" * 190 + "Table"
    operations = [EnsureResource(name, "table"), EnsureGrant("F", name, ("dynamodb:GetItem",))]
    after = patch_file("t.yaml", ROLE.encode(), operations).decode()
    (policy,) = re.findall("PolicyName: (.*)", after)
    assert len(policy) == 128
    assert patch_file("t.yaml", after.encode(), operations) == after.encode()


@pytest.mark.parametrize("kind", ["table", "bucket"])
def test_data_stays_unless_it_is_asked_to_go(kind):
    name = f"Orders{kind.capitalize()}"
    kept, gone = EnsureResource(name, kind), EnsureResource(name, kind, (("retention", "delete"),))
    template = patch_file("t.yaml", TEMPLATE.encode(), [kept]).decode()
    assert "DeletionPolicy: RetainExceptOnCreate" in template
    assert "UpdateReplacePolicy: Retain\n" in template
    assert "prevent_destroy = true" in patch_file("statelift.tf", None, [kept]).decode()
    template = patch_file("t.yaml", TEMPLATE.encode(), [gone]).decode()
    assert "DeletionPolicy: Delete\n    UpdateReplacePolicy: Delete\n" in template
    assert "Retain" not in template
    terraform = patch_file("statelift.tf", None, [gone]).decode()
    assert "prevent_destroy" not in terraform
    assert ("force_destroy = true" in terraform) == (kind == "bucket")
    assert patch_file("statelift.tf", terraform.encode(), [gone]) == terraform.encode()


def test_the_option_reaches_the_template_and_the_plan_file(tmp_path):
    project = written(tmp_path, {"app.py": STATE, "template.yaml": HEAD + sam("F", ".", "app.handler")})
    for is_ephemeral in (True, False):
        plan = make_plan([project], Options(is_ephemeral=is_ephemeral))
        tables = [op for change in plan.changes for op in change.ops if isinstance(op, EnsureResource)]
        assert [("retention", "delete") in table.properties for table in tables] == [is_ephemeral]
        save_plan(plan, tmp_path / "plan.json")
        assert load_plan(tmp_path / "plan.json").options.is_ephemeral is is_ephemeral
