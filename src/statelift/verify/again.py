"""A counterexample -> a Python program that runs it again, and what that program calls."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from statelift.verify.playing.driver import Divergence, Pair
from statelift.verify.playing.schedule import Placed, Script, Turn
from statelift.verify.subjects import Subject
from statelift.verify.values import Bucket, Event, Fault, Faults, Resource, Table, Thing

_PROGRAM = '''"""statelift verify saw a difference at {call}; this program runs the same events again."""

from statelift.verify.rerun import rerun

ROOT = {root!r}
CODE_ROOT = {name!r}
CHANGES = {changes!r}
GIVEN = {given!r}
OPTIONS = {options!r}
LEFT_OUT = {left_out!r}
ASSUMED = {assumed!r}
SCRIPT = """
{script}
"""

if __name__ == "__main__":
    rerun(
        ROOT, CODE_ROOT, CHANGES, SCRIPT,
        given=GIVEN, options=OPTIONS, left_out=LEFT_OUT, assumed=ASSUMED,
        is_original={is_original}, is_fresh={is_fresh},
    )
'''


def script_of(
    subject: Subject, pair: Pair, found: Divergence, assumed: Sequence[Resource], *, is_original: bool
) -> str:
    """The program, as text: it plans the folder again with these changes and plays the script."""
    text = json.dumps(asdict(found.script), indent=1, ensure_ascii=True).replace("\\", "\\\\")
    return _PROGRAM.format(
        call=found.event.call, root=subject.root, name=subject.name, script=text, is_original=is_original,
        changes=[change.id for change in (*subject.base, *subject.changes)],
        is_fresh=subject.pair.is_fresh, given=asdict(subject.sources),
        options=asdict(subject.options), left_out=sorted(pair.rules.unjudged),
        assumed=[(type(each).__name__, asdict(each)) for each in assumed],
    )  # fmt: skip


def read_assumed(values: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Resource]:
    """The resources in such a list: what kind of value each is, and its fields."""
    for kind, fields in values:
        match kind:
            case "Table":
                yield Table(**fields)
            case "Bucket":
                yield Bucket(**fields)
            case _:
                yield Thing(**fields)


def read_script(text: str) -> Script:
    """The script in such a text. ValueError, KeyError or TypeError where it is none."""
    value: dict[str, Any] = json.loads(text)
    plan = tuple(Fault(**each) for each in value["faults"]["plan"])
    spared = tuple(value["faults"].get("spared", ()))
    turns = tuple(_turn(each) for each in value["turns"])
    return Script(turns, value["seed"], Faults(plan=plan, spared=spared), value["shares_tmp"])


def _turn(value: dict[str, Any]) -> Turn:
    placed = tuple(Placed(Event(**each["event"]), each["slot"], each["hash_seed"]) for each in value["placed"])
    return Turn(placed, tuple(value["recycled"]))
