"""What a program does with one /tmp path, in order -> the reads that an earlier invocation's write can reach."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from statelift.catalogue.files import FOLDER_QUESTIONS, FOLDERS, LISTED
from statelift.facts.filetests import RESULT
from statelift.facts.pieces import TEMPORARY, generic, is_fresh, pieces_of
from statelift.facts.values import FileEffect, Guard
from statelift.judge.evidence import FILE_ERRORS, Evidence
from statelift.link.filepaths import ELSEWHERE
from statelift.link.trace import Condition, Step, Trace, dominated, seen_after

Effects = list[tuple[str, FileEffect]]
WRITES = frozenset({"write", "append", "create", "claim", "fill", "tool", "store"})
READS = frozenset({"read", "exists", "list", "claim", "store"})
FILLS = frozenset({"fill", "tool", "opaque"})
SIZES = frozenset({"os.path.getsize", "os.stat", "os.lstat", "Path.stat", "Path.lstat"})  # more than "it is there"
UNKNOWN = "\0"  # stands for a piece that is not known
GIVEN = frozenset({"write", "append", "create", "claim", "fill", "opaque"})  # what code that is not here can find


@dataclass(frozen=True)
class Group:
    """All effects on one path. `near` are those on folders around it, and on files in it where it is a folder.

    `makers` are the names of functions that are not here, and that make the file where it is missing. `marks` are
    the paths of files that tell that a container is set up, `folders` the questions whether a folder around it is
    there, `others` the other paths that are written.
    """

    pattern: str
    own: Effects
    near: Effects
    makers: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()
    folders: tuple[tuple[str, FileEffect], ...] = ()
    others: frozenset[str] = frozenset()

    @cached_property
    def all(self) -> Effects:
        """Own effects first."""
        return [*self.own, *self.near]

    @cached_property
    def writers(self) -> Effects:
        """Effects that leave something behind under the path. To make sure that a folder is there is none."""
        return [(path, each) for path, each in self.own if self._leaves(each)]

    def _leaves(self, effect: FileEffect) -> bool:
        is_maker = effect.effect == "opaque" and method_of(effect) in self.makers
        return (effect.effect in WRITES and not is_folder_made(effect)) or is_maker

    def does(self, *effects: str) -> bool:
        """Whether any effect is of these."""
        return any(each.effect in effects for _, each in self.all)


class Exposure:
    """Answers which reads of one group an earlier invocation's write can reach."""

    def __init__(self, evidence: Evidence, group: Group) -> None:
        self.evidence = evidence
        self.group = group
        self.paths = {id(effect): path for path, effect in group.all}

    def reads(self) -> list[FileEffect]:
        """Reads (content or existence) that no write of the same invocation precedes on every way."""
        if self._is_left_clean():
            return []
        found: dict[int, FileEffect] = {}
        for way in self._ways:
            for step in way.steps:
                effect = _effect(step)
                if self._is_read(effect, way, step) and not self._is_filled(step, way):
                    found[id(effect)] = effect
        known = {id(_effect(step)) for way in self._ways for step in way.steps}
        for _, effect in self.group.all:
            if id(effect) not in known and self._is_read(effect) and self._is_apart(effect):
                found[id(effect)] = effect
        return list(found.values())

    def is_missed(self, write: FileEffect) -> bool:
        """Whether every way to a write goes by the file that is missing (or stale): a test, or a failed read."""
        ways = [(way, step) for way in self._ways for step in way.steps if _effect(step) is write]
        return bool(ways) and all(self._is_missed(way, step) for way, step in ways)

    def _is_missed(self, way: "_Way", write: Step) -> bool:
        if any(self._says(path, guard, holds=False) for path, guard in way.guards_of(write)):
            return True
        tried = {(chain, at) for chain, kind, at, _ in write.conditions if kind == "except"}
        before = [
            step for step in way.steps if step.index < write.index and _effect(step).effect in ("read", "exists")
        ]
        if any((chain, at) in tried for step in before for chain, kind, at, _ in step.conditions if kind == "try"):
            return True
        return any(self._is_left_before(step, write, way) for step in before)

    def _is_left_before(self, step: Step, later: Step, way: "_Way") -> bool:
        """Whether the function comes to the write only where it tried to read, and so end, before."""
        read, write = _effect(step), _effect(later)
        asked = {each for each in step.conditions if self._says(*way.trace.guards[each], holds=True)}
        is_on_the_way = {each for each in step.conditions - asked if each[1] != "try"} <= later.conditions
        return is_on_the_way and read.function == write.function and 0 < read.leaves < write.order

    def is_met(self, read: FileEffect) -> bool:
        """Whether a call can come to a read where the file is missing: no test, `except` or maker stands before."""
        ways = [(way, step) for way in self._ways for step in way.steps if _effect(step) is read]
        return any(not self._is_cared_for(way, step) for way, step in ways)

    def _is_cared_for(self, way: "_Way", read: Step) -> bool:
        guards = way.guards_of(read)
        is_tried = any(guard.kind == "try" and set(guard.catches) & FILE_ERRORS for _, guard in guards)
        is_asked = any(self._says(path, guard, holds=True) for path, guard in guards)
        return (
            is_tried
            or is_asked
            or any(_effect(step).effect in WRITES | {"opaque"} and step.index < read.index for step in way.steps)
        )

    def is_done_once(self, write: FileEffect) -> bool:
        """Whether an invocation comes to a write at most once, as far as it can be followed."""
        ways = [[step for step in way.steps if _effect(step) is write] for way in self._ways]
        is_looped = any(kind == "loop" for way in ways for step in way for _, kind, _, _ in step.conditions)
        return any(ways) and all(len(way) <= 1 for way in ways) and not is_looped

    def depending(self) -> Iterator[Step]:
        """The steps that only run where the file is not there; those on other files and cells included."""
        for way in self._ways:
            for step in way.trace.steps:
                if any(self._says(*way.trace.guards[each], holds=False) for each in step.conditions):
                    yield step

    def is_told(self) -> bool:
        """Whether a function of the program gives another literal where the file was there: `{"cached": True}`."""
        hits: set[tuple[str, ...]] = set()
        misses: set[tuple[str, ...]] = set()
        for key in {(path, each.function) for path, each in self.group.own}:
            function = self.evidence.program.functions.get(key)
            for each in () if function is None else function.returns:
                if any(self._says(key[0], guard, holds=True) for guard in each.guards):
                    hits.add(each.literals)
                elif any(self._says(key[0], guard, holds=False) for guard in each.guards):
                    misses.add(each.literals)
        flags = {"True", "False"}
        return any(set(one) & flags != set(other) & flags for one in hits for other in misses)

    @cached_property
    def _ways(self) -> list["_Way"]:
        """What each entry point does to the path."""
        traces = (*self.evidence.traces, *self.evidence.apart)
        found = (_Way(trace, self._steps_of(trace)) for trace in traces)
        return [way for way in found if way.steps]

    def _steps_of(self, trace: Trace) -> list[Step]:
        """The steps that touch the path: a helper that serves many files does so for some of its calls only."""
        found = [step for step in trace.steps if id(step.item) in self.paths]
        return [
            step for step in found if generic(_effect(step).path) in {generic(each) for each in self._meant(step)}
        ]

    def _meant(self, step: Step) -> frozenset[str]:
        """The paths that a step can mean, seen from the calls that lead to it."""
        return self.evidence.files.at(step)

    # ------------------------------------------------------------ reads

    def _is_read(self, effect: FileEffect, way: "_Way | None" = None, step: Step | None = None) -> bool:
        match effect.effect:
            case "tool" | "opaque" if is_fresh(effect.path):
                return False
            case "tool":
                return any(each.effect != "tool" for _, each in self.group.writers)
            case "opaque":
                return any(each.effect in GIVEN and each is not effect for _, each in self.group.writers)
            case "claim":
                guards = [(self.paths[id(effect)], each) for each in effect.guards]
                asked = guards if way is None or step is None else way.guards_of(step)
                return not is_fresh(effect.path) and not any(self._says(*each, holds=False) for each in asked)
            case "exists" | "list" if effect.decides == "nothing":
                return False
            case kind:
                return kind in READS and not is_fresh(effect.path)

    def _is_apart(self, read: FileEffect) -> bool:
        """Whether a read that no entry point is known to come to can be the first: no entry point always writes."""
        return not any(
            fills(_effect(step), read) and not _branches(step) for way in self._ways for step in way.steps
        )

    # ------------------------------------------------------------ tests

    def _says(self, path: str, guard: Guard, *, holds: bool) -> bool:
        """Whether a guard says that the file is there (or fresh), or that it is not."""
        return says(self.evidence, path, guard, self._names, holds=holds) or any(
            (each.holds is holds and each.relation == "present") or each.relation == "other"
            for each in guard.files
            if each.subject.startswith(RESULT) and self._gives_it(path, each.subject[len(RESULT) : -1])
        )

    @cached_property
    def _names(self) -> set[str]:
        return {generic(each.path) for _, each in self.group.own} | {self.group.pattern} | self.group.marks

    def _gives_it(self, path: str, callee: str) -> bool:
        """Whether a function of the program reads the file."""
        key = self.evidence.program.callee(path, callee)
        return any((at, each.function) == key and each.effect in READS for at, each in self.group.own)

    # ------------------------------------------------------------ kills

    def _is_filled(self, read: Step, way: "_Way") -> bool:
        program = self.evidence.program
        kills = [self._freed(step, way) for step in way.steps if self._can_fill(step, read)]
        return dominated([seen_after(kill, read, program) for kill in kills], read)

    def _can_fill(self, write: Step, read: Step) -> bool:
        one, other = self._exactly(write), self._exactly(read)
        return one is not None and other is not None and fills(one, other) and self._is_same_text(one, other)

    def _exactly(self, step: Step) -> FileEffect | None:
        """The effect with the path that it has in this very step; None where that may be one of several."""
        meant = self._meant(step) - {ELSEWHERE}
        return replace(_effect(step), path=min(meant), is_certain=True) if len(meant) == 1 else None

    def _is_same_text(self, one: FileEffect, other: FileEffect) -> bool:
        """Unknown pieces that an object got when it was made are the same where one object is made."""
        owners = {each for each in re.findall(r"@([^{}:!?~#]+)", one.path) if "." in each}
        return all(self._is_made_once(owner) for owner in owners - {one.function, other.function})

    def _is_made_once(self, qualname: str) -> bool:
        sites = [
            sites for key, sites in self.evidence.program.call_sites.items() if key[1] == qualname.partition(":")[0]
        ]
        return sum(map(len, sites)) <= 1

    def _freed(self, step: Step, way: "_Way") -> Step:
        """A removal leaves nothing, also where there was nothing to remove."""
        effect = _effect(step)
        if effect.effect != "remove":
            return step
        free = {each for each in step.conditions if self._is_needless(effect, *way.trace.guards[each])}
        return replace(step, conditions=step.conditions - free)

    def _is_needless(self, removal: FileEffect, path: str, guard: Guard) -> bool:
        """Whether a guard of a removal only asks whether there is anything to remove."""
        if guard.kind == "try":
            return bool(set(guard.catches) & FILE_ERRORS)
        asked = {each for test in guard.files for each in self.evidence.files.patterns(path, test.subject) if each}
        is_existence = guard.mode == "all" and all(
            test.relation == "present" and test.holds for test in guard.files
        )
        return is_existence and any(map(is_same_tree, asked, [removal.path] * len(asked)))

    def _is_left_clean(self) -> bool:
        """Whether every write is undone: by a removal in a `finally` around it, also after an exception.

        Behind it is enough where the request names the file.
        """
        written = {id(each) for _, each in self.group.writers}
        seen = {id(step.item) for way in self._ways for step in way.steps}
        return written <= seen and all(
            self._is_undone(step, way) for way in self._ways for step in way.steps if id(step.item) in written
        )

    def _is_undone(self, write: Step, way: "_Way") -> bool:
        removals = [
            self._freed(step, way)
            for step in way.steps
            if step.index > write.index and _is_removed_by(_effect(write), _effect(step))
        ]
        if any(_is_final(removal, write) for removal in removals):
            return True
        return self._is_asked_for(write) and any(each.conditions <= write.conditions for each in removals)

    def _is_asked_for(self, write: Step) -> bool:
        """Whether the request names the file: what a call that fails leaves there, only its repetition can find."""
        sources = self.evidence.sources.of_atoms(write.path, _effect(write).named)
        return bool(pieces_of(_effect(write).path)) and any(each.kind == "event" for each in sources)


