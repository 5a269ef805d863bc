"""A use of a cell -> the ways on which calls come to it: its own conditions, and those of the calls before."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from statelift.facts.renaming import in_names_of_caller, names_in
from statelift.facts.values import Access, Call, Guard
from statelift.link.arguments import argument_of
from statelift.link.names import CellKey, FunctionKey, shift_of
from statelift.link.program import Program
from statelift.link.reach import INERT_DECORATORS

DEPTH = 3  # calls that are followed back


@dataclass(frozen=True, slots=True)
class Frame:
    """One function on the way, with the names that the cell and the key of the use have there.

    `subject` is "" where the function does not mention the cell; `key` is "" for the cell as a whole.
    """

    path: str
    function: str
    guards: tuple[Guard, ...]
    subject: str
    key: str


Way = tuple[Frame, ...]  # from the function of the use outwards


class Ways:
    """Answers `of`. A function that may be called by others than are seen is not followed back."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def of(self, cell: CellKey, path: str, use: Access, *, is_keyed: bool = True) -> list[Way]:
        """Every way to a use of a cell; at least one. Not `is_keyed`: to the cell as a whole, whatever the key."""
        key = use.key.text if use.key is not None and is_keyed else ""
        own = Frame(path, use.function, use.guards, use.subject, key)
        return [*self._outwards(cell, own, DEPTH)]

    def _outwards(self, cell: CellKey, inner: Frame, depth: int) -> Iterator[Way]:
        key = (inner.path, inner.function)
        frames = [self._caller(cell, inner, site, call) for site, call in self.program.call_sites.get(key, ())]
        if depth == 0 or key in self._open or not frames:
            yield (inner,)
            return
        for frame in frames:
            if frame is None:
                yield (inner,)
            else:
                yield from ((inner, *outer) for outer in self._outwards(cell, frame, depth - 1))

    def _caller(self, cell: CellKey, inner: Frame, site: str, call: Call) -> Frame | None:
        """The function that calls, seen from the same cell and key; None where that cannot be told."""
        key = self._argument(inner, call) if inner.key else ""
        if key is None or not call.function:
            return None
        return Frame(site, call.function, call.guards, self._subject(cell, site, call.function), key)

    def _argument(self, inner: Frame, call: Call) -> str | None:
        """The key as the caller would write it: what it passes for the parameters that the key is made of."""
        function = self.program.functions[inner.path, inner.function]
        shift = shift_of(function)
        given: dict[str, str] = {}
        for position, parameter in enumerate(function.parameters):
            passed = argument_of(call, parameter.name, position - shift)
            if passed is not None:
                given[parameter.name] = passed.text
        known = {name for name in names_in(inner.key) if self.program.resolve(inner.path, name) is not None}
        return in_names_of_caller(inner.key, given, known)

    def _subject(self, cell: CellKey, path: str, function: str) -> str:
        uses = [use for site, use in self.program.accesses.get(cell, ()) if site == path]
        near = [use.subject for use in uses if use.function == function]
        return next(iter([*near, *(use.subject for use in uses)]), "")

    @cached_property
    def _open(self) -> frozenset[FunctionKey]:
        """Functions that run without a call that is seen: entry points, and those that others may call."""
        functions = self.program.functions
        wrapped = {key for key in functions if self._is_wrapped(key) or self._is_method_of_any(key)}
        return frozenset({*self.program.entries, *self.program.given_as_values, *wrapped})

    def _is_wrapped(self, key: FunctionKey) -> bool:
        decorators = {each.name for each in self.program.functions[key].decorators}
        is_called_by_decorator = any(call.is_decorator for _, call in self.program.call_sites.get(key, ()))
        return is_called_by_decorator or bool(decorators - INERT_DECORATORS)

    def _is_method_of_any(self, key: FunctionKey) -> bool:
        """Whether a method of this name is called on objects that cannot be followed."""
        if not self.program.functions[key].class_name:
            return False
        name = key[1].rpartition(".")[2]
        return name.startswith("__") or self._attributes[name] > len(self.program.call_sites.get(key, ()))

    @cached_property
    def _attributes(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for module in self.program.modules.values():
            total.update(dict(module.attributes))
        return total
