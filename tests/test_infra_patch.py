import json

import pytest
import yaml
from infra_templates import (
    ACCEPTED,
    ACCEPTED_IN_LINE,
    ACCEPTED_WITH_DASH,
    ALL,
    EVERY_ACCEPTED,
    HEAD,
    JSON,
    PLAIN,
    REFUSED,
    ROLE,
    operations_for,
)

from statelift.infra import Refusal, patch_template
from statelift.infra.values import Tagged, value_of
from statelift.locate.sites import why_not_patchable
from statelift.locate.tree import compose_template
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(item in rest for item in part)


def values(data):
    return value_of(compose_template(data).root)


def statements(policies):
    documents = [policy.get("PolicyDocument", policy) for policy in policies if isinstance(policy, dict)]
    return [item for document in documents for item in document.get("Statement", [])]


def rights(data):
    """(resource, action) pairs that the function has on what statelift made."""
    resources = values(data)["Resources"]
    role = resources["F"]["Properties"].get("Role")
    holder = resources[role.text.removeprefix("${").split(".")[0]] if role else resources["F"]
    found = set()
    for statement in statements(holder["Properties"]["Policies"]):
        if isinstance(statement["Resource"], Tagged):
            found |= {(statement["Resource"].text, action) for action in statement["Action"]}
    return found


EXPECTED_RIGHTS = {
    ("OrdersTable.Arn", "dynamodb:GetItem"),
    ("OrdersTable.Arn", "dynamodb:UpdateItem"),
    ("ActiveSessionsTable.Arn", "dynamodb:GetItem"),
    ("ActiveSessionsTable.Arn", "dynamodb:PutItem"),
    ("${ResultsBucket.Arn}/tmp/results.json", "s3:GetObject"),
    ("${ResultsBucket.Arn}/tmp/parts/*", "s3:PutObject"),
    ("ResultsBucket.Arn", "s3:ListBucket"),
}


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_everything_asked_for_is_there_and_only_that(name):
    before = EVERY_ACCEPTED[name].encode()
    after = patch_template(before, ALL)
    old, new = values(before)["Resources"], values(after)["Resources"]
    assert set(new) - set(old) == {"ActiveSessionsTable", "OrdersTable", "ResultsBucket", "ResultsBucketPolicy"}
    assert rights(after) == EXPECTED_RIGHTS
    variables = new["F"]["Properties"]["Environment"]["Variables"]
    assert variables["ORDERS_TABLE_NAME"] == Tagged("!Ref", "OrdersTable")
    assert variables["RESULTS_BUCKET_NAME"] == Tagged("!Ref", "ResultsBucket")
    untouched = [key for key in old["F"]["Properties"] if key not in ("Environment", "Policies")]
    assert all(new["F"]["Properties"][key] == old["F"]["Properties"][key] for key in untouched)


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_a_second_run_changes_nothing(name):
    once = patch_template(EVERY_ACCEPTED[name].encode(), ALL)
    assert patch_template(once, ALL) == once


@pytest.mark.parametrize("name", ACCEPTED)
def test_lines_are_only_added(name):
    before, after = ACCEPTED[name], patch_template(ACCEPTED[name].encode(), ALL).decode()
    assert is_subsequence(before.splitlines(), after.splitlines())
    assert before.endswith("\n") == after.endswith("\n") or "kept-lines" in name
    assert ("\r\n" in before) == ("\r\n" in after)
    assert not ("\r\n" in before and "\n" in after.replace("\r\n", ""))


@pytest.mark.parametrize("name", ACCEPTED | ACCEPTED_IN_LINE)
def test_characters_are_only_added(name):
    before = EVERY_ACCEPTED[name]
    assert is_subsequence(before, patch_template(before.encode(), ALL).decode())


