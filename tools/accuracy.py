"""Labelled handler files and their checkouts -> precision and recall of each family, and every miss.

Fetches nothing. A label names repository, commit and path; each repository is planned as a whole, with the default
options, and what is said of a labelled file is held against its labels (docs/accuracy.md tells how).
"""

import argparse
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from statelift.model import Finding, Options, Plan
from statelift.planning import make_plan

FAMILIES = {"memory": "memory", "counter": "memory", "tmp": "tmp", "connection": "connection"}
AIMS: Mapping[str, tuple[float, float]] = {"memory": (0.95, 0.95), "tmp": (0.9, 0.0), "connection": (0.97, 0.97)}
PERSISTENT = frozenset({"state", "leak"})  # a later call sees what an earlier one left
CHANGED = {"memory": ("memory and counters that last", 0.8), "connection": ("connections", 0.9)}
NAMES = {"memory": "memory+counter", "tmp": "tmp files", "connection": "connection"}
LABELS = Path(__file__).parents[1] / "labels"


class MissingCheckoutError(Exception):
    """A labelled file is not among the checkouts."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of one place. `is_flag`: statelift should report it; otherwise it should be silent.

    `also` are further lines where the same fault may be told, `elsewhere` places (file, line) in other files.
    """

    family: str
    line: int
    symbol: str
    verdict: str
    is_flag: bool
    note: str
    also: tuple[int, ...] = ()
    elsewhere: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file that was read, with all its labels: what has none should not be reported."""

    repository: str
    commit: str
    path: str
    stratum: str
    labels: tuple[Label, ...]

    @property
    def place(self) -> str:
        """How the file is told."""
        return f"{self.repository}/{self.path}"


@dataclass(frozen=True, slots=True)
class Miss:
    """One place where labels and findings differ: `kind` is "not found", "not expected" or "not analysed"."""

    family: str
    kind: str
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Positive:
    """One label that asks for a finding: whether that gets a change, else `why` not."""

    label: Label
    place: str
    is_changed: bool
    why: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether a change is asked of it: of connections, and of memory that outlives a call."""
        family = self.label.family
        return family in CHANGED and (family == "connection" or self.label.verdict in PERSISTENT)


@dataclass(frozen=True)
class Score:
    """What came of some files. Keys of the counters: family, and stratum."""

    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: Counter[tuple[str, str]] = field(default_factory=Counter)
    named: Counter[tuple[str, str]] = field(default_factory=Counter)
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[Miss] = field(default_factory=list)
    positives: list[Positive] = field(default_factory=list)

    @cached_property
    def strata(self) -> list[str]:
        """The strata that have anything to count."""
        return sorted({stratum for counter in (self.found, self.lost, self.wrong) for _, stratum in counter})

    def figures(self, family: str, strata: Iterable[str]) -> tuple[int, int, int, int, int]:
        """Found, lost, wrong; of the found those whose verdict is the label's, and those that get a change."""
        wanted = [(family, stratum) for stratum in strata]
        return (
            sum(self.found[key] for key in wanted),
            sum(self.lost[key] for key in wanted),
            sum(self.wrong[key] for key in wanted),
            sum(self.named[key] for key in wanted),
            sum(self.changed[key] for key in wanted),
        )


# ---------------------------------------------------------------- what is read


def read_labels(lines: Iterable[str]) -> list[Labelled]:
    """One JSON object a line, as labels/README.md describes. KeyError or ValueError where it is not one."""
    return [_labelled(json.loads(line)) for line in lines if line.strip()]


def _labelled(row: Mapping[str, object]) -> Labelled:
    given = row["labels"]
    assert isinstance(given, list)
    labels = tuple(
        Label(
            family=FAMILIES[each["family"]],
            line=each["line"],
            symbol=each["symbol"],
            verdict=each["verdict"],
            is_flag=each["flag"],
            note=each["note"],
            also=tuple(line for line in each.get("also", ()) if isinstance(line, int)),
            elsewhere=tuple(_elsewhere(place) for place in each.get("also", ()) if isinstance(place, str)),
        )
        for each in given
    )
    return Labelled(str(row["repo"]), str(row["commit"]), str(row["path"]), str(row["stratum"]), labels)


