"""A seed -> Turns: which events run at the same time, in which containers, and which containers die in between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from statelift.verify.events.steps import START, Json, Memory, Step, event_of
from statelift.verify.values import Event, Faults

_PAUSES = (1.0, 10.0, 10.0, 10.0, 61.0, 901.0, 3601.0, 90_000.0)  # seconds between two turns: expiries pass
_SHORT_PAUSES = (0.1, 0.5, 1.0, 2.0)  # many turns fit into a window of time: rate limits, locks, cool-downs
MOST = 3  # events at the same time
NO_FAULTS = Faults()
_POOL = 4  # containers that live at the same time


@dataclass(frozen=True, slots=True)
class Placed:
    """An event and the number of the container that gets it; `hash_seed` where that has to be started."""

    event: Event
    slot: int
    hash_seed: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """Events that run at the same time, after the containers in `recycled` were killed."""

    placed: tuple[Placed, ...]
    recycled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Manner:
    """How hostile the environment is: at least `least` and at most `concurrency` events at the same time, where
    they do not wait for each other's answers; `reuse` and `recycle` are probabilities. `shares_tmp`: all containers
    have one /tmp, as the processes of one of Lambda's managed instances do. One of `pauses`, in seconds, lies
    between two turns.
    """

    name: str
    concurrency: int = 1
    least: int = 1
    reuse: float = 0.6
    recycle: float = 0.2
    hash_seeds: int = 2
    faults: Faults = NO_FAULTS
    shares_tmp: bool = False
    pauses: tuple[float, ...] = _PAUSES

    def at_most(self, count: int) -> "Manner":
        """The same with at most so many events at the same time."""
        return replace(self, concurrency=min(self.concurrency, count), least=min(self.least, count))


FRESH = Manner("a new container for every event", reuse=0.0, recycle=1.0)
HURRIED = Manner(
    "a new container for every event, one soon after the other", reuse=0.0, recycle=1.0, pauses=_SHORT_PAUSES
)  # fmt: skip
MIXED = Manner("containers reused, recycled and running at the same time", concurrency=MOST)
STEADY = Manner("containers reused and recycled, one event at a time", recycle=0.15)
CROWDED = Manner(
    "always several events at the same time", concurrency=MOST, least=2, recycle=0.1, pauses=_SHORT_PAUSES
)  # fmt: skip
FAULTY = Manner(
    "stale reads, throttling, errors and lost answers", concurrency=2,
    faults=Faults(stale=0.5, throttled=0.05, error=0.02, lost=0.06),
)  # fmt: skip
CRASHING = Manner("containers killed between two calls, their events delivered again", faults=Faults(kill=0.08))


@dataclass(frozen=True, slots=True)
class Script:
    """A run that can be played again exactly: the turns, what goes wrong, and the seed of the world.

    `shares_tmp` is the manner's.
    """

    turns: tuple[Turn, ...]
    seed: int = 0
    faults: Faults = NO_FAULTS
    shares_tmp: bool = False

    @property
    def placed(self) -> tuple[Placed, ...]:
        """All events with their places, in their order."""
        return tuple(placed for turn in self.turns for placed in turn.placed)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events in their order."""
        return tuple(placed.event for placed in self.placed)


class Adversary:
    """Makes turns of steps. Equal seeds and equal answers of the program give equal turns."""

    def __init__(self, manner: Manner, seed: int) -> None:
        self._manner = manner
        self._dice = Random(f"{manner.name} {seed}")  # noqa: S311 - repeatable on purpose
        self._seed = seed
        self._live: list[int] = []
        self._next_slot = 0
        self._number = 0
        self._now = START

    def turns(self, steps: Sequence[Step], memory: Memory) -> Iterator[Turn]:
        """Turn after turn; what the answers were has to be in the memory before the next one is asked for."""
        waiting = list(steps)
        while waiting:
            size = min(self._dice.randint(self._manner.least, self._manner.concurrency), len(waiting))
            while size > 1 and not all(_is_ready(step, memory) for step in waiting[:size]):
                size -= 1
            group, waiting = waiting[:size], waiting[size:]
            yield self._turn(group, memory)

    def _turn(self, group: Sequence[Step], memory: Memory) -> Turn:
        recycled = [slot for slot in self._live if self._dice.random() < self._manner.recycle]
        self._live = [slot for slot in self._live if slot not in recycled]
        while len(self._live) > _POOL:
            recycled.append(self._live.pop(0))
        placed = []
        free = list(self._live)
        for step in group:
            placed.append(Placed(self._event(step, memory), *self._place(free)))
        self._now += self._dice.choice(self._manner.pauses)
        return Turn(tuple(placed), tuple(recycled))

    def _event(self, step: Step, memory: Memory) -> Event:
        event = event_of(step, memory, self._number, self._now, self._seed)
        self._number += 1
        return event

    def _place(self, free: list[int]) -> tuple[int, int]:
        if free and self._dice.random() < self._manner.reuse:
            return free.pop(self._dice.randrange(len(free))), 0
        slot = self._next_slot
        self._next_slot += 1
        self._live.append(slot)
        return slot, self._dice.randrange(self._manner.hash_seeds)


def _is_ready(step: Step, memory: Memory) -> bool:
    """Whether the answers that a step speaks of are known."""
    return _last_answer(step.payload) < len(memory.answers)


def _last_answer(value: Json) -> int:
    match value:
        case {"$answer": int(number)}:
            return number
        case dict():
            return max((_last_answer(item) for item in value.values()), default=-1)
        case list():
            return max((_last_answer(item) for item in value), default=-1)
        case _:
            return -1
