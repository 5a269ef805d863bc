"""Shapes -> Steps: invents events from what the handlers read, with hypothesis; the same seed gives the same steps.

Values come from small pools, so that keys collide; some fields are missing; some values are of an odd type; some
events come twice; and what answers held feeds later events, so that a session id finds its way back.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from statelift.verify.events.reading import shapes_of
from statelift.verify.events.shapes import Scalar, Shape
from statelift.verify.events.steps import Entry, Json, Step
from statelift.verify.values import CodeTree

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    Strategy: TypeAlias = SearchStrategy[Json]
    _Tempers: TypeAlias = Sequence[SearchStrategy[Step]]

CHUNK = 8  # steps that are drawn together and share a temper
_NAMES: list[Json] = ["a", "b", "a", "c"]
# What an answer held under the same name, and what any answer held: the first one ever (0), the newest (1) …
_FED_BACK = (
    (0, "a", True),
    (0, "b", True),
    (1, "a", True),
    (1, "b", True),
    (2, "b", True),
    (0, "a", False),
    (1, "b", False),
)
_NUMBERS: list[Json] = [1, 2, 3, 1, 2, 5, 0.1, 0.2, 0, -1, 2.5, 10, 1000]
_NUMBER_WORDS = frozenset(
    "age amount balance bytes cents cost count credit credits delta duration height length level limit minutes "
    "number points price progress quantity qty rate score seconds size stock temperature total ttl weight".split()
)  # fmt: skip
_DIGITS: list[Json] = ["1", "2", "3", "1", "0", "10", 2, 7]
_ODD: list[Json] = [1, "1", True, None, 1.0, 0, "", False, "true", "é", "a b/c", "None", 0.1, "~a"]
_TWINS: list[list[Json]] = [  # keys that are easily taken for each other
    [1, "1", True, 1.0], ["a", "A", "a "], [None, "None", ""], [0, False, "0"],
]  # fmt: skip
_EMPTY: list[Json] = [0, "", None, False, [], 1, "1", 0.1]
_NESTED: list[Json] = [["a", 1], {"k": "a"}, [], {}, {"n": 0.1}, [1, [2]], {"a": None}, {"t": "é"}]
_PLAIN = frozenset({"pathParameters", "queryStringParameters", "headers", "stageVariables"})
_RECORDS: Mapping[str, Mapping[str, tuple[Scalar, ...]]] = {
    "body": {
        "messageId": ("m-1", "m-2", "m-3", "m-4"), "receiptHandle": ("r",), "eventSource": ("aws:sqs",),
        "eventSourceARN": ("arn:aws:sqs:us-east-1:123456789012:queue",),
    },
    "s3": {"eventSource": ("aws:s3",), "eventName": ("ObjectCreated:Put",), "awsRegion": ("us-east-1",)},
    "Sns": {"EventSource": ("aws:sns",), "EventVersion": ("1.0",)},
    "dynamodb": {"eventSource": ("aws:dynamodb",), "eventName": ("INSERT", "MODIFY", "REMOVE")},
    "kinesis": {"eventSource": ("aws:kinesis",), "eventID": ("e-1", "e-2")},
}  # fmt: skip
_GATEWAY: Mapping[str, tuple[Scalar, ...]] = {"isBase64Encoded": (False,)}


def generated_steps(tree: CodeTree, entries: Sequence[Entry], count: int, seed: int) -> list[Step]:
    """`count` steps that call the entries in turn, drawn from what the program reads of its arguments."""
    if not entries or count <= 0:
        return []
    tempers = list(zip(*(_steps(entry, shapes_of(tree, entry.call)) for entry in entries), strict=True))
    order = [0, 1, *(temper for number in range(2, len(tempers)) for temper in (0, number))]
    found: list[Step] = []
    for number in range(-(-count // CHUNK)):
        temper = order[(number + 3 * seed) % len(order)]
        chunk = _drawn(_chunk(tempers[temper]), seed * 1009 + number)
        found += _twice(chunk) if (number + seed) // 2 % 2 else chunk
    return found[:count]


def _twice(chunk: Sequence[Step]) -> list[Step]:
    """The first half of a chunk, each step two times: an event can come again, also while it is at work."""
    return [step for step in chunk[: CHUNK // 2] for _ in range(2)]


def _chunk(steps: "Sequence[SearchStrategy[Step]]") -> "SearchStrategy[list[Step]]":
    """A few steps of one temper."""
    from hypothesis import strategies as st

    return st.lists(st.one_of(list(steps)), min_size=CHUNK, max_size=CHUNK)


def _drawn(strategy: "SearchStrategy[list[Step]]", seed: int) -> list[Step]:
    """One example. Hypothesis begins with the simplest ones, of little use here: the last one counts."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    found: list[list[Step]] = []

    @seeded(seed)
    @settings(
        max_examples=4,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(chunk: list[Step]) -> None:
        found.append(chunk)

    collect()
    return found[-1]


def _steps(entry: Entry, shapes: tuple[Shape, ...]) -> "_Tempers":
    """The steps of one function in every temper: sober, odd, and one for each group of twins."""

    def step(payload: Json) -> Step:
        return Step(entry.call, entry.style, payload)

    makers = [Maker(), Maker(is_odd=True), *(Maker(keys=twins) for twins in _TWINS)]
    return [_payload(entry, shapes, maker).map(step) for maker in makers]


def _payload(entry: Entry, shapes: tuple[Shape, ...], maker: "Maker") -> "Strategy":
    from hypothesis import strategies as st

    if entry.style == "call":
        values: Strategy = st.tuples(*(maker.of(shape) for shape in shapes)).map(list)
        return values
    event = shapes[0] if shapes else Shape()
    _complete(event)
    return maker.of(event) if event.keys or event.item else st.just({})


# ---------------------------------------------------------------- known envelopes


def _complete(event: Shape) -> None:
    """Add what AWS always sends where the handler reads a part of a known event."""
    records = event.keys.get("Records")
    if records is not None and records.item is not None:
        for mark, fields in _RECORDS.items():
            if mark in records.item.keys:
                _fill(records.item, fields)
        return
    for name in _PLAIN & event.keys.keys():
        event.optional.discard(name)
        for part in event.keys[name].keys.values():
            part.uses.add("text")
    if "body" in event.keys and event.keys["body"].parsed is not None:
        event.optional.discard("body")
        _fill(event, _GATEWAY)


def _fill(shape: Shape, fields: Mapping[str, tuple[Scalar, ...]]) -> None:
    for name, values in fields.items():
        if name not in shape.keys:
            shape.child(name).compared(values)
            shape.child(name).uses.add("fixed")


# ---------------------------------------------------------------- values


class Maker:
    """Shapes -> strategies. Odd ones also give values of types that the program may not expect.

    With `keys`, what the program looks up is one of these, and what it keeps is often empty.
    """

    def __init__(self, *, is_odd: bool = False, keys: Sequence[Json] = ()) -> None:
        self._is_odd = is_odd
        self._keys = list(keys)

    def of(self, shape: Shape) -> "Strategy":
        """Values of one shape, with markers for what is known only later."""
        from hypothesis import strategies as st

        if shape.parsed is not None:
            return self._json(shape.parsed)
        if shape.keys:
            return self._record(shape)
        if shape.item is not None:
            return self._many(shape.item, is_mapping="mapping" in shape.uses)
        pool = self._pool(shape)
        return st.sampled_from(pool) if "base64" not in shape.uses else st.sampled_from(pool).map(_encoded)

    def _json(self, inner: Shape) -> "Strategy":
        return self.of(inner).map(lambda value: {"$json": value})

    def _record(self, shape: Shape) -> "Strategy":
        from hypothesis import strategies as st

        parts = {name: self.of(part) for name, part in shape.keys.items()}

        @st.composite
        def record(draw: "DrawFn") -> Json:
            found: dict[str, Json] = {}
            for name, part in parts.items():
                # one in five where the program has a fallback, else 3 of 100
                chances = 5 if name in shape.optional else 33 if self._is_odd else 0
                if not chances or draw(st.sampled_from(range(chances))):
                    found[name] = draw(part)
            return found

        return record()

    def _many(self, item: Shape, *, is_mapping: bool) -> "Strategy":
        from hypothesis import strategies as st

        lists = st.sampled_from([1, 2, 1, 3, 0]).flatmap(
            lambda size: st.lists(self.of(item), min_size=size, max_size=size)
        )
        if not is_mapping:
            return lists
        return lists.map(lambda values: dict(zip(("a", "b", "c"), values, strict=False)))

    def _pool(self, shape: Shape) -> list[Json]:
        if "fixed" in shape.uses:
            return list(shape.constants)
        odd = self._odd(shape) if self._is_odd else []
        if "digits" in shape.uses:
            return [*_DIGITS, *shape.constants, *odd]
        if "number" in shape.uses or _has_number_name(shape):
            numbers = [each for each in shape.constants if isinstance(each, int | float)]
            return [*_NUMBERS, *(near for each in numbers for near in (each, each + 1, each - 1)), *odd]
        if shape.constants:
            others: list[Json] = ["other"] * max(1, len(shape.constants) // 8)
            return [*shape.constants, *shape.constants[1:], *others, *([*shape.constants, *odd[:1]] if odd else [])]
        if self._keys and "text" not in shape.uses:
            return self._keys if "key" in shape.uses else [*_NAMES[:2], *_EMPTY]
        feedback: list[Json] = [
            {"$feedback": shape.name, "pick": pick, "else": name, "is_named": is_named}
            for pick, name, is_named in _FED_BACK
        ]
        return [*_NAMES, *feedback, *odd]

    def _odd(self, shape: Shape) -> list[Json]:
        if "text" in shape.uses:
            return [each for each in _ODD if isinstance(each, str)]
        return list(_ODD) if "key" in shape.uses else [*_ODD[:6], *_NESTED]


def _has_number_name(shape: Shape) -> bool:
    words = set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", shape.name).lower()))
    return bool(words & _NUMBER_WORDS) and not shape.constants and not shape.uses & {"key", "text"}


def _encoded(value: Json) -> Json:
    import base64
    import json

    text = value if isinstance(value, str) else json.dumps(value)
    return base64.b64encode(text.encode()).decode()
