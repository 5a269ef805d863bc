"""A parameter of a function -> what the calls of the program pass for it."""

from collections.abc import Iterator

from statelift.facts.values import Call, Function, Value
from statelift.link.names import FunctionKey, shift_of
from statelift.link.program import Program


def argument_of(call: Call, name: str, position: int) -> Value | None:
    """The argument that a call passes for a parameter."""
    for argument in call.arguments:
        if argument.name in (name, str(position)):
            return argument.value
    return None


def position_of(function: Function, name: str) -> int:
    """The place of a parameter; -1 where there is none of that name."""
    return next((i for i, each in enumerate(function.parameters) if each.name == name), -1)


def place_of(function: Function, name: str) -> int:
    """Which argument of a call a parameter gets; the object itself is none, which is below 0."""
    return position_of(function, name) - shift_of(function)


def arguments_of(program: Program, key: FunctionKey, name: str) -> Iterator[tuple[str, Value | None]]:
    """What each call site passes for a parameter; None where that cannot be told."""
    function = program.functions.get(key)
    if function is None:
        return
    position = position_of(function, name)
    default = next((each.default for each in function.parameters if each.name == name), None)
    for site, call in program.call_sites.get(key, ()):
        given = argument_of(call, name, position - shift_of(function))
        has_stars = any(argument.name in ("*", "**") for argument in call.arguments)
        if given is not None or has_stars:
            yield site, None if has_stars else given
        else:
            yield key[0], default
    if key in program.given_as_values and key in program.call_sites:
        yield key[0], None


def given_by_callers(program: Program, key: FunctionKey, name: str) -> Iterator[tuple[str, str, Value]]:
    """What each caller passes for a parameter, with the function that passes it, where that can be told."""
    function = program.functions.get(key)
    for site, call in program.call_sites.get(key, ()) if function is not None else ():
        position = -1 if function is None else position_of(function, name) - shift_of(function)
        given = argument_of(call, name, position)
        if given is not None:
            yield site, call.function, given