def _elsewhere(place: str) -> tuple[str, int]:
    path, _, line = place.rpartition(":")
    return path, int(line)


def checkout_of(checkouts: Path, repository: str) -> Path:
    """The folder of a repository, `owner+name` or `owner/name`. MissingCheckoutError where there is none."""
    for name in (repository.replace("/", "+"), repository):
        if (checkouts / name).is_dir():
            return checkouts / name
    raise MissingCheckoutError(f"{repository} is not in {checkouts}: clone it, and check out the label's commit")


# ---------------------------------------------------------------- what is counted


def score(files: Sequence[Labelled], checkouts: Path, plan: Callable[[Path], Plan]) -> Score:
    """Plan each repository once, and compare its labelled files. MissingCheckoutError passes through."""
    total = Score()
    for repository in sorted({each.repository for each in files}):
        folder = checkout_of(checkouts, repository)
        planned = plan(folder)
        for each in files:
            if each.repository == repository:
                if not (folder / each.path).is_file():
                    raise MissingCheckoutError(f"{each.place} does not exist: is {each.commit} checked out?")
                compare(each, planned, total)
        sys.stderr.write(f"{repository}\n")
    return total


def compare(file: Labelled, plan: Plan, total: Score) -> None:
    """Count what is found, lost and wrong in one file."""
    waiting = [label for label in file.labels if label.is_flag]
    told: list[Label] = []
    written = {change.id for change in plan.changes}
    for finding in plan.findings:
        family = FAMILIES.get(finding.family)
        if family is None:
            continue
        label = next((each for each in waiting if is_about(finding, each, file.path)), None)
        if label is None and finding.place.path != file.path:
            continue
        if label is None and any(is_about(finding, each, file.path) for each in told if each.also):
            continue
        if label is None:
            total.wrong[family, file.stratum] += 1
            total.misses.append(_unexpected(file, finding, family))
            continue
        waiting.remove(label)
        told.append(label)
        total.found[family, file.stratum] += 1
        total.named[family, file.stratum] += str(finding.verdict) == label.verdict
        is_changed = bool(written.intersection(finding.changes))
        total.changed[family, file.stratum] += is_changed
        place = f"{file.place}:{label.line}"
        total.positives.append(Positive(label, place, is_changed, "; ".join(finding.reasons[1:])))
    problem = next((each for each in plan.errors if each.path == file.path), None)
    for label in waiting:
        total.lost[label.family, file.stratum] += 1
        kind = "not found" if problem is None else "not analysed"
        total.positives.append(Positive(label, f"{file.place}:{label.line}", is_changed=False, why="not found"))
        message = f"{label.symbol} ({label.verdict}): {label.note}; {_said(file, plan, label)}"
        total.misses.append(Miss(label.family, kind, f"{file.place}:{label.line}", message))


def is_about(finding: Finding, label: Label, path: str) -> bool:
    """Whether a finding means what a label of the file `path` means.

    By its line; a cell by its name, too; a file in /tmp by any of its uses, in whatever file it is told.
    """
    if FAMILIES.get(finding.family) != label.family:
        return False
    place = finding.place
    lines = (label.line, *label.also)
    is_there = place.path == path and any(place.line <= line <= max(place.line, place.end_line) for line in lines)
    match label.family:
        case "connection":
            return is_there
        case "tmp":
            meant = {*((path, line) for line in lines), *label.elsewhere}
            return is_there or any((use.path, use.line) in meant for use in finding.uses)
        case _:
            return is_there or (place.path == path and finding.symbol == label.symbol)


def _unexpected(file: Labelled, finding: Finding, family: str) -> Miss:
    told = next((each for each in file.labels if not each.is_flag and is_about(finding, each, file.path)), None)
    wanted = "no label" if told is None else f"label: {told.verdict}, {told.note}"
    tier = "" if finding.tier is None else f" ({finding.tier.word})"
    message = f"{finding.symbol} is said to be {finding.verdict}{tier}; {wanted}"
    return Miss(family, "not expected", f"{file.place}:{finding.place.line}", message)


