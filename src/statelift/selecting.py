"""A plan and a tier -> the changes to write."""

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
    while True:
        ids = {change.id for change in chosen}
        kept = [change for change in chosen if set(change.needs) <= ids]
        if len(kept) == len(chosen):
            return kept
        chosen = kept
