"""Additions that are made together give what one after the other would give."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statelift.gate import pass_gate
from statelift.infra import Refusal, entries, patch_template, rounds
from statelift.infra.patching import patch_file
from statelift.infra.yamlpatch import Document
from statelift.locate import tree as trees
from statelift.model import Change, Edit, EnsureEnv, EnsureGrant, EnsureResource, Tier

HEADS = ["Resources:\n", "# kept\nTransform: AWS::Serverless-2016-10-31\nResources:\n\n"]
ENVIRONMENTS = ["", "      Environment: {}\n", "      Environment:\n        Variables:\n          M: m # is read\n"]
POLICIES = [
    "",
    "      Policies: AWSLambdaExecute\n",
    "      Policies: []\n",
    "      Policies: [AWSLambdaExecute]\n",
    "      Policies:\n        Statement:\n          - Effect: Deny\n            Action: s3:PutObject\n"
    "            Resource: '*'\n",
    "      Policies:\n        - AWSLambdaExecute\n        # deeper than the list\n",
    "      Role: !GetAtt Role.Arn\n",
]
ROLE = "  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument: {}\n"
NAMES = ["ATable", "MTable", "ZTable", "KBucket"]


def template_of(head, functions, tail):
    start = "    Type: AWS::Serverless::Function\n    Properties:\n      Handler: a.b\n"
    bodies = "".join(f"  F{number}:\n{start}{''.join(properties)}" for number, properties in enumerate(functions))
    return (head + bodies + ROLE + tail).encode()


def asked_of(function, name, actions):
    kind, prefix = ("bucket", "s3:") if name.endswith("Bucket") else ("table", "dynamodb:")
    return (
        EnsureResource(name, kind),
        EnsureEnv(f"F{function}", f"{name.upper()}_NAME", name),
        EnsureGrant(f"F{function}", name, tuple(prefix + action for action in actions)),
    )


templates = st.builds(
    template_of,
    st.sampled_from(HEADS),
    st.lists(st.tuples(st.sampled_from(ENVIRONMENTS), st.sampled_from(POLICIES)), min_size=3, max_size=3),
    st.sampled_from(["", "Outputs: {}", "  Last:\n    Type: AWS::SNS::Topic", "Description: |\n  said"]),
)
needs = st.lists(
    st.builds(
        asked_of,
        st.integers(0, 2),
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(["GetItem", "PutItem"]), min_size=1, unique=True),
    ).filter(lambda ops: "Bucket" not in ops[0].id)
    | st.builds(asked_of, st.integers(0, 2), st.just("KBucket"), st.just(["GetObject", "ListBucket"])),
    min_size=1,
    max_size=6,
)


def one_by_one(data, operations, path="template.yaml"):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "with_additions", rounds._one_by_one)
        return patch_file(path, data, operations)


@settings(max_examples=50, deadline=None)
@given(templates, needs, needs)
def test_together_is_as_one_after_the_other(template, earlier, later):
    first = [operation for need in earlier for operation in need]
    both = [*first, *(operation for need in later for operation in need)]
    expected = one_by_one(template, first)
    assert patch_template(template, first) == expected
    assert patch_template(expected, both) == one_by_one(expected, both)


@pytest.fixture
def parses(monkeypatch):
    """The texts that were parsed as a proof."""
    seen = []

    def compose(data, *, is_checked=False):
        seen.append(data)
        return trees.compose_template(data, is_checked=is_checked)

    monkeypatch.setattr("statelift.infra.yamlpatch.compose_template", compose)
    return seen


def many(count):
    functions = [("", "")] * count
    asked = [asked_of(number, f"T{number:03}Table", ["GetItem"]) for number in range(count)]
    return template_of(HEADS[0], functions, ""), [operation for need in asked for operation in need]


@pytest.mark.parametrize("count", [2, 40])
def test_the_number_of_parses_does_not_grow_with_the_functions(parses, count):
    patch_template(*many(count))
    assert len(parses) == 4


def test_statements_of_many_functions_go_into_one_list_together(parses):
    service = "service: s\nprovider:\n  name: aws\nfunctions:\n" + "".join(
        f"  F{number}:\n    handler: a.b\n" for number in range(20)
    )
    asked = [asked_of(number, f"T{number:03}Table", ["GetItem"]) for number in range(20)]
    operations = [operation for need in asked for operation in need]
    patched = patch_file("serverless.yml", service.encode(), operations)
    assert len(parses) < 10
    assert patched == one_by_one(service.encode(), operations, "serverless.yml")


def test_what_cannot_be_proved_together_is_made_one_after_the_other(monkeypatch):
    template, operations = many(5)
    expected = patch_template(template, operations)
    with_steps = Document.with_steps

    def only_one(document, steps):
        if len(steps) > 1:
            raise Refusal("not together")
        return with_steps(document, steps)

    monkeypatch.setattr(Document, "with_steps", only_one)
    assert patch_template(template, operations) == expected


def test_the_refusal_is_that_of_the_one_that_cannot_be_made():
    template, operations = many(3)
    taken = template.replace(b"  Role:\n", b"  T001Table: {Type: AWS::SNS::Topic}\n  Role:\n", 1)
    with pytest.raises(Refusal, match="already has a resource T001Table"):
        patch_template(taken, operations)


def test_together_they_are_not_more_than_a_template_may_hold():
    template, operations = many(30)
    full = template + b"".join(b"  S%d: {Type: AWS::SNS::Topic}\n" % number for number in range(450))
    with pytest.raises(Refusal, match="allows 500 in one stack"):
        patch_template(full, operations)


def test_an_asker_that_never_stops_is_refused():
    document = Document.parse(b"a: [1]\n")
    with pytest.raises(Refusal, match="do not come to an end"):
        rounds.with_additions(document, [lambda known: known.with_item(("a",), "x")])


def changes_of(template, count):
    files = {"template.yaml": template} | {f"f{number}.py": b"CARTS = {}\n" for number in range(count)}
    changes = [
        Change(
            f"SL101-{number}",
            "SL101",
            Tier.SAFE,
            "",
            (),
            (
                Edit(f"f{number}.py", 8, 10, "dict()"),
                *(
                    replace(operation, template="template.yaml")
                    for operation in asked_of(number, f"T{number}Table", ["GetItem"])
                ),
            ),
        )
        for number in range(count)
    ]

    def read(path):
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return pass_gate(changes, read)


def test_a_template_that_takes_all_changes_is_patched_once(monkeypatch):
    asked = []

    def counted(path, before, operations):
        asked.append(len(operations))
        return patch_file(path, before, operations)

    monkeypatch.setattr("statelift.compose.patch_file", counted)
    changes = changes_of(template_of(HEADS[1], [("", "")] * 3, "  Once: {Type: AWS::SNS::Topic}\n"), 3)
    assert asked == [9]
    assert [change.tier for change in changes] == [Tier.SAFE] * 3


def test_of_several_changes_only_the_refused_one_loses_safe():
    changes = changes_of(template_of(HEADS[1], [("", "")] * 3, "  T1Table: {Type: AWS::SNS::Topic}\n"), 3)
    assert [change.tier for change in changes] == [Tier.SAFE, Tier.REVIEW, Tier.SAFE]
    assert "already has a resource T1Table" in changes[1].reasons[0]


def test_a_change_that_names_a_table_of_another_is_tried_by_itself():
    template = template_of(HEADS[1], [("", "")] * 2, "")
    table, variable, grant = (replace(op, template="template.yaml") for op in asked_of(0, "ATable", ["GetItem"]))
    owner = Change("SL101-0", "SL101", Tier.SAFE, "", (), (table, variable, grant))
    guest = replace(owner, id="SL101-1", ops=(replace(variable, function="F1"),))
    _, checked = pass_gate([owner, guest], lambda path: template)
    assert checked.tier is not Tier.SAFE
