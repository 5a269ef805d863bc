"""A run in the journal -> the project as it was before that run, in a folder of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from statelift.verify.resources import LEFT_OUT
from statelift.writing.journal import kept_bytes, list_runs
from statelift.writing.runs import HOME, Run, State

NEWEST = "last"


class NoRunError(ValueError):
    """There is no such run; the message says so, and which ones there are."""


def written_run(root: Path, run_id: str = NEWEST) -> Run:
    """The run of that id, or the newest that was written and not undone. NoRunError, WritingError."""
    done = [run for run in list_runs(root) if run.state is State.DONE]
    for run in reversed(done):
        if run_id in (NEWEST, run.id):
            return run
    known = ", ".join(run.id for run in done)
    raise NoRunError(f"{root} has no run {run_id}." if known else f"{root} has no run that was written.") from None


@contextmanager
def as_before(run: Run) -> Iterator[Path]:
    """A copy of the run's root with the bytes from before it. WritingError for a damaged journal, OSError."""
    with tempfile.TemporaryDirectory(prefix="statelift-before-") as made:
        folder = Path(made) / run.root.name
        shutil.copytree(run.root, folder, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT, HOME))
        for record in run.records:
            if record.before is None:
                (folder / record.path).unlink(missing_ok=True)
            else:
                (folder / record.path).write_bytes(kept_bytes(run, record, "before"))
        yield folder
