"""What every call collects and nobody reads is deleted or logged; instruments of Prometheus become metrics.

## What it does
Finds dicts, lists and sets of a module that handlers fill, and that no code of the program reads. So are the
instruments of prometheus_client: nobody can ask a container of a function for its numbers.

## Why
The container's memory fills up until it dies. What was meant as a record of what happened is lost with it.

## Becomes
There are two changes to choose from, and none by default. `delete` takes the variable out: of
`_audit.append(entry(user))` the call `entry(user)` stays, because it may do something; where nothing does, the line
goes. `log` makes it `print("_audit", entry(user))`: a line of the function's log.

A number that an instrument gets becomes a metric of CloudWatch with the instrument's name, and its labels become
dimensions: `CALLS.labels(method).inc()` becomes `count_metric("calls_total", 1, dimensions={"method":
str(method)})`, and so do `Gauge.set`, `Histogram.observe` and `Summary.observe`. Namespace, dimensions of all and
`--metrics api` are those of counters.

## Left alone
Collections that some code reads, hands on, imports by name or asks for what they hold: `d[k]`, `pop(k)`.

## Safety
Always REVIEW: what is kept in a collection lives as long as it does, and code that is not here may rely on that.
MANUAL where a task, a thread or a weak reference is kept, where another file fills it, and in classes and objects.
Instruments are MANUAL where the program pushes, serves or writes its numbers itself, for gauges that go up and down
(no sum over containers is what they are), and for timers.

## Related
AP-10 global state assumptions.
"""

from collections.abc import Iterator

from statelift.dropping import drop
from statelift.instruments import is_instrument, send
from statelift.judge.values import Judgement
from statelift.model import Tier
from statelift.workspace import Proposal, Workspace

RULES = ("SL104",)


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """Two proposals, to delete it and to log what it gets."""
    if judgement.cell is None or judgement.tier is Tier.MANUAL:
        return
    if is_instrument(judgement):
        yield send(judgement, workspace)
    else:
        yield from drop(judgement, workspace)
