"""template bytes + operations -> template bytes: adds what is asked for, and proves that it did only that."""

from collections.abc import Sequence

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from statelift.infra.entries import owned_resources, with_all, with_resource, with_variable
from statelift.infra.fragments import TYPES, resource_bodies, statements
from statelift.infra.names import given_name, kind_of
from statelift.infra.rights import ensure_statement
from statelift.infra.wanted import check_actions, merged
from statelift.infra.yamlpatch import Document, Refusal
from statelift.locate.sites import Path, check_template, site_of
from statelift.locate.tree import entries, string
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

_RESOURCES: Path = ("Resources",)
_KINDS = {kind: name for name, kind in TYPES.items()}


def patch_template(data: bytes, operations: Sequence[InfraOperation]) -> bytes:
    """The template with everything that `operations` ask for; the same bytes where it is all there already.

    The order of operations does not matter, and what statelift added earlier is found again (logical id with
    Metadata.statelift, name of the variable, resource of the statement). New entries are sorted among
    statelift's own, so adding A and later B gives the bytes of adding both at once. Exceptions: entries that
    a person moved, `Environment` and `Policies` that were made in different runs (they stand in the order they
    came), and an `origin` note, which keeps the first. Raises Refusal; then nothing may be written.
    """
    document = Document.parse(data)
    return with_all(document, merged(operations), check_template, _with_resource, _with_variable, _with_grant)


def _with_resource(document: Document, resource: EnsureResource) -> Document:
    for logical_id, body in resource_bodies(resource).items():
        document = with_resource(document, _RESOURCES, logical_id, body)
    return document


def _with_variable(document: Document, variable: EnsureEnv) -> Document:
    _resource_kind(document, variable.resource)
    site = site_of(document.tree, variable.function)
    shared = document.node(("Globals", "Function", "Environment", "Variables"))
    is_serverless = string(document.node((*_RESOURCES, variable.function, "Type"))) == "AWS::Serverless::Function"
    inherited = entries(shared) if is_serverless else {}
    return with_variable(document, _RESOURCES, site.variables, variable, inherited)


def _resource_kind(document: Document, logical_id: str) -> str:
    if given_name(logical_id):
        return kind_of(logical_id) or ""
    kind = string(document.node((*_RESOURCES, logical_id, "Type")))
    if kind is None:
        raise Refusal(f"The template has no resource {logical_id} that a function could use.")
    return _KINDS.get(kind, kind)


def _with_grant(document: Document, grant: EnsureGrant) -> Document:
    kind = _resource_kind(document, grant.resource)
    check_actions(grant, kind)
    site = site_of(document.tree, grant.function)
    existing = document.node(site.policies)
    if isinstance(existing, MappingNode | ScalarNode):
        document = document.with_list(site.policies)
    elif existing is not None and not isinstance(existing, SequenceNode):
        raise Refusal(f"The policies of {grant.function} are not a list.")
    owned = owned_resources(document, _RESOURCES)
    for statement in statements(grant, kind):
        document = ensure_statement(document, site, grant.resource, statement, owned)
    return document
