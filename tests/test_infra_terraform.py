import re
import shutil
import subprocess
from dataclasses import replace

import pygohcl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infra_templates import operations_for
from infra_terraform import ACCEPTED, EVERY_ACCEPTED, MODULES, PLAIN, REFUSED
from located import locate
from test_infra_patch import is_subsequence

from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.infra.terraform import local_name
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource

ROLE = "aws_iam_role.r.id"
NAMES = {"ORDERS_TABLE_NAME", "ACTIVE_SESSIONS_TABLE_NAME", "RESULTS_BUCKET_NAME"}


def name_of(name):
    return "module.F" if name in MODULES else "aws_lambda_function.F"


def changes(function="aws_lambda_function.F", role=ROLE):
    """Three changes, each as (variables, resources and rights)."""
    for operations in operations_for(function):
        variables = [op for op in operations if isinstance(op, EnsureEnv)]
        others = [replace(op, role=role) if isinstance(op, EnsureGrant) else op for op in operations]
        yield variables, [op for op in others if not isinstance(op, EnsureEnv)]


def variables(function="aws_lambda_function.F"):
    return [op for mine, _ in changes(function) for op in mine]


def others():
    return [op for _, rest in changes() for op in rest]


def patched(name):
    return patch_file("m/main.tf", EVERY_ACCEPTED[name].encode(), variables(name_of(name)))


def made(operations=None):
    return patch_file("m/statelift.tf", None, others() if operations is None else operations)


def is_formatted(data):
    result = subprocess.run(["terraform", "fmt", "-"], input=data, capture_output=True, check=True)
    return result.stdout == data


needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_the_variables_are_there(name):
    text = patched(name).decode()
    found = dict(re.findall(r'"?([A-Z_]+_NAME)"?\s*[=:]\s*(aws_[\w.]+)', text))
    assert found.keys() == NAMES
    assert found["ORDERS_TABLE_NAME"] == "aws_dynamodb_table.statelift_orders_table.name"
    assert found["RESULTS_BUCKET_NAME"] == "aws_s3_bucket.statelift_results_bucket.bucket"


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_another_parser_reads_it_and_finds_what_was_there(name):
    before, after = EVERY_ACCEPTED[name].lstrip("\ufeff"), patched(name).decode().lstrip("\ufeff")
    kind = "module" if name in MODULES else "resource"
    old, new = pygohcl.loads(before)[kind], pygohcl.loads(after)[kind]
    path = ["F"] if name in MODULES else ["aws_lambda_function", "F"]
    for step in path:
        old, new = old[step], new[step]
    assert {key: new[key] for key in old if "environment" not in key} == {
        key: value for key, value in old.items() if "environment" not in key
    }
    assert pygohcl.loads(before).keys() == pygohcl.loads(after).keys()


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_only_characters_are_added(name):
    before, after = EVERY_ACCEPTED[name], patched(name).decode()
    assert is_subsequence(before, after)
    squeezed = [" ".join(line.split()) for line in before.splitlines()]
    if not re.search("one-line|local|merge|choice|call|parentheses|empty|missing", name):
        assert is_subsequence(squeezed, [" ".join(line.split()) for line in after.splitlines()])
    assert ("\r\n" in before) == ("\r\n" in after)
    assert before.endswith("\n") == after.endswith("\n")


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_a_second_run_changes_nothing(name):
    once = patched(name)
    assert patch_file("m/main.tf", once, variables(name_of(name))) == once


@needs_terraform
@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_formatted_files_stay_so(name):
    before = EVERY_ACCEPTED[name].encode()
    if is_formatted(before) and "one-line" not in name:
        assert is_formatted(patched(name))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    text, reason = REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        patch_file(
            "m/main.tf", text.encode(), variables("module.F" if "-of-module" in name else "aws_lambda_function.F")
        )


@pytest.mark.parametrize("name", [name for name in EVERY_ACCEPTED if name != "crlf"])
def test_what_is_patched_is_located_as_patchable(name):
    files = {"m/main.tf": EVERY_ACCEPTED[name], "m/src/app.py": ""}
    function = next(each for each in locate(files).functions if each.logical_id == name_of(name))
    assert (function.patchable, function.resources) == ("", "m/statelift.tf")
    indexed = ("aws_iam_role.r[0].id", 'aws_iam_role.r["a"].id')
    assert function.principal in (ROLE, *indexed, "module.F.lambda_role_name")


@pytest.mark.parametrize("name", ["dynamic", "role-literal", "role-expression", "count"])
def test_the_reason_against_patching_is_told(name):
    text, reason = REFUSED[name]
    (function,) = locate({"m/main.tf": text, "m/app.py": ""}).functions
    assert reason in function.patchable


