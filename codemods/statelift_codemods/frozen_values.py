"""A time or random value of the cold start is computed for every call.

## What it does
Finds variables of a module that hold the time, a random number or a new identifier of the moment of the import.

## Why
A container lives for hours. All of its calls see the same "now" and the same "unique" identifier.

## Becomes
The line at the top of the module stays. At the start of the function that a call begins with it is computed
again: `global TODAY` and `TODAY = date.today()`, or `clock.TODAY = date.today()` where another module has it, which
the handler's file imports. A default argument that no call gives, `def token(user, at=time())`, becomes `at=None`
with `if at is None:` and `at = time()` at the start of the function.

## Left alone
Generators of random numbers, and values that no handler reads.

## Safety
Always REVIEW: an identifier that was meant for the container has to stay as it is. MANUAL where other code at
import uses the value or has it under a name of its own, and for default arguments of functions that an invocation
may come to twice: each time would see another value.

## Related
AP-10 global state assumptions.
"""

from collections.abc import Iterator

from statelift.judge.values import Judgement
from statelift.renewing import renew, renew_default
from statelift.workspace import Proposal, Workspace

RULES = ("SL105",)


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the value is computed at the start of each call."""
    if judgement.cell is None:
        return
    is_default = judgement.cell[1].home == "default"
    proposal = (renew_default if is_default else renew)(judgement, workspace)
    if proposal is not None:
        yield proposal
