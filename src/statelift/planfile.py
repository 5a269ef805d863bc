"""Plan -> JSON -> Plan: the saved plan, read back strictly, and the JSON of `scan`.

A plan file may come from another machine or from a hostile repository, and `apply` writes what it says.
So reading trusts nothing: exact keys, exact types, paths that stay below the root, references that exist.
"""

import json
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, TypedDict, TypeVar, get_args

from statelift import __version__, model
from statelift.model import Finding, Operation, Place, Plan, Tier

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = 1
_CURE = "Make a new plan: statelift plan -o plan.json"

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")
Json: TypeAlias = dict[str, object]
Reader: TypeAlias = Callable[[object, str], T]  # of a JSON value and of where it stands: $.files[0].path


class PlanError(ValueError):
    """A plan that cannot be trusted. The message says where in the JSON, what is wrong, what to do."""


class Summary(TypedDict):
    """The numbers of a run. Every family and every tier has its key, also with 0."""

    files: int
    functions: int
    findings_by_family: dict[str, int]
    findings_by_tier: dict[str, int]
    left_alone: int
    errors: int


def summary(plan: Plan) -> Summary:
    """Count what the plan holds."""
    families = Counter(finding.family for finding in plan.findings)
    tiers = Counter(finding.tier for finding in plan.findings)
    return {
        "files": plan.file_count,
        "functions": plan.function_count,
        "findings_by_family": {family: families[family] for family in get_args(model.Family)},
        "findings_by_tier": {tier.word: tiers[tier] for tier in Tier},
        "left_alone": len(plan.left_alone),
        "errors": len(plan.errors),
    }


def scan_to_json(plan: Plan) -> Json:
    """The contract of `scan --format json` (scan.schema.json). Raises PlanError for a finding without tier."""
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "root": plan.root,
        "findings": [finding_to_json(finding) for finding in plan.findings],
        "left_alone": [suspect_to_json(finding) for finding in plan.left_alone],
        "errors": _json(plan.errors),
        "summary": summary(plan),
        **_if_any("suppressed", [suppressed_to_json(each) for each in plan.suppressed]),
        **_if_any("warnings", _json(plan.warnings)),
    }


def _if_any(key: str, records: object) -> Json:
    """Keys that came later are there only where they say something."""
    return {key: records} if records else {}


def plan_to_json(plan: Plan) -> Json:
    """The contract of plan.json (plan.schema.json). Raises PlanError for a finding without tier."""
    return {
        **scan_to_json(plan),
        "options": _json(plan.options),
        "files": _json(plan.files),
        "changes": _json(plan.changes),
    }


def finding_to_json(finding: Finding) -> Json:
    """One reported finding. Raises PlanError if it has no tier."""
    if finding.tier is None:
        raise PlanError(f"finding {finding.id} is reported but has no tier: judge it or leave it alone")
    return {**suspect_to_json(finding), "tier": finding.tier.word, "changes": list(finding.changes)}


def suspect_to_json(finding: Finding) -> Json:
    """One suspect that is left alone: a finding without tier and changes, its place kept flat."""
    record = {**_fields_of(finding), **_fields_of(finding.place)}
    return {key: _json(record[key]) for key in _SUSPECT}


def suppressed_to_json(suppressed: model.Suppressed) -> Json:
    """A finding that a comment or the baseline hides."""
    return {**suspect_to_json(suppressed.finding), "by": suppressed.by, "reason": suppressed.reason}


