"""Values of the facts -> where they come from, of which type they are and who can still change them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from statelift.catalogue import CONSTRUCTORS
from statelift.catalogue.objects import METHODS
from statelift.facts.fates import fates_of_copy
from statelift.facts.values import Access, Atom, Call, Cell, Decorator, Function, Value
from statelift.link.objects import REQUEST, Objects, is_plain
from statelift.link.program import FunctionKey, Program, Target, shift_of
from statelift.link.reach import INERT_DECORATORS

DEPTH = 6
ASSUMED = frozenset({"public", "route"})  # every argument of such an entry point comes from a request
CHANGED = "it is changed in place"
AUGMENTED = "an augmented assignment changes it in place, if it is a list, set or dict"
HARMLESS = frozenset({"read", "returned", "copy returned", "dropped", "called"})
STORABLE = frozenset({"str", "int", "float", "bool", "none", "bytes", "json", "codec"})
# What the context says of the function, not of the request: the same for every call of a container.
FUNCTION_CONSTANTS = (
    ".function_name", ".function_version", ".invoked_function_arn", ".memory_limit_in_mb", ".log_group_name",
    ".log_stream_name",
)  # fmt: skip
IMMUTABLE = frozenset({"str", "int", "float", "bool", "none", "bytes"})


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One origin of a value, seen from the whole program. `detail` is a path into the event, or a name."""

    kind: Literal["const", "env", "event", "context", "external", "nondet", "cell", "opaque"]
    detail: str = ""


NAME = re.compile(r"[A-Za-z_][\w.]*")
ANY_ARGUMENT = Source("opaque", "an argument")  # of a function that is called from where nobody sees


