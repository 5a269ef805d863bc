"""ModuleFacts of one code root -> what every name means across its files: functions, classes, cells, modules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from statelift.facts.syntax import OPEN_OBJECTS
from statelift.facts.values import Access, Cell, Class, Function, Import, ModuleFacts
from statelift.link.process import PROCESS, changes_process, process_cell, process_key
from statelift.model import CodeRoot

FunctionKey = tuple[str, str]  # path, qualified name
CellKey = tuple[str, str]  # path, name
HOPS = 6  # how many re-exports are followed
DEPTH = 6  # how many calls a value is followed through


@dataclass(frozen=True, slots=True)
class Target:
    """What a dotted name denotes in the program."""

    kind: str  # function, class, cell or module
    path: str
    name: str = ""


@dataclass(frozen=True)
class Names:
    """The names of one code root."""

    root: CodeRoot
    modules: Mapping[str, ModuleFacts]

    @cached_property
    def functions(self) -> dict[FunctionKey, Function]:
        """Every function of the program."""
        return {(path, f.qualname): f for path, module in self.modules.items() for f in module.functions}

    @cached_property
    def cells(self) -> dict[CellKey, Cell]:
        """Every cell of the program, those of the process included."""
        return {**self._open_cells, **self._own_cells, **self._process_cells}

    @cached_property
    def _own_cells(self) -> dict[CellKey, Cell]:
        """The cells that a file defines by itself."""
        return {(path, cell.name): cell for path, module in self.modules.items() for cell in module.cells}

    @cached_property
    def _open_cells(self) -> dict[CellKey, Cell]:
        """Attributes that other files set on objects of no class of ours: `store.local.user = …`."""
        found: dict[CellKey, Cell] = {}
        for path, module in self.modules.items():
            for access in module.accesses:
                key = self._open_attribute(path, access) if access.op == "rebind" else None
                if key is not None and key not in self._own_cells:
                    where = (access.place, None, 1, access.statement, None)
                    found[key] = Cell(key[1], "other", *where, home="object")
        return found

    def _open_attribute(self, path: str, access: Access) -> CellKey | None:
        owner, _, attribute = access.subject.rpartition(".")
        target = self.resolve(path, owner) if access.is_attribute and owner else None
        holder = None if target is None else self._own_cells.get((target.path, target.name))
        is_open = holder is not None and holder.callee in OPEN_OBJECTS and holder.home == "module"
        return (target.path, f"{target.name}.{attribute}") if target is not None and is_open else None

    @cached_property
    def _process_cells(self) -> dict[CellKey, Cell]:
        """Environment variables and other parts of the process that some function changes."""
        found: dict[CellKey, Cell] = {}
        for module in self.modules.values():
            for access in module.accesses:
                if access.subject in PROCESS and access.function and changes_process(access):
                    key = process_key(access)
                    if key is not None and key not in found:
                        found[key] = process_cell(key, access)
        return found

    @cached_property
    def classes(self) -> dict[tuple[str, str], Class]:
        """Every class of the program, by path and qualified name."""
        return {(path, each.qualname): each for path, module in self.modules.items() for each in module.classes}

    @cached_property
    def _dotted(self) -> dict[str, str]:
        """Module name -> path. Of a module and a package of one name, Python imports the package."""
        ordered = sorted(self.modules, key=lambda path: path.endswith("/__init__.py"))
        return {self.dotted(path): path for path in ordered}

    def dotted(self, path: str) -> str:
        """Module name of a file, as its siblings import it."""
        inside = path.removeprefix(f"{self.root.path}/") if self.root.path else path
        return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def _imports(self) -> dict[str, dict[str, Import]]:
        return {path: {each.local: each for each in module.imports} for path, module in self.modules.items()}

    @cached_property
    def _stars(self) -> dict[str, list[Import]]:
        return {path: [each for each in m.imports if each.local == "*"] for path, m in self.modules.items()}

    # ------------------------------------------------------------ names

    def resolve(self, path: str, name: str) -> Target | None:
        """What a dotted name, as facts give it (imports already replaced), denotes in the program."""
        if path not in self.modules:  # a cell of the process
            return None
        own = self._member(path, name, HOPS)
        return own or self._absolute(path, name, HOPS) or self._instead(path, name)

    def _instead(self, path: str, name: str) -> Target | None:
        """`try: from fast import cache` / `except ImportError: cache = {}`: what the module defines instead."""
        local = self._locals[path].get(name, "") if path in self._locals else ""
        return Target("cell", path, local) if (path, local) in self._own_cells else None

    @cached_property
    def _locals(self) -> dict[str, dict[str, str]]:
        """Dotted name -> the name that a file gives to what it imports."""
        return {
            path: {import_target(each): each.local for each in module.imports if each.name is not None}
            for path, module in self.modules.items()
        }

    def _absolute(self, path: str, name: str, hops: int) -> Target | None:
        if hops == 0:
            return None
        for base in self._bases(path, name):
            parts = base.split(".")
            for size in range(len(parts), 0, -1):
                module = self._dotted.get(".".join(parts[:size]))
                if module is not None:
                    rest = ".".join(parts[size:])
                    return self._member(module, rest, hops) if rest else Target("module", module)
        return None

    def _bases(self, path: str, name: str) -> Iterator[str]:
        """The absolute names that an imported name can mean: relative ones, then from the root, then siblings."""
        package = self._package(path)
        if name.startswith("."):
            level = len(name) - len(name.lstrip("."))
            parts = package.split(".") if package else []
            kept = parts[: len(parts) - (level - 1)]
            yield ".".join([*kept, name.lstrip(".")])
            return
        yield name
        while package:
            yield f"{package}.{name}"
            package = package.rpartition(".")[0]

    def _package(self, path: str) -> str:
        dotted = self.dotted(path)
        return dotted if path.endswith("/__init__.py") else dotted.rpartition(".")[0]

    @cached_property
    def _members(self) -> dict[tuple[str, str, int], Target | None]:
        """What `_member` has found: through star imports of star imports, it is asked the same very often."""
        return {}

    def _member(self, path: str, name: str, hops: int) -> Target | None:
        key = (path, name, hops)
        if key not in self._members:
            self._members[key] = self._found(path, name, hops)
        return self._members[key]

    def _found(self, path: str, name: str, hops: int) -> Target | None:
        if (path, name) in self.functions:
            return Target("function", path, name)
        if (path, name) in self._own_cells or (path, name) in self._process_cells:
            return Target("cell", path, name)
        if (path, name) in self.classes:
            return Target("class", path, name)
        head, _, rest = name.partition(".")
        imported = self._imports[path].get(head)
        if hops == 0:
            return None
        if imported is None:
            return self._starred(path, name, hops)
        target = import_target(imported)
        return self._absolute(path, f"{target}.{rest}" if rest else target, hops - 1)

    def _starred(self, path: str, name: str, hops: int) -> Target | None:
        """What a star import brings; of several, the last one that has the name."""
        for star in reversed(self._stars[path]):
            found = self._absolute(path, f"{import_target(star).removesuffix('*')}{name}", hops - 1)
            if found is not None:
                return found
        return None

    def imported(self, path: str, each: Import) -> Target | None:
        """What an import of a file brings, if it is of the program; for a star import the module."""
        name = import_target(each)
        return self._absolute(path, name.removesuffix("*").rstrip(".") if each.local == "*" else name, HOPS)

    # ------------------------------------------------------------ classes

    def class_of(self, key: CellKey) -> Target | None:
        """The class of the program that made what a cell holds at first."""
        callee = self.cells[key].callee if key in self.cells else ""
        made = self.resolve(key[0], callee) if callee else None
        return made if made is not None and made.kind == "class" else None

    def attribute_of(self, owner: Target, attribute: str) -> CellKey | None:
        """The cell that an attribute of an object of this class is, its bases included."""
        return self._inherited(owner, attribute, HOPS)

    def fields_of(self, made: Target) -> list[str]:
        """Names of the fields of a dataclass or NamedTuple, in order."""
        names = [name for path, name in self.cells if path == made.path] if made.kind == "class" else []
        own = [name.rpartition(".") for name in names]
        return [field for owner, _, field in own if owner == made.name]

    def _inherited(self, owner: Target, attribute: str, hops: int) -> CellKey | None:
        key = (owner.path, f"{owner.name}.{attribute}")
        if key in self.cells or hops == 0:
            return key if key in self.cells else None
        for base in self.classes[owner.path, owner.name].bases:
            target = self.resolve(owner.path, base) if base else None
            if target is not None and target.kind == "class":
                return self._inherited(target, attribute, hops - 1)
        return None

    def method_of(self, owner: Target, method: str, hops: int = HOPS) -> FunctionKey | None:
        """The function that a method of a class is, looked up in its bases too."""
        key = (owner.path, f"{owner.name}.{method}")
        if key in self.functions or hops == 0:
            return key if key in self.functions else None
        for base in self.classes[owner.path, owner.name].bases:
            target = self.resolve(owner.path, base) if base else None
            if target is not None and target.kind == "class":
                return self.method_of(target, method, hops - 1)
        return None

    def has_star_import_of(self, path: str) -> bool:
        """Whether a file of the program takes every name of this module."""
        for importer, stars in self._stars.items():
            for star in stars:
                target = self._absolute(importer, "." * star.level + star.module, HOPS)
                if target is not None and target.path == path:
                    return True
        return False

    def overriding(self, key: CellKey) -> list[str]:
        """The subclasses that have a class attribute of their own in place of this one."""
        path, name = key
        owner, _, attribute = name.rpartition(".")
        made = Target("class", path, owner)
        return [
            known
            for at, known in sorted(self.classes if owner else ())
            if (at, known) != (path, owner) and (at, f"{known}.{attribute}") in self.cells
            and self._is_subclass(Target("class", at, known), made, HOPS)
        ]  # fmt: skip

    def derived_from(self, owner: tuple[str, str]) -> bool:
        """Whether some class of the program is derived from this one."""
        made = Target("class", *owner)
        return any(self._is_subclass(Target("class", *each), made, HOPS) for each in self.classes)

    def _is_subclass(self, one: Target, other: Target, hops: int) -> bool:
        bases = (self.resolve(one.path, base) for base in self.classes[one.path, one.name].bases if base)
        found = [each for each in bases if each is not None and each.kind == "class"]
        return hops > 0 and (other in found or any(self._is_subclass(each, other, hops - 1) for each in found))


def shift_of(function: Function) -> int:
    """1 where the first parameter is the object that a method is called on."""
    return function.shift


def import_target(imported: Import) -> str:
    """The dotted name that an import binds."""
    prefix = "." * imported.level + imported.module
    if imported.name is None:
        return prefix if imported.local == prefix else prefix.partition(".")[0]
    dot = "" if prefix.endswith(".") or not prefix else "."
    return f"{prefix}{dot}{imported.name}"
