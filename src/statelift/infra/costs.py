"""changes + prices -> Note per change: calls, time and money that it adds, and what limits it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from statelift.infra.names import given_name, kind_of
from statelift.model import Change, EnsureGrant, EnsureResource

DEFAULT_RATE = 1_000_000  # invocations a month


class PriceError(ValueError):
    """A table of prices cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class Price:
    """One call: money per million of them, usual milliseconds in the same region, what one unit is."""

    per_million: float
    milliseconds: float
    unit: str


@dataclass(frozen=True, slots=True)
class Prices:
    """A table of prices. `storage` is money per GB and month by kind of resource, backups of tables included."""

    date: str
    region: str
    currency: str
    calls: Mapping[str, Price]
    storage: Mapping[str, float]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """What one resource of a change costs where each invocation makes each call once."""

    change: str
    resource: str
    kind: str
    calls: tuple[str, ...]
    milliseconds: float
    monthly: float
    unknown: tuple[str, ...] = ()


@cache
def known_prices() -> Prices:
    """The table that comes along."""
    return _read(files("statelift.infra").joinpath("prices.json").read_text(encoding="utf-8"))


def load_prices(path: Path) -> Prices:
    """A table of the same form. Raises PriceError, OSError."""
    try:
        return _read(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PriceError(
            f"{path} is no table of prices as statelift/infra/prices.json is one: {error!r}"
        ) from error


def _read(text: str) -> Prices:
    data = json.loads(text)
    return Prices(
        str(data["date"]),
        str(data["region"]),
        str(data["currency"]),
        {
            name: Price(float(p["per_million"]), float(p["milliseconds"]), str(p["unit"]))
            for name, p in data["calls"].items()
        },
        {kind: float(price) for kind, price in data["storage"].items()},
        {kind: str(limit) for kind, limit in data["limits"].items()},
    )


def notes(changes: Iterable[Change], prices: Prices, rate: int = DEFAULT_RATE) -> Iterator[Note]:
    """A note for each table and bucket of each change; `rate` is invocations a month of each function."""
    for change in changes:
        resources: dict[str, str] = {op.id: op.kind for op in change.ops if isinstance(op, EnsureResource)}
        given = (op.resource for op in change.ops if isinstance(op, EnsureGrant))
        resources |= {name: str(kind_of(name)) for name in given if given_name(name)}
        for resource, kind in sorted(resources.items()):
            mine = [op for op in change.ops if isinstance(op, EnsureGrant) and op.resource == resource]
            grants = list({(op.function, op.actions, op.key_prefix): op for op in mine}.values())  # not by stages
            if kind in prices.storage:
                yield _note(change.id, resource, kind, grants, prices, rate)


def _note(change: str, resource: str, kind: str, grants: list[EnsureGrant], prices: Prices, rate: int) -> Note:
    every = [action for grant in grants for action in dict.fromkeys(grant.actions)]
    priced = [prices.calls[action] for action in every if action in prices.calls]
    per_function = (
        sum(prices.calls[action].milliseconds for action in grant.actions if action in prices.calls)
        for grant in grants
    )
    return Note(
        change,
        resource,
        kind,
        tuple(sorted(set(every))),
        max(per_function, default=0.0),
        sum(price.per_million for price in priced) * rate / 1_000_000,
        tuple(sorted({action for action in every if action not in prices.calls})),
    )


def in_short(change: Change) -> str:
    """One line of what a change costs at the usual rate and the known prices; "" where it costs nothing."""
    prices = known_prices()
    found = list(notes([change], prices))
    if not found:
        return ""
    time, money = sum(note.milliseconds for note in found), sum(note.monthly for note in found)
    names = ", ".join(note.resource for note in found)
    return (
        f"costs with {names}: about {time:.0f} ms a call and {money:,.2f} {prices.currency} a month"
        f" at {DEFAULT_RATE:,} calls (statelift infra: more)"
    )


def lines(found: Iterable[Note], prices: Prices, rate: int) -> Iterator[str]:
    """The notes for people."""
    for note in found:
        calls = ", ".join(action.partition(":")[2] for action in note.calls) or "no call"
        text = (
            f"{note.change} {note.resource}: {calls}; about {note.milliseconds:.0f} ms and {note.monthly:,.2f}"
            f" {prices.currency} a month more, plus {prices.storage[note.kind]:g} {prices.currency} per GB;"
            f" {prices.limits.get(note.kind, 'no limit is known')}"
        )
        yield f"{text}; without a price: {', '.join(note.unknown)}" if note.unknown else text
    yield (
        f"Reckoned with {rate:,} invocations a month of each function that make each call once, smallest units,"
        f" prices of {prices.region} on {prices.date}."
    )
