"""Terraform bytes + one addition -> bytes: text is inserted at a computed place, nothing else moves.

After every addition the file is read again and must equal the old one plus exactly what was asked for; otherwise
the addition is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from statelift.infra.yamlpatch import Refusal
from statelift.locate.hcl import (
    Attribute,
    Block,
    Body,
    Call,
    Expression,
    Items,
    Mapping,
    MissingParserError,
    read_hcl,
)
from statelift.locate.tree import TemplateError

Plain: TypeAlias = "str | tuple[Plain, ...]"

_STEP = 2
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Source:
    """A Terraform file between two additions. Offsets count bytes behind the byte order mark."""

    bom: bytes
    data: bytes
    body: Body

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises Refusal where the bytes are no Terraform."""
        bom = _BOM if data.startswith(_BOM) else b""
        try:
            return cls(bom, data[len(bom) :], read_hcl(data[len(bom) :]))
        except (TemplateError, MissingParserError) as error:
            raise Refusal(str(error)) from error

    @property
    def newline(self) -> str:
        """The line end of most lines."""
        return "\r\n" if self.data.count(b"\r\n") * 2 > self.data.count(b"\n") else "\n"

    @property
    def whole(self) -> bytes:
        """The bytes of the file."""
        return self.bom + self.data

    def text(self, expression: Expression) -> str:
        """An expression as it is written."""
        return self.data[expression.start : expression.end].decode()

    # ------------------------------------------------------------ places

    def line_start(self, index: int) -> int:
        """Offset of the line that an offset is in."""
        return self.data.rfind(b"\n", 0, index) + 1

    def line_end(self, index: int) -> int:
        """Offset behind the line end that follows, or of the end of the file."""
        found = self.data.find(b"\n", index)
        return len(self.data) if found < 0 else found + 1

    def margin(self, index: int) -> str:
        """The white space in front of the line that an offset is in."""
        line = self.data[self.line_start(index) : index]
        return line[: len(line) - len(line.lstrip(b" \t"))].decode()

    def is_one_line(self, start: int, end: int) -> bool:
        """Whether no line ends between two offsets."""
        return b"\n" not in self.data[start:end]

    # ------------------------------------------------------------ additions

    def with_lines(self, at: int, lines: Sequence[str]) -> "Source":
        """Lines in front of offset `at`, which starts a line or ends the file."""
        text = "".join(f"{line}{self.newline}" if line else self.newline for line in lines)
        if at == len(self.data) and at and not self.data.endswith(b"\n"):
            text = self.newline + text.removesuffix(self.newline)
        return self.inserted([(at, text)])

    def inserted(self, pieces: Sequence[tuple[int, str]]) -> "Source":
        """Texts at offsets. Raises Refusal where the result is no Terraform; the caller proves what it means."""
        data = self.data
        for at, text in sorted(pieces, reverse=True):
            data = data[:at] + text.encode() + data[at:]
        parsed = Source.parse(data)
        return replace(parsed, bom=self.bom)


# ---------------------------------------------------------------- variables


def with_variable(source: Source, block: Block, key: str, value: str) -> Source:
    """`key = value` among the variables of an aws_lambda_function, or of a call of the community module."""
    if block.kind == "module":
        return _in_attribute(source, block, "environment_variables", key, value)
    environment = next(block.body.blocks("environment"), None)
    if environment is not None:
        return _in_attribute(source, environment, "variables", key, value)
    margin = source.margin(block.start) + " " * _STEP
    inner = margin + " " * _STEP
    lines = ["", f"{margin}environment {{", f"{inner}variables = {{", f"{inner}  {key} = {value}"]
    return proved(source, _behind_items(source, block, [*lines, f"{inner}}}", f"{margin}}}"]))


def _in_attribute(source: Source, block: Block, name: str, key: str, value: str) -> Source:
    attribute = block.body.attribute(name)
    if attribute is None:
        margin = source.margin(block.start) + " " * _STEP
        return proved(
            source,
            _behind_items(source, block, [f"{margin}{name} = {{", f"{margin}  {key} = {value}", f"{margin}}}"]),
        )
    expression = attribute.value
    if isinstance(expression, Call) and expression.name == "merge" and expression.arguments:
        last = expression.arguments[-1]
        expression = last if isinstance(last, Mapping) else expression
    if isinstance(expression, Mapping):
        return _in_mapping(source, expression, key, value)
    if source.text(expression) == "null":
        raise Refusal(f"{name} is null.")
    addition = f", {{ {key} = {value} }}"
    if isinstance(expression, Call) and expression.name == "merge":
        end = _behind_arguments(source, expression)
        return proved(source, source.inserted([(end, addition)]))
    pieces = [(expression.start, "merge("), (expression.end, f"{addition})")]
    return proved(source, source.inserted(pieces))


def _behind_arguments(source: Source, call: Call) -> int:
    if not call.arguments or source.data[call.arguments[-1].end : call.end - 1].strip():
        raise Refusal("The arguments of merge() end in a way that leaves no room.")
    return call.arguments[-1].end


def _behind_items(source: Source, block: Block, lines: list[str]) -> Source:
    if source.is_one_line(block.opened, block.closed):
        raise Refusal(f"The block {' '.join((block.kind, *block.labels))} stands on one line.")
    last = max((item.end for item in block.body.items), default=block.opened)
    at = source.line_end(last - 1)
    if at > source.line_start(block.closed):
        raise Refusal(f"The block {' '.join((block.kind, *block.labels))} leaves no room for a line.")
    has_gap = not block.body.items or not source.data[source.line_start(last - 1) :].strip()
    return source.with_lines(at, lines[1:] if has_gap and lines[:1] == [""] else lines)


