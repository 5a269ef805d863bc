"""What a policy allows, as verify reads it and as the gate holds it against calls."""

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from deployments import CDK, CLOUDFORMATION, MODULE, PROGRAM, SAM, SERVICE, TERRAFORM, deploying

from statelift.infra.patching import patch_file
from statelift.infra.values import long_form, value_of
from statelift.infra.yamlpatch import Document
from statelift.locate.hcl import read_hcl
from statelift.model import EnsureGrant, EnsureResource
from statelift.runtime import PARTS, render_helper
from statelift.verify.deployment.modules import module_deployment
from statelift.verify.deployment.names import names_of
from statelift.verify.deployment.programs import program_deployment
from statelift.verify.deployment.reading import variables_of
from statelift.verify.deployment.services import service_deployment
from statelift.verify.deployment.templates import template_deployment
from statelift.verify.machine.calls import Call
from statelift.verify.machine.guard import denial, granted_rights, judged, judged_missing
from statelift.verify.machine.needs import needs_of
from statelift.verify.values import Condition, Deployed, Deployment, Right, Statement

NAMES = names_of([EnsureResource("OrdersTable", "table"), EnsureResource("FilesBucket", "bucket")])
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/OrdersTable"
BUCKET = "arn:aws:s3:::filesbucket"


def dynamodb(operation: str, **asked) -> Call:
    body = json.dumps({"TableName": "OrdersTable", **asked}).encode()
    return Call("dynamodb", operation, "POST", "https://dynamodb.us-east-1.amazonaws.com/", (), body, 0)


def s3(operation: str, path: str = "/tmp/a.json", method: str = "GET", body: bytes = b"", headers=()) -> Call:
    return Call("s3", operation, method, f"https://filesbucket.s3.amazonaws.com{path}", headers, body, 0)


def deployed(*statements: Statement, variables=(("T", "OrdersTable"), ("B", "filesbucket")), unread=()) -> Deployed:
    function = Deployment("F", tuple(variables), statements, tuple(unread))
    return Deployed((("app:handler", (function,)),), frozenset(NAMES.names.values()))


def allow(action: str, resource: str, *conditions: Condition) -> Statement:
    return Statement((action,), (resource,), conditions)


# ---------------------------------------------------------------- calls


NEEDS = [
    (dynamodb("GetItem"), [("dynamodb:GetItem", TABLE)]),
    (dynamodb("Query", IndexName="by"), [("dynamodb:Query", f"{TABLE}/index/by")]),
    (dynamodb("BatchGetItem", RequestItems={"OrdersTable": {}}), [("dynamodb:BatchGetItem", TABLE)]),
    (
        dynamodb("TransactWriteItems", TransactItems=[{"Put": {"TableName": "OrdersTable"}},
                 {"ConditionCheck": {"TableName": "OrdersTable"}}]),
        [("dynamodb:PutItem", TABLE), ("dynamodb:ConditionCheckItem", TABLE)],
    ),
    (s3("HeadObject", method="HEAD"), [("s3:GetObject", f"{BUCKET}/tmp/a.json")]),
    (s3("GetObject", "/tmp/a%20b%2Bc"), [("s3:GetObject", f"{BUCKET}/tmp/a b+c")]),
    (s3("CreateMultipartUpload", "/tmp/a?uploads", "POST"), [("s3:PutObject", f"{BUCKET}/tmp/a")]),
    (s3("ListObjectsV2", "/?list-type=2&prefix=tmp%2F"), [("s3:ListBucket", BUCKET)]),
    (s3("HeadBucket", "/", "HEAD"), [("s3:ListBucket", BUCKET)]),
    (
        s3("DeleteObjects", "/?delete", "POST", b"<Delete><Object><Key>tmp/a</Key></Object></Delete>"),
        [("s3:DeleteObject", f"{BUCKET}/tmp/a")],
    ),
    (
        s3("CopyObject", "/tmp/b", "PUT", headers=(("x-amz-copy-source", "other/a"),)),
        [("s3:PutObject", f"{BUCKET}/tmp/b"), ("s3:GetObject", "arn:aws:s3:::other/a")],
    ),
    (Call("sqs", "SendMessage", "POST", "https://sqs.us-east-1.amazonaws.com/", (), b"{}", 0), []),
]  # fmt: skip


