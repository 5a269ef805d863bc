"""What a program does with its arguments, as a value: the parts that it reads, and how it uses each of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Usage: TypeAlias = Literal["number", "digits", "text", "key", "mapping", "base64", "fixed"]


@dataclass(eq=False, slots=True)
class Shape:
    """What the program does with one part of an argument."""

    name: str = ""
    keys: "dict[str, Shape]" = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    item: "Shape | None" = None
    parsed: "Shape | None" = None
    constants: list[Scalar] = field(default_factory=list)
    uses: set[Usage] = field(default_factory=set)

    def child(self, key: str, *, is_optional: bool = False) -> "Shape":
        """The part below a key; one that is only ever read with a fallback is optional."""
        if key not in self.keys:
            self.keys[key] = Shape(key)
            if is_optional:
                self.optional.add(key)
        elif not is_optional:
            self.optional.discard(key)
        return self.keys[key]

    def element(self) -> "Shape":
        """The parts of a list."""
        if self.item is None:
            self.item = Shape(self.name)
        return self.item

    def content(self) -> "Shape":
        """What the text holds as JSON."""
        if self.parsed is None:
            self.parsed = Shape(self.name)
        return self.parsed

    def compared(self, values: Iterable[Scalar]) -> None:
        """Remember constants that it is compared with."""
        known = {(type(value), value) for value in self.constants}
        self.constants += [value for value in dict.fromkeys(values) if (type(value), value) not in known]
