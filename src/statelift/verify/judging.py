"""Runs of both programs -> Result: what all of them together show of a code root, its handlers and its changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from statelift.verify.machine.guard import granted_rights
from statelift.verify.playing.compare import Seen, shown
from statelift.verify.playing.driver import PERMISSION, Course, Divergence
from statelift.verify.statements import Statement
from statelift.verify.subjects import Kept, Subject
from statelift.verify.values import Bucket, Resource, Right, Table, Thing
from statelift.verify.verdicts import Counterexample, Part, Result, Verdict

_BROKEN = frozenset(
    "NameError UnboundLocalError ImportError ModuleNotFoundError Runtime.ImportModuleError "
    "Runtime.HandlerNotFound Runtime.UserCodeSyntaxError".split()
)
_SHOWN = (Verdict.EQUIVALENT, Verdict.ORDER_ONLY)
Judged = tuple[Verdict, str]  # and the reason, as a sentence


@dataclass(slots=True)
class Evidence:
    """What all runs showed. `kept` holds the calls whose answers depend on state that stays in the container.

    `assumed` is what stood there empty because the program takes it for granted.
    """

    courses: list[Course] = field(default_factory=list)
    telling: Course | None = None
    crash: Course | None = None
    kept: dict[str, Kept] = field(default_factory=dict)
    assumed: tuple[Resource, ...] = ()

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

    @property
    def rights(self) -> set[Right]:
        """All rights on new tables and buckets that were used."""
        courses = [*self.courses, *([] if self.crash is None else [self.crash])]
        return {right for course in courses for right in course.rights}

    @property
    def silent(self) -> dict[str, str]:
        """The calls of which nothing can be said, with the reason."""
        return {call: reason for course in self.courses for call, reason in course.silent.items()}

    def answers(self, call: str) -> list[Seen]:
        """The original's answers to one call."""
        return [
            each
            for course in self.courses
            for event, each in zip(course.script.events, course.expected, strict=False)
            if event.call == call
        ]


def result_of(
    subject: Subject, evidence: Evidence, example: Counterexample | None, blamed: Mapping[str, bool]
) -> Result:  # fmt: skip
    """The verdicts. `blamed` tells of each change whether the difference shows with it alone."""
    lines = evidence.lines
    missing = [each for each in subject.statements if not each.has_run(lines)]
    verdict, reason = _verdict(subject, evidence, example)
    changes = tuple(
        _change(subject, change.id, (verdict, reason), evidence, blamed) for change in subject.changes
    )  # fmt: skip
    if verdict in _SHOWN:
        verdict, reason = next(
            ((each.verdict, each.reason) for each in changes if each.verdict is Verdict.VACUOUS),
            _about_kept(evidence.kept) or (verdict, reason),
        )
    granted = granted_rights(subject.pair.setting.deployed) if verdict in _SHOWN else frozenset()
    unused = tuple(sorted(granted - evidence.rights))
    return Result(
        name=subject.name, verdict=verdict, reason=reason, events=len(evidence.expected),
        covered=len(subject.statements) - len(missing), statements=len(subject.statements),
        handlers=tuple(_handler(entry.call, evidence) for entry in subject.entries), changes=changes,
        notes=(*_notes_on_measure(subject), *_notes(evidence), *_notes_on_rights(subject, unused)),
        counterexample=example, unused=unused,
    )  # fmt: skip


def _verdict(subject: Subject, evidence: Evidence, example: Counterexample | None) -> Judged:
    """The verdict for everything but what depends on state that stays."""
    if broken := broken_by(evidence.courses):
        return Verdict.ORIGINAL_BROKEN, broken
    if example is not None:
        return Verdict.DIVERGES, _sentence(example, is_fresh=subject.pair.is_fresh)
    for call, reason in evidence.silent.items():
        return Verdict.INCONCLUSIVE, f"{call} {reason}"
    if empty := _shows_nothing(subject, evidence):
        return Verdict.VACUOUS, empty
    if any(course.reordered is not None for course in evidence.courses):
        return Verdict.ORDER_ONLY, "some answers differ in the order of their parts"
    undecided = [course.undecided for course in evidence.courses if course.undecided]
    if undecided and len(undecided) == len(evidence.courses):
        return Verdict.INCONCLUSIVE, undecided[0]
    fresh = " than by the original in a new container for each event" if subject.pair.is_fresh else ""
    return Verdict.EQUIVALENT, f"no event was answered differently{fresh}"


