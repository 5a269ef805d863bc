"""Tables and buckets that exist: the code uses them, nothing is made, variable and rights are added."""

import json

import pytest
from deployments import CDK
from repositories import written

from statelift.compose import compose
from statelift.discover import read_file
from statelift.infra.patching import patch_file
from statelift.infra.yamlpatch import Refusal
from statelift.locate.hcl import read_hcl
from statelift.model import CellOptions, EnsureEnv, EnsureGrant, EnsureResource, Options, Tier
from statelift.planning import make_plan
from statelift.verify.deployment.modules import module_deployment
from statelift.verify.deployment.names import names_of

FUNCTION = "aws_lambda_function.app"
APP = """SESSIONS = {}


def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""
SAM = """Transform: AWS::Serverless-2016-10-31
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      CodeUri: .
      Environment:
        Variables:
          KNOWN: prod-sessions
          UNKNOWN: !Ref Something
"""
SERVICE = """service: shop
provider:
  name: aws
  runtime: python3.12
functions:
  app:
    handler: app.handler
"""
TERRAFORM = """resource "aws_iam_role" "app" {
  assume_role_policy = "{}"
}

data "archive_file" "app" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  output_path = "app.zip"
}

resource "aws_lambda_function" "app" {
  function_name = "app"
  role          = aws_iam_role.app.arn
  handler       = "app.handler"
  runtime       = "python3.12"
  filename      = data.archive_file.app.output_path
}
"""


def planned(tmp_path, files, **asked):
    root = written(tmp_path / "project", files)
    return root, make_plan([root], Options(stores=(CellOptions("app:SESSIONS", **asked),)))


def after(root, plan):
    writes = compose(plan, {change.id for change in plan.changes}, lambda path: read_file(root, path))
    return {write.path: write.after.decode() for write in writes}


def operations(plan, kind):
    return [op for change in plan.changes for op in change.ops if isinstance(op, kind)]


def test_a_table_by_name_is_used_and_not_made(tmp_path):
    root, plan = planned(tmp_path, {"app.py": APP, "template.yaml": SAM}, table="user-sessions", key="session_id")
    assert operations(plan, EnsureResource) == []
    files = after(root, plan)
    assert 'Store("SESSIONS_TABLE_NAME", key="session_id")' in files["app.py"]
    assert "self._key = key" in files["statelift_state.py"]
    assert "SESSIONS_TABLE_NAME: user-sessions\n" in files["template.yaml"]
    assert ":table/user-sessions" in files["template.yaml"]
    assert "AWS::DynamoDB::Table" not in files["template.yaml"]
    [change] = plan.changes
    assert change.tier is Tier.REVIEW
    assert any("its only key has to be session_id" in reason for reason in change.reasons)


def test_a_table_that_a_known_variable_names_gets_its_right(tmp_path):
    root, plan = planned(tmp_path, {"app.py": APP, "template.yaml": SAM}, table_env="KNOWN")
    assert operations(plan, EnsureResource) == operations(plan, EnsureEnv) == []
    assert [grant.resource for grant in operations(plan, EnsureGrant)] == ["table/prod-sessions"]
    assert 'SESSIONS = Store("KNOWN")' in after(root, plan)["app.py"]


@pytest.mark.parametrize("variable", ["UNKNOWN", "NOWHERE"])
def test_a_table_whose_name_nobody_knows_gets_its_right_by_hand(tmp_path, variable):
    _, plan = planned(tmp_path, {"app.py": APP, "template.yaml": SAM}, table_env=variable)
    assert operations(plan, EnsureGrant) == []
    [change] = plan.changes
    assert any(f"no template tells the name that {variable} holds for App" in reason for reason in change.reasons)


def test_the_right_is_found_again(tmp_path):
    root, plan = planned(tmp_path, {"app.py": APP, "template.yaml": SAM}, table="user-sessions")
    wanted = [op for op in plan.changes[0].ops if isinstance(op, (EnsureEnv, EnsureGrant))]
    text = after(root, plan)["template.yaml"].encode()
    assert patch_file("template.yaml", text, wanted) == text


def test_a_service(tmp_path):
    root, plan = planned(tmp_path, {"app.py": APP, "serverless.yml": SERVICE}, table="user-sessions")
    text = after(root, plan)["serverless.yml"]
    assert "SESSIONS_TABLE_NAME: user-sessions\n" in text
    assert text.count(":table/user-sessions") == 1
    wanted = [op for op in plan.changes[0].ops if isinstance(op, (EnsureEnv, EnsureGrant))]
    assert patch_file("serverless.yml", text.encode(), wanted) == text.encode()


def test_terraform(tmp_path):
    root, plan = planned(tmp_path, {"src/app.py": APP, "main.tf": TERRAFORM}, table="user-sessions")
    files = after(root, plan)
    assert 'SESSIONS_TABLE_NAME = "user-sessions"' in files["main.tf"]
    made = files["statelift.tf"]
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/user-sessions"
    [statement] = module_deployment([read_hcl(made.encode()), read_hcl(files["main.tf"].encode())], FUNCTION,
                                    names_of([])).statements  # fmt: skip
    assert statement.resources == (arn,)
    assert "*" not in made
    assert "aws_dynamodb_table" not in made
    wanted = [op for op in plan.changes[0].ops if isinstance(op, EnsureGrant)]
    assert patch_file("statelift.tf", made.encode(), wanted) == made.encode()


def test_a_bucket_in_terraform(tmp_path):
    asked = [
        EnsureGrant(FUNCTION, "bucket/files", ("s3:GetObject", "s3:ListBucket"), "tmp/", role="aws_iam_role.app.id")
    ]
    made = patch_file("statelift.tf", None, asked)
    found = module_deployment([read_hcl(made), read_hcl(TERRAFORM.encode())], FUNCTION, names_of([]))
    assert [each.resources for each in found.statements] == [("arn:aws:s3:::files/tmp/*",), ("arn:aws:s3:::files",)]
    assert patch_file("statelift.tf", made, asked) == made
    assert b"aws_caller_identity" not in made


def test_a_program_of_cdk_refers_to_them():
    asked = [
        EnsureEnv("Api", "SESSIONS_TABLE_NAME", "table/user-sessions", "name"),
        EnsureGrant("Api", "table/user-sessions", ("dynamodb:GetItem",)),
        EnsureGrant("Api", "bucket/files", ("s3:GetObject",), "tmp/"),
    ]
    made = patch_file("app.py", CDK.encode(), asked).decode()
    assert (
        'user_sessions_table = aws_dynamodb.Table.from_table_name(self, "UserSessionsTable", "user-sessions")'
        in made
    )
    assert 'files_bucket = aws_s3.Bucket.from_bucket_name(self, "FilesBucket", "files")' in made
    assert 'api.add_environment("SESSIONS_TABLE_NAME", user_sessions_table.table_name)' in made
    assert 'user_sessions_table.grant(api, "dynamodb:GetItem")' in made
    assert 'files_bucket.arn_for_objects("tmp/*")' in made
    assert "RemovalPolicy" not in made
    assert patch_file("app.py", made.encode(), asked).decode() == made


def test_entries_that_expire(tmp_path):
    root, plan = planned(tmp_path, {"app.py": APP, "template.yaml": SAM}, ttl="expires_at", ttl_seconds=60)
    files = after(root, plan)
    assert 'Store("SESSIONS_TABLE_NAME", ttl_seconds=60, ttl_attribute="expires_at")' in files["app.py"]
    assert "TimeToLiveSpecification:\n        AttributeName: expires_at\n" in files["template.yaml"]
    assert any("entries expire 60 seconds" in reason for reason in plan.changes[0].reasons)


def test_inline_uses_the_key_of_the_table(tmp_path):
    once = APP.replace("    return SESSIONS", "    else:\n        return SESSIONS")
    root, plan = planned(tmp_path, {"app.py": once}, style="inline", table_env="T", key="id")
    text = after(root, plan)["app.py"]
    assert 'Table(os.environ.get("T"))' in text
    assert 'get_item(Key={"id": event["id"]}' in text


def test_inline_and_an_expiry_do_not_go_together(tmp_path):
    _, plan = planned(tmp_path, {"app.py": APP}, style="inline", ttl="expires")
    assert any("style inline is not possible here: entries expire" in reason for reason in plan.changes[0].reasons)


def test_a_transaction_does_not_use_it(tmp_path):
    _, plan = planned(tmp_path, {"app.py": APP}, style="transaction", table="user-sessions")
    assert [op.id for op in operations(plan, EnsureResource)] == ["StateTable"]
    assert any("its table, key and ttl of the configuration are not used" in r for r in plan.changes[0].reasons)


@pytest.mark.parametrize("name", ["table/a*", "bucket/x", "table/../x", "queue/jobs"])
def test_a_right_on_anything_else_is_refused(name):
    wanted = [EnsureGrant("App", name, ("dynamodb:GetItem",), template="template.yaml")]
    with pytest.raises(Refusal):
        patch_file("template.yaml", SAM.encode(), wanted)


FLAWS = {
    '"app:SESSIONS" = {table = "x"}': "table must be the name of what exists",
    '"app:SESSIONS" = {table = "one", table-env = "TWO"}': "name the same thing",
    '"app:SESSIONS" = {key = "id"}': "say which with table or table-env",
    '"app:SESSIONS" = {table = "one", key = "v"}': "must be none of v, k, c, r, p",
    '"app:SESSIONS" = {ttl-seconds = 5}': "ttl-seconds needs ttl",
    '"app:SESSIONS" = {ttl = "e", ttl-seconds = 0}': "above 0",
    '"app:SESSIONS" = {ttl = "pk"}': "cannot be the same attribute",
    '"app:SESSIONS" = {table-env = "A-B"}': "must be the name of an environment variable",
    '"app:SESSIONS" = {table = "one"}\n"app:CARTS" = {table = "one"}': 'table is that of "app:SESSIONS"',
}


@pytest.mark.parametrize("text", FLAWS)
def test_what_cannot_be_said(tmp_path, said, text):
    root = written(tmp_path / "project", {"app.py": APP, "statelift.toml": f"[stores]\n{text}\n"})
    code, _, told = said("scan", str(root))
    assert code == 2
    assert FLAWS[text] in told


def test_the_configuration_is_shown(tmp_path, said):
    text = '[stores."app:SESSIONS"]\ntable = "one-table"\nkey = "id"\n'
    root = written(tmp_path / "project", {"app.py": APP, "statelift.toml": text})
    code, out, _ = said("config", "show", str(root), "--format", "json")
    assert code == 0
    shown = json.loads(out)["values"]["stores"]["value"]
    assert shown == [{"cell": "app:SESSIONS", "table": "one-table", "key": "id"}]
