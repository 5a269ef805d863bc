"""Files in .chalice + operations -> bytes: variables in config.json, rights in policies, tables in statelift.json.

Chalice makes no tables, and its configuration holds plain texts. So tables have names that begin with the app and
the stage, and are made by a template of their own.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Sequence

from yaml.nodes import SequenceNode

from statelift.infra.entries import position_before, with_all, with_resource
from statelift.infra.fragments import resource_bodies
from statelift.infra.limits import check_environment
from statelift.infra.names import given_name, kind_of
from statelift.infra.rights import with_actions
from statelift.infra.values import Tagged, Value, value_of
from statelift.infra.wanted import check_actions, merged
from statelift.infra.yamlpatch import Document, Refusal
from statelift.locate.chalicesites import CONFIG_FILE, FOLDER, PREFIX, RESOURCES_FILE, prefix_of
from statelift.locate.sites import Path, check_duplicates, check_mapping
from statelift.locate.tree import entries, string
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ARN = "arn:aws:dynamodb:*:*:table/"
_PARAMETER = "Prefix"
_DESCRIPTION = (
    "State that statelift moved out of the functions' containers. For each stage: aws cloudformation deploy"
    " --template-file .chalice/statelift.json --stack-name APP-STAGE-state --parameter-overrides Prefix=APP-STAGE"
)
_START = (
    json.dumps(
        {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": _DESCRIPTION,
            "Parameters": {_PARAMETER: {"Type": "String", "Description": "APP-STAGE: what all names begin with"}},
            "Resources": {},
        },
        indent=2,
    ).encode()
    + b"\n"
)


def is_chalice(path: str) -> bool:
    """Whether a file is one of Chalice's settings."""
    return posixpath.basename(posixpath.dirname(path)) == FOLDER


def patch_chalice(path: str, before: bytes | None, operations: Sequence[InfraOperation]) -> bytes:
    """The file with all that the operations ask of it; statelift.json is made where it is not there.

    Raises Refusal; then nothing may be written.
    """
    wanted = merged(operations)
    name = posixpath.basename(path)
    is_mixed = (bool(wanted.resources), bool(wanted.variables), bool(wanted.grants)) != (
        (name == RESOURCES_FILE and bool(wanted.resources)),
        (name == CONFIG_FILE and bool(wanted.variables)),
        (name not in (CONFIG_FILE, RESOURCES_FILE) and bool(wanted.grants)),
    )
    if is_mixed:
        raise Refusal(f"{path} is not where this goes.")
    if before is None and name != RESOURCES_FILE:
        raise Refusal(f"{path} does not exist.")
    document = Document.parse(_START if before is None else before)
    return with_all(document, wanted, check_duplicates, _with_made, _with_variable, _with_grant)


def table_name(prefix: str, resource: str) -> str:
    """`shop-dev`, `OrdersTable` -> `shop-dev-orders-table`. Raises Refusal for other kinds."""
    if kind_of(resource) != "table":
        raise Refusal(
            f"{resource} is no table: the name of a bucket has to be free in all of AWS, so no configuration can"
            " tell it beforehand."
        )
    return "-".join([prefix, *(word.lower() for word in _WORD.findall(resource))])


# ---------------------------------------------------------------- statelift.json


def _with_made(document: Document, resource: EnsureResource) -> Document:
    if document.node(("Parameters", _PARAMETER)) is None:
        raise Refusal(f"{RESOURCES_FILE} exists, and statelift did not make it: rename it.")
    if resource.kind == "metric":
        return document
    check_mapping(document.tree, ("Resources",))
    for logical_id, body in resource_bodies(resource).items():
        document = with_resource(document, ("Resources",), logical_id, _named(resource, body))
    return document


def _named(resource: EnsureResource, body: Value) -> Value:
    """A table with the name that the configuration tells the app; nobody asks for an alarm by its name."""
    properties = body.get("Properties") if isinstance(body, dict) else None
    if resource.kind == "alarm" or not (isinstance(body, dict) and isinstance(properties, dict)):
        return body
    name = Tagged("!Sub", table_name(f"${{{_PARAMETER}}}", resource.id))
    return {**body, "Properties": {"TableName": name, **properties}}


# ---------------------------------------------------------------- config.json


def _with_variable(document: Document, variable: EnsureEnv) -> Document:
    """The variable in every stage: each has a table of its own."""
    if variable.attribute != "name":
        raise Refusal(f"{variable.name} wants an ARN, and a configuration of Chalice knows none.")
    stages = check_mapping(document.tree, ("stages",))
    if stages is None:
        raise Refusal("The configuration names no stage, and names of tables begin with it.")
    for stage in entries(stages):
        prefix = prefix_of(string(document.node(("app_name",))), stage)
        document = _in_stage(document, variable, stage, prefix)
    return document


def _in_stage(document: Document, variable: EnsureEnv, stage: str, prefix: str) -> Document:
    path: Path = ("stages", stage, "environment_variables")
    for above in (("environment_variables",), path):
        check_mapping(document.tree, above)
    wanted = table_name(prefix, variable.resource)
    mine = {key: string(node) for key, node in entries(document.node(path)).items()}
    shared = {key: string(node) for key, node in entries(document.node(("environment_variables",))).items()}
    for own in ({}, *_own_variables(document, stage)):
        known = shared | mine | own
        if known.get(variable.name, wanted) != wanted:
            raise Refusal(
                f"The stage {stage} already has an environment variable {variable.name} of another value."
            )
        if variable.name not in known:
            check_environment(f"the stage {stage}", known, variable.name)
    if mine.get(variable.name) == wanted:
        return document
    larger = [key for key, value in mine.items() if (value or "").startswith(f"{prefix}-") and key > variable.name]
    return document.with_entry(path, variable.name, wanted, position_before(document, path, larger))


def _own_variables(document: Document, stage: str) -> Iterator[dict[str, str | None]]:
    """What single functions say of all stages' or one stage's variables."""
    for base in (("lambda_functions",), ("stages", stage, "lambda_functions")):
        for function in entries(document.node(base)).values():
            said = entries(entries(function).get("environment_variables"))
            yield {key: string(node) for key, node in said.items()}


# ---------------------------------------------------------------- policies


def _with_grant(document: Document, grant: EnsureGrant) -> Document:
    check_actions(grant, kind_of(grant.resource) or "")
    if not PREFIX.fullmatch(grant.role):
        raise Refusal(f"What the names of a stage of {grant.function} begin with is not known.")
    is_metric = kind_of(grant.resource) == "metrics"
    target = "*" if is_metric else _ARN + table_name(grant.role, grant.resource)
    listed = document.node(("Statement",))
    if not isinstance(listed, SequenceNode):
        raise Refusal("The policy has no list of statements.")
    larger: list[int] = []
    actions: list[Value] = list(grant.actions)
    statement: dict[str, Value] = {"Effect": "Allow", "Action": actions, "Resource": target}
    if is_metric:
        statement["Condition"] = {"StringEquals": {"cloudwatch:namespace": given_name(grant.resource)}}
    for position, item in enumerate(listed.value):
        known = value_of(item)
        place = known.get("Resource") if isinstance(known, dict) else None
        is_same = isinstance(known, dict) and known | {"Action": actions} == statement
        if is_same and isinstance(document.node(("Statement", position, "Action")), SequenceNode):
            return with_actions(document, ("Statement", position, "Action"), statement)
        if isinstance(place, str) and place.startswith(_ARN) and place > target:
            larger.append(position)
    return document.with_item(("Statement",), dict(statement), min(larger) - 1 if larger else None)
