"""Program -> which entry points reach which function."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from statelift.facts.values import Call, Decorator, Function
from statelift.link.names import CellKey, FunctionKey, Target
from statelift.link.program import HELPER, Program
from statelift.link.single import is_confined

HOPS = 6  # how many bases of bases are looked at
ASSUMED = frozenset({"public", "route"})  # every argument of such an entry point comes from a request
BUILDERS = frozenset({"__init__", "__new__", "__post_init__", "__set_name__", "__init_subclass__"})
OF_CLASSES = frozenset({"__init_subclass__", "__set_name__"})  # they run where a class is defined
IMPORTERS = frozenset({"importlib.import_module", "__import__"})
COMPUTING = frozenset({"getattr", "vars", "globals", "eval", "exec", "__import__", "importlib", "operator"})
INERT_DECORATORS = frozenset(
    """functools.wraps functools.cache functools.lru_cache functools.cached_property functools.singledispatch
    staticmethod classmethod property dataclasses.dataclass contextlib.contextmanager contextlib.asynccontextmanager
    statelift_state.stateless chalicelib.statelift_state.stateless
    statelift_state.one_step chalicelib.statelift_state.one_step
    abc.abstractmethod typing.overload typing.override override pytest.fixture""".split()
)


class Reach:
    """Answers `entries_of`: the ids of the entry points from which a function can run."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._methods = self._methods_by_name()
        self._registered = [*self._handed_on()]
        self._confined: dict[CellKey, bool] = {}
        self._edges: dict[FunctionKey, frozenset[FunctionKey]] = {}
        self._found: dict[FunctionKey, set[str]] = defaultdict(set)
        for key, entries in program.entries.items():
            for entry in entries:
                self._spread([key], entry.function)
        for entry in program.handler_variables:
            self._spread([], entry.function)

    def entries_of(self, key: FunctionKey) -> tuple[str, ...]:
        """Ids of the entry points that reach a function, sorted."""
        return tuple(sorted(self._found.get(key, ())))

    def has(self, key: FunctionKey) -> bool:
        """Whether any entry point reaches the function."""
        return key in self._found

    def named(self, path: str, function: Function) -> set[FunctionKey]:
        """The functions whose names stand as values in this one."""
        return {key for name in function.given for key in self._named(path, function, name)}

    def called(self, key: FunctionKey) -> set[FunctionKey]:
        """All that a function may run, by whatever way."""
        return set(self._next(key))

    def below(self, starts: Iterable[FunctionKey]) -> frozenset[FunctionKey]:
        """These functions, and all that they can come to."""
        found: set[FunctionKey] = set()
        waiting = [*starts]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting.extend(self._next(key))
        return frozenset(found)

    def _spread(self, start: list[FunctionKey], entry: str) -> None:
        waiting = [*start, *self._registered]
        while waiting:
            key = waiting.pop()
            if entry not in self._found[key]:
                self._found[key].add(entry)
                waiting.extend(self._next(key))

    def _handed_on(self) -> Iterator[FunctionKey]:
        """Functions that code at import gives away: by a decorator, in a table, as an argument."""
        yield from (key for key, function in self.program.functions.items() if _is_registered(function.decorators))
        for path, module in self.program.modules.items():
            for name in sorted(module.mentions):
                match self.program.resolve(path, name):
                    case Target(kind="function") as target:
                        yield target.path, target.name
                    case Target(kind="class") as target:
                        yield from self._all_methods((target.path, target.name))
                    case _:
                        pass
        for (_, caller), calls in self.program.calls.items():
            for call, callee in calls if not caller else ():
                yield from self._all_methods(callee) if not call.is_decorator else ()
        yield from self._made_at_import()
        yield from self._given_at_import()
        for key, known in self.program.classes.items():
            if _is_registered(known.decorators):
                yield from self._all_methods(key)

    def _made_at_import(self) -> Iterator[FunctionKey]:
        """`store[key] = value` runs a method of an object that was made at import, without naming it."""
        for path, module in self.program.modules.items():
            for call in module.calls:
                made = self.program.resolve(path, call.callee) if not call.function else None
                if made is not None and made.kind == "class":
                    is_given = any(fate.startswith("passed") for fate in call.fates)  # to a framework, most likely
                    found = self._all_methods((made.path, made.name)) if is_given else self._special_methods(made)
                    yield from (key for key in found if key[1].rpartition(".")[2] not in BUILDERS)

    def _given_at_import(self) -> Iterator[FunctionKey]:
        """What functions that run at import hand on: `self.routes = {"/put": self.put}` in a constructor."""
        at_import = [each for (_, caller), calls in self.program.calls.items() if not caller for each in calls]
        starts = {callee for call, callee in at_import if not call.is_decorator}
        waiting, seen = [*starts], set(starts)
        while waiting:
            key = waiting.pop()
            yield from self.named(key[0], self.program.functions[key])
            found = {callee for _, callee in self.program.calls.get(key, ())} - seen
            seen |= found
            waiting += found

    def _all_methods(self, key: tuple[str, str]) -> Iterator[FunctionKey]:
        """Methods of a class; functions that a function makes."""
        return (each for each in self.program.functions if each[0] == key[0] and each[1].startswith(f"{key[1]}."))

    def _next(self, key: FunctionKey) -> frozenset[FunctionKey]:
        if key not in self._edges:
            self._edges[key] = frozenset(self._targets(key))
        return self._edges[key]

    def _targets(self, key: FunctionKey) -> set[FunctionKey]:
        path, _ = key
        function = self.program.functions[key]
        found: set[FunctionKey] = set()
        for name in function.references:
            found |= self._named(path, function, name)
        for decorator in function.decorators:
            found |= self._wrappers(path, decorator)
        is_own = not path.endswith(f"{HELPER}.py")  # the helper file calls no method of the program
        for attribute in function.attributes if is_own else ():
            found |= {each for each in self._methods.get(attribute, ()) if self._may_have(path, function, each)}
        if function.class_name and "getattr" in function.references:  # getattr(self, f"do_{action}")(event)
            found |= set(self._all_methods((path, function.class_name)))
        return found | self._in_plugins(function)

    def _may_have(self, path: str, function: Function, method: FunctionKey) -> bool:
        """Whether a function that asks for an attribute of this name may have an object with the method."""
        owner = (method[0], method[1].rpartition(".")[0])
        if self._has_computed_names:
            return True
        if owner not in self._confined:
            self._confined[owner] = is_confined(self.program, owner, self._made.get(owner, []))
        return not self._confined[owner] or self._names(path, function, method)

    def _names(self, path: str, function: Function, method: FunctionKey) -> bool:
        """Whether a function names the method: `router.dispatch`, of a variable of a module, or `self.dispatch`."""
        owner, _, last = method[1].rpartition(".")
        named = [each for each in function.references if each.rpartition(".")[2] == last]
        is_inside = path == method[0] and function.qualname.startswith(f"{owner}.")
        is_own = is_inside and any(each.count(".") == 1 for each in named)
        return is_own or any(self.program.callee(path, each) == method for each in named)

    @cached_property
    def _has_computed_names(self) -> bool:
        """Whether the program asks for names that are not written down: `getattr(app, name)`."""
        return any(COMPUTING & module.identifiers for module in self.program.modules.values())

    @cached_property
    def _made(self) -> dict[CellKey, list[tuple[str, Call]]]:
        """The calls that make objects of each class."""
        found: dict[CellKey, list[tuple[str, Call]]] = defaultdict(list)
        for path, module in self.program.modules.items():
            for call in module.calls:
                target = self.program.resolve(path, call.callee)
                if target is not None and target.kind == "class":
                    found[target.path, target.name].append((path, call))
        return dict(found)

    def _in_plugins(self, function: Function) -> set[FunctionKey]:
        """`import_module(f"plugins.{name}").run(event)`: functions of modules that nobody imports by name."""
        if not self._plugins:
            return set()
        found = ((path, name) for path in self._plugins for name in function.attributes)
        return {key for key in found if key in self.program.functions}

    @cached_property
    def _plugins(self) -> frozenset[str]:
        """The modules that only a dynamic import can bring, if there is one."""
        modules = self.program.modules
        if not any(IMPORTERS & each.references for m in modules.values() for each in m.functions):
            return frozenset()
        targets = [self.program.imported(path, each) for path, m in modules.items() for each in m.imports]
        entered = {entry.path for entry in self.program.root.entries}
        return frozenset(modules) - entered - {each.path for each in targets if each is not None}

    def _named(self, path: str, function: Function, name: str) -> set[FunctionKey]:
        nested = (path, f"{function.qualname}.{name}")
        if nested in self.program.functions:
            return {nested}
        match self.program.resolve(path, name):
            case Target(kind="function") as target:
                return {(target.path, target.name)}
            case Target(kind="class") as target:
                return self._special_methods(target)
            case _:
                return self._own_method(path, function, name)

    def _own_method(self, path: str, function: Function, name: str) -> set[FunctionKey]:
        """`self.put` in a method."""
        head, _, method = name.partition(".")
        is_own = function.shift and head == next((each.name for each in function.parameters), "")
        if not is_own or (path, function.class_name) not in self.program.classes:
            return set()
        found = self.program.method_of(Target("class", path, function.class_name), method)
        return set() if found is None else {found}

    def _wrappers(self, path: str, decorator: Decorator) -> set[FunctionKey]:
        """The functions inside a decorator that run when the decorated function is called, not at import."""
        target = self.program.resolve(path, decorator.name)
        if target is not None and target.kind == "class":
            return {key for key in self._special_methods(target) if key[1].rpartition(".")[2] not in BUILDERS}
        found = self.program.callee(path, decorator.name)
        if found is None:
            return set()
        levels = 1 + int(decorator.is_call)
        depth = found[1].count(".") + levels
        return {key for key in self._all_methods(found) if key[1].count(".") >= depth}

    def _special_methods(self, target: Target, hops: int = HOPS) -> set[FunctionKey]:
        """The methods that run without being named, those of its bases too.

        All of them where a class of a library may call them.
        """
        bases = self.program.classes[target.path, target.name].bases
        known = [self.program.resolve(target.path, base) for base in bases if base != "object"]
        prefix = f"{target.name}." if None in known else f"{target.name}.__"
        found = {key for key in self.program.functions if key[0] == target.path and key[1].startswith(prefix)}
        found = {key for key in found if key[1].rpartition(".")[2] not in OF_CLASSES or self._has_late_classes}
        for base in known:
            if base is not None and base.kind == "class" and hops:
                found |= self._special_methods(base, hops - 1)
        return found

    @cached_property
    def _has_late_classes(self) -> bool:
        """Whether functions define classes: of others, `__init_subclass__` ran at import."""
        return any((path, name.rpartition(".")[0]) in self.program.functions for path, name in self.program.classes)

    def _methods_by_name(self) -> dict[str, set[FunctionKey]]:
        found: dict[str, set[FunctionKey]] = defaultdict(set)
        for key, function in self.program.functions.items():
            if function.class_name:
                found[function.qualname.rpartition(".")[2]].add(key)
        return found


def _is_registered(decorators: tuple[Decorator, ...]) -> bool:
    """Whether a decorator may hand what it decorates to a framework, which calls it for some request."""
    names = [decorator.name for decorator in decorators]
    return any(name not in INERT_DECORATORS and not name.endswith((".setter", ".getter")) for name in names)