@pytest.mark.parametrize(("call", "needs"), NEEDS, ids=lambda value: getattr(value, "operation", ""))
def test_calls_need_the_rights_that_aws_asks_for(call, needs):
    assert [(need.action, need.arn) for need in needs_of(call)] == needs


def test_a_bucket_in_the_path_is_found_as_well():
    call = Call("s3", "GetObject", "GET", "https://s3.us-east-1.amazonaws.com/filesbucket/tmp/a", (), b"", 0)
    assert [need.arn for need in needs_of(call)] == [f"{BUCKET}/tmp/a"]


# ---------------------------------------------------------------- statements


ALLOWED = [
    allow("dynamodb:GetItem", TABLE),
    allow("dynamodb:getitem", TABLE),
    allow("dynamodb:*", "*"),
    allow("dynamodb:Get*", "arn:aws:dynamodb:*:*:table/Orders*"),
    allow("dynamodb:GetItem", TABLE, Condition("ForAllValues:StringEquals", "dynamodb:LeadingKeys", ("a",))),
    allow("dynamodb:GetItem", TABLE, Condition("Bool", "aws:SecureTransport", ("true",))),
]
REFUSED = [
    allow("dynamodb:PutItem", TABLE),
    allow("dynamodb:GetItem", f"{TABLE}/index/*"),
    allow("dynamodb:GetItem", TABLE.replace("Orders", "orders")),
    allow("dynamodb:GetIte?", TABLE + "?"),
    allow("dynamodb:GetItem", TABLE, Condition("StringEquals", "dynamodb:LeadingKeys", ("b",))),
    allow("dynamodb:GetItem", TABLE, Condition("StringEquals", "s3:prefix", ("a",))),
]
ASKED = dynamodb("GetItem", Key={"pk": {"S": "a"}})


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_a_statement_allows_is_used(statement):
    found = judged(ASKED, "app:handler", deployed(statement))
    assert (found.used, found.missing) == ((Right("F", "dynamodb:GetItem", "OrdersTable"),), ())


@pytest.mark.parametrize("statement", REFUSED)
def test_what_no_statement_allows_is_missing_and_named(statement):
    found = judged(ASKED, "app:handler", deployed(statement))
    assert found.missing == (f"F may not dynamodb:GetItem on {TABLE}",)


def test_a_denial_wins_and_policies_that_were_not_read_are_named():
    deny = Statement(("dynamodb:Get*",), (TABLE,), (), True)
    found = judged(ASKED, "app:handler", deployed(allow("dynamodb:*", "*"), deny))
    assert found.missing == (f"F is forbidden dynamodb:GetItem on {TABLE}",)
    found = judged(ASKED, "app:handler", deployed(unread=("Shared",)))
    assert found.missing == (f"F may not dynamodb:GetItem on {TABLE} (not read: Shared)",)


def test_a_function_without_the_variable_cannot_know_the_name():
    found = judged(ASKED, "app:handler", deployed(allow("dynamodb:*", "*"), variables=[("T", "another")]))
    assert found.missing == ("F has no variable that names OrdersTable",)


def test_what_the_change_did_not_make_and_other_handlers_are_not_looked_at():
    theirs = Call("dynamodb", "GetItem", "POST", "https://x/", (), b'{"TableName": "Theirs"}', 0)
    assert judged(theirs, "app:handler", deployed()).missing == ()
    assert judged(ASKED, "app:other", deployed()).missing == ()


