"""Document + statement -> Document: one IAM statement in the policies of a function or of its role."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yaml.nodes import SequenceNode

from statelift.infra.limits import short
from statelift.infra.names import metrics_in
from statelift.infra.values import Tagged, Value, value_of
from statelift.infra.yamlpatch import Document
from statelift.locate.sites import Path, Site

Statement = dict[str, Value]

_GIVEN = re.compile(
    r"arn:\$\{AWS::Partition\}:(?:dynamodb:\$\{AWS::Region\}:\$\{AWS::AccountId\}:table/([\w.-]+)|s3:::([\w.-]+)(?:/.*)?)"
)
_ARN = re.compile(r"(?:\$\{)?([A-Za-z0-9]+)\.Arn\b.*", re.DOTALL)
_INSIDE_ROLE: Path = ("PolicyDocument", "Statement")
_INSIDE_FUNCTION: Path = ("Statement",)


@dataclass(frozen=True, slots=True)
class Policy:
    """An existing policy that speaks of one resource only. `path` leads to its list of statements."""

    position: int
    resource: str
    path: Path
    statements: tuple[Statement, ...]


def ensure_statement(
    document: Document, site: Site, resource: str, statement: Statement, owned: Sequence[str]
) -> Document:
    """Add a statement about `resource`, or the actions that an equal one lacks. Raises Refusal."""
    inside = _INSIDE_ROLE if site.role else _INSIDE_FUNCTION
    policies = _policies(document, site.policies, inside)
    mine = next((policy for policy in policies if policy.resource == resource), None)
    if mine is None:
        policy = _new_policy(site, resource, statement)
        if document.node(site.policies) is None:
            return document.with_entry(site.policies[:-1], str(site.policies[-1]), [policy])
        larger = [known.position for known in policies if known.resource in owned and known.resource > resource]
        return document.with_item(site.policies, policy, min(larger) - 1 if larger else None, resource)
    for position, known in enumerate(mine.statements):
        if _rank(known) == _rank(statement) and isinstance(known.get("Action"), list):
            return with_actions(document, (*mine.path, position, "Action"), statement)
    larger = [n for n, known in enumerate(mine.statements) if _rank(known) > _rank(statement)]
    return document.with_item(mine.path, _value(statement), min(larger) - 1 if larger else None)


def ensure_listed(document: Document, path: Path, statement: Statement, owned: Sequence[str]) -> Document:
    """The same where the list at `path` holds statements and no policies. Raises Refusal."""
    node = document.node(path)
    if node is None:
        return document.with_entry(path[:-1], str(path[-1]), [_value(statement)])
    known = [value_of(item) for item in node.value] if isinstance(node, SequenceNode) else []
    mine = (_resource(statement), _rank(statement))
    larger: list[int] = []
    for position, other in enumerate(known):
        if not isinstance(other, dict) or _resource(other) not in owned:
            continue
        if _rank(other) == _rank(statement) and isinstance(other.get("Action"), list):
            return with_actions(document, (*path, position, "Action"), statement)
        if (_resource(other), _rank(other)) > mine:
            larger.append(position)
    return document.with_item(path, _value(statement), min(larger) - 1 if larger else None, _resource(statement))


def _new_policy(site: Site, resource: str, statement: Statement) -> Value:
    document: dict[str, Value] = {"Version": "2012-10-17", "Statement": [_value(statement)]}
    if not site.role:
        return document
    return {"PolicyName": short(f"statelift-{resource.replace('/', '-')}"), "PolicyDocument": document}


def _policies(document: Document, path: Path, inside: Path) -> list[Policy]:
    node = document.node(path)
    found: list[Policy] = []
    for position, _ in enumerate(node.value if isinstance(node, SequenceNode) else ()):
        inner: Path = (*path, position, *inside)
        listed = document.node(inner)
        if not isinstance(listed, SequenceNode):
            continue
        statements = [value for item in listed.value if isinstance(value := value_of(item), dict)]
        resources = {_resource(statement) for statement in statements}
        if len(resources) == 1 and len(statements) == len(listed.value) and "" not in resources:
            found.append(Policy(position, resources.pop(), inner, tuple(statements)))
    return found


def _resource(statement: Statement) -> str:
    """The one resource that an allowing statement is about, "" where it is about something else."""
    target = statement.get("Resource")
    match statement:
        case {
            "Resource": "*",
            "Effect": "Allow",
            "Condition": {"StringEquals": {"cloudwatch:namespace": str(space)}},
        }:
            return metrics_in(space)
        case _:
            pass
    match target:
        case {"Fn::Join": ["", [Tagged() as first, *_]]}:
            target = first
        case _:
            pass
    if not isinstance(target, Tagged) or statement.get("Effect") != "Allow":
        return ""
    if found := _GIVEN.fullmatch(target.text):
        return f"table/{found[1]}" if found[1] else f"bucket/{found[2]}"
    match = _ARN.fullmatch(target.text)
    return match[1] if match else ""


def _rank(statement: Statement) -> tuple[bool, str, str]:
    """What a statement is about, apart from its actions: objects come before the bucket itself."""
    target = statement.get("Resource")
    tagged = target if isinstance(target, Tagged) else Tagged("", str(target))
    return tagged.tag == "!GetAtt", tagged.text, str(statement.get("Condition", ""))


def with_actions(document: Document, path: Path, statement: Statement) -> Document:
    """The list of actions at `path` with those that a statement has more. Raises Refusal."""
    wanted = statement["Action"]
    for action in wanted if isinstance(wanted, list) else []:
        node = document.node(path)
        known = [str(item.value) for item in node.value] if isinstance(node, SequenceNode) else []
        if action not in known:
            larger = [n for n, name in enumerate(known) if name > str(action)]
            document = document.with_item(path, action, min(larger) - 1 if larger else None)
    return document


def _value(statement: Statement) -> Value:
    return dict(statement)
