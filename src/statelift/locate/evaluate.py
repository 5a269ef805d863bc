"""Expressions of one Terraform module -> what they are before anything is deployed, or UNKNOWN.

Paths below the project's root are marked: `${path.module}/src` says where it lies, a bare `src` is relative to
where terraform runs.
"""

import posixpath
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from statelift.locate.hcl import (
    Block,
    Body,
    Call,
    Choice,
    Element,
    Expression,
    Items,
    Literal,
    Mapping,
    Reference,
    Text,
)
from statelift.locate.paths import marked, parent_of

_MOST_TEXT = 10_000
_MOST_OPEN = 50  # values that are being looked up: a local can name itself


class Nothing(Enum):
    """The one value that is not known."""

    UNKNOWN = "unknown"


UNKNOWN = Nothing.UNKNOWN


@dataclass(frozen=True, slots=True)
class Symbol:
    """A block of the same module, such as ("data", "archive_file", "zip"), and what is asked of it.

    `key` is its instance, UNKNOWN where it has one that is not known, None without brackets. `home` is the module
    that it was written in: arguments carry it into others.
    """

    address: tuple[str, ...]
    attribute: str
    key: "Value"
    home: "Module | None" = field(default=None, compare=False, repr=False)


Value: TypeAlias = "str | int | float | bool | Nothing | Symbol | list[Value] | dict[str, Value] | None"


