"""Changes -> Changes: what does not hold up is demoted with the reason. Nothing passes by being hard to check."""

import ast
import builtins
import io
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, combinations, pairwise

from statelift.compose import ComposeError, Read, compose_changes, patched
from statelift.facts.scopes import Scopes
from statelift.infra.names import given_name
from statelift.infra.yamlpatch import Refusal
from statelift.model import (
    Change,
    Edit,
    EnsureEnv,
    EnsureGrant,
    EnsurePackaged,
    EnsureResource,
    FileWrite,
    InfraOperation,
    Operation,
    Problem,
    SourceFile,
    Tier,
)
from statelift.runtime import HELPER_FILE
from statelift.selecting import selections
from statelift.source import parse_source
from statelift.spans import has_overlap

KNOWN = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__path__", "__spec__", "__package__"}
_TEMPLATED = (EnsureResource, EnsureEnv, EnsureGrant, EnsurePackaged)

_WORD = re.compile(r"\w+")


def pass_gate(changes: Sequence[Change], read: Read) -> list[Change]:
    """Every change alone, then all together: re-parse, names resolve, templates provable, edits apart."""
    proven = _proven_templates(changes, read)
    checked = [_alone(change, read, proven) for change in changes]
    return _together(checked, read)


def demoted(change: Change, reason: str) -> Change:
    """The change as MANUAL: told, with the reason, never written."""
    return replace(change, tier=Tier.MANUAL, ops=(), reasons=(*change.reasons, reason))


def _alone(change: Change, read: Read, proven: frozenset[str]) -> Change:
    if change.tier is Tier.MANUAL and not change.ops:
        return change  # it says itself why nothing can be done
    if change.tier is not Tier.MANUAL and _has_all_it_names(change) and proven >= set(_by_template([change])):
        code = tuple(op for op in change.ops if not isinstance(op, _TEMPLATED))
        tried = replace(change, ops=code or change.ops)
    else:
        tried = change = _with_provable_template(change, read)
    try:
        writes = compose_changes([tried], read)
    except ComposeError as error:
        return demoted(change, str(error))
    if not writes:
        return demoted(change, "its operations change nothing")
    faults = chain((fault for write in writes for fault in _faults(write)), _lost_comments(writes))
    return next((demoted(change, fault) for fault in faults), change)


@dataclass(frozen=True, slots=True)
class _Module:
    """What is compared of a file before and after. `fault`: why it does not compile, or ""."""

    fault: str
    comments: Counter[str]
    printed: frozenset[str]
    unresolved: frozenset[str]


def _faults(write: FileWrite) -> Iterator[str]:
    """What is wrong with a composed Python file: it must parse and resolve as well as before."""
    if not write.path.endswith(".py"):
        return
    after = _looked_at(write.path, write.after)
    if isinstance(after, Problem):
        yield f"{write.path} would no longer parse: {after.message}"
        return
    before = _looked_at(write.path, write.before or b"")
    if isinstance(before, Problem):
        yield f"{write.path} does not parse: {before.message}"
        return
    if before.fault:
        yield f"{write.path} does not compile, so it cannot run as it is: {before.fault}"
    if after.fault:
        yield f"{write.path} would no longer compile: {after.fault}"
    if before.printed - after.printed:
        yield f"{write.path} would change what an f-string prints: `{{name=}}` shows its own source text"
    for name in sorted(after.unresolved - before.unresolved):
        yield f"{write.path} would use the name {name} without defining it"


def _lost_comments(writes: Sequence[FileWrite]) -> Iterator[str]:
    """Comments that stand nowhere any more; some go to another file, with what they are about."""
    before, after, homes = Counter[str](), Counter[str](), dict[str, str]()
    for write in writes:
        one, other = _looked_at(write.path, write.before or b""), _looked_at(write.path, write.after)
        # the helper file is generated anew, comments included
        is_looked_at = write.path.endswith(".py") and not write.path.endswith(HELPER_FILE)
        if is_looked_at and isinstance(one, _Module) and isinstance(other, _Module):
            before += one.comments
            after += other.comments
            homes |= dict.fromkeys(one.comments - other.comments, write.path)
    for comment in sorted((before - after).elements()):
        yield f"{homes[comment]} would lose the comment {comment}"


@lru_cache(maxsize=8)  # each change of a file asks for the same bytes before
def _looked_at(path: str, data: bytes) -> _Module | Problem:
    parsed = parse_source(SourceFile(path, data))
    if isinstance(parsed, Problem):
        return parsed
    return _Module(_compile_fault(path, data), _comments(data), _printed(parsed.tree), unresolved(parsed.tree))


