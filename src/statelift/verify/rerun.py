"""A recorded run -> both programs run it again, and what they answer is printed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statelift.analysis import analyse
from statelift.model import CellOptions, Options
from statelift.planfile import load_plan
from statelift.planning import plan_of
from statelift.verify.again import read_assumed, read_script
from statelift.verify.applied import as_before, written_run
from statelift.verify.examine import unchanged, with_resources, without_calls
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.playing.compare import shown
from statelift.verify.playing.driver import replay
from statelift.verify.subjects import Sources, Subject, originals_of, read_given, subjects_of


def rerun(
    root: str, code_root: str, changes: Sequence[str], script: str, *, given: Mapping[str, Any],
    options: Mapping[str, Any], left_out: Sequence[str] = (),
    assumed: Sequence[tuple[str, dict[str, Any]]] = (), is_original: bool = False,
    is_fresh: bool = False,
) -> None:  # fmt: skip
    """Plan the folder with these changes, run the script on both programs, print each event with both answers."""
    sources = Sources(**given)
    with _original(Path(root), sources) as folder:
        subjects = _subjects(folder, Path(root), changes, sources, _options(options), is_original=is_original)
        found = (each for each in subjects if each.name == code_root and each.pair.is_fresh == is_fresh)
        subject = next(found, None)
        if subject is None:
            raise SystemExit(f"{root} has no such changes any more: {', '.join(changes)}.")
        pair = with_resources(subject.pair, tuple(read_assumed(assumed)))
        pair = unchanged(pair) if is_original else pair
        with Sandbox(sources.python or None) as sandbox:
            course = replay(sandbox, without_calls(pair, frozenset(left_out)), read_script(script))
    for event, one, other in zip(course.script.events, course.expected, course.found, strict=False):
        print(f"{event.call} {event.payload}\n  original {shown(one)}\n  migrated {shown(other)}")
    print("They part." if course.divergence is not None else "They do not part.")


def _options(given: Mapping[str, Any]) -> Options:
    """As they were recorded: what is asked for cells is plain data there."""
    return Options(**{**given, "stores": tuple(CellOptions(**each) for each in given.get("stores", ()))})


@contextmanager
def _original(root: Path, sources: Sources) -> Iterator[Path]:
    """The folder with the program as it was before the migration."""
    if not sources.run:
        yield root
        return
    with as_before(written_run(root, sources.run)) as folder:
        yield folder


def _subjects(
    folder: Path, root: Path, changes: Sequence[str], sources: Sources, options: Options, *, is_original: bool
) -> list[Subject]:  # fmt: skip
    given = read_given(sources, written=root if sources.run else None)
    saved = load_plan(Path(sources.plan)) if sources.plan else None
    analysis = analyse([folder], options if saved is None else saved.options)
    made = plan_of(analysis, options) if saved is None else saved
    if is_original:
        return originals_of(made, analysis, given)
    return subjects_of(made, analysis, [change for change in made.changes if change.id in changes], given)