@pytest.mark.parametrize("name", ACCEPTED_WITH_DASH)
def test_a_single_policy_becomes_the_first_item_of_a_list(name):
    before = EVERY_ACCEPTED[name]
    after = patch_template(before.encode(), ALL).decode()
    changed = [line for line in before.splitlines() if line not in after.splitlines()]
    assert changed == ["        S3ReadPolicy:"]
    assert "      - S3ReadPolicy:" in after.splitlines()


@pytest.mark.parametrize("name", [name for name in ACCEPTED_IN_LINE if name.startswith("json")])
def test_json_stays_json(name):
    after = json.loads(patch_template(ACCEPTED_IN_LINE[name].encode(), ALL))
    resource = after["Resources"]["F"]["Properties"]["Policies"][-1]["Statement"][0]["Resource"]
    assert resource == {"Fn::Sub": "${ResultsBucket.Arn}/tmp/parts/*"}


def test_json_keeps_its_indentation():
    after = patch_template(JSON.encode(), ALL).decode()
    assert json.dumps(json.loads(after), indent=4) + "\n" == after
    assert patch_template(JSON.replace("    ", "\t").encode(), ALL).decode() == after.replace("    ", "\t")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    template, reason = REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        patch_template(template.encode(), ALL)
    assert reason in why_not_patchable(compose_template(template.encode()), "F")


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_what_can_be_patched_is_said_to_be_patchable(name):
    assert why_not_patchable(compose_template(EVERY_ACCEPTED[name].encode()), "F") == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a: [\n", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "several YAML documents"),
        (b"- a\n", "not a template"),
        (b"", "not a template"),
        (b"a: \xff\n", "not UTF-8"),
        ("Resources: {}\n".encode("utf-16"), "UTF-16"),
        (b"a: &a [*a]\nResources: {}\n", "contains itself"),
        (b"Description: none\n", "no Resources"),
    ],
)
def test_files_that_are_no_templates_are_refused(data, reason):
    with pytest.raises(Refusal, match=reason):
        patch_template(data, ALL)


def test_a_resource_of_somebody_else_is_never_taken_over():
    template = PLAIN + "  OrdersTable:\n    Type: AWS::DynamoDB::Table\n"
    with pytest.raises(Refusal, match="already has a resource OrdersTable"):
        patch_template(template.encode(), ALL)


def test_a_bucket_policy_of_somebody_else_is_never_taken_over():
    template = PLAIN + "  ResultsBucketPolicy:\n    Type: AWS::S3::BucketPolicy\n"
    with pytest.raises(Refusal, match="ResultsBucketPolicy"):
        patch_template(template.encode(), ALL)


@pytest.mark.parametrize(
    "template",
    [
        PLAIN + "      Environment:\n        Variables:\n          ORDERS_TABLE_NAME: mine\n",
        "Globals:\n  Function:\n    Environment:\n      Variables:\n        ORDERS_TABLE_NAME: mine\n" + PLAIN,
    ],
)
def test_a_variable_with_another_value_is_refused(template):
    with pytest.raises(Refusal, match="ORDERS_TABLE_NAME with another value"):
        patch_template(template.encode(), ALL)


def test_rights_are_extended_in_place():
    orders = operations_for()[0]
    once = patch_template(PLAIN.encode(), orders)
    more = EnsureGrant("F", "OrdersTable", ("dynamodb:DeleteItem", "dynamodb:PutItem"))
    twice = patch_template(once, (*orders, more))
    assert twice == patch_template(PLAIN.encode(), (*orders, more))
    assert is_subsequence(once.decode().splitlines(), twice.decode().splitlines())
    assert len(statements(values(twice)["Resources"]["F"]["Properties"]["Policies"])) == 1


def test_functions_that_share_a_role_share_one_statement_per_resource():
    second = ROLE.split("  R:")[0].removeprefix("Resources:\n").replace("  F:", "  G:")
    template = ROLE + second
    operations = (*operations_for("F")[0], EnsureGrant("G", "OrdersTable", ("dynamodb:DeleteItem",)))
    after = patch_template(template.encode(), operations)
    policies = values(after)["Resources"]["R"]["Properties"]["Policies"]
    assert [policy["PolicyName"] for policy in policies] == ["statelift-OrdersTable"]
    assert statements(policies)[0]["Action"] == ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]