def _said(file: Labelled, plan: Plan, label: Label) -> str:
    """What is said of the place instead."""
    alone = [each for each in plan.left_alone if is_about(each, label, file.path)]
    return f"left alone as {alone[0].verdict}: {alone[0].reasons[0]}" if alone else "nothing is said"


# ---------------------------------------------------------------- what is printed


def table(total: Score) -> str:
    """One row per family, over all strata and for each."""
    rows = [
        "family          stratum   found  lost wrong  precision            recall               same verdict  "
        "changed"
    ]
    for family, name in NAMES.items():
        for title, strata in (("all", total.strata), *((each, [each]) for each in total.strata)):
            found, lost, wrong, named, changed = total.figures(family, strata)
            if found + lost + wrong:
                rates = f"{rate(found, found + wrong):20} {rate(found, found + lost):20} {f'{named}/{found}':12}"
                rates += f"  {changed}/{found + lost}"
                rows.append(f"{name:15} {title:9} {found:5} {lost:5} {wrong:5}  {rates}")
    return "\n".join(rows)


def shares(total: Score) -> Iterator[str]:
    """How many of the positives get a change, and each that gets none, with the reasons."""
    counted = [each for each in total.positives if each.is_counted]
    for family, (title, aim) in CHANGED.items():
        mine = [each for each in counted if each.label.family == family]
        changed = sum(each.is_changed for each in mine)
        if mine:
            part = changed / len(mine)
            yield f"{title} that get a change: {changed} of {len(mine)}, {part:.3f}; the aim is {aim}"
    for each in sorted(counted, key=lambda each: (each.label.family, each.place)):
        if not each.is_changed:
            yield f"no change: {NAMES[each.label.family]}: {each.place}: {each.label.symbol}: {each.why}"


def rate(part: int, whole: int) -> str:
    """A share with its 95 % interval (Wilson's): `0.950 (0.87-0.98)`."""
    if not whole:
        return "-"
    z, share = 1.96, part / whole
    middle = share + z * z / (2 * whole)
    spread = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    low, high = ((middle - spread) / (1 + z * z / whole), (middle + spread) / (1 + z * z / whole))
    return f"{share:.3f} ({max(low, 0):.2f}-{min(high, 1):.2f})"


def missed_aims(total: Score) -> Iterator[str]:
    """A sentence for each aim that is not reached."""
    for family, (precision, recall) in AIMS.items():
        found, lost, wrong, *_ = total.figures(family, total.strata)
        for what, aim, whole in (("precision", precision, found + wrong), ("recall", recall, found + lost)):
            if whole and found / whole < aim:
                yield f"{NAMES[family]}: {what} {found / whole:.3f}, the aim is {aim}"


def planned(folder: Path) -> Plan:
    """What statelift says of a repository with the default options."""
    return make_plan([folder], Options())


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = print) -> int:
    """0; 1 where an aim is missed; 2 where a labelled file is not among the checkouts."""
    parser = argparse.ArgumentParser(description="Precision and recall on labelled files of public repositories.")
    parser.add_argument("--checkouts", type=Path, required=True, metavar="DIR", help="its owner+name or owner/name")
    parser.add_argument("--labels", type=Path, nargs="+", default=sorted(LABELS.glob("*.jsonl")), metavar="FILE")
    parser.add_argument("--only", default="", metavar="REGEX", help="repositories that match")
    given = parser.parse_args(arguments)
    lines = [line for path in given.labels for line in path.read_text(encoding="utf-8").splitlines()]
    files = [each for each in read_labels(lines) if re.search(given.only, each.repository)]
    try:
        total = score(files, given.checkouts, planned)
    except MissingCheckoutError as error:
        write(str(error))
        return 2
    labels = sum(len(each.labels) for each in files)
    write(f"{len(files)} files of {len({each.repository for each in files})} repositories, {labels} labels\n")
    write(table(total))
    for sentence in shares(total):
        write(sentence)
    for miss in sorted(total.misses, key=lambda each: (each.family, each.kind, each.place)):
        write(f"{NAMES[miss.family]}: {miss.kind}: {miss.place}: {miss.message}")
    missed = list(missed_aims(total))
    for sentence in missed:
        write(sentence)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
