"""Subject -> Result: runs a program in every manner until it parts from the original, and says what that shows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from statelift.verify.again import script_of
from statelift.verify.compare import Seen, shown
from statelift.verify.driver import Course, Divergence, Pair, replay, run_steps
from statelift.verify.events import Step
from statelift.verify.generate import generated_steps
from statelift.verify.sandbox import Sandbox
from statelift.verify.schedule import CRASHING, CROWDED, FAULTY, FRESH, MIXED, STEADY, Manner, Script
from statelift.verify.shrink import shrunk
from statelift.verify.subjects import Subject
from statelift.verify.verdicts import Counterexample, Part, Result, Shown, Verdict

EVENTS = 24  # generated events of a run
_PROBES = 4  # runs of the original that look for state
_MANY = 120  # steps of the user: more of them go through once, in the manner that finds most
_BROKEN = frozenset(
    "NameError UnboundLocalError ImportError ModuleNotFoundError Runtime.ImportModuleError "
    "Runtime.HandlerNotFound Runtime.UserCodeSyntaxError".split()
)
Progress = Callable[[str, int, int], None]  # what is done, how many of how many


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: `runs` of `events` generated ones each, after those with the user's steps."""

    runs: int = 4
    events: int = EVENTS
    seed: int = 0
    shrink_seconds: float = 30.0


@dataclass(slots=True)
class _Evidence:
    """What all runs showed."""

    courses: list[Course] = field(default_factory=list)
    telling: Course | None = None
    crash: Course | None = None

    @property
    def divergence(self) -> Divergence | None:
        """The first one."""
        return next((each.divergence for each in self.courses if each.divergence is not None), None)

    @property
    def expected(self) -> list[Seen]:
        """All answers of the original."""
        return [each for course in self.courses for each in course.expected]

    @property
    def lines(self) -> set[tuple[str, int]]:
        """All lines of the migrated program that ran."""
        return {line for course in self.courses for line in course.lines}


def examine(
    sandbox: Sandbox, subject: Subject, steps: Sequence[Step], effort: Effort, progress: Progress
) -> Result:  # fmt: skip
    """Verify one code root with the user's steps and with generated ones."""
    evidence = _Evidence()
    planned = list(_planned(subject, steps, effort))
    total = len(planned) + 2
    progress("original", 0, total)
    before, evidence.telling = _telling(sandbox, subject, steps, effort)
    for number, (manner, batch, seed) in enumerate(planned):
        progress(manner.name, number + 1, total)
        course = run_steps(sandbox, subject.pair, batch, _fair(manner, before), seed)
        evidence.courses.append(course)
        if course.divergence is not None:
            progress("shrinking", number + 1, total)
            _settle(sandbox, subject.pair, course, effort)
        if course.divergence is not None or course.broken:
            break
    if evidence.divergence is None:
        progress(CRASHING.name, total - 1, total)
        batch = list(steps[:_MANY]) or _invented(subject, effort)
        evidence.crash = run_steps(sandbox, subject.pair, batch, CRASHING, effort.seed)
    result = _result(sandbox, subject, evidence, effort)
    progress("done", total, total)
    return result


def _settle(sandbox: Sandbox, pair: Pair, course: Course, effort: Effort) -> None:
    """Make the difference of a run small. One that more orders of the events could explain is none."""
    assert course.divergence is not None
    best = shrunk(
        lambda script: replay(sandbox, pair, script).divergence, course.divergence, seconds=effort.shrink_seconds
    )
    course.divergence = None if best.has_doubt else best
    course.undecided = "too many orders of the events are possible to say more" if best.has_doubt else ""


def examine_original(
    sandbox: Sandbox, subject: Subject, steps: Sequence[Step], effort: Effort, progress: Progress
) -> Result:  # fmt: skip
    """Show whether a program keeps state at all: one container against a new one for every event."""
    progress("original", 0, 1)
    courses, telling = _telling(sandbox, subject, steps, effort)
    events = sum(len(course.expected) for course in courses)
    broken = _broken(courses)
    if broken:
        verdict, reason = Verdict.ORIGINAL_BROKEN, broken
    elif telling is not None:
        verdict, reason = Verdict.STATEFUL, "it answers differently in a new container than in the one it began in"
    else:
        verdict = Verdict.NO_STATE_SEEN
        reason = "new containers answered like a single one; other events may tell"
    example = None
    if telling is not None:
        pair = unchanged(subject.pair)
        _settle(sandbox, pair, telling, effort)
        found = telling.divergence
        example = None if found is None else _counterexample(sandbox, pair, subject, found, is_original=True)
    progress("done", 1, 1)
    return Result(subject.name, verdict, reason, events, 0, 0, (), (), (), example)