def _shows_nothing(subject: Subject, evidence: Evidence) -> str:
    """Why equal answers mean nothing here; "" if they do mean something."""
    answers = evidence.expected
    if not answers:
        return "there were no events: give some with --events"
    if all(map(error_of, answers)):
        return f"the original answered every event with an error, like {shown(answers[0])}"
    is_all_kept = all(entry.call in evidence.kept for entry in subject.entries)
    if subject.is_stateful and evidence.telling is None and not is_all_kept:
        return "the events do not tell one container from new ones: give events that use the state"
    return ""


def _about_kept(kept: Mapping[str, Kept]) -> Judged | None:
    for call, each in kept.items():
        return Verdict.INCONCLUSIVE, f"{call} {_stays(each)}"
    return None


def _stays(kept: Kept) -> str:
    return f"depends on {kept.symbol} ({kept.place}), which stays in the container: new ones answer differently"


def error_of(each: Seen) -> str:
    """The name of the exception that an event ended with, "" for a reply."""
    return str(each.answer.get("error", "")) if isinstance(each.answer, dict) else ""


def broken_by(courses: Sequence[Course]) -> str:
    """Why the original cannot be the measure, "" if it can."""
    for course in courses:
        if course.broken:
            return course.broken[0]
    answers = [each for course in courses for each in course.expected]
    if answers and all(error_of(each) in _BROKEN for each in answers):
        return f"the original fails on every event: {shown(answers[0])}"
    return ""


def _sentence(example: Counterexample, *, is_fresh: bool) -> str:
    difference = example.divergence.difference
    if difference.aspect == PERMISSION:
        return f"a right is missing: {difference.found}"
    is_concurrent = any(len(turn.placed) > 1 for turn in example.divergence.script.turns)
    when = ", where events run at the same time (--concurrency 1 assumes they never do)" if is_concurrent else ""
    original = "the original in a new container for each event" if is_fresh else "the original"
    parted = f"{original} {difference.expected}, the migrated program {difference.found}"
    return f"{difference.aspect}{when}: {parted}"


def _handler(call: str, evidence: Evidence) -> Part:
    answers = evidence.answers(call)
    verdict, reason = _handler_verdict(call, evidence, answers)
    return Part(call, verdict, reason, len(answers))


def _handler_verdict(call: str, evidence: Evidence, answers: Sequence[Seen]) -> Judged:
    found = evidence.divergence
    if found is not None and found.event.call == call:
        is_refused = found.difference.aspect == PERMISSION
        return Verdict.DIVERGES, found.difference.found if is_refused else found.difference.aspect
    if call in evidence.silent:
        return Verdict.INCONCLUSIVE, evidence.silent[call]
    if call in evidence.kept:
        return Verdict.INCONCLUSIVE, _stays(evidence.kept[call])
    if not answers:
        return Verdict.VACUOUS, "it was not called"
    if all(error_of(each) in _BROKEN for each in answers):
        return Verdict.ORIGINAL_BROKEN, shown(answers[0])
    if all(map(error_of, answers)):
        return Verdict.VACUOUS, f"every answer was an error, like: {shown(answers[0])}"
    if any(course.reordered is not None and course.reordered.event.call == call for course in evidence.courses):
        return Verdict.ORDER_ONLY, "some answers differ in the order of their parts"
    return Verdict.EQUIVALENT, ""


