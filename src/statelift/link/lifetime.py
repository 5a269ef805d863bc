"""Program -> which objects outlive a call: instances of classes, variables of functions that made functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from statelift.facts.values import Access, Call, Cell, Function, Value
from statelift.link.arguments import argument_of
from statelift.link.names import CellKey, FunctionKey, Target, shift_of
from statelift.link.program import Program
from statelift.link.reach import BUILDERS

CACHES = frozenset({"functools.cache", "functools.lru_cache", "functools.cached_property"})
KEEPING = frozenset({"rebind", "put", "setdefault", "append", "add", "nested"})
ENUMS = frozenset("enum.Enum enum.IntEnum enum.StrEnum enum.Flag enum.IntFlag".split())
ELEMENTS = frozenset({"put", "setdefault", "append", "add"})
NEW = ("[", "{", "dict(", "list(", "set(", "defaultdict(", "collections.", "deque(", "Counter(")
HOPS = 4  # how many functions that make objects for others are followed
ClassKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Holding:
    """A cell, or a memoised function, that keeps objects of a class: `is_keyed`, one for each key."""

    holder: CellKey
    is_keyed: bool


class Lifetimes:
    """Answers `lasts` and `is_building` for the cells of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def lasts(self, key: CellKey, cell: Cell) -> bool:
        """Whether the cell outlives a call: an attribute does where some object of its class does."""
        match cell.home:
            case "instance":
                return (key[0], key[1].rpartition(".")[0]) in self._classes
            case "closure" if (given := self.given_to_maker(key)) is not None:
                return bool(given)
            case "closure":
                return self._is_made_at_import((key[0], key[1].rpartition(".")[0]))
            case "function" if key[1].count(".") > 1:
                return self._is_made_at_import((key[0], key[1].rpartition(".")[0].rpartition(".")[0]))
            case "default":
                return self._is_left_out((key[0], key[1].partition("(")[0]), key[1].rpartition("(")[2][:-1])
            case _:
                return True

    def is_building(self, key: CellKey, cell: Cell, use: Access) -> bool:
        """Whether a use is part of making the object that the cell lives in: it gives the first value."""
        match cell.home:
            case "instance":
                return self._only_builds((use.place.path, use.function), HOPS)
            case "closure":
                return use.function == key[1].rpartition(".")[0]
            case _:
                return False

    def _only_builds(self, key: FunctionKey, hops: int) -> bool:
        """Whether a method runs only while its object is made: nothing but the constructor calls it."""
        owner, _, method = key[1].rpartition(".")
        if method in BUILDERS or hops == 0:
            return method in BUILDERS
        sites = self.program.call_sites.get(key, ())
        callers = {(path, call.function) for path, call in sites}
        is_own = all(path == key[0] and name.rpartition(".")[0] == owner for path, name in callers)
        mentions = sum(dict(module.attributes).get(method, 0) for module in self.program.modules.values())
        is_seen = bool(sites) and is_own and mentions == self._calls_named(method)
        return is_seen and all(self._only_builds(caller, hops - 1) for caller in callers)

    def _calls_named(self, method: str) -> int:
        """How many calls of methods of that name are known, of whatever class."""
        alike = (key for key in self.program.functions if key[1].rpartition(".")[2] == method)
        return sum(len(self.program.call_sites.get(key, ())) for key in alike)

    def kept_with(self, builder: FunctionKey) -> str:
        """The class whose objects a method builds, where each of them is kept in a cell; otherwise ""."""
        path, name = builder
        owner, _, method = name.rpartition(".")
        if method not in BUILDERS or (path, owner) not in self._classes:
            return ""
        sites = self.program.call_sites.get(builder, ())
        return owner if sites and all(self._is_kept(site, call) for site, call in sites) else ""

    def _is_kept(self, path: str, call: Call) -> bool:
        """Whether what a call makes goes straight into a cell."""
        uses = self.program.accesses_in.get((path, call.function), ())
        spans = [use.span for use in uses if use.op in KEEPING]
        return not call.function or any(span.start <= call.span.start < span.end for span in spans)

    # ------------------------------------------------------------ instances

    def is_lasting_class(self, key: ClassKey) -> bool:
        """Whether some object of the class is kept in a cell."""
        return key in self._classes

    @cached_property
    def _classes(self) -> frozenset[ClassKey]:
        """Classes of which an object is kept in a cell that lasts."""
        found: set[ClassKey] = set()
        waiting = [*self._kept_directly()]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += [*self._bases(key), *self._kept_by(key)]
        return frozenset(found)

    def _kept_directly(self) -> Iterator[ClassKey]:
        for key, cell in self.program.cells.items():
            if cell.home in ("module", "class", "function", "default"):
                yield from self._held(key, cell)
        yield from self._made_for_good()
        for key, function in self.program.functions.items():
            yield from self._below_decorators(key, function)

    def _below_decorators(self, key: FunctionKey, function: Function) -> Iterator[ClassKey]:
        """The classes of the objects that decorators make of a function, or keep of its results."""
        for decorator in function.decorators:
            target = None if decorator.is_call else self.program.resolve(key[0], decorator.name)
            yield from [(target.path, target.name)] if target is not None and target.kind == "class" else []
        if {each.name for each in function.decorators} & CACHES:
            for each in function.returns:
                yield from self._made(key[0], each.value, HOPS)

    def holdings(self, owner: ClassKey) -> Iterator["Holding"]:
        """Where objects of a class, or of one that is derived from it, are kept."""
        for holding, made in self._holdings:
            if owner in self._with_bases(made):
                yield holding

    @cached_property
    def _holdings(self) -> list[tuple["Holding", ClassKey]]:
        found: list[tuple[Holding, ClassKey]] = []
        for key, cell in self.program.cells.items():
            is_keyed = any(use.op in ELEMENTS for _, use in self.program.accesses.get(key, ()))
            found += [(Holding(key, is_keyed), made) for made in self._held(key, cell)]
        for key, function in self.program.functions.items():
            kept = Holding(key, bool(function.parameters))
            found += [(kept, made) for made in self._below_decorators(key, function)]
        return found + [(Holding(made, is_keyed=False), made) for made in self._made_for_good()]

    def _with_bases(self, made: ClassKey) -> set[ClassKey]:
        found, waiting = set[ClassKey](), [made]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self._bases(key)
        return found

    def _made_for_good(self) -> Iterator[ClassKey]:
        """Members of an Enum, and the objects of classes whose decorator or metaclass keeps them."""
        for (path, name), known in self.program.classes.items():
            is_enum = any(base in ENUMS for base in known.bases)
            makers = [self.program.resolve(path, each.name) for each in known.decorators]
            makers += [self.program.resolve(path, known.metaclass)] if known.metaclass else []
            if is_enum or any(each is not None and self._keeps_objects(each) for each in makers):
                yield path, name

    def _keeps_objects(self, maker: Target) -> bool:
        """Whether a decorator, functions inside of it, or methods of a metaclass, keep what they make."""
        return any(
            use.op in KEEPING and use.value is not None and any(atom.kind == "call" for atom in use.value.atoms)
            for (path, name), uses in self.program.accesses_in.items()
            if path == maker.path and f"{name}.".startswith(f"{maker.name}.")
            for use in uses
        )

    def _held(self, key: CellKey, cell: Cell) -> Iterator[ClassKey]:
        """The classes of the objects that a cell can hold."""
        if cell.value is not None:
            yield from self._made(key[0], cell.value, HOPS)
        for path, use in self.program.accesses.get(key, ()):
            given = use.value or use.default
            if use.op in KEEPING and given is not None:
                yield from self._made(path, given, HOPS)
                if "__new__(" in given.text or (use.op == "rebind" and use.function.endswith(".__new__")):
                    yield path, use.function.rpartition(".")[0]

    def _kept_by(self, owner: ClassKey) -> Iterator[ClassKey]:
        for key, cell in self.program.cells.items():
            if cell.home == "instance" and (key[0], key[1].rpartition(".")[0]) == owner:
                yield from self._held(key, cell)

    def _bases(self, key: ClassKey) -> Iterator[ClassKey]:
        known = self.program.classes.get(key)
        for base in known.bases if known is not None else ():
            match self.program.resolve(key[0], base):
                case Target(kind="class") as target:
                    yield target.path, target.name
                case _:
                    pass

    def _made(self, path: str, value: Value, hops: int) -> Iterator[ClassKey]:
        for atom in value.atoms:
            if atom.kind == "call" and atom.detail:
                match self.program.resolve(path, atom.detail):
                    case Target(kind="class") as target:
                        yield target.path, target.name
                    case Target(kind="function") as target if hops:
                        for each in self.program.functions[target.path, target.name].returns:
                            yield from self._made(target.path, each.value, hops - 1)
                    case _:
                        pass

    # ------------------------------------------------------------ closures and defaults

    def _is_made_at_import(self, key: FunctionKey) -> bool:
        """Whether the function, or one around it, runs at import or decorates: what it makes is kept."""
        path, name = key
        while name:
            if (path, name) in self._run_at_import:
                return True
            name = name.rpartition(".")[0]
        return False

    @cached_property
    def _run_at_import(self) -> frozenset[FunctionKey]:
        found = {callee for (_, caller), calls in self.program.calls.items() if not caller for _, callee in calls}
        for (path, _), function in self.program.functions.items():
            for decorator in function.decorators:
                target = self.program.callee(path, decorator.name)
                found |= {target} if target is not None else set()
        return frozenset(found)

    def given_to_maker(self, key: CellKey) -> list[str] | None:
        """The new collections that calls at import give for a parameter, as text; None for other variables."""
        maker, _, name = key[1].rpartition(".")
        function = self.program.functions.get((key[0], maker))
        names = [] if function is None else [each.name for each in function.parameters]
        if function is None or name not in names:
            return None
        sites = self.program.call_sites.get((key[0], maker), ())
        place = names.index(name) - shift_of(function)
        given = [argument_of(call, name, place) for _, call in sites if not call.function]
        return [each.text for each in given if each is not None and each.text.startswith(NEW)]

    def _is_left_out(self, key: FunctionKey, parameter: str) -> bool:
        """Whether some call leaves the parameter to its default."""
        sites = self.program.call_sites.get(key, ())
        function = self.program.functions[key]
        names = [each.name for each in function.parameters]
        wanted = {parameter, str(names.index(parameter) - shift_of(function)), "*", "**"}
        given = [{argument.name for argument in call.arguments} & wanted for _, call in sites]
        return not sites or key in self.program.entries or not all(given)
