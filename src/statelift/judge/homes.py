"""A cell that is no variable of a module -> whether a table may stand in its place: for review, or told."""

from statelift.judge.evidence import Evidence
from statelift.judge.stores import is_first_value
from statelift.judge.values import Judgement
from statelift.link.single import why_several
from statelift.model import Tier

ADVICE = {
    "instance": "it lives in an object that is made once per container: give that a store, or make it per call",
    "default": "it lives in a default argument, one object for all calls: use None and make a new one, or a store",
    "function": "it lives in an attribute of a function: make it a name of the module first",
    "object": "it lives in an object that is made once per container: make it a name of the module first",
    "closure": "it lives in a function that ran once per container: make it a name of the module first",
    "process": "it belongs to the process: pass the value on as an argument, or keep it in a table",
}


ONE = {
    "instance": "it lives in the one object of its class: any other one, also of a test, would share the table",
    "default": "no call gives anything else for it: whoever does so later, gives a dict where a store is expected",
    "function": "it lives in an attribute of a function of the module",
    "closure": "it lives in a function that runs once, at import: if it ran again, both would share the table",
}


def housed(evidence: Evidence, judgement: Judgement) -> Judgement:
    """For review where there is one of it for each container; elsewhere a person has to see to it."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if cell.home not in ADVICE:
        return judgement
    several = [*why_several(evidence.program, key, cell)] if cell.home in ONE else [""]
    mine = {id(use) for _, use in judgement.accesses}
    for path, use in evidence.program.accesses.get(key, ()):
        if id(use) not in mine and not is_first_value(cell, path, use):
            several.append(f"line {use.place.line} uses it while what it lives in is made")
    if not several:
        return judgement.lowered(Tier.REVIEW, ONE[cell.home])
    for reason in (ADVICE[cell.home], *filter(None, several)):
        judgement = judgement.lowered(Tier.MANUAL, reason)
    return judgement
