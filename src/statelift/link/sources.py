"""Values of the facts -> where they come from, seen from the whole program."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Literal

from statelift.catalogue import CONSTRUCTORS
from statelift.facts.values import Access, Atom, Cell, Value
from statelift.link.arguments import arguments_of, place_of, position_of
from statelift.link.dangers import AUGMENTED, CHANGED, Dangers
from statelift.link.names import DEPTH, FunctionKey, Target, shift_of
from statelift.link.objects import REQUEST, Objects, is_plain
from statelift.link.program import Program
from statelift.link.reach import ASSUMED
from statelift.link.valuetypes import Types
from statelift.link.writes import ANSWERS, GIVING, is_container, is_tuple, is_write, may_hold_others
from statelift.model import EntryPoint

# What the context says of the function, not of the request: the same for every call of a container.
FUNCTION_CONSTANTS = (
    ".function_name", ".function_version", ".invoked_function_arn", ".memory_limit_in_mb", ".log_group_name",
    ".log_stream_name",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One origin of a value, seen from the whole program. `detail` is a path into the event, or a name."""

    kind: Literal["const", "env", "event", "context", "external", "nondet", "cell", "opaque"]
    detail: str = ""


NAME = re.compile(r"[A-Za-z_][\w.]*")
_NOTHING: frozenset[Atom] = frozenset()
ANY_ARGUMENT = Source("opaque", "an argument")  # of a function that is called from where nobody sees


