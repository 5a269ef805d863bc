"""What a change adds to a CDK program: only statements, only once, and provably nothing else."""

import ast
import json
import re
import shutil
import subprocess
import sys
from functools import partial

import pytest
from infra_cdk import ACCEPTED, FUNCTION, PLAIN, REFUSED
from infra_templates import ALL, operations_for
from located import locate
from repositories import written
from test_infra_patch import is_subsequence
from test_infra_validators import ALARM, findings
from test_packages import STATE

from statelift.compose import compose
from statelift.discover import read_file
from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.infra.validators import MODULE, new_findings
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, Options, Tier
from statelift.planning import make_plan

PATH = "shop/stack.py"


def patched(text, operations=ALL):
    return patch_file(PATH, text.encode(), operations).decode()


def calls(text, ending):
    nodes = (node for node in ast.walk(ast.parse(text.removeprefix("\ufeff"))) if isinstance(node, ast.Call))
    return [node for node in nodes if ast.unparse(node.func).endswith(ending)]


@pytest.mark.parametrize("name", ACCEPTED)
def test_everything_asked_for_is_there(name):
    after = patched(ACCEPTED[name])
    tables = {ast.literal_eval(call.args[1]) for call in calls(after, ".Table")}
    assert tables == {"OrdersTable", "ActiveSessionsTable"}
    assert len(calls(after, ".Bucket")) == 1
    variables = {ast.literal_eval(call.args[0]) for call in calls(after, ".add_environment")}
    assert variables == {"ORDERS_TABLE_NAME", "ACTIVE_SESSIONS_TABLE_NAME", "RESULTS_BUCKET_NAME"}
    granted = {ast.literal_eval(each) for call in calls(after, ".grant") for each in call.args[1:]}
    assert granted == {"dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem"}
    statements = " ".join(ast.unparse(call) for call in calls(after, ".PolicyStatement"))
    assert statements.count("actions=") == 3
    assert "arn_for_objects('tmp/parts/*')" in statements
    assert "arn_for_objects('tmp/results.json')" in statements
    assert "'s3:prefix': 'tmp/results.json'" in statements


@pytest.mark.parametrize("name", ACCEPTED)
def test_lines_are_only_added(name):
    before, after = ACCEPTED[name], patched(ACCEPTED[name])
    assert is_subsequence(before, after)
    assert is_subsequence(before.rstrip("\r\n").splitlines(), after.splitlines())
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    if "\r\n" in before:
        assert "\n" not in after.replace("\r\n", "")


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_second_run_changes_nothing_and_the_order_does_not_matter(name):
    after = patched(ACCEPTED[name])
    assert patched(after) == after
    assert patched(ACCEPTED[name], ALL[::-1]) == after
    one, two, three = operations_for()
    stepwise = patched(patched(patched(ACCEPTED[name], one), two), three)
    assert sorted(stepwise.split()) == sorted(after.split())


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    text, reason = REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        patched(text)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_can_be_patched_is_said_to_be_patchable(name):
    (function,) = locate({"cdk.json": "{}", PATH: ACCEPTED[name], "src/app.py": ""}).functions
    assert (function.logical_id, function.patchable) == ("F", "")


@pytest.mark.parametrize("name", ["unbound", "condition", "rebound", "spread", "role-imported", "scope"])
def test_the_reason_against_patching_is_told(name):
    text, reason = REFUSED[name]
    functions = locate({"cdk.json": "{}", PATH: text, "src/app.py": ""}).functions
    assert functions
    assert all(reason in function.patchable for function in functions)


def test_a_call_that_makes_several_functions_is_not_written_to():
    method = PLAIN.replace(
        "def __init__(self, scope: Construct, id: str, **kwargs) -> None:", "def make(self, name):"
    )
    method = method.replace("        super().__init__(scope, id, **kwargs)\n", "").replace('"app.handler"', "name")
    text = method + "\n    def both(self):\n        self.make('a.run')\n        self.make('b.run')\n"
    found = locate({"cdk.json": "{}", PATH: text, "src/a.py": "", "src/b.py": ""}).functions
    assert [function.patchable.partition(":")[0] for function in found] == ["One call makes 2 functions"] * 2


def test_without_a_literal_id_the_name_stands_for_the_function():
    text = PLAIN.replace('"F"', 'f"{id}-F"')
    (function,) = locate({"cdk.json": "{}", PATH: text, "src/app.py": ""}).functions
    assert (function.logical_id, function.patchable) == ("fn", "")
    operations = [operation for change in operations_for("fn") for operation in change]
    assert patched(text, operations).replace('f"{id}-F"', '"F"') == patched(PLAIN)
    twice = text + FUNCTION.replace('"F"', 'f"{id}-G"').replace('"app.handler"', '"app.other"')
    found = locate({"cdk.json": "{}", PATH: twice, "src/app.py": ""}).functions
    assert all("without a literal id are bound to fn" in function.patchable for function in found)


EXISTING = [
    EnsureEnv("F", "KNOWN_TABLE_NAME", "table/known", "name"),
    EnsureGrant("F", "table/known", ("dynamodb:Query",)),
    EnsureGrant("F", "bucket/known-files", ("s3:DeleteObject",), "tmp/"),
]


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory):
    """The template that CDK makes of the patched program."""
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib is not installed")
    if shutil.which("node") is None:
        pytest.skip("CDK needs Node.js")
    folder = tmp_path_factory.mktemp("cdk")
    (folder / "src").mkdir()
    (folder / "src" / "app.py").write_text("def handler(event, context):\n    return 1\n")
    end = "\n\nfrom aws_cdk import App\n\napp = App(outdir='out')\nShop(app, 'Shop')\napp.synth()\n"
    (folder / "app.py").write_text(patched(PLAIN, [*ALL, *EXISTING]) + end)
    subprocess.run([sys.executable, "app.py"], cwd=folder, check=True, capture_output=True)
    return (folder / "out" / "Shop.template.json").read_text()


