"""Uses of a store -> the writes that a check of the same entry decides about, each as one conditional write.

`if k in seen: return …` and `seen.add(k)` are two calls on a table, and two invocations at once would both pass the
test. As one step one of them wins. That is right only where nothing else is asked, and where the order of what may
fail stays: a key or value that can raise has to come first in Python, too.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from statelift.facts.values import Access, Check, ModuleFacts, Value
from statelift.judge.evidence import Evidence
from statelift.judge.renewals import COMPUTING, NAMES, PLAIN, Uses, has_only, is_computed, is_constant
from statelift.link.valuetypes import STORABLE
from statelift.model import Span

Form = Literal["claim", "setdefault", "add", "put_if", "put_unless", "drop", "take"]
ASKING = frozenset({"contains", "lacks", "get", "require"})
MEMBERSHIP = frozenset({"contains", "lacks"})
STORING = frozenset({"put", "add", "setdefault"})
TAKING = frozenset({"delete", "pop", "remove", "discard"})
LOOKED = (ast.Call, ast.Attribute, ast.JoinedStr, ast.FormattedValue)
LOOKING = frozenset({"get", "lower", "upper", "strip", "casefold"})
EASY = re.compile(r"(?:not\s+)?(?:[A-Za-z_]\w*\s*(?:[-+]|[<>=!]=?)\s*)?")  # in front of a read: it cannot fail
CONDITIONAL = frozenset({"put_if", "put_unless"})
AT_ONCE = CONDITIONAL | {"claim", "take"}  # nobody else comes between the check and the write
CLOCKS = frozenset(
    """time.time time.time_ns time.monotonic time.monotonic_ns datetime.datetime.now datetime.datetime.utcnow
    datetime.date.today""".split()
)
TOLD = frozenset({"isoformat", "timestamp"})  # what a time says of itself
EARLY = "asks for the time before it reads the entry, and not after that"
DECIDED = (
    "checks the entry and writes it in one step: of two calls at once one gets through, as in one container; a call"
    " that fails behind it has written, and is refused when it is sent again"
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a write and the reads in its check become. `default` is the text that stands for a missing entry.

    `is_early`: the time that is written is asked for before the entry is read, and not after that.
    """

    form: Form
    check: Check
    reads: tuple[Access, ...]
    default: str | None = None
    is_early: bool = False


def checked(evidence: Evidence, uses: Uses) -> Mapping[int, Checked]:
    """Id of each such write -> what it becomes together with its check."""
    made = {id(use): _checked(evidence, path, use, use.check, uses) for path, use in uses if use.check is not None}
    return {key: each for key, each in made.items() if each is not None}


def asked_in(found: Mapping[int, Checked]) -> frozenset[int]:
    """Ids of the reads that such checks have inside."""
    return frozenset(id(read) for each in found.values() for read in each.reads)


def _checked(evidence: Evidence, path: str, use: Access, check: Check, uses: Uses) -> Checked | None:
    reads = tuple(read for at, read in uses if at == path and _is_within(check, read))
    is_statement = use.is_statement or use.op == "delete"
    if use.key is None or not is_statement or not reads or not is_repeatable(use.key.text):
        return None
    spans = [each.span for each in (use.key, use.value) if each is not None]
    spans += [check.condition, *([] if check.source is None else [check.source])]
    if not all(_asks_for(read, use.key) for read in reads):
        return None
    if asks_others(evidence, path, use.function, spans, (*reads, use)):
        return None
    clocks = _Clocks(evidence.program.modules[path])
    form, default = _form(evidence, use, replace(check, text=clocks.stopped(check.text)), reads, uses)
    value = "True" if use.value is None else clocks.stopped(use.value.text)
    if form is None or not _is_ordered(use.key, value, check, reads, form):
        return None
    is_early = form in CONDITIONAL and use.value is not None and value != use.value.text
    return Checked(form, check, reads, default, is_early=is_early)


def is_repeatable(key: str) -> bool:
    """Whether it is all the same if a key is evaluated once or twice: it does nothing, and nothing lies between."""
    nodes = [*ast.walk(ast.parse(f"({key}\n)", mode="eval").body)]
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    is_known = all(
        (isinstance(func, ast.Name) and func.id in COMPUTING)
        or (isinstance(func, ast.Attribute) and func.attr in LOOKING)
        for func in calls
    )
    return is_known and all(isinstance(node, (*PLAIN, *LOOKED)) for node in nodes)


