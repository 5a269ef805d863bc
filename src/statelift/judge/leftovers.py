"""New folders in /tmp that calls leave behind -> findings: after many calls the container's disk is full."""

from collections.abc import Iterator

from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement, Subject
from statelift.model import Tier, Use, Verdict


def judge_leftovers(evidence: Evidence) -> Iterator[Judgement]:
    """A finding for every folder that a handler's call makes, and that nothing removes."""
    for path, module in sorted(evidence.program.modules.items()):
        for each in module.leftovers:
            entries = evidence.reach.entries_of((path, each.function))
            if entries:
                yield Judgement(
                    rule="SL302",
                    subject=Subject(path, each.place, each.name, entries, (Use(path, each.place.line, "create"),)),
                    verdict=Verdict.LEAK,
                    message=f"{each.name} is a new folder of every call, and none removes it",
                    reasons=(
                        f"{each.function}() makes it in line {each.place.line}: /tmp is full after many calls",
                        "what other code was told of the folder must not be needed once the block has ended",
                    ),
                    tier=Tier.REVIEW,
                    leftover=(path, each),
                )
