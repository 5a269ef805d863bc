"""Observations of the migrated program -> whether the original, in one immortal container, can answer so.

Events that ran at the same time must have answered as in *some* order. The order in which they were last seen at
AWS is tried first; the others, and those of earlier turns, only where that one does not explain what was seen.
An event that was killed and delivered again may have happened once or twice, one that was refused once or not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product

from statelift.verify.machine.world import Container, World
from statelift.verify.playing.compare import Match, Rules, Seen, compare, seen
from statelift.verify.values import Event, Observation

_BUDGET = 200  # invocations of the original that a search for another order may cost
# The generated helper says so loudly where it cannot know what happened, or would overwrite what another one wrote.
REFUSALS = frozenset({"StateConflictError", "OutcomeUnknownError"})
NewWorld = Callable[[], World]


class OriginalError(Exception):
    """The original cannot serve as the measure; the message says why."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the original answered to a turn, in the order of its events, and how that compares."""

    expected: tuple[Seen, ...]
    match: Match


@dataclass(frozen=True, slots=True)
class _Heard:
    """A turn as the migrated program answered it."""

    events: tuple[Event, ...]
    found: tuple[Seen, ...]
    orders: tuple[tuple[int, ...], ...]


class Oracle:
    """The original in one container that never dies, or `is_fresh`: in a new one for every event.

    A context manager: closes its worlds. `has_doubt`: not every order could be tried, so that a difference that was
    found may be none.
    """

    def __init__(
        self, new_world: NewWorld, modules: Sequence[str], rules: Rules, *, is_fresh: bool = False
    ) -> None:
        self._new_world = new_world
        self._modules = modules
        self._rules = rules
        self._is_fresh = is_fresh
        self._heard: list[_Heard] = []
        self._world = self._started()
        self._spent = 0
        self.has_doubt = False

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_: object) -> None:
        self._world.close()

    def _started(self) -> World:
        world = self._new_world()
        world.start_container(self._modules)
        return world

    def judge(self, observations: Sequence[Observation]) -> Verdicts:
        """How the original answers the events of a turn that the migrated program answered so."""
        found = tuple(seen(each, self._rules) for each in observations)
        heard = _Heard(tuple(each.event for each in observations), found, tuple(_orders(observations)))
        self._heard.append(heard)
        is_certain = len(heard.orders) == 1
        first = self._answered(self._world, heard, heard.orders[0]) if is_certain else self._best(heard)
        if first.match is not Match.DIFFERENT:
            return first
        return self._searched() or first

    def _best(self, heard: _Heard) -> Verdicts:
        """Try the orders of one turn on branches; the first one that explains the answers becomes the world."""
        first: Verdicts | None = None
        in_order: tuple[World, Verdicts] | None = None
        for order in heard.orders:
            branch = self._world.branch()
            verdicts = self._answered(branch, heard, order)
            first = first or verdicts
            if verdicts.match is Match.EQUAL:
                self._replace(branch, in_order)
                return verdicts
            if verdicts.match is Match.ORDER and in_order is None:
                in_order = (branch, verdicts)
            else:
                branch.close()
        if in_order is not None:
            self._replace(in_order[0], None)
            return in_order[1]
        assert first is not None
        return first

    def _replace(self, world: World, other: tuple[World, Verdicts] | None) -> None:
        if other is not None:
            other[0].close()
        self._world.close()
        self._world = world

    def _answered(self, world: World, heard: _Heard, order: Sequence[int]) -> Verdicts:
        """Run the events of a turn one after the other; an event that stands twice was delivered twice."""
        answers: dict[int, Observation] = {}
        for index in order:
            [answers[index]] = world.run([(self._container(world), heard.events[index])])
            self._spent += 1
            _check(answers[index])
        expected = tuple(
            seen(answers[index], self._rules) if index in answers and self._is_judged(heard, index) else found
            for index, found in enumerate(heard.found)
        )
        return Verdicts(expected, max(map(compare, expected, heard.found)))

    def _container(self, world: World) -> Container:
        """The one that gets the next event."""
        if not self._is_fresh:
            return _only(world)
        for container in world.containers:
            container.recycle()
        return world.start_container(self._modules)

    def _is_judged(self, heard: _Heard, index: int) -> bool:
        """Whether the original has a say: not where the helper refused, nor where the call is left out."""
        return heard.events[index].call not in self._rules.unjudged and not is_refused(heard.found[index])

    # ------------------------------------------------------------ another order in an earlier turn

    def _searched(self) -> Verdicts | None:
        """The last turn's answers, if other orders of earlier turns explain everything that was seen."""
        if all(len(each.orders) == 1 for each in self._heard[:-1]):
            return None
        self._spent = 0
        found = self._search(self._started(), 0)
        if found is None:
            self.has_doubt = self._spent > _BUDGET
            return None
        self._replace(found[0], None)
        return found[1]

    def _search(self, world: World, index: int) -> tuple[World, Verdicts] | None:
        """Depth first, every turn in every order, until all are explained or the budget is spent."""
        heard = self._heard[index]
        for order in heard.orders:
            if self._spent > _BUDGET:
                break
            branch = world.branch() if len(heard.orders) > 1 else world
            verdicts = self._answered(branch, heard, order)
            if verdicts.match is not Match.DIFFERENT:
                is_last = index + 1 == len(self._heard)
                found = (branch, verdicts) if is_last else self._search(branch, index + 1)
                if found is not None:
                    if branch is not world:
                        world.close()
                    return found
            elif branch is not world:
                branch.close()
        world.close()
        return None

    def ask(self, event: Event) -> Observation:
        """One more event, only for the original: nothing is compared."""
        [observation] = self._world.run([(_only(self._world), event)])
        return observation


def _only(world: World) -> Container:
    return world.containers[0]


def _check(observation: Observation) -> None:
    outcome = observation.outcome
    if outcome.kind in ("timeout", "killed") or outcome.error == "Runtime.ExitError":
        raise OriginalError(
            f"the original does not survive {observation.event.call}: {outcome.message or outcome.kind}"
        )


def is_refused(answer: Seen) -> bool:
    """Whether the generated helper refused: what it wrote, or whether, is not known."""
    return isinstance(answer.answer, dict) and answer.answer.get("error") in REFUSALS


def _orders(observations: Sequence[Observation]) -> Iterator[tuple[int, ...]]:
    """The orders in which the events may have happened, the likeliest first."""
    witness = sorted(range(len(observations)), key=lambda index: observations[index].last_call)
    counts = [_counts(each) for each in observations]
    given: dict[tuple[int, ...], None] = {}
    for times in product(*counts):
        happened = [index for index in witness for _ in range(times[index])]
        given |= dict.fromkeys(permutations(happened))
    yield from given


def _counts(observation: Observation) -> tuple[int, ...]:
    """How often an event may have happened."""
    if observation.outcome.error in REFUSALS:
        has_happened = any(effect.fault == "lost" and effect.is_write for effect in observation.effects)
        return (1, 0) if has_happened else (0, 1)
    return (1, 2) if observation.earlier else (1,)