def _is_within(check: Check, read: Access) -> bool:
    spans = [check.condition, *([] if check.source is None else [check.source])]
    return any(span.start <= read.name.start < span.end for span in spans)


def _asks_for(read: Access, key: Value) -> bool:
    return read.op in ASKING and read.key is not None and read.key.text == key.text


def asks_others(evidence: Evidence, path: str, function: str, spans: Iterable[Span], own: Iterable[Access]) -> bool:
    """Whether these places also use a cell that calls change: that is no part of one step, and stays as it is."""
    known, places = {each.name for each in own}, [*spans]
    for other in evidence.program.accesses_in.get((path, function), ()):
        target = evidence.program.resolve(path, other.subject)
        is_inside = any(span.start <= other.name.start < span.end for span in places)
        is_other = is_inside and other.name not in known and target is not None
        if is_other and target is not None and evidence.sources.is_written((target.path, target.name)):
            return True
    return False


# ---------------------------------------------------------------- which form


def _form(
    evidence: Evidence, use: Access, check: Check, reads: tuple[Access, ...], uses: Uses
) -> tuple[Form | None, str | None]:
    if _is_membership(check, reads):
        is_absent = (reads[0].op == "lacks") is check.holds
        if use.default is not None and not use.default.is_pure:
            return None, None
        return (_form_of_membership(use, check), None) if is_absent is (use.op in STORING) else (None, None)
    if use.op in TAKING:
        return None, None
    is_read = not check.variable or (len(reads) == 1 and reads[0].fates <= {"read"} and _is_source(check, reads[0]))
    if use.op == "add" or not is_read or not is_computed(check.text, reads):
        return None, None
    ways = {read.op for read in reads}
    defaults = {"None" if read.default is None else read.default.text for read in reads if read.op == "get"}
    conditional: Form = "put_if" if check.holds else "put_unless"
    if ways == {"get"} and len(defaults) == 1 and all(is_constant(read) for read in reads):
        return conditional, defaults.pop()
    if ways == {"require"}:
        return conditional, None
    is_known = all(_is_known_there(read) for read in reads if read.op == "require")
    if ways & MEMBERSHIP and "get" not in ways and is_known and are_never_none(evidence, uses):
        return conditional, "None"
    return None, None


def _form_of_membership(use: Access, check: Check) -> Form:
    """Alone in its `if`, a write needs no answer; else the rest of the `if` asks whether it was done."""
    if use.op in TAKING:
        return "take" if check.whole is None else "drop"
    if check.whole is None:
        return "claim"
    return "add" if use.op == "add" else "setdefault"


def _is_membership(check: Check, reads: tuple[Access, ...]) -> bool:
    return len(reads) == 1 and reads[0].op in MEMBERSHIP and reads[0].span == check.condition


def _is_source(check: Check, read: Access) -> bool:
    """Whether the statement in front gives the variable exactly what is read."""
    return check.source is not None and read.span.end == check.source.end


def _is_known_there(read: Access) -> bool:
    """Whether the test itself has just found the entry."""
    tests = [test for guard in read.guards if guard.mode == "all" for test in guard.tests]
    return read.key is not None and any(
        (test.subject, test.key, test.relation, test.holds) == (read.subject, read.key.text, "present", True)
        for test in tests
    )


def are_never_none(evidence: Evidence, uses: Uses) -> bool:
    """Whether no entry can hold None, so that None tells that there is none."""
    values = [(path, use.value or use.default) for path, use in uses if use.op in STORING]
    return all(each is not None and _is_never_none(evidence, path, each) for path, each in values)


def _is_never_none(evidence: Evidence, path: str, value: Value) -> bool:
    made = ast.parse(f"({value.text}\n)", mode="eval").body
    is_built = isinstance(made, ast.Dict | ast.List | ast.Tuple | ast.Set | ast.JoinedStr)
    return is_built or evidence.sources.types.of(path, value.type) in STORABLE - {"json", "codec", "none"}


