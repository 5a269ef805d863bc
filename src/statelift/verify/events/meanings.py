"""What an expression can be, as far as events need it: part of an argument, constant, display, function, object."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from statelift.verify.events.lookup import Module
from statelift.verify.events.shapes import Scalar, Shape, Usage


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: Scalar


@dataclass(eq=False, slots=True)
class Items:
    """A list, tuple or set display."""

    elements: "list[Values]"


@dataclass(eq=False, slots=True)
class Table:
    """A dict display."""

    entries: "dict[Scalar, Values]"


@dataclass(eq=False, slots=True)
class Text:
    """An f-string: constant texts and parts of an argument."""

    parts: "list[str | Shape]"


@dataclass(eq=False, slots=True)
class Function:
    """A function of the program; a method with the object that it is called on."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    receiver: "Object | None" = None
    closure: "dict[str, Values]" = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Class:
    """A class of the program."""

    module: Module
    node: ast.ClassDef


@dataclass(eq=False, slots=True)
class Object:
    """An object of such a class."""

    made_of: Class
    attributes: "dict[str, Values]" = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Space:
    """A module."""

    module: Module


Value: TypeAlias = Shape | Constant | Items | Table | Text | Function | Class | Object | Space
Values: TypeAlias = tuple[Value, ...]
Scope: TypeAlias = dict[str, Values]


def mark(values: Iterable[Value], use: Usage) -> None:
    """Note how parts of an argument are used."""
    for value in values:
        if isinstance(value, Shape):
            value.uses.add(use)
        elif isinstance(value, Text) and use == "key":
            for part in value.parts:
                if isinstance(part, Shape):
                    part.uses.add("key")


def solve(parts: list[str | Shape], constant: Scalar) -> None:
    """What the parts of an f-string must be for it to equal the constant: `f"{method} {path}" == "GET /a"`."""
    if not isinstance(constant, str):
        return
    pattern = "".join(re.escape(part) if isinstance(part, str) else "(.*?)" for part in parts)
    found = re.fullmatch(pattern, constant)
    shapes = [part for part in parts if isinstance(part, Shape)]
    for shape, text in zip(shapes, found.groups() if found else (), strict=False):
        shape.compared([text])