def _compile_fault(path: str, data: bytes) -> str:
    """What the compiler refuses and the parser takes: `return` outside a function, an argument given twice."""
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(data, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        return str(error)
    return ""


def _comments(data: bytes) -> Counter[str]:
    """The comments of a file that is known to parse."""
    tokens = tokenize.tokenize(io.BytesIO(data).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def _printed(tree: ast.Module) -> frozenset[str]:
    """The fixed texts inside of f-strings that may be source text themselves, as `{name=}` puts it there."""
    strings = [node.values for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    pieces = (pair for values in strings for pair in pairwise(values))
    return frozenset(
        str(piece.value)
        for piece, value in pieces
        if isinstance(piece, ast.Constant) and str(piece.value).rstrip().endswith("=")
        if not isinstance(value, ast.Constant) and _names_of(value) & set(_WORD.findall(str(piece.value)))
    )


def _names_of(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def unresolved(tree: ast.Module) -> frozenset[str]:
    """Names that are read somewhere and bound nowhere. Empty where a star import may bind anything."""
    scopes = Scopes(tree)
    if "*" in scopes.module.bound:
        return frozenset()
    loads = [node for node in scopes.of if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return frozenset(node.id for node in loads if scopes.of[node].binding(node.id) is None) - KNOWN


# ---------------------------------------------------------------- templates


def _by_template(changes: Iterable[Change]) -> dict[str, list[InfraOperation]]:
    """Template -> what is asked of it."""
    by_template: dict[str, list[InfraOperation]] = {}
    for operation in (op for change in changes for op in change.ops):
        if isinstance(operation, _TEMPLATED) and operation.template is not None:
            by_template.setdefault(operation.template, []).append(operation)
    return by_template


def _proven_templates(changes: Sequence[Change], read: Read) -> frozenset[str]:
    """Templates that take what all changes ask for, together: then none of them has to be tried by itself.

    Programs are tried change by change: what is written to them has to compile for each.
    """
    wanted = _by_template(change for change in changes if change.tier is not Tier.MANUAL)
    return frozenset(
        path
        for path, operations in wanted.items()
        if not path.endswith(".py") and _is_patched(path, operations, read)
    )


def _is_patched(template: str, operations: Sequence[InfraOperation], read: Read) -> bool:
    try:
        patched(template, _bytes(template, read), tuple(operations))
    except Refusal:
        return False
    return True


def _has_all_it_names(change: Change) -> bool:
    """Whether the resources that a change gives variables and rights on are its own, or exist already."""
    own = {op.id for op in change.ops if isinstance(op, EnsureResource)}
    named = {op.resource for op in change.ops if isinstance(op, EnsureEnv | EnsureGrant)}
    return all(name in own or given_name(name) for name in named)


def _with_provable_template(change: Change, read: Read) -> Change:
    """A change whose template cannot be patched provably keeps its needs, but loses SAFE."""
    for template, operations in _by_template([change]).items():
        try:
            patched(template, _bytes(template, read), tuple(operations))
        except Refusal as refusal:
            reason = f"{template} is not patched: {refusal}"
            if any(isinstance(operation, EnsurePackaged) for operation in operations):
                return demoted(change, reason)  # the helper would be missing in the cloud
            ops = tuple(_detached(operation) for operation in change.ops)
            change = replace(change, ops=ops, tier=max(change.tier, Tier.REVIEW), reasons=(*change.reasons, reason))
    return change


def _bytes(path: str, read: Read) -> bytes | None:
    """None for a file that an addition would make."""
    try:
        return read(path)
    except FileNotFoundError:
        return None


def _detached(operation: Operation) -> Operation:
    match operation:
        case EnsureResource() | EnsureEnv() | EnsureGrant():
            return replace(operation, template=None)
        case _:
            return operation


# ---------------------------------------------------------------- combinations


def _together(changes: list[Change], read: Read) -> list[Change]:
    """Demote the later one of two changes whose edits touch the same bytes, then check all at once."""
    ranked = sorted(changes, key=lambda each: _is_behind_default(each, changes))
    clashing = {later.id: earlier for earlier, later in combinations(ranked, 2) if _clash(earlier, later)}
    apart = [
        demoted(change, f"it touches the same text as {clashing[change.id].id}: apply that first, then plan again")
        if change.id in clashing
        else change
        for change in changes
    ]
    try:
        for chosen in selections([change for change in apart if change.tier is not Tier.MANUAL]):
            compose_changes(chosen, read)
    except ComposeError as error:
        return [demoted(change, f"the changes do not combine: {error}") for change in apart]
    return apart


def _is_behind_default(change: Change, changes: Sequence[Change]) -> bool:
    """Whether it is written only where a person takes it instead of another: it gives way to all others."""
    rivals = [each for each in changes if each.alternatives_of == change.alternatives_of]
    return change.alternatives_of is not None and not change.is_default and any(each.is_default for each in rivals)


def _clash(one: Change, other: Change) -> bool:
    """Whether two changes cannot be written together; answers to one finding never are."""
    if one.alternatives_of is not None and one.alternatives_of == other.alternatives_of:
        return False
    mine = [op for op in one.ops if isinstance(op, Edit)]
    theirs = [op for op in other.ops if isinstance(op, Edit)]
    return any(a != b and a.path == b.path and has_overlap(a, b) for a in mine for b in theirs)
