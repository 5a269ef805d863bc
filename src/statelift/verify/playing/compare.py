"""Observation -> Seen -> Match: what an invocation showed, without what may differ, and how two of them compare."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from statelift.verify.events.steps import Json, answer_of
from statelift.verify.values import Effect, Observation

_TRACEBACK = "Traceback (most recent call last):"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
# Ids that the simulated AWS gives to requests, and how often one was sent: neither tells what was done.
_OF_REQUEST = re.compile(
    r"""(['"])(RequestId|HostId|x-amzn-requestid|x-amz-request-id)\1: (['"])[A-Za-z0-9]{52}\3"""
    r"""|(['"])RetryAttempts\4: \d+"""
)
_STEP = re.compile(r"\[(\d+|\*)\]|([^.\[\]]+)")
_RETRIED = frozenset({"throttled", "error", "lost"})  # the SDK sent the call again: the second one counts
_OFF = 7200.0  # seconds: CloudWatch does not take a metric whose time is further in the future
PARTS = ("@stdout", "@effects")  # what `--ignore` can leave out as a whole


class IgnoreError(ValueError):
    """A path of `--ignore` that cannot be read; the message says what one looks like."""


class Match(IntEnum):
    """How two answers compare; the worse, the greater."""

    EQUAL = 0
    ORDER = 1
    DIFFERENT = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """What is not compared. `ignored` are paths into replies, `own` the names of the state store's resources,
    `unjudged` the calls whose answers count for nothing, `metrics` what calls count of the new metrics.
    """

    ignored: tuple[tuple[str, ...], ...] = ()
    parts: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    unjudged: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """One invocation in normal form: the outcome, the lines it printed, its writes elsewhere, its metrics.

    `failed` are those that a call was to send, and that CloudWatch answered with an error of its own.
    """

    answer: Json
    output: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    failed: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect in which two runs differ: "answer", "output", "effects", "metric" or "permission"."""

    aspect: str
    expected: str
    found: str


def rules_of(ignore: Iterable[str], own: Iterable[str]) -> Rules:
    """Rules from paths like `$.body.requestId`, `items[*].at`, `@stdout`. IgnoreError for what is no path."""
    paths = list(ignore)
    wanted = [path for path in paths if not path.startswith("@")]
    if unknown := [path for path in paths if path.startswith("@") and path not in PARTS]:
        raise IgnoreError(f"--ignore {unknown[0]}: besides paths there are {' and '.join(PARTS)}.")
    parts = frozenset(path for path in paths if path in PARTS)
    return Rules(tuple(_path(path) for path in wanted), parts, frozenset(own))


def _path(text: str) -> tuple[str, ...]:
    inner = text.removeprefix("$").removeprefix(".")
    steps = tuple(index or name for index, name in _STEP.findall(inner))
    if not steps or _STEP.sub("", inner).strip("."):
        raise IgnoreError(f"--ignore {text}: write a path into the reply, like body.requestId or items[*].at.")
    return steps


def seen(observation: Observation, rules: Rules) -> Seen:
    """What counts of an observation."""
    lines, metrics = _lines(observation.stdout, observation.event.at)
    own = [effect for effect in observation.effects if is_count(effect, rules.metrics)]
    sent = [effect for effect in own if effect.fault not in ("throttled", "error")]
    return Seen(
        answer=_answer(observation, rules),
        output=() if "@stdout" in rules.parts else tuple(lines),
        effects=() if "@effects" in rules.parts else tuple(_effects(observation.effects, rules)),
        metrics=MappingProxyType(_added([metrics, *map(sent_metrics, sent)])),
        failed=MappingProxyType(_added(sent_metrics(each) for each in own if each.fault == "error")),
    )


def _answer(observation: Observation, rules: Rules) -> Json:
    outcome = observation.outcome
    if outcome.kind != "reply":
        return {"error": outcome.error or outcome.kind, "message": _masked(outcome.message)}
    value = _plain(answer_of(outcome.payload))
    for path in rules.ignored:
        value = _without(value, path)
    return {"reply": value}


def _plain(value: Json) -> Json:
    """Addresses and ids of requests masked, the body of an HTTP reply as what it holds."""
    match value:
        case dict():
            return {
                key: _of_request(key, _plain(_body(item) if key == "body" else item)) for key, item in value.items()
            }
        case list():
            return [_plain(item) for item in value]
        case str():
            return _masked(value)
        case _:
            return value


def _body(value: Json) -> Json:
    """The JSON that a text holds, or the text."""
    inner = answer_of(value) if isinstance(value, str) and value[:1] in ("{", "[") else None
    return value if inner is None else inner


def _masked(text: str) -> str:
    return _OF_REQUEST.sub("…", _ADDRESS.sub("0x…", text))


def _of_request(key: str, value: Json) -> Json:
    return "…" if isinstance(value, str | int) and _OF_REQUEST.fullmatch(f'"{key}": {json.dumps(value)}') else value


def _without(value: Json, path: tuple[str, ...]) -> Json:
    """The value with what stands at the path replaced; a path that leads nowhere changes nothing."""
    step, *rest = path
    match value:
        case dict():
            return {
                key: (_without(item, tuple(rest)) if rest else "(ignored)") if step in ("*", key) else item
                for key, item in value.items()
            }
        case list():
            return [
                (_without(item, tuple(rest)) if rest else "(ignored)") if step in ("*", str(number)) else item
                for number, item in enumerate(value)
            ]
        case _:
            return value


# ---------------------------------------------------------------- output and effects


def _lines(stdout: str, at: float) -> tuple[list[str], dict[str, float]]:
    """The lines that were printed, and the sums of the metrics among them (CloudWatch's embedded format)."""
    kept: list[str] = []
    sums: dict[str, float] = {}
    for line in _without_frames(stdout.splitlines()):
        found = _metrics(line, at)
        if found is None:
            kept.append(_masked(line))
        else:
            for name, value in found.items():
                sums[name] = sums.get(name, 0) + value
    return kept, sums


def _without_frames(lines: list[str]) -> Iterator[str]:
    """Tracebacks that were logged keep their first line and the exception: frames are lines of the source."""
    is_inside = False
    for line in lines:
        is_inside = line.endswith(_TRACEBACK) or (is_inside and line.startswith("  "))
        if not is_inside or line.endswith(_TRACEBACK):
            yield line


def _metrics(line: str, at: float) -> dict[str, float] | None:
    """The metrics that CloudWatch reads from a line that was printed at that time; None where it reads none."""
    found = answer_of(line) if '"_aws"' in line else None
    if not isinstance(found, dict):
        return None
    match found.get("_aws"):
        case {"Timestamp": int(stamp), "CloudWatchMetrics": list(directives)} if abs(stamp / 1000 - at) < _OFF:
            names = [name for each in directives for name in _named(each) if name in found]
            return {name: _sum(found[name]) for name in names}
        case _:
            return None


def _named(directive: Json) -> list[str]:
    """The metrics that a directive speaks of."""
    match directive:
        case {"Namespace": str(space), "Dimensions": list(), "Metrics": list(metrics)} if space:
            return [str(each["Name"]) for each in metrics if isinstance(each, dict) and "Name" in each]
        case _:
            return []


def _sum(value: Json) -> float:
    """A metric's value, or the sum of its values."""
    many = value if isinstance(value, list) else [value]
    return sum(each for each in many if isinstance(each, int | float))


def _effects(effects: Iterable[Effect], rules: Rules) -> Iterator[str]:
    for effect in effects:
        is_counted = effect.is_write or effect.kind == "canned"
        is_own = rules.own.issuperset(effect.target.split(",")) or is_count(effect, rules.metrics)
        if is_counted and not is_own and effect.fault not in _RETRIED:
            yield f"{effect.service} {effect.operation} {effect.target} {_masked(effect.request)}"


# ---------------------------------------------------------------- comparing


def compare(expected: Seen, found: Seen) -> Match:
    """How two invocations compare: equal, equal but for the order of parts, or different."""
    if _text(expected) == _text(found):
        return Match.EQUAL
    return Match.ORDER if _sorted_text(expected) == _sorted_text(found) else Match.DIFFERENT


def difference(expected: Seen, found: Seen) -> Difference | None:
    """The first aspect in which they differ beyond order."""
    aspects: tuple[tuple[str, Json, Json], ...] = (
        ("answer", expected.answer, found.answer),
        ("output", [*expected.output], [*found.output]),
        ("effects", [*expected.effects], [*found.effects]),
    )
    for aspect, one, other in aspects:
        if json.dumps(_ordered(one)) != json.dumps(_ordered(other)):
            return Difference(aspect, _shown(one), _shown(other))
    return None


def _text(each: Seen) -> str:
    return json.dumps([each.answer, list(each.output), list(each.effects)])


def _sorted_text(each: Seen) -> str:
    return json.dumps([_ordered(each.answer), _ordered([*each.output]), _ordered([*each.effects])])


def _ordered(value: Json) -> Json:
    """The value with keys and lists sorted: all that is left of it without its order."""
    match value:
        case dict():
            return {key: _ordered(value[key]) for key in sorted(value)}
        case list():
            return sorted((_ordered(item) for item in value), key=json.dumps)
        case _:
            return value


def _shown(value: Json) -> str:
    match value:
        case {"reply": reply}:
            return json.dumps(reply, ensure_ascii=False)
        case {"error": error, "message": message}:
            return f"raises {error}: {message}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def shown(each: Seen) -> str:
    """The answer as one line for people."""
    return _shown(each.answer)


def sum_of(many: Iterable[Seen]) -> dict[str, float]:
    """The metrics of several invocations, added up."""
    return _added(each.metrics for each in many)


def failed_of(many: Iterable[Seen]) -> dict[str, float]:
    """What of them may be missing, added up."""
    return _added(each.failed for each in many)


def _added(many: Iterable[Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for each in many:
        for name, value in each.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def is_count(effect: Effect, names: frozenset[str]) -> bool:
    """Whether a call sends some of these metrics, and nothing else."""
    return bool(names) and effect.operation == "PutMetricData" and sent_metrics(effect).keys() <= names


def sent_metrics(effect: Effect) -> dict[str, float]:
    """The metrics of a call of PutMetricData, in the form of either protocol of the SDK."""
    asked = answer_of(effect.request)
    match asked:
        case {"MetricData": list(data)}:
            return _added({str(each["MetricName"]): _number(each.get("Value"))} for each in map(_mapping, data))
        case dict():
            return _added(
                {str(text): _number(asked.get(f"{name.removesuffix('MetricName')}Value"))}
                for name, text in asked.items()
                if name.startswith("MetricData.member.") and name.endswith(".MetricName")
            )
        case _:
            return {}


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) and "MetricName" in value else {"MetricName": ""}


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float | str) else 0.0