def rights_in(template):
    """Actions and resource of each statement of the only policy."""
    made = json.loads(template)["Resources"].values()
    (policy,) = (body["Properties"] for body in made if body["Type"] == "AWS::IAM::Policy")
    for each in policy["PolicyDocument"]["Statement"]:
        actions = each["Action"]
        yield ([actions] if isinstance(actions, str) else actions), json.dumps(each["Resource"])


@pytest.mark.slow
def test_the_program_synthesizes_to_exactly_these_rights(synthesized):
    rights = [*rights_in(synthesized)]
    assert sorted(each for actions, _ in rights for each in actions) == [
        "dynamodb:GetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
        "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject",
    ]  # fmt: skip
    [known] = [resource for actions, resource in rights if actions == ["dynamodb:Query"]]
    assert all(word in known for word in ("AWS::Partition", "AWS::Region", "AWS::AccountId", ":table/known"))
    [files] = [resource for actions, resource in rights if actions == ["s3:DeleteObject"]]
    assert ":s3:::known-files/tmp/*" in files
    made = json.loads(synthesized)["Resources"].values()
    kept = [body["DeletionPolicy"] for body in made if body["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket")]
    assert kept == ["Retain"] * 3


@pytest.mark.slow
def test_the_synthesized_stack_has_no_findings(synthesized):
    # CDK itself says twice that a function needs its role
    assert [each for each in findings(synthesized) if "W3005" not in each] == []
    pytest.importorskip(MODULE, reason="the extra validate is not installed")
    new = new_findings(b'{"Resources": {}}', synthesized.encode())
    assert [rule for rule, _ in new if rule != "W3005"] == []


def test_functions_beside_each_other_share_a_table():
    text = PLAIN + FUNCTION.replace("fn", "other").replace('"F"', '"G"')
    operations = [*operations_for()[0], *operations_for("G")[0]]
    after = patched(text, operations)
    assert len(calls(after, ".Table")) == 1
    assert after.index("orders_table = ") < after.index("fn = _lambda")
    assert {ast.unparse(call.args[0]) for call in calls(after, ".grant")} == {"fn", "other"}
    assert patched(after, operations) == after
    assert len(calls(patched(patched(text, operations_for()[0]), operations_for("G")[0]), ".Table")) == 1


def test_functions_of_two_stacks_share_nothing():
    other = PLAIN[PLAIN.index("class Shop") :].replace("Shop", "Other").replace('"F"', '"G"')
    operations = [*operations_for()[0], *operations_for("G")[0]]
    with pytest.raises(Refusal, match="made in different places"):
        patched(PLAIN + "\n\n" + other, operations)


def test_a_table_behind_the_function_is_not_reached():
    before = patched(PLAIN + FUNCTION.replace("fn", "other").replace('"F"', '"G"'), operations_for("G")[0])
    with pytest.raises(Refusal, match="did not add"):
        patched(before, operations_for("F")[0])


def test_more_rights_are_added_behind_the_others():
    first = patched(PLAIN, operations_for()[0])
    more = [*operations_for()[0], EnsureGrant("F", "OrdersTable", ("dynamodb:DeleteItem", "dynamodb:GetItem"))]
    after = patched(first, more)
    assert 'orders_table.grant(fn, "dynamodb:DeleteItem")' in after
    assert is_subsequence(first.splitlines(), after.splitlines())
    assert patched(after, more) == after


def test_what_the_table_promises():
    after = patched(PLAIN, [EnsureResource("OrdersTable", "table", (("ttl", "at"),)), *operations_for()[0][1:]])
    (table,) = calls(after, ".Table")
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in table.keywords}
    assert said["removal_policy"] == "RemovalPolicy.RETAIN"
    assert (said["time_to_live_attribute"], said["point_in_time_recovery"]) == ("'at'", "True")
    assert re.search(r"^from aws_cdk import RemovalPolicy\nfrom aws_cdk import aws_dynamodb\n", after, re.MULTILINE)


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([EnsureResource("OrdersTable", "table")], "No function of this program uses OrdersTable"),
        ([EnsureResource("X", "alarm"), EnsureEnv("F", "A", "X")], "lacks metric, namespace"),
        ([EnsureResource("X", "alarm", ALARM.properties)], "No function of this program uses X"),
        ([EnsureEnv("F", "A", "OrdersTable")], "no resource OrdersTable"),
        ([EnsureEnv("Gone", "A", "OrdersTable")], "exactly one function"),
    ],
)  # fmt: skip
def test_operations_that_cannot_be_right_are_refused(operations, reason):
    with pytest.raises(Refusal, match=reason):
        patched(PLAIN, operations)


def test_what_is_added_is_no_comment_that_suppresses(tmp_path):
    project = {"cdk.json": "{}", PATH: PLAIN, "src/app.py": STATE}
    folder = written(tmp_path, project)
    read = partial(read_file, folder)
    plan = make_plan([folder], Options())
    assert [finding.tier for finding in plan.findings] == [Tier.SAFE]
    written(tmp_path, {write.path: write.after for write in compose(plan, {plan.changes[0].id}, read)})
    again = make_plan([folder], Options())
    assert (again.findings, again.warnings) == ((), ())
    assert "sessions_table.grant(fn, " in (folder / PATH).read_text()
