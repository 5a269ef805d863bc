"""A run that diverges -> a small one that still does: fewer events and mishaps, less at once, plain values."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from statelift.verify.events.steps import Json, answer_of
from statelift.verify.playing.driver import Divergence
from statelift.verify.playing.schedule import Placed, Script, Turn
from statelift.verify.values import Fault

Play = Callable[[Script], Divergence | None]  # plays a script again, gives where it diverges
_SEEDS = 3  # worlds tried for a script with events at the same time: the order of their calls changes with it
_START = 4  # events that could be played while a run starts
_DOUBT = 400  # more events for a difference that may be none
MOST_SHRINKING = 1000


class _Shrinking:
    """One search. Its bound is a count of events, so that it ends alike on a busy machine."""

    def __init__(self, play: Play, found: Divergence, events: int) -> None:
        self._play = play
        self.best = found
        self._left = events

    @property
    def may_go_on(self) -> bool:
        """Whether another run may start. A doubtful difference has to be settled, however small the bound."""
        return self._left > (-_DOUBT if self.best.has_doubt else 0)

    def accepts(self, script: Script) -> bool:
        """Whether the script diverges, too, and as certainly: then it is the best one."""
        is_concurrent = any(len(turn.placed) > 1 for turn in script.turns)
        for seed in range(script.seed, script.seed + (_SEEDS if is_concurrent else 1)):
            if not script.turns or not self.may_go_on:
                return False
            self._left -= _START + len(script.events)
            found = self._play(replace(script, seed=seed))
            if found is not None and (self.best.has_doubt or not found.has_doubt):
                self.best = found
                return True
        return False


def shrunk(play: Play, found: Divergence, *, events: int = MOST_SHRINKING) -> Divergence:
    """The smallest divergence that was found while about so many events were played, a certain one if there is."""
    search = _Shrinking(play, found, events)
    for candidates in _PHASES:
        _descend(search, candidates)
    return search.best


def _descend(search: _Shrinking, candidates: Callable[[Script], Iterator[Script]]) -> None:
    """Take every candidate that diverges, pass after pass, until none does."""
    has_progress = True
    while has_progress and search.may_go_on:
        has_progress = False
        number = 0
        # Of the script that was taken, the candidates before this number have just failed.
        while (script := next(islice(candidates(search.best.script), number, None), None)) is not None:
            if search.accepts(script):
                has_progress = True
            else:
                number += 1


# ---------------------------------------------------------------- candidates, the boldest first


def _ends(script: Script) -> Iterator[Script]:
    """The last turn, the last two, the last four …: what parted often has little to do with the first ones."""
    count = len(script.turns)
    size = 1
    while size < count:
        yield _kept(script, range(count - size, count))
        size *= 2


def _one_at_a_time(script: Script) -> Iterator[Script]:
    """No events at the same time, or only in the turn that parts: then few orders explain what was before."""
    *before, last = script.turns
    if any(len(turn.placed) > 1 for turn in script.turns):
        yield _renumbered(script, [part for turn in script.turns for part in _parts(turn)])
    if any(len(turn.placed) > 1 for turn in before):
        yield _renumbered(script, [*(part for turn in before for part in _parts(turn)), last])


def _parts(turn: Turn) -> list[Turn]:
    """The events of a turn one after the other."""
    return [Turn((placed,), () if number else turn.recycled) for number, placed in enumerate(turn.placed)]


def _without_faults(script: Script) -> Iterator[Script]:
    plan = script.faults.plan
    if plan:
        yield replace(script, faults=replace(script.faults, plan=()))
        for dropped in range(len(plan)) if len(plan) < 8 else ():
            yield replace(script, faults=replace(script.faults, plan=plan[:dropped] + plan[dropped + 1 :]))


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
    """The events of one turn one after the other."""
    for number, turn in enumerate(script.turns):
        if len(turn.placed) > 1:
            yield _renumbered(script, [*script.turns[:number], *_parts(turn), *script.turns[number + 1 :]])


def _settled(script: Script) -> Iterator[Script]:
    """All events in one container, or else each in a new one."""
    slots = {placed.slot for placed in script.placed}
    if len(slots) == 1:
        return
    if all(len(turn.placed) == 1 for turn in script.turns):
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
    return replace(script, turns=tuple(turns), faults=replace(script.faults, plan=plan))


_PHASES = (
    _ends, _one_at_a_time, _without_faults, _without_halves, _without_one, _alone, _settled, _without_one, _plainer,
)  # fmt: skip
