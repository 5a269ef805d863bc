"""Subject -> Result: runs a program in every manner until it parts from the original, and says what that shows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from statelift.verify.again import script_of
from statelift.verify.events.generate import generated_steps
from statelift.verify.events.steps import Step
from statelift.verify.judging import Evidence, broken_by, error_of, notes_on_surroundings, result_of
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.compare import shown
from statelift.verify.playing.driver import PERMISSION, Course, Divergence, Pair, replay, run_steps
from statelift.verify.playing.schedule import (
    CRASHING,
    CROWDED,
    FAULTY,
    FRESH,
    HURRIED,
    MIXED,
    MOST,
    STEADY,
    Manner,
    Script,
)
from statelift.verify.playing.shrink import MOST_SHRINKING, shrunk
from statelift.verify.subjects import Kept, Subject
from statelift.verify.values import Resource
from statelift.verify.verdicts import Counterexample, Result, Shown, Verdict

EVENTS = 24  # generated events of a run
_PROBES = (FRESH, FRESH, HURRIED, FRESH, HURRIED, FRESH)  # runs of the original that look for state
_MANY = 120  # steps of the user: more of them go through once, in the manner that finds most
Progress = Callable[[str, int, int], None]  # what is done, how many of how many


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: `runs` of `events` generated ones each, after those with the user's steps.

    At most `concurrency` events run at the same time. `shares_tmp`: all containers have one /tmp. `shrinking` is
    about how many events may be played to make a difference small.
    """

    runs: int = 4
    events: int = EVENTS
    seed: int = 0
    concurrency: int = MOST
    shares_tmp: bool = False
    shrinking: int = MOST_SHRINKING


def planned_runs(
    subject: Subject, steps: Sequence[Step], effort: Effort
) -> Iterator[tuple[Manner, list[Step], int]]:  # fmt: skip
    """The runs: the user's steps in several manners, then generated ones. Manner, steps and seed of each."""
    manners = _manners(steps, effort)
    given = len(manners) - effort.runs
    for number, manner in enumerate(manners):
        run = max(0, number - given)
        batch = list(steps) if number < given else _invented(subject, effort, run)
        yield replace(manner.at_most(effort.concurrency), shares_tmp=effort.shares_tmp), batch, effort.seed + run


def _manners(steps: Sequence[Step], effort: Effort) -> list[Manner]:
    """One for each run: first those with the user's steps, then those with generated ones."""
    given = [] if not steps else [FRESH, MIXED, FAULTY] if len(steps) <= _MANY else [MIXED]
    return [*given, *((STEADY, CROWDED, FAULTY, MIXED)[number % 4] for number in range(effort.runs))]


def _invented(subject: Subject, effort: Effort, number: int) -> list[Step]:
    return generated_steps(subject.pair.original, subject.entries, effort.events, effort.seed + number)


