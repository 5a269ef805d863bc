"""A file that a call reads before it writes -> `@TMP_FILES.one_step(PATH)` above the function that does both.

An object can be put on condition that it is still the one that was read. So a step has one file, of a fixed
path: of two files one would be written and the other one refused.
"""

from collections.abc import Iterator, Sequence

from statelift.facts.values import FileEffect
from statelift.judge.exposure import WRITES
from statelift.judge.steps import STARTING
from statelift.judge.values import Judgement
from statelift.link.names import FunctionKey
from statelift.link.trace import Frame, Step, Trace, excludes
from statelift.model import Edit
from statelift.onestep import Step as Decorated
from statelift.repeating import is_repeatable
from statelift.siting import quoted
from statelift.stepping import AGAIN, line_above
from statelift.workspace import Workspace

PART = "files.step"
OPENS = frozenset({"open", "io.open", "Path.open"})
ASKS = frozenset({"os.path.exists", "os.path.isfile", "Path.exists", "Path.is_file"})
READS = OPENS | ASKS | {"Path.read_text", "Path.read_bytes"}
PUTS = OPENS | {"Path.write_text", "Path.write_bytes"}
STEP = (
    "each call of {} is one step on {}: if another call changed the file meanwhile, StateConflictError is raised"
    " and nothing is written"
)
LOST = "of two calls at once that read {} and write it changed, one is lost"


def lost_of(judgement: Judgement, workspace: Workspace) -> tuple[str, ...]:
    """What a reviewer has to know where a call reads the file and then writes it, and no step is made of that."""
    is_racing = any(True for _ in _races(judgement, workspace))
    return (LOST.format(judgement.subject.symbol),) if is_racing else ()


def file_step_of(judgement: Judgement, workspace: Workspace, store: str) -> Decorated | None:
    """What makes the reads and writes of a call one step; None where it is not needed, or cannot be done."""
    path = judgement.subject.symbol
    races = [*_races(judgement, workspace)]
    if not races or "{" in path or _has_threads(workspace):
        return None
    if not all(_is_plain(step.item) for steps in races for step in steps if isinstance(step.item, FileEffect)):
        return None
    functions = sorted(
        {_function(trace, steps) for trace, steps in _traced(judgement, workspace) if steps in races}
    )
    if not all(_can_be_decorated(workspace, each) for each in functions) or _has_others(
        judgement, workspace, functions
    ):
        return None
    calls = {(at, each.place.line, each.place.column) for at, each in judgement.effects}
    repeated = {each for each in functions if is_repeatable(workspace, each, None, calls)}
    edits = [
        _decorator(workspace, each, f"{store}.one_step({quoted(path)}", each in repeated) for each in functions
    ]
    what = ", ".join(f"{qualname}()" for _, qualname in functions)
    reasons = (STEP.format(what, path), *((AGAIN,) if repeated else ()))
    return Decorated(tuple(edits), tuple((*each, PART) for each in functions), reasons)


# ---------------------------------------------------------------- which calls


def _traced(judgement: Judgement, workspace: Workspace) -> Iterator[tuple[Trace, list[Step]]]:
    """What each entry point does to the file, in order."""
    mine = {id(effect) for _, effect in judgement.effects}
    for trace in workspace.evidence.traces:
        steps = [step for step in trace.steps if id(step.item) in mine]
        if steps:
            yield trace, steps


def _races(judgement: Judgement, workspace: Workspace) -> Iterator[list[Step]]:
    """The uses of calls that write the file after they have read it, or asked for it."""
    for _, steps in _traced(judgement, workspace):
        reads = [step for step in steps if _effect(step) in ("read", "exists")]
        writes = [step for step in steps if _effect(step) in WRITES]
        if any(one.index < other.index and not excludes(one, other) for one in reads for other in writes):
            yield steps


def _effect(step: Step) -> str:
    return step.item.effect if isinstance(step.item, FileEffect) else ""


def _is_plain(effect: FileEffect) -> bool:
    """Whether a step can hold back what is written, and answer what is read."""
    known = {"read": READS, "exists": READS, "write": PUTS}.get(effect.effect, frozenset[str]())
    is_file = effect.mode not in ("folder", "relative") and not effect.variables
    is_ours = effect.is_rewritable and not effect.is_bracketed
    return effect.api in known and is_ours and is_file and effect.is_closed


def _has_threads(workspace: Workspace) -> bool:
    modules = workspace.program.modules.values()
    return any(STARTING & (each.identifiers | {name for name, _ in each.attributes}) for each in modules)


# ---------------------------------------------------------------- which function


def _function(trace: Trace, steps: Sequence[Step]) -> FunctionKey:
    """The innermost call that all uses stand in; the whole one where some stand in a loop."""
    if any(kind == "loop" for step in steps for _, kind, _, _ in step.conditions):
        return trace.entry
    common = [*_frames(steps[0].frame)]
    for step in steps[1:]:
        known = {id(each) for each in _frames(step.frame)}
        common = [each for each in common if id(each) in known]
    return common[0].callee if common else trace.entry


def _frames(frame: Frame | None) -> Iterator[Frame]:
    """A call and those around it, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.outer


def _can_be_decorated(workspace: Workspace, key: FunctionKey) -> bool:
    """Whether it is a plain function below the place where the store is made."""
    function = workspace.program.functions.get(key)
    return function is not None and not (function.is_async or function.has_generator or function.is_nested)


def _has_others(judgement: Judgement, workspace: Workspace, functions: Sequence[FunctionKey]) -> bool:
    """Whether such a call leaves something in another file."""
    reached = workspace.evidence.reach.below(functions)
    mine = {(at, each.span) for at, each in judgement.effects}
    return any(
        (path, each.function) in reached and each.effect in WRITES | {"remove"} and (path, each.span) not in mine
        for path, effects in workspace.evidence.files.effects.items()
        for each in effects
    )


def _decorator(workspace: Workspace, function: FunctionKey, head: str, is_repeated: bool) -> Edit:
    """The line above `def`, below all other decorators."""
    path = function[0]
    at, margin = line_above(workspace, path, workspace.program.functions[function].place.line)
    start = at + len(margin.encode(workspace.program.modules[path].encoding))
    return Edit(path, start, start, f"@{head}{', retry=True' if is_repeated else ''})\n{margin}")
