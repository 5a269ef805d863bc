"""Files -> Steps: invocations that people wrote down, and what stands in them until its turn comes.

A step may hold markers, because an answer is known only once it was given: `{"$answer": 3, "at": ["token"]}` is
(a part of) the answer to step 3, `{"$feedback": "token", "pick": 2, "else": "a"}` some value that earlier answers
had under that name (or, unless `"is_named"` is true, some text of theirs), `{"$json": …}` the JSON text of what
stands in it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from statelift.verify.values import Event

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
START = 1_700_000_000.0  # seconds since the epoch: when the first event of a run happens


class EventsError(ValueError):
    """Events that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A function that can be invoked: `call` is `module:attribute`; files of events can also use its `names`."""

    call: str
    style: Literal["lambda", "call"] = "lambda"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One invocation to come: the event of a handler, or the list of a plain function's arguments, with markers."""

    call: str
    style: Literal["lambda", "call"]
    payload: Json


class Memory:
    """What the answers so far were, for the markers of later steps."""

    def __init__(self) -> None:
        self.answers: list[Json] = []
        self._values: dict[str, list[Json]] = {"": []}

    def note(self, answer: Json) -> None:
        """Keep the answer to the next step, and the texts and numbers in it by the name of their key."""
        self.answers.append(answer)
        for name, value in _leaves(answer, ""):
            pool = self._values.setdefault(_plain(name), [])
            if value not in pool:
                pool.append(value)
            if isinstance(value, str) and value not in self._values[""]:
                self._values[""].append(value)

    def recall(self, name: str, pick: int, otherwise: Json, *, is_named: bool = False) -> Json:
        """The first thing that an answer had under the name (`pick` 0), the newest (1), the one before …

        Where no answer had the name, some text of an answer; with `is_named`, and where there is none, `otherwise`.
        """
        pool = self._values.get(_plain(name)) or ([] if is_named else self._values[""])
        if not pool:
            return otherwise
        return pool[-min(pick, len(pool))]


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _leaves(value: Json, name: str) -> Iterator[tuple[str, Json]]:
    match value:
        case dict():
            for key, item in value.items():
                yield from _leaves(item, key)
        case list():
            for item in value:
                yield from _leaves(item, name)
        case str() if name == "body" and value[:1] in ("{", "["):
            yield from _leaves(_parsed(value), "")
        case str() if 0 < len(value) < 200:
            yield name, value
        case int() | float() if not isinstance(value, bool):
            yield name, value
        case _:
            pass


def _parsed(text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except ValueError:
        return None
    return found


def filled(value: Json, memory: Memory) -> Json:
    """The value with every marker replaced. EventsError for an answer that is not there."""
    match value:
        case dict():
            return _marker(value, memory)
        case list():
            return [filled(item, memory) for item in value]
        case _:
            return value


def _marker(value: dict[str, Json], memory: Memory) -> Json:
    match value:
        case {"$answer": int(number)}:
            return _answer(memory, number, value.get("at"))
        case {"$feedback": str(name), "pick": int(pick)}:
            return memory.recall(name, pick, value.get("else"), is_named=value.get("is_named") is True)
        case {"$json": inner}:
            return json.dumps(filled(inner, memory))
        case _:
            return {key: filled(item, memory) for key, item in value.items()}


def _answer(memory: Memory, number: int, at: Json) -> Json:
    if not 0 <= number < len(memory.answers):
        raise EventsError(f"$answer {number} is not the number of an earlier step (the first one is 0).")
    found = memory.answers[number]
    for key in at if isinstance(at, list) else []:
        match found, key:
            case dict(), str() if key in found:
                found = found[key]
            case list(), int() if -len(found) <= key < len(found):
                found = found[key]
            case _:
                return None
    return found


def event_of(step: Step, memory: Memory, number: int, at: float, seed: int = 0) -> Event:
    """The step as an event to send. `number` tells the events of a run apart, `at` is its time."""
    payload = json.dumps(filled(step.payload, memory))
    return Event(step.call, payload, seed=seed * 1_000_003 + number, at=at, style=step.style)


# ---------------------------------------------------------------- files


def read_steps(path: Path, entries: Sequence[Entry]) -> list[Step]:
    """The steps of a file (JSON, or JSON lines), or of the *.json files of a folder in the order of their names.

    A file holds a list of `{"call": …, "args": […]}`, a list of events, or one event. An event that names no
    function goes to the one whose name is in the file's name, else to every handler. EventsError says why not.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.json"))
        if not files:
            raise EventsError(f"{path} holds no *.json file.")
        return [step for file in files for step in read_steps(file, entries)]
    steps: list[Step] = []
    last: list[int] = []  # the number of the step that answers for each item: the last one of its repetitions
    for number, item in enumerate(_items(path)):
        steps += _steps(_renumbered(item, last), path, number, entries)
        last.append(len(steps) - 1)
    return steps


def _renumbered(value: Json, last: Sequence[int]) -> Json:
    """The item with the numbers of items in `$answer` replaced by those of steps."""
    match value:
        case {"$answer": int(number)} if 0 <= number < len(last):
            at: dict[str, Json] = {"at": value["at"]} if isinstance(value, dict) and "at" in value else {}
            return {"$answer": last[number], **at}
        case dict():
            return {key: _renumbered(item, last) for key, item in value.items()}
        case list():
            return [_renumbered(item, last) for item in value]
        case _:
            return value


def _items(path: Path) -> list[Json]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix in (".jsonl", ".ndjson"):
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        found: Json = json.loads(text)
    except OSError as error:
        raise EventsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise EventsError(f"{path} is not JSON: {error}.") from error
    return found if isinstance(found, list) else [found]


def _steps(item: Json, path: Path, number: int, entries: Sequence[Entry]) -> Iterator[Step]:
    match item:
        case {"call": str(call), "args": list(arguments), **rest}:
            repeat = rest.get("repeat", 1)
            times = repeat if isinstance(repeat, int) else 1
            step = _called(call, arguments, entries, f"{path}: item {number}")
            for _ in range(times):
                yield step
        case {"call": str(call), "event": event}:
            yield _called(call, [event, None], entries, f"{path}: item {number}")
        case _:
            for entry in _meant(path, entries):
                yield Step(entry.call, "lambda", item)


def _called(call: str, arguments: list[Json], entries: Sequence[Entry], where: str) -> Step:
    entry = next((each for each in entries if call in (each.call, *each.names)), None)
    is_event = len(arguments) == 2 and arguments[1] is None
    if entry is None and ":" not in call:
        known = ", ".join(each.call for each in entries)
        raise EventsError(f"{where}: there is no function {call}; this project has {known}.")
    style: Literal["lambda", "call"] = "lambda" if is_event else "call"
    return Step(call if entry is None else entry.call, style, arguments[0] if is_event else arguments)


def _meant(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """The handlers that an event without a name is for."""
    handlers = [entry for entry in entries if entry.style == "lambda"]
    if not handlers:
        raise EventsError(f'{path}: there is no handler for this event; write {{"call": …, "args": […]}}.')
    named = [entry for entry in handlers if _is_named(path, entry)]
    return named or handlers


def _is_named(path: Path, entry: Entry) -> bool:
    words = {_plain(word) for word in (path.stem, path.parent.name)}
    return any(
        _plain(name) in word or word in _plain(name) for name in entry.names for word in words if len(word) > 2
    )


def answer_of(payload: str) -> Json:
    """The value of a reply's JSON text, None where it is no JSON."""
    return _parsed(payload)