@dataclass(frozen=True)
class _Way:
    """The steps of one entry point that touch a path."""

    trace: Trace
    steps: list[Step]

    def guards_of(self, step: Step) -> list[tuple[str, Guard]]:
        return [self.trace.guards[each] for each in step.conditions]


def says(evidence: Evidence, path: str, guard: Guard, names: Collection[str], *, holds: bool) -> bool:
    """Whether a guard says that one of these files is there (or fresh), or that it is not."""
    return any(
        (each.holds is holds and each.relation == "present") or each.relation == "other"
        for each in guard.files
        if not each.subject.startswith(RESULT)
        and any(generic(found) in names for found in evidence.files.patterns(path, each.subject))
    )


def _is_final(removal: Step, write: Step) -> bool:
    """Whether a removal happens in a `finally` that every way out of the write goes through."""
    ends = {each for each in removal.conditions if each[1] == "finally" and each not in write.conditions}
    is_around = bool(ends) and all(_is_within(write, end) for end in ends)
    return is_around and removal.conditions - ends <= write.conditions


def _is_within(step: Step, end: Condition) -> bool:
    return any((chain, at) == (end[0], end[2]) for chain, _, at, _ in step.conditions)


def _is_removed_by(write: FileEffect, removal: FileEffect) -> bool:
    return removal.effect == "remove" and removal.is_certain and is_below(write.path, removal.path)


