"""Run and one FileRecord -> the file holds its new, or its old bytes: the steps that apply and undo share."""

from enum import Enum, auto
from pathlib import PurePosixPath

from statelift.writing.disk import (
    NotPlainError,
    discard_below,
    make_folders,
    read_below,
    remove_below,
    replace_below,
)
from statelift.writing.journal import Step, kept_bytes, sha256
from statelift.writing.runs import FileRecord, Run


class Standing(Enum):
    """What a file holds, seen from a run."""

    OLD = auto()
    NEW = auto()
    OTHER = auto()


def standing(run: Run, record: FileRecord) -> Standing:
    """What the file holds now; a link, a folder, or a file that may not be read is OTHER. Raises OSError."""
    try:
        data = read_below(run.root, record.path)
    except (NotPlainError, PermissionError):
        return Standing.OTHER
    return _standing_of(record, data)


def write_new(run: Run, record: FileRecord, step: Step) -> None:
    """Old -> new. Raises ChangedError where it is not old any more, OSError, DamagedJournalError."""
    data = kept_bytes(run, record, "after")
    step("write", record.path)
    make_folders(run.root, _folder(record.path))
    _replace(run, record, data, Standing.OLD, step)


def write_old(run: Run, record: FileRecord, step: Step) -> None:
    """New -> old: the old bytes and mode, or no file. Raises ChangedError, OSError, DamagedJournalError."""
    if record.before is None:
        step("remove", record.path)
        remove_below(run.root, record.path, is_expected=lambda data: _standing_of(record, data) is Standing.NEW)
        return
    data = kept_bytes(run, record, "before")
    step("restore", record.path)
    _replace(run, record, data, Standing.NEW, step)


def discard_temps(run: Run) -> None:
    """Remove what a stopped write left beside its target. Raises OSError."""
    for record in run.records:
        discard_below(run.root, str(PurePosixPath(record.path).with_name(_temp(run, record))))


def _replace(run: Run, record: FileRecord, data: bytes, expected: Standing, step: Step) -> None:
    replace_below(
        run.root,
        record.path,
        _temp(run, record),
        data,
        record.mode,
        is_expected=lambda held: _standing_of(record, held) is expected,
        ready=lambda: step("replace", record.path),
    )


def _standing_of(record: FileRecord, data: bytes | None) -> Standing:
    held = None if data is None else sha256(data)
    if held == record.after:
        return Standing.NEW
    return Standing.OLD if held == record.before else Standing.OTHER


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _temp(run: Run, record: FileRecord) -> str:
    """The same name in every process, so that a later one finds it; short, whatever the file is called."""
    return f".statelift-{run.id}-{sha256(record.path.encode('utf-8', 'surrogateescape'))[:12]}"
