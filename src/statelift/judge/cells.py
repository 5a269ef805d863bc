"""One cell and all its uses -> a verdict: the decision rules for memory and counters, first match wins."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from statelift.catalogue.objects import SETTINGS
from statelift.facts.operations import BOUND
from statelift.facts.syntax import OPEN_OBJECTS
from statelift.facts.values import Access, Cell, CellKind
from statelift.judge.caches import cache_reasons, companion_reasons
from statelift.judge.counters import judge_counter, judge_numbers, judge_tally
from statelift.judge.elements import as_entry, is_asked_by_element
from statelift.judge.evidence import MISSES, Evidence, is_hit, uses_of
from statelift.judge.fills import is_stale
from statelift.judge.homes import housed
from statelift.judge.latches import addition_reasons, latch_reasons, renewal_reasons
from statelift.judge.lazies import is_pool, lazy_reasons
from statelift.judge.registrations import ADDING, POWERTOOLS, emptied_first, keys_forgotten, registered_once
from statelift.judge.scoped import scoped_reasons
from statelift.judge.steps import as_step, is_other_name, kept_reasons
from statelift.judge.stores import is_first_value, is_torn, judge_store
from statelift.judge.values import Judgement, Subject
from statelift.link.names import CellKey
from statelift.link.writes import is_container, is_write
from statelift.model import Tier, Verdict

PULLED = "prometheus_client."
SCRAPED = "rule 4: nobody can scrape a container of a function: emit metrics (EMF) instead"
KEYS = "rule 9: what a call adds to the logger stands in the lines of later calls, of other users, too"
MAKERS_OF_STREAMS = ("random.Random", "random.SystemRandom", "secrets.SystemRandom")
STREAMS = frozenset({"io.StringIO", "io.BytesIO"})
LOGGERS = "logging.getLogger"
GROWING = frozenset({"append", "extend", "add", "method:insert", "method:appendleft"})
WHOLE = frozenset("len iterate keys items values read truth contains lacks escape copy".split())
OWN_OPERATIONS = frozenset({"dynamic", "rebind", "unbind", "truth", "read", "escape"})
TAKING = frozenset(
    "advance drain pop remove discard delete rebind method:popleft method:popitem method:pop".split()
)
DICTS = frozenset(
    """collections.defaultdict collections.OrderedDict collections.Counter collections.ChainMap collections.UserDict
    weakref.WeakValueDictionary weakref.WeakKeyDictionary cachetools.Cache cachetools.TTLCache cachetools.LRUCache
    cachetools.LFUCache cachetools.FIFOCache cachetools.TLRUCache""".split()
)
EMPTY: dict[str, CellKind] = {
    "[]": "list", "list()": "list", "set()": "set", "{}": "dict", "dict()": "dict",
}  # fmt: skip
Uses = list[tuple[str, Access]]


def judge_cells(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every cell that some function touches."""
    for key, uses in sorted(evidence.program.accesses.items()):
        cell = evidence.program.cells.get(key)
        if cell is not None and key[1] not in SETTINGS:  # which are judged apart
            judgement = _judge(evidence, key, cell, uses)
            if judgement is not None:
                yield judgement
    yield from _broken(evidence)


def _judge(evidence: Evidence, key: CellKey, cell: Cell, uses: Uses) -> Judgement | None:
    cell = replace(_as_given(evidence, key, cell), callee=evidence.program.constructor_of(key))
    collection = evidence.collections.kind_of(key)
    cell = cell if collection is None else replace(cell, kind=collection)
    if not evidence.lifetimes.lasts(key, cell) or _is_descriptor(evidence, key):
        return None
    uses = [
        (path, use)
        for path, use in _own_uses(evidence, key, cell, uses)
        if use.function or not is_first_value(cell, path, use)
        if not evidence.lifetimes.is_building(key, cell, use)
    ]
    reachable = [(path, use) for path, use in uses if _may_run(evidence, path, use)]
    cell = _filled(cell, reachable)
    subject = Subject(cell.place.path, cell.place, key[1], evidence.handlers(reachable), uses_of(uses))
    return _rule(evidence, _Maker(key, cell, subject, uses), uses, reachable)


