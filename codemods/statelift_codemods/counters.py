"""A counter in the container becomes a CloudWatch metric or an atomic counter.

## What it does
Finds module-level integers that handlers increment.

## Why
Each container counts for itself and starts again with the next one: the number means nothing.

## Becomes
A counter that nobody reads becomes a metric, which adds up over all containers: `requests += 1` becomes
`count_metric("Requests", 1)`, one line in CloudWatch's embedded metric format on stdout, without a call or a
right; namespace, unit and dimensions can be configured. With `--metrics api`, or for single cells in the
configuration, it is `put_metric("Requests", 1)`, a call of PutMetricData. A counter that code reads becomes an
atomic counter in DynamoDB whose returned value is the one used: `requests += 1` becomes
`requests = _requests.add(1)`, and the code behind it stays as it is.

With `counter-metric = true`, for all or for single cells in the configuration, each addition is followed by
`count_metric("Requests", 1)`.

Where the value is read by nothing but a branch that alerts (`if n % 1000 == 0: send_alert(...)`, `if n >= LIMIT:
alert(...)`), a second answer may be chosen in review: the counter becomes a metric, and an alarm on that metric, in
the template, takes the place of the branch. The addition stays what is taken where nobody chooses.

A number that is read before it is counted on is taken by one addition: `x = n` and `n += 1` become
`x = _n_counter.add(1) - 1`, so that no two calls get the same one. What functions that are called in between add is
not missed: there the count is asked for again.

A dict of counters that code reads becomes one atomic addition per key, in a table of its own: `hits[k] += 1` and
`return hits[k]` become `hit_count = hits.add(k, 1)` and `return hit_count`. Reads elsewhere are `hits.get(k, 0)`,
which asks for one key. Where code goes over all keys, sets one or removes one, the dict is kept around each call.

A dict of counters that nobody reads becomes a metric with a dimension: `kinds[kind] += 1` of a `defaultdict(int)`,
a `Counter()` or by `get(kind, 0)` becomes `count_metric("Kinds", 1, dimensions={"key": str(kind)})`, always REVIEW.

## Left alone
Local counters, counters that are reset before every use.

## Safety
SAFE for a counter that is only ever incremented by whole numbers and read nowhere. REVIEW for a counter that
is read: its value now counts all containers. Floats and counters that are reset are kept around each call.

## Where we differ from the seed documents
The documents replace `if request_count % 1000 == 0: send_alert(...)` by a metric alone, which loses the
alert. Ours keeps the branch, with a number that is exact over all containers; metric and alarm are the second
answer, and say what they lose: the alarm counts within an hour, comes later and beside the call, and has no text of
its own. A counter that is incremented without `global` raises on every call; that is reported, and repaired with
`--fix-original` only: then the change says that the program behaves differently.

## Related
AP-02 stateful operations, AP-10 global state assumptions.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from statelift.alarming import alarm_for, alarm_reasons, alerting_branch, branch_edit
from statelift.counting import kept_locally, taken, taken_edits
from statelift.dropping import strangers
from statelift.facts.values import Access, Cell
from statelift.housing import count_in_place
from statelift.infra.names import env_name, table_id
from statelift.judge.counters import (
    NUMBERS,
    apart,
    increment_of,
    is_own_operand,
    numbers_of,
    settled,
    step_of,
    tally_of,
)
from statelift.judge.steps import as_step
from statelift.judge.styles import counts_beside, metrics_of
from statelift.judge.values import Judgement
from statelift.metering import (
    beside_additions,
    caught_output,
    doubtful_name,
    emitter,
    metric_name,
    said_of,
    sent_by_calls,
)
from statelift.model import Edit, Span, Tier
from statelift.stepping import keep
from statelift.tallying import keyed
from statelift.unlocking import unlocked
from statelift.workspace import Proposal, Workspace, line_of

RULES = ("SL201", "SL202")
TABLE = "COUNTERS"
Uses = list[tuple[str, Access]]


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """A metric where nobody reads it, else an atomic counter; where neither fits, it is kept around each call."""
    if judgement.is_step:
        yield _kept(judgement, workspace)
    if judgement.is_step or judgement.tier is Tier.MANUAL or judgement.cell is None:
        return
    known = settled(workspace.evidence.sources, list(judgement.accesses))
    uses = [(path, use) for path, use in apart(known) if not is_own_operand(use, known)]
    make = _metric if judgement.rule == "SL201" else _atomic(judgement)
    is_in_module = judgement.cell[1].home == "module"
    if not is_in_module and make is _counter:
        proposal = count_in_place(judgement, workspace, uses)
    else:
        proposal = make(judgement, workspace, uses)
        for tier, reason in _obstacles(judgement, workspace, uses):
            proposal = proposal.lowered(tier, reason)
    proposal = unlocked(proposal, judgement, workspace)
    if make is not _metric and not (is_in_module and make is _counter):
        for tier, reason in beside_additions(judgement, workspace, ()).doubts:
            proposal = proposal.lowered(tier, reason)
    is_alone = proposal.tier is not Tier.MANUAL and not [*_combined(*judgement.cell[0], uses, workspace)]
    stepped = judgement if is_alone else as_step(workspace.evidence, judgement.lowered(Tier.MANUAL, ""))
    alarm = None if stepped.is_step or make is not _counter else _alarm(judgement, workspace, uses)
    yield _kept(stepped, workspace) if stepped.is_step else replace(proposal, is_default=alarm is not None)
    if alarm is not None:
        yield alarm


def _kept(judgement: Judgement, workspace: Workspace) -> Proposal:
    """The number is kept around each call; no addition is seen there that a metric could stand behind."""
    proposal = keep(judgement, workspace)
    assert judgement.cell is not None
    is_asked = judgement.rule == "SL202" and counts_beside(workspace.options, workspace.program, judgement.cell[0])
    told = "no metric is sent beside it: it is kept around each call"
    return proposal.lowered(Tier.SAFE, told) if is_asked else proposal


def _atomic(judgement: Judgement) -> Callable[[Judgement, Workspace, Uses], Proposal]:
    """What a counter that code reads is made of: a number, an iterator, or a dict of numbers."""
    assert judgement.cell is not None
    if _is_iterator(judgement):
        return _numbers
    return _counter if judgement.cell[1].kind in ("int", "number") else keyed


def _obstacles(judgement: Judgement, workspace: Workspace, uses: Uses) -> Iterator[tuple[Tier, str]]:
    assert judgement.cell is not None
    yield from strangers(judgement.cell[0], workspace)
    (home, name), cell = judgement.cell
    is_tallied = judgement.rule == "SL201" and cell.home == "class"  # a metric needs no place of its own
    if cell.definition_count > 1 or not cell.is_top_level or ("." in name and not is_tallied):
        yield Tier.MANUAL, "it is defined in more than one place, or inside a class"
    if not cell.is_alone:
        yield Tier.MANUAL, f"line {cell.place.line} defines it together with others: give it a statement of its own"
    owner = workspace.program.classes.get((home, name.rpartition(".")[0]))
    if is_tallied and owner is not None and (owner.bases or owner.decorators):
        yield Tier.REVIEW, f"{name} is gone: a base or a decorator of its class may ask for all attributes"
    for path, use in uses:
        line = use.place.line
        if not use.function or use.function.endswith("<lambda>"):
            yield Tier.MANUAL, f"line {line} uses it at import time"
        elif path != home or (use.is_attribute and not is_tallied):
            yield Tier.MANUAL, f"{path}:{line} uses it as an attribute of a module"
        elif judgement.rule == "SL201" and step_of(use) is None and tally_of(cell, use) is None:
            yield Tier.MANUAL, f"line {line} reads it, although no handler comes there"
        elif step_of(use) is not None and use.value is not None and not use.value.is_pure:
            yield (
                Tier.REVIEW,
                f"line {line}: what {use.value.text} adds to {name} itself was lost, and is counted now",
            )


# ---------------------------------------------------------------- nobody reads it: a metric


def _metric(judgement: Judgement, workspace: Workspace, uses: Uses) -> Proposal:
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    is_sent = metrics_of(workspace.options, workspace.program, (path, name)) == "api"
    function, helper = emitter(path, workspace, is_keyed=cell.kind not in ("int", "number"), is_sent=is_sent)
    metric = metric_name((path, name), workspace)
    edits = [Edit(path, *line_of(cell, workspace.sources[path]), "")]
    for where, use in uses:
        step = tally_of(cell, use)
        key = "" if step is None or use.key is None else f"str({workspace.text(where, use.key.span)})"
        text = f'{function}("{metric}", {step or step_of(use)}{said_of(workspace.options, key)})'
        edits.append(Edit(where, use.span.start, use.span.end, text))
    edits += _without_globals(path, name, workspace)
    title = f"count {name} as a CloudWatch metric"
    space = workspace.options.metric_namespace
    calls = [(where, use.function, "metric.put") for where, use in uses]
    rights = workspace.metric_rights(judgement, space, calls) if is_sent else ()
    proposal = Proposal("metric", title, (*edits, *helper, *rights), judgement.tier)
    doubts = sent_by_calls(judgement, workspace, space) if is_sent else caught_output(workspace)
    for tier, reason in (*doubtful_name((path, name), workspace), *doubts):
        proposal = proposal.lowered(tier, reason)
    return proposal


def _alarm(judgement: Judgement, workspace: Workspace, uses: Uses) -> Proposal | None:
    """Metric and alarm in place of a branch that only alerts; None where the counter is read for more than that."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    branch = alerting_branch(uses, workspace) if cell.home == "module" else None
    is_from_zero = cell.value is not None and cell.value.text == "0"
    made = None if branch is None else alarm_for(judgement, branch, metric_name((path, name), workspace), workspace)
    if branch is None or made is None or not is_from_zero:
        return None
    resource, alarm = made
    steps = [(where, use) for where, use in uses if increment_of(use) is not None]
    counted = replace(judgement, rule="SL201", reasons=judgement.reasons[1:])
    proposal = _metric(counted, workspace, steps)
    for tier, reason in (
        *((Tier.REVIEW, reason) for reason in alarm_reasons(branch, alarm, resource.id)),
        *workspace.obstacles(judgement, needs_resource=True, needs_helper=workspace.is_packaged),
        *_obstacles(counted, workspace, steps),
    ):
        proposal = proposal.lowered(tier, reason)
    ops = (*proposal.ops, branch_edit(branch, resource.id, workspace), resource)
    title = f"count {name} as a CloudWatch metric, with an alarm in place of the branch"
    if proposal.tier is Tier.MANUAL:
        return None
    return unlocked(replace(proposal, style="alarm", title=title, ops=ops), judgement, workspace)


