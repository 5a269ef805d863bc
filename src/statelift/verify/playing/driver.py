"""Two programs and turns of events -> where they part: runs the migrated one, and asks the oracle each time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from statelift.verify.events.steps import Json, Memory, Step, answer_of
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import Container, Setting, World
from statelift.verify.playing.compare import (
    Difference,
    Match,
    Rules,
    Seen,
    compare,
    difference,
    failed_of,
    seen,
    shown,
    sum_of,
)
from statelift.verify.playing.oracle import Oracle, OriginalError, is_refused
from statelift.verify.playing.schedule import Adversary, Manner, Script, Turn
from statelift.verify.values import CodeTree, Effect, Event, Fault, Faults, Observation, Resource, Right

PROBE = "statelift_probe"
_PROBE_TEXT = b"""import sys


def read(module, name):
    value = sys.modules.get(module)
    for part in name.split("."):
        value = getattr(value, part, 0)
    if isinstance(value, dict):
        value = sum(value.values())
    if hasattr(value, "collect"):  # an instrument of Prometheus
        samples = [each for family in value.collect() for each in family.samples]
        value = sum(each.value for each in samples if each.name.endswith(("_total", "_sum")))
    return value if isinstance(value, (int, float)) else 0
"""


NO_RULES = Rules()
PERMISSION = "permission"  # the aspect of a difference: a call was refused


@dataclass(frozen=True, slots=True)
class Metric:
    """A counter of the original (`module`, `name`), which begins at `initial`, that a change sends as a metric."""

    module: str
    name: str
    metric: str
    change: str = ""
    initial: float = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """The original and the migrated program, and what they run with.

    `is_fresh`: the measure is the original in a new container for every event. What a variable of one call is
    meant for cannot be seen in a container that remembers.
    """

    original: CodeTree
    migrated: CodeTree
    setting: Setting
    modules: tuple[str, ...]
    rules: Rules = NO_RULES
    metrics: tuple[Metric, ...] = ()
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Divergence:
    """An event that the original does not answer so in any order, and the run up to there.

    `has_doubt`: there were more orders than could be tried.
    """

    script: Script
    event: Event
    difference: Difference
    has_doubt: bool = False


@dataclass(slots=True)
class Course:
    """What one run showed. `lines` of the migrated program ran; `silent` says of a call why nothing can be said.

    `partial`: a container was killed between two writes, or an event refused behind one (`has_halves`), and the
    original has no answer for half of an event.
    `absent` are tables, buckets … that calls asked for and that were not there, `doubled` the hosts of the user's
    answers.
    """

    script: Script
    manner: str
    expected: list[Seen] = field(default_factory=list)
    found: list[Seen] = field(default_factory=list)
    lines: set[tuple[str, int]] = field(default_factory=set)
    has_kills: bool = False
    has_halves: bool = False
    divergence: Divergence | None = None
    reordered: Divergence | None = None
    partial: Divergence | None = None
    refused: int = 0
    undecided: str = ""
    silent: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    weak_reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    rights: set[Right] = field(default_factory=set)
    absent: dict[str, Resource] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)


class Run:
    """One run: both worlds, as the script says but for its turns. A context manager."""

    def __init__(self, sandbox: Sandbox, pair: Pair, script: Script) -> None:
        seed = script.seed
        self._pair = pair
        self._world = World(sandbox, pair.migrated, pair.setting, faults=script.faults, seed=seed)
        original = _with_probe(pair.original) if pair.metrics else pair.original
        self._oracle = Oracle(
            lambda: World(sandbox, original, pair.setting, seed=seed), pair.modules, pair.rules,
            is_fresh=pair.is_fresh,
        )  # fmt: skip
        self._slots: dict[int, Container] = {}
        # The owner of the /tmp that all share gets no events, so that it is never recycled.
        self._instance = self._world.start_container() if script.shares_tmp else None

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._oracle.__exit__()
        self._world.close()

    @property
    def injected(self) -> tuple[Fault, ...]:
        """What went wrong on the way, as a plan that makes it go wrong again."""
        return self._world.injected

    def play(self, turn: Turn, course: Course) -> list[Observation]:
        """Run one turn on both sides and note in the course what it showed."""
        for slot in turn.recycled:
            self._drop(slot)
        batch = [(self._container(placed.slot, placed.hash_seed), placed.event) for placed in turn.placed]
        observations = self._world.run(batch)
        self._follow(turn, observations)
        _note(course, observations)
        verdicts = self._oracle.judge(observations)
        found = [seen(each, self._pair.rules) for each in observations]
        course.expected += verdicts.expected
        course.found += found
        course.refused += sum(map(is_refused, found))
        own = frozenset(course.script.faults.spared)
        halves = (each for each, one in zip(observations, found, strict=True) if is_refused(one))
        course.has_halves = course.has_halves or any(_has_written(each, own) for each in halves)
        _compared(course, turn, verdicts.expected, found, has_doubt=self._oracle.has_doubt)
        return observations

    def _container(self, slot: int, hash_seed: int) -> Container:
        known = self._slots.get(slot)
        if known is None or not known.is_alive:
            known = self._world.start_container(
                self._pair.modules, hash_seed=hash_seed, shares_tmp_of=self._instance
            )  # fmt: skip
            self._slots[slot] = known
        return known

    def _drop(self, slot: int) -> None:
        container = self._slots.pop(slot, None)
        if container is not None and container.is_alive:
            container.recycle()

    def _follow(self, turn: Turn, observations: Sequence[Observation]) -> None:
        """A container that was killed has a successor: keep that one."""
        by_name = {container.name: container for container in self._world.containers}
        for placed, observation in zip(turn.placed, observations, strict=True):
            if observation.container in by_name:
                self._slots[placed.slot] = by_name[observation.container]

    def finish(self, course: Course) -> None:
        """Compare the counters of the original with the sums of the metrics that stand for them."""
        sums = sum_of(course.found)
        theirs = sum_of(course.expected)
        failed = failed_of(course.found)  # sent once: an answer that is an error leaves it open
        for metric in self._pair.metrics:
            counted = self._counted(metric)
            sent = sums.get(metric.metric, 0) - theirs.get(metric.metric, 0)
            is_right = sent <= counted <= sent + failed.get(metric.metric, 0)
            if not is_right and course.divergence is None:
                difference = Difference(
                    "metric", f"{metric.name} counted {counted:g}", f"{metric.metric} sums to {sent:g}"
                )
                course.divergence = Divergence(course.script, course.script.events[-1], difference)

    def _counted(self, metric: Metric) -> float:
        event = Event(f"{PROBE}:read", f'["{metric.module}", "{metric.name}"]', style="call")
        value = answer_of(self._oracle.ask(event).outcome.payload)
        return value - metric.initial if isinstance(value, int | float) else 0.0


def _with_probe(tree: CodeTree) -> CodeTree:
    return CodeTree((*tree.files, (f"{PROBE}.py", _PROBE_TEXT)))


def _note(course: Course, observations: Iterable[Observation]) -> None:
    for each in observations:
        course.has_kills = course.has_kills or bool(each.earlier)
        course.lines |= each.lines
        for effect in each.effects:
            _note_effect(course, each.event.call, effect)
        _note_rights(course, each)
        if each.outcome.kind == "timeout":
            course.silent[each.event.call] = f"does not end in time: {each.outcome.message}"


def _has_written(observation: Observation, targets: frozenset[str]) -> bool:
    """Whether a call wrote to one of these: no other call can take that back."""
    writes = (effect.target.split(",") for effect in observation.effects if effect.is_write)
    return any(not targets.isdisjoint(each) for each in writes)


def _note_effect(course: Course, call: str, effect: Effect) -> None:
    if effect.is_inconclusive:
        course.silent[call] = f"calls {effect.target or effect.service}, {_WHY[effect.kind]}"
    if effect.has_weak_read:
        course.weak_reads.add(effect.target)
    if effect.is_write:
        course.writes.add(effect.target)
    if effect.absent is not None:
        course.absent[effect.absent.name] = effect.absent
    if effect.kind == "canned":
        course.doubled.add(urlsplit(effect.target).netloc)


def _note_rights(course: Course, observation: Observation) -> None:
    """A refused call is a difference whatever the program makes of it."""
    for effect in (effect for each in (observation, *observation.earlier) for effect in each.effects):
        course.rights.update(effect.rights)
        if effect.missing and course.divergence is None:
            refused = Difference(PERMISSION, "needs no right", effect.missing[0])
            course.divergence = Divergence(course.script, observation.event, refused)


_WHY: Mapping[str, str] = {
    "outside": "which is outside of the simulated AWS and blocked",
    "unsupported": "with a request that the simulator cannot answer",
}


def _compared(
    course: Course, turn: Turn, expected: Sequence[Seen], found: Sequence[Seen], *, has_doubt: bool
) -> None:
    for placed, one, other in zip(turn.placed, expected, found, strict=True):
        match compare(one, other):
            case Match.DIFFERENT if course.divergence is None and course.partial is None:
                parted = difference(one, other)
                assert parted is not None
                _parted(course, Divergence(course.script, placed.event, parted, has_doubt))
            case Match.ORDER if course.reordered is None:
                parted = Difference("order", shown(one), shown(other))
                course.reordered = Divergence(course.script, placed.event, parted)
            case _:
                pass


def _parted(course: Course, divergence: Divergence) -> None:
    if divergence.event.call in course.silent:
        course.undecided = f"{divergence.event.call} {course.silent[divergence.event.call]}"
    elif course.has_kills or course.has_halves:
        course.partial = divergence
    else:
        course.divergence = divergence


def run_steps(
    sandbox: Sandbox, pair: Pair, steps: Sequence[Step], manner: Manner, seed: int
) -> Course:  # fmt: skip
    """Run steps in a manner, until they end or the programs part."""
    course = Course(Script((), seed, manner.faults, manner.shares_tmp), manner.name)
    memory = Memory()
    with Run(sandbox, pair, course.script) as run:
        for turn in Adversary(manner, seed).turns(steps, memory):
            if not _play(run, turn, course, memory):
                break
        _finish(run, course)
    return course


def replay(sandbox: Sandbox, pair: Pair, script: Script) -> Course:
    """Run a script again, exactly."""
    course = Course(replace(script, turns=()), "a recorded run")
    with Run(sandbox, pair, script) as run:
        for turn in script.turns:
            if not _play(run, turn, course, None):
                break
        _finish(run, course)
    return course


def _play(run: Run, turn: Turn, course: Course, memory: Memory | None) -> bool:
    """Play one turn; whether there is any sense in another one."""
    course.script = replace(course.script, turns=(*course.script.turns, turn))
    count = len(course.expected)
    try:
        run.play(turn, course)
    except OriginalError as error:
        course.broken.append(str(error))
        return False
    if memory is not None:
        for each in course.expected[count:]:
            memory.note(_reply(each.answer))
    return course.divergence is None and course.partial is None and not course.undecided


def _finish(run: Run, course: Course) -> None:
    parted = course.divergence is not None or course.partial is not None
    is_over = parted or course.broken or course.undecided
    if course.script.turns and not is_over and not course.refused:
        run.finish(course)
    # A smaller script has other calls at the same numbers: what is spared stays spared.
    planned = Faults(plan=run.injected, spared=course.script.faults.spared)
    if course.divergence is not None:
        course.divergence = replace(course.divergence, script=replace(course.script, faults=planned))


def _reply(answer: Json) -> Json:
    match answer:
        case {"reply": reply}:
            return reply
        case _:
            return None
