"""Program -> the name of a module under which a function is found that another one made at import."""

from collections.abc import Iterator

from statelift.facts.values import Function
from statelift.link.names import CellKey, FunctionKey
from statelift.link.program import Program
from statelift.link.single import is_given


def holder_of(program: Program, inner: FunctionKey) -> CellKey | None:
    """Path and name of the one variable, or decorated function, that stands for `inner` for good."""
    maker = _around(inner)
    outer = _around(maker)
    if not _gives_only(program, maker, inner):
        return None
    if not outer[1]:
        found = [*_variables(program, maker), *_decorated(program, maker, is_call=False)]
        uses = _uses(program, maker)
    elif not _around(outer)[1] and _gives_only(program, outer, maker) and not program.call_sites.get(maker):
        maker, found = outer, [*_decorated(program, outer, is_call=True)]
        uses = _uses(program, outer)
    else:
        return None
    is_alone = len(found) == uses == 1 and not is_given(program, maker)
    return found[0] if is_alone and _is_plain(program.functions[maker]) else None


def _around(function: FunctionKey) -> FunctionKey:
    return function[0], function[1].rpartition(".")[0]


def _gives_only(program: Program, maker: FunctionKey, inner: FunctionKey) -> bool:
    """Whether all that a function returns is the function that is defined in it under this name."""
    known = program.functions.get(maker)
    same = [each for each in program.modules[inner[0]].functions if each.qualname == inner[1]]
    texts = set() if known is None else {each.value.text for each in known.returns}
    is_itself = all(each.name == "functools.wraps" for function in same for each in function.decorators)
    return len(same) == 1 and is_itself and texts == {inner[1].rpartition(".")[2]}


def _is_plain(maker: Function) -> bool:
    is_lazy = maker.is_async or maker.has_generator
    return not (maker.class_name or is_lazy or maker.decorators)


def _uses(program: Program, maker: FunctionKey) -> int:
    """How often a maker is called or stands as a decorator."""
    plain = [call for _, call in program.call_sites.get(maker, ()) if not call.is_decorator]
    above = [
        each
        for (path, _), known in program.functions.items()
        for each in known.decorators
        if program.callee(path, each.name) == maker
    ]
    return len(plain) + len(above)


def _variables(program: Program, maker: FunctionKey) -> Iterator[CellKey]:
    """`swap = remember()`: variables of a module that have what the maker makes, and never get anything else."""
    for path, call in program.call_sites.get(maker, ()):
        for key, cell in program.cells.items():
            is_there = key[0] == path and cell.value is not None and cell.value.span == call.span
            is_fixed = cell.home == "module" and cell.is_top_level and cell.definition_count == 1
            if is_there and is_fixed and cell.is_alone and not _is_rebound(program, key):
                yield key


def _is_rebound(program: Program, key: CellKey) -> bool:
    return any(use.op in ("rebind", "unbind") for _, use in program.accesses.get(key, ()))


def _decorated(program: Program, maker: FunctionKey, *, is_call: bool) -> Iterator[CellKey]:
    """Functions of a module in whose place stands what the maker makes of them: it is their outermost decorator."""
    for key, function in program.functions.items():
        first = next(iter(function.decorators), None)
        if first is None or first.is_call != is_call or program.callee(key[0], first.name) != maker:
            continue
        same = [each for each in program.modules[key[0]].functions if each.qualname == key[1]]
        is_top = not (function.is_nested or function.class_name)
        if is_top and len(same) == 1 and key not in program.cells:
            yield key
