"""Values of the facts -> where they come from, and what decides which of several values it is."""

from statelift.facts.values import Atom, Value
from statelift.link.sources import Sources


class Deciding(Sources):
    """As `Sources`: what a test asks on the way to one of two values is a source of the value, too."""

    def _atoms(self, value: Value) -> frozenset[Atom]:
        return value.atoms | value.deciding
