"""An instrument that is asked for its number, which nobody does in Lambda -> a line of the log for each number."""

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statelift.dropping import strangers
from statelift.facts.values import Access
from statelift.judge.styles import metrics_of
from statelift.judge.values import Judgement
from statelift.metering import caught_output, emitter, sent_by_calls
from statelift.model import Edit, Operation, Tier
from statelift.workspace import Proposal, Workspace, line_of

LIBRARY = "prometheus_client."
OPERATIONS = {"Counter": "inc", "Gauge": "set", "Histogram": "observe", "Summary": "observe"}
# Names of the library by which a program gives its numbers away, or keeps them elsewhere.
ASKING = frozenset(
    """CollectorRegistry REGISTRY generate_latest start_http_server start_wsgi_server make_wsgi_app make_asgi_app
    write_to_textfile push_to_gateway pushadd_to_gateway delete_from_gateway MetricsHandler multiprocess
    PROMETHEUS_MULTIPROC_DIR""".split()
)
UNITS = {"seconds": "Seconds", "bytes": "Bytes"}
CLOCKS = frozenset({"time.time", "time.perf_counter", "time.monotonic"})
LABELS = ("labelnames", "documentation", "name", "namespace", "subsystem", "unit", "buckets")
MOST_LABELS = 30
SEEN_AS = {
    "Counter": "Sum tells how often, over all containers",
    "Gauge": "the last value of one container is no number of all: ask for Maximum or Average",
    "Histogram": "CloudWatch has percentiles of all values; the buckets are gone",
    "Summary": "Sum, SampleCount and Average tell what it told",
}


class NotSentError(ValueError):
    """Why an instrument cannot become a metric, with the line."""


@dataclass(frozen=True, slots=True)
class _Instrument:
    """What the constructor says."""

    kind: str
    name: str
    labels: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Counters count; of others the name tells, as Prometheus wants it to."""
        return "Count" if self.kind == "Counter" else UNITS.get(self.name.rpartition("_")[2], "None")


def is_instrument(judgement: Judgement) -> bool:
    """Whether the cell holds an instrument of Prometheus."""
    return judgement.cell is not None and judgement.cell[1].callee.startswith(LIBRARY)


def send(judgement: Judgement, workspace: Workspace) -> Proposal:
    """Each number becomes a metric of the same name, with labels as dimensions; MANUAL where one cannot."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    title = f"send what {name} gets as a CloudWatch metric"
    try:
        _check(judgement, workspace)
        made = _instrument_of(judgement)
        numbers = [_number(where, use, made, workspace) for where, use in judgement.accesses]
    except NotSentError as error:
        return Proposal("metric", title, (), Tier.MANUAL, (str(error),))
    ops: list[Operation] = [Edit(path, *line_of(cell, workspace.sources[path]), "")]
    is_sent = metrics_of(workspace.options, workspace.program, (path, name)) == "api"
    for number in numbers:
        function, needed = _emitter(number.path, workspace, is_sent=is_sent)
        ops += [number.edit(function, made, workspace), *needed]
    space = workspace.options.metric_namespace
    calls = [(where, use.function, "metric.put") for where, use in judgement.accesses]
    ops += workspace.metric_rights(judgement, space, calls) if is_sent else ()
    doubts = sent_by_calls(judgement, workspace, space) if is_sent else caught_output(workspace)
    named = [reason for _, reason in strangers((path, name), workspace)]
    reasons = tuple(dict.fromkeys((*_told(made), *(each.doubt for each in numbers if each.doubt), *named)))
    proposal = Proposal("metric", title, tuple(dict.fromkeys(ops)), max(judgement.tier, Tier.REVIEW), reasons)
    for tier, reason in doubts:
        proposal = proposal.lowered(tier, reason)
    return proposal


def _told(made: _Instrument) -> Iterator[str]:
    yield f"{made.name} is a metric of CloudWatch, which nobody has to ask for: {SEEN_AS[made.kind]}"
    yield "the import of prometheus_client stays: delete it where nothing else needs it"
    if made.labels:
        yield (
            f"its labels are dimensions ({', '.join(made.labels)}): each combination of values is a metric that is"
            " paid for; a value that is empty or over 1,024 characters is not counted"
        )