# ---------------------------------------------------------------- the order of evaluation


def _is_ordered(key: Value, value: str, check: Check, reads: tuple[Access, ...], form: Form) -> bool:
    """Whether key and value, which are arguments now, raise nothing that Python would not have raised there."""
    is_sure_key = has_only(key.text, NAMES)
    is_simple = check.source is not None or form not in CONDITIONAL
    is_first = is_simple or EASY.fullmatch(_in_front(check, reads)) is not None
    is_sure_value = _is_sure(value, key.text) or (is_sure_key and value in _certain(check))
    is_raising = {read.op for read in reads} == {"require"}
    return is_sure_value and (is_first or (is_sure_key and not is_raising))


def _in_front(check: Check, reads: tuple[Access, ...]) -> str:
    first = min(read.span.start for read in reads)
    return check.text.encode()[: first - check.condition.start].decode(errors="replace")


def _is_sure(text: str, key: str) -> bool:
    """Whether an expression cannot fail where the key did not: names, constants, displays of them."""
    waiting: list[ast.AST] = [ast.parse(f"({text}\n)", mode="eval").body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.expr) and ast.unparse(node) == ast.unparse(ast.parse(key, mode="eval").body):
            continue
        match node:
            case ast.Constant() | ast.Name() | ast.expr_context():
                continue
            case ast.Tuple() | ast.List() | ast.Dict() if not _is_unpacked(node):
                waiting += ast.iter_child_nodes(node)
            case _:
                return False
    return True


def _is_unpacked(node: ast.Tuple | ast.List | ast.Dict) -> bool:
    if isinstance(node, ast.Dict):
        return not all(isinstance(key, ast.Constant) for key in node.keys)
    return any(isinstance(each, ast.Starred) for each in node.elts)


def _certain(check: Check) -> set[str]:
    """The expressions that a test evaluates on every way."""
    return set(_evaluated(ast.parse(f"({check.text}\n)", mode="eval").body))


def _evaluated(node: ast.expr) -> Iterator[str]:
    yield ast.unparse(node)
    match node:
        case ast.BoolOp(values=[first, *_]):
            yield from _evaluated(first)
        case ast.IfExp(test=test):
            yield from _evaluated(test)
        case ast.Compare(left=left, comparators=[right, *_]):
            yield from _evaluated(left)
            yield from _evaluated(right)
        case ast.UnaryOp(operand=operand):
            yield from _evaluated(operand)
        case ast.BinOp(left=left, right=right):
            yield from _evaluated(left)
            yield from _evaluated(right)
        case _:
            pass


# ---------------------------------------------------------------- the time


class _Clocks(ast.NodeTransformer):
    """Puts a name in the place of calls that ask for the time: they do nothing, and cannot fail."""

    def __init__(self, module: ModuleFacts) -> None:
        self.imported = {
            each.local: each.module if each.name is None else f"{each.module}.{each.name}"
            for each in module.imports
            if not each.level
        }

    def stopped(self, text: str) -> str:
        """An expression with `now` for the time."""
        parsed = ast.parse(f"({text}\n)", mode="eval").body
        found: ast.expr = self.visit(parsed)
        return (
            ast.unparse(found) if ast.dump(found) != ast.dump(ast.parse(f"({text}\n)", mode="eval").body) else text
        )

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        given = [*node.args, *(each.value for each in node.keywords)]
        match node.func:
            case ast.Attribute(value=ast.Name(id="now"), attr=method) if method in TOLD and not given:
                return ast.Name("now", ast.Load())
            case ast.Name(id="int" | "str" | "round") if [ast.unparse(each) for each in given] == ["now"]:
                return ast.Name("now", ast.Load())
            case func if self._dotted(func) in CLOCKS and all(_is_zone(each) for each in given):
                return ast.Name("now", ast.Load())
            case _:
                return node

    def _dotted(self, func: ast.expr) -> str:
        head, _, rest = ast.unparse(func).partition(".")
        known = self.imported.get(head, "")
        return f"{known}.{rest}" if rest and known else known


def _is_zone(given: ast.expr) -> bool:
    return isinstance(given, ast.Name) or (isinstance(given, ast.Attribute) and isinstance(given.value, ast.Name))
