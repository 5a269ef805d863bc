"""FileWrites -> Run: all of them are written, or none; what a crash leaves can be finished or undone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from statelift.model import FileWrite
from statelift.writing.errors import (
    NothingToResumeError,
    NothingToWriteError,
    PendingRunError,
    StaleError,
    WriteFailedError,
    WritingError,
    listing,
)
from statelift.writing.guard import check_fresh, check_paths, real_root
from statelift.writing.journal import Step, drop_staged, list_runs, mark, no_step, note, prepare
from statelift.writing.lock import locked
from statelift.writing.runs import FileRecord, Run, State
from statelift.writing.swap import Standing, discard_temps, standing, write_new
from statelift.writing.undo import refuse_edited, rewind, standings, take_back
from statelift.writing.worktree import check_clean


def apply_writes(
    root: Path,
    writes: Sequence[FileWrite],
    *,
    allow_dirty: bool,
    change_ids: Sequence[str],
    step: Step = no_step,
) -> Run:
    """Write all files below `root`, or leave all as they are. Interrupted, the run stays pending.

    Raises RefusedPathError, StaleError, DirtyTreeError, PendingRunError, BusyError, NothingToWriteError (then
    nothing was touched), WriteFailedError (then everything was put back, or the message says what was not).
    """
    root = real_root(root)
    if not writes:
        raise NothingToWriteError("There is nothing to write: no change was chosen.")
    check_paths(root, [write.path for write in writes])
    with locked(root):
        _refuse_pending(root)
        check_fresh(root, writes)
        if not allow_dirty:
            check_clean(root, [write.path for write in writes])
        with _nothing_written():
            run = prepare(root, writes, change_ids, step)
        return _carry_out(run, step)


def pending_runs(root: Path) -> list[Run]:
    """The runs that stopped half way, oldest first. Raises DamagedJournalError, RefusedPathError."""
    return [run for run in list_runs(real_root(root)) if run.is_pending]


def resume(root: Path, run_id: str, *, step: Step = no_step) -> Run:
    """Finish a pending run in the direction it was going (an undo stays an undo); a done one is returned.

    Raises EditedSinceError where a file is neither old nor new, NothingToResumeError, WriteFailedError, BusyError.
    """
    root = real_root(root)
    _find(root, run_id)
    with locked(root):
        run = _find(root, run_id)
        if run.state is State.DONE:
            return run
        check_paths(run.root, run.files)
        refuse_edited(run)
        if run.state is State.UNDOING:
            take_back(run, step)
            return _find_any(root, run_id)
        return _carry_out(run, step)


def _carry_out(run: Run, step: Step) -> Run:
    written: list[str] = []
    try:
        discard_temps(run)
        for record in run.records:
            _write(run, record, step)
            written.append(record.path)
        step("done", "")
        return mark(run, State.DONE)
    except (OSError, WritingError) as error:
        raise _roll_back(run, written, error, step) from error


def _write(run: Run, record: FileRecord, step: Step) -> None:
    match standing(run, record):
        case Standing.OLD:
            write_new(run, record, step)
            step("note", record.path)
            note(run, record.path)
        case Standing.OTHER:
            raise StaleError(f"{record.path} was changed by somebody else meanwhile", (record.path,))
        case Standing.NEW:
            pass


def _roll_back(run: Run, written: Sequence[str], error: OSError | WritingError, step: Step) -> WriteFailedError:
    path = next((name for name in run.files if name not in written), str(run.journal))
    reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    what = f"{path} could not be written: {reason}."
    try:
        discard_temps(run)
        drop_staged(run)
        foreign = tuple(name for name in rewind(run, step).foreign if name in written)
        if foreign:
            return _half_restored(run, what, f"{listing(foreign)} changed meanwhile", foreign)
        mark(run, State.ROLLED_BACK)
    except (OSError, WritingError) as second:
        return _half_restored(run, what, str(second), (path,))
    return WriteFailedError(
        f"{what} Everything was restored: all files are as they were. Remove the cause, then apply again.", (path,)
    )


def _half_restored(run: Run, what: str, why: str, paths: tuple[str, ...]) -> WriteFailedError:
    return WriteFailedError(
        f"{what} Not everything could be restored: {why}. The old bytes are in {run.folder / 'before'}. "
        f"Remove the cause, then finish with: statelift undo {run.id}",
        paths,
    )


@contextmanager
def _nothing_written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteFailedError(
            f"The journal could not be written: {error}. No file was touched. Remove the cause, then apply again."
        ) from error


def _refuse_pending(root: Path) -> None:
    for run in pending_runs(root):
        held = [*standings(run).values()].count(Standing.NEW)
        again = "`statelift undo` finishes that" if run.state is State.UNDOING else "Apply again to finish it"
        raise PendingRunError(
            f"Run {run.id} stopped half way: {held} of {len(run.files)} files hold its new bytes. Nothing was "
            f"written now. {again}, or take it back with: statelift undo {run.id}",
            run.files,
        )


def _find_any(root: Path, run_id: str) -> Run:
    for run in list_runs(root):
        if run.id == run_id:
            return run
    raise NothingToResumeError(f"There is no run {run_id} in {root}. Check the id, or apply again.")


def _find(root: Path, run_id: str) -> Run:
    run = _find_any(root, run_id)
    if not run.is_undoable:
        raise NothingToResumeError(f"Run {run_id} is {run.state}, there is nothing to finish. Apply again instead.")
    return run
