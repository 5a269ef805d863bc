"""Program -> the questions that all judges ask: reachability, traces, sources, test files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from statelift.facts.values import Access, Guard, Value
from statelift.link.beside import functions_beside
from statelift.link.deciding import Deciding
from statelift.link.derivations import Collections
from statelift.link.filepaths import FilePaths
from statelift.link.lifetime import Lifetimes
from statelift.link.names import CellKey, FunctionKey
from statelift.link.program import Program
from statelift.link.reach import Reach
from statelift.link.sources import Sources
from statelift.link.trace import Trace, traces_of
from statelift.link.ways import Ways
from statelift.model import Use

MISSES = {("present", False), ("none", True), ("truthy", False)}
LACKING = ("holds", False)  # what it has lacks an element, and is read anew
HITS = {("present", True), ("none", False), ("truthy", True)}
SOURCE_READS = frozenset(
    "get_item query scan get_object select find_one find get hget hgetall get_parameter get_secret_value".split()
)
SOURCE_WRITES = frozenset(
    """put_item update_item delete_item batch_writer put_object upload_file upload_fileobj delete_object insert_one
    update_one replace_one delete_one insert_many set hset setex delete put_parameter put_secret_value""".split()
)
KEY_ERRORS = frozenset({"KeyError", "LookupError", "Exception", "BaseException"})
COMMON_FOLDERS = frozenset("src lib app code python lambda lambdas function functions services".split())
MOST_NAMED = 4
FILE_ERRORS = frozenset({"FileNotFoundError", "OSError", "IOError", "Exception", "BaseException"})


class Evidence:
    """One program and what can be asked of it, by path.

    `tests` are test files, `unread` files of the program that cannot be parsed, `project` all that was read.
    """

    def __init__(
        self,
        program: Program,
        tests: Mapping[str, bytes],
        unread: Mapping[str, bytes],
        project: Mapping[str, bytes],
    ) -> None:
        self.program = program
        self.tests = tests
        self.unread = unread
        self.project = project
        self.reach = Reach(program)
        self.sources = Sources(program)
        self.deciding = Deciding(program)
        self.lifetimes = Lifetimes(program)
        self.collections = Collections(program)
        self.ways = Ways(program)
        self.files = FilePaths(program, self.lifetimes)

    @cached_property
    def traces(self) -> tuple[Trace, ...]:
        """What each entry point does, in order."""
        return tuple(traces_of(self.program, self.files.effects))

    @cached_property
    def apart(self) -> tuple[Trace, ...]:
        """What functions do that touch files and run, but by calls that cannot be followed."""
        seen = frozenset[FunctionKey]().union(*(trace.functions for trace in self.traces))
        left = {key for key in self.program.functions if key not in seen and self.reach.has(key)}
        called = {callee for key in left for _, callee in self.program.calls.get(key, ())}
        starts = sorted(left - called)
        return tuple(traces_of(self.program, self.files.effects, starts)) if starts else ()

    @cached_property
    def beside(self) -> frozenset[FunctionKey]:
        """The functions that may run in threads or processes beside the handler."""
        return functions_beside(self.program, self.reach)

    def mentioning_unread(self, word: str) -> str | None:
        """The first file of the program that could not be analysed and holds the word."""
        return next((path for path, data in sorted(self.unread.items()) if word.encode() in data), None)

    def handlers(self, uses: list[tuple[str, Access]]) -> tuple[str, ...]:
        """Ids of the entry points that reach any of these uses."""
        found = {entry for path, use in uses for entry in self.reach.entries_of((path, use.function))}
        return tuple(sorted(found))

    def is_reachable(self, path: str, function: str) -> bool:
        """Whether an entry point can run the function."""
        return bool(function) and self.reach.has((path, function))

    def reached(self, key: CellKey) -> list[tuple[str, Access]]:
        """The uses of a cell that an entry point can come to, without those that make the object it lives in."""
        cell = self.program.cells.get(key)
        found = [
            (path, use) for path, use in self.program.accesses.get(key, ()) if self.is_reachable(path, use.function)
        ]
        return (
            found
            if cell is None
            else [each for each in found if not self.lifetimes.is_building(key, cell, each[1])]
        )

    def changes(self, path: str, use: Access) -> bool:
        """Whether a use changes the cell that it names."""
        target = self.program.resolve(path, use.subject)
        cell = None if target is None else self.program.cells.get((target.path, target.name))
        return cell is not None and self.sources.is_changed_by(cell, path, use)

    def classes_made(self, path: str, value: Value, function: str = "") -> list[str]:
        """Names of the program's classes of which a value of a function may be an object."""
        called = {
            self.program.resolve(path, atom.detail) for atom in value.atoms if atom.kind == "call" and atom.detail
        }
        made = {target.name for target in called if target is not None and target.kind == "class"}
        is_new = function.endswith(".__new__") and value.text.isidentifier()
        return sorted(made | ({function.removesuffix(".__new__")} if is_new else set()))

    def rewritten_source(self, key: FunctionKey, *, only_tables: bool = False) -> Iterator[str]:
        """Why what a function fetches from a store may be stale: the program itself writes to that store.

        `only_tables`: not by way of a client, which may speak of other keys and buckets each time.
        """
        for base, path in self._bases(key, SOURCE_READS):
            if only_tables and ".Table(" not in getattr(self.program.cells[path, base].value, "text", ""):
                continue
            for other in sorted(self.program.functions):
                if self.reach.has(other) and (base, path) in set(self._bases(other, SOURCE_WRITES)):
                    yield f"rule 7: it keeps what it reads from {base}, and {other[1]}() writes to {base}"
                    break

    def is_source_written(self, key: FunctionKey) -> bool:
        """Whether some function writes what this one fetches: by the same client, with the same fixed arguments."""
        return any(
            base == other and given.items() <= written.items()
            for base, given in self._fixed_calls(key, SOURCE_READS)
            for writer in self.program.functions
            if self.reach.has(writer)
            for other, written in self._fixed_calls(writer, SOURCE_WRITES)
        )

    def _fixed_calls(self, key: FunctionKey, methods: frozenset[str]) -> Iterator[tuple[CellKey, dict[str, str]]]:
        """Calls of methods of a kept client in a function, with the literals that they are given by name."""
        for call in self.program.modules[key[0]].calls if key[0] in self.program.modules else ():
            base, _, method = call.callee.rpartition(".")
            if call.function != key[1] or method not in methods:
                continue
            target = self.program.resolve(key[0], base)
            given = {each.name: each.value.text for each in call.arguments if not each.name.isdigit()}
            is_fixed = all({a.kind for a in each.value.atoms} == {"const"} for each in call.arguments)
            if target is not None and target.kind == "cell" and given and (is_fixed or method in SOURCE_WRITES):
                yield (target.path, target.name), given

    def _bases(self, key: FunctionKey, methods: frozenset[str]) -> Iterator[tuple[str, str]]:
        """The cells of which a function mentions one of these methods: `table` for `table.get_item`."""
        for name in sorted(self.program.functions[key].references):
            base, _, method = name.rpartition(".")
            target = self.program.resolve(key[0], base) if base and method in methods else None
            if target is not None and target.kind == "cell":
                yield target.name, target.path

    def mentions(self, path: str, *words: str) -> str:
        """Who names all of these words of a file of the program, as the start of a sentence: `tests/a.py mentions`.

        Tests, and modules that are not deployed with the program and import the file; "" where nobody does.
        """
        names = self._mentioning(path, words)
        if len(names) > MOST_NAMED:
            names = [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1} more files"]
        if len(names) < 2:
            return f"{names[0]} mentions" if names else ""
        return f"{', '.join(names[:-1])} and {names[-1]} mention"

    def _mentioning(self, path: str, words: Sequence[str]) -> list[str]:
        """Tests beside the code root, below its parent folder or about it; what imports the file from outside."""
        needles = [_needle(word) for word in words]
        module = PurePosixPath(path.removesuffix("/__init__.py")).stem
        about = [_needle(word) for word in (module, *_home_of(self.program.root.path))]
        imported = re.compile(rb"^[ \t]*(?:from|import)\b.*\b%s\b" % re.escape(module.encode()), re.MULTILINE)
        near = self.program.root.path.rpartition("/")[0]
        found = []
        for other, data in self.project.items():
            if other in self._own or not other.endswith(".py") or words[0].encode() not in data:
                continue
            if other in self.tests:
                is_meant = not near or other.startswith(f"{near}/") or all(each.search(data) for each in about)
            else:
                sibling = f"{other.rpartition('/')[0]}/{module}.py".lstrip("/")
                is_meant = imported.search(data) is not None and (sibling == path or sibling not in self.project)
            if is_meant and all(needle.search(data) for needle in needles):
                found.append(other)
        return sorted(found)

    @cached_property
    def _own(self) -> frozenset[str]:
        """The files of the program."""
        return frozenset({*self.program.root.files, *self.unread}) - self.tests.keys()


