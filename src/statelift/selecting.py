"""A plan and a tier -> the changes to write."""

from collections import Counter, defaultdict
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
    """Sets of changes that go together: everything, with the first of each alternatives, then the second, …"""
    ranks: Counter[str] = Counter()
    ranked: list[tuple[int | None, Change]] = []
    for change in changes:
        group = change.alternatives_of
        ranked.append((None if group is None else ranks[group], change))
        if group is not None:
            ranks[group] += 1
    for number in range(max(ranks.values(), default=1 if changes else 0)):
        yield [change for rank, change in ranked if rank is None or rank == number]
