"""A recorded run -> both programs run it again, and what they answer is printed."""

from collections.abc import Sequence
from pathlib import Path

from statelift.analysis import analyse
from statelift.model import Options
from statelift.planfile import load_plan
from statelift.planning import plan_of
from statelift.verify.again import read_script
from statelift.verify.compare import shown
from statelift.verify.driver import replay
from statelift.verify.examine import unchanged
from statelift.verify.sandbox import Sandbox
from statelift.verify.subjects import Sources, originals_of, read_given, subjects_of


def rerun(
    root: str, code_root: str, changes: Sequence[str], script: str, *, is_original: bool = False,
    plan: str = "", resources: str = "", http: str = "", ignore: Sequence[str] = (),
) -> None:  # fmt: skip
    """Plan the folder with these changes, run the script on both programs, print each event with both answers."""
    given = read_given(Sources(plan, resources, http, tuple(ignore)))
    saved = load_plan(Path(plan)) if plan else None
    options = Options() if saved is None else saved.options
    analysis = analyse([Path(root)], options)
    made = plan_of(analysis, options) if saved is None else saved
    chosen = [change for change in made.changes if change.id in changes]
    subjects = originals_of(made, analysis, given) if is_original else subjects_of(made, analysis, chosen, given)
    subject = next((each for each in subjects if each.name == code_root), None)
    if subject is None:
        raise SystemExit(f"{root} has no such changes any more: {', '.join(changes)}.")
    pair = unchanged(subject.pair) if is_original else subject.pair
    with Sandbox() as sandbox:
        course = replay(sandbox, pair, read_script(script))
    for event, one, other in zip(course.script.events, course.expected, course.found, strict=False):
        print(f"{event.call} {event.payload}\n  original {shown(one)}\n  migrated {shown(other)}")
    print("They part." if course.divergence is not None else "They do not part.")
