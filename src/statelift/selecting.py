"""A plan and a tier -> the changes to write."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from statelift.model import Change, Plan, Tier

# Styles of changes behind which no call finds what another one left: a variable of the call, one entry for all.
PER_CALL = frozenset({"localise", "once"})


def is_per_call(change: Change) -> bool:
    """Whether a call finds nothing that earlier ones left: that is gone on purpose."""
    return _style(change) in PER_CALL


def chosen_changes(made: Plan, upto: Tier, *, only_accepted: bool) -> list[Change]:
    """Accepted changes, and undecided ones up to the tier that need no choice between alternatives.

    A change whose `needs` are not chosen is left out, and so is what needs it.
    """
    taken = [] if only_accepted else undecided(made.changes)
    accepted = {change.id for change in made.changes if change.decision == "accepted"}
    accepted |= {change.id for change in taken if change.tier <= upto}
    return _with_all_needs([change for change in made.changes if change.id in accepted])


class NoAlternativeError(ValueError):
    """No finding has several answers of which one has this name."""


def answered(made: Plan, words: Sequence[str]) -> Plan:
    """The plan with these alternatives accepted, and their rivals rejected.

    A word is the id of a change, or a style, for every finding that has such an alternative. NoAlternativeError.
    """
    for word in words:
        named = [each for each in made.changes if each.alternatives_of and word in (each.id, _style(each))]
        if not named:
            styles = sorted({_style(each) for each in made.changes if each.alternatives_of})
            hint = f"The alternatives are {', '.join(styles)}." if styles else "No finding has alternatives."
            raise NoAlternativeError(f"There is no alternative {word}. {hint}")
        ids, findings = {each.id for each in named}, {each.alternatives_of for each in named}
        changes = [
            replace(each, decision="accepted" if each.id in ids else "rejected")
            if each.alternatives_of in findings
            else each
            for each in made.changes
        ]
        made = replace(made, changes=tuple(changes))
    return made


def _style(change: Change) -> str:
    return change.id.partition(".")[2]


def undecided(changes: Sequence[Change]) -> list[Change]:
    """What would be taken without an answer of a person: of alternatives the default, where none was accepted."""
    answered = {change.alternatives_of for change in changes if change.decision == "accepted"} - {None}
    return [
        change
        for change in changes
        if change.decision is None
        and (change.alternatives_of is None or (change.is_default and change.alternatives_of not in answered))
    ]


def without_rivals(changes: Sequence[Change]) -> list[Change]:
    """The changes that nobody rejected, without alternatives that stand behind an accepted one or a default."""
    open_ = [change for change in changes if change.decision != "rejected"]
    leading = {change.id: change for change in undecided(open_) if change.is_default}
    leading |= {change.id: change for change in open_ if change.decision == "accepted"}
    settled = {change.alternatives_of for change in leading.values()} - {None}
    return [change for change in open_ if change.alternatives_of not in settled or change.id in leading]


def waiting(made: Plan, chosen: Sequence[Change]) -> list[Change]:
    """What still waits for a person once these are written; not the alternatives of what is written."""
    ids = {change.id for change in chosen}
    answered = {change.alternatives_of for change in chosen} - {None}
    left = (change for change in made.changes if change.id not in ids and change.decision is None)
    return [change for change in left if change.alternatives_of not in answered]


def _with_all_needs(chosen: list[Change]) -> list[Change]:
    """Those of which everything they need is there, too; each change is looked at once."""
    kept = {change.id: change for change in chosen}
    needed_by: dict[str, list[str]] = defaultdict(list)
    for change in chosen:
        for need in change.needs:
            needed_by[need].append(change.id)
    lost = [need for need in needed_by if need not in kept]
    while lost:
        for name in needed_by[lost.pop()]:
            if kept.pop(name, None):
                lost.append(name)
    return list(kept.values())


def selections(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Sets of changes that go together: everything, with the first of each alternatives, then the second, …

    Where there are fewer, it is the last one.
    """
    groups: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.alternatives_of or change.id].append(change)
    for number in range(max(map(len, groups.values()), default=0)):
        chosen = {group[min(number, len(group) - 1)].id for group in groups.values()}
        yield [change for change in changes if change.id in chosen]