class Sources:
    """Answers questions on values of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        # Each question comes back along every way through the calls: unanswered, exponentially often.
        self._atom = cache(self._sources_of_atom)
        self._one_type = cache(self._find_type)
        self._danger = cache(self._dangers_of_fate)
        self._returned = cache(self._returned_fates)
        self._written = cache(self._is_written)
        self._asked: set[tuple[str, str]] = set()
        self.objects = Objects(program, lambda path, use: self.returned_fates(path, use.function, use.fates))

    # ------------------------------------------------------------ origins

    def of(self, path: str, value: Value, depth: int = DEPTH) -> frozenset[Source]:
        """Every origin of a value in the file `path`."""
        return self.of_atoms(path, value.atoms, depth)

    def of_atoms(self, path: str, atoms: frozenset[Atom], depth: int = DEPTH) -> frozenset[Source]:
        """Every origin of these atoms of the file `path`."""
        return frozenset(source for atom in atoms for source in self._atom(path, atom, depth))

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
        for entry in self.program.entries.get(key, ()):
            position = _position(self.program.functions[key], name)
            is_event = entry.origin in ASSUMED or position == 0
            if not is_event and atom.path.startswith(FUNCTION_CONSTANTS):
                found.add(Source("env", f"{name}{atom.path}"))
                continue
            found.add(Source("event" if is_event else "context", f"{name}{atom.path}"))
        for site, value in self._arguments(key, name):
            if value is None:
                found.add(Source("opaque"))
            else:
                found |= {each for part in value.atoms for each in self._part(site, part, atom.path, depth - 1)}
        if key in self.objects.given_away and not self.program.entries.get(key):
            found.add(ANY_ARGUMENT)
        function = self.program.functions.get(key)
        is_owner = function is not None and shift_of(function) and _position(function, name) == 0
        return frozenset(found or {Source("opaque") if is_owner else ANY_ARGUMENT})

    def _part(self, path: str, atom: Atom, step: str, depth: int) -> frozenset[Source]:
        """The sources of a part of a value; what a call makes of its arguments has no parts of theirs."""
        found = self._atom(path, atom, depth)
        return found if atom.into else frozenset(_deeper(each, step) for each in found)

    def _arguments(self, key: FunctionKey, name: str) -> Iterator[tuple[str, Value | None]]:
        """What each call site passes for a parameter; None where that cannot be told."""
        function = self.program.functions.get(key)
        if function is None:
            return
        position = _position(function, name)
        default = next((each.default for each in function.parameters if each.name == name), None)
        for site, call in self.program.call_sites.get(key, ()):
            given = argument_of(call, name, position - shift_of(function))
            has_stars = any(argument.name in ("*", "**") for argument in call.arguments)
            if given is not None or has_stars:
                yield site, None if has_stars else given
            else:
                yield key[0], default
        if key in self.program.given_as_values and key in self.program.call_sites:
            yield key[0], None

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
        may_hold = cell is not None and (is_container(cell) or use.op == "require")
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
        return not {CHANGED, AUGMENTED}.isdisjoint(self.returned_fates(path, use.function, use.fates))

    # ------------------------------------------------------------ types

    def type_of(self, path: str, kind: str, depth: int = DEPTH) -> str:
        """Resolve a facts type to one of STORABLE or "unknown"."""
        if ":" not in kind:
            return kind if kind in STORABLE else "unknown"
        if depth == 0:
            return "unknown"
        found = {self._one_type(path, each, depth) for each in kind.split("+")}
        if "unknown" in found:
            return "unknown"
        return found.pop() if len(found) == 1 else "codec"

    def _find_type(self, path: str, kind: str, depth: int) -> str:
        if kind.startswith("call:"):
            return self._result_type(path, kind.removeprefix("call:"), depth)
        is_part = kind.endswith("[]")
        qualname, _, name = kind.removeprefix("param:").removesuffix("[]").rpartition(":")
        key = (path, qualname)
        entries = self.program.entries.get(key, ())
        found = {self._entry_type(key, name, entry.origin) for entry in entries}
        for site, value in self._arguments(key, name):
            found.add("unknown" if value is None else self.type_of(site, value.type, depth - 1))
        if not found or "unknown" in found:
            return "unknown"
        kind = found.pop() if len(found) == 1 else "codec"
        return kind if not is_part or kind in ("json", "str") else "unknown"

    def _entry_type(self, key: FunctionKey, name: str, origin: str) -> str:
        is_event = origin not in ASSUMED and _position(self.program.functions[key], name) == 0
        return "json" if is_event and self._is_event_given_on(key) else "unknown"

    def _is_event_given_on(self, key: FunctionKey) -> bool:
        """Whether every decorator calls the function with the event itself, as far as can be told."""
        if any(self.is_foreign(key[0], each) for each in self.program.functions[key].decorators):
            return False
        for wrapper in self.program.wrappers.get(key, ()):
            first = next((each.name for each in self.program.functions[wrapper].parameters), "")
            calls = self.program.wrapped_calls.get(wrapper, ())
            given = [argument_of(call, "", 0) for call in calls]
            if any(each is not None and each.text not in (first, f"*{first}") for each in given):
                return False
        return True

    def _result_type(self, path: str, callee: str, depth: int) -> str:
        key = self.program.callee(path, callee)
        if key is None:
            return "unknown"
        function = self.program.functions[key]
        if function.has_generator or function.is_async or not function.returns:
            return "unknown"
        if self.program.wrappers.get(key) or any(self.is_foreign(key[0], each) for each in function.decorators):
            return "unknown"
        found = {self.type_of(key[0], each.value.type, depth - 1) for each in function.returns}
        if "unknown" in found:
            return "unknown"
        return found.pop() if len(found) == 1 else "codec"

    # ------------------------------------------------------------ fates

    def dangers(self, path: str, fates: frozenset[str], depth: int = DEPTH) -> tuple[str, ...]:
        """The fates that may change or keep the object, followed into program functions; () if harmless."""
        found: set[str] = set()
        for fate in sorted(fates - HARMLESS):
            found |= self._danger(path, fate, depth)
        return tuple(sorted(found))

    def _dangers_of_fate(self, path: str, fate: str, depth: int) -> set[str]:
        kind, _, rest = fate.partition(":")
        match kind:
            case "alias":
                return {CHANGED} if self._is_alias_changed(path, rest) else set()
            case "cell":
                return {self.stored_in(path, rest)}
            case "field":
                return {CHANGED} if self._is_field_changed(path, rest) else set()
            case "mutated" | "inside":
                return {CHANGED}
            case "augmented":
                return {AUGMENTED}
            case "stored":
                return {"it is stored in another object"}
            case "identity":
                return {"`is` tells a copy from it"}
            case "passed" if rest:
                return self._passed(path, rest, depth)
            case "result":
                return self._made_by(path, rest, depth)
            case _:
                return {"it is used in a way that cannot be followed"}

    def stored_in(self, path: str, name: str) -> str:
        """The danger for an object that a cell holds, by the cell's own name wherever it is used."""
        target = self.program.resolve(path, name)
        return f"it is stored in {name if target is None else target.name}"

    def held_dangers(self, path: str, function: str, value: Value, depth: int = DEPTH) -> set[str]:
        """Dangers of an object that a function stores: by that function, by whom it gives it to, and by whom
        it was given by. They all have the object itself, and the store has a copy.
        """
        if self.type_of(path, value.type) in IMMUTABLE:
            return set()
        found = set(self.returned_fates(path, function, value.threats))
        given = sorted(atom for atom in value.atoms if atom.kind == "param" and not atom.into)
        for atom in given if depth else ():
            owner, _, name = atom.detail.rpartition(":")
            for site, caller, argument in self._given((path, owner), name):
                found |= self.held_dangers(site, caller, argument, depth - 1) & {CHANGED, AUGMENTED}
        return found

    def _given(self, key: FunctionKey, name: str) -> Iterator[tuple[str, str, Value]]:
        """What each caller passes for a parameter, with the function that passes it, where that can be told."""
        function = self.program.functions.get(key)
        for site, call in self.program.call_sites.get(key, ()) if function is not None else ():
            position = -1 if function is None else _position(function, name) - shift_of(function)
            given = argument_of(call, name, position)
            if given is not None:
                yield site, call.function, given

    def _is_field_changed(self, path: str, name: str) -> bool:
        """Whether an attribute that holds the object is changed in place somewhere."""
        target = self.program.resolve(path, name)
        uses = () if target is None else self.program.accesses.get((target.path, target.name), ())
        return any(use.op in GROWING_FIELD or use.changes_result for _, use in uses)

    def _is_alias_changed(self, path: str, name: str) -> bool:
        """Whether a function changes the object by way of another variable of the module, that holds it, too."""
        target = self.program.resolve(path, name)
        key = (path, name) if target is None else (target.path, target.name)
        return any(
            use.function and not CHANGING.isdisjoint({use.op, *(fate.partition(":")[0] for fate in use.fates)})
            for _, use in self.program.accesses.get(key, ())
        )

    def _passed(self, path: str, rest: str, depth: int) -> set[str]:
        callee, _, argument = rest.rpartition(":")
        unknown = {f"it is passed to {callee}()"}
        key = self.program.callee(path, callee)
        if key is None and callee.rpartition(".")[2] in SINKS:
            return set()
        if key is None or depth == 0:
            return unknown
        function = self.program.functions[key]
        shift = shift_of(function)
        for position, parameter in enumerate(function.parameters):
            if argument in (parameter.name, str(position - shift)):
                found = set(self.dangers(key[0], parameter.fates, depth - 1))
                return found | (self._given_back(key, depth - 1) if "returned" in parameter.fates else set())
        return unknown

    def _given_back(self, key: FunctionKey, depth: int) -> set[str]:
        """Dangers of what a function returns, at every place that calls it."""
        sites = self.program.call_sites.get(key, ())
        return {danger for site, call in sites for danger in self.dangers(site, call.fates, depth)}

    def _made_by(self, path: str, callee: str, depth: int) -> set[str]:
        key = self.program.callee(path, callee)
        if key is None or depth == 0:
            return {f"{callee}() may keep what it returns"}
        returns = self.program.functions[key].returns
        found = [self.dangers(key[0], each.value.threats, depth - 1) for each in returns]
        return {each for dangers in found for each in dangers}

    def returned_fates(
        self, path: str, function: str, fates: frozenset[str], depth: int = DEPTH
    ) -> tuple[str, ...]:
        """Dangers of a value, its way through `return` to the callers included."""
        return self._returned(path, function, fates, depth)

    def _returned_fates(self, path: str, function: str, fates: frozenset[str], depth: int) -> tuple[str, ...]:
        found = set(self.dangers(path, fates))
        if "returned" in fates and depth:
            for site, call in self._takers((path, function)):
                found |= set(self.returned_fates(site, call.function, call.fates, depth - 1))
            found |= set(self._unseen_takers((path, function)))
        if "copy returned" in fates and depth:
            for site, call in self._takers((path, function)):
                copied = self.returned_fates(site, call.function, fates_of_copy(call.fates), depth - 1)
                found |= {CHANGED} & set(copied)
        return tuple(sorted(found))

    def _takers(self, key: FunctionKey) -> Iterator[tuple[str, Call]]:
        """The calls that get what a function returns: those of decorators are among them."""
        yield from self.program.call_sites.get(key, ())
        for wrapper in self.program.wrappers.get(key, ()):
            yield from ((wrapper[0], call) for call in self.program.wrapped_calls.get(wrapper, ()))

    def _unseen_takers(self, key: FunctionKey) -> Iterator[str]:
        """Who else gets what a function returns, and may change it."""
        function = self.program.functions.get(key)
        if function is None:
            return
        name = key[1].rpartition(".")[2]
        if name.startswith("__") and name.endswith("__"):
            yield f"it is returned by {name}(), which operators call"
        for decorator in function.decorators:
            if decorator.name in ("property", "functools.cached_property"):
                yield f"it is what the property {name} gives"
            elif self.is_foreign(key[0], decorator):
                yield f"the decorator {decorator.name} gets it"

    def is_foreign(self, path: str, decorator: Decorator) -> bool:
        """Whether nothing is known of a decorator: no code of the program, no method of an object, no library
        that hands on what it gets.
        """
        name = decorator.name
        if not name or name in INERT_DECORATORS or name.startswith(HANDING_ON):
            return False
        head = name.lstrip(".").partition(".")[0]
        is_own = self.program.resolve(path, name) is not None or self.program.resolve(path, head) is not None
        return not is_own

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


