"""A cell that no table operation fits -> whether each call can read it first and write it back, as one step.

The generated decorator `stateless` does that: the code between stays as it is, so what it does stays as it is, too.
"""

import ast
import collections
import datetime
import decimal
from collections.abc import Iterator
from dataclasses import replace

from statelift.facts.values import Access, Argument, Call, Cell, Function, ModuleFacts, Value
from statelift.judge.addresses import CONTEXT, assumed_of, function_of, name_in, unnamed
from statelift.judge.evidence import Evidence, uses_of
from statelift.judge.stores import live_value
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey
from statelift.link.program import Program
from statelift.link.valuetypes import STORABLE
from statelift.link.writes import is_container, is_write
from statelift.model import Tier, Verdict

DECORATOR = "statelift_state.stateless"
ONE_STEP = "statelift_state.one_step"
RULES = frozenset({"SL101", "SL102", "SL103", "SL202"})
CONTAINERS = frozenset(
    "collections.deque collections.Counter collections.OrderedDict collections.defaultdict".split()
)
HOLDING = CONTAINERS | {CONTEXT}  # what they hold is read and written, not what they are
DATA = (
    *(str, bytes, int, float, list, tuple, dict, set, collections.deque, collections.Counter),
    *(collections.OrderedDict, datetime.datetime, datetime.timedelta, decimal.Decimal),
)
LOOKING = frozenset({"remove", "discard", "contains", "lacks", "get", "pop"})
STARTING = frozenset(
    """Thread Timer Process Pool ThreadPool ThreadPoolExecutor ProcessPoolExecutor start_new_thread to_thread
    run_in_executor create_task ensure_future""".split()
)
STEP = (
    "kept as a whole, in one item of at most 400 KB: each call reads it first and writes it back at its end; if"
    " another call changed it meanwhile, that raises StateConflictError and writes nothing"
)


def as_step(evidence: Evidence, judgement: Judgement) -> Judgement:
    """The judgement at REVIEW with `is_step`, where that is possible; else as it is, with the reasons why not."""
    is_asked = judgement.rule in RULES and judgement.verdict in (Verdict.STATE, Verdict.LEAK)
    if judgement.tier is not Tier.MANUAL or not is_asked or judgement.cell is None:
        return judgement
    refusals = tuple(dict.fromkeys(_refusals(evidence, judgement)))
    if refusals:
        tier = Tier.REVIEW if judgement.verdict is Verdict.LEAK else Tier.MANUAL  # a leak can also be made local
        return replace(judgement, tier=tier, reasons=(*judgement.reasons, *refusals))
    assumed = (STEP, *assumed_of(evidence.program, judgement), *dict.fromkeys(_assumptions(evidence, judgement)))
    reasons = judgement.reasons[:1]
    reached = [(path, use) for path, use in judgement.accesses if evidence.is_reachable(path, use.function)]
    subject = replace(judgement.subject, uses=uses_of(reached))  # other code means what it meant
    return replace(
        judgement, subject=subject, tier=Tier.REVIEW, reasons=reasons, is_step=True, assumed=assumed,
        unfit=judgement.reasons[1:],
    )  # fmt: skip


def _assumptions(evidence: Evidence, judgement: Judgement) -> Iterator[str]:
    """What has to hold of the values; a TypeError tells where it does not."""
    assert judgement.cell is not None
    for path, use in judgement.accesses if judgement.cell[1].home != "process" else ():  # which holds text only
        given = use.value or use.default
        if given is not None and use.op not in LOOKING and not _is_storable(evidence, path, given):
            what = f"line {use.place.line}: the type of {given.text} is not known"
            yield f"{what}; one that JSON cannot hold would raise"


def kept_reasons(evidence: Evidence, key: CellKey, handlers: tuple[str, ...]) -> tuple[str, ...]:
    """Rule 3: the decorator of every entry point names the cell."""
    program = evidence.program
    entries = [entry for entry in program.root.entries if entry.function in handlers]
    names = [_kept_by(program, function_of(program, entry)) for entry in entries]
    if not entries or not all(
        kept and name_in(program, key, entry) in kept for entry, kept in zip(entries, names, strict=True)
    ):
        return ()
    return (f"rule 3: @stateless reads {key[1]} before every call, and writes it back",)


def _kept_by(program: Program, key: FunctionKey | None) -> set[str]:
    """The names that the decorators of a function give to `stateless`."""
    return set().union(*(names for _, names in decorators_of(program, key))) if key is not None else set()


