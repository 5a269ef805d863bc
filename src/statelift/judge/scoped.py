"""Uses of a cell -> the reason why no call sees what an earlier one wrote (rule 3)."""

import ast

from statelift.facts.values import Access, Cell
from statelift.judge.balanced import balanced_reasons
from statelift.judge.evidence import Evidence
from statelift.link.names import CellKey
from statelift.link.trace import Step, dominated, dominates

WHOLE_READS = frozenset({"read", "escape", "items", "keys", "values", "iterate", "len", "truth", "copy"})
CONTEXT_VARIABLE = "contextvars.ContextVar"
KILLS = frozenset({"rebind", "clear", "drain"})
CHANGES = ("mutated", "augmented", "inside:")
NEAR = 10  # lines between a decorator and its function
Uses = list[tuple[str, Access]]


def scoped_reasons(evidence: Evidence, key: CellKey, cell: Cell, uses: Uses, writes: Uses) -> tuple[str, ...]:
    """Rule 3: it is set anew before it is read, or emptied at the end or at the start of every call."""
    return (
        _request_scoped(evidence, key, uses)
        or balanced_reasons(evidence, key, cell, writes)
        or _in_own_context(evidence, cell, uses)
        or _cleared_by_decorators(evidence, cell, writes)
    )


def _request_scoped(evidence: Evidence, key: CellKey, uses: Uses) -> tuple[str, ...]:
    """Rule 3: on every entry point, a kill of the same key or the whole cell lies before every read."""
    mine = {id(use) for _, use in uses}
    if _is_left_clean(evidence, mine):
        return (f"rule 3: {key[1]} is emptied again on every way out of the call, also after an exception",)
    kills = reads = 0
    for trace in evidence.traces:
        steps = [step for step in trace.steps if id(step.item) in mine]
        for step in steps:
            if _is_kill(step):
                kills += 1
                continue
            reads += 1
            matching = [kill for kill in steps if _is_kill(kill) and _is_meant(kill, step)]
            if not (dominated(matching, step) or _is_refilled(step, steps, uses)):
                return ()
    is_complete = {id(s.item) for t in evidence.traces for s in t.steps} >= mine
    if not (kills and reads and is_complete):
        return ()
    return (f"rule 3: {key[1]} is set anew before every use, on every path of every handler",)


def _in_own_context(evidence: Evidence, cell: Cell, uses: Uses) -> tuple[str, ...]:
    """A context variable that is only used in copies of the context: they end with what runs in them."""
    mine = {id(use) for _, use in uses}
    steps = [step for trace in evidence.traces for step in trace.steps if id(step.item) in mine]
    is_plain = cell.callee == CONTEXT_VARIABLE and {use.op for _, use in uses} <= {"rebind", "unbind", "method:get"}
    if not is_plain or {id(step.item) for step in steps} < mine:
        return ()
    if any(evidence.sources.is_result_changed(path, use) for path, use in uses) or not all(map(_is_apart, steps)):
        return ()
    return ("rule 3: what it is set to ends with the copy of the context in which every call runs",)


def _is_apart(step: Step) -> bool:
    frame = step.frame
    while frame is not None and not frame.call.has_context:
        frame = frame.outer
    return frame is not None


def _cleared_by_decorators(evidence: Evidence, cell: Cell, writes: Uses) -> tuple[str, ...]:
    """`@logger.inject_lambda_context(clear_state=True)` above every entry point."""
    if not cell.callee.startswith("aws_lambda_powertools.") or any(use.op == "append" for _, use in writes):
        return ()
    program = evidence.program
    clearing = {
        (path, call.place.line)
        for path, module in program.modules.items()
        for call in module.calls
        if call.is_decorator
        and any(each.name == "clear_state" and each.value.text == "True" for each in call.arguments)
    }
    entered = [(key[0], program.functions[key].place.line) for key in program.entries]
    decorated = [any(home == path and 0 < line - at < NEAR for home, at in clearing) for path, line in entered]
    return (
        ("rule 3: clear_state=True empties it at the start of every call",) if decorated and all(decorated) else ()
    )


def _is_left_clean(evidence: Evidence, mine: set[int]) -> bool:
    """Whether a `finally` empties the cell, and every other use lies in the `try` that it belongs to."""
    seen: set[int] = set()
    for trace in evidence.traces:
        steps = [step for step in trace.steps if id(step.item) in mine]
        seen |= {id(step.item) for step in steps}
        ends = {end for step in steps if _empties(step) for end in step.conditions if end[1] == "finally"}
        if steps and not any(all(_is_within(step, end) for step in steps) for end in ends):
            return False
    return bool(seen) and seen >= mine


def _empties(step: Step) -> bool:
    use = step.item
    if not isinstance(use, Access):
        return False
    is_constant = use.value is not None and {atom.kind for atom in use.value.atoms} <= {"const"}
    return use.op in ("clear", "unbind") or (use.op == "rebind" and is_constant)


def _is_within(step: Step, end: tuple[tuple[int, ...], str, int, bool]) -> bool:
    """Whether a step lies in the body, a handler or the `finally` of the statement that `end` marks."""
    chain, _, at, _ = end
    return any(each[0] == chain and each[2] == at for each in step.conditions)


def _is_kill(step: Step) -> bool:
    use = step.item
    return isinstance(use, Access) and (use.op in KILLS or use.op == "put")


def _is_refilled(step: Step, steps: list[Step], uses: Uses) -> bool:
    """Whether every key that is ever put was put before, in this invocation: the whole is new."""
    fills = [use for _, use in uses if use.op == "put" and use.key is not None]
    is_fixed = all(use.key is not None and _is_literal(use.key.text) for use in fills)
    others = [use for _, use in uses if use.op not in WHOLE_READS | {"put", "get", "require", "contains"}]
    if not (fills and is_fixed) or others:
        return False
    before = [s.item for s in steps if _is_kill(s) and dominates(s, step) and isinstance(s.item, Access)]
    return {use.key.text for use in fills if use.key} <= {use.key.text for use in before if use.key}


def _is_meant(kill: Step, step: Step) -> bool:
    """Whether a kill replaces what a read would see: the whole cell, or the same key."""
    one, other = kill.item, step.item
    assert isinstance(one, Access) and isinstance(other, Access)
    return one.op in KILLS or (other.op != "put" and _is_same_key(one, other))


def _is_same_key(one: Access, other: Access) -> bool:
    """Whether two keys are equal, not only alike: no variable of theirs is bound again or changed between."""
    if one.key is None or other.key is None or one.key.text != other.key.text:
        return False
    if _is_literal(one.key.text):
        return True
    is_fixed = (
        one.key.is_pure and other.key.is_pure and not any(each.startswith(CHANGES) for each in one.key.threats)
    )
    return is_fixed and one.function == other.function


def _is_literal(text: str) -> bool:
    return isinstance(ast.parse(text, mode="eval").body, ast.Constant)
