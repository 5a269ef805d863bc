"""ModuleFacts of one code root -> Program: every use of a cell and every call, across its files."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from statelift.catalogue import CONSTRUCTORS
from statelift.catalogue.objects import GENERATING, WRAPPERS, effect_of
from statelift.facts.callees import PARTIAL
from statelift.facts.cells import is_function_object
from statelift.facts.values import (
    Access,
    Atom,
    Call,
    Cell,
    Connection,
    Decorator,
    Value,
)
from statelift.link.names import HOPS, CellKey, FunctionKey, Names, Target, import_target
from statelift.link.process import PROCESS, process_key
from statelift.model import EntryPoint

HELPER = "statelift_state"  # the module that the changes bring
PROPERTIES = frozenset({"property", "functools.cached_property"})
LOGGING = frozenset("debug info warning error exception critical log".split())
LOG_HOOKS = {"logging.Filter": "filter", "logging.Formatter": "format", "logging.Handler": "emit"}
COLLECTIONS = (ast.Dict, ast.List, ast.Set)
LOGGED_BY = "logged by:"
GENERATED = (f"{HELPER}.stateless", f"{HELPER}.one_step")
CHANGES = frozenset(
    """put delete pop setdefault nested append extend add discard remove clear augment_key update method:update
    method:insert method:popitem method:sort method:reverse method:appendleft method:popleft""".split()
)  # what is done in place
HANDLER_PARAMETERS = 2  # event and context


@dataclass(frozen=True)
class Program(Names):
    """One code root, linked: who uses which cell, and who calls whom."""

    @cached_property
    def accesses(self) -> dict[CellKey, list[tuple[str, Access]]]:
        """Every use of every cell, wherever it stands, in program order within a file."""
        found: dict[CellKey, list[tuple[str, Access]]] = defaultdict(list)
        for path, module in self.modules.items():
            rebound = {name for statement in module.globals for name in statement.names}
            for access in module.accesses:
                key = self._cell_of(path, access, rebound)
                if key is not None:
                    found[key].append((path, self._as_object(key, self._as_logged(path, access))))
        for key, cell in self.cells.items():
            if cell.callee in WRAPPERS and cell.value is not None:
                self._wrap(found, key, cell.value)
        for key in self._started:
            found[key].append((key[0], self._as_object(key, _started(self.cells[key]))))
        return dict(found)

    @cached_property
    def _started(self) -> set[CellKey]:
        """Partial functions that a call begins with: `lambda_handler = partial(serve, {})`."""
        entered = (entry for entry in self.root.entries if entry.path in self.modules)
        targets = {self._member(entry.path, entry.attribute, HOPS) for entry in entered} - {None}
        keys = {(each.path, each.name) for each in targets if each is not None and each.kind == "cell"}
        return {key for key in keys if self.cells[key].callee == PARTIAL and is_function_object(self.cells[key])}

    def _wrap(self, found: dict[CellKey, list[tuple[str, Access]]], key: CellKey, value: Value) -> None:
        """`writer = csv.writer(buffer)`: each call of the one changes the other."""
        for name in (atom.detail for atom in value.atoms if atom.kind in ("name", "import")):
            target = self.resolve(key[0], name)
            if target is not None and target.kind == "cell":
                uses = [(path, use) for path, use in found.get(key, ()) if ":" in use.op]
                found[target.path, target.name] += [(path, replace(use, op="advance")) for path, use in uses]

    def _cell_of(self, path: str, access: Access, rebound: set[str]) -> CellKey | None:
        if (path, access.subject) in self.cells:
            return path, access.subject
        if access.subject in PROCESS:
            return process_key(access)
        target = self.resolve(path, access.subject)
        if target is not None and target.kind == "cell":
            return target.path, target.name
        if access.subject in rebound:
            return path, access.subject
        opened = self._open_attribute(path, access)
        if opened in self._open_cells:
            return opened
        return self._field(path, access.subject)

    def _field(self, path: str, name: str) -> CellKey | None:
        """`counter.n`, where `counter` is an object of a class of the program, `get().n`, if that gives one, and
        `Derived.n`, which a base has.
        """
        owner, _, attribute = name.rpartition(".")
        target = self.resolve(path, owner) if owner else None
        is_class = target is not None and target.kind == "class"
        made = target if is_class else self._made(path, owner) if owner else None
        return None if made is None else self._inherited(made, attribute, HOPS)

    def _made(self, path: str, name: str) -> Target | None:
        """The class of the object that a name stands for, or `name()` gives."""
        if name.endswith("()"):
            return self.given_by(path, name.removesuffix("()"))
        target = self.resolve(path, name)
        match target:
            case Target(kind="cell"):
                return self.class_of((target.path, target.name))
            case Target(kind="function"):  # below a decorator that is a class
                decorators = self.functions[target.path, target.name].decorators
                found = [self.resolve(target.path, each.name) for each in decorators if not each.is_call]
                return next((each for each in found if each is not None and each.kind == "class"), None)
            case None:  # `shop.cart`: an attribute of an object
                held = self._field(path, name)
                return None if held is None else self.class_of(held)
            case _:
                return None

    def given_by(self, path: str, name: str, hops: int = HOPS) -> Target | None:
        """The class of the program of which a call of `name` gives an object: a class, or a function that returns
        a new one, or one that it keeps.
        """
        target = self.resolve(path, name)
        match target:
            case Target(kind="class"):
                return target
            case Target(kind="function") if hops:
                function = self.functions[target.path, target.name]
                atoms = {atom for each in function.returns for atom in each.value.atoms}
                found = {self._of_atom(target.path, atom, hops - 1) for atom in atoms} - {None}
                return found.pop() if len(found) == 1 else None
            case _:
                return None

    def _of_atom(self, path: str, atom: Atom, hops: int) -> Target | None:
        match atom.kind:
            case "call":
                return self.given_by(path, atom.detail, hops)
            case "name" | "import":
                target = self.resolve(path, atom.detail)
                is_cell = target is not None and target.kind == "cell"
                return self._kept_in((target.path, target.name), hops) if target is not None and is_cell else None
            case _:
                return None

    def _kept_in(self, key: CellKey, hops: int) -> Target | None:
        """The class of the one kind of object that a variable gets, at import or later."""
        made = self.class_of(key)
        later = (
            atom
            for use in (self.modules[key[0]].accesses if key[0] in self.modules else ())
            if use.subject == key[1] and use.op == "rebind" and use.value is not None
            for atom in use.value.atoms
            if atom.kind == "call"
        )
        found = {made, *(self.given_by(key[0], atom.detail, hops) for atom in later)} - {None}
        return found.pop() if len(found) == 1 else None

    def _as_logged(self, path: str, access: Access) -> Access:
        """A value that functions of other files get is logged where they do no more with it."""
        takers = [each.removeprefix(LOGGED_BY) for each in access.fates if each.startswith(LOGGED_BY)]
        is_logged = bool(takers) and all(self._logs(path, *each.rsplit(":", 1)) for each in takers)
        return replace(access, fates=access.fates | {"logged"}) if is_logged else access

    def _logs(self, path: str, callee: str, argument: str) -> bool:
        target = self.resolve(path, callee)
        key = None if target is None or target.kind != "function" else (target.path, target.name)
        taken = self.functions[key].parameters if key is not None else ()
        return any(each.is_logged and argument in (each.name, str(at)) for at, each in enumerate(taken))

    def _as_object(self, key: CellKey, access: Access) -> Access:
        cell = self.cells.get(key)
        if cell is not None and is_function_object(cell):
            return self._as_function(key[0], cell, access)
        op = access.op if cell is None else effect_of(self._constructor(key[0], cell.callee, HOPS), access.op)
        if op in GENERATING and cell is not None and self._is_generator(key[0], cell.callee):
            op = "advance"
        return access if op == access.op else replace(access, op=op)

    def _as_function(self, path: str, cell: Cell, access: Access) -> Access:
        """A call of a bound method does what the method does; a partial function changes what it was given."""
        is_given = not access.function and any(fate.startswith("passed") for fate in access.fates)
        if access.op != "unknown:__call__" and not is_given:
            return access
        if cell.callee == PARTIAL:
            return replace(access, op="nested") if self._changes_given(path, cell) else access
        maker, _, method = cell.runs[0].rpartition(".") if cell.runs else ("", "", "")
        return replace(access, op=effect_of(maker, f"unknown:{method}"))

    def _changes_given(self, path: str, cell: Cell) -> bool:
        """Whether a partial function changes one of the collections that it was made with."""
        call = ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None
        if not isinstance(call, ast.Call) or not call.args:
            return False
        key = self.callee(path, ast.unparse(call.args[0]))
        taken = self.functions[key].parameters if key is not None else ()
        named = {each.arg: each.value for each in call.keywords if each.arg}
        pairs = [*zip(taken, call.args[1:], strict=False), *((one, named.get(one.name)) for one in taken)]
        return any(isinstance(given, COLLECTIONS) and "mutated" in one.fates for one, given in pairs)

    def constructor_of(self, key: CellKey) -> str:
        """What makes the object that a cell holds at first, also where a function of the program gives it."""
        return self._constructor(key[0], self.cells[key].callee, HOPS)

    def _constructor(self, path: str, callee: str, hops: int) -> str:
        """What makes the object that a call gives: `sqlite3.connect` for a function that returns such a one."""
        made = self.callee(path, callee) if callee and hops else None
        kinds = {each.value.type for each in self.functions[made].returns} if made is not None else set()
        kind = kinds.pop() if len(kinds) == 1 else ""
        if made is None or not kind.startswith("call:"):
            return callee
        return self._constructor(made[0], kind.removeprefix("call:"), hops - 1)

    def _is_generator(self, path: str, callee: str) -> bool:
        made = self.callee(path, callee) if callee else None
        return made is not None and self.functions[made].has_generator

    @cached_property
    def accesses_in(self) -> dict[FunctionKey, list[Access]]:
        """Uses of cells by the function that they stand in."""
        found: dict[FunctionKey, list[Access]] = defaultdict(list)
        for uses in self.accesses.values():
            for path, use in uses:
                found[path, use.function].append(use)
        return found

    @cached_property
    def calls(self) -> dict[FunctionKey, list[tuple[Call, FunctionKey]]]:
        """Calls of program functions, by the calling function ("" at import)."""
        found: dict[FunctionKey, list[tuple[Call, FunctionKey]]] = defaultdict(list)
        for path, module in self.modules.items():
            for call in module.calls:
                callee = self.callee(path, call.callee)
                if callee is not None:
                    found[path, call.function].append((call, callee))
        return dict(found)

    @cached_property
    def implicit_calls(self) -> dict[FunctionKey, list[tuple[Call, FunctionKey]]]:
        """Calls that no parentheses show: of context managers, of properties, of what a log record goes through."""
        found: dict[FunctionKey, list[tuple[Call, FunctionKey]]] = defaultdict(list)
        for path, module in self.modules.items():
            asked = [each for each in module.accesses if each.subject.rpartition(".")[2] in self._properties]
            for call in (*module.entered, *map(_as_call, asked)):
                callee = self.callee(path, call.callee)
                if callee is not None:
                    found[path, call.function].append((call, callee))
            for call in module.calls if self._log_hooks else ():
                if call.callee.rpartition(".")[2] in LOGGING and self.callee(path, call.callee) is None:
                    found[path, call.function] += [(call, hook) for hook in self._log_hooks]
        return dict(found)

    @cached_property
    def _properties(self) -> frozenset[str]:
        """Names of the attributes that are properties of some class."""
        known = ((key, each.name) for key, function in self.functions.items() for each in function.decorators)
        return frozenset(name.rpartition(".")[2] for (_, name), decorator in known if decorator in PROPERTIES)

    @cached_property
    def _log_hooks(self) -> list[FunctionKey]:
        """The methods of the program that every log record goes through."""
        kept = [(key, base) for key, each in self.classes.items() for base in each.bases if base in LOG_HOOKS]
        methods = [(path, f"{name}.{LOG_HOOKS[base]}") for (path, name), base in kept]
        return [each for each in methods if each in self.functions]

    def callee(self, path: str, name: str) -> FunctionKey | None:
        """The program function that a call of `name` runs (`__init__` for a class)."""
        target = self.resolve(path, name)
        match target:
            case Target(kind="function"):
                return (target.path, target.name)
            case Target(kind="class"):
                return self.method_of(target, "__init__")
            case _:
                return self._method(path, name)

    def _method(self, path: str, name: str) -> FunctionKey | None:
        """`helper.run` and `Helper.run`, where the class of the object is known and a base may have the method."""
        owner, _, method = name.rpartition(".")
        target = self.resolve(path, owner) if owner else None
        match target:
            case Target(kind="class"):
                return self.method_of(target, method)
            case Target(kind="cell"):
                made = self.class_of((target.path, target.name))
                return None if made is None else self.method_of(made, method)
            case Target(kind="function"):  # `service().add`, spelled without the call
                made = self.given_by(path, owner)
                return None if made is None else self.method_of(made, method)
            case None if "." in owner:
                made = self._made(path, owner)
                return None if made is None else self.method_of(made, method)
            case _:
                return None

    @cached_property
    def call_sites(self) -> dict[FunctionKey, list[tuple[str, Call]]]:
        """Where each program function is called."""
        found: dict[FunctionKey, list[tuple[str, Call]]] = defaultdict(list)
        for (path, _), calls in self.calls.items():
            for call, callee in calls:
                found[callee].append((path, call))
        return dict(found)

    @cached_property
    def wrappers(self) -> dict[FunctionKey, tuple[FunctionKey, ...]]:
        """What runs in place of a decorated function, outermost first, as far as the program makes it."""
        found: dict[FunctionKey, tuple[FunctionKey, ...]] = {}
        for (path, name), function in self.functions.items():
            made = [each for decorator in function.decorators for each in self._wrappers_of(path, decorator)]
            if made:
                found[path, name] = tuple(made)
        return found

    def _wrappers_of(self, path: str, decorator: Decorator) -> list[FunctionKey]:
        """What a decorator runs around a function; for `@compose(one, other)` what those that it is given run."""
        own = self._wrapper(path, decorator)
        is_known = self.resolve(path, decorator.name) is not None
        given = decorator.given if own is None and is_known else ()
        made = [own, *(self._wrapper(path, Decorator(name, is_call=False)) for name in given)]
        return [each for each in made if each is not None]

    def _wrapper(self, path: str, decorator: Decorator) -> FunctionKey | None:
        if decorator.name.endswith(GENERATED):
            return None  # it leaves the handler as it is, and what it keeps is told apart
        target = self.resolve(path, decorator.name)
        made = (target.path, target.name) if target is not None and target.kind == "function" else None
        for _ in range(1 + int(decorator.is_call)):
            made = None if made is None else self._function_made_by(made)
        return made

    def _function_made_by(self, maker: FunctionKey) -> FunctionKey | None:
        """The inner function that a function returns."""
        inner = ((maker[0], f"{maker[1]}.{each.value.text}") for each in self.functions[maker].returns)
        return next((key for key in inner if key in self.functions), None)

    @cached_property
    def wrapped_calls(self) -> dict[FunctionKey, list[Call]]:
        """The calls in a wrapper of what it wraps: the first parameter of the function around it."""
        found: dict[FunctionKey, list[Call]] = defaultdict(list)
        for wrapper in {each for chain in self.wrappers.values() for each in chain}:
            around = self.functions[wrapper[0], wrapper[1].rpartition(".")[0]]
            name = around.parameters[0].name if around.parameters else ""
            calls = self.modules[wrapper[0]].calls
            found[wrapper] = [each for each in calls if (each.function, each.callee) == (wrapper[1], name)]
        return dict(found)

    @cached_property
    def given_as_values(self) -> frozenset[FunctionKey]:
        """Functions that are also passed on, kept or listed: others may call them, with whatever arguments."""
        found: set[FunctionKey] = set()
        for path, module in self.modules.items():
            found |= {key for name in module.mentions for key in self._meant(path, name, "")}
            for each in module.functions:
                found |= {key for name in each.given for key in self._meant(path, name, each.qualname)}
        return frozenset(found)

    def _meant(self, path: str, name: str, function: str) -> Iterator[FunctionKey]:
        nested = (path, f"{function}.{name}")
        found = nested if nested in self.functions else self.callee(path, name)
        yield from [] if found is None else [found]

    @cached_property
    def entries(self) -> dict[FunctionKey, tuple[EntryPoint, ...]]:
        """Entry points by function, re-exports followed, and functions that a handler variable is made of."""
        found: dict[FunctionKey, tuple[EntryPoint, ...]] = {}
        for entry in self.root.entries:
            for key in self._entered(entry):
                found[key] = (*found.get(key, ()), entry)
        return found

    def _entered(self, entry: EntryPoint) -> Iterator[FunctionKey]:
        target = self._member(entry.path, entry.attribute, HOPS) if entry.path in self.modules else None
        match target:
            case Target(kind="function"):
                yield target.path, target.name
            case Target(kind="cell"):
                yield from self._run_by(target.path, self.cells[target.path, target.name])
                yield from self._wrapped(target.path, self.cells[target.path, target.name])
            case _:
                pass

    def _run_by(self, path: str, cell: Cell) -> Iterator[FunctionKey]:
        """`handler = App().handle`, `handler = Handler()` with `__call__`, `handler = lambda e, c: main(e)`."""
        for name in cell.runs:
            found = self.callee(path, name)
            yield from [] if found is None else [found]

    def _wrapped(self, path: str, cell: Cell) -> Iterator[FunctionKey]:
        """`handler = wrap(_handle)`, `handler = make()`: what is given, and what the maker makes."""
        for atom in sorted(cell.value.atoms) if cell.value is not None else ():
            target = self.resolve(path, atom.detail) if atom.kind in ("name", "import", "call") else None
            if target is None or target.kind != "function":
                continue
            inside = [
                key for key in self.functions if key[0] == target.path and key[1].startswith(f"{target.name}.")
            ]
            for key in [(target.path, target.name)] if atom.kind != "call" else inside:
                if len(self.functions[key].parameters) >= HANDLER_PARAMETERS:
                    yield key

    @cached_property
    def handler_variables(self) -> tuple[EntryPoint, ...]:
        """Entry points that are variables, such as `handler = Mangum(app)`: a framework calls what it knows."""
        entries = (entry for entry in self.root.entries if entry.path in self.modules)
        targets = ((entry, self._member(entry.path, entry.attribute, HOPS)) for entry in entries)
        return tuple(entry for entry, target in targets if target is not None and target.kind == "cell")

    def stray_attributes(self, key: CellKey) -> int:
        """How many `.name` in the program cannot be told to be this cell or not: `thing.SESSIONS`."""
        name = key[1].rpartition(".")[2]
        total = sum(dict(module.attributes).get(name, 0) for module in self.modules.values())
        known = sum(use.is_attribute for _, use in self.accesses.get(key, ()))
        return total - known

    def connections(self) -> Iterator[tuple[str, Connection]]:
        """Every connection that is built inside a function."""
        for path in self.modules:
            for connection in self.connections_of(path):
                yield path, connection

    def connections_of(self, path: str) -> tuple[Connection, ...]:
        """The connections that one file builds."""
        return self._connections[path]

    @cached_property
    def _connections(self) -> dict[str, tuple[Connection, ...]]:
        """By file; what another module of the program only hands on is called by its own name."""
        found: dict[str, list[Connection]] = defaultdict(list)
        for path, module in self.modules.items():
            for connection in module.connections:
                name = connection.constructor
                meant = name if name in CONSTRUCTORS else self._handed_on(path, name)
                if meant in CONSTRUCTORS:
                    found[path].append(replace(connection, constructor=meant))
        return {path: tuple(found[path]) for path in self.modules}

    def _handed_on(self, path: str, name: str, hops: int = HOPS) -> str:
        """What `shared.PoolManager` is, where shared.py says `from urllib3 import PoolManager`."""
        for base in self._bases(path, name):
            parts = base.split(".")
            for size in range(len(parts) - 1, 0, -1):
                module = self._dotted.get(".".join(parts[:size]))
                imported = None if module is None else self._imports[module].get(parts[size])
                if module is not None and imported is not None and hops:
                    target = ".".join([import_target(imported), *parts[size + 1 :]])
                    return target if target in CONSTRUCTORS else self._handed_on(module, target, hops - 1)
        return ""


def _started(cell: Cell) -> Access:
    """What a call of the runtime does to a function that a variable of the module holds."""
    function = cell.runs[0] if cell.runs else cell.name
    where = (cell.place, cell.statement, cell.statement, cell.statement, cell.statement.start, ())
    return Access(cell.name, "unknown:__call__", function, *where, spelled=cell.name, fates=frozenset({"returned"}))


def _as_call(access: Access) -> Call:
    """`ctx.user`, if that is a property; `ctx.users[name] = …` changes what it gives."""
    fates = access.fates | {"mutated"} if access.op in CHANGES else access.fates
    return Call(access.subject, access.function, access.place, access.span, access.order, access.guards, (), fates)