def decorators_of(program: Program, key: FunctionKey) -> list[tuple[int, set[str]]]:
    """The line and the names of each `@stateless` above a function."""
    module = program.modules[key[0]]
    return [
        (call.place.line, {str(ast.literal_eval(each.value.text)) for each in call.arguments[1:] if _is_text(each)})
        for call in module.calls
        if call.is_decorator and call.callee.endswith(DECORATOR) and _decorated(module, call) == key[1]
    ]


def one_steps_above(program: Program, key: FunctionKey) -> list[tuple[int, str]]:
    """The line and the store of each `@one_step` above a function."""
    module = program.modules[key[0]]
    return [
        (call.place.line, call.arguments[0].value.text)
        for call in module.calls
        if call.is_decorator and call.callee.endswith(ONE_STEP) and call.arguments
        and _decorated(module, call) == key[1]
    ]  # fmt: skip


def _is_text(argument: Argument) -> bool:
    return argument.name.isdigit() and argument.value.text.startswith(("'", '"'))


def _decorated(module: ModuleFacts, call: Call) -> str:
    """The function that a decorator stands above: the next one that begins."""
    below = [each for each in module.functions if each.place.line > call.place.line]
    return min(below, key=lambda each: each.place.line).qualname if below else ""


def is_other_name(use: Access) -> bool:
    """Whether code at import hands the object on: to a variable, a default, a class, a function."""
    return not use.function and not is_write(None, use.op) and use.op not in ("len", "truth", "contains", "lacks")


def is_for_one_call(evidence: Evidence, judgement: Judgement) -> bool:
    """Whether every call that reads the cell may have written it before: perhaps it was meant for that call."""
    assert judgement.cell is not None
    mine = {id(use) for _, use in judgement.accesses}
    has_read = False
    for trace in evidence.traces:
        is_written = False
        for step in trace.steps:
            if id(step.item) in mine and isinstance(step.item, Access):
                is_write_here = is_write(judgement.cell[1], step.item.op)
                has_read |= not is_write_here
                if not is_write_here and not is_written:
                    return False
                is_written |= is_write_here and step.item.op in ("rebind", "append", "extend", "add", "put")
    return has_read


def is_only_aliased(evidence: Evidence, judgement: Judgement) -> bool:
    """Whether no statement names the cell to change it: a constant, by its looks, that another name changes."""
    assert judgement.cell is not None
    reached = evidence.reached(judgement.cell[0])
    return not any(is_write(judgement.cell[1], use.op) for _, use in reached)


# ---------------------------------------------------------------- what stands against it


def _refusals(evidence: Evidence, judgement: Judgement) -> Iterator[str]:
    assert judgement.cell is not None
    key, cell = judgement.cell
    yield from _unkeepable(evidence, judgement, key, cell)
    yield from _entries(evidence, judgement)
    for path, use in judgement.accesses:
        line = use.place.line
        if use.function.endswith("<lambda>"):
            yield f"line {line} uses it in a lambda, and nobody knows who calls that"
        if use.op in ("advance", "dynamic"):
            yield f"line {line}: what it holds cannot be read without using it up, or by a name that is computed"
        method = use.op.removeprefix("unknown:")
        if method != use.op and not any(hasattr(each, method) for each in DATA):
            yield f"line {line} calls .{method}() of what it holds, which no plain data has"
        if use.op == "rebind" and path != key[0] and not use.is_attribute:
            yield f"{path}:{line} gives an imported name another value"
        yield from _values(evidence, path, use, cell)


def _replaced(judgement: Judgement, cell: Cell) -> Iterator[str]:
    """An object that has another name since the import, and that a call replaces under its own name only."""
    names = [use for _, use in judgement.accesses if is_other_name(use)]
    if names and is_container(cell):
        for use in (use for _, use in judgement.accesses if use.function and use.op == "rebind"):
            holder = names[0].place.line
            yield f"line {use.place.line} replaces it, and line {holder} has the object it was at import"