def test_resources_alone_need_no_function():
    after = patch_template(b"Resources:\n# none yet\n", [EnsureResource("OrdersTable", "table")])
    body = yaml.safe_load(after)["Resources"]["OrdersTable"]
    assert body["DeletionPolicy"] == "RetainExceptOnCreate"
    assert body["Metadata"] == {"statelift": {"kind": "table"}}
    assert b"# none yet" in after


def test_the_table_holds_what_was_promised():
    operation = EnsureResource("OrdersTable", "table", (("origin", "a: 'b' #c"), ("ttl", "expires")))
    body = yaml.safe_load(patch_template(b"Resources: {}\n", [operation]))["Resources"]["OrdersTable"]
    assert body["UpdateReplacePolicy"] == "Retain"
    assert body["Metadata"]["statelift"]["origin"] == "a: 'b' #c"
    assert body["Properties"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
    }


def test_the_bucket_is_private_encrypted_and_tls_only():
    resources = values(patch_template(b"Resources: {}\n", [EnsureResource("B", "bucket")]))["Resources"]
    properties = resources["B"]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (deny,) = resources["BPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Resource"] == [Tagged("!GetAtt", "B.Arn"), Tagged("!Sub", "${B.Arn}/*")]


def test_listing_is_limited_to_the_prefix_but_answers_reads_that_find_nothing():
    after = values(patch_template(PLAIN.encode(), operations_for()[2]))
    listing = statements(after["Resources"]["F"]["Properties"]["Policies"])[-1]
    assert listing["Action"] == ["s3:ListBucket"]
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": "tmp/results.json"}}


def test_a_metric_needs_no_resource_and_an_alarm_needs_its_numbers():
    assert patch_template(PLAIN.encode(), [EnsureResource("Hits", "metric")]) == PLAIN.encode()
    alarm = (("metric", "Hits"), ("namespace", "app"), ("threshold", "1000"))
    after = yaml.safe_load(patch_template(HEAD.encode(), [EnsureResource("HitsAlarm", "alarm", alarm)]))
    assert after["Resources"]["HitsAlarm"]["Properties"]["Threshold"] == 1000
    with pytest.raises(Refusal, match="lacks threshold"):
        patch_template(HEAD.encode(), [EnsureResource("HitsAlarm", "alarm", alarm[:2])])


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([EnsureEnv("F", "X", "Missing")], "no resource Missing"),
        ([EnsureGrant("F", "Missing", ("dynamodb:GetItem",))], "no resource Missing"),
        ([EnsureResource("T", "table"), EnsureEnv("Nobody", "X", "T")], "no resource Nobody"),
        ([EnsureResource("T", "table"), EnsureGrant("F", "T", ("s3:GetObject",))], "not an action on T"),
        ([EnsureResource("T", "table"), EnsureGrant("F", "T", ("dynamodb:GetItem",), "a/")], "no key prefix"),
        ([EnsureResource("T", "table"), EnsureResource("T", "bucket")], "different values of kind"),
        ([EnsureResource("my-table", "table")], "not a logical id"),
        ([EnsureResource("T", "table"), EnsureEnv("F", "X", "T", "size")], "only name and arn"),
        (
            [EnsureResource("T", "table"), EnsureEnv("F", "X", "T"), EnsureEnv("F", "X", "T", "arn")],
            "different values",
        ),
        ([EnsureResource("B", "bucket"), EnsureGrant("F", "B", ("s3:GetObject",), "a*b")], "as a pattern"),
        ([EnsureResource("B", "bucket"), EnsureGrant("F", "B", ("s3:GetObject",), condition="x")], "condition"),
    ],
)
def test_operations_that_cannot_be_right_are_refused(operations, reason):
    with pytest.raises(Refusal, match=reason):
        patch_template(PLAIN.encode(), operations)
