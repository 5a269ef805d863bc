"""A counter -> the call that sends it as a metric: name, function, arguments, and what has to hold for that."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statelift.facts.values import Access
from statelift.infra.names import camel
from statelift.judge.counters import increment_of
from statelift.judge.styles import counts_beside, metrics_of
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.model import Edit, EnsureHelperPart, Operation, Options, Span, Tier
from statelift.runtime import render_inline_metric
from statelift.workspace import Workspace

_CAUGHT = re.compile(rb"\bredirect_stdout\b|\bsys\.stdout\b(?!\.(?:flush|write|isatty)\b)")
_STEP = re.compile(r"[1-9][0-9]*|\w+|len\(\w+\)")


def metric_name(key: CellKey, workspace: Workspace) -> str:
    """The counter in camel case, with its module where other modules have a number of that name."""
    path, name = key
    is_known = any(home != path for home, _ in _namesakes(key, workspace))
    return camel(f"{workspace.program.dotted(path)}.{name}" if is_known else name.replace(".", "_"))


def _namesakes(key: CellKey, workspace: Workspace) -> list[CellKey]:
    """Other numbers that the program changes and whose metric would have the same name."""
    return [
        other
        for other, cell in workspace.program.cells.items()
        if other != key and cell.kind in ("int", "number") and camel(other[1]) == camel(key[1])
    ]


def doubtful_name(key: CellKey, workspace: Workspace) -> Iterator[tuple[Tier, str]]:
    """Why the number might be added to another one, or not be found by a person."""
    path, name = key
    metric = metric_name(key, workspace)
    if any(each.partition("=")[0] == metric for each in workspace.options.metric_dimensions):
        yield Tier.MANUAL, f"{metric} is also a dimension of the configuration: rename one of them"
    for home, other in _namesakes(key, workspace):
        if home == path:
            yield Tier.MANUAL, f"{name} and {other} would be one metric, {metric}: rename one of them"
    if not re.sub(r"[^A-Za-z]", "", name):
        yield Tier.MANUAL, f"{name} makes no name for a metric that a person could read: rename it"
    quoted = re.compile(rb"""["']%s["']""" % metric.encode())
    for other, data in sorted(workspace.sources.items()):
        if quoted.search(data):
            yield Tier.REVIEW, f"{other} names {metric}, too: are the two numbers meant to be added up?"


def caught_output(workspace: Workspace) -> Iterator[tuple[Tier, str]]:
    """A metric is a line on stdout: where the program takes stdout for itself, it gets the line."""
    for path, data in sorted(workspace.sources.items()):
        found = _CAUGHT.search(data)
        if found is not None:
            line = data.count(b"\n", 0, found.start()) + 1
            yield Tier.REVIEW, f"{path}:{line} takes what is printed, and the metric is a printed line"


def sent_by_calls(judgement: Judgement, workspace: Workspace, namespace: str) -> Iterator[tuple[Tier, str]]:
    """A call is no printed line: it takes time and money, and may get lost."""
    yield (
        Tier.REVIEW,
        "each count is a call of PutMetricData: some milliseconds, 10 USD a million; one that fails is a line on"
        " stderr, and its count may be missing",
    )
    yield from workspace.metric_doubts(judgement, namespace)


def emitter(
    path: str, workspace: Workspace, *, is_keyed: bool, is_sent: bool, has_unit: bool = False
) -> tuple[str, tuple[Operation, ...]]:
    """The metric function: from the helper file where that is provably deployed, otherwise in the module itself."""
    if is_sent:
        return "put_metric", workspace.helper(path, "put_metric", ["metric.put"])
    options = workspace.options
    asked = ["metric.unit"] if has_unit or options.metric_unit != "Count" else []
    asked += ["metric.dimensions"] if options.metric_dimensions or is_keyed else []
    if workspace.is_packaged:
        return "count_metric", workspace.helper(path, "count_metric", ["metric.count", *asked])
    name, text = render_inline_metric(asked)
    return name, (EnsureHelperPart(path, name, text),)


def said_of(options: Options, key: str) -> str:
    """What the configuration says of metrics, and the key of an entry, as arguments; "" where there is nothing."""
    said = [("namespace", options.metric_namespace)] if options.metric_namespace else []
    said += [("unit", options.metric_unit)] if options.metric_unit != "Count" else []
    text = "".join(f", {name}={json.dumps(value)}" for name, value in said)
    pairs = [each.split("=", 1) for each in options.metric_dimensions]
    entries = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs]
    entries += [f'"key": {key}'] if key else []
    return f"{text}, dimensions={{{', '.join(entries)}}}" if entries else text


