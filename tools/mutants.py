"""fixtures -> mutants of their migrated programs, and which of them verify sees.

`python tools/mutants.py` runs all of them and writes `fixtures/open-mutants.json`: those that nobody saw. Each of
them needs its reason in docs/verify.md. With names of fixtures, only theirs, and nothing is written.
"""

import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from fixture_subjects import FIXTURES, migrated_cases, steps_of, subject_of
from mutations import Mutant, mutants_of

from statelift.runtime import HELPER_FILE
from statelift.verify.driver import Course, Pair, run_steps
from statelift.verify.events import Step
from statelift.verify.examine import Effort, fair, planned_runs, unchanged
from statelift.verify.sandbox import Sandbox
from statelift.verify.schedule import FRESH, Manner
from statelift.verify.subjects import Subject
from statelift.verify.values import CodeTree

OPEN = FIXTURES / "open-mutants.json"
# Only one event at a time: at the same time these part from the original without any mistake of a mutant's.
RACING = frozenset({"projects/package", "seeds/cart_on_disk", "seeds/transfer_funds"})
# All that can be compared depends on state that a person has to rewrite, or there are a thousand events.
LEFT_OUT = frozenset({"seeds/unique_instances", "seeds/request_counter"})
UNJUDGED = {"projects/plain": frozenset({"jobs:start"})}
EFFORT = Effort(runs=4)


@dataclass(frozen=True, slots=True)
class Bred:
    """A mutant of one file of a fixture."""

    fixture: str
    path: str
    mutant: Mutant

    @property
    def name(self) -> str:
        """Says everything: the helper's mutants are the same whichever fixture they run in."""
        where = HELPER_FILE if self.path.endswith(HELPER_FILE) else f"{self.fixture} {self.path}"
        return f"{where}, {self.mutant.name}"


@dataclass(frozen=True, slots=True)
class Ground:
    """A fixture as mutants are run in it: the program, the runs to try, and what ran in the unchanged program."""

    subject: Subject
    runs: tuple[tuple[Manner, list[Step], int], ...]
    lines: frozenset[tuple[str, int]]


def ground_of(sandbox: Sandbox, name: str) -> Ground:
    """Run the unchanged program everywhere: RuntimeError where it already parts from the original."""
    subject = subject_of(name)
    rules = replace(subject.pair.rules, unjudged=UNJUDGED.get(name, frozenset()))
    subject = replace(subject, pair=replace(subject.pair, rules=rules))
    steps = steps_of(name, subject)
    effort = replace(EFFORT, concurrency=1) if name in RACING else EFFORT
    before = run_steps(sandbox, unchanged(subject.pair), steps, FRESH, 0)
    runs = [(fair(manner, [before]), batch, seed) for manner, batch, seed in planned_runs(subject, steps, effort)]
    courses = [run_steps(sandbox, subject.pair, batch, manner, seed) for manner, batch, seed in runs]
    if parted := [course.divergence for course in courses if course.divergence is not None]:
        raise RuntimeError(f"{name} parts without a mutant: {parted[0].difference}")
    lines = frozenset(line for course in courses for line in course.lines)
    return Ground(subject, tuple(runs), lines)


def bred(name: str, ground: Ground) -> Iterator[Bred]:
    """The mutants of what the changes wrote: statements in the program's files, and what ran of the helper."""
    original = dict(ground.subject.pair.original.files)
    for path, data in ground.subject.pair.migrated.files:
        if path.endswith(".py") and original.get(path) != data:
            is_helper = path.endswith(HELPER_FILE)
            written = {each.first for each in ground.subject.statements if each.path == path}
            ran = {line for place, line in ground.lines if place == path}
            for mutant in mutants_of(data.decode(), ran if is_helper else written):
                yield Bred(name, path, mutant)


def is_seen(sandbox: Sandbox, ground: Ground, each: Bred) -> bool:
    """Whether a run tells the mutant from the original."""
    return seen_by(sandbox, ground, each) is not None


def seen_by(sandbox: Sandbox, ground: Ground, each: Bred) -> Course | None:
    """The first run that tells the mutant from the original."""
    pair = mutated(ground.subject.pair, each)
    for manner, batch, seed in ground.runs:
        course = run_steps(sandbox, pair, batch, manner, seed)
        if course.divergence is not None:
            return course
    return None


def mutated(pair: Pair, each: Bred) -> Pair:
    """The pair with the mutant on the migrated side."""
    files = {**dict(pair.migrated.files), each.path: each.mutant.text.encode()}
    return replace(pair, migrated=CodeTree(tuple(sorted(files.items()))))


def survivors(name: str, wanted: Callable[[Bred], bool] = lambda _: True) -> tuple[int, list[str]]:
    """How many mutants of a fixture were run, and the names of those that nobody saw."""
    with Sandbox() as sandbox:
        ground = ground_of(sandbox, name)
        chosen = [each for each in bred(name, ground) if wanted(each)]
        return len(chosen), [each.name for each in chosen if not is_seen(sandbox, ground, each)]


def _timed(name: str, known: Collection[str]) -> tuple[str, int, list[str], float, list[str]]:
    began = time.monotonic()
    with Sandbox() as sandbox:
        ground = ground_of(sandbox, name)
        chosen = [each for each in bred(name, ground) if each.name not in known]
        missed = [each.name for each in chosen if not is_seen(sandbox, ground, each)]
    return name, len(chosen), missed, time.monotonic() - began, [each.name for each in chosen]


def main(names: Sequence[str]) -> int:
    """Run the mutants of these fixtures, or of all; the share that was seen decides."""
    chosen = list(names) or [name for name in migrated_cases() if name not in LEFT_OUT]
    count, missed, known = 0, [], set[str]()
    for name in chosen:
        _, number, lost, seconds, ran = _timed(name, known)
        known |= set(ran)
        count += number
        missed += lost
        print(f"{name}: {number} mutants, {len(lost)} survive ({seconds:.0f} s)", flush=True)
        for each in lost:
            print(f"    {each}", flush=True)
    share = 1 - len(missed) / max(1, count)
    print(f"{count} mutants, {count - len(missed)} seen: {share:.1%}")
    if not names:
        OPEN.write_text(json.dumps({"mutants": count, "open": sorted(missed)}, indent=1) + "\n")
    return int(share < 0.95)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
