"""A run that diverges -> a small one that still does: fewer events and mishaps, less at once, plain values."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from statelift.verify.events.steps import Json, answer_of
from statelift.verify.playing.driver import Divergence
from statelift.verify.playing.schedule import NO_FAULTS, Placed, Script, Turn
from statelift.verify.values import Fault, Faults

Play = Callable[[Script], Divergence | None]  # plays a script again, gives where it diverges
_SEEDS = 3  # worlds tried for a script with events at the same time: the order of their calls changes with it


class _Shrinking:
    """One search, within a number of runs and of seconds."""

    def __init__(self, play: Play, found: Divergence, runs: int, seconds: float) -> None:
        self._play = play
        self.best = found
        self._runs = runs
        self._until = time.monotonic() + seconds

    @property
    def has_time(self) -> bool:
        """Whether another run may start."""
        return self._runs > 0 and time.monotonic() < self._until

    def accepts(self, script: Script) -> bool:
        """Whether the script diverges, too: then it is the best one."""
        is_concurrent = any(len(turn.placed) > 1 for turn in script.turns)
        for seed in range(script.seed, script.seed + (_SEEDS if is_concurrent else 1)):
            if not script.turns or not self.has_time:
                return False
            self._runs -= 1
            found = self._play(replace(script, seed=seed))
            if found is not None:
                self.best = found
                return True
        return False


def shrunk(play: Play, found: Divergence, *, runs: int = 150, seconds: float = 30.0) -> Divergence:
    """The smallest divergence that was found within the budget."""
    search = _Shrinking(play, found, runs, seconds)
    for candidates in (_without_faults, _without_halves, _without_one, _alone, _settled, _without_one, _plainer):
        _descend(search, candidates)
    return search.best


def _descend(search: _Shrinking, candidates: Callable[[Script], Iterator[Script]]) -> None:
    """Take the first candidate that diverges, and begin again from it, until none does."""
    has_progress = True
    while has_progress and search.has_time:
        has_progress = any(search.accepts(script) for script in candidates(search.best.script))


# ---------------------------------------------------------------- candidates, the boldest first


def _without_faults(script: Script) -> Iterator[Script]:
    plan = script.faults.plan
    if plan:
        yield replace(script, faults=NO_FAULTS)
        for dropped in range(len(plan)) if len(plan) < 8 else ():
            yield replace(script, faults=Faults(plan=plan[:dropped] + plan[dropped + 1 :]))


def _without_halves(script: Script) -> Iterator[Script]:
    count = len(script.turns)
    size = count // 2
    while size > 1:
        for start in range(0, count, size):
            yield _kept(script, [n for n in range(count) if not start <= n < start + size])
        size //= 2


def _without_one(script: Script) -> Iterator[Script]:
    for dropped in reversed(range(len(script.turns))):
        yield _kept(script, [n for n in range(len(script.turns)) if n != dropped])
    for number, turn in enumerate(script.turns):
        for dropped in range(len(turn.placed)) if len(turn.placed) > 1 else ():
            fewer = replace(turn, placed=turn.placed[:dropped] + turn.placed[dropped + 1 :])
            yield _renumbered(script, [*script.turns[:number], fewer, *script.turns[number + 1 :]])


def _alone(script: Script) -> Iterator[Script]:
    """Events of a turn one after the other."""
    for number, turn in enumerate(script.turns):
        if len(turn.placed) > 1:
            apart = [Turn((placed,), turn.recycled if not n else ()) for n, placed in enumerate(turn.placed)]
            yield _renumbered(script, [*script.turns[:number], *apart, *script.turns[number + 1 :]])


def _settled(script: Script) -> Iterator[Script]:
    """All events in one container, or each in a new one."""
    slots = {placed.slot for placed in script.placed}
    if len(slots) > 1 and all(len(turn.placed) == 1 for turn in script.turns):
        yield replace(script, turns=tuple(Turn((replace(turn.placed[0], slot=0),)) for turn in script.turns))
    if any(turn.recycled for turn in script.turns) or len(slots) < len(script.placed):
        numbers = iter(range(len(script.placed)))
        fresh = tuple(
            Turn(tuple(Placed(placed.event, next(numbers)) for placed in turn.placed)) for turn in script.turns
        )
        yield replace(script, turns=fresh)


def _plainer(script: Script) -> Iterator[Script]:
    """One value of one event replaced by a simpler one, or left out."""
    for number, turn in enumerate(script.turns):
        for place, placed in enumerate(turn.placed):
            for payload in _simpler(answer_of(placed.event.payload)):
                event = replace(placed.event, payload=json.dumps(payload))
                changed = (*turn.placed[:place], replace(placed, event=event), *turn.placed[place + 1 :])
                turns = (*script.turns[:number], replace(turn, placed=changed), *script.turns[number + 1 :])
                yield replace(script, turns=turns)


def _simpler(value: Json) -> Iterator[Json]:
    match value:
        case dict():
            for key in value:
                yield {name: item for name, item in value.items() if name != key}
            for key, item in value.items():
                for plain in _simpler(item):
                    yield {**value, key: plain}
        case list():
            for number, item in enumerate(value):
                if len(value) > 1:
                    yield value[:number] + value[number + 1 :]
                for plain in _simpler(item):
                    yield [*value[:number], plain, *value[number + 1 :]]
        case str() if len(value) > 1 and value not in ("true", "null") and value[0] not in "{[":
            yield value[0]
        case int() | float() if not isinstance(value, bool) and value not in (0, 1):
            yield 1
        case _:
            pass


def _kept(script: Script, numbers: Sequence[int]) -> Script:
    return _renumbered(script, [script.turns[number] for number in numbers])


def _renumbered(script: Script, turns: Sequence[Turn]) -> Script:
    """The script with these turns; its planned mishaps follow the events that they belong to."""
    seeds = {event.seed: number for number, event in enumerate(script.events)}
    new = {seeds[p.event.seed]: number for number, p in enumerate(p for turn in turns for p in turn.placed)}
    plan = tuple(Fault(each.kind, new[each.event], each.call) for each in script.faults.plan if each.event in new)
    return replace(script, turns=tuple(turns), faults=Faults(plan=plan))