def _change(
    subject: Subject, id_: str, judged: Judged, evidence: Evidence, blamed: Mapping[str, bool]
) -> Part:  # fmt: skip
    """The verdict for one change, with how much of what it wrote ran."""
    own = [each for each in subject.statements if id_ in each.changes]
    missing = [each for each in own if not each.has_run(evidence.lines)]
    verdict, reason = _change_verdict(subject, id_, judged, evidence, blamed, _not_run(missing))
    return Part(id_, verdict, reason, len(evidence.expected), len(own) - len(missing), len(own))


def _change_verdict(
    subject: Subject, id_: str, judged: Judged, evidence: Evidence, blamed: Mapping[str, bool], missing: str
) -> Judged:
    """A difference is a change's own if it shows with this change alone."""
    if id_ in blamed:
        alone = Verdict.EQUIVALENT, "alone, it does not show the difference"
        return (Verdict.DIVERGES, judged[1]) if blamed[id_] else alone
    if judged[0] in _SHOWN:
        if missing:
            return Verdict.VACUOUS, missing
        reach = subject.reach.get(id_, frozenset())
        if reach and reach <= evidence.kept.keys():
            return _about_kept(evidence.kept) or judged
    return judged


def _not_run(missing: Sequence[Statement]) -> str:
    """Which statements of a change no event ran, as a sentence; "" if all did."""
    places = ", ".join(f"{each.path}:{each.first}" for each in missing[:4])
    return f"no event ran what it changed in {places}: give events that do" if missing else ""


def notes_on_surroundings(assumed: Sequence[Resource], courses: Sequence[Course]) -> Iterator[str]:
    """What the world around the program was made of, beside what the user said."""
    for each in assumed:
        yield f"{_called(each)} was not there, so an empty one stood for it: say with --resources what it holds"
    if hosts := sorted({host for course in courses for host in course.doubled}):
        yield f"no real host answered: {', '.join(hosts)} said what --http gives, the same to both programs"


def _called(resource: Resource) -> str:
    match resource:
        case Table(name=name, key=key, sort_key=sort_key):
            keys = f"keys {key} and {sort_key}" if sort_key else f"key {key}"
            return f"the table {name} ({keys})"
        case Bucket(name=name):
            return f"the bucket {name}"
        case Thing(kind=kind, name=name):
            return f"the {kind.replace('_', ' ')} {name}"


def _notes_on_measure(subject: Subject) -> Iterator[str]:
    """What the answers were compared with, where that is not the original as it runs today."""
    if subject.pair.is_fresh:
        names = ", ".join(change.id for change in subject.changes)
        yield (
            f"{names}: compared with the original in a new container for each event; what earlier calls left there"
            " is what the change takes away, so answers of a container that remembers differ on purpose"
        )


def _notes(evidence: Evidence) -> Iterator[str]:
    yield from notes_on_surroundings(evidence.assumed, evidence.courses)
    refused = sum(course.refused for course in evidence.courses)
    if refused:
        yield f"{refused} events ended in an error that the helper raises where it cannot know what happened"
    for course in evidence.courses:
        if course.undecided:
            yield f"one run ended early: {course.undecided}"
            break
    halves = [course.partial.event.call for course in evidence.courses if course.partial is not None]
    if halves:
        yield f"one run ended early: one that ended in such an error had written already, seen with {halves[0]}"
    if evidence.crash is not None and evidence.crash.partial is not None:
        call = evidence.crash.partial.event.call
        yield f"a container that is killed between two writes leaves the first one: seen with {call}"


def _notes_on_rights(subject: Subject, unused: Sequence[Right]) -> Iterator[str]:
    """What is granted and was not used, and what AWS may decide otherwise."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for right in unused:
        grouped.setdefault((right.function, right.resource), []).append(right.action)
    for (function, resource), actions in grouped.items():
        yield f"{function} may {', '.join(actions)} on {resource}, and no event used it"
    for deployment in subject.pair.setting.deployed.all:
        for reason in deployment.unenforced:
            yield f"not enforced: {reason}"
