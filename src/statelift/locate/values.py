"""What an expression of a Python program stands for: plain data, paths, and what other packages make."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from statelift.locate.evaluate import UNKNOWN, Nothing
from statelift.locate.paths import joined_path, parent_of

_MOST_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something of another package, by its dotted name: `aws_cdk.aws_lambda.Runtime.PYTHON_3_12`."""

    name: str


@dataclass(frozen=True, slots=True)
class Made:
    """The result of a call of another package: `aws_cdk.aws_lambda.Code.from_asset` and its arguments."""

    name: str
    arguments: tuple["Value", ...]
    keywords: tuple[tuple[str, "Value"], ...]

    def argument(self, name: str, position: int) -> "Value":
        """An argument by name or position."""
        given = dict(self.keywords)
        if name in given:
            return given[name]
        return self.arguments[position] if position < len(self.arguments) else UNKNOWN


Value: TypeAlias = "str | int | float | bool | Nothing | Symbol | Made | tuple[Value, ...] | Table | None"


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary with keys that are texts."""

    entries: tuple[tuple[str, Value], ...]

    def get(self, key: str) -> Value:
        """The value of a key."""
        return dict(self.entries).get(key, UNKNOWN)


def joined(parts: list[Value]) -> Value:
    """The text of its parts; UNKNOWN where one is not known."""
    texts = [str(part) for part in parts if isinstance(part, str | int) and not isinstance(part, bool)]
    text = "".join(texts)
    return text if len(texts) == len(parts) and len(text) <= _MOST_TEXT else UNKNOWN


def added(left: Value, right: Value) -> Value:
    """`left + right` of texts and lists."""
    match left, right:
        case str(), str() if len(left) + len(right) <= _MOST_TEXT:
            return left + right
        case tuple(), tuple():
            return left + right
        case _:
            return UNKNOWN


def path_of(left: Value, right: Value) -> Value:
    """`left / right`; a right side that is absolute wins."""
    if not isinstance(left, str) or not isinstance(right, str):
        return UNKNOWN
    return joined_path(left, right)


def element_of(base: Value, index: Value) -> Value:
    """`base[index]`."""
    match base, index:
        case Table(), str():
            return base.get(index)
        case tuple(), int() if not isinstance(index, bool) and -len(base) <= index < len(base):
            return base[index]
        case _:
            return UNKNOWN


def method_of(text: str, name: str, arguments: tuple[Value, ...]) -> Value:
    """Methods of texts and paths that keep them what they are, and those that join."""
    match name, arguments:
        case "resolve" | "absolute" | "as_posix" | "expanduser" | "strip", ():
            return text
        case "joinpath", (first, *rest):
            found = path_of(text, first)
            for part in rest:
                found = path_of(found, part)
            return found
        case "lower", ():
            return text.lower()
        case _:
            return UNKNOWN


def above(path: str) -> Iterator[str]:
    """The folders above a path, innermost first; those above the project's root lie outside."""
    while path.strip("/.") and not path.endswith(".."):
        path = parent_of(path)
        yield path