# ---------------------------------------------------------------- beside an addition


@dataclass(frozen=True, slots=True)
class Beside:
    """What sends a metric behind each addition: edits, what the call needs, and what a reviewer should know."""

    edits: tuple[Edit, ...] = ()
    ops: tuple[Operation, ...] = ()
    doubts: tuple[tuple[Tier, str], ...] = ()


def beside_additions(
    judgement: Judgement, workspace: Workspace, steps: Sequence[tuple[str, Access, Span]]
) -> Beside:
    """A metric behind each of these additions, where the configuration asks for it; the value stays what it was.

    A step comes with its file and with the statement that adds once all is rewritten.
    """
    assert judgement.cell is not None
    key, cell = judgement.cell
    if not counts_beside(workspace.options, workspace.program, key):
        return Beside()
    is_plain = cell.home == "module" and cell.kind in ("int", "number")
    if reason := _unfit(key, steps) if is_plain else f"{key[1]} is no number of a module that statements add to":
        return Beside(doubts=((Tier.SAFE, f"no metric is sent beside it: {reason}"),))
    is_sent = metrics_of(workspace.options, workspace.program, key) == "api"
    function, helper = emitter(key[0], workspace, is_keyed=False, is_sent=is_sent)
    name = metric_name(key, workspace)
    edits = []
    for where, use, statement in steps:
        call = f'{function}("{name}", {increment_of(use)}{said_of(workspace.options, "")})'
        edits.append(_behind(where, statement, call, workspace))
    space = workspace.options.metric_namespace
    calls = [(where, use.function, "metric.put") for where, use, _ in steps]
    rights = workspace.metric_rights(judgement, space, calls) if is_sent else ()
    doubts = sent_by_calls(judgement, workspace, space) if is_sent else caught_output(workspace)
    return Beside(tuple(edits), (*helper, *rights), (*doubtful_name(key, workspace), *doubts))


def _unfit(key: CellKey, steps: Sequence[tuple[str, Access, Span]]) -> str:
    """Why a step cannot be written twice, or makes no sum; "" where all can."""
    for path, use, _ in steps:
        step = increment_of(use) or ""
        if path != key[0]:
            return f"{path}:{use.place.line} adds to it from another file"
        if not _STEP.fullmatch(step) or step == key[1]:
            return f"line {use.place.line} adds {step}"
    return ""


def _behind(path: str, statement: Span, call: str, workspace: Workspace) -> Edit:
    """The call on a line of its own behind the statement, where that has one; else behind a semicolon."""
    data = workspace.sources[path]
    start = data.rfind(b"\n", 0, statement.start) + 1
    stop = data.find(b"\n", statement.end)
    stop = len(data) if stop < 0 else stop
    rest = data[statement.end : stop].strip()
    margin = workspace.text(path, Span(start, statement.start))
    if margin.strip() or (rest and not rest.startswith(b"#")):
        return Edit(path, statement.end, statement.end, f"; {call}")
    ending = "\r\n" if data[:stop].endswith(b"\r") else "\n"
    at = stop - len(ending) + 1
    return Edit(path, at, at, f"{ending}{margin}{call}")
