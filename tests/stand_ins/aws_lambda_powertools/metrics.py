"""A stand-in."""

from enum import Enum


class MetricUnit(Enum):
    Count = "Count"
    Milliseconds = "Milliseconds"
