"""Document + resources, variables, rights -> Document: beside those that are there, found again by their mark.

What statelift added carries `Metadata.statelift`; its entries are sorted among themselves.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from yaml.nodes import MappingNode, Node

from statelift.infra.fragments import variable_value
from statelift.infra.limits import check_environment, check_resources
from statelift.infra.lines import follows_blank_line
from statelift.infra.rounds import with_additions
from statelift.infra.values import Tagged, Value, value_of
from statelift.infra.wanted import Wanted
from statelift.infra.yamlpatch import Document, Refusal
from statelift.locate.sites import Path, UnpatchableError
from statelift.locate.tree import Tree, entries, own, string
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource

_Operation = TypeVar("_Operation", EnsureResource, EnsureEnv, EnsureGrant)


def with_all(
    document: Document,
    wanted: Wanted,
    check: Callable[[Tree], None],
    resource: Callable[[Document, EnsureResource], Document],
    variable: Callable[[Document, EnsureEnv], Document],
    grant: Callable[[Document, EnsureGrant], Document],
) -> bytes:
    """The file with everything that is wanted, each added by the format's own hand. Raises Refusal."""
    try:
        check(document.tree)
        document = with_additions(document, [partial(_asked, resource, each) for each in wanted.resources])
        document = with_additions(document, [partial(_asked, variable, each) for each in wanted.variables])
        document = with_additions(document, [partial(_asked, grant, each) for each in wanted.grants])
    except UnpatchableError as error:
        raise Refusal(str(error)) from error
    return document.tree.data


def _asked(add: Callable[[Document, _Operation], Document], operation: _Operation, document: Document) -> Document:
    return add(document, operation)


def with_resource(document: Document, base: Path, logical_id: str, body: Value) -> Document:
    """Add a resource to the mapping at `base`; one of statelift's own stays. Raises Refusal for a stranger's."""
    known = document.node((*base, logical_id))
    owned = owned_resources(document, base)
    if known is None or logical_id in owned:  # several may have been added since that was looked at
        check_resources(len(entries(document.node(base))) - (known is not None))
    if known is None:
        after = position_before(document, base, [name for name in owned if name > logical_id])
        parent = base if document.node(base[:1]) is not None else ()
        blank = _has_blank_lines(document, parent, owned)
        return document.with_entry(base, logical_id, body, after, blank, about=logical_id)
    kind = body.get("Type") if isinstance(body, dict) else ""
    if logical_id not in owned or string(own(known, "Type")) != kind:
        raise Refusal(
            f"The template already has a resource {logical_id} that statelift did not add. "
            "Rename it, or choose another name for the state."
        )
    return document


def with_variable(
    document: Document, base: Path, path: Path, variable: EnsureEnv, inherited: dict[str, Node]
) -> Document:
    """Add a variable to the environment at `path`. Raises Refusal where it has another value already."""
    wanted = variable_value(variable)
    nodes = inherited | entries(document.node(path))
    known = {name: value_of(node) for name, node in nodes.items()}
    if variable.name in known:
        if known[variable.name] == wanted:
            return document
        raise Refusal(
            f"{variable.function} already has an environment variable {variable.name} with another value."
        )
    plain = {name: string(node) for name, node in nodes.items()}
    check_environment(variable.function, plain, variable.name)
    names = owned_resources(document, base)
    owned = [*(Tagged("!Ref", name) for name in names), *(Tagged("!GetAtt", f"{name}.Arn") for name in names)]
    larger = [name for name, value in known.items() if value in owned and name > variable.name]
    return document.with_entry(path, variable.name, wanted, position_before(document, path, larger))


def owned_resources(document: Document, base: Path) -> list[str]:
    """Logical ids that carry Metadata.statelift."""
    resources = entries(document.node(base))
    return [name for name, node in resources.items() if own(own(node, "Metadata"), "statelift") is not None]


def position_before(document: Document, path: Path, larger: list[str]) -> int | None:
    """Behind which entry a new one goes so that it stands in front of the first of `larger`."""
    node = document.node(path)
    keys = [key.value for key, _ in node.value] if isinstance(node, MappingNode) else []
    positions = [keys.index(name) for name in larger if name in keys]
    return min(positions) - 1 if positions else None


def _has_blank_lines(document: Document, base: Path, owned: list[str]) -> bool:
    """Whether the people who wrote the file put empty lines between resources."""
    node = document.node(base)
    if not isinstance(node, MappingNode) or node.flow_style:
        return False
    text = document.tree.text
    starts = [key.start_mark.index for key, _ in node.value if key.value not in owned]
    gaps = [follows_blank_line(text, start) for start in starts[1:]]
    return sum(gaps) * 2 > len(gaps)
