"""fixtures -> mutants of their migrated programs, and which of them verify sees.

`python tools/mutants.py` runs a sample of them, the same each time and spread over all fixtures, and writes
`fixtures/open-mutants.json`: how many were run, and those that no run saw, for each of which a person writes the
reason there. With names of fixtures, only theirs, and nothing is written. `--all` takes every mutant. `-j N` runs N
fixtures at the same time. `--helper` puts the mistakes into the generated helper instead, and only tells which ones
these programs do not show: it has guards for values that they never keep, and tests of its own for those.
"""

import json
import sys
import zlib
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from fixture_subjects import FIXTURES, catalogue_cases, migrated_cases, steps_of, subject_of
from mutations import Mutant, mutants_of

from statelift.runtime import HELPER_FILE
from statelift.verify.events.steps import Step
from statelift.verify.examine import Effort, fair, planned_runs, settle, unchanged
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.driver import Course, Pair, run_steps
from statelift.verify.playing.schedule import FRESH, Manner
from statelift.verify.subjects import Subject
from statelift.verify.values import CodeTree

OPEN = FIXTURES / "open-mutants.json"
# Only one event at a time: at the same time these part from the original without any mistake of a mutant's.
RACING = frozenset({"projects/package", "seeds/cart_on_disk", "seeds/transfer_funds"})
# All that can be compared depends on state that a person has to rewrite, or there are a thousand events.
LEFT_OUT = frozenset({"seeds/unique_instances", "seeds/request_counter"})
# Together they use every part of the helper.
HOSTS = ("projects/shop", "seeds/cart_local", "projects/plain", "projects/package", "seeds/cart_on_disk")
UNJUDGED = {"projects/plain": frozenset({"jobs:start"})}
EVERY = 3  # each of so many programs of the catalogue
EFFORT = Effort(runs=4)
SAMPLED = 75  # of 100 mutants of the programs
SAMPLED_HELPERS = 15  # of 100 of the helper's


Wanted = Callable[[str], bool]
Breed = Callable[[Sandbox, str, "Ground", Wanted], "Iterator[Bred]"]


def is_in_sample(mutant: str) -> bool:
    """Whether the mutant of that name is run: decided by its name, so others may come and go."""
    share = SAMPLED_HELPERS if mutant.startswith(HELPER_FILE) else SAMPLED
    return zlib.crc32(mutant.encode()) % 100 < share


def is_any(mutant: str) -> bool:
    """Every mutant."""
    return bool(mutant)


@dataclass(frozen=True, slots=True)
class Bred:
    """A mutant of one file of a fixture."""

    fixture: str
    path: str
    mutant: Mutant

    @property
    def is_helper(self) -> bool:
        """Whether it is one of the generated helper."""
        return self.path.endswith(HELPER_FILE)

    @property
    def name(self) -> str:
        """Says everything: the helper's mutants are the same whichever fixture they run in."""
        where = HELPER_FILE if self.is_helper else f"{self.fixture} {self.path}"
        return f"{where}, {self.mutant.name}"


@dataclass(frozen=True, slots=True)
class Ground:
    """A fixture as mutants are run in it: the program, the runs to try, and what came of those without a mutant."""

    subject: Subject
    runs: tuple[tuple[Manner, list[Step], int], ...]
    plain: dict[int, Course] = field(default_factory=dict)

    def without_mutant(self, sandbox: Sandbox, number: int) -> Course:
        """One of the runs of the unchanged program. RuntimeError where it already parts from the original."""
        if number not in self.plain:
            manner, batch, seed = self.runs[number]
            course = run_steps(sandbox, self.subject.pair, batch, manner, seed)
            if course.divergence is not None:
                raise RuntimeError(f"{self.subject.name} parts without a mutant: {course.divergence.difference}")
            self.plain[number] = course
        return self.plain[number]

    def lines(self, sandbox: Sandbox) -> set[tuple[str, int]]:
        """All lines that ran in the unchanged program."""
        courses = [self.without_mutant(sandbox, number) for number in range(len(self.runs))]
        return {line for course in courses for line in course.lines}


def ground_of(sandbox: Sandbox, name: str) -> Ground:
    """The program of a fixture, and the runs that its mutants go through."""
    subject = subject_of(name)
    rules = replace(subject.pair.rules, unjudged=UNJUDGED.get(name, frozenset()))
    subject = replace(subject, pair=replace(subject.pair, rules=rules))
    steps = steps_of(name, subject)
    effort = replace(EFFORT, concurrency=1) if name in RACING else EFFORT
    before = run_steps(sandbox, unchanged(subject.pair), steps, FRESH, 0)
    runs = [(fair(manner, [before]), batch, seed) for manner, batch, seed in planned_runs(subject, steps, effort)]
    return Ground(subject, tuple(runs))


def bred(sandbox: Sandbox, name: str, ground: Ground, is_wanted: Wanted = is_in_sample) -> Iterator[Bred]:
    """The mutants of the statements that the changes wrote into the program's files."""
    for path, data in _written(ground):
        if not path.endswith(HELPER_FILE):
            lines = {each.first for each in ground.subject.statements if each.path == path}
            for mutant in mutants_of(data.decode(), lines, partial(_is_wanted, is_wanted, f"{name} {path}")):
                yield Bred(name, path, mutant)