def _json(value: object) -> object:
    match value:
        case Tier():
            return value.word
        case str():
            return str(value)  # a verdict becomes its plain word
        case tuple():
            return [_json(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _record_to_json(value)
        case _:
            return value


def _record_to_json(record: "DataclassInstance") -> Json:
    values = {key: _json(item) for key, item in _fields_of(record).items()}
    if isinstance(record, model.EnsureResource):
        values["properties"] = dict(record.properties)
    if values.get("is_default") is False:
        del values["is_default"]  # it came later, and is there only where it says something
    word = _OPERATION_WORDS.get(type(record))
    return {"op": word, **values} if word else values


def _fields_of(record: "DataclassInstance") -> Json:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _refuse(at: str, flaw: str) -> NoReturn:
    raise PlanError(f"{at} {flaw}. {_CURE}")


def _typed(kind: type[T], words: str) -> Reader[T]:
    def read(value: object, at: str) -> T:
        return value if isinstance(value, kind) else _refuse(at, f"must be {words}, not {value!r:.60}")

    return read


_text = _typed(str, "a string")
_object: Reader[Json] = _typed(dict, "an object")
_array: Reader[list[object]] = _typed(list, "an array")


def _count(value: object, at: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _refuse(at, f"must be a whole number from 0 on, not {value!r:.60}")
    return value


def _one_of(words: Mapping[str, T]) -> Reader[T]:
    def read(value: object, at: str) -> T:
        if not isinstance(value, str) or value not in words:
            _refuse(at, f"must be one of {', '.join(words)}, not {value!r:.60}")
        return words[value]

    return read


def _word(*words: str) -> Reader[str]:
    return _one_of({word: word for word in words})


def _optional(read: Reader[T]) -> Reader[T | None]:
    return lambda value, at: None if value is None else read(value, at)


def _list_of(read: Reader[T]) -> Reader[tuple[T, ...]]:
    return lambda value, at: tuple(read(item, f"{at}[{index}]") for index, item in enumerate(_array(value, at)))


_PATH_FLAWS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("contains a NUL character", lambda path: "\0" in path),
    ("contains a backslash: write / between folders", lambda path: "\\" in path),
    ("is absolute: it must be relative to the root", lambda path: path.startswith("/")),
    ("starts with a drive letter", lambda path: path[:1].isalpha() and path[1:2] == ":"),
    ("leaves the root by ..", lambda path: ".." in path.split("/")),
    ("holds characters that no file name can have", lambda path: not _can_be_named(path)),
    ("has an empty or . segment", lambda path: not {"", "."}.isdisjoint(path.split("/"))),
)


def _can_be_named(path: str) -> bool:
    """Whether the file system takes the characters; bytes that are not UTF-8 travel as lone surrogates."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _path(value: object, at: str) -> str:
    """A file below the root, spelled in the one way that the model allows."""
    path = _text(value, at)
    for flaw, has_flaw in _PATH_FLAWS:
        if has_flaw(path):
            _refuse(at, f"({path!r:.80}) {flaw}")
    return path


def _matching(pattern: str, words: str) -> Reader[str]:
    def read(value: object, at: str) -> str:
        text = _text(value, at)
        return text if re.fullmatch(pattern, text, re.DOTALL) else _refuse(at, f"({text!r:.80}) {words}")

    return read


_sha256 = _matching(r"([0-9a-f]{64})?", 'must be 64 hexadecimal digits, or "" for a new file')
_absolute = _matching(r"(/|\\\\|[A-Za-z]:[/\\])[^\0]*", "must be an absolute path")
# The path of a problem is told, never opened: "" is the whole run, a backslash may be what is wrong.
_told_path = _matching(r"(?!/)(?!(.*/)?\.\.(/|\Z))[^\0]*", "must stay below the root")


def _root(value: object, at: str) -> str:
    path = _absolute(value, at)
    return path if _can_be_named(path) else _refuse(at, f"({path!r:.80}) holds characters that no path can have")


def _record(
    make: Callable[..., T], readers: Mapping[str, Reader[object]], optional: frozenset[str] = frozenset()
) -> Reader[T]:
    """Read an object with exactly these keys, the optional ones or not, and hand them to `make` by name."""

    def read(value: object, at: str) -> T:
        record = _object(value, at)
        if missing := readers.keys() - record.keys() - optional:
            _refuse(at, f"lacks {', '.join(sorted(missing))}")
        if unknown := record.keys() - readers.keys():
            _refuse(at, f"has unknown keys: {', '.join(map(repr, sorted(unknown)))}")
        return make(**{key: reader(record[key], f"{at}.{key}") for key, reader in readers.items() if key in record})

    return read


def _properties(value: object, at: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, _text(item, f"{at}.{key}")) for key, item in _object(value, at).items())


_MAYBE = _optional(_text)
_READERS: dict[str, Reader[object]] = {
    "path": _path,
    "template": _optional(_path),
    "sha256": _sha256,
    "family": _word(*get_args(model.Family)),
    "verdict": _one_of({verdict.value: verdict for verdict in model.Verdict}),
    "tier": _one_of({tier.word: tier for tier in Tier}),
    "decision": _optional(_word(*get_args(model.Decision))),
    "metrics": _word(*get_args(model.Metrics)),
    "strict_handlers": _typed(bool, "true or false"),
    "is_ephemeral": _typed(bool, "true or false"),
    "fix_original": _typed(bool, "true or false"),
    "is_default": _typed(bool, "true or false"),
    "counter_metric": _typed(bool, "true or false"),
    "ttl_seconds": _count,
    "properties": _properties,
    **dict.fromkeys(("line", "end_line", "column", "start", "end"), _count),
    **dict.fromkeys(("reasons", "handlers", "changes", "needs", "actions"), _list_of(_text)),
    **dict.fromkeys(("select", "ignore", "codemods", "metric_dimensions"), _list_of(_text)),
    **dict.fromkeys(("alternatives_of", "key_prefix", "condition"), _MAYBE),
}
"""How a field is read, by its name, wherever it stands. A name that is not here is text."""


def _named(*names: str) -> dict[str, Reader[object]]:
    return {name: _READERS.get(name, _text) for name in names}


def _value(make: type[D], **special: Reader[object]) -> Reader[D]:
    """Read a dataclass whose fields are its JSON keys."""
    return _record(make, {**_named(*(field.name for field in fields(make))), **special})


_PLACE = ("path", "line", "end_line", "column")
_SUSPECT = {
    **_named("id", "rule", "name", "family", *_PLACE, "symbol", "verdict", "message", "reasons", "handlers"),
    "uses": _list_of(_value(model.Use)),
}


def _placed(**parts: object) -> Finding:
    """JSON keeps the place of a finding flat."""
    make: Callable[..., Finding] = Finding
    place: Callable[..., Place] = Place
    return make(place=place(**{key: parts.pop(key) for key in _PLACE}), **parts)


def _suppressed(*, by: Literal["comment", "baseline"], reason: str, **parts: object) -> model.Suppressed:
    return model.Suppressed(_placed(**parts), by, reason)


def _edit(value: object, at: str) -> model.Edit:
    edit = _value(model.Edit)(value, at)
    if edit.start > edit.end:
        _refuse(f"{at}.start", f"({edit.start}) lies behind the end ({edit.end})")
    return edit


_RESOURCE_KIND = _word("table", "bucket", "metric", "alarm")
_OPERATIONS: dict[str, tuple[type[Operation], Reader[Operation]]] = {
    "edit": (model.Edit, _edit),
    "ensure_import": (model.EnsureImport, _value(model.EnsureImport, name=_MAYBE)),
    "ensure_helper_part": (model.EnsureHelperPart, _value(model.EnsureHelperPart, text=_MAYBE)),
    "ensure_resource": (model.EnsureResource, _value(model.EnsureResource, kind=_RESOURCE_KIND)),
    "ensure_env": (model.EnsureEnv, _value(model.EnsureEnv)),
    "ensure_grant": (model.EnsureGrant, _value(model.EnsureGrant)),
    "ensure_packaged": (model.EnsurePackaged, _value(model.EnsurePackaged, template=_path)),
}
_OPERATION_WORDS: dict[type, str] = {make: word for word, (make, _) in _OPERATIONS.items()}


def _operation(value: object, at: str) -> Operation:
    record = _object(value, at)
    _, read = _one_of(_OPERATIONS)(record.get("op"), f"{at}.op")
    return read({key: item for key, item in record.items() if key != "op"}, at)


def _plan(*, schema: int, tool_version: str, summary: Json, **parts: object) -> Plan:
    """`schema` and `tool_version` say how to read the file, they are no part of the plan."""
    make: Callable[..., Plan] = Plan
    return make(
        file_count=_count(summary.get("files"), "$.summary.files"),
        function_count=_count(summary.get("functions"), "$.summary.functions"),
        **parts,
    )


_CELL = _value(
    model.CellOptions,
    style=_word("", *get_args(model.Style)),
    counter_metric=_optional(_typed(bool, "true or false")),
)
_OPTIONS = _value(model.Options, style=_word(*get_args(model.Style)), stores=_list_of(_CELL))
_PROBLEM = _value(model.Problem, path=_told_path)
_CHANGE = _record(
    model.Change,
    {**_named(*(field.name for field in fields(model.Change))), "ops": _list_of(_operation)},
    optional=frozenset({"is_default"}),
)
_PLAN = _record(
    _plan,
    {
        "schema": _count,
        "tool_version": _text,
        "options": _OPTIONS,
        "root": _root,
        "files": _list_of(_value(model.FileHash)),
        "findings": _list_of(_record(_placed, {**_SUSPECT, **_named("tier", "changes")})),
        "left_alone": _list_of(_record(_placed, _SUSPECT)),
        "changes": _list_of(_CHANGE),
        "errors": _list_of(_PROBLEM),
        "suppressed": _list_of(
            _record(_suppressed, {**_SUSPECT, "by": _word("comment", "baseline"), "reason": _text})
        ),
        "warnings": _list_of(_PROBLEM),
        "summary": _object,
    },
    optional=frozenset({"suppressed", "warnings"}),
)


def plan_from_json(data: object) -> Plan:
    """Read what `plan_to_json` made. Raises PlanError for anything else."""
    record = _object(data, "$")
    version = record.get("schema")
    if version != SCHEMA or isinstance(version, bool):
        _refuse("$.schema", f"is {version!r:.60}, and this statelift reads {SCHEMA}")
    if (maker := record.get("tool_version", __version__)) != __version__:
        flaw = f"is {maker!r:.60}, and this is statelift {__version__}, which may write other bytes than you saw"
        _refuse("$.tool_version", flaw)
    plan = _PLAN(record, "$")
    _check_ids(plan)
    _check_references(plan)
    if record["summary"] != summary(plan):
        _refuse("$.summary", "does not count what the plan holds")
    return plan


def _numbered(at: str, key: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((f"{at}[{index}]{key}", value) for index, value in enumerate(values))


def _check_ids(plan: Plan) -> None:
    findings = _numbered("$.findings", ".id", (finding.id for finding in plan.findings))
    suspects = _numbered("$.left_alone", ".id", (finding.id for finding in plan.left_alone))
    hidden = _numbered("$.suppressed", ".id", (each.finding.id for each in plan.suppressed))
    _refuse_repeats([*findings, *suspects, *hidden])
    _refuse_repeats(_numbered("$.changes", ".id", (change.id for change in plan.changes)))
    _refuse_repeats(_numbered("$.files", ".path", (file.path for file in plan.files)))


def _refuse_repeats(placed: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for at, value in placed:
        if value in seen:
            _refuse(at, f"repeats {value!r:.80}")
        seen.add(value)


def _check_references(plan: Plan) -> None:
    findings = {finding.id for finding in plan.findings}
    changes = {change.id for change in plan.changes}
    for number, finding in enumerate(plan.findings):
        _refuse_strangers(_numbered(f"$.findings[{number}].changes", "", finding.changes), changes)
    for number, change in enumerate(plan.changes):
        _refuse_strangers(_numbered(f"$.changes[{number}].needs", "", change.needs), changes)
        if change.alternatives_of is not None:
            _refuse_strangers([(f"$.changes[{number}].alternatives_of", change.alternatives_of)], findings)
    _check_defaults(plan)


def _check_defaults(plan: Plan) -> None:
    """Of the answers to one finding, one at most is the default."""
    seen: set[str] = set()
    for number, change in enumerate(plan.changes):
        if change.is_default:
            at = f"$.changes[{number}].is_default"
            if change.alternatives_of is None:
                _refuse(at, "belongs to alternatives, and this change is none")
            if change.alternatives_of in seen:
                _refuse(at, f"is the second one of {change.alternatives_of!r:.80}")
            seen.add(change.alternatives_of)


def _refuse_strangers(placed: Iterable[tuple[str, str]], known: set[str]) -> None:
    for at, value in placed:
        if value not in known:
            _refuse(at, f"names {value!r:.80}, which is not in this plan")


def load_plan(path: Path) -> Plan:
    """Read a plan file. Raises PlanError, naming the file, if it is not there or not to be trusted."""
    try:
        return plan_from_json(json.loads(path.read_bytes(), object_pairs_hook=_unique))
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise PlanError(f"{path} cannot be read as a plan ({error}). {_CURE}") from error


def _unique(pairs: list[tuple[str, object]]) -> Json:
    _refuse_repeats(("an object key", key) for key, _ in pairs)
    return dict(pairs)


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan file, whole or not at all. Raises PlanError like `plan_to_json`, and OSError."""
    data = (json.dumps(plan_to_json(plan), indent=2) + "\n").encode("ascii")
    target = path.resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(data)  # a pipe or a device cannot be replaced, only written to
    else:
        _replace(target, data)


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
