"""Program -> why there may be more than one of an attribute, a default or a variable of a maker, or none seen."""

from collections.abc import Iterator

from statelift.facts.cells import DATACLASSES
from statelift.facts.values import Access, Call, Cell
from statelift.link.names import CellKey, FunctionKey, Target
from statelift.link.program import Program

AS_A_WHOLE = frozenset({"dynamic", "rebind", "unbind", "read", "escape"})
PLAIN_BASES = frozenset({"object", "abc.ABC", "typing.Generic", "typing.Protocol", ""})
OPEN = frozenset(
    """__new__ __getattr__ __getattribute__ __setattr__ __delattr__ __getstate__ __setstate__ __reduce__
    __reduce_ex__ __copy__ __deepcopy__ __init_subclass__""".split()
)
WHOLE = frozenset({"__dict__", "__class__"})
EVENT_AND_CONTEXT = 2


def why_several(program: Program, key: CellKey, cell: Cell) -> Iterator[str]:
    """Reasons why a table in its place would be shared by what was apart, or be seen by who expects plain data."""
    if not cell.is_direct or not cell.is_alone:
        yield f"line {cell.place.line} gives it its first value under a condition, or together with others"
    match cell.home:
        case "instance":
            yield from _objects(program, key)
        case "closure":
            yield from _makers(program, (key[0], key[1].rpartition(".")[0]))
        case "default":
            yield from _defaults(program, (key[0], key[1].partition("(")[0]), key[1].rpartition("(")[2][:-1])
        case "function" if key[1].count(".") == 1 and cell.value is not None:
            pass
        case "module" | "class":
            pass
        case _:
            yield "it is not known where it gets its first value"


# ---------------------------------------------------------------- objects


def _objects(program: Program, key: CellKey) -> Iterator[str]:
    owner = (key[0], key[1].rpartition(".")[0])
    kin = [each for each in program.classes if _has(program, each, key)]
    made = [(path, call) for path, call in _calls(program) if _class_of(program, path, call) in kin]
    if owner not in kin or len(made) != 1 or not _is_once(made[0][1]):
        yield f"objects of {owner[1]} are made in more than one place, or by a call"
        return
    yield from _unheld(program, kin, *made[0])
    for each in kin:
        yield from _open(program, each)
        if program.classes[each].decorators and made[0][1].arguments:
            yield f"line {made[0][1].place.line} gives the object values for its fields"
    if any(dict(module.attributes).get("__dict__") for module in program.modules.values()):
        yield "the program asks objects for all their attributes"


def is_confined(program: Program, owner: CellKey, made: list[tuple[str, Call]]) -> bool:
    """Whether every object of a class, which these calls make, is in a variable of a module that nobody gives on:
    who calls its methods calls them by the name of that variable.
    """
    is_kept = bool(made) and all(_is_once(call) for _, call in made) and not program.derived_from(owner)
    return is_kept and not any(_open(program, owner)) and not any(_unheld_all(program, owner, made))


def _unheld_all(program: Program, owner: CellKey, made: list[tuple[str, Call]]) -> Iterator[str]:
    for path, call in made:
        yield from _unheld(program, [owner], path, call)


def _has(program: Program, owner: CellKey, key: CellKey) -> bool:
    return program.attribute_of(Target("class", *owner), key[1].rpartition(".")[2]) == key


def _calls(program: Program) -> Iterator[tuple[str, Call]]:
    for path, module in program.modules.items():
        yield from ((path, call) for call in module.calls)


def _class_of(program: Program, path: str, call: Call) -> CellKey | None:
    target = program.resolve(path, call.callee)
    return (target.path, target.name) if target is not None and target.kind == "class" else None


def _is_once(call: Call) -> bool:
    """Whether a call runs at import, once and always."""
    return not call.function and not call.guards


def _unheld(program: Program, kin: list[CellKey], path: str, call: Call) -> Iterator[str]:
    """Why the one object is not in a variable of its module for good, or is given on as a whole."""
    holder = next((each for each, cell in program.cells.items() if each[0] == path and _holds(cell, call)), None)
    target = None if holder is None else program.class_of(holder)
    if holder is None or target is None or (target.path, target.name) not in kin:
        yield f"line {call.place.line} makes the object, and no variable of the module has it for good"
        return
    cell = program.cells[holder]
    if cell.home != "module" or not cell.is_top_level or cell.definition_count != 1 or not cell.is_alone:
        yield f"{holder[1]} is given its object in more than one place"
    for use in _whole_uses(program, holder):
        yield f"line {use.place.line} gives {holder[1]} on as a whole, and somebody may look into it"