@dataclass(frozen=True, slots=True)
class Module:
    """A folder of Terraform files as one call of it sees it. Folders are relative to the project."""

    folder: str
    root: str
    address: str
    files: tuple[tuple[str, Body], ...]
    arguments: Dict[str, Value]
    _open: list[str] = field(default_factory=list, repr=False)
    _locals: dict[str, Value] = field(default_factory=dict, repr=False)

    def blocks(self, kind: str, *labels: str) -> list[tuple[str, Block]]:
        """Blocks of all files with their file."""
        return [(path, block) for path, body in self.files for block in body.blocks(kind, *labels)]

    def variable(self, name: str) -> Value:
        """The value that the module was called with, else the default."""
        if name in self.arguments:
            return self.arguments[name]
        for _, block in self.blocks("variable", name):
            default = block.body.get("default")
            return Scope(self).value(default) if default is not None else UNKNOWN
        return UNKNOWN

    def local(self, name: str) -> Value:
        """The value of a local; UNKNOWN where it is made of itself."""
        if name not in self._locals and name not in self._open and len(self._open) < _MOST_OPEN:
            self._open.append(name)
            found = (block.body.get(name) for _, block in self.blocks("locals"))
            expression = next((each for each in found if each is not None), None)
            self._locals[name] = Scope(self).value(expression) if expression is not None else UNKNOWN
            self._open.pop()
        return self._locals.get(name, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Scope:
    """A module, and the element of `for_each` that a block is made for."""

    module: Module
    key: Value = UNKNOWN
    element: Value = UNKNOWN

    def value(self, expression: Expression | None) -> Value:
        """The value of an expression; UNKNOWN for a missing one."""
        match expression:
            case Literal(value=value):
                return value
            case Text(parts=parts):
                return _joined([part if isinstance(part, str) else self.value(part) for part in parts])
            case Items(items=items):
                return [self.value(item) for item in items]
            case Mapping(entries=entries):
                return {str(self.value(key)): self.value(value) for key, value in entries}
            case Choice(test=test, yes=yes, no=no):
                return self._chosen(self.value(test), self.value(yes), self.value(no))
            case Reference():
                return self._named(expression)
            case Element(of=of, steps=steps):
                return _inside(
                    self.value(of), [step if isinstance(step, str) else self.value(step) for step in steps]
                )
            case Call(name=name, arguments=arguments):
                return _result(name, [self.value(argument) for argument in arguments])
            case _:
                return UNKNOWN

    def text(self, expression: Expression | None) -> str | None:
        """The value where it is a text."""
        value = self.value(expression)
        return value if isinstance(value, str) else None

    def _chosen(self, test: Value, yes: Value, no: Value) -> Value:
        if isinstance(test, bool):
            return yes if test else no
        return yes if yes == no else UNKNOWN

    def _keys(self, steps: Sequence[str | Expression]) -> list[Value]:
        return [step if isinstance(step, str) else self.value(step) for step in steps]

    def _named(self, reference: Reference) -> Value:
        steps = self._keys(reference.steps)
        names = [step for step in reference.steps if isinstance(step, str)]
        match reference.root, names:
            case "var", [name, *_]:
                return _inside(self.module.variable(name), steps[1:])
            case "local", [name, *_]:
                return _inside(self.module.local(name), steps[1:])
            case "path", ["module"]:
                return marked(self.module.folder)
            case "path", ["root" | "cwd"]:
                return marked(self.module.root)
            case "each", ["key"]:
                return self.key
            case "each", ["value", *_]:
                return _inside(self.element, steps[1:])
            case "var" | "local" | "path" | "each" | "count" | "self" | "terraform", _:
                return UNKNOWN
            case root, _:
                return _symbol(root, reference.steps, steps, self.module)


def _symbol(root: str, written: Sequence[str | Expression], steps: list[Value], home: Module) -> Value:
    length = 2 if root == "data" else 1
    address = (root, *(str(step) for step in steps[:length]))
    rest = list(zip(written, steps, strict=True))[length:]
    key: Value = None
    if rest and not isinstance(rest[0][0], str):
        key = rest.pop(0)[1]
    return Symbol(address, str(rest[0][1]), key, home) if len(rest) == 1 else UNKNOWN


def _inside(value: Value, steps: Sequence[Value]) -> Value:
    for step in steps:
        match value, step:
            case dict(), str():
                value = value.get(step, UNKNOWN)
            case list(), int() if not isinstance(step, bool) and 0 <= step < len(value):
                value = value[step]
            case _:
                return UNKNOWN
    return value


def _joined(parts: Sequence[Value]) -> Value:
    texts = [part if isinstance(part, str) else _printed(part) for part in parts]
    if len(parts) == 1 and texts[0] is None:
        return parts[0]  # "${x}" is x itself
    if any(text is None for text in texts):
        return UNKNOWN
    text = "".join(text for text in texts if text is not None)
    return text if len(text) <= _MOST_TEXT else UNKNOWN


def _printed(value: Value) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return None


def _result(name: str, arguments: list[Value]) -> Value:
    """The calls that paths and maps are made with."""
    match name, arguments:
        case (("abspath" | "pathexpand" | "toset" | "tolist" | "tomap" | "nonsensitive" | "tostring"), [value]):
            return value
        case (("basename" | "dirname"), [str(path)]):
            return posixpath.basename(path) if name == "basename" else parent_of(path)
        case "join", [str(separator), list(items)]:
            pieces = [piece for item in items for piece in (separator, item)][1:]
            return _joined(pieces) if items else ""
        case "format", [str(form), *rest] if form.count("%") == form.count("%s") == len(rest):
            pieces = [piece for pair in zip(form.split("%s"), [*rest, ""], strict=True) for piece in pair]
            return _joined(pieces)
        case "merge", _ if all(isinstance(each, dict) for each in arguments):
            return {key: item for each in arguments if isinstance(each, dict) for key, item in each.items()}
        case "concat", _ if all(isinstance(each, list) for each in arguments):
            return [item for each in arguments if isinstance(each, list) for item in each]
        case "lookup", [dict(mapping), str(key), *rest]:
            return mapping.get(key, rest[0] if rest else UNKNOWN)
        case "element", [list(items), int(position)] if items:
            return items[position % len(items)]
        case "coalesce" | "try", _:
            return next((each for each in arguments if each not in ("", None)), UNKNOWN)
        case _:
            return UNKNOWN