def test_blocks_that_make_several_functions_are_not_written_to():
    module = PLAIN.replace('"app.handler"', "var.handler") + 'variable "handler" {}\n'
    calls = "".join(f'module "{n}" {{\n  source  = "./m"\n  handler = "{n}.run"\n}}\n' for n in "ab")
    found = locate({"main.tf": calls, "m/main.tf": module, "m/a.py": "", "m/b.py": ""}).functions
    assert ["makes 2 functions" in function.patchable for function in found] == [True, True]


def test_roles_that_are_shared_are_told():
    both = PLAIN + PLAIN.replace('"F"', '"G"').replace("app.handler", "app.other")
    found = locate({"main.tf": both, "app.py": ""}).functions
    assert [function.sharing for function in found] == [
        f"2 functions use the role {ROLE}: all of them get these rights"
    ] * 2


BEHIND = {
    "m/main.tf": 'variable "role" {}\n' + PLAIN.replace("aws_iam_role.r.arn", "var.role"),
    "roles/main.tf": 'resource "aws_iam_role" "r" {\n  name = "r"\n}\n'
    'output "arn" {\n  value = aws_iam_role.r.arn\n}\n',
    "m/app.py": "",
}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("aws_iam_role.here.arn", ""),
        ('"${aws_iam_role.here.arn}"', ""),
        ("module.roles.arn", ""),
        ("module.roles.name", "decided elsewhere"),
        ("module.gone.arn", "decided elsewhere"),
        ("aws_iam_role.here.name", "decided elsewhere"),
        ("aws_iam_role.gone.arn", "decided elsewhere"),
        ("data.aws_iam_role.here.arn", "decided elsewhere"),
        ('"arn:aws:iam::123456789012:role/r"', "decided elsewhere"),
        ("aws_iam_role.closed.arn", "decided elsewhere"),
    ],
)
def test_a_role_behind_a_variable_is_one_of_this_project(given, reason):
    root = (
        'resource "aws_iam_role" "here" {\n  name = "h"\n}\n'
        'resource "aws_iam_role" "closed" {\n  inline_policy {}\n}\n'
        f'module "roles" {{\n  source = "./roles"\n}}\nmodule "m" {{\n  source = "./m"\n  role = {given}\n}}\n'
    )
    (function,) = locate({"main.tf": root, **BEHIND}).functions
    assert reason in function.patchable
    assert bool(reason) == bool(function.patchable)
    assert function.principal == ("" if reason else "basename(var.role)")


@pytest.mark.parametrize(
    ("role", "principal"),
    [
        ("module.roles.arn", "basename(module.roles.arn)"),
        ("aws_iam_role.here.arn", "aws_iam_role.here.id"),
        ("aws_iam_role.closed.arn", "aws_iam_role.closed.name"),
        ("var.role", ""),
        ("module.roles.name", ""),
        ("data.aws_iam_role.other.arn", ""),
    ],
)
def test_the_role_that_a_module_is_given_is_one_of_this_project(role, principal):
    text = (
        'variable "role" {}\nresource "aws_iam_role" "here" {\n  name = "h"\n}\n'
        'resource "aws_iam_role" "closed" {\n  inline_policy {}\n}\nmodule "roles" {\n  source = "./roles"\n}\n'
        + MODULES["module"].replace("source_path", f"create_role = false\n  lambda_role = {role}\n  source_path")
    )
    files = {"main.tf": text, "roles/main.tf": BEHIND["roles/main.tf"], "src/app.py": ""}
    (function,) = locate(files).functions
    assert (function.principal, bool(function.patchable)) == (principal, not principal)


@pytest.mark.parametrize(
    ("count", "given", "is_patchable"),
    [("var.n", "1", True), ("var.n", "true ? 0 : 1", True), ("var.n", "2", False), ("length(var.n)", "[]", False)],
)
def test_a_count_that_a_variable_says(count, given, is_patchable):
    module = 'variable "n" {}\n' + PLAIN.replace("function_name", f"count = {count}\n  function_name")
    call = f'module "m" {{\n  source = "./m"\n  n = {given}\n}}\n'
    found = locate({"main.tf": call, "m/main.tf": module, "m/app.py": ""}).functions
    assert [not function.patchable for function in found] in ([is_patchable], [])


# ---------------------------------------------------------------- statelift.tf


def policies(data):
    return pygohcl.loads(data.decode())["resource"]["aws_iam_role_policy"]


def test_the_resources_and_rights():
    made_of = pygohcl.loads(made().decode())["resource"]
    assert made_of["aws_dynamodb_table"].keys() == {"statelift_orders_table", "statelift_active_sessions_table"}
    assert made_of["aws_s3_bucket"].keys() == {"statelift_results_bucket"}
    for kind in ("policy", "public_access_block", "ownership_controls", "server_side_encryption_configuration"):
        assert made_of[f"aws_s3_bucket_{kind}"].keys() == {"statelift_results_bucket"}
    assert policies(made()).keys() == {
        "F_statelift_orders_table",
        "F_statelift_active_sessions_table",
        "F_statelift_results_bucket",
    }
    text = made().decode()
    assert text.count(f"role = {ROLE}") == 3
    assert 'Resource = "${aws_s3_bucket.statelift_results_bucket.arn}/tmp/parts/*"' in text


