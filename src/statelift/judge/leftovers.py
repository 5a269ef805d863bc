"""New folders and files in /tmp that calls leave behind -> findings: after many calls the disk is full."""

from collections.abc import Iterator

from statelift.facts.values import Leftover
from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement, Subject
from statelift.model import Tier, Use, Verdict


def judge_leftovers(evidence: Evidence) -> Iterator[Judgement]:
    """A finding for everything new that a handler's call makes in /tmp, and that nothing removes."""
    for path, module in sorted(evidence.program.modules.items()):
        for each in module.leftovers:
            entries = evidence.reach.entries_of((path, each.function))
            if entries:
                yield Judgement(
                    rule="SL302",
                    subject=Subject(path, each.place, each.name, entries, (Use(path, each.place.line, "create"),)),
                    verdict=Verdict.LEAK,
                    message=f"{each.name} is a new {_noun(each)} of every call, and none removes it",
                    reasons=(
                        f"{each.function}() makes it in line {each.place.line}: /tmp is full after many calls",
                        f"what other code was told of the {_noun(each)} must not be needed behind the block",
                    ),
                    tier=Tier.REVIEW,
                    leftover=(path, each),
                )


def _noun(leftover: Leftover) -> str:
    return "folder" if leftover.kind == "folder" else "file"