class _Examination:
    """One code root on its way to a verdict.

    `pair` forgets the calls that turn out to depend on kept state, and gets what the program takes for granted
    (`assumed`).
    """

    def __init__(self, sandbox: Sandbox, subject: Subject, steps: Sequence[Step], effort: Effort) -> None:
        self.sandbox, self.subject, self.steps, self.effort = sandbox, subject, steps, effort
        self.pair = subject.pair
        self.assumed: tuple[Resource, ...] = ()

    def invented(self, number: int = 0) -> list[Step]:
        """The generated events of a run."""
        return _invented(self.subject, self.effort, number)

    def telling(self) -> tuple[list[Course], Course | None]:
        """Runs of the original in new containers, up to one that tells them from a single container."""
        courses: list[Course] = []
        for number, (manner, batch) in enumerate(self._probes()):
            course = self._probed(batch, manner, self.effort.seed + number)
            courses.append(course)
            if course.divergence is not None:
                return courses, course
        return courses, None

    def undisturbed(self) -> Course:
        """The original in one container, up to the end: a run that tells something ends there."""
        batch = list(self.steps[:_MANY]) or self.invented()
        return run_steps(self.sandbox, unchanged(self.pair), batch, STEADY, self.effort.seed)

    def _probed(self, batch: Sequence[Step], manner: Manner, seed: int) -> Course:
        """One run of the original. What it only says to be missing is made, and it runs again."""
        course = run_steps(self.sandbox, unchanged(self.pair), batch, manner, seed)
        while course.expected and all(map(error_of, course.expected)):
            known = {resource.name for resource in self.pair.setting.resources}
            found = tuple(each for name, each in sorted(course.absent.items()) if name not in known)
            if not found:
                break
            self.assumed += found
            self.pair = with_resources(self.pair, found)
            course = run_steps(self.sandbox, unchanged(self.pair), batch, manner, seed)
        return course

    def _probes(self) -> Iterator[tuple[Manner, list[Step]]]:
        """Where no change is about state, runs only have to show what the original calls."""
        if self.steps:
            yield FRESH, list(self.steps[:_MANY])
        manners = _PROBES if self.subject.is_stateful else _PROBES[: max(1, self.effort.runs)]
        for number, manner in enumerate(manners):
            yield manner, self.invented(number)
        if len(self.steps) > _MANY:
            yield STEADY, list(self.steps)

    def course(self, manner: Manner, batch: Sequence[Step], seed: int, kept: dict[str, Kept]) -> Course:
        """One run. Answers that depend on state that stays in the container are noted and left out."""
        course = run_steps(self.sandbox, self.pair, batch, manner, seed)
        while course.divergence is not None and (found := self._kept_in(course.divergence)) is not None:
            kept[course.divergence.event.call] = found
            self.pair = without_calls(self.pair, frozenset(kept))
            course = run_steps(self.sandbox, self.pair, batch, manner, seed)
        return course

    def _kept_in(self, found: Divergence) -> Kept | None:
        """The state that explains a difference: its call depends on it in the original, too."""
        call = found.event.call
        candidates = [each for each in self.subject.kept if call in each.calls]
        if not candidates or found.difference.aspect == PERMISSION:
            return None
        others = frozenset(event.call for event in found.script.events if event.call != call)
        again = replay(self.sandbox, unchanged(without_calls(self.pair, others)), found.script)
        return None if again.divergence is None else candidates[0]

    def counterexample(self, pair: Pair, best: Divergence, *, is_original: bool) -> tuple[Counterexample, Course]:
        """The difference with both programs' answers, and the run that gave them."""
        course = replay(self.sandbox, pair, best.script)
        script = script_of(self.subject, pair, best, self.assumed, is_original=is_original)
        return Counterexample(best, tuple(_shown(best.script, course)), script), course

    def blamed(self, found: Divergence, course: Course) -> dict[str, bool]:
        """Of each change, whether the difference can be its own: it ran, and shows the difference alone, too.

        Where the original parts from itself in this run, that says nothing of changes that move no state.
        """
        changes = self.subject.changes
        if len(changes) < 2:
            return {}
        suspects = {
            id_
            for statement in self.subject.statements
            if statement.has_run(course.lines)
            for id_ in statement.changes
        }
        suspects = {id_ for id_ in suspects if self._parts_with(id_, found)}
        if suspects & self.subject.about_state and self._parts_with("", found):
            suspects &= self.subject.about_state
        return {change.id: change.id in suspects for change in changes}

    def _parts_with(self, id_: str, found: Divergence) -> bool:
        """Whether the original with this change alone (or with none) parts in this run, too."""
        migrated = self.subject.alone(id_) if id_ else self.pair.original
        metrics = tuple(each for each in self.pair.metrics if each.change == id_)
        pair = replace(self.pair, migrated=migrated, metrics=metrics)
        return replay(self.sandbox, pair, found.script).divergence is not None