def unchanged(pair: Pair) -> Pair:
    """The original on both sides."""
    return replace(pair, migrated=pair.original, metrics=())


def _telling(
    sandbox: Sandbox, subject: Subject, steps: Sequence[Step], effort: Effort
) -> tuple[list[Course], Course | None]:
    """Runs of the original in new containers, up to one that tells them from a single container."""
    pair = unchanged(subject.pair)
    courses: list[Course] = []
    batches = [list(steps[:_MANY])] if steps else []
    batches += [_invented(subject, effort, number) for number in range(_PROBES)]
    for number, batch in enumerate(batches):
        course = run_steps(sandbox, pair, batch, FRESH, effort.seed + number)
        courses.append(course)
        if course.divergence is not None:
            return courses, course
    return courses, None


def _invented(subject: Subject, effort: Effort, number: int = 0) -> list[Step]:
    return generated_steps(subject.pair.original, subject.entries, effort.events, effort.seed + number)


def _planned(subject: Subject, steps: Sequence[Step], effort: Effort) -> Iterator[tuple[Manner, list[Step], int]]:
    if steps:
        for manner in (FRESH, MIXED, FAULTY) if len(steps) <= _MANY else (MIXED,):
            yield manner, list(steps), effort.seed
    for number in range(effort.runs):
        manner = (STEADY, CROWDED, FAULTY, MIXED)[number % 4]
        yield manner, _invented(subject, effort, number), effort.seed + number


def _fair(manner: Manner, originals: Sequence[Course]) -> Manner:
    """The manner without mishaps that the original's own calls would not survive either."""
    faults = manner.faults
    if any(course.weak_reads for course in originals):
        faults = replace(faults, stale=0.0)
    if any(course.writes for course in originals):
        faults = replace(faults, lost=0.0)
    return replace(manner, faults=faults)


# ---------------------------------------------------------------- the verdict


def _result(sandbox: Sandbox, subject: Subject, evidence: _Evidence, effort: Effort) -> Result:
    missing = [each for each in subject.statements if not each.has_run(evidence.lines)]
    found = evidence.divergence
    example = None if found is None else _counterexample(sandbox, subject.pair, subject, found)
    handlers = tuple(_handler(entry.call, evidence) for entry in subject.entries)
    verdict, reason = _verdict(subject, evidence, example)
    changes = tuple(
        _change(sandbox, subject, change.id, verdict, reason, evidence, example) for change in subject.changes
    )
    if verdict in (Verdict.EQUIVALENT, Verdict.ORDER_ONLY):
        vacuous = next((each for each in changes if each.verdict is Verdict.VACUOUS), None)
        verdict, reason = (verdict, reason) if vacuous is None else (Verdict.VACUOUS, vacuous.reason)
    return Result(
        name=subject.name, verdict=verdict, reason=reason, events=len(evidence.expected),
        covered=len(subject.statements) - len(missing), statements=len(subject.statements),
        handlers=handlers, changes=changes, notes=tuple(_notes(evidence)), counterexample=example,
    )  # fmt: skip


def _verdict(subject: Subject, evidence: _Evidence, example: Counterexample | None) -> tuple[Verdict, str]:
    if broken := _broken(evidence.courses):
        return Verdict.ORIGINAL_BROKEN, broken
    if example is not None:
        return Verdict.DIVERGES, _sentence(example)
    for course in evidence.courses:
        for call, reason in course.silent.items():
            return Verdict.INCONCLUSIVE, f"{call} {reason}"
    if not evidence.expected:
        return Verdict.VACUOUS, "there were no events: give some with --events"
    if all(_is_error(each) for each in evidence.expected):
        return (
            Verdict.VACUOUS,
            f"the original answered every event with an error, like {shown(evidence.expected[0])}",
        )
    if subject.is_stateful and evidence.telling is None:
        return Verdict.VACUOUS, "the events do not tell one container from new ones: give events that use the state"
    if any(course.reordered is not None for course in evidence.courses):
        return Verdict.ORDER_ONLY, "some answers differ in the order of their parts"
    undecided = [course.undecided for course in evidence.courses if course.undecided]
    if undecided and len(undecided) == len(evidence.courses):
        return Verdict.INCONCLUSIVE, undecided[0]
    return Verdict.EQUIVALENT, "no event was answered differently"


def _is_error(each: Seen) -> bool:
    return bool(_error(each))


def _error(each: Seen) -> str:
    """The name of the exception, "" for a reply."""
    return str(each.answer.get("error", "")) if isinstance(each.answer, dict) else ""


