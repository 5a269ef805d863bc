"""A hook that every call registers with a shared client is registered once.

## What it does
Finds `client.meta.events.register(…)` in functions that a handler's call runs, on a client that lives longer.

## Why
Each call adds the function once more: after a hundred calls it runs a hundred times for every request.

## Becomes
`register("before-sign.s3", hook)` becomes `register("before-sign.s3", hook, unique_id="app.hook:before-sign.s3")`.
botocore ignores a registration whose `unique_id` it has already, whatever the event.

## Left alone
Hooks with a `unique_id`, hooks that are registered at import or behind a test, and clients made by the same call.

## Safety
REVIEW: the hook still stays with the client for all later calls. MANUAL for functions that are made anew by each
call (a lambda, a nested function, a method of an object), which may hold something of one request, and where the
event's name is computed.

## Related
AP-02 stateful operations.
"""

from collections.abc import Iterator

from statelift.judge.values import Judgement
from statelift.model import Edit, Tier
from statelift.workspace import Proposal, Workspace

RULES = ("SL405",)


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the registration gets an identity."""
    if judgement.hook is None or judgement.tier is Tier.MANUAL:
        return
    path, hook = judgement.hook
    name = f"{workspace.program.dotted(path)}.{hook.registered}:{hook.event}"
    edit = Edit(path, hook.end, hook.end, f', unique_id="{name}"')
    yield Proposal("once", f"register {hook.registered} once per container", (edit,), judgement.tier)
