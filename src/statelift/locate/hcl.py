"""bytes -> Body: a Terraform file as plain values with byte offsets; no expression is evaluated here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from statelift.locate.tree import TemplateError

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_MAX_DEPTH = 100
_MAX_BYTES = 4_000_000
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class MissingParserError(Exception):
    """The package that reads Terraform is not installed."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a boolean, null, or a string without interpolation."""

    start: int
    end: int
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Text:
    """A string with interpolations: its pieces in order."""

    start: int
    end: int
    parts: "tuple[str | Expression, ...]"


@dataclass(frozen=True, slots=True)
class Reference:
    """`root.step[0].step`: names, and expressions in brackets."""

    start: int
    end: int
    root: str
    steps: "tuple[str | Expression, ...]"


@dataclass(frozen=True, slots=True)
class Element:
    """`(any expression).step["step"]`."""

    start: int
    end: int
    of: "Expression"
    steps: "tuple[str | Expression, ...]"


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`."""

    start: int
    end: int
    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b]`."""

    start: int
    end: int
    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Mapping:
    """`{ key = value }`; a bare key is a Literal, one in parentheses an expression."""

    start: int
    end: int
    entries: "tuple[tuple[Expression, Expression], ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """`test ? yes : no`."""

    start: int
    end: int
    test: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True, slots=True)
class Other:
    """An operation, a `for`, a template directive: nothing that is followed."""

    start: int
    end: int


Expression: TypeAlias = Literal | Text | Reference | Element | Call | Items | Mapping | Choice | Other


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`."""

    start: int
    end: int
    line: int
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Block:
    """`kind "label" { … }`. `opened` is behind the opening brace, `closed` in front of the closing one."""

    start: int
    end: int
    line: int
    kind: str
    labels: tuple[str, ...]
    body: "Body"
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class Body:
    """What stands between two braces, or in a file, in order."""

    items: tuple[Attribute | Block, ...]

    def get(self, name: str) -> Expression | None:
        """The value of an attribute."""
        found = self.attribute(name)
        return found.value if found else None

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name."""
        return next((item for item in self.items if isinstance(item, Attribute) and item.name == name), None)

    def blocks(self, kind: str, *labels: str) -> Iterator[Block]:
        """Blocks of a kind whose first labels are these."""
        for item in self.items:
            if isinstance(item, Block) and item.kind == kind and item.labels[: len(labels)] == labels:
                yield item


def read_hcl(data: bytes) -> Body:
    """The blocks and attributes of a file. Raises TemplateError, and MissingParserError."""
    if len(data) > _MAX_BYTES:
        raise TemplateError(1, "This file is too large to be read.")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TemplateError(line, f"This file is not UTF-8 (byte {error.start}: {error.reason}).") from error
    root = _parser().parse(data).root_node
    if root.has_error:
        raise TemplateError(_first_error(root), "This is not valid Terraform (HCL).")
    body = next((child for child in root.children if child.type == "body"), None)
    return _body(body, 0) if body is not None else Body(())


@cache
def _parser() -> "Parser":
    try:
        import tree_sitter_hcl
        from tree_sitter import Language, Parser
    except ImportError as error:
        raise MissingParserError(
            "Terraform files are read with tree-sitter, which is not installed here: "
            "pip install tree-sitter tree-sitter-hcl"
        ) from error
    return Parser(Language(tree_sitter_hcl.language()))


def _first_error(root: "Node") -> int:
    node = root
    while True:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None or node.type == "ERROR":
            return int(node.start_point[0]) + 1
        node = inner


def _text(node: "Node") -> str:
    return (node.text or b"").decode()


def _body(node: "Node", depth: int) -> Body:
    if depth > _MAX_DEPTH:
        raise TemplateError(node.start_point[0] + 1, "This file is nested too deeply to be read.")
    items: list[Attribute | Block] = []
    for child in node.named_children:
        line = int(child.start_point[0]) + 1
        if child.type == "attribute":
            name, value = child.named_children[0], child.named_children[-1]
            read = _expression(value, depth + 1)
            items.append(Attribute(child.start_byte, child.end_byte, line, _text(name), read))
        elif child.type == "block":
            items.append(_block(child, line, depth))
    return Body(tuple(items))


def _block(node: "Node", line: int, depth: int) -> Block:
    kind, *labels = [child for child in node.named_children if child.type in ("identifier", "string_lit")]
    inner = next((child for child in node.named_children if child.type == "body"), None)
    opening = next(child for child in node.children if child.type == "block_start")
    closing = next(child for child in node.children if child.type == "block_end")
    body = _body(inner, depth + 1) if inner is not None else Body(())
    names = tuple(_text(label).strip('"') for label in labels)
    return Block(
        node.start_byte, node.end_byte, line, _text(kind), names, body, opening.end_byte, closing.start_byte
    )  # fmt: skip


# ---------------------------------------------------------------- expressions


def _expression(node: "Node", depth: int) -> Expression:
    if depth > _MAX_DEPTH:
        raise TemplateError(node.start_point[0] + 1, "This file is nested too deeply to be read.")
    start, end = node.start_byte, node.end_byte
    children = [child for child in node.named_children if child.type != "comment"]
    match node.type:
        case "expression" if len(children) > 1:
            return _reference(node, children, depth)
        case "expression" | "literal_value" | "template_expr" | "collection_value" if children:
            return replace(_expression(children[0], depth + 1), start=start, end=end)  # parentheses belong to it
        case "string_lit" | "quoted_template" | "heredoc_template":
            return _string(node, depth)
        case "numeric_lit" | "bool_lit" | "null_lit":
            return Literal(start, end, _constant(node))
        case "variable_expr":
            return Reference(start, end, _text(node), ())
        case "function_call":
            given = next((child for child in children if child.type == "function_arguments"), None)
            inner = given.named_children if given is not None else []
            arguments = tuple(_expression(child, depth + 1) for child in inner if child.type == "expression")
            return Call(start, end, _text(children[0]), arguments)
        case "tuple":
            inner = [child for child in children if child.type == "expression"]
            return Items(start, end, tuple(_expression(child, depth + 1) for child in inner))
        case "object":
            return _mapping(node, depth)
        case "conditional" if len(children) == 3:
            test, yes, no = (_expression(child, depth + 1) for child in children)
            return Choice(start, end, test, yes, no)
        case _:
            return Other(start, end)


def _reference(node: "Node", children: list["Node"], depth: int) -> Expression:
    root = _expression(children[0], depth + 1)
    steps: list[str | Expression] = list(root.steps) if isinstance(root, Reference) else []
    for child in children[1:]:
        match child.type:
            case "get_attr":
                steps.append(_text(child).lstrip(".").strip())
            case "index" if child.named_children and child.named_children[0].named_children:
                steps.append(_expression(child.named_children[0].named_children[0], depth + 1))
            case _:  # a splat: many values at once
                return Other(node.start_byte, node.end_byte)
    if isinstance(root, Reference):
        return Reference(node.start_byte, node.end_byte, root.root, tuple(steps))
    return Element(node.start_byte, node.end_byte, root, tuple(steps))


def _string(node: "Node", depth: int) -> Expression:
    parts: list[str | Expression] = []
    is_heredoc = node.type == "heredoc_template"
    for child in node.named_children:
        match child.type:
            case "template_literal":
                parts.append(_text(child) if is_heredoc else _unescaped(_text(child)))
            case "template_interpolation":
                inner = next((each for each in child.named_children if each.type == "expression"), None)
                place = (child.start_byte, child.end_byte)
                parts.append(_expression(inner, depth + 1) if inner is not None else Other(*place))
            case "template_directive":
                return Other(node.start_byte, node.end_byte)
            case _:
                pass
    if all(isinstance(part, str) for part in parts):
        return Literal(node.start_byte, node.end_byte, "".join(str(part) for part in parts))
    return Text(node.start_byte, node.end_byte, tuple(parts))


def _unescaped(text: str) -> str:
    found: list[str] = []
    position = 0
    while position < len(text):
        two = text[position : position + 2]
        if two[:1] == "\\" and len(two) == 2 and two[1] in _ESCAPES:
            found.append(_ESCAPES[two[1]])
            position += 2
        elif text.startswith(("$${", "%%{"), position):
            found.append(text[position + 1 : position + 3])
            position += 3
        else:
            found.append(text[position])
            position += 1
    return "".join(found)


def _constant(node: "Node") -> int | float | bool | None:
    text = _text(node)
    if node.type == "bool_lit":
        return text == "true"
    if node.type == "null_lit":
        return None
    try:
        return int(text) if text.isdigit() and len(text) < 19 else float(text)
    except ValueError:
        return None


def _mapping(node: "Node", depth: int) -> Mapping:
    found: list[tuple[Expression, Expression]] = []
    for child in node.named_children:
        if child.type == "object_elem":
            first = child.child_by_field_name("key")
            second = child.child_by_field_name("val")
            if first is not None and second is not None:
                found.append((_key(first, depth), _expression(second, depth + 1)))
    return Mapping(node.start_byte, node.end_byte, tuple(found))


def _key(node: "Node", depth: int) -> Expression:
    key = _expression(node, depth + 1)
    if isinstance(key, Reference) and not key.steps:
        return Literal(key.start, key.end, key.root)
    return key
