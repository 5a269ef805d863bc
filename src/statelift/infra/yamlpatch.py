"""Document + additions -> Document: text is inserted at computed places, nothing else moves.

After additions the result is parsed again and must equal the old tree plus exactly what was asked for; otherwise
they are refused. Comments, order, quoting, line ends and anchors are never written anew.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.infra.lines import line_behind, line_start, margin_of, starts_line
from statelift.infra.steps import Expected, Refusal, Sketched, Step, joined, plain_with, text_with, words
from statelift.infra.style import Style, style_of
from statelift.infra.values import Plain, Value, block, flow, json_text, long_form, plain_of
from statelift.locate.sites import Path
from statelift.locate.tree import NULL, TemplateError, Tree, compose_template, own, own_pair

__all__ = ["Document", "Refusal"]

_ALIAS = re.compile(r"[\s:\-?]*\*[^\s,\]}]+")
_DASH_LINE = re.compile(r"^ *-", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """A template between two additions. `plain` is what it says, as `plain_of` gives it.

    A sketch raises Sketched with the first addition and makes none.
    """

    tree: Tree
    style: Style
    plain: Plain
    is_sketch: bool = False

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

    @property
    def sketch(self) -> "Document":
        """The same, which raises Sketched instead of being added to."""
        return replace(self, is_sketch=True)

    def with_entry(
        self, path: Path, key: str, value: Value, after: int | None = None, blank: bool = False, about: str = ""
    ) -> "Document":
        """Add `key: value` to the mapping at `path`, behind entry `after` (-1: first; None: last).

        Parents that are missing are made. `blank` puts an empty line in front. What is `about` one thing may be
        added together with what is about others. Raises Refusal.
        """
        known = next(n for n in range(len(path), -1, -1) if self.node(path[:n]) is not None)
        for step in reversed([*path[known + 1 :], key] if known < len(path) else []):
            value = {str(step): value}
        name = str(path[known]) if known < len(path) else key
        if known < len(path):
            return self._add(path[:known], {name: value}, None, blank)
        return self._add(path, {name: value}, after, blank, about)

    def with_item(self, path: Path, value: Value, after: int | None = None, about: str = "") -> "Document":
        """Add an item to the list at `path`, which exists, behind item `after`. Raises Refusal."""
        return self._add(path, [value], after, False, about)

    def with_list(self, path: Path) -> "Document":
        """Make the one value at `path` the only item of a list. Raises Refusal."""
        pair = own_pair(self.node(path[:-1]), str(path[-1]))
        if pair is None:
            raise Refusal(f"{words(path)} is not there.")
        key, node = pair
        expected = Expected(path, path, lambda old: [old])
        start, end = node.start_mark.index, node.end_mark.index
        text = self.tree.text
        if self.style.is_json or getattr(node, "flow_style", False):
            return self._replace(start, end, f"[{text[start:end]}]", expected)
        if isinstance(node, ScalarNode):
            colon = text.index(":", key.end_mark.index) + 1
            margin = " " * (key.start_mark.column + self.style.dash)
            return self._replace(colon, colon, f"{self.style.newline}{margin}-", expected)
        if node.start_mark.column - key.start_mark.column < 2 or not starts_line(self.tree.text, start):
            raise Refusal(f"{words(path)} leaves no room for a list dash.")
        return self._replace(start - 2, start, "- ", expected)

    # ------------------------------------------------------------ adding

    def _add(self, path: Path, addition: Value, after: int | None, blank: bool, about: str = "") -> "Document":
        if self.style.has_long_intrinsics:
            addition = long_form(addition)
        node = self.node(path)
        if isinstance(node, ScalarNode):
            expected = Expected(path, path, lambda old: joined(old, addition, None))
            return self._below_empty_key(path, node, addition, expected)
        if not isinstance(node, MappingNode | SequenceNode):
            raise Refusal(f"{words(path)} is not there.")
        if isinstance(node, MappingNode) != isinstance(addition, dict):
            raise Refusal(f"{words(path)} is not what it was expected to be.")
        if id(node) in self.tree.shared:
            raise Refusal(f"{words(path)} is shared through a YAML anchor.")
        last = len(node.value) - 1
        position = last if after is None else after
        region = (*path, about) if about and node.value else path
        expected = Expected(path, region, lambda old: joined(old, addition, position), position)
        if node.flow_style:
            return self._in_flow(node, position, addition, expected)
        try:
            return self._in_block(node, position, addition, expected, blank)
        except Refusal:
            # behind a block scalar at the very end of a file without final newline, a new line would become
            # part of the scalar: in front of it there is room
            if position != last or self.tree.text.endswith(("\n", "\r")):
                raise
            expected = Expected(path, path, lambda old: joined(old, addition, last - 1), last - 1)
            return self._in_block(node, last - 1, addition, expected, blank)

    def _below_empty_key(self, path: Path, node: ScalarNode, addition: Value, expected: Expected) -> "Document":
        pair = own_pair(self.node(path[:-1]), str(path[-1])) if path else None
        if pair is None or node.tag != NULL or node.start_mark.index != node.end_mark.index:
            raise Refusal(f"{words(path)} is a single value, so nothing can be added below it.")
        column = pair[0].start_mark.column + self.style.step
        return self._insert_lines(node.end_mark.index, column, addition, expected, False)

    def _in_block(
        self, node: MappingNode | SequenceNode, after: int, addition: Value, expected: Expected, blank: bool
    ) -> "Document":
        start = self._block_start(node)
        column = start - line_start(self.tree.text, start)
        if after >= 0:
            return self._insert_lines(self._entry_end(node, after), column, addition, expected, blank)
        if not starts_line(self.tree.text, start):
            raise Refusal("There is no room in front of the first entry.")
        start -= column
        return self._replace(start, start, self._lines(addition, column) + self.style.newline, expected)

    def _insert_lines(self, end: int, column: int, addition: Value, expected: Expected, blank: bool) -> "Document":
        text, newline = self.tree.text, self.style.newline
        position = line_behind(self.tree.text, end, column)
        body = (newline if blank else "") + self._lines(addition, column)
        has_newline = position == 0 or text[position - 1] in "\r\n"
        inserted = body + newline if has_newline else newline + body
        return self._replace(position, position, inserted, expected)

    def _lines(self, addition: Value, column: int) -> str:
        return self.style.newline.join(block(addition, column, self.style.step, self.style.dash))

    def _in_flow(
        self, node: MappingNode | SequenceNode, after: int, addition: Value, expected: Expected
    ) -> "Document":
        text, newline = self.tree.text, self.style.newline
        if not node.value:
            bracket = "{" if isinstance(node, MappingNode) else "["
            opening = text.rindex(bracket, 0, node.end_mark.index) + 1
            margin = margin_of(self.tree.text, opening)
            lines = self.style.is_json and "\n" in text
            inside = f"{newline}{margin}{self._unit}" if lines else ""
            tail = f"{newline}{margin}" if lines and text[opening] in "]}" else ""
            return self._replace(opening, opening, inside + self._flow_text(addition, inside) + tail, expected)
        first = self._entry_start(node)
        is_line = starts_line(self.tree.text, first)
        separator = newline + margin_of(self.tree.text, first) if is_line else " "
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
        return (margin_of(self.tree.text, first) if starts_line(self.tree.text, first) else None) or "  "

    # ------------------------------------------------------------ places

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
        end = node.start_mark.index
        for item in node.value[: position + 1]:
            end = self._value_end(item, end)
        return end

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

    def _replace(self, start: int, end: int, inserted: str, expected: Expected) -> "Document":
        step = Step(start, end, inserted, expected)
        if self.is_sketch:
            raise Sketched(step)
        return self.with_steps([step])

    def with_steps(self, steps: Sequence[Step]) -> "Document":
        """All of these additions, proved together. Raises Refusal where they could not be."""
        try:
            tree = compose_template((self.tree.bom + text_with(self.tree.text, steps)).encode(), is_checked=True)
        except TemplateError as error:
            raise Refusal(f"The addition would not be valid YAML there: {error}") from error
        expected = plain_with(self.plain, steps)
        if tree is None or tree.duplicates or plain_of(tree.root) != expected:
            raise Refusal("The addition could not be proved to change nothing else, so it was not made.")
        return Document(tree, self.style, expected)