def _own_uses(evidence: Evidence, key: CellKey, cell: Cell, uses: Uses) -> Uses:
    """The uses of the cell itself: those of what it holds are cells of their own."""
    is_open = cell.callee in OPEN_OBJECTS and cell.home == "module"
    if evidence.collections.kind_of(key) is not None:
        return [(path, evidence.collections.as_done(key, use)) for path, use in uses]
    if is_open or evidence.program.class_of(key) is not None:
        return [(path, use) for path, use in uses if use.op in OWN_OPERATIONS]
    if cell.callee in STREAMS:  # where it stands is no use of what it holds, if it is emptied
        return [(path, use) for path, use in uses if use.op != "attribute"]
    return uses


def _rule(evidence: Evidence, make: "_Maker", uses: Uses, reachable: Uses) -> Judgement | None:
    """The first rule that applies, of those on what is written."""
    key, cell = make.key, make.cell
    writes = [(path, use) for path, use in reachable if evidence.sources.is_changed_by(cell, path, use)]
    if not writes:
        is_filled = _enters_by_reading(key, cell, reachable)
        return _state(evidence, make, reachable) if is_filled else _unwritten(evidence, make, uses, reachable)
    if not any(is_write(cell, use.op) for _, use in writes) and _names_cells(evidence, key, cell):
        reason = "rule 1: it always names the same objects; what changes in them is told there"
        return make("SL101", Verdict.CONSTANT, "is never changed after import", (reason,))
    is_logger = cell.callee == LOGGERS
    if is_logger and (emptied := emptied_first(evidence, key, reachable)):
        return make("SL102", Verdict.REQUEST_SCOPED, _LEFT[Verdict.REQUEST_SCOPED], emptied)
    if cell.home == "process" and (is_logger or not any(_is_plain_read(use) for _, use in reachable)):
        is_growing = cell.kind == "list" or is_logger
        return _registry(make) if is_growing and not _is_set_up_once(evidence, key, writes) else None
    for reasons, verdict in _harmless(evidence, make, reachable, writes):
        if reasons and verdict is Verdict.LAZY_CLIENT and is_pool(evidence, reachable):
            return make("SL103", Verdict.POOL, "is a pool that is built once per container", reasons)
        if reasons:
            return make("SL103" if not is_container(cell) else "SL101", verdict, _LEFT[verdict], reasons)
    if cell.callee.startswith(POWERTOOLS) and all(use.op == "nested" for _, use in writes):
        return make("SL103", Verdict.LEAK, "keeps the keys of one request for the next", (KEYS,), Tier.REVIEW)
    is_list = is_logger or (cell.home == "process" and cell.kind == "list" and _is_leak(evidence, make, reachable))
    is_growing = is_list and all(use.op in ADDING for _, use in writes)
    return _registry(make) if is_growing else _state(evidence, make, reachable)


def _harmless(
    evidence: Evidence, make: "_Maker", reachable: Uses, writes: Uses
) -> Iterator[tuple[tuple[str, ...], Verdict]]:
    """The rules that leave a written cell alone, in their order: (its reasons or none, the verdict)."""
    key, cell = make.key, make.cell
    yield kept_reasons(evidence, key, make.subject.handlers), Verdict.REQUEST_SCOPED
    yield scoped_reasons(evidence, key, cell, reachable, writes), Verdict.REQUEST_SCOPED
    yield keys_forgotten(evidence, cell, reachable), Verdict.REQUEST_SCOPED
    yield latch_reasons(cell, reachable), Verdict.LATCH
    yield renewal_reasons(evidence, key, cell, reachable), Verdict.LATCH
    yield addition_reasons(writes), Verdict.LATCH
    yield registered_once(evidence, cell, reachable, writes), Verdict.LATCH
    yield lazy_reasons(evidence, key, cell, reachable), Verdict.LAZY_CLIENT
    yield cache_reasons(evidence, key, cell, reachable), Verdict.CACHE
    yield companion_reasons(evidence, cell, reachable), Verdict.CACHE


