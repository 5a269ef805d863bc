"""A plan and a tier -> the changes to write."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from statelift.model import Change, Plan, Tier


def chosen_changes(made: Plan, upto: Tier, *, only_accepted: bool) -> list[Change]:
    """Accepted changes, and undecided ones up to the tier that need no choice between alternatives.

    A change whose `needs` are not chosen is left out, and so is what needs it.
    """
    chosen = []
    for change in made.changes:
        is_default = not only_accepted and change.tier <= upto and change.alternatives_of is None
        if change.decision == "accepted" or (change.decision is None and is_default):
            chosen.append(change)
    return _with_all_needs(chosen)


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
