"""Uses of a number -> what kind of counter it is (rules 4 and 8)."""

import ast
from collections.abc import Callable
from dataclasses import replace

from statelift.facts.values import Access, Cell
from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement
from statelift.link.sources import Sources
from statelift.model import Tier, Verdict

STEPS = {"Add": 1, "Sub": -1}
NUMBERS = "itertools.count"
Uses = list[tuple[str, Access]]


def increment_of(use: Access) -> str | None:
    """The text of the integer that a statement adds to its cell, or None.

    Only integers count: adding floats in a table is not what Python does.
    """
    return step_of(use) if _is_whole(use) else None


def step_of(use: Access) -> str | None:
    """The text of what a statement adds to its cell (`n += 1`, `n = n + 1`), or None."""
    if use.value is None or not use.is_statement:
        return None
    if use.op == "augment" and use.operator in STEPS:
        return use.value.text if use.operator == "Add" else _negated(use.value.text)
    return _long_form(use.spelled, use.value.text) if use.op == "rebind" else None


def _is_whole(use: Access) -> bool:
    return use.op != "augment" or (use.value is not None and use.value.type == "int")


def _negated(text: str) -> str:
    is_plain = isinstance(ast.parse(text, mode="eval").body, (ast.Constant, ast.Name, ast.Call))
    return f"-{text}" if is_plain else f"-({text})"


def _long_form(spelled: str, text: str) -> str | None:
    match ast.parse(text, mode="eval").body:
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=int() as step)):
            return str(step) if ast.unparse(left) == spelled else None
        case ast.BinOp(left=ast.Constant(value=int() as step), op=ast.Add(), right=right):
            return str(step) if ast.unparse(right) == spelled else None
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Constant(value=int() as step)):
            return str(-step) if ast.unparse(left) == spelled else None
        case _:
            return None


def is_own_operand(use: Access, uses: Uses) -> bool:
    """Whether a read is only the right-hand side of the cell's own `n = n + 1`."""
    return use.op == "read" and any(
        other.op == "rebind" and increment_of(other) is not None
        and other.span.start < use.span.start < other.span.end and other.function == use.function
        for _, other in uses
    )  # fmt: skip


def settled(sources: Sources, uses: Uses) -> Uses:
    """The uses, with the types of steps that come by way of parameters and results."""
    return [(path, _settled(sources, path, use)) for path, use in uses]


def _settled(sources: Sources, path: str, use: Access) -> Access:
    given = use.value
    if use.op != "augment" or given is None or sources.types.of(path, given.type) != "int":
        return use
    return replace(use, value=replace(given, type="int"))


def judge_counter(evidence: Evidence, make: Callable[..., Judgement], uses: Uses) -> Judgement | None:
    """A judgement where every write is an integer step; None where the cell is something else."""
    cell = make.cell  # type: ignore[attr-defined]
    if cell.kind not in ("int", "number"):
        return None
    uses = settled(evidence.sources, uses)
    kept = [(path, use) for path, use in uses if not is_own_operand(use, uses)]
    if all(step_of(use) is not None for _, use in kept):
        return _write_only(make, [use for _, use in kept])
    if cell.kind != "int":
        return None
    steps = [use for _, use in kept if increment_of(use) is not None]
    reads = [use for _, use in kept if use.op in ("read", "escape", "truth", "len")]
    if not steps or len(steps) + len(reads) != len(kept):
        return None
    lines = ", ".join(str(line) for line in sorted({use.place.line for use in reads}))
    reasons = (
        f"rule 8: line {lines} uses the value, so a CloudWatch metric alone would change what the code does",
        "the count now covers all containers: values that one container reached late, or never, come sooner",
    )
    return make("SL202", Verdict.STATE, "counts one container only, and code relies on it", reasons, Tier.REVIEW)


def _write_only(make: Callable[..., Judgement], steps: list[Access]) -> Judgement:
    reasons = ("rule 4: it is only ever incremented; no statement of the program reads it",)
    found = make("SL201", Verdict.WRITE_ONLY, "counts one container only, and nobody reads it", reasons)
    for use in steps:
        if not _is_whole(use) and use.value is not None:
            found = found.lowered(Tier.REVIEW, f"line {use.place.line}: {use.value.text} has to be a number")
    if any((step_of(use) or "-").startswith("-") for use in steps):
        return found.lowered(Tier.MANUAL, "it also counts down: a sum over containers is not a gauge")
    return found


def judge_numbers(make: Callable[..., Judgement], uses: Uses) -> Judgement | None:
    """`ids = itertools.count(1)` and nothing but `next(ids)`: a counter under another name."""
    cell = make.cell  # type: ignore[attr-defined]
    if cell.callee != NUMBERS or numbers_of(cell) is None or not uses:
        return None
    if any(use.op != "advance" or use.default is not None for _, use in uses):
        return None
    reasons = (
        "rule 8: next() counts on from call to call, and each container begins anew: numbers come twice",
        "the count now covers all containers",
    )
    return make("SL202", Verdict.STATE, "counts one container only, and code relies on it", reasons, Tier.REVIEW)


