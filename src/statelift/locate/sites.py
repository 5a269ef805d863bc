"""Tree + logical id -> Site: where a function's environment and rights are written, or why nothing may be added.

The patcher goes to exactly these places, so what is said here of a template and what is done to it agree.
"""

from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.locate.declared import LAMBDA, SERVERLESS
from statelift.locate.tree import (
    MAP,
    NULL,
    SEQ,
    Tree,
    attribute_of,
    entries,
    is_intrinsic,
    own,
    own_pair,
    string,
)

ROLE = "AWS::IAM::Role"
Path = tuple[str | int, ...]


class UnpatchableError(ValueError):
    """Nothing can be added here without changing something else. The message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Site:
    """Paths of the two places; `role` is the AWS::IAM::Role that holds the rights, "" where SAM makes one."""

    variables: Path
    policies: Path
    role: str = ""


def why_not_patchable(tree: Tree, logical_id: str) -> str:
    """ "" where environment and rights can be added, otherwise the sentence that says why not."""
    try:
        site_of(tree, logical_id)
    except UnpatchableError as error:
        return str(error)
    return ""


def site_of(tree: Tree, logical_id: str) -> Site:
    """Where to write for this function. Raises UnpatchableError."""
    check_template(tree)
    resource = check_mapping(tree, ("Resources", logical_id))
    if resource is None:
        raise UnpatchableError(f"The template has no resource {logical_id}.")
    base: Path = ("Resources", logical_id, "Properties")
    properties = check_mapping(tree, base)
    check_mapping(tree, (*base, "Environment"))
    check_mapping(tree, (*base, "Environment", "Variables"))
    if string(own(resource, "Type")) == SERVERLESS:
        return _serverless_site(tree, logical_id, properties)
    if string(own(resource, "Type")) != LAMBDA:
        raise UnpatchableError(f"{logical_id} is not a Lambda function.")
    return _role_site(tree, logical_id, properties)


def check_template(tree: Tree) -> None:
    """Raise UnpatchableError where the whole template cannot be trusted to mean what it shows."""
    check_duplicates(tree)
    transform = entries(tree.root).get("Transform")
    names = transform.value if isinstance(transform, SequenceNode) else [transform] if transform else []
    for name in names:
        if not (string(name) or "").startswith("AWS::"):
            raise UnpatchableError(
                "The template passes through a macro (Transform) that may rewrite what is added."
            )
    check_mapping(tree, ("Resources",))
    if own(tree.root, "Resources") is None:
        raise UnpatchableError("The template has no Resources section.")


def check_duplicates(tree: Tree) -> None:
    """Raise UnpatchableError where a key stands twice."""
    for key, line in tree.duplicates[:1]:
        raise UnpatchableError(
            f"The key {key} stands twice in one mapping (line {line}); which one counts is unclear."
        )


def check_mapping(tree: Tree, path: Path) -> MappingNode | None:
    """The mapping at `path`, None where it is absent or empty. Raises UnpatchableError where it is not plain."""
    node: Node = tree.root
    for depth in range(len(path) + 1):
        where = ".".join(str(step) for step in path[:depth]) or "The template"
        if _is_empty(node):
            return None
        step = path[depth] if depth < len(path) else None
        if isinstance(step, int):
            node = _plain_list(tree, node, where)[step]
            continue
        mapping = _plain_mapping(tree, node, where)
        found = own_pair(mapping, step) if step is not None else None
        if found is None:
            return mapping if step is None else None
        node = found[1]
    return None


def _plain_list(tree: Tree, node: Node, where: str) -> list[Node]:
    if id(node) in tree.shared:
        raise UnpatchableError(f"{where} is shared through a YAML anchor; a change here would change every user.")
    if not isinstance(node, SequenceNode) or node.tag != SEQ:
        raise UnpatchableError(f"{where} is not a plain list, so nothing can be added to it.")
    return list(node.value)


def _plain_mapping(tree: Tree, node: Node, where: str) -> MappingNode:
    if id(node) in tree.shared:
        raise UnpatchableError(f"{where} is shared through a YAML anchor; a change here would change every user.")
    if not isinstance(node, MappingNode) or node.tag != MAP or is_intrinsic(node):
        raise UnpatchableError(f"{where} is not a plain mapping, so nothing can be added to it.")
    keys = [key.value if isinstance(key, ScalarNode) else "?" for key, _ in node.value]
    if "<<" in keys:
        raise UnpatchableError(f"{where} uses a YAML merge key (<<), which an addition could override.")
    if "?" in keys:
        raise UnpatchableError(f"{where} has a key that is not a plain name.")
    return node


def _is_empty(node: Node) -> bool:
    """`Key:` with nothing behind it. A written-out null is not empty: there is no room to add below it."""
    return node.tag == NULL and node.start_mark.index == node.end_mark.index


def _serverless_site(tree: Tree, logical_id: str, properties: MappingNode | None) -> Site:
    environment = entries(entries(entries(tree.root).get("Globals")).get("Function")).get("Environment")
    if is_intrinsic(environment) or is_intrinsic(entries(environment).get("Variables")):
        raise UnpatchableError(
            "Globals.Function.Environment is an intrinsic, so the function's own cannot be merged."
        )
    if own(properties, "Role") is not None:
        return _role_site(tree, logical_id, properties)
    base: Path = ("Resources", logical_id, "Properties")
    _check_policies(tree, own(properties, "Policies"), f"{logical_id}.Policies")
    return Site((*base, "Environment", "Variables"), (*base, "Policies"))


def _role_site(tree: Tree, logical_id: str, properties: MappingNode | None) -> Site:
    target = attribute_of(own(properties, "Role"))
    role, attribute = target or ("", "")
    kind = string(own(own(own(tree.root, "Resources"), role), "Type"))
    if attribute != "Arn" or kind != ROLE:
        raise UnpatchableError(
            f"The Role of {logical_id} is not `!GetAtt X.Arn` of an AWS::IAM::Role in this template, "
            "so its rights are decided elsewhere."
        )
    path: Path = ("Resources", role, "Properties")
    policies = own(check_mapping(tree, path), "Policies")
    _check_policies(tree, policies, f"{role}.Policies")
    if policies is not None and not isinstance(policies, SequenceNode):
        raise UnpatchableError(f"{role}.Policies is not a list.")
    variables: Path = ("Resources", logical_id, "Properties", "Environment", "Variables")
    return Site(variables, (*path, "Policies"), role)


def _check_policies(tree: Tree, node: Node | None, where: str) -> None:
    if node is None:
        return
    if id(node) in tree.shared:
        raise UnpatchableError(f"{where} is shared through a YAML anchor; a change here would change every user.")
    match node:
        case SequenceNode(tag=tag) if tag == SEQ:
            return
        case MappingNode():
            _plain_mapping(tree, node, where)
        case ScalarNode() if string(node) is not None and node.style not in ("|", ">"):
            return
        case _:
            raise UnpatchableError(f"{where} is not a plain list of policies, so none can be added.")