_LEFT = {
    Verdict.REQUEST_SCOPED: "is set before it is read on every call",
    Verdict.LATCH: "is a once-per-container flag that no reply depends on",
    Verdict.LAZY_CLIENT: "is built once per container and does not depend on a request",
    Verdict.CACHE: "is a cache: every miss is computed again",
}


def _as_given(evidence: Evidence, key: CellKey, cell: Cell) -> Cell:
    """A parameter of a function that makes others holds what that was given."""
    given = evidence.lifetimes.given_to_maker(key) if cell.home == "closure" else None
    kinds: dict[str, CellKind] = {"[": "list", "l": "list", "{": "dict", "d": "dict", "s": "set"}
    return cell if not given else replace(cell, kind=kinds.get(given[0][0], "dict"))


def _is_descriptor(evidence: Evidence, key: CellKey) -> bool:
    """Whether what is set by its name is kept where `__set__` says."""
    made = evidence.program.class_of(key)
    return made is not None and evidence.program.method_of(made, "__set__") is not None


def _enters_by_reading(key: CellKey, cell: Cell, uses: Uses) -> bool:
    """Whether a defaultdict gets entries by being read, and somebody asks which there are."""
    is_filling = cell.callee == "collections.defaultdict" and any(
        use.op in ("require", "nested") and not _is_known(key, use) for _, use in uses
    )
    return is_filling and any(use.op in WHOLE for _, use in uses)


def _is_known(key: CellKey, use: Access) -> bool:
    """Whether a read asks for what is there: behind a test, or for a key out of the dict itself."""
    asked = "" if use.key is None else use.key.text
    own = use.key is not None and any(atom.detail == key[1] for atom in use.key.atoms)
    return own or any(is_hit(guard, use.subject, asked) for guard in use.guards)


def _names_cells(evidence: Evidence, key: CellKey, cell: Cell) -> bool:
    """`SINKS = (a, b)`, `TABLES = {"users": users}`: a collection of what has names of its own."""
    match ast.parse(cell.value.text, mode="eval").body if cell.value is not None else None:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Dict(values=elements):
            names = [each.id if isinstance(each, ast.Name) else "" for each in elements]
            targets = [evidence.program.resolve(key[0], name) if name else None for name in names]
            return bool(targets) and all(each is not None and each.kind == "cell" for each in targets)
        case _:
            return False


def _may_run(evidence: Evidence, path: str, use: Access) -> bool:
    """Whether a handler can come there; nobody knows who calls a lambda or bound method that is made at import."""
    if not use.function:
        is_given = use.op == "advance" and any(fate.startswith("passed") for fate in use.fates)
        return use.op.startswith(BOUND) or is_given or evidence.sources.is_result_changed(path, use)
    return use.function.endswith("<lambda>") or evidence.is_reachable(path, use.function)


def _filled(cell: Cell, uses: Uses) -> Cell:
    """A cell that starts as None and is given a collection later is judged as that collection."""
    texts = {use.value.text for _, use in uses if use.op == "rebind" and use.value is not None}
    kind = next((kind for text, kind in EMPTY.items() if text in texts), None)
    return cell if cell.kind != "none" or kind is None else replace(cell, kind=kind)


class _Maker:
    """Makes judgements on one cell."""

    def __init__(self, key: CellKey, cell: Cell, subject: Subject, uses: Uses) -> None:
        self.key, self.cell, self.subject, self.uses = key, cell, subject, uses

    def __call__(
        self, rule: str, verdict: Verdict, what: str, reasons: tuple[str, ...], tier: Tier = Tier.SAFE
    ) -> Judgement:
        return Judgement(
            rule=rule,
            subject=self.subject,
            verdict=verdict,
            message=f"{self.key[1]} {what}",
            reasons=reasons,
            tier=tier,
            cell=(self.key, self.cell),
            accesses=tuple(self.uses),
        )