def test_prefixes_hold_for_listings_and_not_for_reads_of_what_is_missing():
    listing = allow("s3:ListBucket", BUCKET, Condition("StringLikeIfExists", "s3:prefix", ("tmp/*",)))
    only = deployed(listing, allow("s3:GetObject", f"{BUCKET}/tmp/*"))
    assert not judged(s3("ListObjectsV2", "/?prefix=tmp%2Fa"), "app:handler", only).missing
    assert judged(s3("ListObjectsV2", "/?prefix=other"), "app:handler", only).missing
    assert judged(s3("GetObject", "/other"), "app:handler", only).missing
    assert not judged_missing(s3("GetObject"), "app:handler", only).missing
    strict = allow("s3:ListBucket", BUCKET, Condition("StringLike", "s3:prefix", ("tmp/*",)))
    assert judged_missing(s3("GetObject"), "app:handler", deployed(strict)).missing
    assert judged_missing(s3("PutObject", method="PUT"), "app:handler", deployed()).missing == ()


def test_refusals_look_like_those_of_the_services():
    found = judged(ASKED, "app:handler", deployed())
    answer = denial(ASKED, found)
    assert answer.status == 400
    assert json.loads(answer.body)["__type"].endswith("#AccessDeniedException")
    for method, has_body in (("GET", True), ("HEAD", False)):
        call = s3("GetObject", method=method)
        answer = denial(call, judged(call, "app:handler", deployed()))
        assert (answer.status, b"<Code>AccessDenied</Code>" in answer.body) == (403, has_body)


# ---------------------------------------------------------------- templates


def granted(function: Deployment) -> set[tuple[str, str]]:
    rights = granted_rights(Deployed((("c", (function,)),), frozenset(NAMES.names.values())))
    return {(right.action, right.resource) for right in rights}


def allows(function: Deployment, call: Call) -> bool:
    names = (("T", "OrdersTable"), ("B", "filesbucket"))
    known = Deployed(
        (("c", (Deployment(function.function, names, function.statements),)),), frozenset(NAMES.names.values())
    )
    return not judged(call, "c", known).missing


def template(text: str, function: str = "Api") -> Deployment:
    return template_deployment(Document.parse(text.encode()).tree, function, NAMES)


def sam(policies: str) -> Deployment:
    return template(SAM.replace("        - AWSLambdaBasicExecutionRole\n", policies))


def test_the_intrinsics_of_a_template_are_followed():
    text = """        - Statement:
            Effect: Allow
            Action: dynamodb:GetItem
            Resource:
              - !GetAtt OrdersTable.Arn
              - Fn::Sub: arn:${AWS::Partition}:s3:::${FilesBucket}/tmp/*
              - !Join ['', [!GetAtt [FilesBucket, Arn], '/a']]
              - Fn::Join: ['', [{Ref: FilesBucket}, x]]
              - !Sub '${Theirs.Arn}/*'
              - !ImportValue Theirs
"""
    [statement] = sam(text).statements
    assert statement.resources == (TABLE, f"{BUCKET}/tmp/*", f"{BUCKET}/a", "filesbucketx")
    assert sam(text).unread == ("a policy of Api",)


def test_the_variables_of_globals_and_function_are_joined():
    text = SAM.replace(
        "      Policies:\n", "      Environment: {Variables: {T: !Ref OrdersTable}}\n      Policies:\n"
    )
    assert dict(template(text).variables) == {"STAGE": "test", "T": "OrdersTable"}


def test_policy_templates_of_sam_grant_what_they_stand_for():
    text = """        - DynamoDBReadPolicy: {TableName: !Ref OrdersTable}
        - S3CrudPolicy:
            BucketName: !Ref FilesBucket
        - SQSPollerPolicy: {QueueName: q}
"""
    found = sam(text)
    assert allows(found, ASKED)
    assert not allows(found, dynamodb("UpdateItem"))
    assert allows(found, s3("PutObject", method="PUT"))
    assert allows(found, s3("ListObjectsV2", "/"))
    assert found.unread == ()


@pytest.mark.parametrize("name", ["DynamoDBReadPolicy", "DynamoDBWritePolicy", "DynamoDBCrudPolicy",
                                  "DynamoDBReconfigurePolicy", "S3ReadPolicy", "S3WritePolicy", "S3CrudPolicy",
                                  "S3FullAccessPolicy"])  # fmt: skip
