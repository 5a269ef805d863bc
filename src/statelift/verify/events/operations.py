"""Meanings -> Meanings: subscripts, comparisons, arithmetic and calls, without the program that they stand in."""

import ast

from statelift.verify.events.meanings import Constant, Items, Table, Text, Value, Values, mark, solve
from statelift.verify.events.shapes import Shape

_SAME = frozenset("str dict list tuple set frozenset sorted reversed iter deepcopy copy".split())
_SAME_METHODS = frozenset("lower upper strip lstrip rstrip title casefold copy replace encode decode".split())
_TEXT_METHODS = _SAME_METHODS - {"copy"} | frozenset(
    "split startswith endswith rsplit partition rpartition".split()
)
_GETTERS = frozenset("get pop setdefault".split())
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)


def at(values: Values, number: int) -> Values:
    """What stands at a place of a list or tuple."""
    found: list[Value] = []
    for value in values:
        match value:
            case Items(parts) if number < len(parts):
                found += parts[number]
            case Shape():
                found.append(value.element())
            case _:
                pass
    return tuple(found)


def elements(values: Values) -> Values:
    """What a loop over these gives."""
    found: list[Value] = []
    for value in values:
        match value:
            case Items(parts):
                found += [each for one in parts for each in one]
            case Shape():
                found.append(value.element())
            case Table(entries):
                found += [Constant(key) for key in entries]
            case _:
                pass
    return tuple(found)


def contents(owner: Values) -> Values:
    """The values of a mapping."""
    found: list[Value] = []
    for each in owner:
        match each:
            case Shape():
                found.append(each.element())
            case Table(entries):
                found += [value for values in entries.values() for value in values]
            case _:
                pass
    return tuple(found)


def part(bases: Values, keys: Values, *, is_optional: bool) -> Values:
    """`base[key]`, or `base.get(key)` where it is optional."""
    found: list[Value] = []
    for base in bases:
        for key in keys or ((None,) if isinstance(base, Shape) else ()):
            match base, key:
                case Shape(), Constant(str(name)):
                    found.append(base.child(name, is_optional=is_optional))
                case Shape(), Constant(int()):
                    found.append(base.element())
                case Shape(), _:
                    base.uses.add("mapping")
                    found.append(base.element())
                case Table(entries), Constant(constant):
                    found += entries.get(constant, ())
                case Table(entries), Shape() | Text():
                    compare((key,), tuple(Constant(each) for each in entries))
                    found += [value for values in entries.values() for value in values]
                case Items(), _:
                    found += elements((base,))
                case _:
                    pass
    return tuple(found)


def compare(values: Values, others: Values) -> None:
    """Note the constants that parts of an argument are compared with."""
    constants = [each.value for each in others if isinstance(each, Constant)]
    for value in values:
        match value:
            case Shape():
                value.compared(constants)
            case Text(parts):
                for constant in constants:
                    solve(parts, constant)
            case _:
                pass


def contained(left: Values, right: Values) -> None:
    """`left in right`: constants of a display, keys of an argument."""
    for container in right:
        match container:
            case Shape():
                for each in left:
                    if isinstance(each, Constant) and isinstance(each.value, str):
                        container.child(each.value, is_optional=True)
            case Items() | Table():
                compare(left, elements((container,)))
            case _:
                pass
    if not any(isinstance(each, Shape) for each in right):
        mark(left, "key")


def calculate(operator: ast.operator, left: Values, right: Values, *nodes: ast.expr
) -> Values:  # fmt: skip
    """`left + right` and its like: what is a number, and what a text."""
    is_text = any(isinstance(node, ast.JoinedStr) for node in nodes) or any(
        isinstance(each, Constant) and isinstance(each.value, str) for each in (*left, *right)
    )
    is_sequence = any(isinstance(each, Items) for each in (*left, *right))
    if isinstance(operator, _ARITHMETIC) and not is_sequence:
        mark((*left, *right), "text" if is_text else "number")
    return ()


def negative(values: Values) -> Values:
    """`-value`."""
    mark(values, "number")
    constants = [each.value for each in values if isinstance(each, Constant)]
    return tuple(Constant(-each) for each in constants if isinstance(each, int | float))


def method_call(owner: Values, name: str, arguments: list[Values]) -> Values:
    """`owner.name(…)` of a part of an argument, or of a display."""
    if name in _GETTERS and arguments:
        mark(arguments[0], "key")
        return (
            *part(owner, arguments[0], is_optional=True),
            *(arguments[1] if len(arguments) > 1 else ()),
        )
    if name in ("items", "values", "keys"):
        mark(owner, "mapping")
        inner = elements(owner) if name == "keys" else contents(owner)
        return (Items([(Items([(), inner]),)]),) if name == "items" else (Items([inner]),)
    if name in _TEXT_METHODS:
        mark(owner, "text")
    return owner if name in _SAME_METHODS else ()


def known_call(name: str, arguments: list[Values]) -> Values:
    """A call of a function that is not the program's."""
    first = arguments[0] if arguments else ()
    shapes = tuple(each for each in first if isinstance(each, Shape))
    match name:
        case "loads":
            return tuple(shape.content() for shape in shapes)
        case "int" | "float" | "Decimal":
            mark(first, "digits")
            return ()
        case "round" | "abs" | "sum" | "range":
            mark((*first, *elements(shapes if name == "sum" else ())), "number")
            return ()
        case "b64decode":
            mark(first, "base64")
            return first
        case "enumerate":
            return (Items([(Items([(), elements(first)]),)]),)
        case "zip":
            return (Items([(Items([elements(each) for each in arguments]),)]),)
        case _ if name in _SAME:
            return first
        case _ if name in (*_GETTERS, "add", "discard", "remove"):
            mark(first, "key")
            return ()
        case _:
            return ()
