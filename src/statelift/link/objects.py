"""Program -> which objects of the container a call may change by other means than an assignment to their name."""

import re
from collections.abc import Callable, Iterator
from functools import cached_property

from statelift.catalogue import CONSTRUCTORS
from statelift.facts.unnamed import ANY, SELF
from statelift.facts.values import Access, Cell, Function
from statelift.link.lifetime import Lifetimes
from statelift.link.names import CellKey, FunctionKey, Target
from statelift.link.program import Program

REQUEST = re.compile(r"current_\w+|request|lambda_context|context")  # what a framework's object has of the call
PLAIN = frozenset(
    """json.load json.loads yaml.safe_load yaml.load toml.load toml.loads tomllib.load tomllib.loads dict
    types.SimpleNamespace types.MappingProxyType os.environ.copy collections.namedtuple pathlib.Path str int float
    configparser.ConfigParser argparse.Namespace os.getenv os.environ.get re.compile
    boto3.Session boto3.session.Session botocore.config.Config botocore.client.Config""".split()
)  # what these make says the same until someone changes it
ASKING = re.compile(r"get|is_|has|as_|to_|keys|items|values|copy|index|count|join|format|split|exists|read_text")
CHANGING = frozenset("append extend add remove discard clear setdefault pop".split())
CHANGED_BY = (
    "it is changed in place",
    "an augmented assignment",
    "it is passed to setattr",
    "it is passed to vars",
)
Dangers = Callable[[str, Access], tuple[str, ...]]


class Objects:
    """Answers `is_unnamed` and `is_touched` for the cells of one program.

    `dangers` tells what becomes of the object that a use gives, followed into the functions of the program.
    """

    def __init__(self, program: Program, dangers: Dangers) -> None:
        self.program = program
        self.lifetimes = Lifetimes(program)
        self._dangers = dangers
        self._touched: dict[CellKey, bool] = {}

    # ------------------------------------------------------------ changed without being named

    def is_unnamed(self, key: CellKey) -> bool:
        """Whether some function may change the cell without naming it."""
        owner = (key[0], key[1].rpartition(".")[0])
        return self.is_open(key[0]) or key in self._unnamed or owner in self._unnamed

    def is_class_open(self, made: Target) -> bool:
        """Whether functions may set attributes of a class, or of its objects, that are not named."""
        return (made.path, made.name) in self._unnamed

    def is_open(self, path: str) -> bool:
        """Whether the variables of a module may be others than those that its text binds."""
        return path in self._open or (path, "__getattr__") in self.program.functions

    @cached_property
    def _open(self) -> frozenset[str]:
        paths = {target.path for target in self._targets if target.kind == "module"}
        return frozenset(self.program.modules) if "" in paths else frozenset(paths)

    @cached_property
    def _unnamed(self) -> frozenset[CellKey]:
        return frozenset((target.path, target.name) for target in self._targets if target.kind != "module")

    @cached_property
    def _targets(self) -> frozenset[Target]:
        """What is changed without being named; a module without a path stands for any."""
        return frozenset(self._found())

    def _found(self) -> Iterator[Target]:
        for path, module in self.program.modules.items():
            for name in module.unnamed:
                if name in (SELF, ANY):
                    yield Target("module", path if name == SELF else "")
                else:
                    target = self.program.resolve(path, name) or self._owner(path, name)
                    yield from [] if target is None else [target]
            for use in module.accesses:
                target = self._escaped(path, use)
                yield from [] if target is None else [target]

    def _owner(self, path: str, name: str) -> Target | None:
        """`config.REGION` that the module does not define: it has it from now on."""
        return self.program.resolve(path, name.rpartition(".")[0]) if "." in name else None

    def _escaped(self, path: str, use: Access) -> Target | None:
        """A module of the program that is given to something which may set its variables."""
        if use.op not in ("escape", "dynamic") or not use.function:
            return None
        target = self.program.resolve(path, use.subject)
        if target is None or target.kind != "module":
            return None
        found = self._dangers(path, use)
        is_read = all(each.startswith("it is passed to getattr") for each in found)
        return None if use.op == "escape" and is_read else target

    # ------------------------------------------------------------ called by whoever has them

    @cached_property
    def given_away(self) -> frozenset[FunctionKey]:
        """Functions that are called as no call site shows: they stand as values, or super() calls them."""
        found: set[FunctionKey] = set()
        for path, module in self.program.modules.items():
            names = module.mentions.union(*(each.given for each in module.functions))
            targets = [self.program.resolve(path, name) for name in names]
            found |= {(each.path, each.name) for each in targets if each is not None and each.kind == "function"}
            found |= {
                key for each in module.functions if "super" in each.references for key in self._above(path, each)
            }
        return frozenset(found)

    def _above(self, path: str, function: Function) -> Iterator[FunctionKey]:
        """The methods that super() means in a method."""
        own = self.program.classes.get((path, function.class_name))
        for base in own.bases if own is not None else ():
            target = self.program.resolve(path, base) if base else None
            if target is not None and target.kind == "class":
                method = self.program.method_of(target, function.qualname.rpartition(".")[2])
                yield from [] if method is None else [method]

    # ------------------------------------------------------------ changed by their methods

    def made_of(self, key: CellKey) -> Target | None:
        """The class of the program of which the cell holds an object."""
        return self.program.class_of(key)

    def is_touched(self, key: CellKey) -> bool:
        """Whether a function may change the object that the cell holds, also by a method that is not known."""
        if key not in self._touched:
            self._touched[key] = False
            cell = self.program.cells.get(key)
            is_client = cell is not None and cell.callee in CONSTRUCTORS
            self._touched[key] = not is_client and any(
                use.function and self._touches(key, path, use) for path, use in self.program.accesses.get(key, ())
            )
        return self._touched[key]

    def _touches(self, key: CellKey, path: str, use: Access) -> bool:
        kind, _, method = use.op.partition(":")
        if use.op in CHANGING or (kind == "method" and not ASKING.match(method)):
            return True
        if kind == "unknown":
            return not (self._is_own(key, method) or ASKING.match(method))
        return use.changes_result or any(each.startswith(CHANGED_BY) for each in self._dangers(path, use))

    def _is_own(self, key: CellKey, method: str) -> bool:
        """Whether a method is one of the program: what that changes is known."""
        made = self.made_of(key)
        return made is not None and self.program.method_of(made, method) is not None

    # ------------------------------------------------------------ the attributes of the program's own objects

    def later_changes(self, key: CellKey) -> Iterator[tuple[str, Access]]:
        """The uses of a field of an object that are no part of making the object."""
        cell = self.program.cells[key]
        for path, use in self.program.accesses.get(key, ()):
            if use.function and not self.lifetimes.is_building(key, cell, use):
                yield path, use


def is_plain(cell: Cell) -> bool:
    """Whether what the cell holds only changes where the program changes it."""
    return cell.kind != "call" or cell.callee in PLAIN or cell.callee in CONSTRUCTORS
