"""Programs with known state -> which of it a plan would change, at which tier, and why the rest is only told.

Usage: rewrites.py [--checkouts DIR]    Without DIR: the programs of fixtures/catalogue. With it: the labelled files
of public repositories (labels/), checked out below DIR. Only memory and counters are looked at; nothing is written.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import accuracy

from statelift.model import Finding, Options, Plan, Tier
from statelift.planning import make_plan

CATALOGUE = Path(__file__).parents[1] / "fixtures" / "catalogue"
FAMILIES = ("session", "counter", "noop")
LASTING = frozenset({"state", "leak", "write-only"})  # verdicts of what an invocation leaves for the next


@dataclass(frozen=True, slots=True)
class Answer:
    """What a plan does about one place that holds state. `styles` is empty where it is only told, `row` the
    catalogue's; `why` is the last reason of a finding without a change."""

    place: str
    row: str
    rule: str
    verdict: str
    tier: str
    styles: tuple[str, ...]
    why: str
    is_asked: bool = True


def answer_of(place: str, row: str, finding: Finding | None, plan: Plan, *, is_asked: bool = True) -> Answer:
    """The answer that a plan gives about a finding; None where nothing was found. `is_asked`: it has a rewrite."""
    if finding is None:
        return Answer(place, row, "-", "-", "-", (), "nothing is found", is_asked)
    styles = tuple(sorted(each.id.rpartition(".")[2] for each in plan.changes if each.id in finding.changes))
    tiers = [each.tier for each in plan.changes if each.id in finding.changes]
    tier = min(tiers, default=Tier.MANUAL).word
    why = "" if styles else plain(finding.reasons[-1])
    return Answer(place, row, finding.rule, str(finding.verdict), tier, styles, why, is_asked)


def plain(reason: str) -> str:
    """A reason without the names and lines of one program, so that equal ones can be counted."""
    text = re.sub(r"^(\S+\.py:)?\d+\b|line \d+(, \d+)*", "line N", reason)
    return re.sub(
        r"line N: .* is an? (live )?object\b.*", "line N: it is a live object, which no table can hold", text
    )


def catalogue_answers(root: Path = CATALOGUE) -> Iterator[Answer]:
    """One answer for every program of the catalogue in which memory or a counter is to be reported."""
    for path in sorted(each for family in FAMILIES for each in (root / family).rglob("expected.json")):
        wanted = json.loads(path.read_text(encoding="utf-8"))
        if wanted["expect"] == "flag":
            plan = make_plan([path.parent], Options())
            place = path.parent.relative_to(root).as_posix()
            found = _about(plan, wanted["subject"], wanted["line"])
            yield answer_of(place, wanted["row"], found, plan, is_asked=wanted["tier"] != "manual")


def _about(plan: Plan, symbol: str, line: int) -> Finding | None:
    """The finding on a symbol or a line; of several the one with a change."""
    name = symbol.rpartition(".")[2].strip("()")
    own = [each for each in plan.findings if each.family in ("memory", "counter")]
    found = [each for each in own if _is_named(each.symbol, name) or each.place.line == line]
    return max(found, key=lambda each: len(each.changes), default=None)


def _is_named(symbol: str, name: str) -> bool:
    """`user` names `Session.user` and `user`, and `local` what lies in it: `local.user`."""
    return name in (symbol, symbol.rpartition(".")[2], symbol.partition(".")[0])


def labelled_answers(labels: Iterable[str], checkouts: Path) -> Iterator[Answer]:
    """One answer for every label on memory or a counter. accuracy's MissingCheckoutError passes through."""
    files = [each for each in accuracy.read_labels(labels) if any(map(_is_asked, each.labels))]
    for repository in sorted({each.repository for each in files}):
        folder = accuracy.checkout_of(checkouts, repository)
        plan = make_plan([folder], Options())
        for file in (each for each in files if each.repository == repository):
            here = [each for each in plan.findings if each.place.path == file.path]
            for label in filter(_is_asked, file.labels):
                found = next((each for each in here if accuracy.is_about(each, label)), None)
                yield answer_of(f"{file.place}:{label.line} {label.symbol}", label.verdict, found, plan)


def _is_asked(label: accuracy.Label) -> bool:
    return label.family == "memory" and label.is_flag


def table(answers: Sequence[Answer]) -> str:
    """Markdown: how many of each rule get a change, and of which style."""
    rows = ["| rule | verdict | found | with a change | styles |", "|---|---|---|---|---|"]
    for rule, verdict in sorted({(each.rule, each.verdict) for each in answers}):
        own = [each for each in answers if (each.rule, each.verdict) == (rule, verdict)]
        styles = Counter(" or ".join(each.styles) for each in own if each.styles)
        told = ", ".join(f"{count} {style}" for style, count in styles.most_common())
        rows.append(f"| {rule} | {verdict} | {len(own)} | {sum(map(bool, (e.styles for e in own)))} | {told} |")
    return "\n".join(rows)


def reasons(answers: Sequence[Answer]) -> str:
    """Markdown: what is only told, by its reason, the most frequent first."""
    left = [each for each in answers if not each.styles]
    rows = ["| reason | number | where |", "|---|---|---|"]
    for why, count in Counter(each.why for each in left).most_common():
        where = ", ".join(each.place for each in left if each.why == why)
        rows.append(f"| {why.replace('|', '/')} | {count} | {where} |")
    return "\n".join(rows)


def summary(answers: Sequence[Answer]) -> str:
    """The share of the lasting ones that get a change, and of the rows that ask for one those that have it."""
    lasting = [each for each in answers if each.verdict in LASTING]
    asked = {each.row for each in answers if each.is_asked}
    answered = {each.row for each in answers if each.styles} & asked
    left = ", ".join(sorted(asked - answered)) or "none"
    changed = sum(bool(each.styles) for each in lasting)
    rows = f"{len(answered)} of {len(asked)} rows; without: {left}"
    return f"{changed} of {len(lasting)} with state get a change. {rows}"


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = print) -> int:
    """0; 2 where a labelled file is not among the checkouts."""
    parser = argparse.ArgumentParser(description="Which state a plan would change, and why it leaves the rest.")
    parser.add_argument(
        "--checkouts", type=Path, metavar="DIR", help="labelled repositories, owner+name or owner/name"
    )
    given = parser.parse_args(arguments)
    if given.checkouts is None:
        answers = list(catalogue_answers())
    else:
        lines = [line for path in sorted(accuracy.LABELS.glob("*.jsonl")) for line in path.read_text().splitlines()]
        try:
            answers = list(labelled_answers(lines, given.checkouts))
        except accuracy.MissingCheckoutError as error:
            write(str(error))
            return 2
    write("\n\n".join((summary(answers), table(answers), reasons(answers))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
