"""bytes -> Tree: a YAML or JSON template, composed into nodes with their places and never constructed."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAP = "tag:yaml.org,2002:map"
SEQ = "tag:yaml.org,2002:seq"
STR = "tag:yaml.org,2002:str"
NULL = "tag:yaml.org,2002:null"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOM = "\ufeff"
_ATTRIBUTE = re.compile(r"\$\{(\w+)\.([\w.]+)\}")
_MAX_DEPTH = 100
_MAX_NODES = 1_000_000  # with aliases written out
_DIGITS = 10
_MAX_EVENTS = 500_000  # as written; CloudFormation itself takes no template above 1 MB


class TemplateError(ValueError):
    """A template that cannot be read. `line` is 1-based."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Tree:
    """One composed document. Marks count from the first character after the byte order mark.

    `shared` holds the ids of nodes that stand in several places through an anchor; `duplicates` the keys that
    one mapping has twice, with the 1-based line of the second.
    """

    bom: str
    text: str
    root: MappingNode
    shared: frozenset[int] = field(repr=False)
    duplicates: tuple[tuple[str, int], ...]

    @property
    def data(self) -> bytes:
        """The bytes that this tree was composed from."""
        return (self.bom + self.text).encode()


def compose_template(data: bytes, *, is_checked: bool = False) -> Tree | None:
    """The one mapping of a file, or None where it holds something else. Raises TemplateError.

    `is_checked`: the text is one that was read before, with a few lines more, so its depth and its aliases need no
    second look.
    """
    text = _decode(data)
    bom = _BOM if text.startswith(_BOM) else ""
    text = text[len(bom) :]
    documents = _compose(text, is_checked=is_checked)
    if len(documents) > 1:
        line = documents[1].start_mark.line + 1
        raise TemplateError(line, "This file holds several YAML documents; a template is exactly one.")
    if not documents or not isinstance(documents[0], MappingNode):
        return None
    root = documents[0]
    if not is_checked:
        _measure(root, frozenset(), {})
    nodes = list(_nodes(root))
    return Tree(bom, text, root, _shared(nodes), tuple(_duplicates(nodes)))


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TemplateError(1, "This template is UTF-16; save it as UTF-8 to have it read.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TemplateError(line, f"This template is not UTF-8 (byte {error.start}: {error.reason}).") from error


def _compose(text: str, *, is_checked: bool) -> list[Node]:
    try:
        flaw = None if is_checked else _flaw(text)
        if flaw is not None:
            raise flaw
        return [node for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise TemplateError(line, f"This template is not valid YAML: {error.problem or error}.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, int) else ord(error.character[:1])
        raise TemplateError(line, f"This template holds the control character U+{character:04X}.") from error
    except yaml.YAMLError as error:
        raise TemplateError(1, f"This template is not valid YAML: {error}.") from error


def _flaw(text: str) -> TemplateError | None:
    """What is too deep or too much is refused before it is composed: libyaml's composer overflows the stack."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or count > _MAX_EVENTS:
            line = event.start_mark.line + 1 if event.start_mark else 1
            what = "nested too deeply" if depth > _MAX_DEPTH else "too large"
            return TemplateError(line, f"This template is {what} to be read.")
    return None


def children(node: Node) -> list[Node]:
    """The nodes directly below: keys and values of a mapping, items of a list."""
    match node:
        case MappingNode():
            return [child for pair in node.value for child in pair]
        case SequenceNode():
            return list(node.value)
        case _:
            return []


def _measure(node: Node, above: frozenset[int], sizes: dict[int, int]) -> int:
    """Number of nodes with every alias written out: aliases can blow up, or contain themselves."""
    if id(node) in sizes:
        return sizes[id(node)]
    line = node.start_mark.line + 1
    if id(node) in above:
        raise TemplateError(line, "An anchor of this template contains itself.")
    if len(above) > _MAX_DEPTH:
        raise TemplateError(line, "This template is nested too deeply to be read.")
    inside = above | {id(node)}
    size = 1 + sum(_measure(child, inside, sizes) for child in children(node))
    if size > _MAX_NODES:
        raise TemplateError(line, "The aliases of this template expand to more than a million nodes.")
    sizes[id(node)] = size
    return size


def _nodes(root: Node) -> Iterator[Node]:
    """Every node once per place where it is written, the parts of an aliased one only once."""
    seen: set[int] = set()
    stack: list[Node] = [root]
    while stack:
        node = stack.pop()
        yield node
        if id(node) not in seen:
            seen.add(id(node))
            stack.extend(children(node))


def _shared(nodes: list[Node]) -> frozenset[int]:
    counts = Counter(id(node) for node in nodes)
    return frozenset(node for node, count in counts.items() if count > 1)


def _duplicates(nodes: list[Node]) -> Iterator[tuple[str, int]]:
    mappings = {id(node): node for node in nodes if isinstance(node, MappingNode)}
    for mapping in sorted(mappings.values(), key=lambda node: node.start_mark.index):
        keys: set[str] = set()
        for key, _ in mapping.value:
            if not isinstance(key, ScalarNode):
                continue
            if key.value in keys:
                yield key.value, key.start_mark.line + 1
            keys.add(key.value)


# ---------------------------------------------------------------- reading


def own(node: Node | None, key: str) -> Node | None:
    """The value that a mapping itself has for `key`; of duplicates the last, as loaders do."""
    found = own_pair(node, key)
    return found[1] if found else None


def own_pair(node: Node | None, key: str) -> tuple[ScalarNode, Node] | None:
    """The key and value nodes of `key`."""
    if not isinstance(node, MappingNode):
        return None
    pairs = [pair for pair in node.value if isinstance(pair[0], ScalarNode) and pair[0].value == key]
    return pairs[-1] if pairs else None


def entries(node: Node | None) -> dict[str, Node]:
    """What a mapping says once its `<<` merges are written out: own keys win over merged ones."""
    if not isinstance(node, MappingNode):
        return {}
    merged: dict[str, Node] = {}
    for key, value in node.value:
        if key.value == "<<":
            sources = value.value if isinstance(value, SequenceNode) else [value]
            for source in reversed(sources):
                merged |= entries(source)
    return merged | {
        key.value: value for key, value in node.value if isinstance(key, ScalarNode) and key.value != "<<"
    }


def string(node: Node | None) -> str | None:
    """The text of a plain string; None for intrinsics, numbers, lists and whatever else."""
    return str(node.value) if isinstance(node, ScalarNode) and node.tag == STR else None


def number(node: Node | None) -> int | None:
    """A whole number, quoted or not."""
    text = node.value if isinstance(node, ScalarNode) and not node.tag.startswith("!") else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def is_intrinsic(node: Node | None) -> bool:
    """A value that only CloudFormation knows: `!Ref x`, `{Fn::If: …}` and their like."""
    if node is None:
        return False
    if node.tag.startswith("!"):
        return True
    # Fn::ForEach stands beside ordinary keys; all other functions replace the mapping that they are in
    keys = [key for key in entries(node) if not key.startswith("Fn::ForEach")]
    return any(key == "Ref" or key.startswith("Fn::") for key in keys)


def attribute_of(node: Node | None) -> tuple[str, str] | None:
    """`!GetAtt X.Arn` in any of its spellings, `!Sub "${X.Arn}"` among them -> ("X", "Arn")."""
    substituted = own(node, "Fn::Sub") if isinstance(node, MappingNode) and len(node.value) == 1 else node
    if isinstance(substituted, ScalarNode) and (substituted is not node or node.tag == "!Sub"):
        found = _ATTRIBUTE.fullmatch(substituted.value)
        return (found[1], found[2]) if found else None
    if isinstance(node, MappingNode) and len(node.value) == 1:
        node = own(node, "Fn::GetAtt")
    elif node is None or node.tag != "!GetAtt":
        return None
    match node:
        case ScalarNode(value=str(text)) if "." in text:
            resource, attribute = text.split(".", 1)
            return resource, attribute
        case SequenceNode(value=[ScalarNode(value=str(resource)), ScalarNode(value=str(attribute))]):
            return resource, attribute
        case _:
            return None