def numbers_of(cell: Cell) -> tuple[int, int] | None:
    """Start and step of an `itertools.count(…)` whose arguments are written out; None for any other."""
    call = ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None
    if not isinstance(call, ast.Call):
        return None
    given = dict(zip(("start", "step"), call.args, strict=False)) | {each.arg: each.value for each in call.keywords}
    values = {name: each.value if isinstance(each, ast.Constant) else None for name, each in given.items()}
    if not values.keys() <= {"start", "step"} or not all(type(each) is int for each in values.values()):
        return None
    return int(str(values.get("start", 0))), int(str(values.get("step", 1)))


def judge_tally(make: Callable[..., Judgement], uses: Uses) -> Judgement | None:
    """A dict of counters: every value that is put is the old one plus an integer."""
    fills = [use for _, use in uses if use.op in ("put", "augment_key", "setdefault")]
    if not fills or not all(_is_tally(use) for use in fills):
        return None
    if all(tally_of(make.cell, use) is not None for _, use in apart(uses)):  # type: ignore[attr-defined]
        reason = "rule 4: it is only ever incremented, key by key; no statement of the program reads it"
        return make("SL201", Verdict.WRITE_ONLY, _KEYED, (reason, BY_KEY), Tier.REVIEW)
    rule = "rule 8: each value is the stored one plus a whole number: one atomic update per key on a table"
    cell = make.cell  # type: ignore[attr-defined]
    others = [use for _, use in apart(uses) if keyed_step(cell, use) is None]
    if all(_is_told(cell, use) for use in others):
        told = (rule, "the counts now cover all containers: values that one reached late, or never, come sooner")
        return make("SL202", Verdict.STATE, "counts one container only, key by key", told, Tier.REVIEW)
    reasons = (
        rule,
        "a dict of counters is not rewritten yet: give each counter a name of its own, or use a table's ADD",
    )
    return make("SL202", Verdict.STATE, "counts one container only, key by key", reasons, Tier.MANUAL)


_KEYED = "counts one container only, key by key, and nobody reads it"
BY_KEY = (
    "the key becomes the value of the dimension `key`: text of 1 to 1,024 characters, keys of equal text are one;"
    " each is a metric of its own, and is paid for as one"
)
COUNTING = ("collections.defaultdict", "collections.Counter")


def apart(uses: Uses) -> Uses:
    """The uses without those that only read what the same statement puts back."""
    spans = [use.span for _, use in uses if use.op == "put"]
    return [
        (path, use)
        for path, use in uses
        if use.op != "get" or not any(span.start < use.span.start and use.span.end <= span.end for span in spans)
    ]


def tally_of(cell: Cell, use: Access) -> str | None:
    """The positive number that a statement adds to an entry that may be missing; None for anything else."""
    text = "" if cell.value is None else cell.value.text
    if not use.is_statement or use.key is None or not use.key.is_pure or not _is_tally(use):
        return None
    if use.value is None or not (is_counting(cell) or text in ("{}", "dict()")):
        return None
    if use.op == "augment_key":
        is_plain = use.operator == "Add" and use.value.text.isdecimal()
        return use.value.text if is_counting(cell) and is_plain else None
    sum_ = ast.parse(use.value.text, mode="eval").body
    is_added = isinstance(sum_, ast.BinOp) and isinstance(sum_.op, ast.Add) and isinstance(sum_.left, ast.Call)
    return ast.unparse(sum_.right) if is_added and isinstance(sum_, ast.BinOp) else None


def is_counting(cell: Cell) -> bool:
    """Whether a missing key of the dict counts as 0."""
    text = "" if cell.value is None else cell.value.text
    return cell.callee in COUNTING and text.endswith(("(int)", "(lambda: 0)", "Counter()"))


def keyed_step(cell: Cell, use: Access) -> str | None:
    """The text of the integer that a statement adds to an entry, which begins at 0; None for anything else."""
    is_empty = cell.value is not None and (is_counting(cell) or cell.value.text in ("{}", "dict()"))
    is_fit = is_empty and use.is_statement and use.key is not None and use.key.is_pure and _is_tally(use)
    if not is_fit or use.value is None:
        return None
    if use.op == "augment_key":
        step = use.value.text if use.operator == "Add" else _negated(use.value.text)
        return step if is_counting(cell) else None
    match ast.parse(use.value.text, mode="eval").body:
        case ast.BinOp(left=left, op=op, right=right) if isinstance(left, ast.Call) or is_counting(cell):
            return ast.unparse(right) if isinstance(op, ast.Add) else _negated(ast.unparse(right))
        case _:
            return None


def _is_told(cell: Cell, use: Access) -> bool:
    """Whether a use only asks for one count. A read of a defaultdict leaves a 0 behind, which `in` would see."""
    if use.key is None or use.key.text != use.key.text.strip():
        return False
    is_leaving = cell.callee == COUNTING[0]
    match use.op:
        case "require":
            return True
        case "get":
            return not is_leaving or (use.default is not None and use.default.text == "0")
        case "contains" | "lacks":
            return not is_leaving
        case _:
            return False


def _is_tally(use: Access) -> bool:
    if use.op == "augment_key":
        return use.operator in STEPS and use.value is not None and use.value.type == "int"
    if use.op != "put" or use.value is None or use.key is None:
        return False
    reads = {f"{use.spelled}.get({use.key.text}, 0)", f"{use.spelled}[{use.key.text}]"}
    match ast.parse(use.value.text, mode="eval").body:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=ast.Constant(value=int())):
            return ast.unparse(left) in reads
        case _:
            return False