def _without_globals(path: str, name: str, workspace: Workspace) -> list[Edit]:
    """Remove `global name` where the statement says nothing else; otherwise it stays, and does no harm."""
    found = workspace.program.modules[path].globals
    return [
        Edit(path, each.line.start, each.line.end, "")
        for each in found
        if each.names == (name,) and each.is_removable
    ]


# ---------------------------------------------------------------- somebody reads it: an atomic counter


def _counter(judgement: Judgement, workspace: Workspace, uses: Uses) -> Proposal:
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    counter = workspace.unused_name(path, _counter_name(name))
    edits = [_definition(path, name, cell, counter, workspace)]
    reasons = ["each call writes one item of the table, which takes about 1,000 writes a second"]
    local = kept_locally(uses, workspace)
    numbers = taken(uses, workspace)
    gone = {id(step) for step in numbers.values()}
    steps: list[tuple[str, Access, Span]] = []
    for where, use in uses:
        if id(use) in numbers:
            steps.append((where, numbers[id(use)], use.statement))
            edits += taken_edits(where, use, numbers[id(use)], counter, workspace)
            reasons.append(
                f"line {use.place.line}: a number is taken as it is read; a call that fails leaves a gap"
            )
        elif id(use) in gone:
            continue
        elif increment_of(use) is not None:
            steps.append((where, use, use.span))
            edits.append(_increment(where, name, use, counter, keeps=use.function in local))
        elif use.function not in local:
            edits.append(Edit(where, use.name.start, use.name.end, f"{counter}.value()"))
            reasons.append(f"line {use.place.line} asks for the count again: others may have counted in between")
    for each in workspace.program.modules[path].globals:
        if each.names == (name,) and each.is_removable:
            edits.append(Edit(path, each.line.start, each.line.end, ""))
    calls = [
        (where, use.function, _part(use))
        for where, use in uses
        if _part(use) == "counter.add" or (use.function not in local and id(use) not in numbers)
    ]
    beside = beside_additions(judgement, workspace, steps)
    ops = (
        *edits,
        *beside.edits,
        *workspace.helper(path, "Counter", [part for _, _, part in calls]),
        *workspace.infrastructure(judgement, table_id(workspace.resource_name(TABLE)), "table", calls),
        *beside.ops,
    )
    proposal = Proposal("counter", f"count {name} atomically in DynamoDB", ops, judgement.tier, tuple(reasons))
    for tier, reason in (
        *beside.doubts,
        *workspace.obstacles(judgement, needs_resource=True),
        *_shared_globals(path, name, workspace),
        *_combined(path, name, uses, workspace),
    ):
        proposal = proposal.lowered(tier, reason)
    return proposal


