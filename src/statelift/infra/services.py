"""serverless.yml bytes + operations -> its new bytes: adds what is asked for, and proves it as for templates."""

import re
from collections.abc import Sequence

from yaml.nodes import ScalarNode

from statelift.infra.entries import owned_resources, with_all, with_resource, with_variable
from statelift.infra.fragments import TYPES, resource_bodies, statements
from statelift.infra.names import given_name, kind_of
from statelift.infra.rights import ensure_listed
from statelift.infra.values import Tagged, Value
from statelift.infra.wanted import check_actions, merged
from statelift.infra.yamlpatch import Document, Refusal
from statelift.locate.services import POLICY, ROLE, resources_path, service_site
from statelift.locate.sites import Path, check_duplicates
from statelift.locate.tree import entries, string
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

_KINDS = {kind: name for name, kind in TYPES.items()}
_ARN = re.compile(r"\$\{(\w+\.Arn)\}(.*)", re.DOTALL)


def patch_service(data: bytes, operations: Sequence[InfraOperation]) -> bytes:
    """As `patch_template`, for a service. Rights of functions that share a role are joined.

    Raises Refusal; then nothing may be written.
    """
    document = Document.parse(data)
    return with_all(document, merged(operations), check_duplicates, _with_resource, _with_variable, _with_grant)


def _with_resource(document: Document, resource: EnsureResource) -> Document:
    for logical_id, body in resource_bodies(resource).items():
        document = _with_body(document, logical_id, _spelled(body))
    return document


def _with_body(document: Document, logical_id: str, body: Value) -> Document:
    path = resources_path(document.tree)
    if path is not None:
        return with_resource(document, path, logical_id, body)
    if isinstance(document.node(("resources",)), ScalarNode):
        document = document.with_list(("resources",))
    return document.with_item(("resources",), {"Resources": {logical_id: body}})


def _with_variable(document: Document, variable: EnsureEnv) -> Document:
    base = _base(document, variable.resource)
    site = service_site(document.tree, variable.function)
    inherited = entries(document.node(("provider", "environment")))
    return with_variable(document, base, site.variables, variable, inherited)


def _with_grant(document: Document, grant: EnsureGrant) -> Document:
    base = _base(document, grant.resource)
    found = string(document.node((*base, grant.resource, "Type"))) or ""
    kind = kind_of(grant.resource) or "" if given_name(grant.resource) else found
    check_actions(grant, _KINDS.get(kind, kind))
    site = service_site(document.tree, grant.function)
    if site.inherits:
        document = document.with_entry(site.statements[:-1], "iamRoleStatementsInherit", True)
    owned = [*owned_resources(document, base), *([grant.resource] if given_name(grant.resource) else [])]
    for statement in statements(grant, _KINDS.get(kind, kind)):
        spelled = _spelled(statement)
        if site.is_beside and document.node(site.statements) is None:
            document = with_resource(document, base, POLICY, _policy(spelled))
        elif isinstance(spelled, dict):
            document = ensure_listed(document, site.statements, spelled, owned)
    return document


def _policy(statement: Value) -> Value:
    """A policy of its own for the role that the framework makes."""
    properties: Value = {
        "PolicyName": "statelift",
        "Roles": [Tagged("!Ref", ROLE)],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    metadata: Value = {"statelift": {"origin": "the statements of the provider stand in another file"}}
    return {"Type": "AWS::IAM::Policy", "Metadata": metadata, "Properties": properties}


def _base(document: Document, resource: str) -> Path:
    path = resources_path(document.tree)
    if given_name(resource):
        return path or ("resources", "Resources")
    if path is None or document.node((*path, resource)) is None:
        raise Refusal(f"The service has no resource {resource} that a function could use.")
    return path


def _spelled(value: Value) -> Value:
    """`!Sub "${X.Arn}/*"` without `${…}`, which the framework would take for a variable of its own."""
    match value:
        case Tagged("!Sub", text) if found := _ARN.fullmatch(text):
            return {"Fn::Join": ["", [Tagged("!GetAtt", found[1]), found[2]]]}
        case dict():
            return {key: _spelled(item) for key, item in value.items()}
        case list():
            return [_spelled(item) for item in value]
        case _:
            return value
