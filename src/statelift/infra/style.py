"""Tree -> Style: how a template is written, so that additions look like the rest of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, SequenceNode

from statelift.locate.tree import Tree, children


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written: columns per level, columns from a key to its dashes, line ends, spelling."""

    newline: str
    step: int
    dash: int
    is_json: bool
    has_long_intrinsics: bool


def style_of(tree: Tree) -> Style:
    """The habits of most of the file; two columns where it shows none."""
    crlf = tree.text.count("\r\n")
    newline = "\r\n" if crlf > tree.text.count("\n") / 2 else "\n"
    pairs = list(_block_pairs(tree.root))
    steps = Counter(
        value.start_mark.column - key.start_mark.column for key, value in pairs if isinstance(value, MappingNode)
    )
    dashes = Counter(
        value.start_mark.column - key.start_mark.column for key, value in pairs if isinstance(value, SequenceNode)
    )
    step = steps.most_common(1)[0][0] if steps else 2
    dash = dashes.most_common(1)[0][0] if dashes else step
    is_json = bool(tree.root.flow_style)
    return Style(newline, step, dash, is_json, is_json or _has_long_intrinsics(tree.root))


def _walk(node: Node, seen: set[int]) -> Iterator[Node]:
    if id(node) in seen:
        return
    seen.add(id(node))
    yield node
    for child in children(node):
        yield from _walk(child, seen)


def _block_pairs(root: Node) -> Iterator[tuple[Node, Node]]:
    """Keys with a block collection on the lines below them."""
    for node in _walk(root, set()):
        for key, value in node.value if isinstance(node, MappingNode) and not node.flow_style else ():
            is_below = value.start_mark.line > key.end_mark.line
            if is_below and isinstance(value, MappingNode | SequenceNode) and not value.flow_style:
                yield key, value


def _has_long_intrinsics(root: Node) -> bool:
    """Whether the file mostly spells `Fn::GetAtt:` and `Ref:` rather than `!GetAtt` and `!Ref`."""
    balance = 0
    for node in _walk(root, set()):
        if node.tag.startswith("!"):
            balance -= 1
        elif isinstance(node, MappingNode) and len(node.value) == 1:
            key = str(node.value[0][0].value)
            balance += key == "Ref" or key.startswith("Fn::")
    return balance > 0