def _unwritten(evidence: Evidence, make: _Maker, uses: Uses, reachable: Uses) -> Judgement | None:
    is_seen = not all("logged" in use.fates for _, use in reachable)
    if reachable and is_seen and _is_frozen(evidence, make.key, make.cell):
        reason = (
            "rule 1: it is computed when the container starts, and every call of that container sees the same value"
        )
        return make(
            "SL105", Verdict.FROZEN, "is the time or a random value of the cold start", (reason,), Tier.REVIEW
        )
    rule = "SL101" if is_container(make.cell) else "SL103"
    outside = sorted({use.function for _, use in uses if use.function and is_write(make.cell, use.op)})
    if outside:
        reason = f"rule 1: only {', '.join(outside)}() changes it, and no entry point reaches that"
        return make(rule, Verdict.NOT_REACHABLE, "is not changed by any handler", (reason,))
    return make(rule, Verdict.CONSTANT, "is never changed after import", ("rule 1: no handler writes it",))


def _is_frozen(evidence: Evidence, key: CellKey, cell: Cell, depth: int = 4) -> bool:
    """Whether it holds what a clock or a source of chance said at import, itself or by way of other cells."""
    if cell.value is None or cell.definition_count > 1 or cell.value.text.startswith(MAKERS_OF_STREAMS):
        return False
    if any(atom.kind == "nondet" for atom in cell.value.atoms):
        return True
    named = [atom.detail for atom in cell.value.atoms if atom.kind in ("name", "import")]
    targets = [target for name in named if (target := evidence.program.resolve(key[0], name)) is not None]
    origins = [(target.path, target.name) for target in targets if target.kind == "cell"]
    return depth > 0 and any(
        _is_frozen(evidence, each, evidence.program.cells[each], depth - 1) for each in origins
    )


# ---------------------------------------------------------------- state

STALE = (
    "rule 7: it keeps what is fetched from a source that the program itself writes to: let it expire, or drop it"
    " where that is written"
)


GIVEN = "it stands in no variable of its own, but is made where the function that keeps it is made"


def _tells(use: Access) -> bool:
    """Whether a write tells what was there before: by its result, or by a KeyError where there was nothing."""
    return use.op == "delete" or (use.op != "rebind" and bool(use.fates - {"dropped"}))


def _is_plain_read(use: Access) -> bool:
    return not is_write(None, use.op) or bool(use.fates - {"dropped"})


def _is_set_up_once(evidence: Evidence, key: CellKey, writes: Uses) -> bool:
    """Whether every way to a write leads over a test that some cell of the container has nothing yet."""
    ways = [way for path, use in writes for way in evidence.ways.of(key, path, use)]
    tests = [[t for frame in way for guard in frame.guards for t in guard.tests] for way in ways]
    return all(any((test.relation, test.holds) in MISSES for test in each) for each in tests)


def _registry(make: _Maker) -> Judgement:
    """Something of the process that each call adds to, and that nobody here reads: libraries do."""
    reason = "rule 9: every warm call adds one more entry: do it at import, or only where it is not there yet"
    return make("SL102", Verdict.LEAK, "grows with every call", (reason,), Tier.REVIEW)


