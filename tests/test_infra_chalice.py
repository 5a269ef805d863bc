"""Chalice: variables in config.json, rights in the policy of each stage, tables in a template of their own."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infra_chalice import ACCEPTED, CONFIG, PLAIN, POLICIES, POLICIES_REFUSED, REFUSED, config
from located import locate, only
from repositories import written
from test_infra_patch import is_subsequence

from statelift.cli import run
from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource

VARIABLES = [
    EnsureEnv("Login", "ORDERS_TABLE_NAME", "OrdersTable"),
    EnsureEnv("Login", "ACTIVE_SESSIONS_TABLE_NAME", "ActiveSessionsTable"),
]
TABLES = [
    EnsureResource("OrdersTable", "table", (("origin", "app.py:ORDERS"),)),
    EnsureResource("ActiveSessionsTable", "table", (("ttl", "expires"),)),
]
RIGHTS = [
    EnsureGrant("Login", "OrdersTable", ("dynamodb:UpdateItem", "dynamodb:GetItem"), role="shop-dev"),
    EnsureGrant("Login", "ActiveSessionsTable", ("dynamodb:PutItem",), role="shop-dev"),
]
EMPTY = b'{"Statement": []}'
NAMES = {"ORDERS_TABLE_NAME": "orders-table", "ACTIVE_SESSIONS_TABLE_NAME": "active-sessions-table"}


def configured(text, operations=VARIABLES):
    return patch_file(".chalice/config.json", text.encode(), operations)


def policy(text, operations=RIGHTS):
    return patch_file(".chalice/policy-dev.json", text.encode(), operations)


def made(operations=TABLES, before=None):
    return patch_file(".chalice/statelift.json", before, operations)


@pytest.mark.parametrize("name", ACCEPTED)
def test_each_stage_gets_names_of_its_own_and_nothing_else_changes(name):
    before = ACCEPTED[name]
    after = configured(before).decode()
    assert is_subsequence(before, after)
    assert ("\r\n" in before) == ("\r\n" in after)
    old, new = (json.loads(text.lstrip("\ufeff")) for text in (before, after))
    for stage, said in old["stages"].items():
        known = said.get("environment_variables", {})
        said["environment_variables"] = known | {key: f"shop-{stage}-{end}" for key, end in NAMES.items()}
    assert old == new
    assert configured(after).decode() == after
    assert configured(before, VARIABLES[::-1]).decode() == after
    assert configured(configured(before, VARIABLES[:1]).decode(), VARIABLES[1:]).decode() == after


@pytest.mark.parametrize("name", REFUSED)
def test_configurations_that_are_refused(name):
    text, reason = REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        configured(text)


@pytest.mark.parametrize("name", POLICIES)
def test_the_policy_gets_single_actions_on_the_tables_of_its_stage(name):
    before = POLICIES[name]
    after = policy(before).decode()
    assert is_subsequence(before, after)
    old, new = json.loads(before), json.loads(after)
    assert [item for item in new["Statement"] if "dynamodb" not in item["Resource"]] == old["Statement"]
    assert [(item["Resource"], item["Action"]) for item in new["Statement"] if "dynamodb" in item["Resource"]] == [
        ("arn:aws:dynamodb:*:*:table/shop-dev-active-sessions-table", ["dynamodb:PutItem"]),
        ("arn:aws:dynamodb:*:*:table/shop-dev-orders-table", ["dynamodb:GetItem", "dynamodb:UpdateItem"]),
    ]
    assert policy(after).decode() == after
    single = [EnsureGrant(g.function, g.resource, (action,), role=g.role) for g in RIGHTS for action in g.actions]
    text = before
    for right in single:
        text = policy(text, [right]).decode()
    assert text == after


@pytest.mark.parametrize("name", POLICIES_REFUSED)
def test_policies_that_are_refused(name):
    text, reason = POLICIES_REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        policy(text)


def test_what_others_allow_is_not_added_to():
    target = "arn:aws:dynamodb:*:*:table/shop-dev-orders-table"
    theirs = [
        {"Effect": "Deny", "Action": ["dynamodb:Scan"], "Resource": target},
        {"Effect": "Allow", "Action": ["dynamodb:Scan"], "Resource": target, "Condition": {"Bool": {"a": "b"}}},
        {"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": target},
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": theirs})
    found = json.loads(policy(text, RIGHTS[:1]))["Statement"]
    assert [item for item in found if item in theirs] == theirs
    assert len(found) == len(theirs) + 1


def test_stages_that_share_a_policy():
    both = [*RIGHTS, *(EnsureGrant(g.function, g.resource, g.actions, role="shop-prod") for g in RIGHTS)]
    found = json.loads(policy(POLICIES["plain"], both))["Statement"]
    places = [item["Resource"].rpartition("/")[2] for item in found[1:]]
    assert places == [f"shop-{s}-{t}-table" for s in ("dev", "prod") for t in ("active-sessions", "orders")]


def test_the_tables_stand_in_a_template_of_their_own():
    found = json.loads(made())
    assert found["Parameters"].keys() == {"Prefix"}
    assert found["Resources"].keys() == {"ActiveSessionsTable", "OrdersTable"}
    orders = found["Resources"]["OrdersTable"]
    assert orders["Properties"]["TableName"] == {"Fn::Sub": "${Prefix}-orders-table"}
    assert orders["DeletionPolicy"] == "RetainExceptOnCreate"
    assert made(before=made()) == made() == made(TABLES[::-1]) == made(TABLES[:1], made(TABLES[1:]))


def test_the_template_has_no_finding():
    cfnlint = pytest.importorskip("cfnlint.api", reason="cfn-lint is not installed")
    from cfnlint.config import ManualArgs

    assert cfnlint.lint(made().decode(), config=ManualArgs(regions=["us-east-1"])) == []


@pytest.mark.parametrize(
    ("path", "before", "operations", "reason"),
    [
        ("statelift.json", b'{"Resources": {}}', TABLES, "statelift did not make it"),
        ("statelift.json", None, VARIABLES, "not where this goes"),
        ("statelift.json", None, [EnsureResource("ResultsBucket", "bucket")], "free in all of AWS"),
        ("statelift.json", None, [EnsureResource("A", "alarm")], "lacks metric, namespace"),
        ("config.json", PLAIN.encode(), TABLES, "not where this goes"),
        ("config.json", PLAIN.encode(), RIGHTS, "not where this goes"),
        ("config.json", PLAIN.encode(), [EnsureEnv("F", "X", "OrdersTable", "arn")], "wants an ARN"),
        ("config.json", PLAIN.encode(), [EnsureEnv("F", "X", "ABucket")], "free in all of AWS"),
        ("config.json", None, VARIABLES, "does not exist"),
        ("policy-dev.json", None, RIGHTS, "does not exist"),
        ("policy-dev.json", EMPTY, VARIABLES, "not where this goes"),
        ("policy-dev.json", EMPTY, [EnsureGrant("F", "OrdersTable", ("dynamodb:GetItem",))], "begin with"),
        (
            "policy-dev.json",
            EMPTY,
            [EnsureGrant("F", "OrdersTable", ("s3:GetObject",), role="a-b")],
            "not an action",
        ),
    ],
)
def test_what_goes_elsewhere_is_refused(path, before, operations, reason):
    with pytest.raises(Refusal, match=reason):
        patch_file(f".chalice/{path}", before, operations)


LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab{}[],:\"'#*&!é ", max_size=6)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc #", max_size=3), inner, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["tags", "x", "lambda_timeout"]), VALUES), st.sampled_from([None, 1, 2, 4]))
def test_any_configuration_is_added_to_or_refused(more, indent):
    before = json.dumps(config(more, **more), indent=indent)
    try:
        after = configured(before).decode()
    except Refusal:
        return
    assert is_subsequence(before, after)
    expected = config(more, **more)
    expected["stages"]["dev"]["environment_variables"] = {key: f"shop-dev-{end}" for key, end in NAMES.items()}
    assert json.loads(after) == expected


# ---------------------------------------------------------------- where it is written

APP = """from chalice import Chalice
app = Chalice(app_name="shop")
SESSIONS = {}

