"""A function that an argument calls -> what it does beside giving a value, and what decides about the value.

In a getter it runs once per container, and no longer in every call.
"""

import builtins
from collections.abc import Iterator
from typing import Literal

from statelift.facts.values import Argument, Atom, Function
from statelift.judge.evidence import Evidence
from statelift.link.names import FunctionKey, Target

DEPTH = 3  # how many functions that call others are followed
PURE = frozenset(
    """str int float bool len dict list tuple set frozenset sorted min max sum any all abs round isinstance zip map
    enumerate range getattr hasattr repr None True False""".split()
)
LIBRARY = ("os.environ", "os.getenv", "os.path", "json.loads", "re.")
ERRORS = frozenset(
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)
)
Doubt = tuple[Literal["state", "effect"], str]


def doubts(evidence: Evidence, path: str, argument: Argument) -> Iterator[Doubt]:
    """ "state": a cell that calls change decides about the value; "effect": something else is done on the way."""
    for atom in sorted(argument.value.atoms):
        key = evidence.program.callee(path, atom.detail) if atom.kind == "call" and atom.detail else None
        if key is not None and not argument.has_locals:
            yield from _doubts_of(evidence, key, DEPTH)


def _doubts_of(evidence: Evidence, key: FunctionKey, depth: int) -> Iterator[Doubt]:
    path, _ = key
    function = evidence.program.functions[key]
    if depth == 0 or function.has_generator or function.is_async:
        yield "effect", key[1]
        return
    for name in sorted(function.references):
        target = evidence.program.resolve(path, name)
        match target:
            case Target(kind="function"):
                yield from _doubts_of(evidence, (target.path, target.name), depth - 1)
            case Target(kind="class" | "module"):
                pass
            case _ if target is not None or name.partition(".")[0] in evidence.program.modules[path].exports:
                yield from _read(evidence, path, name)
            case _ if not (_is_local(function, name) or _is_harmless(name)):
                yield "effect", name
            case _:
                pass


def _read(evidence: Evidence, path: str, name: str) -> Iterator[Doubt]:
    """A variable of the program, or a part of what it holds."""
    kinds = {each.kind for each in evidence.sources.of_atoms(path, frozenset({Atom("name", name)}))}
    if kinds & {"cell", "event"}:
        yield "state", name
    elif not kinds <= {"const", "env"} and not _is_harmless(name):
        yield "effect", name


def _is_harmless(name: str) -> bool:
    return name in PURE or name in ERRORS or name == "os" or name.startswith(LIBRARY)


def _is_local(function: Function, name: str) -> bool:
    """Whether a name is a variable of the function, or a part of what that holds."""
    head = name.partition(".")[0]
    return head in function.bound
