"""Program -> its effects on files below /tmp, their paths followed through constants, parameters and functions."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from posixpath import normpath

from statelift.facts.pieces import FRESH_CALLS, MARKERS, REQUEST_ID, is_temporary, pieces_of, remembered
from statelift.facts.values import Atom, Cell, FileEffect, ModuleFacts, Value
from statelift.link.lifetime import CACHES, Lifetimes
from statelift.link.program import FunctionKey, Program, Target, shift_of
from statelift.link.sources import Sources, is_write

ELSEWHERE = ""  # a path that is not known, or not below /tmp
HOPS = 8  # how many constants, parameters and functions are followed
_PARAMETER = re.compile(r"\{(\w+)@([^{}:!?~]+)\}")  # a piece that is one parameter, and nothing else
_PER_OBJECT = re.compile(r"\?([\w.]+)\}")


class FilePaths:
    """Answers which /tmp paths the patterns of the facts stand for in one program."""

    def __init__(self, program: Program, lifetimes: Lifetimes, sources: Sources) -> None:
        self.program = program
        self.lifetimes = lifetimes
        self.sources = sources
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    @cached_property
    def effects(self) -> dict[str, list[FileEffect]]:
        """Effects on files below /tmp, by the Python file that the code stands in."""
        return {path: [*self._effects(path, module)] for path, module in self.program.modules.items()}

    def patterns(self, path: str, pattern: str) -> frozenset[str]:
        """The /tmp paths that a pattern can stand for.

        "" is one of them where it may (also) be a path that is not known, or not below /tmp.
        """
        if (path, pattern) not in self._known:
            self._known[path, pattern] = frozenset(self._patterns(path, pattern, HOPS))
        return self._known[path, pattern]

    def _effects(self, path: str, module: ModuleFacts) -> Iterator[FileEffect]:
        calls = {
            (call.function, call.span)
            for (site, _), found in self.program.calls.items()
            if site == path
            for call, _ in found
        }
        for effect in module.files:
            if effect.effect == "enter" or (effect.function, effect.span) in calls:
                continue
            patterns = self.patterns(path, effect.path)
            is_only = len(patterns) == 1
            is_relative = effect.path.startswith("<cwd>")
            is_rewritable = is_only and effect.is_rewritable and not is_relative
            for pattern in sorted(patterns - {ELSEWHERE}):
                source = min(self.patterns(path, effect.source) - {ELSEWHERE}, default="") if effect.source else ""
                yield replace(
                    effect, path=pattern, source=source, mode="relative" if is_relative else effect.mode,
                    is_rewritable=is_rewritable, is_certain=is_only,
                )  # fmt: skip

    @cached_property
    def working_folders(self) -> frozenset[str]:
        """The folders below /tmp that the program makes its working folder."""
        entered = {
            pattern
            for path, module in self.program.modules.items()
            for effect in module.files
            if effect.effect == "enter" and not effect.path.startswith("<cwd>")
            for pattern in self._patterns(path, effect.path, HOPS)
        }
        return frozenset(entered - {ELSEWHERE})

    def _patterns(self, path: str, pattern: str, hops: int) -> set[str]:
        pattern = self._settled(path, pattern)
        if not pattern.startswith(MARKERS):
            return {_plain(pattern)} if is_temporary(pattern) else {ELSEWHERE}
        marker, _, rest = pattern[1:].partition(">")
        kind, _, name = marker.partition(" ")
        if hops == 0:
            return {ELSEWHERE}
        match kind:
            case "import":
                found = self._constant(path, name, hops)
            case "param":
                found = self._argument(path, name, hops)
            case "call":
                found = self._result(path, name, hops)
            case _:
                found = set(self.working_folders) or {ELSEWHERE}
        return {_plain(f"{base}{rest}") if base else ELSEWHERE for base in found}

    # ------------------------------------------------------------ what is new in every invocation

    def _settled(self, path: str, pattern: str) -> str:
        """The pattern, with the questions answered which of its pieces are new in every invocation."""
        for each in pieces_of(pattern):
            settled = _PER_OBJECT.sub(lambda found: self._per_object(path, found[1]), each)
            parameter = _PARAMETER.fullmatch(settled)
            if parameter is not None and self._is_fresh(path, parameter[2], parameter[1]):
                settled = f"{settled[:-1]}!}}"
            pattern = pattern.replace(each, settled)
        return pattern

    def _per_object(self, path: str, owner: str) -> str:
        return "~}" if self.lifetimes.is_lasting_class((path, owner)) else "!}"

    def _is_fresh(self, path: str, qualname: str, name: str) -> bool:
        """Whether every caller gives the parameter a value that is new in each invocation."""
        sources = self.sources.of_atoms(path, frozenset({Atom("param", f"{qualname}:{name}")}))
        fresh = {each for each in sources if each.kind == "nondet" and each.detail in FRESH_CALLS}
        fresh |= {each for each in sources if each.detail.endswith(REQUEST_ID)}
        return bool(fresh) and all(each in fresh or each.kind == "const" for each in sources)

    # ------------------------------------------------------------ constants

    def _constant(self, path: str, name: str, hops: int) -> set[str]:
        target = self.program.resolve(path, name)
        if target is not None and target.kind == "cell":
            cell = self.program.cells[target.path, target.name]
            if cell.definition_count == 1 and cell.file:
                return self._patterns(target.path, cell.file, hops - 1)
        return self._held(path, name, hops)

    def _held(self, path: str, name: str, hops: int) -> set[str]:
        """`PATHS["queue"]`, `config.queue`: what a constant object holds."""
        owner, _, key = name.rpartition(".")
        target = self.program.resolve(path, owner) if owner else None
        if target is None or target.kind != "cell":
            return {ELSEWHERE}
        cell = self.program.cells[target.path, target.name]
        file = dict(cell.files).get(key, "")
        is_constant = cell.definition_count == 1 and not self._is_changed(target, cell)
        return self._patterns(target.path, file, hops - 1) if file and is_constant else {ELSEWHERE}

    def _is_changed(self, target: Target, cell: Cell) -> bool:
        uses = self.program.accesses.get((target.path, target.name), ())
        return any(is_write(cell, use.op) for _, use in uses)

    # ------------------------------------------------------------ parameters and results

    def _argument(self, path: str, name: str, hops: int) -> set[str]:
        qualname, _, parameter = name.rpartition(":")
        key = (path, qualname)
        function = self.program.functions.get(key)
        if function is None or key in self.program.entries:
            return {ELSEWHERE}
        names = [each.name for each in function.parameters]
        if parameter not in names:
            return {ELSEWHERE}
        default = function.parameters[names.index(parameter)].default
        wanted = (parameter, str(names.index(parameter) - shift_of(function)))
        found: set[str] = set()
        for site, call in self.program.call_sites.get(key, ()):
            given = [argument.file for argument in call.arguments if argument.name in wanted]
            if given or default is None:
                found |= self._patterns(site, given[0] if given else ELSEWHERE, hops - 1)
            else:
                found |= self._default(path, default, hops - 1)
        return found or {ELSEWHERE}

    def _default(self, path: str, value: Value, hops: int) -> set[str]:
        """The paths of a parameter's default: a text, or the name of a constant."""
        match ast.parse(value.text, mode="eval").body:
            case ast.Constant(value=str(text)) | ast.Call(args=[ast.Constant(value=str(text))]):
                return self._patterns(path, text, hops)
            case ast.Name(id=name):
                return self._constant(path, name, hops)
            case _:
                return {ELSEWHERE}

    def _result(self, path: str, name: str, hops: int) -> set[str]:
        """What a function returns. Its unknown pieces are those of this very call."""
        callee, _, call = name.partition("|")
        key = self.program.callee(path, callee)
        function = None if key is None else self.program.functions[key]
        if key is None or function is None or not function.returns or function.has_generator:
            return {ELSEWHERE}
        found = {pattern for each in function.returns for pattern in self._returned(key, each.file, hops - 1)}
        if {each.name for each in function.decorators} & CACHES:
            found = {*map(remembered, found)}
        return {_called(pattern, function.qualname, call) for pattern in found}

    def _returned(self, key: FunctionKey, file: str, hops: int) -> set[str]:
        return self._patterns(key[0], file, hops) if file else {ELSEWHERE}


def _called(pattern: str, qualname: str, call: str) -> str:
    """The pattern, seen from outside: pieces that the function made of its arguments belong to the call."""
    owned = re.compile(rf"\{{([^{{}}@]*)@{re.escape(qualname)}(:[^{{}}!?~]*)?([!~]?)\}}")
    return owned.sub(lambda piece: f"{{{piece[1]} in {call.rstrip('!~')}{piece[3]}}}", pattern)


def _plain(pattern: str) -> str:
    """The path without doubled slashes, dots and the way back of `folder/..`."""
    if "{" not in pattern:
        return normpath(pattern) if is_temporary(normpath(pattern)) else ELSEWHERE
    while pattern.endswith("/.."):
        pattern = pattern.removesuffix("/..").rpartition("/")[0]
    return pattern if is_temporary(pattern) else ELSEWHERE
