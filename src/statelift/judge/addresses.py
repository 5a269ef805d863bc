"""A cell -> how the decorator of an entry point names its place, and why it may have no name that serves."""

import ast
import re
from collections.abc import Iterator

from statelift.facts.values import Access, Cell
from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement
from statelift.link.holders import holder_of
from statelift.link.names import CellKey, FunctionKey
from statelift.link.process import process_key
from statelift.link.program import Program
from statelift.link.writes import is_write
from statelift.model import EntryPoint

HOMES = frozenset({"module", "class", "instance", "default", "function", "object", "process", "closure"})
CONTEXT = "contextvars.ContextVar"
VARIABLE = re.compile(r"os\.environ\['([A-Za-z_]\w*)'\]")  # a name that Lambda takes
READ_BY_OTHERS = re.compile(
    r"AWS_|LAMBDA_|_|LD_|PYTHON|LC_|SSL_|(PATH|TZ|LANG|LANGUAGE|HOME|TMPDIR|TEMP|TMP)$|\w+_CA_BUNDLE|(?i:\w+_proxy)"
)
PAST_THE_MAPPING = frozenset({"putenv", "unsetenv"})
PLAIN = "stateless.handler"
CALL = "()."


def function_of(program: Program, entry: EntryPoint) -> FunctionKey | None:
    """The function that an entry point is, None where it is made of one."""
    keys = [key for key, entries in program.entries.items() if entry in entries]
    target = program.resolve(entry.path, entry.attribute) if entry.path in program.modules else None
    is_function = target is not None and target.kind == "function"
    return keys[0] if len(keys) == 1 and is_function else None


def name_in(program: Program, key: CellKey, entry: EntryPoint) -> str:
    """How the decorator of an entry point's function names a cell; "" where it cannot."""
    function = function_of(program, entry)
    address = _address(program, key)
    if function is None or address is None:
        return ""
    path, name = address
    return name if path in (function[0], "") else f"{program.dotted(path)}:{name}"


def part_of(program: Program, key: CellKey) -> str:
    """The part of the helper that finds the place of a cell."""
    cell = program.cells[key]
    if cell.home == "process":
        return "stateless.environment"
    name = (_address(program, key) or key)[1]
    if cell.home == "closure":
        return "stateless.closure"
    return "stateless.context" if cell.callee == CONTEXT else "stateless.made" if CALL in name else PLAIN


def _address(program: Program, key: CellKey) -> tuple[str, str] | None:
    """The file and the name in it; "" as the file where the name says all."""
    path, (owner, _, word) = key[0], key[1].rpartition(".")
    match program.cells[key].home:
        case "closure":
            holders = (holder_of(program, each) for each in _sharing(program, key))
            holder = next(filter(None, holders), None)
            return None if holder is None else (holder[0], f"{holder[1]}.nonlocal.{word}")
        case "function" if "." in owner:
            holder = holder_of(program, (path, owner))
            return None if holder is None else (holder[0], f"{holder[1]}.{word}")
        case "process":
            variable = VARIABLE.fullmatch(key[1])
            return None if variable is None else ("", f"os:environ.{variable[1]}")
        case "instance":
            return _held(program, key) or _single(program, key)
        case _:
            return key


def _sharing(program: Program, key: CellKey) -> Iterator[FunctionKey]:
    """The functions, made beside a variable of their maker, that it is shared with."""
    maker = key[1].rpartition(".")[0]
    for inner in program.functions:
        is_beside = inner[0] == key[0] and inner[1].rpartition(".")[0] == maker
        if is_beside and any(f"{use.function}.".startswith(f"{inner[1]}.") for _, use in program.accesses[key]):
            yield inner


def _single(program: Program, key: CellKey) -> CellKey | None:
    """An attribute of the one object of a class, which every call of the class gives."""
    owner, _, attribute = key[1].rpartition(".")
    known = program.classes.get((key[0], owner))
    is_single = known is not None and known.is_single and "." not in owner
    if not is_single or (key[0], owner) in program.cells or program.derived_from((key[0], owner)):
        return None
    for other, uses in program.accesses.items():
        is_own = other[0] == key[0] and other[1].startswith(f"{owner}.") and program.cells[other].home == "class"
        others = [use for _, use in uses if use.function != f"{owner}.__new__"]
        if is_own and any(is_write(program.cells[other], use.op) for use in others):
            return None  # perhaps another object takes its place
    return key[0], f"{owner}{CALL}{attribute}"


def _held(program: Program, key: CellKey) -> CellKey | None:
    """An attribute of an object, by the one variable of a module that holds the object for good."""
    attribute = key[1].rpartition(".")[2]
    holders = [
        other
        for other, cell in program.cells.items()
        if cell.home == "module" and (made := program.class_of(other)) is not None
        and program.attribute_of(made, attribute) == key
    ]  # fmt: skip
    if len(holders) != 1:
        return None
    cell, uses = program.cells[holders[0]], program.accesses.get(holders[0], [])
    is_fixed = cell.is_top_level and cell.definition_count == 1 and not any(use.op == "rebind" for _, use in uses)
    return (holders[0][0], f"{holders[0][1]}.{attribute}") if is_fixed else None


# ---------------------------------------------------------------- what stands against it