def test_the_policy_templates_are_those_of_sams_own_translator(name):
    translator = pytest.importorskip("samtranslator")
    data = json.loads(
        (Path(translator.__file__).parent / "policy_templates_data/policy_templates.json").read_text()
    )
    theirs = data["Templates"][name]["Definition"]["Statement"]
    actions = {action for each in theirs for action in each["Action"]}
    parameter, resource = ("TableName", "OrdersTable") if "Dynamo" in name else ("BucketName", "FilesBucket")
    found = sam(f"        - {name}: {{{parameter}: !Ref {resource}}}\n")
    assert {action for each in found.statements for action in each.actions} == actions


def test_the_policies_of_a_role_stand_in_it_and_beside_it():
    text = (
        CLOUDFORMATION
        + """      Policies:
        - PolicyName: inner
          PolicyDocument:
            Statement: [{Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt OrdersTable.Arn}]
      ManagedPolicyArns:
        - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
        - arn:aws:iam::aws:policy/Everything
        - !Ref Managed
  Beside:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref ApiRole]
      PolicyDocument:
        Statement: {Effect: Allow, Action: [dynamodb:Scan], Resource: !GetAtt OrdersTable.Arn}
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement: {Effect: Allow, Action: ['s3:PutObject'], Resource: !Sub '${FilesBucket.Arn}/*'}
  Another:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref OtherRole]
      PolicyDocument:
        Statement: {Effect: Allow, Action: ['dynamodb:DeleteItem'], Resource: !GetAtt OrdersTable.Arn}
"""
    )
    found = template(text)
    assert granted(found) == {
        ("dynamodb:GetItem", "OrdersTable"), ("dynamodb:Scan", "OrdersTable"), ("s3:PutObject", "filesbucket"),
    }  # fmt: skip
    assert found.unread == ("arn:aws:iam::aws:policy/Everything",)


def test_a_role_from_elsewhere_is_named_and_nothing_is_refused():
    found = template(CLOUDFORMATION.replace("!GetAtt ApiRole.Arn", "arn:aws:iam::1:role/x"))
    assert found.statements is None
    assert found.unenforced == ("the role of Api is not in its template, so its rights are not known",)
    known = Deployed((("app:handler", (found,)),), frozenset(NAMES.names.values()))
    assert judged(ASKED, "app:handler", known).missing == ()


def test_what_may_forbid_more_is_named():
    text = SAM + "      PermissionsBoundary: arn:aws:iam::1:policy/b\n"
    assert template(text).unenforced == ("Api has a permissions boundary",)
    found = sam("        - Statement: [{Effect: Deny, Action: '*', Resource: !ImportValue x}]\n")
    assert found.unenforced == ("a policy of Api forbids what only the deployment knows",)
    condition = "Condition: {IpAddress: {aws:SourceIp: 10.0.0.0/8}}"
    found = sam(f"        - Statement: [{{Effect: Allow, Action: 's3:*', Resource: '*', {condition}}}]\n")
    assert (found.statements, found.unread) == ((), ("a policy of Api",))


def test_functions_of_a_service_share_the_provider_and_may_inherit():
    shared = """  iam:
    role:
      statements:
        - Effect: Allow
          Action: [dynamodb:GetItem]
          Resource: !GetAtt OrdersTable.Arn
        - Effect: Allow
          Action: ['s3:PutObject']
          Resource: 'arn:aws:s3:::${self:custom.bucket}/*'
functions:
"""
    text = SERVICE.replace("functions:\n", shared)
    found = service_deployment(text.encode(), "api", NAMES)
    assert granted(found) == {("dynamodb:GetItem", "OrdersTable")}
    assert found.unread == ("the statements of api",)
    own = "plugins: [serverless-iam-roles-per-function]\n" + text
    assert granted(service_deployment(own.encode(), "api", NAMES)) == set()
    inherited = own + "    iamRoleStatementsInherit: true\n"
    assert granted(service_deployment(inherited.encode(), "api", NAMES)) == {("dynamodb:GetItem", "OrdersTable")}