def fills(one: FileEffect, other: FileEffect) -> bool:
    """Whether what one effect leaves is all that the other one can find."""
    if not one.is_certain:
        return False
    match one.effect:
        case "remove":
            return is_cleared(other.path, one.path)
        case "write":
            is_listed = other.effect == "list" and "{" not in one.path and covers(other.path, one.path)
            return one.path == other.path or is_listed
        case "claim" if one.api not in FOLDERS:
            return one.path == other.path
        case "append" | "create" | "claim":
            return one.path == other.path and other.effect == "exists" and other.api not in SIZES
        case "fill" | "tool" | "opaque":
            return other.effect != "list" and is_below(other.path, one.path)
        case _:
            return False


def is_same_tree(one: str, other: str) -> bool:
    """Whether one path is the other, or lies in it."""
    one, other = generic(one), generic(other)
    return is_below(one, other) or is_below(other, one)


def is_cleared(path: str, removed: str) -> bool:
    """Whether a removal, of a path or of all that a pattern names, leaves nothing at a path (or pattern)."""
    if "*" in removed:
        return path == removed or ("*" not in path and covers(removed, path))
    return is_below(path.partition("*")[0].rstrip("/"), removed)


def is_below(path: str, folder: str) -> bool:
    """Whether a path is the folder itself or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def covers(listed: str, path: str) -> bool:
    """Whether a listing, by folder or by pattern, shows files of the path. Unknown pieces may be the same text."""
    listed, sample = (generic(each).replace("{}", UNKNOWN) for each in (listed, path))
    if "*" not in listed:
        return is_below(sample, listed)
    return fnmatchcase(sample, listed) or is_below(sample, listed)


def may_show(listed: str, path: str) -> bool:
    """Whether a listing may show files of the path: unknown pieces may be any text."""
    sample = generic(path).replace("{}", "*")
    return covers(listed, path) or fnmatchcase(generic(listed).replace("{}", "*"), sample)


def method_of(effect: FileEffect) -> str:
    """The last name of what is called."""
    return effect.api.rpartition(".")[2]


def is_folder_made(effect: FileEffect) -> bool:
    """Whether the call makes sure that a folder is there, and does not mind if it was."""
    return effect.api in FOLDERS and effect.effect == "create"


def _branches(step: Step) -> list[str]:
    return [kind for _, kind, _, _ in step.conditions if kind not in ("loop", "try")]


def _effect(step: Step) -> FileEffect:
    assert isinstance(step.item, FileEffect)
    return step.item


def folders_of(pattern: str, others: Effects) -> Iterator[tuple[str, FileEffect]]:
    """The questions about folders around a path on which more depends than that the folder is made."""
    for path, effect in others:
        other = generic(effect.path)
        is_around = other not in (pattern, TEMPORARY) and is_below(pattern, other)
        if is_around and effect.effect == "exists" and effect.decides != "nothing":
            is_known = effect.api in FOLDER_QUESTIONS and effect.is_certain and not effect.mode
            yield path, replace(effect, mode=effect.mode or "folder", is_rewritable=is_known, is_bracketed=False)


def near_of(pattern: str, own: Effects, others: Effects) -> Iterator[tuple[str, FileEffect]]:
    """The effects on other paths that concern a group: listings, removals and fillings of folders around it."""
    is_folder = any(each.effect in ("fill", "tool") for _, each in own)
    for path, effect in others:
        other = generic(effect.path)
        match effect.effect:
            case "list":
                is_near = may_show(other, pattern) or (is_folder and is_below(other, pattern))
            case "remove":
                is_named = effect.api in LISTED and may_show(other, pattern)
                is_near = other != pattern and (covers(other, pattern) or is_named)
            case "fill" | "tool" | "opaque":
                is_near = other != pattern and is_below(pattern, other)
            case _:
                is_near = False
        if is_near:
            yield path, effect