def unnamed(evidence: Evidence, judgement: Judgement) -> Iterator[str]:
    """Why the place of a cell cannot be read and written from outside, or not by every call that uses it."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    is_deep = cell.home == "object" and key[1].count(".") > 1
    if cell.home not in HOMES or is_deep:
        yield "it has no name that a decorator could use"
    elif cell.home == "closure":
        yield from _unreachable_closure(evidence.program, judgement)
    elif cell.home == "function" and key[1].count(".") > 1:
        yield from _unreachable_attribute(evidence, judgement)
    elif cell.home == "default" and cell.kind not in ("dict", "list", "set"):
        yield "a default that is no list, dict or set cannot be put back in place"
    elif cell.home == "process":
        yield from _unreachable_variable(evidence, judgement)
    elif cell.callee == CONTEXT:
        yield from _unkept_context(judgement, cell)


def _unreachable_closure(program: Program, judgement: Judgement) -> Iterator[str]:
    """Why a variable of a function that made others is not found through the one that it made."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if _address(program, key) is None:
        yield f"{key[1].rpartition('.')[0]}() makes more than one function, or no variable of a module holds it"
    if not cell.is_direct or any(use.op == "unbind" for _, use in judgement.accesses):
        yield "it may have no value at all"


def _unreachable_attribute(evidence: Evidence, judgement: Judgement) -> Iterator[str]:
    """Why an attribute of a function that another one made has no name, or may be read by others under its own."""
    assert judgement.cell is not None
    key, _ = judgement.cell
    owner, _, attribute = key[1].rpartition(".")
    if _address(evidence.program, key) is None:
        yield f"{owner.rpartition('.')[0]}() makes more than one function, or no variable of a module holds it"
    for path, module in sorted(evidence.program.modules.items()):
        for function in (each for each in module.functions if attribute in each.attributes):
            others = set(evidence.reach.entries_of((path, function.qualname))) - set(judgement.subject.handlers)
            yield from (f"{entry} may read .{attribute} without a call that changes it" for entry in sorted(others))


def _unreachable_variable(evidence: Evidence, judgement: Judgement) -> Iterator[str]:
    """Who else reads or writes a variable of the environment."""
    assert judgement.cell is not None
    variable = VARIABLE.fullmatch(judgement.cell[0][1])
    if variable is None:
        yield "it has no name that a decorator could use"
    elif READ_BY_OTHERS.match(variable[1]):
        yield f"Python, the system or a library reads {variable[1]}, too, and may keep what it found before a call"
    modules = evidence.program.modules
    for path, module in sorted(modules.items()):
        if PAST_THE_MAPPING & (module.identifiers | {name for name, _ in module.attributes}):
            yield f"{path} changes the environment of the process past os.environ"
    others = set(evidence.handlers(_uses_of_any(evidence))) - set(judgement.subject.handlers)
    for entry in sorted(others):
        yield f"{entry} uses the environment as a whole, or by names that are computed: it may mean this variable"


def _uses_of_any(evidence: Evidence) -> list[tuple[str, Access]]:
    """Where functions use `os.environ` in another way than by a variable's name."""
    return [
        (path, use)
        for path, module in evidence.program.modules.items()
        for use in module.accesses
        if use.subject == "os.environ" and use.function and process_key(use) is None
    ]


def _unkept_context(judgement: Judgement, cell: Cell) -> Iterator[str]:
    """Why a ContextVar is not read and set by the decorator alone."""
    if cell.home not in ("module", "class") or not cell.is_top_level or cell.definition_count > 1:
        yield "the ContextVar may be another one later"
    if not _has_fixed_default(cell):
        yield "the default of the ContextVar may be changed itself"
    for _, use in judgement.accesses:
        line = use.place.line
        if use.op == "unbind":
            yield f"line {line} puts back what was set before, and that may have been by another call"
        elif not use.function and use.op == "rebind":
            yield f"line {line} sets the ContextVar at import: a call could not find it unset again"


def _has_fixed_default(cell: Cell) -> bool:
    match ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None:
        case ast.Call(args=[_], keywords=keywords):
            return all(each.arg == "default" and _is_fixed(each.value) for each in keywords)
        case _:
            return False


def _is_fixed(value: ast.expr) -> bool:
    """Whether nobody can change it in place: a constant, or a tuple of them."""
    match value:
        case ast.Tuple(elts=elements):
            return all(map(_is_fixed, elements))
        case ast.UnaryOp(operand=operand):
            return _is_fixed(operand)
        case _:
            return isinstance(value, ast.Constant)


# ---------------------------------------------------------------- what has to hold


def assumed_of(program: Program, judgement: Judgement) -> Iterator[str]:
    """What a reader of the change has to know of the place, as sentences."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if CALL in (_address(program, key) or key)[1]:
        made = f"{key[1].rpartition('.')[0]}()"
        yield f"{made} is called before each call of the handler, also where that would not have needed it"
    if cell.home == "process":
        yield (
            "what the table holds, as plain text, goes before what the function is deployed with: once a call has"
            " set it, another value in a template has no effect"
        )
    elif cell.callee == CONTEXT:
        yield "each call runs in a copy of its context, in which the variable is set to what the table holds"