def _state(evidence: Evidence, make: _Maker, uses: Uses) -> Judgement:
    module = evidence.program.modules.get(make.key[0])
    dynamic = module is not None and module.has_dynamic_names
    counter = judge_counter(evidence, make, uses) or judge_tally(make, uses) or judge_numbers(make, uses)
    is_unseen = counter is not None and counter.rule == "SL201" and make.cell.home == "function"
    if is_unseen and evidence.program.stray_attributes(make.key):
        counter = None  # a decorator gives the function another name, by which the number is read
    judgement = counter or _by_shape(evidence, make, uses)
    judgement = as_step(evidence, housed(evidence, judgement))
    if make.cell.home == "closure" and make.cell.value is None:
        judgement = judgement.lowered(Tier.MANUAL, GIVEN)
    if any(is_stale(evidence, path, use) for path, use in uses):
        judgement = judgement.lowered(Tier.MANUAL, STALE)
    if dynamic:
        reason = "rule 2: the module uses globals(), eval() or exec(), so its names may change unseen"
        judgement = judgement.lowered(Tier.MANUAL, reason)
    return judgement


def _by_shape(evidence: Evidence, make: _Maker, uses: Uses) -> Judgement:
    reads = [use for _, use in uses if not is_write(make.cell, use.op) or _tells(use)]
    reads += [use for _, use in make.uses if is_other_name(use)]
    if _is_only_aliased(make, uses):
        return _aliased(evidence, make, uses)
    if make.cell.kind == "dict" or make.cell.callee in DICTS:
        if not reads and not _may_be_read(evidence, make):
            return make(
                "SL104", Verdict.WRITE_ONLY, "is filled by every call and read by none",
                ("rule 4: nothing reads it: delete it, or log what it collects",), Tier.REVIEW,
            )  # fmt: skip
        return judge_store(evidence, make, uses)
    if is_container(make.cell) and any(use.op in GROWING for _, use in uses):
        return _accumulator(evidence, make, uses, bool(reads))
    if make.cell.callee.startswith(PULLED):
        return make("SL104", Verdict.WRITE_ONLY, "counts where nobody asks", (SCRAPED,), Tier.REVIEW)
    return make(
        "SL103", Verdict.STATE, "remembers a value of one invocation for the next",
        (
            "rule 9b: a later invocation can read what an earlier one assigned",
            "make it a local variable if it is meant per request; otherwise keep it as one item of a table",
        ),
        Tier.MANUAL,
    )  # fmt: skip


def _may_be_read(evidence: Evidence, make: _Maker) -> bool:
    """Whether an attribute of objects is asked of something of which nobody knows what it is: `mail.headers`."""
    return make.cell.home == "instance" and evidence.program.stray_attributes(make.key) > 0


def _is_only_aliased(make: _Maker, uses: Uses) -> bool:
    return is_container(make.cell) and not any(is_write(make.cell, use.op) for _, use in uses)


def _aliased(evidence: Evidence, make: _Maker, uses: Uses) -> Judgement:
    """Nothing is written through its own name: some other name for it, or for what it holds, is changed."""
    lines = sorted({use.place.line for path, use in uses if evidence.sources.is_result_changed(path, use)})
    reasons = (
        f"rule 9: what line {', '.join(map(str, lines))} takes from it is changed later: the same object",
        "change a copy (copy.deepcopy where it holds other containers) if that is not meant to last",
    )
    return make("SL102", Verdict.STATE, "is changed through another name for it", reasons, Tier.MANUAL)


def _accumulator(evidence: Evidence, make: _Maker, uses: Uses, has_reads: bool) -> Judgement:
    if not has_reads and _is_holding(evidence, uses):
        reason = "rule 4: it only keeps alive what another collection holds weakly, where that is told"
        return make("SL104", Verdict.CONSTANT, "is read by none", (reason,))
    if not has_reads:
        reason = "rule 4: nothing reads it: it only fills the container's memory; delete it or log its items"
        return make(
            "SL104", Verdict.WRITE_ONLY, "grows with every call and is read by none", (reason,), Tier.REVIEW
        )
    if _is_leak(evidence, make, uses):
        reasons = (
            "rule 9: every handler that reads it appends first, so it looks as if it was meant for one request",
            "move it into the function if so; if it is meant to grow, keep one item per element in a table",
        )
        return make("SL102", Verdict.LEAK, "still holds what earlier requests appended", reasons, Tier.MANUAL)
    keyed = _elements(evidence, make, uses) if make.cell.kind == "set" else None
    if keyed is not None:
        return keyed
    reasons = (
        "rule 9: a later invocation reads what an earlier one added",
        "keep one item per element in a table; for de-duplication use a conditional put",
    )
    return make("SL102", Verdict.STATE, "collects elements over invocations", reasons, Tier.MANUAL)