# ---------------------------------------------------------------- an iterator that counts: an atomic counter, too


def _is_iterator(judgement: Judgement) -> bool:
    return judgement.cell is not None and judgement.cell[1].callee == NUMBERS


def _numbers(judgement: Judgement, workspace: Workspace, uses: Uses) -> Proposal:
    """`next(ids)` becomes `ids.add()`; the name stays."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    assert cell.value is not None
    start, step = numbers_of(cell) or (0, 1)
    initial = "" if start == step else f", initial={start - step}"
    added = "" if step == 1 else step
    variable = env_name(table_id(workspace.resource_name(TABLE)))
    made = f'Counter("{variable}", "{workspace.program.dotted(path)}.{name}"{initial})'
    edits = [Edit(path, cell.value.span.start, cell.value.span.end, made)]
    edits += [Edit(where, use.span.start, use.span.end, f"{use.spelled}.add({added})") for where, use in uses]
    table = table_id(workspace.resource_name(TABLE))
    calls = [(where, use.function, "counter.add") for where, use in uses]
    ops = (
        *edits,
        *workspace.helper(path, "Counter", ["counter.add"]),
        *workspace.infrastructure(judgement, table, "table", calls),
    )
    reason = "each call writes one item of the table, which takes about 1,000 writes a second"
    proposal = Proposal("counter", f"count {name} atomically in DynamoDB", ops, judgement.tier, (reason,))
    for tier, reason in workspace.obstacles(judgement, needs_resource=True):
        proposal = proposal.lowered(tier, reason)
    return proposal


def _counter_name(name: str) -> str:
    word = name.strip("_").lower()
    return f"_{word}" if "count" in word and f"_{word}" != name else f"_{word}_counter"


def _combined(path: str, name: str, uses: Uses, workspace: Workspace) -> Iterator[tuple[Tier, str]]:
    """Another cell in the same statement: the count covers all containers, the other one may not."""
    statements = {(use.function, use.statement) for _, use in uses if increment_of(use) is None}
    for (home, other), accesses in workspace.program.accesses.items():
        if (home, other) == (path, name) or not workspace.evidence.sources.is_written((home, other)):
            continue
        for where, use in accesses:
            if where == path and (use.function, use.statement) in statements:
                yield Tier.REVIEW, f"line {use.place.line} uses it together with {other}: migrate both, or neither"


def _part(use: Access) -> str:
    return "counter.value" if increment_of(use) is None else "counter.add"


def _shared_globals(path: str, name: str, workspace: Workspace) -> Iterator[tuple[Tier, str]]:
    for each in workspace.program.modules[path].globals:
        if name in each.names and not (each.names == (name,) and each.is_removable):
            line = workspace.sources[path].count(b"\n", 0, each.line.start) + 1
            yield (
                Tier.MANUAL,
                f"line {line}: `global` names it together with others; give it a statement of its own",
            )


def _definition(path: str, name: str, cell: Cell, counter: str, workspace: Workspace) -> Edit:
    assert cell.value is not None
    initial = "" if cell.value.text == "0" else f", initial={cell.value.text}"
    variable = env_name(table_id(workspace.resource_name(TABLE)))
    made = f'{counter} = Counter("{variable}", "{workspace.program.dotted(path)}.{name}"{initial})'
    return Edit(path, cell.statement.start, cell.value.span.end, made)


def _increment(path: str, name: str, use: Access, counter: str, *, keeps: bool) -> Edit:
    call = f"{counter}.add({increment_of(use)})"
    return Edit(path, use.span.start, use.span.end, f"{name} = {call}" if keeps else call)
