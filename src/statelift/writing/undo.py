"""Run -> the tree as it was: byte for byte, mode included, from the journal alone."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from statelift.writing.disk import ChangedError, NotPlainError, remove_empty_folder
from statelift.writing.errors import EditedSinceError, NothingToUndoError, WriteFailedError, listing
from statelift.writing.guard import check_paths, real_root
from statelift.writing.journal import Step, list_runs, mark, no_step
from statelift.writing.lock import locked
from statelift.writing.runs import FileRecord, Run, State
from statelift.writing.swap import Standing, discard_temps, standing, write_old


@dataclass(frozen=True, slots=True)
class Undone:
    """What undo did: paths that hold their old bytes again, and new files that are gone."""

    run_id: str
    restored: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewound:
    """Like Undone; `foreign` files hold neither old nor new bytes and were left alone."""

    restored: tuple[str, ...]
    removed: tuple[str, ...]
    foreign: tuple[str, ...]


def undo_run(root: Path, run_id: str | None = None, *, step: Step = no_step) -> Undone:
    """Take a run back, by default the newest that is not undone; also one that stopped half way.

    Raises NothingToUndoError, EditedSinceError (nothing is touched then), BusyError, WriteFailedError,
    DamagedJournalError, RefusedPathError.
    """
    root = real_root(root)
    _choose(list_runs(root), run_id)  # before the lock, which would leave a folder where nothing ever ran
    with locked(root):
        runs = list_runs(root)
        run = _choose(runs, run_id)
        check_paths(run.root, run.files)
        _refuse_later(run, runs)
        refuse_edited(run)
        return take_back(run, step)


def refuse_edited(run: Run) -> None:
    """Raise EditedSinceError where a file holds what neither this run nor its plan knows; WriteFailedError.

    A finished run accepts only its new bytes, one that stopped half way the old ones too.
    """
    accepted = {Standing.NEW, Standing.OLD} if run.is_pending else {Standing.NEW}
    held = standings(run)
    edited = tuple(path for path in run.files if held[path] not in accepted)
    if edited:
        raise _edited(run, edited)


def standings(run: Run) -> dict[str, Standing]:
    """What each file holds now. Raises WriteFailedError where the system cannot say."""
    try:
        return {record.path: standing(run, record) for record in run.records}
    except OSError as error:
        raise WriteFailedError(
            f"The files of run {run.id} cannot be read: {error}. Nothing was written now. "
            "Remove the cause, then try again."
        ) from error


def take_back(run: Run, step: Step) -> Undone:
    """Put everything back and mark the run undone. Raises WriteFailedError, EditedSinceError."""
    try:
        step("undoing", "")
        run = mark(run, State.UNDOING)
        rewound = rewind(run, step)
        if rewound.foreign:
            raise _edited(run, rewound.foreign)
        step("undone", "")
        mark(run, State.UNDONE)
    except OSError as error:
        raise WriteFailedError(
            f"Undo stopped: {error}. Nothing is lost, the old bytes are in {_before(run)}. "
            f"Remove the cause, then finish with: statelift undo {run.id}"
        ) from error
    return Undone(run.id, rewound.restored, rewound.removed)


def rewind(run: Run, step: Step) -> Rewound:
    """Put every file that holds the run's bytes back to its old ones. Raises OSError, DamagedJournalError."""
    discard_temps(run)
    restored: list[str] = []
    removed: list[str] = []
    foreign: list[str] = []
    for record in run.records:
        match _rewound(run, record, step):
            case Standing.NEW:
                (removed if record.before is None else restored).append(record.path)
            case Standing.OTHER:
                foreign.append(record.path)
            case Standing.OLD:
                pass
    _remove_folders(run)
    return Rewound(tuple(restored), tuple(removed), tuple(foreign))


def _rewound(run: Run, record: FileRecord, step: Step) -> Standing:
    """What the file held; if it held the run's bytes, it has its old ones now."""
    held = standing(run, record)
    if held is Standing.NEW:
        try:
            write_old(run, record, step)
        except (ChangedError, NotPlainError):  # in this very moment
            return Standing.OTHER
    return held


def _remove_folders(run: Run) -> None:
    for folder in reversed(run.folders):
        with suppress(OSError):  # gone already, or somebody put something into it
            remove_empty_folder(run.root, folder)


def _choose(runs: Sequence[Run], run_id: str | None) -> Run:
    undoable = [run for run in runs if run.is_undoable]
    wanted = [run for run in undoable if run_id in (None, run.id)]
    if wanted:
        return wanted[-1]
    known = f"Runs that can be undone: {listing(tuple(run.id for run in undoable))}." if undoable else ""
    if run_id is None:
        raise NothingToUndoError("There is nothing to undo here: no run has been applied, or all are undone.")
    was = next((f"Run {run.id} is {run.state} already." for run in runs if run.id == run_id), "")
    raise NothingToUndoError(f"{was or f'There is no run {run_id} here.'} {known}".strip())


def _refuse_later(run: Run, runs: Sequence[Run]) -> None:
    written = {run.root / path for path in run.files}
    for later in runs[runs.index(run) + 1 :]:
        shared = tuple(path for path in later.files if later.root / path in written)
        if shared and later.is_undoable:
            raise EditedSinceError(
                f"Run {later.id} wrote {listing(shared)} after run {run.id}. Nothing was undone. "
                f"Undo the later one first: statelift undo {later.id}",
                shared,
            )


def _edited(run: Run, paths: tuple[str, ...]) -> EditedSinceError:
    return EditedSinceError(
        f"Changed since run {run.id}: {listing(paths)}. They were left alone. Put back what the run wrote "
        f"(it is in {run.folder / 'after'}) and try again, or copy the old bytes from {_before(run)} yourself.",
        paths,
    )


def _before(run: Run) -> Path:
    return run.folder / "before"