# Libraries whose decorators give on what the function gets and returns.
HANDING_ON = (
    "aws_lambda_powertools.logging", "aws_lambda_powertools.tracing", "aws_lambda_powertools.metrics",
    "aws_xray_sdk.", "functools.", "contextlib.", "dataclasses.", "typing.", "abc.", "statelift_state.",
)  # fmt: skip
# Methods of clients and loggers that send or print what they are given, and change nothing of it.
SINKS = frozenset(
    """execute executemany put_item get_item update_item delete_item query scan publish send_message put_object
    put_events invoke post put patch request send write info debug warning error exception critical log
    add_metric append_keys set setex hset decr incr incrby get""".split()
)
READS = frozenset(
    """get require contains lacks items keys values iterate len truth read attribute copy escape slice
    method:sort method:union method:intersection method:difference method:symmetric_difference method:issubset
    method:issuperset method:isdisjoint method:index method:count unknown:union unknown:intersection
    unknown:difference unknown:symmetric_difference unknown:issubset unknown:issuperset unknown:isdisjoint
    unknown:index unknown:count""".split()
)


ANSWERS = frozenset({"contains", "lacks", "len"})  # operations that give a new number or truth value
GROWING_FIELD = frozenset(
    "put delete pop setdefault nested append extend add remove discard clear augment augment_key".split()
)
CHANGING = GROWING_FIELD | {"mutated", "inside", "augmented", "method:appendleft", "method:insert"}
STORES = frozenset({"dynamic", "rebind", "unbind", "augment", "augment_key", "put", "delete", "nested", "advance"})
CONTAINER_CALLS = frozenset(
    """collections.defaultdict collections.Counter collections.OrderedDict collections.deque queue.Queue
    queue.SimpleQueue queue.LifoQueue queue.PriorityQueue array.array collections.ChainMap
    weakref.WeakValueDictionary weakref.WeakKeyDictionary collections.UserDict dict list set cachetools.Cache
    cachetools.TTLCache cachetools.LRUCache cachetools.LFUCache cachetools.FIFOCache cachetools.TLRUCache""".split()
)


def is_container(cell: Cell) -> bool:
    """Whether the cell holds a collection, as far as its definition tells."""
    return cell.kind in ("dict", "list", "set") or (cell.kind == "call" and cell.callee in CONTAINER_CALLS)


def is_write(cell: Cell | None, op: str) -> bool:
    """Whether an operation changes the cell. An unknown method may change a container; on any other object
    (a client, a logger) a call is its use, and only assignments count.
    """
    if cell is not None and not is_container(cell):
        known = METHODS.get(cell.callee)
        return op in STORES or (known is not None and op in known.values())
    return op not in READS


def argument_of(call: Call, name: str, position: int) -> Value | None:
    """The argument that a call passes for a parameter."""
    for argument in call.arguments:
        if argument.name in (name, str(position)):
            return argument.value
    return None


def _position(function: Function, name: str) -> int:
    return next((i for i, each in enumerate(function.parameters) if each.name == name), -1)


def _deeper(source: Source, path: str) -> Source:
    match source.kind:
        case "event":
            return Source("event", f"{source.detail}{path}")
        case "context" if path.startswith(FUNCTION_CONSTANTS):
            return Source("env", f"{source.detail}{path}")
        case _:
            return source
