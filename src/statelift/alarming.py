"""Uses of a counter -> the branch that does nothing but alert at a number, and the alarm that can take its place.

`if n % 1000 == 0: send_alert(f"{n} requests")` is told apart from work that is done now and then: the body only
calls what by its name alerts, with texts and numbers, and nothing that the answers depend on is changed there.
"""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statelift.counting import line_span, parsed_of
from statelift.facts.values import Access
from statelift.infra.alarms import PERIOD, Alarm
from statelift.infra.names import alarm_id
from statelift.judge.counters import increment_of
from statelift.judge.evidence import SOURCE_WRITES
from statelift.judge.values import Judgement
from statelift.link.names import FunctionKey
from statelift.model import Edit, EnsureResource
from statelift.source import Parsed
from statelift.workspace import Workspace, home_of, namespace_of

ALERTS = frozenset(
    "alert alerts alarm alarms notify notification warn warning critical pager pagerduty opsgenie slack sms".split()
)
SENDING = frozenset("publish send_email send_message send_raw_email put_events post".split())  # and its text alerts
PLAIN = frozenset("str repr int round format len".split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_STEP = re.compile(r"[1-9][0-9]*|len\(\w+\)")
Uses = Sequence[tuple[str, Access]]


@dataclass(frozen=True, slots=True)
class Branch:
    """The one statement that reads the counter, and what it calls.

    `limit` is the number that it waits for; `is_period`: again and again.
    """

    path: str
    node: ast.If
    limit: int
    is_period: bool
    callees: tuple[str, ...]

    @property
    def wording(self) -> str:
        """When the program alerts now, for a reason."""
        return f"each {self.limit:,} counts of one container" if self.is_period else f"from {self.limit:,} on"


def alerting_branch(uses: Uses, workspace: Workspace) -> Branch | None:
    """The branch, where a counter that only ever grows from 0 is read nowhere else."""
    steps = [use for _, use in uses if increment_of(use) is not None]
    reads = [(path, use) for path, use in uses if increment_of(use) is None]
    if not reads or not all(_STEP.fullmatch(increment_of(use) or "") for use in steps):
        return None
    path, first = reads[0]
    parsed = parsed_of(path, workspace)
    spans = {use.name for _, use in reads}
    names = {
        id(node) for node in ast.walk(parsed.tree) if isinstance(node, ast.Name) and parsed.span(node) in spans
    }
    if any(other != path for other, _ in reads) or len(names) < len(spans):
        return None
    found = [node for node in _branches(parsed) if names <= {id(each) for each in ast.walk(node)}]
    if len(found) != 1:
        return None
    return _as_branch(_Reading(path, first.function, parsed, workspace, names), found[0])


def _branches(parsed: Parsed) -> Iterator[ast.If]:
    """Those without `else` that stand on lines of their own and are not the only statement of their block."""
    for node in ast.walk(parsed.tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            for each in block if isinstance(block, list) and len(block) > 1 else ():
                if isinstance(each, ast.If) and not each.orelse and _has_own_lines(parsed, each):
                    yield each


def _has_own_lines(parsed: Parsed, node: ast.If) -> bool:
    start, _ = line_span(parsed, node.lineno, node.lineno)
    return not parsed.data[start : parsed.span(node).start].strip() and parsed.encoding == "utf-8"


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file and function, with the names in it that are the counter."""

    path: str
    function: str
    parsed: Parsed
    workspace: Workspace
    names: set[int]

    def is_counter(self, node: ast.expr) -> bool:
        return id(node) in self.names

    def number(self, node: ast.expr) -> int | None:
        """A number that is written out, or a constant of the program that holds one."""
        program = self.workspace.program
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return value
            case ast.Name(id=name):
                target = program.resolve(self.path, name)
                key = ("", "") if target is None or target.kind != "cell" else (target.path, target.name)
                cell = program.cells.get(key)
                text = "" if cell is None or cell.value is None or cell.definition_count > 1 else cell.value.text
                is_fixed = text.isdecimal() and not self.workspace.evidence.sources.is_written(key)
                return int(text) if is_fixed else None
            case _:
                return None


def _as_branch(reading: _Reading, node: ast.If) -> Branch | None:
    limit, is_period = _limit(reading, node.test)
    calls = [_alert(reading, each) for each in node.body]
    callees = [call for call in calls if call is not None]
    if limit is None or limit < 1 or len(callees) < len(calls) or _has_effect(reading, node):
        return None
    return Branch(reading.path, node, limit, is_period, tuple(dict.fromkeys(callees)))


def _limit(reading: _Reading, test: ast.expr) -> tuple[int | None, bool]:
    """The number that the counter reaches, None for any other condition; whether it does so again and again."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        left = [each for each in test.values if not _is_positive(reading, each)]
        return _limit(reading, left[0]) if len(left) == 1 else (None, False)
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=rest):
            return _divisor(reading, rest), True
        case ast.Compare(left=rest, ops=[ast.Eq()], comparators=[ast.Constant(value=0)]):
            return _divisor(reading, rest), True
        case ast.Compare(left=name, ops=[ast.GtE() | ast.Eq()], comparators=[value]) if reading.is_counter(name):
            return reading.number(value), False
        case ast.Compare(left=value, ops=[ast.LtE()], comparators=[name]) if reading.is_counter(name):
            return reading.number(value), False
        case ast.Compare(left=name, ops=[ast.Gt()], comparators=[value]) if reading.is_counter(name):
            limit = reading.number(value)
            return (None if limit is None else limit + 1), False
        case _:
            return None, False


def _is_positive(reading: _Reading, node: ast.expr) -> bool:
    """`n`, `n > 0`: true after the first count."""
    match node:
        case ast.Name():
            return reading.is_counter(node)
        case ast.Compare(left=left, ops=[ast.Gt() | ast.NotEq()], comparators=[ast.Constant(value=0)]):
            return reading.is_counter(left)
        case _:
            return False


def _divisor(reading: _Reading, node: ast.expr) -> int | None:
    match node:
        case ast.BinOp(left=left, op=ast.Mod(), right=right) if reading.is_counter(left):
            return reading.number(right)
        case _:
            return None


# ---------------------------------------------------------------- what alerts


def _alert(reading: _Reading, statement: ast.stmt) -> str | None:
    """What a statement calls, if it does nothing but alert."""
    match statement:
        case ast.Expr(value=ast.Call(func=func, args=args, keywords=keywords) as call):
            said = [*args, *(each.value for each in keywords if each.arg is not None)]
            root = func
            while isinstance(root, ast.Attribute):
                root = root.value
            known = reading.workspace.program.functions.get((reading.path, reading.function))
            is_given = not isinstance(root, ast.Name) or known is None or root.id in known.bound
            is_plain = len(said) == len(args) + len(keywords) and all(_is_told(reading, each) for each in said)
            return ast.unparse(func) if is_plain and not is_given and _sounds_like_alert(call) else None
        case _:
            return None


def _sounds_like_alert(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    is_sent = name.rpartition(".")[2] in SENDING
    words = {word.lower() for word in _WORD.findall(ast.unparse(call) if is_sent else name)}
    return not words.isdisjoint(ALERTS)


def _is_told(reading: _Reading, node: ast.expr) -> bool:
    """Whether an argument can be changed by nobody: constants, the counter, texts of both."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return reading.is_counter(node) or _is_constant(reading, name)
        case ast.JoinedStr(values=parts):
            return all(_is_told(reading, each) for each in parts)
        case ast.FormattedValue(value=value) | ast.keyword(value=value):
            return _is_told(reading, value)
        case ast.BinOp(left=left, right=right):
            return _is_told(reading, left) and _is_told(reading, right)
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), slice=ast.Constant()):
            return True
        case ast.Dict(keys=keys, values=values):
            return all(key is not None and _is_told(reading, key) for key in keys) and all(
                _is_told(reading, each) for each in values
            )
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in PLAIN:
            return all(_is_told(reading, each) for each in args)
        case ast.Call(func=ast.Attribute(attr="dumps" | "format"), args=args, keywords=[]):
            return all(_is_told(reading, each) for each in args)
        case _:
            return False


def _is_constant(reading: _Reading, name: str) -> bool:
    target = reading.workspace.program.resolve(reading.path, name)
    if target is None or target.kind != "cell":
        return False
    return not reading.workspace.evidence.sources.is_written((target.path, target.name))


def _has_effect(reading: _Reading, node: ast.If) -> bool:
    """Whether what the branch calls may change what a later answer depends on."""
    workspace, span = reading.workspace, reading.parsed.span(node)
    calls = workspace.program.calls.get((reading.path, reading.function), ())
    called = [callee for call, callee in calls if span.start <= call.span.start and call.span.end <= span.end]
    below = workspace.evidence.reach.below(called)
    sources = workspace.evidence.sources
    for key, uses in workspace.program.accesses.items():
        inside = [(path, use) for path, use in uses if (path, use.function) in below]
        is_private = len(inside) == sum(bool(use.function) for _, use in uses)
        cell = workspace.program.cells.get(key)
        if not is_private and any(sources.is_changed_by(cell, path, use) for path, use in inside):
            return True
    return any(_writes(function, workspace) for function in below)


def _writes(function: FunctionKey, workspace: Workspace) -> bool:
    """Whether a function puts something into a store, or into a file."""
    known = workspace.program.functions.get(function)
    return known is None or not known.attributes.isdisjoint(SOURCE_WRITES) or "open" in known.references


# ---------------------------------------------------------------- what takes its place


def branch_edit(branch: Branch, alarm: str, workspace: Workspace) -> Edit:
    """A comment in place of the branch names the alarm; comments of the branch stay above it."""
    parsed = parsed_of(branch.path, workspace)
    start, end = line_span(parsed, branch.node.lineno, branch.node.end_lineno or branch.node.lineno)
    lines = parsed.data[start:end].decode(parsed.encoding)
    margin = lines[: len(lines) - len(lines.lstrip())]
    said = f"# {branch.limit} in {PERIOD // 60} minutes: the alarm {alarm} tells."
    text = f"{parsed.newline}{margin}".join([*_comments(lines), said])
    return Edit(branch.path, start + len(margin.encode()), start + len(lines.rstrip("\r\n").encode()), text)


def _comments(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(text)).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def alarm_for(
    judgement: Judgement, branch: Branch, metric: str, workspace: Workspace
) -> tuple[EnsureResource, Alarm] | None:
    """The alarm on the metric; None where only the deployment knows the namespace, or functions have several."""
    entries = workspace.entry_points(judgement)
    options = workspace.options
    spaces = {options.metric_namespace or namespace_of(entry) for entry in entries}
    if len(spaces) != 1 or spaces == {""}:
        return None
    pairs = [each.split("=", 1) for each in options.metric_dimensions]
    alarm = Alarm(
        spaces.pop(), metric, str(branch.limit), tuple((name, text) for name, text in pairs),
        function=min(entry.function for entry in entries),
    )  # fmt: skip
    root = (("root", workspace.program.root.path),) if workspace.is_one_of_many else ()
    origin = ("origin", f"{judgement.subject.path}:{judgement.subject.symbol}")
    resource = EnsureResource(alarm_id(metric), "alarm", (*alarm.properties, origin, *root), home_of(entries))
    return resource, alarm


def alarm_reasons(branch: Branch, alarm: Alarm, resource: str) -> Iterator[str]:
    """What the alarm does not do as the branch did it; a person has to agree to each."""
    callees = " and ".join(f"{name}()" for name in branch.callees)
    yield (
        f"{callees} is not called any more: the alarm {resource} tells of {branch.limit:,} counts of all"
        f" containers within {alarm.period // 60} minutes, where the program alerts {branch.wording}"
    )
    yield (
        "the alarm comes some minutes later, beside the call; the text of the alert is lost, and what the alert"
        " raised or wrote elsewhere: verify shows it as missing"
    )
    yield (
        f"it tells nobody until {resource} gets an action, such as AlarmActions with the ARN of a topic of SNS:"
        " that is left to you"
    )
