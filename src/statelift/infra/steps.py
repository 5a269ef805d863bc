"""text and tree + steps -> text and tree: what several additions make of a document, and what they mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from statelift.infra.values import Plain, Value, plain_value
from statelift.locate.sites import Path

Change: TypeAlias = Callable[[Plain], Plain]


class Refusal(ValueError):  # noqa: N818 - a decision, not an accident
    """This cannot be added without risk. The message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an addition means: `change` is done to what stands at `path`, behind item `after` of a list.

    `region` is the part of the tree that nothing else may touch at the same time.
    """

    path: Path
    region: Path
    change: Change
    after: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One addition: text[start:end] becomes `inserted`, and the tree what `expected` says."""

    start: int
    end: int
    inserted: str
    expected: Expected


class Sketched(Exception):  # noqa: N818 - what was asked for, no accident
    """The addition that a sketch of a document would have got."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step


def text_with(text: str, steps: Sequence[Step]) -> str:
    """Where several additions begin at one place, what is deeper in the tree goes first. Raises Refusal."""
    done, parts = 0, []
    for step in sorted(steps, key=lambda step: (step.start, -len(step.expected.path))):
        if step.start < done:
            raise Refusal("Two additions touch the same text.")
        parts += [text[done : step.start], step.inserted]
        done = step.end
    return "".join([*parts, text[done:]])


def plain_with(plain: Plain, steps: Sequence[Step]) -> Plain:
    """What the text has to say then. From the depth of the tree and the ends of lists on: positions stay true."""
    wanted = [step.expected for step in reversed(steps)]
    for each in sorted(wanted, key=lambda each: (len(each.path), each.after), reverse=True):
        plain = _changed(plain, each.path, each.change)
    return plain


def _changed(root: Plain, path: Path, change: Change) -> Plain:
    """A tree in which only the value at `path` is what `change` makes of it."""
    if not path:
        return change(root)
    step, rest = path[0], path[1:]
    match root, step:
        case dict(), str():
            return root | {step: _changed(root[step], rest, change)}
        case list(), int():
            return [*root[:step], _changed(root[step], rest, change), *root[step + 1 :]]
        case _:
            raise Refusal(f"{words(path)} is not there.")


def joined(old: Plain, addition: Value, after: int | None) -> Plain:
    """A list gets the addition behind item `after` (-1: in front); a single value gives way to it."""
    new = plain_value(addition)
    match old, new:
        case dict(), dict():
            return old | new
        case list(), list():
            position = len(old) if after is None else after + 1
            return [*old[:position], *new, *old[position:]]
        case _:
            return new


def words(path: Path) -> str:
    """A path for people."""
    return ".".join(str(step) for step in path) or "The template"