def _broken(courses: Sequence[Course]) -> str:
    """Why the original cannot be the measure, "" if it can."""
    for course in courses:
        if course.broken:
            return course.broken[0]
    answers = [each for course in courses for each in course.expected]
    names = {
        str(each.answer["error"]) for each in answers if isinstance(each.answer, dict) and "error" in each.answer
    }
    if answers and all(_is_error(each) for each in answers) and names <= _BROKEN:
        return f"the original fails on every event: {shown(answers[0])}"
    return ""


def _sentence(example: Counterexample) -> str:
    difference = example.divergence.difference
    is_concurrent = any(len(turn.placed) > 1 for turn in example.divergence.script.turns)
    when = ", where events run at the same time" if is_concurrent else ""
    parted = f"the original {difference.expected}, the migrated program {difference.found}"
    return f"{difference.aspect}{when}: {parted}"


def _handler(call: str, evidence: _Evidence) -> Part:
    answers = [
        each
        for course in evidence.courses
        for event, each in zip(course.script.events, course.expected, strict=False)
        if event.call == call
    ]
    verdict, reason = _handler_verdict(call, evidence, answers)
    return Part(call, verdict, reason, len(answers))


def _handler_verdict(call: str, evidence: _Evidence, answers: Sequence[Seen]) -> tuple[Verdict, str]:
    found = evidence.divergence
    if found is not None and found.event.call == call:
        return Verdict.DIVERGES, found.difference.aspect
    for course in evidence.courses:
        if call in course.silent:
            return Verdict.INCONCLUSIVE, course.silent[call]
    if not answers:
        return Verdict.VACUOUS, "it was not called"
    if all(_error(each) in _BROKEN for each in answers):
        return Verdict.ORIGINAL_BROKEN, shown(answers[0])
    if all(_is_error(each) for each in answers):
        return Verdict.VACUOUS, f"every answer was an error, like: {shown(answers[0])}"
    if any(course.reordered is not None and course.reordered.event.call == call for course in evidence.courses):
        return Verdict.ORDER_ONLY, "some answers differ in the order of their parts"
    return Verdict.EQUIVALENT, ""


def _change(
    sandbox: Sandbox, subject: Subject, id_: str, verdict: Verdict, reason: str, evidence: _Evidence,
    example: Counterexample | None,
) -> Part:  # fmt: skip
    """The verdict for one change: a difference is its own if it shows with this change alone."""
    if example is not None and len(subject.changes) > 1:
        pair = replace(subject.pair, migrated=subject.alone(id_))
        course = replay(sandbox, pair, example.divergence.script)
        if course.divergence is None:
            return Part(id_, Verdict.EQUIVALENT, "alone, it does not show the difference", len(course.expected))
        return Part(id_, Verdict.DIVERGES, reason, len(course.expected))
    missing = [each for each in subject.statements if id_ in each.changes and not each.has_run(evidence.lines)]
    if verdict in (Verdict.EQUIVALENT, Verdict.ORDER_ONLY) and missing:
        places = ", ".join(f"{each.path}:{each.first}" for each in missing[:4])
        return Part(id_, Verdict.VACUOUS, f"no event ran what it changed in {places}: give events that do")
    return Part(id_, verdict, reason, len(evidence.expected))


def _notes(evidence: _Evidence) -> Iterator[str]:
    refused = sum(course.refused for course in evidence.courses)
    if refused:
        yield f"{refused} events ended in an error that the helper raises where it cannot know what happened"
    for course in evidence.courses:
        if course.undecided:
            yield f"one run ended early: {course.undecided}"
            break
    if evidence.crash is not None and evidence.crash.partial is not None:
        call = evidence.crash.partial.event.call
        yield f"a container that is killed between two writes leaves the first one: seen with {call}"


# ---------------------------------------------------------------- counterexamples


def _counterexample(
    sandbox: Sandbox, pair: Pair, subject: Subject, best: Divergence, *, is_original: bool = False
) -> Counterexample:  # fmt: skip
    course = replay(sandbox, pair, best.script)
    script = script_of(subject, best, is_original=is_original)
    return Counterexample(best, tuple(_shown(best.script, course)), script)


def _shown(script: Script, course: Course) -> Iterator[Shown]:
    answers = iter(zip(course.expected, course.found, strict=True))
    for turn in script.turns:
        for placed in turn.placed:
            pair = next(answers, None)
            one, other = ("?", "?") if pair is None else (shown(pair[0]), shown(pair[1]))
            event = placed.event
            is_concurrent = len(turn.placed) > 1
            yield Shown(event.call, event.payload, event.at, f"c{placed.slot}", one, other, is_concurrent)