def _is_holding(evidence: Evidence, uses: Uses) -> bool:
    """Whether all that is added is also in a collection of weak references."""
    return all(
        use.value is not None and any(_is_weak(evidence, path, fate) for fate in use.value.threats)
        for path, use in uses
        if use.op in GROWING
    )


def _is_weak(evidence: Evidence, path: str, fate: str) -> bool:
    target = evidence.program.resolve(path, fate.removeprefix("cell:")) if fate.startswith("cell:") else None
    cell = None if target is None else evidence.program.cells.get((target.path, target.name))
    return cell is not None and cell.callee.startswith("weakref.Weak")


def _elements(evidence: Evidence, make: _Maker, uses: Uses) -> Judgement | None:
    """A set whose elements are asked for one by one: a store without values. None where a call needs more than one
    step of it, which a step around the whole call keeps together."""
    entries = {id(use): (path, as_entry(use)) for path, use in make.uses}
    own = [entries[id(use)] for _, use in uses]
    keyed = _Maker(make.key, make.cell, make.subject, [*entries.values()])
    found = judge_store(evidence, keyed, own) if is_asked_by_element(own) else None
    return None if found is None or found.tier is Tier.MANUAL or is_torn(evidence, found) else found


def _is_leak(evidence: Evidence, make: _Maker, uses: Uses) -> bool:
    """Whether no entry point reads without having added before, and nothing is ever taken out."""
    value = make.cell.value
    is_ring = value is not None and "maxlen" in value.text
    if is_ring or any(use.op in TAKING for _, use in uses):
        return False
    mine = {id(use) for _, use in uses}
    if not {id(step.item) for trace in evidence.traces for step in trace.steps} >= mine:
        return False
    for trace in evidence.traces:
        has_grown = False
        for step in trace.steps:
            if id(step.item) in mine and isinstance(step.item, Access):
                if step.item.op in GROWING:
                    has_grown = True
                elif not has_grown:
                    return False
    return True


def _broken(evidence: Evidence) -> Iterator[Judgement]:
    """A counter that is incremented without `global`: the original always raises UnboundLocalError.

    One judgement for each counter: it is repaired in all of its functions at once.
    """
    found: dict[CellKey, list[tuple[str, Access]]] = {}
    for path, module in evidence.program.modules.items():
        for use in module.unbound:
            target = evidence.program.resolve(path, use.subject)
            key = (path, use.subject) if target is None else (target.path, target.name)
            if key in evidence.program.cells and evidence.is_reachable(path, use.function):
                found.setdefault(key, []).append((path, use))
    for key, uses in found.items():
        cell = evidence.program.cells[key]
        names = list(dict.fromkeys(f"{use.function}()" for _, use in uses))
        raising = f"{' and '.join(names)} always {'raises' if len(names) == 1 else 'raise'}"
        yield Judgement(
            rule="SL203",
            subject=Subject(cell.place.path, cell.place, key[1], evidence.handlers(uses), uses_of(uses)),
            verdict=Verdict.BROKEN,
            message=f"{uses[0][1].spelled} is incremented without `global`: {raising}",
            reasons=(
                *(
                    f"line {use.place.line} assigns {use.spelled} in {use.function}(), which makes it a local"
                    " variable: reading it raises UnboundLocalError"
                    for _, use in uses
                ),
                "decide what the code should do before it is migrated: there is no behaviour to keep",
            ),
            tier=Tier.MANUAL,
            cell=(key, cell),
            accesses=tuple(uses),
        )