def bred_helpers(sandbox: Sandbox, name: str, ground: Ground, is_wanted: Wanted = is_in_sample) -> Iterator[Bred]:
    """The mutants of what ran of the helper."""
    for path, data in _written(ground):
        if path.endswith(HELPER_FILE):
            lines = {line for place, line in ground.lines(sandbox) if place == path}
            for mutant in mutants_of(data.decode(), lines, partial(_is_wanted, is_wanted, HELPER_FILE)):
                yield Bred(name, path, mutant)


def _written(ground: Ground) -> list[tuple[str, bytes]]:
    """The files of the program that the changes wrote."""
    original = dict(ground.subject.pair.original.files)
    files = ground.subject.pair.migrated.files
    return [(path, data) for path, data in files if path.endswith(".py") and original.get(path) != data]


def _is_wanted(is_wanted: Wanted, where: str, mutant: str) -> bool:
    return is_wanted(f"{where}, {mutant}")


def seen_by(sandbox: Sandbox, ground: Ground, each: Bred) -> Course | None:
    """The first run that tells the mutant from the original, for certain."""
    pair = mutated(ground.subject.pair, each)
    for number, (manner, batch, seed) in enumerate(ground.runs):
        course = run_steps(sandbox, pair, batch, manner, seed)
        if course.divergence is not None:
            settle(sandbox, pair, course, 0)
        if course.divergence is not None:
            ground.without_mutant(sandbox, number)
            return course
    return None


def mutated(pair: Pair, each: Bred) -> Pair:
    """The pair with the mutant on the migrated side."""
    files = {**dict(pair.migrated.files), each.path: each.mutant.text.encode()}
    return replace(pair, migrated=CodeTree(tuple(sorted(files.items()))))


def tried(name: str, breed: Breed, is_wanted: Wanted) -> Iterator[tuple[str, bool]]:
    """The names of a fixture's mutants, and whether each was seen."""
    with Sandbox() as sandbox:
        ground = ground_of(sandbox, name)
        for each in breed(sandbox, name, ground, is_wanted):
            yield each.name, seen_by(sandbox, ground, each) is not None


def _own(name: str, is_wanted: Wanted) -> dict[str, bool]:
    """The mutants of a fixture's own files; none of a program of the catalogue that is not migrated, or parts."""
    try:
        return _told(name, tried(name, bred, is_wanted))
    except (RuntimeError, ValueError) as error:
        if not name.startswith("catalogue/"):
            raise
        print(f"{name}: left out, {error}", flush=True)
        return {}


def helpers(names: Sequence[str], is_wanted: Wanted) -> dict[str, bool]:
    """The mutants of the helper, each in the fixtures that run it, up to the first that sees it."""
    found: dict[str, bool] = {}

    def is_new(mutant: str) -> bool:
        return not found.get(mutant) and is_wanted(mutant)

    for name in names:
        found |= _told(f"{name}, the helper", tried(name, bred_helpers, is_new))
    return found


def _told(name: str, outcomes: Iterable[tuple[str, bool]]) -> dict[str, bool]:
    """All outcomes; what survives is printed at once."""
    found: dict[str, bool] = {}
    for mutant, is_dead in outcomes:
        found[mutant] = is_dead
        if not is_dead:
            print(f"    survives: {mutant}", flush=True)
    print(f"{name}: {len(found)} mutants, {list(found.values()).count(False)} survive", flush=True)
    return found


def main() -> int:
    """Run the mutants of these fixtures, or of all; the share that was seen decides."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("fixtures", nargs="*")
    parser.add_argument("-j", type=int, default=1, metavar="N")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--helper", action="store_true")
    asked = parser.parse_args()
    is_wanted = is_any if asked.all else is_in_sample
    names = asked.fixtures or [name for name in migrated_cases() if name not in LEFT_OUT]
    if not (asked.fixtures or asked.helper):
        names += catalogue_cases()[::EVERY]
    if asked.helper:
        helpers([name for name in HOSTS if name in names], is_wanted)
        return 0
    with ProcessPoolExecutor(asked.j) as pool:
        own = pool.map(_own, names, [is_wanted] * len(names))
        found = {name: is_dead for each in own for name, is_dead in each.items()}
    return told(found, is_kept=not asked.fixtures)


def told(found: dict[str, bool], *, is_kept: bool) -> int:
    """Print the share that was seen, and what is not explained; write it down. The exit code."""
    missed = sorted(name for name, is_dead in found.items() if not is_dead)
    share = 1 - len(missed) / max(1, len(found))
    print(f"{len(found)} mutants, {len(found) - len(missed)} seen: {share:.1%}")
    unexplained = [name for name in missed if not explained().get(name)]
    for name in unexplained:
        print(f"    not explained in {OPEN.name}: {name}")
    if is_kept:
        reasons = {name: explained().get(name, "") for name in missed}
        OPEN.write_text(json.dumps({"mutants": len(found), "open": reasons}, indent=1) + "\n")
    return int(share < 0.95 or bool(unexplained))


def explained() -> dict[str, str]:
    """The mutants that no run sees, as they were last written down, and why: a person gives the reasons."""
    found: dict[str, str] = json.loads(OPEN.read_text())["open"] if OPEN.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
