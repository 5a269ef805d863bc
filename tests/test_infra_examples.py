"""What `infra --target` prints for a tool is what a patch adds to a file of that tool."""

import ast

import pygohcl
import pytest
from click.testing import CliRunner
from infra_templates import ALL, operations_for
from located import locate
from repositories import written
from test_infra_services import EXPECTED, rights
from test_packages import STATE

from statelift.cli.plan import infra
from statelift.infra import Refusal, render_example
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource

TOOLS = ("serverless", "terraform", "cdk")
PLACES = {"serverless": "serverless.yml", "terraform": "main.tf", "cdk": "state.py"}


def project(tool, text):
    return {PLACES[tool]: text, "src/app.py": "", "app.py": "", "cdk.json": "{}", "f_function/app.py": ""}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_functions_are_found_again_with_their_variables(tool):
    text = render_example([*ALL, *operations_for("src.api.handler")[0]], tool)
    if tool == "cdk":
        ast.parse(text)
    elif tool == "terraform":
        pygohcl.loads(text)
    assert text.count("ORDERS_TABLE_NAME") == 2
    assert text.count("RESULTS_BUCKET_NAME") == 1
    assert "src.api.handler" in text
    functions = locate(project(tool, text) | {"src/api.py": ""}).functions
    assert functions
    assert all(function.patchable == "" for function in functions)


def test_the_rights_of_a_service():
    assert rights(render_example(ALL, "serverless").encode()) == EXPECTED


@pytest.mark.parametrize("tool", TOOLS)
def test_the_order_of_operations_does_not_matter(tool):
    assert render_example(ALL[::-1], tool) == render_example(ALL, tool)


@pytest.mark.parametrize("tool", TOOLS)
def test_functions_that_differ_in_punctuation_stay_apart(tool):
    grants = [EnsureGrant(name, "OrdersTable", ("dynamodb:GetItem",)) for name in ("app.run", "app_run", "app-run")]
    text = render_example([EnsureResource("OrdersTable", "table"), *grants], tool)
    if tool == "cdk":
        assert text.count("orders_table.grant(") == 3
    if tool == "terraform":
        assert text.count('resource "aws_iam_role_policy"') == 3
    assert all(text.count(f"{name}:\n") == 1 for name in ("AppRun", "AppRun2", "AppRun3") if tool == "serverless")


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([], "nothing to deploy"),
        ([EnsureResource("M", "metric")], "nothing to deploy"),
        ([EnsureResource("OrdersTable", "table"), EnsureEnv("F", "X", "OtherTable")], "which no change creates"),
    ],
)
def test_what_makes_no_sense_is_refused(tool, operations, reason):
    with pytest.raises(Refusal, match=reason):
        render_example(operations, tool)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_command_prints_it(tmp_path, tool):
    result = CliRunner().invoke(infra, [str(written(tmp_path, {"app.py": STATE})), "--target", tool])
    assert "SESSIONS_TABLE_NAME" in result.stdout
    assert "app.handler" in result.stdout
    assert "USD a month more" in result.stderr