class Sources:
    """Answers questions on values of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.types = Types(program)
        self.dangers = Dangers(program, self.types)
        # Each question comes back along every way through the calls: unanswered, exponentially often.
        self._atom = cache(self._sources_of_atom)
        self._called = cache(self._result_for)
        self._written = cache(self._is_written)
        self._asked: set[tuple[str, str]] = set()
        self.objects = Objects(program, lambda path, use: self.dangers.of_returned(path, use.function, use.fates))

    def of(self, path: str, value: Value, depth: int = DEPTH) -> frozenset[Source]:
        """Every origin of a value in the file `path`."""
        return self.of_atoms(path, self._atoms(value), depth)

    def _atoms(self, value: Value) -> frozenset[Atom]:
        return value.atoms

    def of_atoms(self, path: str, atoms: frozenset[Atom], depth: int = DEPTH) -> frozenset[Source]:
        """Every origin of these atoms of the file `path`."""
        return frozenset(source for atom in atoms for source in self._of_one(path, atom, atoms, depth))

    def _of_one(self, path: str, atom: Atom, beside: frozenset[Atom], depth: int) -> frozenset[Source]:
        """Where one atom comes from; what a function of the program gives, from the arguments of this very call."""
        given = _given_to(atom.detail, beside) if atom.kind == "call" and atom.detail and depth else _NOTHING
        key = self.program.callee(path, atom.detail) if given else None
        function = None if key is None else self.program.functions[key]
        if key is None or function is None or not function.returns or function.shift or atom.into:
            return self._atom(path, atom, depth)
        return self._called(path, key, given, depth - 1)

    def _result_for(self, path: str, key: FunctionKey, given: frozenset[Atom], depth: int) -> frozenset[Source]:
        """What a function gives for these arguments; a parameter can be any of them, or its default."""
        function = self.program.functions[key]
        defaults = [each.default for each in function.parameters if each.default is not None]
        found = {each for default in defaults for each in self.of(key[0], default, depth)}
        for atom in {atom for each in function.returns for atom in self._atoms(each.value)}:
            if atom.kind == "param" and atom.detail.startswith(f"{key[1]}:") and not atom.into:
                found |= {_deeper(each, atom.path) for each in self.of_atoms(path, given, depth)}
            else:
                found |= self._atom(key[0], atom, depth)
        return frozenset(found)

    def _sources_of_atom(self, path: str, atom: Atom, depth: int) -> frozenset[Source]:
        if depth == 0:
            return frozenset({Source("opaque")})
        if atom.into and self._tells_returns(path, atom.into):
            return frozenset()  # the atom of the call itself follows its parameters
        match atom.kind:
            case "const":
                return frozenset({Source("const")})
            case "env":
                return frozenset({Source("env", atom.detail)})
            case "nondet":
                return frozenset({Source("nondet", atom.detail)})
            case "param":
                return self._parameter(path, atom, depth)
            case "call":
                return self._result(path, atom.detail, depth)
            case "name" | "import":
                return self._global(path, atom.detail, depth)
            case _:
                return frozenset({Source("opaque")})

    def _tells_returns(self, path: str, callee: str) -> bool:
        key = self.program.callee(path, callee)
        return key is not None and bool(self.program.functions[key].returns)

    def _parameter(self, path: str, atom: Atom, depth: int) -> frozenset[Source]:
        qualname, _, name = atom.detail.rpartition(":")
        key = (path, qualname)
        found: set[Source] = set()
        for entry in (*self.program.entries.get(key, ()), *self._entries_wrapped.get(key, ())):
            position = place_of(self.program.functions[key], name)
            if position < 0:
                continue
            is_event = entry.origin in ASSUMED or position == 0
            if not is_event and atom.path.startswith(FUNCTION_CONSTANTS):
                found.add(Source("env", f"{name}{atom.path}"))
                continue
            found.add(Source("event" if is_event else "context", f"{name}{atom.path}"))
        for site, value in arguments_of(self.program, key, name):
            if value is None:
                found.add(Source("opaque"))
            else:
                found |= {
                    each for part in self._atoms(value) for each in self._part(site, part, atom.path, depth - 1)
                }
        is_open = key in self.objects.given_away or key in self._entries_wrapped
        if is_open and not self.program.entries.get(key):
            found.add(ANY_ARGUMENT)
        function = self.program.functions.get(key)
        is_owner = function is not None and shift_of(function) and position_of(function, name) == 0
        return frozenset(found or {Source("opaque") if is_owner else ANY_ARGUMENT})

    @cached_property
    def _entries_wrapped(self) -> dict[FunctionKey, tuple[EntryPoint, ...]]:
        """The functions that run around an entry point, and get what it gets, with that."""
        found: dict[FunctionKey, tuple[EntryPoint, ...]] = {}
        for key, entries in self.program.entries.items():
            for wrapper in self.program.wrappers.get(key, ()):
                found[wrapper] = (*found.get(wrapper, ()), *entries)
        return found

    def _part(self, path: str, atom: Atom, step: str, depth: int) -> frozenset[Source]:
        """The sources of a part of a value; what a call makes of its arguments has no parts of theirs."""
        found = self._atom(path, atom, depth)
        return found if atom.into else frozenset(_deeper(each, step) for each in found)

    def _result(self, path: str, callee: str, depth: int) -> frozenset[Source]:
        key = self.program.callee(path, callee)
        if key is None and "." in callee:
            return self._answer(path, callee, depth)
        if key is None or not self.program.functions[key].returns:
            return frozenset({Source("external", callee)})
        returns = self.program.functions[key].returns
        return frozenset(source for each in returns for source in self.of(key[0], each.value, depth - 1))

    def _answer(self, path: str, callee: str, depth: int) -> frozenset[Source]:
        """What a method of an object answers: that differs where calls change the object, or give it a request."""
        found: frozenset[Source] = frozenset()
        owner, attribute = self._owner(path, callee)
        if owner is not None and owner.kind == "cell" and not self._is_client(owner):
            found = self._attribute(owner, attribute, depth)
        changing = frozenset(each for each in found if each.kind in ("cell", "event"))
        return changing or frozenset({Source("external", callee)})

    def _is_client(self, target: Target) -> bool:
        value = self.program.cells[target.path, target.name].value
        return value is not None and any(
            each.kind == "call" and each.detail in CONSTRUCTORS for each in value.atoms
        )

    def _global(self, path: str, name: str, depth: int) -> frozenset[Source]:
        target = self.program.resolve(path, name)
        match target:
            case Target(kind="function" | "class" | "module"):
                return frozenset({Source("const")})
            case Target(kind="cell"):
                return self._cell(target, depth)
            case _:
                pass
        owner, attribute = self._owner(path, name)
        if owner is not None and depth:
            return self._attribute(owner, attribute, depth)
        is_own = name in self.program.modules[path].exports
        return frozenset({Source("opaque") if is_own else Source("external", name)})

    def _owner(self, path: str, name: str) -> tuple[Target | None, str]:
        """The longest part of a dotted name that the program knows, and the attribute that is asked of it."""
        owner = name
        while "." in owner:
            owner, _, attribute = owner.rpartition(".")
            target = self.program.resolve(path, owner)
            if target is not None:
                return target, attribute
        return None, ""

    def _attribute(self, owner: Target, attribute: str, depth: int) -> frozenset[Source]:
        match owner.kind:
            case "module":
                return self._unknown_name(owner.path, attribute)
            case "class":
                key = self.program.attribute_of(owner, attribute)
                return self._cell(Target("cell", *key), depth) if key is not None else self._of_class(owner)
            case "cell":
                return self._held(owner, attribute, depth)
            case _:
                return frozenset({Source("const")})

    def _unknown_name(self, path: str, name: str) -> frozenset[Source]:
        """A name of a module of the program that no statement there binds."""
        if self.objects.is_open(path):
            return frozenset({Source("opaque")})
        is_bound = name in self.program.modules[path].exports
        return frozenset({Source("external", name) if is_bound else Source("const")})

    def _of_class(self, owner: Target) -> frozenset[Source]:
        return frozenset({Source("opaque") if self.objects.is_class_open(owner) else Source("const")})

    def _held(self, owner: Target, attribute: str, depth: int) -> frozenset[Source]:
        """An attribute of the object that a cell holds."""
        key = (owner.path, owner.name)
        cell = self.program.cells[key]
        whole = self._cell(owner, depth)
        if not {each.kind for each in whole} <= {"const", "env"}:
            return whole
        if cell.value is not None and re.fullmatch(NAME, cell.value.text):  # another name of the same object
            names = [atom.detail for atom in cell.value.atoms if atom.kind in ("name", "import")]
            found = [self._global(owner.path, f"{name}.{attribute}", depth - 1) for name in names]
            return frozenset[Source]().union(*found) or whole
        made = self.objects.made_of(key)
        if made is not None:
            return self._field(made, attribute, depth) or whole
        if not is_plain(cell) and REQUEST.fullmatch(attribute):
            return frozenset({Source("event", f"{cell.name}.{attribute}")})
        is_known = is_plain(cell) or self._is_own_maker(owner)
        return whole if is_known else frozenset({Source("external", cell.callee)})

    def _is_own_maker(self, owner: Target) -> bool:
        """Whether a function of the program made what the cell holds."""
        return self.program.callee(owner.path, self.program.cells[owner.path, owner.name].callee) is not None

    def _field(self, made: Target, attribute: str, depth: int) -> frozenset[Source]:
        """A field or property of an object of a class of the program; nothing where the class does not tell."""
        field = self.program.attribute_of(made, attribute)
        if field is not None:
            return self._field_value(field, depth)
        method = self.program.method_of(made, attribute)
        if method is None:
            return frozenset({Source("opaque")} if self.objects.is_class_open(made) else ())
        fields = {
            (target.path, target.name)
            for use in self.program.accesses_in.get(method, ())
            if (target := self.program.resolve(method[0], use.subject)) is not None and target.kind == "cell"
        }
        found = [self._field_value(key, depth - 1) for key in fields]
        return self._beside_self(method, depth).union(*found)

    def _beside_self(self, method: FunctionKey, depth: int) -> frozenset[Source]:
        """Where a property takes its value from, the object itself not included."""
        function = self.program.functions[method]
        own = f"{function.qualname}:{function.parameters[0].name}" if function.parameters else ""
        atoms = frozenset[Atom]().union(*(each.value.atoms for each in function.returns))
        others = frozenset(atom for atom in atoms if (atom.kind, atom.detail) != ("param", own))
        return self.of_atoms(method[0], others, depth - 1) if depth else frozenset()

    def _field_value(self, field: tuple[str, str], depth: int) -> frozenset[Source]:
        """What an object was made with, if nothing changes that later."""
        cell = self.program.cells[field]
        changes = self.objects.later_changes(field)
        is_changed = (self.is_changed_by(cell, path, use) for path, use in changes)
        if self.objects.is_unnamed(field) or self._is_any(field, is_changed):
            return frozenset({Source("cell", cell.name)})
        given = [(field[0], cell.value), *((path, use.value) for path, use in self.program.accesses.get(field, ()))]
        known = [self.of(path, value, depth - 1) for path, value in given if value is not None and depth]
        return frozenset({Source("const")}) | {each for found in known for each in found if each.kind == "env"}

    def _cell(self, target: Target, depth: int) -> frozenset[Source]:
        key = (target.path, target.name)
        cell = self.program.cells[key]
        if self.is_written(key) or self.objects.is_unnamed(key) or self._is_object_changed(key, cell):
            return frozenset({Source("cell", target.name)})
        value = cell.value
        if value is None:
            return frozenset({Source("opaque")})
        return frozenset({Source("const")}) | {
            each for each in self.of(target.path, value, depth - 1) if each.kind == "env"
        }

    def _is_object_changed(self, key: tuple[str, str], cell: Cell) -> bool:
        """Whether the object that a cell holds, which is no collection, may be another one after some call."""
        if cell.kind != "call" or is_container(cell):
            return False
        return self.objects.is_touched(key)

    def is_written(self, key: tuple[str, str]) -> bool:
        """Whether any function of the program writes the cell."""
        return self._written(key)

    def _is_written(self, key: tuple[str, str]) -> bool:
        cell = self.program.cells.get(key)
        uses = self.program.accesses.get(key, ())
        return self._is_any(key, (use.function and self.is_changed_by(cell, path, use) for path, use in uses))

    def _is_any(self, key: tuple[str, str], answers: Iterable[object]) -> bool:
        """Whether something holds for a cell; what it is set to from itself is another value each time."""
        if key in self._asked:
            return True
        self._asked.add(key)
        found = any(answers)
        self._asked.remove(key)
        return found

    def is_changed_by(self, cell: Cell | None, path: str, use: Access) -> bool:
        """Whether a use changes the cell: by its operation, or by what is done to the object that it gives."""
        if is_write(cell, use.op):
            return not self._is_always_alike(cell, path, use)
        if cell is not None and is_tuple(cell):  # `+=` makes another tuple
            return CHANGED in self.dangers.of_returned(path, use.function, use.fates)
        may_hold = cell is not None and (is_container(cell) or may_hold_others(cell, use.op))
        return may_hold and self.is_result_changed(path, use)

    def _is_always_alike(self, cell: Cell | None, path: str, use: Access) -> bool:
        """`client.timeout = 5`: an attribute of an object that every call sets to the same value."""
        if cell is None or is_container(cell) or use.op != "nested" or use.value is None:
            return False
        return {source.kind for source in self.of(path, use.value)} <= {"const", "env"}

    def is_result_changed(self, path: str, use: Access) -> bool:
        """Whether the object that a use gives is changed in place, here or where it is handed to."""
        if use.op in ANSWERS:
            return False
        found = {CHANGED, AUGMENTED}.intersection(self.dangers.of_returned(path, use.function, use.fates))
        return bool(found) and not self._gives_constant(path, use, is_augmented=found == {AUGMENTED})

    def _gives_constant(self, path: str, use: Access, *, is_augmented: bool) -> bool:
        """Whether a use gives what nobody can change in place (or by `+=`), out of a collection that nobody adds
        to.
        """
        target = self.program.resolve(path, use.subject)
        cell = None if target is None else self.program.cells.get((target.path, target.name))
        is_fixed = cell is not None and (cell.holds_constants or (is_augmented and cell.holds_records))
        if target is None or cell is None or not is_fixed or use.op not in GIVING:
            return False
        uses = self.program.accesses.get((target.path, target.name), ())
        return not any(self._may_add(cell, site, each) for site, each in uses)

    def _may_add(self, cell: Cell, path: str, use: Access) -> bool:
        """Whether a use may put something into a collection, by its own name or by another one."""
        is_whole = use.op not in GIVING | ANSWERS
        return is_write(cell, use.op) or (
            is_whole and bool(self.dangers.of_returned(path, use.function, use.fates))
        )

    @cached_property
    def run_at_import(self) -> frozenset[FunctionKey]:
        """The functions that code at module level calls, and what these call."""
        found: set[FunctionKey] = set()
        waiting = [key for (path, caller), calls in self.program.calls.items() if not caller for _, key in calls]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += [callee for _, callee in self.program.calls.get(key, ())]
        return frozenset(found)


def _given_to(callee: str, atoms: frozenset[Atom]) -> frozenset[Atom]:
    """The sources of what a call is given, as those of a value of its own."""
    found = {replace(atom, into="") for atom in atoms if atom.into == callee}
    names = {callee}
    waiting = [atom.detail for atom in found if atom.kind == "call"]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            inner = {atom for atom in atoms if atom.into == name}
            found |= inner
            waiting += [atom.detail for atom in inner if atom.kind == "call"]
    return frozenset(found)


def _deeper(source: Source, path: str) -> Source:
    match source.kind:
        case "event":
            return Source("event", f"{source.detail}{path}")
        case "context" if path.startswith(FUNCTION_CONSTANTS):
            return Source("env", f"{source.detail}{path}")
        case _:
            return source