def examine(
    sandbox: Sandbox, subject: Subject, steps: Sequence[Step], effort: Effort, progress: Progress
) -> Result:  # fmt: skip
    """Verify one code root with the user's steps and with generated ones."""
    work, evidence = _Examination(sandbox, subject, steps, effort), Evidence()
    total = len(_manners(steps, effort)) + 2
    progress("original", 0, total)
    before, evidence.telling = work.telling()
    if evidence.telling is not None:
        before.append(work.undisturbed())
    for number, (manner, batch, seed) in enumerate(planned_runs(subject, steps, effort)):
        progress(manner.name, number + 1, total)
        course = work.course(fair(manner, before), batch, seed, evidence.kept)
        evidence.courses.append(course)
        if course.divergence is not None:
            progress("shrinking", number + 1, total)
            settle(sandbox, work.pair, course, effort.shrinking)
        if course.divergence is not None or course.broken:
            break
    if evidence.divergence is None:
        progress(CRASHING.name, total - 1, total)
        batch = list(steps[:_MANY]) or work.invented()
        evidence.crash = run_steps(sandbox, work.pair, batch, CRASHING, effort.seed)
    if evidence.kept:
        _, evidence.telling = work.telling()
    result = _result(work, evidence)
    progress("done", total, total)
    return result


def _result(work: _Examination, evidence: Evidence) -> Result:
    found = evidence.divergence
    evidence.assumed = work.assumed
    if found is None:
        return result_of(work.subject, evidence, None, {})
    example, course = work.counterexample(work.pair, found, is_original=False)
    return result_of(work.subject, evidence, example, work.blamed(found, course))


def examine_original(
    sandbox: Sandbox, subject: Subject, steps: Sequence[Step], effort: Effort, progress: Progress
) -> Result:  # fmt: skip
    """Show whether a program keeps state at all: one container against a new one for every event."""
    progress("original", 0, 1)
    work = _Examination(sandbox, subject, steps, effort)
    courses, telling = work.telling()
    if broken := broken_by(courses):
        verdict, reason = Verdict.ORIGINAL_BROKEN, broken
    elif telling is not None:
        verdict, reason = Verdict.STATEFUL, "it answers differently in a new container than in the one it began in"
    else:
        verdict = Verdict.NO_STATE_SEEN
        reason = "new containers answered like a single one; other events may tell"
    example = None
    if telling is not None:
        pair = unchanged(work.pair)
        settle(sandbox, pair, telling, effort.shrinking)
        if telling.divergence is not None:
            example, _ = work.counterexample(pair, telling.divergence, is_original=True)
    progress("done", 1, 1)
    events = sum(len(course.expected) for course in courses)
    notes = tuple(notes_on_surroundings(work.assumed, courses))
    return Result(subject.name, verdict, reason, events, 0, 0, (), (), notes, example)


def settle(sandbox: Sandbox, pair: Pair, course: Course, shrinking: int) -> None:
    """Make the difference of a run small. One that more orders of the events could explain is none."""
    assert course.divergence is not None
    best = shrunk(
        lambda script: replay(sandbox, pair, script).divergence, course.divergence, events=shrinking
    )  # fmt: skip
    course.divergence = None if best.has_doubt else best
    course.undecided = "too many orders of the events are possible to say more" if best.has_doubt else ""


def unchanged(pair: Pair) -> Pair:
    """The original on both sides, measured by itself in one container."""
    return replace(pair, migrated=pair.original, metrics=(), is_fresh=False)


def with_resources(pair: Pair, resources: Sequence[Resource]) -> Pair:
    """The pair in a world that has these, too."""
    return replace(pair, setting=replace(pair.setting, resources=(*pair.setting.resources, *resources)))


def without_calls(pair: Pair, calls: frozenset[str]) -> Pair:
    """The pair with more calls whose answers count for nothing."""
    return replace(pair, rules=replace(pair.rules, unjudged=pair.rules.unjudged | calls))


def fair(manner: Manner, originals: Sequence[Course]) -> Manner:
    """The manner without mishaps that the original's own calls would not survive either."""
    targets = ",".join(target for course in originals for target in (*course.weak_reads, *course.writes))
    spared = set(targets.split(",")) - {""}
    return replace(manner, faults=replace(manner.faults, spared=tuple(sorted(spared))))


def _shown(script: Script, course: Course) -> Iterator[Shown]:
    answers = iter(zip(course.expected, course.found, strict=True))
    for turn in script.turns:
        for placed in turn.placed:
            pair = next(answers, None)
            one, other = ("?", "?") if pair is None else (shown(pair[0]), shown(pair[1]))
            event = placed.event
            is_concurrent = len(turn.placed) > 1
            yield Shown(event.call, event.payload, event.at, f"c{placed.slot}", one, other, is_concurrent)
