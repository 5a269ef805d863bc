"""Effects on one /tmp path -> whether a later invocation can read what an earlier one wrote."""

import glob
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from statelift.catalogue.files import (
    DICT_CONFIG,
    FOLDERS,
    LISTED,
    LOCKS,
    PRINTABLE_LOGS,
    SHELVES,
    STRICT_FOLDERS,
    WAYS,
)
from statelift.facts.handles import CONTAINER
from statelift.facts.pieces import TEMPORARY, generic, is_fresh, is_remembered
from statelift.facts.values import Atom, FileEffect
from statelift.judge.evidence import Evidence
from statelift.judge.exposure import (
    WRITES,
    Effects,
    Exposure,
    Group,
    folders_of,
    is_below,
    is_folder_made,
    may_show,
    method_of,
    near_of,
    says,
)
from statelift.judge.values import Judgement, Subject
from statelift.model import Tier, Use, Verdict

_MAGIC = re.compile(r"[*?\[]")  # what stands for other text in a pattern of names
USES = frozenset({"read", "list", "tool", "opaque", "store", "fill"})


def judge_files(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every /tmp path that handlers write, and for databases kept there."""
    groups = [*_groups(evidence)]
    marks = {group.pattern for group in groups if _is_mark(evidence, group)}
    for group in groups:
        judgement = _judge(evidence, replace(group, marks=frozenset(marks)))
        if judgement is not None:
            yield judgement


# ---------------------------------------------------------------- groups


def _groups(evidence: Evidence) -> Iterator[Group]:
    """The reachable effects by path, each with those on other paths that concern it."""
    found = [
        (path, each)
        for path, effects in evidence.files.effects.items()
        for each in effects
        if evidence.is_reachable(path, each.function) or each.mode == "log"
    ]
    by_path: dict[str, Effects] = defaultdict(list)
    for path, effect in found:
        if effect.effect != "list" and effect.path != TEMPORARY:
            by_path[generic(effect.path)].append((path, effect))
    _join_readers(by_path)
    _join_listed(by_path, [each for _, each in found if each.effect == "list"])
    _join_contents(by_path)
    written = {pattern for pattern in by_path if _has_writes(by_path[pattern])}
    for pattern, own in sorted(by_path.items()):
        around = tuple(folders_of(pattern, found))
        near, makers = [*near_of(pattern, own, found)], _makers(evidence, pattern, own)
        yield Group(pattern, own, near, makers, folders=around, others=frozenset(written - {pattern}))


def _makers(evidence: Evidence, pattern: str, own: Effects) -> frozenset[str]:
    """`if not os.path.isfile(path): fetch(path)`: code that is not here, and that makes what is missing."""
    return frozenset(
        method_of(each)
        for path, each in own
        if each.effect == "opaque"
        and any(says(evidence, path, guard, {pattern}, holds=False) for guard in each.guards)
    )


def _join_readers(by_path: dict[str, Effects]) -> None:
    """A fixed path that is only read may be one of those that are written: `/tmp/{}.json`, `/tmp/last.json`."""
    open_ones = [pattern for pattern in by_path if "{}" in pattern and _has_writes(by_path[pattern])]
    for path in [path for path in by_path if "{}" not in path and not _has_writes(by_path[path])]:
        for pattern in open_ones:
            if _can_name(pattern, path):
                by_path[pattern] += by_path[path]


def _join_listed(by_path: dict[str, Effects], listings: list[FileEffect]) -> None:
    """Files that a listing names are those that are written into its folder."""
    listed = {_folder_of(generic(each.path)) for each in listings}
    written = [pattern for pattern in by_path if _has_writes(by_path[pattern])]
    for path in [each for each in by_path if each.rpartition("/")[0] in listed and not _has_writes(by_path[each])]:
        for pattern in [each for each in written if _can_name(path, each)]:
            by_path[pattern] += by_path[path]


def _folder_of(listed: str) -> str:
    """The folder of `/tmp/folder/*.txt`; a listing without a pattern names the folder."""
    folder, _, names = listed.rpartition("/")
    return folder if _MAGIC.search(names) else listed


def _join_contents(by_path: dict[str, Effects]) -> None:
    """Files that are only read are those that an archive or a program put into their folder."""
    folders = [
        pattern for pattern, own in by_path.items() if any(each.effect in ("fill", "tool") for _, each in own)
    ]
    for path in [path for path in by_path if not _has_writes(by_path[path])]:
        around = [folder for folder in folders if folder != path and is_below(path, folder)]
        if around:
            by_path[max(around, key=len)] += by_path.pop(path)


def _can_name(pattern: str, path: str) -> bool:
    """Whether a pattern can stand for the path, where an unknown piece `{}` is no folder more."""
    wanted, given = pattern.split("/"), path.split("/")
    wildcards = [glob.escape(part).replace("{}", "*") for part in wanted]
    return len(wanted) == len(given) and all(map(fnmatchcase, given, wildcards))


def _has_writes(effects: Effects) -> bool:
    return any(effect.effect in WRITES and not is_folder_made(effect) for _, effect in effects)


# ---------------------------------------------------------------- verdicts


def _judge(evidence: Evidence, group: Group) -> Judgement | None:
    if not group.writers:
        return None
    make = _Maker(evidence, group)
    exposure = Exposure(evidence, group)
    effects = {each.effect for _, each in group.writers}
    kept = next((each for path, each in group.writers if _is_kept(evidence, path, each)), None)
    if kept is not None:
        return _open_handle(make, kept)
    if effects == {"append"} and not group.does(*USES, "exists") and not is_fresh(group.writers[0][1].path):
        return _write_only(make, group)
    exposed = exposure.reads()
    if not exposed:
        is_own = effects - {"tool"} or group.does("read", "list")
        reason = "every read follows a write of the same invocation"
        return make(Verdict.SCRATCH, "is scratch", (reason,)) if is_own else None
    if "store" in effects:
        return _database(evidence, make, group)
    alone = _left_alone(evidence, group, exposure, exposed)
    if alone is not None:
        return make(alone, *_LEFT[alone])
    return _state(evidence, make, group, exposed)


_LEFT: dict[Verdict, tuple[str, tuple[str, ...]]] = {
    Verdict.CACHE: ("is a cache", ("it is written only where it is missing, from another source",)),
    Verdict.LATCH: (
        "tells that a container is set up",
        ("where it is missing, files are written that hold nothing of a request, and nothing else happens",),
    ),
}


class _Maker:
    def __init__(self, evidence: Evidence, group: Group) -> None:
        path, first = min(group.writers, key=lambda each: (each[0], each[1].order))
        found = {entry for p, e in group.all for entry in evidence.reach.entries_of((p, e.function))}
        uses = tuple(sorted({Use(p, e.place.line, e.effect) for p, e in group.all}))
        self.subject = Subject(path, first.place, group.pattern, tuple(sorted(found)), uses)
        self.effects = [*group.all, *group.folders]

    def __call__(self, verdict: Verdict, what: str, reasons: tuple[str, ...], tier: Tier = Tier.SAFE) -> Judgement:
        return Judgement(
            rule="SL301",
            subject=self.subject,
            verdict=verdict,
            message=f"{self.subject.symbol} {what}",
            reasons=reasons,
            tier=tier,
            effects=tuple(self.effects),
        )


def _open_handle(make: _Maker, opened: FileEffect) -> Judgement:
    line = opened.place.line
    reasons = (
        f"line {line}: the file stays open from one invocation to the next, with its position",
        "open it where it is used, and keep what has to last in S3 or a table",
    )
    return make(Verdict.STATE, "is kept open", reasons, Tier.MANUAL)


def _is_kept(evidence: Evidence, path: str, effect: FileEffect) -> bool:
    """Whether a later invocation finds the handle open, and does not open the file again."""
    is_lasting = effect.keeper == CONTAINER or evidence.lifetimes.is_lasting_class((path, effect.keeper))
    return bool(effect.keeper) and is_lasting and _is_asked_for(evidence, effect)


def _is_asked_for(evidence: Evidence, effect: FileEffect) -> bool:
    """Whether a condition stands in front of it, in its function or around a call that leads there."""
    found = [step for trace in evidence.traces for step in trace.steps if step.item is effect]
    is_around = bool(found) and all(any(kind == "if" for _, kind, _, _ in step.conditions) for step in found)
    return is_around or any(guard.kind == "if" for guard in effect.guards)


def _write_only(make: _Maker, group: Group) -> Judgement:
    line = group.writers[0][1].place.line
    reasons = (
        f"line {line}: what is appended in /tmp is read by no code, and is lost with the container",
        "write to stdout or a logger without a file: CloudWatch Logs keeps it",
    )
    tier = Tier.REVIEW if all(can_be_printed(each) for _, each in group.writers) else Tier.MANUAL
    return make(Verdict.WRITE_ONLY, "grows with every call and is read by none", reasons, tier)


def can_be_printed(effect: FileEffect) -> bool:
    """Whether what is appended to a file could as well be printed: text in a with statement, or a log's handler."""
    if effect.mode == "log":
        return effect.api in PRINTABLE_LOGS or (effect.api == DICT_CONFIG and effect.argument is not None)
    is_plain = effect.is_rewritable and not effect.is_bracketed and effect.behind is not None
    return is_plain and effect.mode in ("a", "at")


def can_be_there(effect: FileEffect) -> bool:
    """Whether a folder can be made whether or not it is there already, by the same call."""
    return effect.api in STRICT_FOLDERS and effect.effect == "claim"


def _database(evidence: Evidence, make: _Maker, group: Group) -> Judgement:
    store = next(each for _, each in group.writers if each.effect == "store")
    reason = f"line {store.place.line}: a database file in /tmp lives and dies with one container"
    way = "keep each key as an item in DynamoDB" if store.api.startswith(SHELVES) else WAYS["store"]
    named = [e for effects in evidence.files.effects.values() for e in effects if e.path.startswith(group.pattern)]
    is_shelf = all(can_be_entries(each) for each in named) and "{" not in group.pattern
    return make(Verdict.STATE, "keeps a database", (reason, way), Tier.REVIEW if is_shelf else Tier.MANUAL)


def can_be_entries(effect: FileEffect) -> bool:
    """Whether a shelf can have each of its entries in an object of its own."""
    return effect.effect == "store" and effect.is_rewritable and bool(effect.function)


# ---------------------------------------------------------------- what is left alone


def _left_alone(evidence: Evidence, group: Group, exposure: Exposure, exposed: list[FileEffect]) -> Verdict | None:
    """CACHE where every write makes up for what is missing; LATCH for a mark that files are there."""
    if any(effect.effect == "claim" for effect in exposed) or exposure.is_told():
        return None
    if _is_marker(group):
        is_setup = all(effect.decides == "setup" for effect in exposed)
        return Verdict.LATCH if is_setup and _is_harmless(evidence, exposure) else None
    makers = [(path, effect) for path, effect in group.writers if effect.effect != "tool"]
    if any(effect.effect == "read" and exposure.is_met(effect) for effect in exposed):
        return None
    is_cache = all(
        exposure.is_missed(effect) and _is_refetchable(evidence, path, effect)
        for path, effect in makers or group.writers
    )
    return Verdict.CACHE if is_cache else None


def _is_marker(group: Group) -> bool:
    """Whether only the file's existence tells something."""
    return not group.does(*USES) and all(
        {atom.kind for atom in effect.written} <= {"const", "opaque"} for _, effect in group.writers
    )


def _is_mark(evidence: Evidence, group: Group) -> bool:
    """Whether a file only tells that the files of a container are there."""
    if not group.writers or not _is_marker(group):
        return False
    exposure = Exposure(evidence, group)
    exposed = exposure.reads()
    return bool(exposed) and _left_alone(evidence, group, exposure, exposed) is Verdict.LATCH


def _is_harmless(evidence: Evidence, exposure: Exposure) -> bool:
    """Whether all that depends on the mark is which files are written, and not with what a request brings."""
    return all(
        _is_refetchable(evidence, step.path, step.item)
        if isinstance(step.item, FileEffect)
        else not evidence.changes(step.path, step.item)
        for step in exposure.depending()
    )


def _is_refetchable(evidence: Evidence, path: str, effect: FileEffect) -> bool:
    """Whether the request gives nothing to the content that it does not also give to the name."""
    sources = evidence.sources.of_atoms(path, _content(evidence, effect))
    named = {source.detail for source in evidence.sources.of_atoms(path, effect.named) if source.kind == "event"}
    asked = {source.detail for source in sources if source.kind == "event"}
    return all(any(each.startswith(known) for known in named) for each in asked)


def _content(evidence: Evidence, effect: FileEffect) -> frozenset[Atom]:
    """Sources of what a write leaves: those of the other file, where that is moved or copied."""
    if not effect.source:
        return effect.written
    found = [each for effects in evidence.files.effects.values() for each in effects if each.path == effect.source]
    return frozenset[Atom]().union(*(each.written for each in found))


# ---------------------------------------------------------------- state


def _state(evidence: Evidence, make: _Maker, group: Group, exposed: list[FileEffect]) -> Judgement:
    written = ", ".join(str(line) for line in sorted({e.place.line for _, e in group.writers}))
    read = ", ".join(str(line) for line in sorted({e.place.line for e in exposed}))
    folder = next((e for e in exposed if e.api in FOLDERS), None)
    if folder is not None and all(e.api in FOLDERS for e in exposed):
        reasons: tuple[str, ...] = (
            f"line {folder.place.line}: {folder.api} fails where an earlier invocation made the folder",
            "pass exist_ok=True, or use a new tempfile.TemporaryDirectory() per call",
        )
        tier = Tier.REVIEW if all(can_be_there(e) for e in exposed) else Tier.MANUAL
        return make(Verdict.STATE, "is a folder that an earlier invocation may have made", reasons, tier)
    if _is_left_over(evidence, group, exposed):
        reasons = (
            f"line {read} can find what line {written} put there in an earlier invocation, beside what is new",
            "empty the folder first, or use a new tempfile.TemporaryDirectory() per call",
        )
        return make(Verdict.STATE, "is a folder with what earlier invocations left", reasons, Tier.REVIEW)
    judgement = make(
        Verdict.STATE,
        "is written in one invocation and read in another",
        (
            f"line {read} can read what line {written} wrote in an earlier invocation",
            "concurrent invocations now share the file: the last writer wins, as it would have in one container",
        ),
        Tier.REVIEW,
    )
    dropped = sorted({e.place.line for _, e in group.writers if e.is_rewritable and not e.is_closed})
    if dropped:
        lines = ", ".join(map(str, dropped))
        judgement = judgement.lowered(
            Tier.REVIEW,
            f"line {lines}: nothing closes the file: it is stored when it is dropped, and an error of S3 is only"
            " shown then; open it in a `with` first",
        )
    variables = sorted({name for _, effect in group.all for name in effect.variables})
    if variables:
        names = " and ".join(variables)
        judgement = judgement.lowered(
            Tier.REVIEW, f"{names} must not name a folder outside of /tmp: that would raise"
        )
    reasons_against = [*_locks(evidence), *_obstacles(group), *_listings(evidence, group)]
    for reason in dict.fromkeys(reasons_against):
        judgement = judgement.lowered(Tier.MANUAL, reason)
    return judgement


def can_be_cleared(effect: FileEffect) -> bool:
    """Whether the folder that a call fills can be emptied in front of its statement."""
    is_known = effect.is_certain and effect.behind is not None and effect.argument is not None
    return effect.effect == "fill" and is_known and effect.path != TEMPORARY and effect.mode != "relative"


def _is_left_over(evidence: Evidence, group: Group, exposed: list[FileEffect]) -> bool:
    """Whether one statement fills a folder, once in each call, and what is read of it is what lies there."""
    fills = [each for _, each in group.writers]
    is_one = len(fills) == 1 and can_be_cleared(fills[0]) and all(each.effect == "list" for each in exposed)
    return is_one and Exposure(evidence, group).is_done_once(fills[0]) and not _is_shared(evidence, fills[0])


def _is_shared(evidence: Evidence, fill: FileEffect) -> bool:
    """Whether something else is put into the folder: the archive itself, for one."""
    return any(
        each.effect in WRITES | {"opaque"} and each.span != fill.span and is_below(generic(each.path), fill.path)
        for effects in evidence.files.effects.values()
        for each in effects
        if not is_folder_made(each)
    )


def _locks(evidence: Evidence) -> Iterator[str]:
    """A lock or a memory map needs a real file, on one machine."""
    for key, function in sorted(evidence.program.functions.items()):
        names = sorted(function.references & LOCKS)
        if names and evidence.reach.has(key):
            yield f"{key[1]}() uses {names[0]}, which works on one machine: use a conditional write in DynamoDB"


def _listings(evidence: Evidence, group: Group) -> Iterator[str]:
    """Why S3 cannot give what a listing gives."""
    for path, effect in group.all:
        line, names = effect.place.line, sorted(each for each in group.others if may_show(effect.path, each))
        if effect.api not in LISTED or not effect.is_rewritable:
            continue
        if generic(effect.path) == TEMPORARY or _MAGIC.search(effect.path.rpartition("/")[0]):
            yield f"line {line}: it shows more than one folder: keep the files in a folder of their own"
        elif names:
            yield f"line {line}: it lists {', '.join(names)}, too: keep the files in a folder of their own"
        elif effect.mode == "returned" and (path, effect.function) not in evidence.program.entries:
            yield f"line {line}: {effect.function} returns the paths: open them where they are listed"


def _obstacles(group: Group) -> Iterator[str]:
    """Why the uses of a path cannot become calls of S3, each reason once with all its lines."""
    lines: dict[str, set[int]] = defaultdict(set)
    for _, effect in (*group.all, *group.folders):
        for reason in _hindrances(effect):
            lines[reason].add(effect.place.line)
    for reason, found in lines.items():
        yield f"line {', '.join(map(str, sorted(found)))}: {reason}"


def _hindrances(effect: FileEffect) -> Iterator[str]:
    if is_folder_made(effect):
        return
    if effect.mode == "relative":
        yield "the working folder belongs to the process: write the path in full"
    if is_remembered(effect.path):
        yield "the name is made once per container: choose one that all containers know"
    if not effect.is_certain:
        yield f"{effect.api} is called for other files, too"
    elif not effect.function:
        yield "it is used at import time"
    elif effect.api in LISTED and not effect.is_rewritable:
        yield f"what becomes of the paths that {effect.api} gives cannot be followed: {WAYS['list']}"
    elif not effect.is_rewritable:
        yield f"{effect.api} ({effect.effect}) has no counterpart on S3 yet: {WAYS[effect.effect]}"