def test_policies_of_terraform_in_every_form():
    text = (
        TERRAFORM
        + """
resource "aws_iam_role_policy" "document" {
  role   = aws_iam_role.api.name
  policy = data.aws_iam_policy_document.rights.json
}
data "aws_iam_policy_document" "rights" {
  statement {
    actions   = ["dynamodb:GetItem"]
    resources = [aws_dynamodb_table.statelift_orders_table.arn]
  }
  statement {
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.statelift_files_bucket.arn}/*"]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["tmp/*"]
    }
  }
}
resource "aws_iam_role_policy_attachment" "own" {
  role       = aws_iam_role.api.id
  policy_arn = aws_iam_policy.own.arn
}
resource "aws_iam_policy" "own" {
  policy = jsonencode({ Statement = { Effect = "Allow", Action = "dynamodb:Scan",
    Resource = aws_dynamodb_table.statelift_orders_table.arn } })
}
resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.api.name
  policy_arn = "arn:aws:iam::aws:policy/Everything"
}
resource "aws_iam_role_policy" "another" {
  role   = aws_iam_role.another.id
  policy = jsonencode({ Statement = [{ Effect = "Allow", Action = ["dynamodb:DeleteItem"],
    Resource = aws_dynamodb_table.statelift_orders_table.arn }] })
}
"""
    )
    found = module_deployment([read_hcl(text.encode())], "aws_lambda_function.api", NAMES)
    assert granted(found) == {("dynamodb:GetItem", "OrdersTable"), ("dynamodb:Scan", "OrdersTable")}
    assert [each.conditions for each in found.statements or () if each.is_deny] == [
        (Condition("StringLike", "s3:prefix", ("tmp/*",)),)
    ]
    assert found.unread == ("arn:aws:iam::aws:policy/Everything",)


@pytest.mark.parametrize(
    ("given", "role", "unread"),
    [
        ("aws_iam_role.api.arn", "aws_iam_role.api.id", ()),
        ('"${aws_iam_role.api.arn}"', "aws_iam_role.api.id", ()),
        ("aws_iam_role.api.arn", "aws_iam_role.api.name", ()),
        ("aws_iam_role.api[0].arn", "aws_iam_role.api[0].id", ()),
        ("aws_iam_role.api[0].arn", "aws_iam_role.api[0].name", ()),
        ('aws_iam_role.api["a"].arn', 'aws_iam_role.api["a"].id', ()),
        ("var.role", "basename(var.role)", ("the other policies of basename(var.role)",)),
    ],
)
def test_what_is_added_for_a_terraform_role_is_read_back(given, role, unread):
    function = f'resource "aws_lambda_function" "api" {{\n  role = {given}\n}}\n'
    name = "aws_lambda_function.api"
    asked = [
        EnsureResource("OrdersTable", "table"),
        EnsureGrant(name, "OrdersTable", ("dynamodb:GetItem", "dynamodb:PutItem"), role=role),
    ]
    bodies = [read_hcl(function.encode()), read_hcl(patch_file("statelift.tf", None, asked))]
    found = module_deployment(bodies, name, NAMES)
    assert granted(found) == {("dynamodb:GetItem", "OrdersTable"), ("dynamodb:PutItem", "OrdersTable")}
    assert found.unread == unread


def test_policies_of_every_copy_of_a_role_are_those_of_one():
    text = """resource "aws_lambda_function" "api" {
  role = aws_iam_role.api[0].arn
}
resource "aws_iam_role_policy" "own" {
  role   = aws_iam_role.api[count.index].id
  policy = jsonencode({ Statement = { Effect = "Allow", Action = "dynamodb:Scan",
    Resource = aws_dynamodb_table.statelift_orders_table.arn } })
}
resource "aws_iam_role_policy" "another" {
  role   = aws_iam_role.api[1].id
  policy = jsonencode({ Statement = { Effect = "Allow", Action = "dynamodb:Query",
    Resource = aws_dynamodb_table.statelift_orders_table.arn } })
}
"""
    found = module_deployment([read_hcl(text.encode())], "aws_lambda_function.api", NAMES)
    assert granted(found) == {("dynamodb:Scan", "OrdersTable")}


