"""template bytes + operations -> template bytes: adds what is asked for, and proves that it did only that."""

from collections.abc import Sequence

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from statelift.infra.fragments import TYPES, resource_bodies, statements, variable_value
from statelift.infra.rights import ensure_statement
from statelift.infra.values import Tagged, value_of
from statelift.infra.wanted import check_actions, merged
from statelift.infra.yamlpatch import Document, Refusal
from statelift.locate.sites import Path, UnpatchableError, check_template, site_of
from statelift.locate.tree import entries, own, string
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
    wanted = merged(operations)
    document = Document.parse(data)
    try:
        check_template(document.tree)
        for resource in wanted.resources:
            document = _with_resource(document, resource)
        for variable in wanted.variables:
            document = _with_variable(document, variable)
        for grant in wanted.grants:
            document = _with_grant(document, grant)
    except UnpatchableError as error:
        raise Refusal(str(error)) from error
    return document.tree.data


def _with_resource(document: Document, operation: EnsureResource) -> Document:
    for logical_id, body in resource_bodies(operation).items():
        known = document.node((*_RESOURCES, logical_id))
        kind = body["Type"] if isinstance(body, dict) else ""
        if known is None:
            owned = owned_resources(document)
            after = _position(document, _RESOURCES, [name for name in owned if name > logical_id])
            blank = _has_blank_lines(document, owned)
            document = document.with_entry(_RESOURCES, logical_id, body, after, blank)
        elif logical_id not in owned_resources(document) or string(own(known, "Type")) != kind:
            raise Refusal(
                f"The template already has a resource {logical_id} that statelift did not add. "
                "Rename it, or choose another name for the state."
            )
    return document


def owned_resources(document: Document) -> list[str]:
    """Logical ids that carry Metadata.statelift."""
    resources = entries(document.node(_RESOURCES))
    return [name for name, node in resources.items() if own(own(node, "Metadata"), "statelift") is not None]


def _position(document: Document, path: Path, larger: list[str]) -> int | None:
    """Behind which entry a new one goes so that it stands in front of the first of `larger`."""
    node = document.node(path)
    keys = [key.value for key, _ in node.value] if isinstance(node, MappingNode) else []
    positions = [keys.index(name) for name in larger if name in keys]
    return min(positions) - 1 if positions else None


def _has_blank_lines(document: Document, owned: list[str]) -> bool:
    """Whether the people who wrote the file put empty lines between resources."""
    node = document.node(_RESOURCES)
    if not isinstance(node, MappingNode) or node.flow_style:
        return False
    text = document.tree.text
    starts = [key.start_mark.index for key, _ in node.value if key.value not in owned]
    gaps = [_follows_blank_line(text[:start]) for start in starts[1:]]
    return sum(gaps) * 2 > len(gaps)


def _follows_blank_line(text: str) -> bool:
    """Whether an empty line precedes the last one; comments belong to what they describe."""
    above = (line.strip() for line in reversed(text.splitlines()[:-1]))
    return next((not line for line in above if not line.startswith("#")), False)


def _with_variable(document: Document, variable: EnsureEnv) -> Document:
    _resource_kind(document, variable.resource)
    site = site_of(document.tree, variable.function)
    wanted = variable_value(variable)
    known = _variables_of(document, variable.function, site.variables)
    if variable.name in known:
        if known[variable.name] == wanted:
            return document
        raise Refusal(
            f"{variable.function} already has an environment variable {variable.name} with another value."
        )
    owned = {Tagged("!Ref", name) for name in owned_resources(document)}
    owned |= {Tagged("!GetAtt", f"{name}.Arn") for name in owned_resources(document)}
    larger = [name for name, value in known.items() if value in owned and name > variable.name]
    after = _position(document, site.variables, larger)
    return document.with_entry(site.variables, variable.name, wanted, after)


def _variables_of(document: Document, function: str, path: Path) -> dict[str, object]:
    """What the function's environment holds, from Globals too."""
    shared = document.node(("Globals", "Function", "Environment", "Variables"))
    is_serverless = string(document.node((*_RESOURCES, function, "Type"))) == "AWS::Serverless::Function"
    nodes = (entries(shared) if is_serverless else {}) | entries(document.node(path))
    return {name: value_of(node) for name, node in nodes.items()}


def _resource_kind(document: Document, logical_id: str) -> str:
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
    owned = owned_resources(document)
    for statement in statements(grant, kind):
        document = ensure_statement(document, site, grant.resource, statement, owned)
    return document