@app.lambda_function()
def login(event, context):
    if "user" in event:
        SESSIONS[event["token"]] = event["user"]
    else:
        return SESSIONS.get(event["token"])
"""


def project(whole, **files):
    return {".chalice/config.json": json.dumps(whole), "app.py": APP, **files}


DEV = {".chalice/policy-dev.json": POLICIES["plain"]}


def test_the_places_of_the_rights():
    function = only(project(CONFIG, **DEV))
    assert (function.patchable, function.rights) == ("", ((".chalice/policy-dev.json", "shop-dev"),))
    assert function.resources == ".chalice/statelift.json"


def test_settings_of_a_function_count_most():
    whole = config(
        {
            "autogen_policy": True,
            "lambda_functions": {"login": {"autogen_policy": False, "iam_policy_file": "l.json"}},
        }
    )
    function = only(project(whole, **{".chalice/l.json": "{}"}))
    assert function.rights == ((".chalice/l.json", "shop-dev"),)


@pytest.mark.parametrize(
    ("whole", "files", "reason"),
    [
        (config({"autogen_policy": True}), DEV, "Chalice guesses the rights of the stage dev"),
        ({"app_name": "shop", "stages": {"dev": {}}}, DEV, "Chalice guesses the rights"),
        (CONFIG, {}, "policy-dev.json, is not in this project"),
        (config({"iam_policy_file": "../../x.json"}), DEV, "x.json, is not in this project"),
        (config({"iam_policy_file": 3}), DEV, "is not in this project"),
        (config({"manage_iam_role": False, "iam_role_arn": "arn:r"}), DEV, "decided elsewhere"),
        (config({"lambda_functions": {"login": {"manage_iam_role": False}}}), DEV, "decided elsewhere"),
        (CONFIG | {"stages": {**CONFIG["stages"], "prod": {}}}, DEV, "rights of the stage prod"),
        (CONFIG | {"stages": {}}, DEV, "names no stage"),
        (CONFIG | {"app_name": 3}, DEV, "no app_name"),
    ],
)
def test_why_nothing_is_added(whole, files, reason):
    function = only(project(whole, **files))
    assert reason in function.patchable
    assert function.rights == ()


def test_functions_that_share_a_policy_are_told():
    both = APP + "\n@app.schedule('rate(1 hour)')\ndef nightly(event):\n    pass\n"
    found = locate(project(CONFIG, **DEV) | {"app.py": both}).functions
    told = "2 functions have the policy .chalice/policy-dev.json: all of them get these rights"
    assert [function.sharing for function in found] == [told, told]


def test_code_configuration_policy_and_tables_are_one_change(tmp_path, capfd):
    files = project(CONFIG, **DEV) | {"chalicelib/__init__.py": ""}
    root = written(tmp_path / "shop", files)
    run(["apply", str(root), "--tier", "review", "--allow-dirty"])
    said = capfd.readouterr()
    assert (root / "chalicelib" / "statelift_state.py").is_file(), said
    stage = json.loads((root / ".chalice/config.json").read_text())["stages"]["dev"]
    assert stage["environment_variables"] == {"SESSIONS_TABLE_NAME": "shop-dev-sessions-table"}
    statement = json.loads((root / ".chalice/policy-dev.json").read_text())["Statement"][-1]
    assert statement["Resource"].endswith(":table/shop-dev-sessions-table")
    assert (
        statement["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
        or "dynamodb:UpdateItem" in statement["Action"]
    )
    assert json.loads((root / ".chalice/statelift.json").read_text())["Resources"].keys() == {"SessionsTable"}
    before = {
        path: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".statelift" not in path.parts
    }
    run(["apply", str(root), "--tier", "review", "--allow-dirty"])
    assert {path: path.read_bytes() for path in before} == before


def test_a_reviewer_is_told_who_makes_the_tables(tmp_path, capfd):
    run(["plan", str(written(tmp_path / "shop", project(CONFIG, **DEV)))])
    assert "Chalice makes no tables: deploy .chalice/statelift.json" in capfd.readouterr().out