def test_what_a_module_is_given_for_its_role_is_read_or_named():
    text = MODULE.replace(
        "}\n",
        """  attach_policy_statements = true
  policy_statements = {
    orders = {
      effect    = "Allow"
      actions   = ["dynamodb:GetItem"]
      resources = [aws_dynamodb_table.statelift_orders_table.arn]
    }
    theirs = { effect = "Allow", actions = ["s3:GetObject"], resources = [var.theirs] }
  }
  policy_json               = file("policy.json")
  role_permissions_boundary = var.boundary
}
""",
    )
    found = module_deployment([read_hcl(text.encode())], "module.api", NAMES)
    assert granted(found) == {("dynamodb:GetItem", "OrdersTable")}
    assert found.unread == ("module.api", "policy_json of module.api")
    assert found.unenforced == ("module.api has a permissions boundary",)


def test_grants_of_cdk_are_read_for_their_function_only():
    text = (
        CDK
        + """        other = aws_lambda.Function(self, "Other", handler="a.b", runtime=r, code=c)
        orders = aws_dynamodb.Table(self, "OrdersTable")
        orders.grant(api, "dynamodb:GetItem")
        orders.grant(other, "dynamodb:Scan")
        orders.grant_stream_read(api)
"""
    )
    found = program_deployment(text.encode(), "Api", NAMES)
    assert granted(found) == {("dynamodb:GetItem", "OrdersTable")}
    assert found.unread == ("orders.grant_stream_read",)


def pairs(function: Deployment) -> set[tuple[str, str]]:
    return {
        (action, where) for each in function.statements or () for action in each.actions for where in each.resources
    }


MORE = """        - S3CrudPolicy: {BucketName: !Ref TmpFilesBucket}
        - DynamoDBReadPolicy: {TableName: !Ref SessionsTable}
        - Statement: [{Effect: Allow, Action: 'dynamodb:Query', Resource: !Sub '${SessionsTable.Arn}/index/*'}]
"""


@pytest.mark.parametrize("more", ["", MORE])
def test_a_patched_template_of_sam_says_the_same_once_sam_has_translated_it(tmp_path, more):
    translating = pytest.importorskip("samtranslator.translator.translator")
    parsing = pytest.importorskip("samtranslator.parser.parser")
    boto3 = pytest.importorskip("boto3")
    project = deploying(tmp_path, {"template.yaml": SAM + more})
    tree = Document.parse(project.files["template.yaml"]).tree
    whole = long_form(value_of(tree.root))
    whole["Resources"]["Api"]["Properties"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name="us-east-1")
    made = translating.Translator({}, parsing.Parser(), boto_session=session).translate(whole, {})
    names = names_of(project.operations)
    theirs = template_deployment(Document.parse(json.dumps(made).encode()).tree, "Api", names)
    [mine] = project.pair.setting.deployed.all
    assert theirs.variables == mine.variables
    assert len(pairs(mine)) >= 8
    assert pairs(theirs) == pairs(mine)
    assert {each.conditions for each in theirs.statements} == {each.conditions for each in mine.statements}


# ---------------------------------------------------------------- the helper


