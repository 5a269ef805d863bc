"""Document + one addition -> Document: text is inserted at a computed place, nothing else moves.

After every addition the result is parsed again and must equal the old tree plus exactly what was asked for;
otherwise the addition is refused. Comments, order, quoting, line ends and anchors are never written anew.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.infra.style import Style, style_of
from statelift.infra.values import Plain, Value, block, flow, json_text, long_form, plain_of, plain_value
from statelift.locate.sites import Path
from statelift.locate.tree import NULL, TemplateError, Tree, compose_template, own, own_pair

Change: TypeAlias = Callable[[Plain], Plain]

_LINE_END = re.compile(r"\r\n|\n|\r")
_ALIAS = re.compile(r"[\s:\-?]*\*[^\s,\]}]+")
_DASH_LINE = re.compile(r"^ *-", re.MULTILINE)
_COMMENT_LINE = re.compile(r"(?:[ \t]*(?:\r\n|\n|\r))*( *)#[^\r\n]*(?:\r\n|\n|\r|$)")


class Refusal(ValueError):  # noqa: N818 - a decision, not an accident
    """This cannot be added without risk. The message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Document:
    """A template between two additions. `plain` is what it says, as `plain_of` gives it."""

    tree: Tree
    style: Style
    plain: Plain

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises Refusal where the bytes are not one YAML or JSON mapping."""
        try:
            tree = compose_template(data)
        except TemplateError as error:
            raise Refusal(f"{error} (line {error.line})") from error
        if tree is None:
            raise Refusal("This file is not a template: it holds no mapping.")
        return cls(tree, style_of(tree), plain_of(tree.root))

    def node(self, path: Path) -> Node | None:
        """The node at a path of keys and list positions."""
        node: Node | None = self.tree.root
        for step in path:
            if isinstance(step, int):
                items = node.value if isinstance(node, SequenceNode) else []
                node = items[step] if step < len(items) else None
            else:
                node = own(node, step)
        return node

    def with_entry(
        self, path: Path, key: str, value: Value, after: int | None = None, blank: bool = False
    ) -> "Document":
        """Add `key: value` to the mapping at `path`, behind entry `after` (-1: first; None: last).

        Parents that are missing are made. `blank` puts an empty line in front. Raises Refusal.
        """
        known = next(n for n in range(len(path), -1, -1) if self.node(path[:n]) is not None)
        for step in reversed([*path[known + 1 :], key] if known < len(path) else []):
            value = {str(step): value}
        name = str(path[known]) if known < len(path) else key
        return self._add(path[:known], {name: value}, after if known == len(path) else None, blank)

    def with_item(self, path: Path, value: Value, after: int | None = None) -> "Document":
        """Add an item to the list at `path`, which exists, behind item `after`. Raises Refusal."""
        return self._add(path, [value], after, False)

    def with_list(self, path: Path) -> "Document":
        """Make the one value at `path` the only item of a list. Raises Refusal."""
        pair = own_pair(self.node(path[:-1]), str(path[-1]))
        if pair is None:
            raise Refusal(f"{_words(path)} is not there.")
        key, node = pair
        expected = _changed(self.plain, path, lambda old: [old])
        start, end = node.start_mark.index, node.end_mark.index
        text = self.tree.text
        if self.style.is_json or getattr(node, "flow_style", False):
            return self._replace(start, end, f"[{text[start:end]}]", expected)
        if isinstance(node, ScalarNode):
            colon = text.index(":", key.end_mark.index) + 1
            margin = " " * (key.start_mark.column + self.style.dash)
            return self._replace(colon, colon, f"{self.style.newline}{margin}-", expected)
        if node.start_mark.column - key.start_mark.column < 2 or not self._starts_line(start):
            raise Refusal(f"{_words(path)} leaves no room for a list dash.")
        return self._replace(start - 2, start, "- ", expected)

    # ------------------------------------------------------------ adding

    def _add(self, path: Path, addition: Value, after: int | None, blank: bool) -> "Document":
        if self.style.has_long_intrinsics:
            addition = long_form(addition)
        node = self.node(path)
        expected = _changed(self.plain, path, lambda old: _joined(old, addition, after))
        if isinstance(node, ScalarNode):
            return self._below_empty_key(path, node, addition, expected)
        if not isinstance(node, MappingNode | SequenceNode):
            raise Refusal(f"{_words(path)} is not there.")
        if isinstance(node, MappingNode) != isinstance(addition, dict):
            raise Refusal(f"{_words(path)} is not what it was expected to be.")
        if id(node) in self.tree.shared:
            raise Refusal(f"{_words(path)} is shared through a YAML anchor.")
        last = len(node.value) - 1
        position = last if after is None else after
        if node.flow_style:
            return self._in_flow(node, position, addition, expected)
        try:
            return self._in_block(node, position, addition, expected, blank)
        except Refusal:
            # behind a block scalar at the very end of a file without final newline, a new line would become
            # part of the scalar: in front of it there is room
            if position != last or self.tree.text.endswith(("\n", "\r")):
                raise
            expected = _changed(self.plain, path, lambda old: _joined(old, addition, last - 1))
            return self._in_block(node, last - 1, addition, expected, blank)

    def _below_empty_key(self, path: Path, node: ScalarNode, addition: Value, expected: Plain) -> "Document":
        pair = own_pair(self.node(path[:-1]), str(path[-1])) if path else None
        if pair is None or node.tag != NULL or node.start_mark.index != node.end_mark.index:
            raise Refusal(f"{_words(path)} is a single value, so nothing can be added below it.")
        column = pair[0].start_mark.column + self.style.step
        return self._insert_lines(node.end_mark.index, column, addition, expected, False)

    def _in_block(
        self, node: MappingNode | SequenceNode, after: int, addition: Value, expected: Plain, blank: bool
    ) -> "Document":
        start = self._block_start(node)
        column = start - self._line_start(start)
        if after >= 0:
            return self._insert_lines(self._entry_end(node, after), column, addition, expected, blank)
        if not self._starts_line(start):
            raise Refusal("There is no room in front of the first entry.")
        start -= column
        return self._replace(start, start, self._lines(addition, column) + self.style.newline, expected)

    def _insert_lines(self, end: int, column: int, addition: Value, expected: Plain, blank: bool) -> "Document":
        text, newline = self.tree.text, self.style.newline
        position = self._line_behind(end, column)
        body = (newline if blank else "") + self._lines(addition, column)
        has_newline = position == 0 or text[position - 1] in "\r\n"
        inserted = body + newline if has_newline else newline + body
        return self._replace(position, position, inserted, expected)

    def _lines(self, addition: Value, column: int) -> str:
        return self.style.newline.join(block(addition, column, self.style.step, self.style.dash))

    def _in_flow(
        self, node: MappingNode | SequenceNode, after: int, addition: Value, expected: Plain
    ) -> "Document":
        text, newline = self.tree.text, self.style.newline
        if not node.value:
            bracket = "{" if isinstance(node, MappingNode) else "["
            opening = text.rindex(bracket, 0, node.end_mark.index) + 1
            margin = self._margin(opening)
            lines = self.style.is_json and "\n" in text
            inside = f"{newline}{margin}{self._unit}" if lines else ""
            tail = f"{newline}{margin}" if lines and text[opening] in "]}" else ""
            return self._replace(opening, opening, inside + self._flow_text(addition, inside) + tail, expected)
        first = self._entry_start(node)
        is_line = self._starts_line(first)
        separator = newline + self._margin(first) if is_line else " "
        entry = self._flow_text(addition, separator if is_line else "")
        if after < 0:
            return self._replace(first, first, f"{entry},{separator}", expected)
        end = self._entry_end(node, after)
        return self._replace(end, end, f",{separator}{entry}", expected)

    def _flow_text(self, addition: Value, separator: str) -> str:
        """The inside of a flow collection; `separator` is the line break and margin, "" for one line."""
        if not self.style.is_json:
            return flow(addition)[1:-1]
        margin = separator.lstrip("\r\n")
        unit = self._unit if separator else None
        if isinstance(addition, dict):
            parts = [f"{json_text(key, None)}: {json_text(item, unit, margin)}" for key, item in addition.items()]
        else:
            parts = [json_text(item, unit, margin) for item in addition] if isinstance(addition, list) else []
        return ", ".join(parts).replace("\n", self.style.newline)

    @property
    def _unit(self) -> str:
        """One level of a JSON file's indentation."""
        first = self._entry_start(self.tree.root) if self.tree.root.value else 0
        return (self._margin(first) if self._starts_line(first) else None) or "  "

    # ------------------------------------------------------------ places

    def _line_start(self, index: int) -> int:
        return max(self.tree.text.rfind("\n", 0, index), self.tree.text.rfind("\r", 0, index)) + 1

    def _starts_line(self, index: int) -> bool:
        return not self.tree.text[self._line_start(index) : index].strip(" \t")

    def _margin(self, index: int) -> str:
        """The white space in front of the line that `index` is in."""
        line = self.tree.text[self._line_start(index) : index]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _line_behind(self, end: int, column: int) -> int:
        """Start of the first line behind `end`; comments that are indented deeper than `column` stay above."""
        text = self.tree.text
        if end and text[end - 1] in "\r\n":
            position = end
        else:
            match = _LINE_END.search(text, end)
            position = match.end() if match else len(text)
        while (comment := _COMMENT_LINE.match(text, position)) and len(comment[1]) > column:
            position = comment.end()
        return position

    def _block_start(self, node: MappingNode | SequenceNode) -> int:
        """Offset of the first key or dash: the node itself may begin with an anchor on the line above."""
        if isinstance(node, MappingNode):
            return self._entry_start(node)
        start = node.start_mark.index
        if self.tree.text.startswith("-", start):
            return start
        dash = _DASH_LINE.search(self.tree.text, start)
        if dash is None:
            raise Refusal("The first item of a list was not found.")
        return dash.end() - 1

    def _entry_start(self, node: MappingNode | SequenceNode) -> int:
        first = node.value[0][0] if isinstance(node, MappingNode) else node.value[0]
        return int(first.start_mark.index)

    def _entry_end(self, node: MappingNode | SequenceNode, position: int) -> int:
        """Offset behind the last character of an entry, before its trailing comment."""
        if isinstance(node, MappingNode):
            key, value = node.value[position]
            return self._value_end(value, key.end_mark.index)
        floor = self._entry_end(node, position - 1) if position else node.start_mark.index
        return self._value_end(node.value[position], floor)

    def _value_end(self, node: Node, floor: int) -> int:
        if node.start_mark.index < floor:  # an alias: its node stands where the anchor is
            match = _ALIAS.match(self.tree.text, floor)
            if match is None:
                raise Refusal("An alias stands where nothing can be added behind it.")
            return match.end()
        match node:
            case ScalarNode(style="|" | ">"):
                return self._block_scalar_end(node)
            case MappingNode() | SequenceNode() if node.value and not node.flow_style:
                return self._entry_end(node, len(node.value) - 1)
            case _:
                return int(node.end_mark.index)

    def _block_scalar_end(self, node: ScalarNode) -> int:
        start, end = node.start_mark.index, node.end_mark.index
        written = self.tree.text[start:end]
        if "+" in written.split("\n", 1)[0]:  # the empty lines behind it are content
            return start + len(written.rstrip(" "))
        return start + len(written.rstrip())

    # ------------------------------------------------------------ proof

    def _replace(self, start: int, end: int, inserted: str, expected: Plain) -> "Document":
        text = self.tree.text[:start] + inserted + self.tree.text[end:]
        try:
            tree = compose_template((self.tree.bom + text).encode(), is_checked=True)
        except TemplateError as error:
            raise Refusal(f"The addition would not be valid YAML there: {error}") from error
        if tree is None or tree.duplicates or plain_of(tree.root) != expected:
            raise Refusal("The addition could not be proved to change nothing else, so it was not made.")
        return Document(tree, self.style, expected)


def _changed(root: Plain, path: Path, change: Change) -> Plain:
    """A tree in which only the value at `path` is what `change` makes of it."""
    if not path:
        return change(root)
    step, rest = path[0], path[1:]
    match root, step:
        case dict(), str():
            return root | {step: _changed(root[step], rest, change)}
        case list(), int():
            return [*root[:step], _changed(root[step], rest, change), *root[step + 1 :]]
        case _:
            raise Refusal(f"{_words(path)} is not there.")


def _joined(old: Plain, addition: Value, after: int | None) -> Plain:
    new = plain_value(addition)
    match old, new:
        case dict(), dict():
            return old | new
        case list(), list():
            position = len(old) if after is None else after + 1
            return [*old[:position], *new, *old[position:]]
        case _:
            return new


def _words(path: Path) -> str:
    return ".".join(str(step) for step in path) or "The template"
