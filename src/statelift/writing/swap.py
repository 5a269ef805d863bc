"""Run and one FileRecord -> the file holds its new, or its old bytes: the steps that apply and undo share."""

from enum import Enum, auto
from pathlib import Path

from statelift.writing.disk import make_folders, read_file, replace_file, sync_folder
from statelift.writing.errors import RefusedPathError
from statelift.writing.guard import check_real
from statelift.writing.journal import FileRecord, Run, Step, kept_bytes, sha256


class Standing(Enum):
    """What a file holds, seen from a run."""

    OLD = auto()
    NEW = auto()
    OTHER = auto()


def standing(run: Run, record: FileRecord) -> Standing:
    """What the file holds now; a link, a folder, or a file that may not be read is OTHER. Raises OSError."""
    try:
        check_real(run.root, record.path)
        data = read_file(run.root / record.path)
    except (RefusedPathError, PermissionError):
        return Standing.OTHER
    held = None if data is None else sha256(data)
    if held == record.after:
        return Standing.NEW
    return Standing.OLD if held == record.before else Standing.OTHER


def write_new(run: Run, record: FileRecord, step: Step) -> None:
    """Old -> new. Raises OSError, DamagedJournalError."""
    data = kept_bytes(run, record, "after")
    target = run.root / record.path
    step("write", record.path)
    make_folders(run.root, target.parent)
    replace_file(target, _temp(run, record), data, record.mode, ready=lambda: step("replace", record.path))


def write_old(run: Run, record: FileRecord, step: Step) -> None:
    """New -> old: the old bytes and mode, or no file. Raises OSError, DamagedJournalError."""
    target = run.root / record.path
    if record.before is None:
        step("remove", record.path)
        target.unlink()
        sync_folder(target.parent)
        return
    data = kept_bytes(run, record, "before")
    step("restore", record.path)
    replace_file(target, _temp(run, record), data, record.mode, ready=lambda: step("replace", record.path))


def discard_temps(run: Run) -> None:
    """Remove what a stopped write left beside its target. Raises OSError."""
    for record in run.records:
        _temp(run, record).unlink(missing_ok=True)


def _temp(run: Run, record: FileRecord) -> Path:
    """The same name in every process, so that a later one finds it; short, whatever the file is called."""
    name = f".statelift-{run.id}-{sha256(record.path.encode('utf-8', 'surrogateescape'))[:12]}"
    return (run.root / record.path).with_name(name)
