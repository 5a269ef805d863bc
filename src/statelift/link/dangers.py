"""Fates of the facts -> who may still change an object, or keep it: followed through the whole program."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache, cached_property

from statelift.facts.fates import fates_of_copy
from statelift.facts.values import Call, Value
from statelift.link.arguments import given_by_callers
from statelift.link.decorators import is_foreign
from statelift.link.names import DEPTH, FunctionKey, shift_of
from statelift.link.program import Program
from statelift.link.valuetypes import IMMUTABLE, Types

CHANGED = "it is changed in place"
AUGMENTED = "an augmented assignment changes it in place, if it is a list, set or dict"
HARMLESS = frozenset({"read", "returned", "copy returned", "dropped", "called", "renews", "logged"})
# Methods of clients and loggers that send or print what they are given, and change nothing of it.
SINKS = frozenset(
    """execute executemany put_item get_item update_item delete_item query scan publish send_message put_object
    put_events invoke post put patch request send write info debug warning error exception critical log
    add_metric append_keys set setex hset decr incr incrby get""".split()
)
GROWING_FIELD = frozenset(
    "put delete pop setdefault nested append extend add remove discard clear augment augment_key".split()
)
CHANGING = GROWING_FIELD | {"mutated", "inside", "augmented", "method:appendleft", "method:insert"}


class Dangers:
    """Answers what may happen to an object of one program after a function has let go of it."""

    def __init__(self, program: Program, types: Types) -> None:
        self.program, self._types = program, types
        # Each question comes back along every way through the calls: unanswered, exponentially often.
        self._danger = cache(self._dangers_of_fate)
        self._returned = cache(self._returned_fates)

    def of(self, path: str, fates: frozenset[str], depth: int = DEPTH) -> tuple[str, ...]:
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
            case "logged by":
                return set()
            case "augmented":
                return {AUGMENTED}
            case "stored":
                return {"it is stored in another object"}
            case "identity":
                return {"`is` tells a copy from it"}
            case "passed" | "copy passed" | "inside passed" if rest:
                return self._passed(path, rest, depth, is_copy=kind == "copy passed")
            case "result":
                return self._made_by(path, rest, depth)
            case _:
                return {"it is used in a way that cannot be followed"}

    def stored_in(self, path: str, name: str) -> str:
        """The danger for an object that a cell holds, by the cell's own name wherever it is used."""
        target = self.program.resolve(path, name)
        return f"it is stored in {name if target is None else target.name}"

    def of_held(self, path: str, function: str, value: Value, depth: int = DEPTH) -> set[str]:
        """Dangers of an object that a function stores: by that function, by whom it gives it to, and by whom
        it was given by. They all have the object itself, and the store has a copy.
        """
        if self._types.of(path, value.type) in IMMUTABLE:
            return set()
        found = set(self.of_returned(path, function, value.threats))
        given = sorted(atom for atom in value.atoms if atom.kind == "param" and not atom.into)
        for atom in given if depth else ():
            owner, _, name = atom.detail.rpartition(":")
            for site, caller, argument in given_by_callers(self.program, (path, owner), name):
                found |= self.of_held(site, caller, argument, depth - 1) & {CHANGED, AUGMENTED}
        return found

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

    def _passed(self, path: str, rest: str, depth: int, *, is_copy: bool) -> set[str]:
        callee, _, argument = rest.rpartition(":")
        unknown = {f"it is passed to {callee}()"}
        key = self.program.callee(path, callee)
        if key is None and callee.rpartition(".")[2] in SINKS:
            return set()
        if key is None:
            return self._given_to_record(path, callee, argument) or unknown
        if depth == 0:
            return unknown
        function = self.program.functions[key]
        shift = shift_of(function)
        for position, parameter in enumerate(function.parameters):
            if argument in (parameter.name, str(position - shift)):
                fates = fates_of_copy(parameter.fates) if is_copy else parameter.fates
                found = set(self.of(key[0], fates, depth - 1))
                return found | (self._given_back(key, depth - 1) if "returned" in fates else set())
        return unknown | self.of_rest(function.rest)

    def of_rest(self, fates: frozenset[str]) -> set[str]:
        """Dangers of what comes into `*args` or `**kwargs`, from the fates of these."""
        inside = {fate.partition(":")[0] for fate in fates if ":" in fate}
        return {danger for kind, danger in (("inside", CHANGED), ("augmented", AUGMENTED)) if kind in inside}

    def _given_to_record(self, path: str, callee: str, argument: str) -> set[str]:
        """`Repo(_store)`, a dataclass without a constructor of its own: the object is the value of a field."""
        made = self.program.resolve(path, callee)
        fields = [] if made is None else self.program.fields_of(made)
        name = argument if not argument.isdigit() else "".join(fields[int(argument) : int(argument) + 1])
        is_changed = (
            made is not None and name in fields and self._is_field_changed(made.path, f"{made.name}.{name}")
        )
        return {CHANGED} if is_changed else set()

    def _given_back(self, key: FunctionKey, depth: int) -> set[str]:
        """Dangers of what a function returns, at every place that calls it."""
        sites = self.program.call_sites.get(key, ())
        return {danger for site, call in sites for danger in self.of(site, call.fates, depth)}

    def _made_by(self, path: str, callee: str, depth: int) -> set[str]:
        key = self.program.callee(path, callee)
        if key is None or depth == 0:
            return {f"{callee}() may keep what it returns"}
        returns = self.program.functions[key].returns
        found = [self.of(key[0], each.value.threats, depth - 1) for each in returns]
        return {each for dangers in found for each in dangers}

    def of_returned(self, path: str, function: str, fates: frozenset[str], depth: int = DEPTH) -> tuple[str, ...]:
        """Dangers of a value, its way through `return` to the callers included."""
        return self._returned(path, function, fates, depth)

    def _returned_fates(self, path: str, function: str, fates: frozenset[str], depth: int) -> tuple[str, ...]:
        found = set(self.of(path, fates))
        if "returned" in fates and depth:
            for site, call in self._takers((path, function)):
                found |= set(self.of_returned(site, call.function, call.fates, depth - 1))
            found |= set(self._unseen_takers((path, function)))
        if "copy returned" in fates and depth:
            for site, call in self._takers((path, function)):
                copied = self.of_returned(site, call.function, fates_of_copy(call.fates), depth - 1)
                found |= {CHANGED} & set(copied)
        return tuple(sorted(found))

    def _takers(self, key: FunctionKey) -> Iterator[tuple[str, Call]]:
        """The calls that get what a function returns: those of decorators are among them."""
        yield from self.program.call_sites.get(key, ())
        yield from self._entered.get(key, ())
        for wrapper in self.program.wrappers.get(key, ()):
            yield from ((wrapper[0], call) for call in self.program.wrapped_calls.get(wrapper, ()))

    @cached_property
    def _entered(self) -> dict[FunctionKey, list[tuple[str, Call]]]:
        """The calls that no parentheses show, by what they call."""
        found: dict[FunctionKey, list[tuple[str, Call]]] = defaultdict(list)
        for (path, _), calls in self.program.implicit_calls.items():
            for call, callee in calls:
                found[callee].append((path, call))
        return dict(found)

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
            elif is_foreign(self.program, key[0], decorator):
                yield f"the decorator {decorator.name} gets it"
