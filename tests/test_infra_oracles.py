"""Strangers read what we write: another YAML parser, a checker of IAM policies, a scanner of templates.

A tool that is not installed is a skip that names it.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pygohcl
import pytest
from infra_cdk import ACCEPTED as PROGRAMS
from infra_chalice import POLICIES
from infra_services import EVERY_ACCEPTED as SERVICES
from infra_templates import ALL, EVERY_ACCEPTED, ROLE
from infra_terraform import PLAIN
from test_infra_chalice import RIGHTS, TABLES
from test_infra_services import resources_of
from test_infra_terraform import ROLES, others, variables, with_role
from yaml.nodes import MappingNode, SequenceNode

from statelift.infra import render_infrastructure
from statelift.infra.patching import patch_file
from statelift.infra.values import Tagged, value_of
from statelift.locate.tree import compose_template
from statelift.verify.deployment.names import names_of
from statelift.verify.deployment.programs import program_deployment

# ---------------------------------------------------------------- another YAML parser

BLOCK = re.compile(r"[|>][-+0-9]*\n")
PATCHED = [("template.yaml", name) for name in EVERY_ACCEPTED] + [("serverless.yml", name) for name in SERVICES]


def words(text):
    """A scalar; of a block only its words, since the other parser gives it as it is written."""
    return " ".join(text.split()) if "\n" in text else text


def seen(node):
    """What yaml-edit, which shares no code with PyYAML, reads: mappings, lists, (tag, value), texts."""
    kind = type(node).__name__
    if kind == "Mapping":
        return {seen(entry.key()): seen(entry.value()) for entry in node.entries()}
    if kind == "Sequence":
        return [seen(each) for each in node.values()]
    if kind == "Scalar":
        text = node.unquoted_value()
        return words(BLOCK.sub("", text, count=1) + "\n" if BLOCK.match(text) else text)
    if node is None or node.is_alias():
        return "*" if node is not None else ""
    if node.is_tagged():
        tagged = node.as_tagged()
        inner = either(tagged)
        return (str(tagged.tag()), seen(inner) if inner is not None else tagged.as_string())
    inner = either(node)
    return seen(inner if inner is not None else node.as_scalar())


def either(node):
    mapping = node.as_mapping()
    return mapping if mapping is not None else node.as_sequence()


def by_other(data):
    document = pytest.importorskip("yaml_edit", reason="yaml-edit is not installed").Document
    return seen(document.parse(data.decode("utf-8-sig")).as_mapping())


def ours(node):
    match node:
        case MappingNode():
            value = {ours(key): ours(item) for key, item in node.value}
        case SequenceNode():
            value = [ours(item) for item in node.value]
        case _:
            value = words(node.value + ("\n" if node.style in ("|", ">") else ""))
    return (node.tag, value) if node.tag.startswith("!") else value


def same(one, other):
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case (list(), list()) | (tuple(), tuple()):
            return len(one) == len(other) and all(map(same, one, other))
        case _:
            return one in ("*", other)  # an alias is written out in our tree


def holds(new, old):
    """Whether a value says all that an older one said; one value may be the only one of a list now."""
    match old, new:
        case dict(), dict():
            return all(key in new and holds(new[key], value) for key, value in old.items())
        case list(), list():
            rest = iter(new)
            return all(any(holds(item, value) for item in rest) for value in old)
        case (("" | "null" | "~"), _):
            return True
        case _, list():
            return any(holds(item, old) for item in new)
        case _:
            return same(old, new)


def source_of(path, name):
    return (EVERY_ACCEPTED if path == "template.yaml" else SERVICES)[name].encode()


@pytest.mark.parametrize(("path", "name"), PATCHED)
def test_another_parser_reads_the_patched_file_as_ours_does(path, name):
    before = source_of(path, name)
    after = patch_file(path, before, ALL)
    assert same(by_other(after), ours(compose_template(after).root))
    assert holds(by_other(after), by_other(before))
    assert not holds(by_other(before), by_other(after))


@pytest.mark.parametrize(
    "change", [("!GetAtt", "!Ref"), ("dynamodb:GetItem", "dynamodb:PutItem"), ("Type:", "Kind:")]
)
def test_the_other_parser_would_see_a_difference(change):
    after = patch_file("template.yaml", ROLE.encode(), ALL)
    assert not same(
        by_other(after.replace(change[0].encode(), change[1].encode(), 1)), ours(compose_template(after).root)
    )


# ---------------------------------------------------------------- policies


def plain(value):
    """Values with ARNs where templates refer to resources."""
    match value:
        case Tagged(text=text):
            return arn(text)
        case {"Fn::Join": ["", [Tagged(text=first), str(rest)]]} | {"Fn::Join": ["", [first, str(rest)]]}:
            return arn(str(first) + rest)
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return arn(f"{name}.Arn")
        case {"Fn::Sub": str(text)}:
            return arn(text)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


def arn(text):
    name = re.search(r"\w+", text)[0]
    rest = re.sub(r"^(?:\$\{)?[\w.]+?\.(?:Arn|arn)\}?", "", text)
    is_table = "table" in text.lower()
    return (
        "arn:aws:dynamodb:eu-west-1:123456789012:table/" + name
        if is_table
        else f"arn:aws:s3:::{name.lower()}{rest}"
    )


def of_template(data):
    """The policies of the functions and roles of a template."""
    for resource in value_of(compose_template(data).root)["Resources"].values():
        properties = resource.get("Properties") or {}
        listed = properties.get("Policies") if resource["Type"].endswith(("Function", "Role")) else None
        for policy in listed if isinstance(listed, list) else []:
            document = policy.get("PolicyDocument", policy) if isinstance(policy, dict) else {}
            if "Statement" in document:
                yield plain(document)
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            yield plain(properties["PolicyDocument"])


def of_service(name):
    """What is new in the statements of a service."""
    known, made = (
        listed(data)
        for data in (SERVICES[name].encode(), patch_file("serverless.yml", SERVICES[name].encode(), ALL))
    )
    yield {"Version": "2012-10-17", "Statement": [plain(each) for each in made if each not in known]}


def listed(data):
    """The statements of a service and its functions."""
    tree = value_of(compose_template(data).root)
    functions = tree["functions"] if isinstance(tree["functions"], list) else [tree["functions"]]
    holders = [body for each in functions for body in each.values() if isinstance(body, dict)]
    provider = tree["provider"]
    iam = provider.get("iam") or {}
    found = [body.get("iamRoleStatements") for body in (*holders, provider)]
    found.append((iam.get("role") or {}).get("statements"))
    policies = (
        [body for body in resources_of(data).values() if body["Type"] == "AWS::IAM::Policy"]
        if "resources" in tree
        else []
    )
    found += [body["Properties"]["PolicyDocument"]["Statement"] for body in policies]
    return [each for one in found if isinstance(one, list) for each in one]


def of_terraform(data):
    for text in re.findall(r"jsonencode\((\{\n.*?^  \})\)", data.decode(), re.DOTALL | re.MULTILINE):
        policy = pygohcl.loads(f"policy = {text}\n")["policy"]
        if "Principal" not in json.dumps(policy):
            for statement in policy["Statement"]:
                statement["Resource"] = arn(statement["Resource"])
            yield policy


def of_deployment(found):
    """What verify reads out of a patched program, as a policy."""
    statements = [
        {
            "Effect": "Allow",
            "Action": list(each.actions),
            "Resource": list(each.resources),
            "Condition": {said.operator: {said.key: list(said.values)} for said in each.conditions},
        }
        for each in found.statements
    ]
    yield {"Version": "2012-10-17", "Statement": statements}


POLICIES_MADE = {
    **{name: lambda name=name: of_template(patch_file("t.yaml", EVERY_ACCEPTED[name].encode(), ALL))
       for name in ("plain", "role", "role-with-policies", "json", "policies-flow-list", "crlf")},
    **{f"service {name}": lambda name=name: of_service(name)
       for name in SERVICES},
    **{f"terraform {role}": lambda role=role: of_terraform(patch_file("statelift.tf", None, with_role(role)))
       for role in ("aws_iam_role.r.id", *ROLES)},
    "chalice": lambda: [json.loads(patch_file(".chalice/policy-dev.json", POLICIES["empty"].encode(), RIGHTS))],
    **{f"cdk {name}": lambda text=text: of_deployment(
           program_deployment(patch_file("stack.py", text.encode(), ALL), "F", names_of(ALL)))
       for name, text in PROGRAMS.items()},
    "stack": lambda: of_template(render_infrastructure(ALL, "cloudformation").encode()),
}  # fmt: skip


def complaints(policy):
    parliament = pytest.importorskip("parliament", reason="parliament is not installed")
    return [str(found) for found in parliament.analyze_policy_string(json.dumps(policy)).findings]


@pytest.mark.parametrize("name", POLICIES_MADE)
def test_every_policy_is_one_that_iam_knows(name):
    made = list(POLICIES_MADE[name]())
    said = [action for policy in made for each in policy["Statement"] for action in [each["Action"]]]
    assert "dynamodb:GetItem" in json.dumps(said)
    assert [complaints(policy) for policy in made] == [[] for _ in made]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dynamodb:GetItem", "dynamodb:FetchItem"),
        (":table/", ":index/"),
        ('"Allow"', '"Allowed"'),
        ("s3:PutObject", "s3:CreateBucket"),
    ],
)
def test_a_wrong_policy_would_be_seen(old, new):
    texts = [json.dumps(policy) for policy in POLICIES_MADE["stack"]() if old in json.dumps(policy)]
    assert texts
    assert all(complaints(json.loads(text.replace(old, new))) for text in texts)


# ---------------------------------------------------------------- a scanner

# What a person may still ask for: keys of one's own, logs of accesses, events, copies elsewhere, rules of storage.
# The first variable of a function makes the scanner want a key for the variables.
ALLOWED = {
    "CKV_AWS_119", "CKV_AWS_18", "CKV_AWS_144", "CKV_AWS_145", "CKV2_AWS_62", "CKV_AWS_173",
    "CKV2_AWS_61", "CKV_AWS_21",
}  # fmt: skip


def checkov():
    """The program, on the path or in the environment of `make validators`."""
    here = Path(__file__).parents[1] / ".venv" / "validators" / "bin" / "checkov"
    return shutil.which("checkov") or (str(here) if here.is_file() else None)


def scanned(folder):
    """Check and resource of everything that fails below a folder."""
    command = [checkov(), "-d", str(folder), "--framework", "cloudformation", "terraform", "-o", "json"]
    done = subprocess.run([*command, "--skip-download", "--compact"], capture_output=True, text=True, timeout=300)
    reports = json.loads(done.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    assert sum(report["summary"]["passed"] for report in reports) > 0
    return {
        (found["check_id"], Path(found["file_path"]).name, found["resource"])
        for report in reports
        for found in report["results"]["failed_checks"]
    }


@pytest.mark.slow
@pytest.mark.skipif(checkov() is None, reason="checkov is not installed: `make validators`")
def test_a_scanner_finds_nothing_new_but_what_is_allowed(tmp_path):
    made = {
        "sam.yaml": (EVERY_ACCEPTED["plain"].encode(), ALL),
        "role.yaml": (ROLE.encode(), ALL),
        "main.tf": (PLAIN.encode(), variables()),
        "statelift.tf": (None, others()),
        ".chalice/statelift.json": (None, TABLES),
    }
    for path, (before, operations) in made.items():
        for folder, data in (("before", before), ("after", patch_file(path, before, operations))):
            target = tmp_path / folder / path.removeprefix(".chalice/")
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data or b"")
    (tmp_path / "before" / "statelift.json").write_text('{"Resources": {}}')
    found = scanned(tmp_path / "after") - scanned(tmp_path / "before")
    assert {name for _, name, _ in found} <= {Path(path).name for path in made}
    assert {check for check, _, _ in found} == ALLOWED, found  # and the list holds nothing that is not needed
