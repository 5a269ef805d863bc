"""What is asked of an alarm <-> Alarm: its facts, from which the text of every tool is written.

The one who asks for it says namespace, metric, threshold and dimensions, as they stand in the code that counts.
"""

import json
import re
from dataclasses import dataclass

from statelift.model import EnsureResource

PERIOD = 3600  # seconds; a container lives about some hours
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class AlarmError(ValueError):
    """What is said of an alarm makes none. The message says why."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """The sum of a metric over `period` seconds reaches the threshold.

    `dimensions` are names and values. `function` is one that counts: a program makes the alarm beside it.
    """

    namespace: str
    metric: str
    threshold: str
    dimensions: tuple[tuple[str, str], ...] = ()
    period: int = PERIOD
    function: str = ""

    @property
    def properties(self) -> tuple[tuple[str, str], ...]:
        """As properties of the operation."""
        said = {
            "namespace": self.namespace,
            "metric": self.metric,
            "threshold": self.threshold,
            "period": str(self.period),
            "function": self.function,
            "dimensions": json.dumps(dict(sorted(self.dimensions))) if self.dimensions else "",
        }
        return tuple((name, text) for name, text in said.items() if text)


def alarm_of(resource: EnsureResource) -> Alarm:
    """The facts of an alarm. Raises AlarmError where one is missing or no number."""
    said = dict(resource.properties)
    missing = sorted({"namespace", "metric", "threshold"} - set(said))
    if missing:
        raise AlarmError(
            f"The alarm {resource.id} lacks {', '.join(missing)}, so it cannot be written to a template."
        )
    for name in ("threshold", "period"):
        if not _NUMBER.fullmatch(said.get(name, "0")):
            raise AlarmError(f"The {name} of the alarm {resource.id} is not a number: {said[name]!r}.")
    return Alarm(
        said["namespace"],
        said["metric"],
        said["threshold"],
        _dimensions(resource.id, said.get("dimensions", "{}")),
        int(float(said.get("period", PERIOD))),
        said.get("function", ""),
    )


def _dimensions(name: str, text: str) -> tuple[tuple[str, str], ...]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise AlarmError(f"The dimensions of the alarm {name} are no names with texts: {text!r}.")
    return tuple(sorted(found.items()))


def notes_of(resource: EnsureResource) -> dict[str, str]:
    """What is told people beside the resource: all properties, of an alarm those that its body does not say."""
    notes = dict(resource.properties)
    return notes if resource.kind != "alarm" else {key: notes[key] for key in ("origin", "root") if key in notes}