def _emitter(path: str, workspace: Workspace, *, is_sent: bool) -> tuple[str, tuple[Operation, ...]]:
    """The function for all instruments of the program: one text, whatever each of them needs."""
    makers = [cell.callee for cell in workspace.program.cells.values() if cell.callee.startswith(LIBRARY)]
    has_units = any(not each.endswith(".Counter") for each in makers)
    return emitter(path, workspace, is_keyed=True, is_sent=is_sent, has_unit=has_units)


def _check(judgement: Judgement, workspace: Workspace) -> None:
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    if cell.home != "module" or cell.definition_count != 1 or not (cell.is_top_level and cell.is_alone):
        raise NotSentError(f"line {cell.place.line}: it has no definition of its own at the top of a module")
    for other, module in sorted(workspace.program.modules.items()):
        asking = ASKING & (module.identifiers | {each for each, _ in module.attributes})
        if asking:
            raise NotSentError(f"{other} uses {min(asking)}: somebody may ask for the numbers, or gets them")
        targets = [workspace.program.resolve(other, each.local) for each in module.imports if each.name == name]
        if other != path and any(each is not None and (each.path, each.name) == (path, name) for each in targets):
            raise NotSentError(f"{other} imports it by its name, which goes: name its module there")
    for tier, reason in strangers((path, name), workspace):
        if tier is Tier.MANUAL:
            raise NotSentError(reason)


def _instrument_of(judgement: Judgement) -> _Instrument:
    """NotSentError where the constructor says more than is known."""
    assert judgement.cell is not None
    cell = judgement.cell[1]
    kind = cell.callee.removeprefix(LIBRARY)
    call = ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None
    refused = NotSentError(f"line {cell.place.line}: what the constructor says is not all known")
    if kind not in OPERATIONS or not isinstance(call, ast.Call):
        raise refused
    given = dict(zip(("name", "documentation", "labelnames"), call.args, strict=False))
    given |= {each.arg or "**": each.value for each in call.keywords}
    if len(call.args) > 3 or not given.keys() <= set(LABELS) or "name" not in given:
        raise refused
    try:
        known = {key: ast.literal_eval(value) for key, value in given.items() if key != "buckets"}
    except ValueError as error:
        raise refused from error
    words = [known.get("namespace", ""), known.get("subsystem", ""), known["name"], known.get("unit", "")]
    labels = known.get("labelnames", ())
    if not all(isinstance(each, str) for each in (*words, *labels)) or isinstance(labels, str):
        raise refused
    if len(labels) > MOST_LABELS:
        raise NotSentError(f"line {cell.place.line}: a metric has at most {MOST_LABELS} dimensions")
    ending = f"_{words[3]}" if words[3] and not words[2].endswith(f"_{words[3]}") else ""
    return _Instrument(kind, "_".join(filter(None, words[:3])) + ending, tuple(labels))


# ---------------------------------------------------------------- one number


@dataclass(frozen=True, slots=True)
class _Number:
    """One statement that gives an instrument a number, with the values of its labels in the order of evaluation."""

    path: str
    use: Access
    amount: str
    labels: tuple[tuple[str, str], ...]
    doubt: str

    def edit(self, function: str, made: _Instrument, workspace: Workspace) -> Edit:
        """The call in its place; labels come first, as in the original, where both compute something."""
        options = workspace.options
        said = [f"namespace={json.dumps(options.metric_namespace)}"] if options.metric_namespace else []
        said += [f"unit={json.dumps(made.unit)}"] if made.unit != "Count" else []
        pairs = [(json.dumps(key), json.dumps(value)) for key, value in _configured(workspace)]
        pairs += [(json.dumps(key), text) for key, text in self.labels]
        entries = ", ".join(f"{key}: {text}" for key, text in pairs)
        if entries:
            said.append(f"dimensions={{{entries}}}")
        is_late = self.labels and not _is_plain(self.amount)
        parts = [*said, f"n={self.amount}"] if is_late else [self.amount, *said]
        span = self.use.statement
        return Edit(self.path, span.start, span.end, f"{function}({', '.join([json.dumps(made.name), *parts])})")