def called(text: str) -> Iterator[str]:
    """The operations that generated code calls: `_call("get_item", …)`, `_s3().get_object`."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="_call"), args=[ast.Constant(value=str(operation)), *_]):
                yield f"dynamodb.{operation}"
            case ast.Attribute(value=ast.Call(func=ast.Name(id="_s3" | "_cloudwatch" as client)), attr=operation):
                yield f"{client[1:]}.{operation}"
            case _:
                pass


def rights(operation: str) -> set[str]:
    """What one operation of the SDK needs, as verify sees it at the gate."""
    service, _, name = operation.partition(".")
    word = "".join(part.capitalize() for part in name.split("_"))
    call = dynamodb(word) if service == "dynamodb" else s3(word, "/" if "list" in name else "/tmp/a")
    call = replace(call, service=service)
    listing = judged_missing(call, "app:handler", deployed())
    needs = [*needs_of(call), *([listing.need] if listing.need is not None else [])]
    return {need.action for need in needs}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_helper_is_granted_what_its_code_calls_and_nothing_else(part):
    needed = {action for operation in called(render_helper([part])) for action in rights(operation)}
    # The items of a transaction say what it needs: a part of its own where one may only be looked at.
    looked_at = {"dynamodb:ConditionCheckItem"} if part == "store.steps" else set()
    assert needed == set(PARTS[part].actions) - looked_at


# ---------------------------------------------------------------- whole projects


def test_two_functions_with_one_handler_both_need_the_rights(tmp_path):
    second = SAM[SAM.index("  Api:") :].replace("  Api:", "  Again:")
    project = deploying(tmp_path, {"template.yaml": SAM + second})
    assert {each.function for each in project.pair.setting.deployed.all} == {"Again", "Api"}
    assert {right.function for right in granted_rights(project.pair.setting.deployed)} == {"Again", "Api"}


def test_variables_of_the_template_are_there_and_those_of_the_sandbox_stay():
    one = Deployment("F", (("AWS_REGION", "x"), ("PATH", "/x"), ("PATHS", "a"), ("STAGE", "test"), ("WHO", "F")))
    other = Deployment("G", (("STAGE", "test"), ("WHO", "G")))
    assert variables_of(Deployed((("a:h", (one,)), ("a:g", (other,))))) == {"PATHS": "a", "STAGE": "test"}


def test_the_variables_of_both_programs_come_from_the_template(tmp_path):
    project = deploying(tmp_path, {"template.yaml": SAM})
    assert dict(project.pair.setting.environment) == {
        "STAGE": "test", "SESSIONS_TABLE_NAME": "SessionsTable", "TMP_FILES_BUCKET_NAME": "tmpfilesbucket",
    }  # fmt: skip


def test_a_function_whose_role_is_elsewhere_keeps_its_variables_from_the_snippet(tmp_path):
    text = CLOUDFORMATION.replace("!GetAtt ApiRole.Arn", "arn:aws:iam::1:role/x")
    project = deploying(tmp_path, {"template.yaml": text})
    [function] = project.pair.setting.deployed.all
    assert function.statements is None
    assert set(dict(function.variables)) == {"SESSIONS_TABLE_NAME", "TMP_FILES_BUCKET_NAME"}
    assert set(project.pair.setting.environment) == set(dict(function.variables))


def test_a_boundary_in_another_file_of_the_module_is_named(tmp_path):
    cut = TERRAFORM.index('resource "aws_iam_role"')
    role = TERRAFORM[cut:].replace("}\n", "  permissions_boundary = var.boundary\n}\n")
    project = deploying(tmp_path, {"main.tf": TERRAFORM[:cut], "iam.tf": role})
    [function] = project.pair.setting.deployed.all
    assert function.unenforced == ("aws_lambda_function.api has a permissions boundary",)


def test_chalice_projects_are_judged_by_the_printed_stack(tmp_path):
    program = PROGRAM.replace("def handler", "app = Chalice(app_name='a')\n\n\n@app.lambda_function()\ndef handler")
    files = {
        ".chalice/config.json": '{"version": "2.0", "app_name": "a"}',
        "app.py": "from chalice import Chalice\n" + program,
    }
    project = deploying(tmp_path, files)
    [function] = project.pair.setting.deployed.all
    assert {right.action for right in granted_rights(project.pair.setting.deployed)} >= {"dynamodb:GetItem"}
    assert function.unread == ("the policy that chalice makes",)
