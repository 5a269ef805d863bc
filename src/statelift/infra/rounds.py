"""Document + askers -> Document: additions that do not touch each other are made, and proved, together.

An asker adds one thing and nothing where it is there already. Each is asked what it would add next; what comes of
that is made at once, and all are asked again until nothing is missing. Where a proof of several fails, the rest is
added one by one, so that the refusal is that of a single addition.
"""

from collections.abc import Callable, Iterator, Sequence

from statelift.infra.steps import Refusal, Sketched, Step
from statelift.infra.yamlpatch import Document
from statelift.locate.sites import Path

Asker = Callable[[Document], Document]

_MOST = 1000  # rounds; statements of a thousand parts are not written


def with_additions(document: Document, askers: Sequence[Asker]) -> Document:
    """Everything that is asked for, as if each had been added after the other. Raises Refusal."""
    for _ in range(_MOST):
        missing = [(asker, step) for asker in askers if (step := _next_step(document, asker)) is not None]
        if not missing:
            return document
        askers = [asker for asker, _ in missing]
        try:
            document = document.with_steps(list(_apart(step for _, step in missing)))
        except Refusal:
            return _one_by_one(document, askers)
    raise Refusal("The additions do not come to an end.")


def _one_by_one(document: Document, askers: Sequence[Asker]) -> Document:
    for asker in askers:
        document = asker(document)
    return document


def _next_step(document: Document, asker: Asker) -> Step | None:
    try:
        asker(document.sketch)
    except Sketched as sketched:
        return sketched.step
    return None


def _apart(steps: Iterator[Step]) -> Iterator[Step]:
    """Those that touch nothing of those before them.

    What is about one thing stands in front of what is about a larger one: behind that it has to wait for its place.
    """
    taken: set[Path] = set()
    above: set[Path] = set()
    largest: dict[Path, Path] = {}
    for step in steps:
        region, path = step.expected.region, step.expected.path
        ways = [region[:depth] for depth in range(len(region) + 1)]
        if region in above or not taken.isdisjoint(ways) or _is_smaller(region, largest.get(path)):
            continue
        taken.add(region)
        above.update(ways)
        largest[path] = region
        yield step


def _is_smaller(region: Path, other: Path | None) -> bool:
    return other is not None and str(region[-1]) < str(other[-1])