def _in_mapping(source: Source, mapping: Mapping, key: str, value: str) -> Source:
    opening = source.data.index(b"{", mapping.start) + 1
    closing = source.data.rindex(b"}", 0, mapping.end)
    if not mapping.entries:
        if source.is_one_line(opening, closing):
            return proved(source, source.inserted([(opening, f" {key} = {value} ")]))
        margin = source.margin(mapping.start)
        return proved(source, source.with_lines(source.line_end(opening), [f"{margin}  {key} = {value}"]))
    last_key, last_value = mapping.entries[-1]
    quoted = f'"{key}"' if source.text(last_key).startswith('"') else key
    sign = ":" if b":" in source.data[last_key.end : last_value.start] else "="
    if source.is_one_line(last_value.end, closing):
        return proved(source, source.inserted([(last_value.end, f", {quoted} {sign} {value}")]))
    if not _starts_line(source, last_key.start):
        raise Refusal("The variables stand in a way that leaves no room for a line.")
    at = source.line_end(last_value.end - 1)
    comma = "," if source.data[last_value.end : at].lstrip().startswith(b",") else ""
    run = _aligned_run(source, mapping) if sign == "=" else []
    width = max([len(quoted), *(entry.end - entry.start for entry, _ in run)])
    column = quoted.ljust(width if run else 0)
    pieces = [(at, f"{source.margin(last_key.start)}{column} {sign} {value}{comma}{source.newline}")]
    grown = width - max((entry.end - entry.start for entry, _ in run), default=width)
    pieces += [(entry.end, " " * grown) for entry, _ in run if grown]
    return proved(source, source.inserted(pieces))


def _aligned_run(source: Source, mapping: Mapping) -> list[tuple[Expression, Expression]]:
    """The one-line entries above the end whose signs stand in one column: `terraform fmt` keeps them so."""
    run: list[tuple[Expression, Expression]] = []
    below = source.line_start(mapping.entries[-1][0].start)
    for key, value in reversed(mapping.entries):
        is_next = not run or source.line_end(value.end - 1) == below
        is_simple = source.is_one_line(key.start, value.end) or source.data.startswith(b"<<", value.start)
        if not (is_next and is_simple and _starts_line(source, key.start)):
            break
        run.append((key, value))
        below = source.line_start(key.start)
    columns = {_sign_column(source, key) for key, _ in run}
    return run if len(columns) == 1 else []


def _sign_column(source: Source, key: Expression) -> int:
    rest = source.data[key.end :]
    return key.end + len(rest) - len(rest.lstrip(b" \t")) - source.line_start(key.start)


def _starts_line(source: Source, index: int) -> bool:
    return not source.data[source.line_start(index) : index].strip()


# ---------------------------------------------------------------- lists and blocks


def with_item(source: Source, items: Items, text: str, before: int | None = None) -> Source:
    """An item of a list that has one item a line, in front of item `before` or behind the last one."""
    if not items.items or not all(_starts_line(source, item.start) for item in items.items):
        raise Refusal("A list does not have one item a line.")
    margin = source.margin(items.items[0].start)
    lines = [f"{margin}{line}" if line else "" for line in f"{text},".split("\n")]
    if before is not None:
        return source.with_lines(source.line_start(items.items[before].start), lines)
    end = items.items[-1].end
    at = source.line_end(end - 1)
    if not source.data[end:at].lstrip().startswith(b","):
        source = source.inserted([(end, ",")])
        at = source.line_end(end)
    return source.with_lines(at, lines)


def with_block(source: Source, text: str, before: Block | None = None) -> Source:
    """A block at the top level, in front of another one or at the end of the file, with an empty line between."""
    lines = text.strip("\n").split("\n")
    if before is not None:
        return source.with_lines(source.line_start(before.start), [*lines, ""])
    return source.with_lines(len(source.data), ["", *lines] if source.data.strip() else lines)


# ---------------------------------------------------------------- proof


def proved(before: Source, after: Source) -> Source:
    """The result, where it says all that was said before and one thing more."""
    if not _has_grown(plain_of(before.body, before), plain_of(after.body, after)):
        raise Refusal("The addition could not be proved to change nothing else, so it was not made.")
    return after


def _has_grown(old: Plain, new: Plain) -> bool:
    """Whether `new` is `old` with one more entry somewhere, or the old value merged with one more."""
    if isinstance(old, str) or isinstance(new, str):
        return new == ("call", "merge", old, new[-1]) if not isinstance(new, str) else False
    if new[:2] == ("call", "merge") and new[2:3] == (old,) and len(new) == 4:
        return True
    if len(old) == len(new):
        differing = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
        return len(differing) == 1 and _has_grown(*differing[0])
    added = [position for position in range(len(new)) if (*new[:position], *new[position + 1 :]) == old]
    return len(new) == len(old) + 1 and bool(added)


def plain_of(body: Body, source: Source) -> tuple[Plain, ...]:
    """What a body says, without places: equal for files that differ in white space and comments only."""
    return tuple(_plain_item(item, source) for item in body.items)


def _plain_item(item: Attribute | Block, source: Source) -> Plain:
    if isinstance(item, Attribute):
        return ("attribute", item.name, _plain(item.value, source))
    return ("block", item.kind, item.labels, plain_of(item.body, source))


def _plain(expression: Expression, source: Source) -> Plain:
    match expression:
        case Mapping(entries=entries):
            return ("mapping", *((_plain(key, source), _plain(value, source)) for key, value in entries))
        case Items(items=items):
            return ("items", *(_plain(item, source) for item in items))
        case Call(name=name, arguments=arguments):
            return ("call", name, *(_plain(argument, source) for argument in arguments))
        case _:
            return re.sub(r"\s+", " ", source.text(expression)).strip()