@needs_terraform
def test_what_is_made_is_formatted():
    assert is_formatted(made())


def with_role(role):
    return [replace(op, role=role) if isinstance(op, EnsureGrant) else op for op in others()]


ROLES = ["aws_iam_role.r[0].id", "aws_iam_role.r.name", "aws_iam_role.r[1].name", "basename(module.m.role_arn)"]


@pytest.mark.parametrize("role", ROLES)
def test_rights_of_other_roles(role):
    data = made(with_role(role))
    resources = pygohcl.loads(data.decode())["resource"]
    kind = "aws_iam_policy" if role.endswith(".name") else "aws_iam_role_policy"
    assert len(resources[kind]) == 3
    holders = resources["aws_iam_role_policy_attachment" if role.endswith(".name") else kind]
    assert len(holders) == 3
    assert all(("count" in holder) == ("[" in role) for holder in holders.values())
    assert data.decode().count(f" = {role}\n") == 3
    assert patch_file("m/statelift.tf", data, with_role(role)) == data
    data = None
    for operation in reversed(with_role(role)):
        data = patch_file("m/statelift.tf", data, [operation])
    assert data == made(with_role(role))


@needs_terraform
@pytest.mark.parametrize("role", ROLES)
def test_rights_of_other_roles_are_formatted(role):
    assert is_formatted(made(with_role(role)))


def test_a_second_run_adds_nothing():
    assert patch_file("m/statelift.tf", made(), others()) == made()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(3)), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_file(order, random):
    data = None
    for position in order:
        data = patch_file("m/statelift.tf", data, list(changes())[position][1])
    shuffled = others()
    random.shuffle(shuffled)
    assert data == made() == made(shuffled)


def test_more_rights_later_are_the_rights_at_once():
    table = EnsureResource("OrdersTable", "table")
    rights = [EnsureGrant("F", "OrdersTable", (action,), role=ROLE) for action in
              ("dynamodb:GetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem")]  # fmt: skip
    data = made([table])
    for right in rights:
        data = patch_file("m/statelift.tf", data, [right])
    assert data == made([table, *rights])


def test_what_a_person_changed_stays():
    changed = made().replace(b'billing_mode = "PAY_PER_REQUEST"', b'billing_mode = "PROVISIONED"', 1) + b"# mine\n"
    assert patch_file("m/statelift.tf", changed, others()) == changed


def test_an_expiry_is_an_attribute_of_the_table():
    text = made([EnsureResource("OrdersTable", "table", (("ttl", "expires"),))]).decode()
    assert 'attribute_name = "expires"' in text
    assert "ttl {" not in made([EnsureResource("OrdersTable", "table")]).decode()


@pytest.mark.parametrize(
    ("before", "operations", "reason"),
    [
        (b"# mine\n", others(), "statelift did not make it"),
        (None, [EnsureGrant("F", "OrdersTable", ("dynamodb:GetItem",))], "role of F is not known"),
        (None, [EnsureGrant("F", "OrdersTable", ("dynamodb:GetItem",), role='x" }')], "role of F is not known"),
        (None, [EnsureGrant("F", "OrdersTable", ("s3:GetObject",), role=ROLE)], "not an action"),
        (None, [EnsureGrant("F", "B1Bucket", ("s3:GetObject",), '"${x}', role=ROLE)], "read as a pattern"),
        (None, [EnsureResource("A", "alarm")], "lacks metric, namespace"),
        (None, [EnsureEnv("F", "A", "OrdersTable")], "holds no function"),
    ],
)
def test_statelift_tf_is_refused_with_the_reason(before, operations, reason):
    with pytest.raises(Refusal, match=reason):
        patch_file("m/statelift.tf", before, operations)


def test_resources_do_not_go_to_another_file():
    with pytest.raises(Refusal, match="not where resources"):
        patch_file("m/main.tf", PLAIN.encode(), others())


@given(st.text(max_size=40))
def test_no_note_breaks_the_file(note):
    data = made([EnsureResource("OrdersTable", "table", (("origin", note),))])
    assert pygohcl.loads(data.decode())["resource"]["aws_dynamodb_table"].keys() == {"statelift_orders_table"}


def test_names():
    assert local_name("ActiveSessionsTable") == "statelift_active_sessions_table"
    assert local_name("Page2Table") == "statelift_page_2_table"


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_file_reads_as_text(name):
    assert patched(name).decode()
