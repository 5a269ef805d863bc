"""Program -> its effects on files below /tmp, their paths followed through constants, parameters and functions."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cache, cached_property
from posixpath import normpath

from statelift.facts.pieces import MARKERS, is_fresh, is_temporary, pieces_of, remembered
from statelift.facts.values import Argument, Call, Cell, FileEffect, ModuleFacts, Value
from statelift.link.lifetime import CACHES, Lifetimes
from statelift.link.names import FunctionKey, Target, shift_of
from statelift.link.program import Program
from statelift.link.trace import Frame, Step
from statelift.link.writes import is_write

ELSEWHERE = ""  # a path that is not known, or not below /tmp
HOPS = 8  # how many constants, parameters and functions are followed
_PLAIN = str.maketrans("{}!?~@", "()...:")  # what would be read as a part of a pattern
_PIECE = re.compile(r"\{(?P<text>[^{}@]*)@(?P<where>[^{}!?~]*)(?P<mark>[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a pattern stands: a file, and the call that the function runs for (None: any of its calls)."""

    path: str
    frame: Frame | None = None

    @property
    def outer(self) -> "_Context":
        """Where that call stands."""
        assert self.frame is not None
        return _Context(self.frame.path, self.frame.outer)


class FilePaths:
    """Answers which /tmp paths the patterns of the facts stand for in one program."""

    def __init__(self, program: Program, lifetimes: Lifetimes) -> None:
        self.program = program
        self.lifetimes = lifetimes
        # Each question comes back along every way through the calls: unanswered, exponentially often.
        self._known: dict[tuple[str, str, int], tuple[frozenset[str], frozenset[str]]] = {}
        self._is_new = cache(self._is_given_new)
        self._variables: set[str] = set()  # of the environment, met on the way to the paths asked for

    @cached_property
    def effects(self) -> dict[str, list[FileEffect]]:
        """Effects on files below /tmp, by the Python file that the code stands in."""
        return {path: [*self._effects(path, module)] for path, module in self.program.modules.items()}

    def patterns(self, path: str, pattern: str) -> frozenset[str]:
        """The /tmp paths that a pattern can stand for.

        "" is one of them where it may (also) be a path that is not known, or not below /tmp.
        """
        return self._found(path, pattern, HOPS)[0]

    def _found(self, path: str, pattern: str, hops: int) -> tuple[frozenset[str], frozenset[str]]:
        """The paths, and the variables of the environment that could make them others."""
        asked = path, pattern, hops
        if asked not in self._known:
            met, self._variables = self._variables, set()
            found = frozenset(self._worked_out(_Context(path), pattern, hops))
            self._known[asked] = found, frozenset(self._variables)
            self._variables = met
        return self._known[asked]

    def at(self, step: Step) -> frozenset[str]:
        """The /tmp paths that a step of an invocation can mean, with what its callers gave for parameters."""
        effect = step.item
        assert isinstance(effect, FileEffect)
        return frozenset(self._patterns(_Context(step.path, step.frame), effect.spelled, HOPS))

    def _effects(self, path: str, module: ModuleFacts) -> Iterator[FileEffect]:
        for effect in module.files:
            if effect.effect == "enter" or effect.span.end in self._calls[path]:
                continue
            patterns, variables = self._found(path, effect.path, HOPS)
            is_only = len(patterns) == 1
            is_relative = effect.path.startswith("<cwd>")
            is_rewritable = is_only and effect.is_rewritable and not is_relative
            for pattern in sorted(patterns - {ELSEWHERE}):
                source = min(self.patterns(path, effect.source) - {ELSEWHERE}, default="") if effect.source else ""
                yield replace(
                    effect, path=pattern, spelled=effect.path, source=source,
                    mode="relative" if is_relative else effect.mode, is_rewritable=is_rewritable,
                    is_certain=is_only, variables=tuple(sorted(variables)),
                )  # fmt: skip

    @cached_property
    def _calls(self) -> dict[str, dict[int, tuple[Call, FunctionKey]]]:
        """Calls of program functions by file, and by where they end."""
        found: dict[str, dict[int, tuple[Call, FunctionKey]]] = defaultdict(dict)
        for (path, _), calls in self.program.calls.items():
            for call, callee in calls:
                found[path][call.span.end] = call, callee
        return found

    @cached_property
    def working_folders(self) -> frozenset[str]:
        """The folders below /tmp that the program makes its working folder."""
        entered = {
            pattern
            for path, module in self.program.modules.items()
            for effect in module.files
            if effect.effect == "enter" and not effect.path.startswith("<cwd>")
            for pattern in self._patterns(_Context(path), effect.path, HOPS)
        }
        return frozenset(entered - {ELSEWHERE})

    def _patterns(self, where: _Context, pattern: str, hops: int) -> AbstractSet[str]:
        if where.frame is not None:
            return self._worked_out(where, pattern, hops)
        found, variables = self._found(where.path, pattern, hops)
        self._variables |= variables
        return found

    def _worked_out(self, where: _Context, pattern: str, hops: int) -> AbstractSet[str]:
        pattern = self._settled(where, pattern, hops)
        if not pattern.startswith(MARKERS):
            return {_plain(pattern)} if is_temporary(pattern) else {ELSEWHERE}
        marker, _, rest = pattern[1:].partition(">")
        kind, _, name = marker.partition(" ")
        if hops == 0:
            return {ELSEWHERE}
        match kind:
            case "import":
                found = self._constant(where.path, name, hops)
            case "param":
                found = self._argument(where, name, hops)
            case "call":
                found = self._result(where, name, hops)
            case "env":
                found = self._environment(name)
            case "maybe":
                return {ELSEWHERE, *self._patterns(where, rest, hops)}
            case _:
                found = self.working_folders or {ELSEWHERE}
        return {_plain(f"{base}{rest}") if base else ELSEWHERE for base in found}

    # ------------------------------------------------------------ pieces

    def _settled(self, where: _Context, pattern: str, hops: int) -> str:
        """The pattern with its pieces told apart: by what the call gives them, or by the call itself."""
        if not pieces_of(pattern) or hops == 0:
            return pattern
        return _PIECE.sub(lambda found: self._piece(where, found, hops), pattern)

    def _piece(self, where: _Context, found: re.Match[str], hops: int) -> str:
        text, place, mark = found["text"], found["where"], found["mark"]
        qualname = place.partition(":")[0]
        key, frame = (where.path, qualname), where.frame
        is_parameter = qualname == place and self._has_parameter(key, text)
        if frame is not None and frame.callee == key:
            given = self._given(key, text, frame.call) if is_parameter else None
            if given is not None:
                return self._settled(where.outer, given, hops - 1)
            place = f"{place}#{frame.id}"
        if mark.startswith("?"):
            mark = self._per_object(where.path, mark[1:])
        elif not mark and is_parameter and self._is_new(key, text, hops):
            mark = "!"
        return f"{{{text}@{place}{mark}}}"

    def _has_parameter(self, key: FunctionKey, name: str) -> bool:
        function = self.program.functions.get(key)
        return function is not None and any(each.name == name for each in function.parameters)

    def _given(self, key: FunctionKey, name: str, call: Call) -> str | None:
        """What a call gives for a parameter, as a piece of a pattern."""
        found = self._passed(key, name, call)
        return None if found is None else found.piece

    def _passed(self, key: FunctionKey, name: str, call: Call) -> Argument | None:
        function = self.program.functions[key]
        names = [each.name for each in function.parameters]
        wanted = (name, str(names.index(name) - shift_of(function)))
        return next((each for each in call.arguments if each.name in wanted), None)

    def _per_object(self, path: str, owner: str) -> str:
        return "~" if self.lifetimes.is_lasting_class((path, owner)) else "!"

    def _is_given_new(self, key: FunctionKey, name: str, hops: int) -> bool:
        """Whether every caller gives the parameter a value that is new in each invocation."""
        sites = self.program.call_sites.get(key, ())
        given = [(site, self._given(key, name, call)) for site, call in sites]
        pieces = [self._settled(_Context(site), each, hops - 1) for site, each in given if each is not None]
        return bool(pieces) and len(pieces) == len(given) and all(map(is_fresh, pieces))

    # ------------------------------------------------------------ constants

    def _constant(self, path: str, name: str, hops: int) -> AbstractSet[str]:
        target = self.program.resolve(path, name)
        if target is not None and target.kind == "cell":
            cell = self.program.cells[target.path, target.name]
            if cell.definition_count == 1 and cell.file:
                return self._patterns(_Context(target.path), cell.file, hops - 1)
        return self._held(path, name, hops)

    def _held(self, path: str, name: str, hops: int) -> AbstractSet[str]:
        """`PATHS["queue"]`, `config.queue`: what a constant object holds."""
        owner, _, key = name.rpartition(".")
        target = self.program.resolve(path, owner) if owner else None
        if target is None or target.kind != "cell":
            return {ELSEWHERE}
        cell = self.program.cells[target.path, target.name]
        file = dict(cell.files).get(key, "")
        is_constant = cell.definition_count == 1 and not self._is_changed(target, cell)
        return self._patterns(_Context(target.path), file, hops - 1) if file and is_constant else {ELSEWHERE}

    def _is_changed(self, target: Target, cell: Cell) -> bool:
        uses = self.program.accesses.get((target.path, target.name), ())
        return any(is_write(cell, use.op) for _, use in uses)

    def _environment(self, name: str) -> AbstractSet[str]:
        """What templates give a variable; its default where none does."""
        variable, _, default = name.partition("|")
        refs = [entry.ref for entry in self.program.root.entries]
        given = [dict(ref.settings.environment) if ref is not None else {} for ref in refs]
        values = [each.get(variable, default) for each in given] or [default]
        if any(variable not in each for each in given) and default:
            self._variables.add(variable)
        return {value if value is not None and is_temporary(value) else ELSEWHERE for value in values}

    # ------------------------------------------------------------ parameters and results

    def _argument(self, where: _Context, name: str, hops: int) -> AbstractSet[str]:
        qualname, _, parameter = name.rpartition(":")
        key = (where.path, qualname)
        if key in self.program.entries or not self._has_parameter(key, parameter):
            return {ELSEWHERE}
        if where.frame is not None and where.frame.callee == key:
            return self._one(where.outer, key, parameter, where.frame.call, hops)
        sites = self.program.call_sites.get(key, ())
        found = {each for site, call in sites for each in self._one(_Context(site), key, parameter, call, hops)}
        return found or {ELSEWHERE}

    def _one(self, site: _Context, key: FunctionKey, name: str, call: Call, hops: int) -> AbstractSet[str]:
        """The paths that one call gives for a parameter."""
        given = self._passed(key, name, call)
        if given is not None:
            return self._patterns(site, given.file, hops - 1)
        default = next(each.default for each in self.program.functions[key].parameters if each.name == name)
        return {ELSEWHERE} if default is None else self._default(key[0], default, hops - 1)

    def _default(self, path: str, value: Value, hops: int) -> AbstractSet[str]:
        """The paths of a parameter's default: a text, or the name of a constant."""
        match ast.parse(value.text, mode="eval").body:
            case ast.Constant(value=str(text)) | ast.Call(args=[ast.Constant(value=str(text))]):
                return self._patterns(_Context(path), text, hops)
            case ast.Name(id=name):
                return self._constant(path, name, hops)
            case _:
                return {ELSEWHERE}

    def _result(self, where: _Context, name: str, hops: int) -> AbstractSet[str]:
        """What a function returns for this very call."""
        callee, _, end = name.partition("|")
        key = self.program.callee(where.path, callee)
        function = None if key is None else self.program.functions[key]
        if key is None or function is None or not function.returns or function.has_generator:
            return {ELSEWHERE}
        inside = _Context(key[0], self._frame(where, key, int(end), hops))
        found = {each for given in function.returns for each in self._returned(inside, given.file, hops - 1)}
        if {each.name for each in function.decorators} & CACHES:
            found = {*map(remembered, found)}
        return found

    def _frame(self, where: _Context, key: FunctionKey, end: int, hops: int) -> Frame | None:
        """The call of a function that ends at this place of the file."""
        call, callee = self._calls[where.path].get(end, (None, None))
        if call is None or callee != key:
            return None
        return Frame(where.path, call, key, self._name(where, key, call, hops), where.frame)

    def _name(self, where: _Context, key: FunctionKey, call: Call, hops: int) -> str:
        """What tells a call from others: two with the same arguments give the same path, unless by chance."""
        values = [each.value for each in self.program.functions[key].returns]
        if any(atom.kind == "nondet" for value in values for atom in value.atoms):
            return f"{key[1]}:{call.order}"
        given = [f"{each.name} {self._settled(where, each.piece, hops - 1)}" for each in call.arguments]
        return f"{key[1]} {' '.join(given)}".translate(_PLAIN)

    def _returned(self, where: _Context, file: str, hops: int) -> AbstractSet[str]:
        return self._patterns(where, file, hops) if file else {ELSEWHERE}


def _plain(pattern: str) -> str:
    """The path without doubled slashes, dots and the way back of `folder/..`."""
    if "{" not in pattern:
        return normpath(pattern) if is_temporary(normpath(pattern)) else ELSEWHERE
    while pattern.endswith("/.."):
        pattern = pattern.removesuffix("/..").rpartition("/")[0]
    return pattern if is_temporary(pattern) else ELSEWHERE