def _holds(cell: Cell, call: Call) -> bool:
    return cell.value is not None and cell.value.span == call.span


def _whole_uses(program: Program, holder: CellKey) -> Iterator[Access]:
    for _, use in program.accesses.get(holder, ()):
        if use.op in AS_A_WHOLE:
            yield use


def _open(program: Program, owner: CellKey) -> Iterator[str]:
    """Why a class lets others look into its objects, or makes more of them."""
    known, name = program.classes[owner], owner[1]
    bases = [program.resolve(owner[0], base) if base else None for base in known.bases]
    if any(target is None and base not in PLAIN_BASES for base, target in zip(known.bases, bases, strict=True)):
        yield f"{name} has a base of which nothing is known"
    if known.metaclass not in ("", "abc.ABCMeta") or not {each.name for each in known.decorators} <= DATACLASSES:
        yield f"a decorator or metaclass of {name} may see its attributes"
    if is_given(program, owner):
        yield f"{name} itself is given on: somebody may make another object of it"
    for (path, qualname), function in sorted(program.functions.items()):
        if path != owner[0] or not qualname.startswith(f"{name}."):
            continue
        own = function.parameters[0].name if function.parameters and function.shift else ""
        is_open = qualname.rpartition(".")[2] in OPEN or own in function.references
        if is_open or function.attributes & WHOLE:
            yield f"{qualname}() treats the object as a whole: who gets it may look into it"


def is_given(program: Program, owner: CellKey) -> bool:
    """Whether a class or function stands somewhere as a value."""
    for path, module in program.modules.items():
        names = set(module.mentions).union(*(each.given for each in module.functions))
        names |= {
            atom.detail
            for each in module.functions
            for parameter in each.parameters
            if parameter.default is not None
            for atom in parameter.default.atoms
            if atom.kind in ("name", "import")
        }
        last = owner[1].rpartition(".")[2]
        for name in (each for each in names if each.rpartition(".")[2] == last or "." not in each):
            target = program.resolve(path, name)
            if target is not None and (target.path, target.name) == owner:
                return True
    return False


# ---------------------------------------------------------------- makers of functions, defaults


def _makers(program: Program, maker: FunctionKey) -> Iterator[str]:
    """A variable of a function that other functions of it use: one, where that function runs once, at import."""
    function = program.functions.get(maker)
    sites = program.call_sites.get(maker, [])
    above = [
        known
        for (path, _), known in program.functions.items()
        for each in known.decorators
        if program.callee(path, each.name) == maker
    ]
    plain = [call for _, call in sites if not call.is_decorator]
    if function is None or function.is_nested or function.class_name or function.is_async or function.has_generator:
        yield f"{maker[1]}() is a method, or made by another function"
    elif len(plain) + len(above) != 1 or not all(map(_is_once, plain)) or any(each.is_nested for each in above):
        yield f"{maker[1]}() runs more than once, or in a call"
    elif function.decorators or is_given(program, maker):
        yield f"{maker[1]}() is given on as a value: somebody may call it again"


def _defaults(program: Program, key: FunctionKey, parameter: str) -> Iterator[str]:
    """A default, where no call gives the parameter anything else."""
    function, name = program.functions[key], key[1]
    place = [each.name for each in function.parameters].index(parameter)
    if function.class_name or function.is_nested or is_given(program, key):
        yield f"nobody knows all who call {name}(), and whether they leave {parameter} out"
    if key in program.entries and place < EVENT_AND_CONTEXT:
        yield f"the call begins with {name}(), and may give {parameter}"
    for _, call in program.call_sites.get(key, ()):
        if {argument.name for argument in call.arguments} & {parameter, str(place), "*", "**"}:
            yield f"line {call.place.line} gives {parameter} to {name}()"
        elif any(argument.name == "*" for argument in call.arguments):
            yield f"line {call.place.line} may give {parameter} to {name}()"
    if any(dict(module.attributes).get("__defaults__") for module in program.modules.values()):
        yield "the program looks into the defaults of functions"