def _configured(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """The dimensions that the configuration gives every metric."""
    for each in workspace.options.metric_dimensions:
        key, _, value = each.partition("=")
        yield key, value


def _number(path: str, use: Access, made: _Instrument, workspace: Workspace) -> _Number:
    """NotSentError where the statement does anything but give the instrument a number."""
    line, text = use.place.line, workspace.text(path, use.statement)
    if workspace.program.modules[path].encoding != "utf-8":
        raise NotSentError(f"{path} is not UTF-8")
    match ast.parse(text).body if use.function else []:
        case [ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=method), args=args, keywords=keywords))]:
            given = _given(method, args, keywords, made.kind)
        case _:
            given = None
    if given is None:
        expected = f".{OPERATIONS[made.kind]}(…)"
        raise NotSentError(f"line {line} does something else than {expected}, which no metric does")
    taken = {"_aws", made.name, *(key for key, _ in _configured(workspace))}
    if taken & set(made.labels):
        raise NotSentError(f"line {line}: a label has the name of something else that the line of the metric says")
    labels = tuple(_labels(text, owner, use.spelled, made, line))
    return _Number(path, use, _amount(text, given), labels, _doubt(made, given, line))


def _given(method: str, args: Sequence[ast.expr], keywords: Sequence[ast.keyword], kind: str) -> ast.expr | None:
    """The number that a method is given; None where that is not all it is given."""
    values = [*args, *(each.value for each in keywords if each.arg in ("amount", "value"))]
    is_known = method == OPERATIONS[kind] and len(values) == len(args) + len(keywords)
    if not is_known or any(isinstance(each, ast.Starred) for each in values):
        return None
    match method, values:
        case "inc", []:
            return ast.Constant(1)
        case _, [value]:
            return value
        case _:
            return None


def _labels(text: str, owner: ast.expr, spelled: str, made: _Instrument, line: int) -> Iterator[tuple[str, str]]:
    """The labels that a number is given with, as dimensions."""
    match owner:
        case ast.Call(func=ast.Attribute(value=base, attr="labels"), args=args, keywords=keywords) if made.labels:
            named = [(each.arg or "", each.value) for each in keywords] or [*zip(made.labels, args, strict=False)]
            is_whole = sorted(key for key, _ in named) == sorted(made.labels) and not (args and keywords)
            if ast.unparse(base) == spelled and is_whole and len(args) in (0, len(made.labels)):
                for key, value in named:
                    is_text = isinstance(value, ast.Constant | ast.JoinedStr) and not isinstance(
                        getattr(value, "value", ""), int | float
                    )
                    source = _source(text, value)
                    yield key, source if is_text else f"str({source})"
                return
        case _ if not made.labels and ast.unparse(owner) == spelled:
            return
        case _:
            pass
    raise NotSentError(f"line {line}: its labels are not those of the constructor, one by one")


def _amount(text: str, node: ast.expr) -> str:
    """The number, as one that JSON knows: a Decimal or a number of NumPy is none."""
    source = _source(text, node) if hasattr(node, "lineno") else ast.unparse(node)
    return source if _is_number(node) else f"float({source})"


def _is_number(node: ast.expr) -> bool:
    """Whether an expression gives an int or a float, as far as it is written out."""
    match node:
        case ast.Constant(value=int() | float()):
            return True
        case ast.Call(func=ast.Name(id="len" | "int" | "float")):
            return True
        case ast.Call(func=function, args=[]):
            return ast.unparse(function) in CLOCKS
        case ast.BinOp(left=left, right=right):
            return any(_is_clock(each) for each in (left, right)) or (_is_number(left) and _is_number(right))
        case _:
            return False


def _is_clock(node: ast.expr) -> bool:
    """Whether it is a float that nothing but a number can be added to or taken from."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in CLOCKS


def _doubt(made: _Instrument, node: ast.expr, line: int) -> str:
    """What was refused of a number, and is not any more."""
    match node:
        case ast.Constant(value=int() | float()) | ast.Call(func=ast.Name(id="len")):
            return ""
        case _ if made.kind == "Counter":
            return f"line {line}: {ast.unparse(node)} below zero raised ValueError, and is counted now"
        case _:
            return ""


def _is_plain(text: str) -> bool:
    return isinstance(ast.parse(text, mode="eval").body, ast.Constant | ast.Name)


def _source(text: str, node: ast.expr) -> str:
    """The source of a part of a statement."""
    return ast.get_source_segment(text, node) or ast.unparse(node)