def _needle(word: str) -> re.Pattern[bytes]:
    """A word of a program, or a path, where no longer one holds it."""
    return re.compile(rb"(?<!\w)" + re.escape(word.encode()) + rb"(?![\w])")


def _home_of(root: str) -> list[str]:
    """The folder that tells a code root from others: `functions/orders/src` -> `orders`."""
    parts = [part for part in root.split("/") if part not in COMMON_FOLDERS]
    return parts[-1:]


def uses_of(accesses: list[tuple[str, Access]]) -> tuple[Use, ...]:
    """The uses as they are reported, in order of place."""
    return tuple(sorted({Use(path, access.place.line, access.op) for path, access in accesses}))


def is_miss(guard: Guard, subject: str, key: str) -> bool:
    """Whether a guard says that the cell does not hold the key (or not in a usable state)."""
    return any(
        test.subject == subject
        and (test.key == key or not key or not test.key)
        and ((test.relation, test.holds) in {*MISSES, LACKING} or test.relation == "other")
        for test in guard.tests
    )


def is_hit(guard: Guard, subject: str, key: str) -> bool:
    """Whether a guard says that the cell holds the key."""
    return guard.mode == "all" and any(
        test.subject == subject and test.key == key and (test.relation, test.holds) in HITS for test in guard.tests
    )