def _unkeepable(evidence: Evidence, judgement: Judgement, key: CellKey, cell: Cell) -> Iterator[str]:
    yield from unnamed(evidence, judgement)
    if cell.kind == "call" and cell.callee not in HOLDING and not _is_storable(evidence, key[0], cell.value):
        yield "a table cannot hold what it starts with"
    if cell.callee == "collections.defaultdict" and not _has_plain_elements(cell):
        yield "a table cannot hold what its missing keys are filled with"
    if evidence.collections.kind_of(key) is not None:
        yield "it is an object of a class of the program: a table would give a plain dict, list or set back"
    if cell.home == "instance" and _is_field_of_tuple(evidence.program, key):
        yield "no field of a tuple can be given another value"
    if cell.home == "class" and _has_subclass(evidence.program, key):
        yield "subclasses may have an attribute of their own of that name"
    yield from _opened(evidence.program, key)
    yield from _replaced(judgement, cell)
    for path, module in sorted(evidence.program.modules.items()):
        if STARTING & (module.identifiers | {name for name, _ in module.attributes}):
            yield f"{path} starts threads or tasks, which may go on after the call"


def _is_field_of_tuple(program: Program, key: CellKey) -> bool:
    known = program.classes.get((key[0], key[1].rpartition(".")[0]))
    return known is not None and "typing.NamedTuple" in known.bases


def _has_plain_elements(cell: Cell) -> bool:
    """Whether a defaultdict makes its elements by a plain type, or by a function that is written out."""
    match ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None:
        case ast.Call(args=[ast.Name() | ast.Attribute() as made, *_]):
            named = {atom.detail for atom in cell.value.atoms if atom.kind == "import"} if cell.value else set()
            return ast.unparse(made) in PLAIN or "collections.deque" in named
        case ast.Call(args=[ast.Lambda(), *_]):
            return True
        case _:
            return False


PLAIN = frozenset("list dict set int float str bool".split())


def _opened(program: Program, key: CellKey) -> Iterator[str]:
    """Files whose names the cell holds: a table would have the name, and one container the file."""
    for path, module in sorted(program.modules.items()):
        for effect in (each for each in module.files if each.effect != "opaque"):
            names = {atom.detail for atom in effect.named if atom.kind in ("name", "import")}
            targets = [program.resolve(path, name) for name in names]
            if any(each is not None and (each.path, each.name) == key for each in targets):
                line, call = effect.place.line, effect.api
                yield f"line {line}: {call} gets a path from it, and that file stays in one container"


def _is_storable(evidence: Evidence, path: str, value: Value | None) -> bool:
    return value is not None and evidence.sources.types.of(path, value.type) in STORABLE


def _has_subclass(program: Program, key: CellKey) -> bool:
    owner = (key[0], key[1].rpartition(".")[0])
    for (path, _), known in program.classes.items():
        targets = [program.resolve(path, base) for base in known.bases if base]
        if any(each is not None and (each.path, each.name) == owner for each in targets):
            return True
    return False


def _entries(evidence: Evidence, judgement: Judgement) -> Iterator[str]:
    assert judgement.cell is not None
    program, key = evidence.program, judgement.cell[0]
    wanted = set(judgement.subject.handlers)
    entries = [entry for entry in program.root.entries if entry.function in wanted]
    if not entries:
        yield "no function is known that a call begins with"
    wrapped: dict[str, list[str]] = collections.defaultdict(list)
    for entry in entries:
        function = function_of(program, entry)
        if function is None:
            yield f"{entry.function} is no plain function that a decorator could stand above"
            continue
        if not name_in(program, key, entry):
            yield "it lives in an object that no single variable of a module holds"
        known = program.functions[function]
        if known.is_async or known.has_generator or known.is_nested:
            yield f"{function[1]}() is asynchronous, a generator or made by another function"
        for name in _own_decorators(program, function[0], known):
            wrapped[name].append(f"{function[1]}()")
    for name, (first, *others) in wrapped.items():
        more = f" and {len(others)} more" if others else ""
        yield f"the decorator {name} of {first}{more} runs code of the program outside of the call"


def _own_decorators(program: Program, path: str, function: Function) -> Iterator[str]:
    for decorator in function.decorators:
        if program.callee(path, decorator.name) is not None and not decorator.name.endswith((DECORATOR, ONE_STEP)):
            yield decorator.name


def _values(evidence: Evidence, path: str, use: Access, cell: Cell) -> Iterator[str]:
    """What is put into it that no table can hold."""
    given = use.value or use.default
    if given is None or use.op in LOOKING:
        return
    if ".__new__(" in given.text:
        yield f"line {use.place.line}: {given.text} is an object, which no table can hold"
    is_same_kind = cell.callee in CONTAINERS and use.op == "rebind" and cell.value is not None
    if is_same_kind and cell.value is not None and given.text != cell.value.text:
        yield f"line {use.place.line} replaces it by another {cell.callee}"
    elif not is_same_kind:
        yield from live_value(evidence, path, use, given)
