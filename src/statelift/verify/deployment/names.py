"""operations -> Names: what the tables and buckets of a change are called in the simulated AWS."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.locate.tree import entries
from statelift.model import EnsureResource, Operation
from statelift.verify.machine.needs import ACCOUNT, REGION
from statelift.verify.resources import arn_of, physical_name

# None is a value that only a deployment knows.
Plain: TypeAlias = "str | list[Plain] | dict[str, Plain] | None"

_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
_HOLE = re.compile(r"\$\{(!?)([^${}]*+)\}")
_LONG = {"Ref": "!Ref", "Fn::GetAtt": "!GetAtt", "Fn::Sub": "!Sub", "Fn::Join": "!Join"}


@dataclass(frozen=True, slots=True)
class Names:
    """Logical ids of new tables and buckets with their names and ARNs."""

    names: Mapping[str, str]
    arns: Mapping[str, str]

    def resolved(self, node: Node | None) -> Plain:
        """A composed node as plain data; intrinsics that name something new, or a part of AWS, are followed."""
        match node:
            case None:
                return None
            case ScalarNode() | SequenceNode() if node.tag.startswith("!"):
                return self._followed(node.tag, node)
            case ScalarNode():
                text = str(node.value)
                return None if "${" in text else text
            case SequenceNode():
                return [self.resolved(item) for item in node.value]
            case MappingNode():
                return self._mapping(entries(node))
            case _:
                return None

    def _mapping(self, pairs: Mapping[str, Node]) -> Plain:
        for key, inner in pairs.items() if len(pairs) == 1 else ():
            if key == "Ref" or key.startswith("Fn::"):
                return self._followed(_LONG.get(key, ""), inner)
        return {key: self.resolved(value) for key, value in pairs.items()}

    def _followed(self, tag: str, node: Node) -> str | None:
        """What an intrinsic stands for."""
        match tag, node.value:
            case "!Ref", str(text):
                return self.names.get(text, _PSEUDO.get(text))
            case "!GetAtt", str(text):
                return self._attribute(text)
            case "!GetAtt", [ScalarNode(value=str(resource)), ScalarNode(value=str(attribute))]:
                return self._attribute(f"{resource}.{attribute}")
            case "!Sub", str(text):
                return self._filled(text, {})
            case "!Sub", [ScalarNode(value=str(text)), MappingNode() as more]:
                return self._filled(text, {name: self.resolved(value) for name, value in entries(more).items()})
            case "!Join", [ScalarNode(value=str(between)), SequenceNode(value=items)]:
                parts = [self.resolved(item) for item in items]
                known = [part for part in parts if isinstance(part, str)]
                return between.join(known) if len(known) == len(parts) else None
            case _:
                return None

    def _attribute(self, text: str) -> str | None:
        resource, _, attribute = text.partition(".")
        return self.arns.get(resource) if attribute == "Arn" else None

    def _filled(self, text: str, more: Mapping[str, Plain]) -> str | None:
        """The text of a `!Sub` with its holes filled; `more` are values of its own."""
        holes = [match[2] for match in _HOLE.finditer(text) if not match[1]]
        values = {hole: more[hole] if hole in more else self._named(hole) for hole in holes}
        if not all(isinstance(value, str) for value in values.values()):
            return None
        return _HOLE.sub(lambda match: f"${{{match[2]}}}" if match[1] else str(values[match[2]]), text)

    def _named(self, hole: str) -> str | None:
        return self._attribute(hole) if "." in hole else self.names.get(hole, _PSEUDO.get(hole))


def names_of(operations: Iterable[Operation]) -> Names:
    """The names of all tables and buckets that the operations make."""
    made = [op for op in operations if isinstance(op, EnsureResource) and op.kind in ("table", "bucket")]
    return Names({op.id: physical_name(op) for op in made}, {op.id: arn_of(op) for op in made})
