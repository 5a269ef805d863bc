"""FileWrites -> Run: the record of one apply, complete on disk before the first user file changes.

    .statelift/runs/<id>/journal.json    what the run writes, and its state
    .statelift/runs/<id>/before/<path>   the old bytes: what undo puts back
    .statelift/runs/<id>/after/<path>    the new bytes: what resume writes
    .statelift/runs/<id>/written.jsonl   a line per finished file, for people; decisions go by hashes only

A folder without journal.json is an apply that never began. What is read back is not trusted: shapes are
checked here, paths by the guard, kept bytes by their hash.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from statelift import __version__
from statelift.model import FileWrite
from statelift.writing.disk import append_line, create_file, read_file, replace_file, sync_folder
from statelift.writing.errors import DamagedJournalError
from statelift.writing.guard import check_real, shape_fault

SCHEMA = 1
HOME = ".statelift"
_RUNS = f"{HOME}/runs"
_RUN_ID = re.compile(r"(\d{4,})-\d{8}T\d{6}Z")

Step: TypeAlias = Callable[[str, str], None]
"""Called with (event, path) in front of every durable step; tests stop the process there."""


def no_step(event: str, path: str) -> None:
    """The step that does nothing."""


class State(StrEnum):
    """Where a run stands. Prepared and undoing are half way: files may be old or new."""

    PREPARED = "prepared"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a run. `mode` and `before` are None for a new file; hashes are sha256 in hex."""

    path: str
    mode: int | None
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Run:
    """One apply. `root` is absolute; `folders` are the ones it makes, outermost first."""

    id: str
    root: Path
    state: State
    tool: str
    change_ids: tuple[str, ...]
    folders: tuple[str, ...]
    records: tuple[FileRecord, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The paths that the run writes."""
        return tuple(record.path for record in self.records)

    @property
    def folder(self) -> Path:
        """Where the run is recorded."""
        return self.root / _RUNS / self.id

    @property
    def journal(self) -> Path:
        """The journal file."""
        return self.folder / "journal.json"

    @property
    def is_pending(self) -> bool:
        """Whether the run stopped half way."""
        return self.state in (State.PREPARED, State.UNDOING)

    @property
    def is_undoable(self) -> bool:
        """Whether files may still hold what the run wrote."""
        return self.is_pending or self.state is State.DONE


def sha256(data: bytes) -> str:
    """The hash that journals use."""
    return hashlib.sha256(data).hexdigest()


def open_home(root: Path) -> Path:
    """Make `.statelift`, which git never sees. Raises RefusedPathError for a link, OSError."""
    for name in (f"{HOME}/.gitignore", f"{HOME}/lock"):
        check_real(root, name)
    ignore = root / HOME / ".gitignore"
    if not ignore.exists():
        create_file(ignore, b"*\n")
        sync_folder(root)
    return root / HOME


def list_runs(root: Path) -> list[Run]:
    """Every recorded run, oldest first. Raises DamagedJournalError, RefusedPathError."""
    return [_load(root, name) for name in _run_names(root) if (root / _RUNS / name / "journal.json").exists()]


def prepare(root: Path, writes: Sequence[FileWrite], change_ids: Sequence[str], step: Step) -> Run:
    """Record a run, with old and new bytes, flushed. On OSError nothing of it is left."""
    _sweep(root)
    run = Run(
        id=_next_id(root),
        root=root,
        state=State.PREPARED,
        tool=__version__,
        change_ids=tuple(change_ids),
        folders=_missing_folders(root, writes),
        records=tuple(_record(root, write) for write in writes),
    )
    try:
        _keep(run, writes, step)
    except OSError:
        shutil.rmtree(run.folder, ignore_errors=True)
        raise
    return run


def mark(run: Run, state: State) -> Run:
    """The run in its new state, saved. Raises OSError."""
    marked = replace(run, state=state)
    _save(marked)
    return marked


def note(run: Run, path: str) -> None:
    """Tell the reader of the journal that a file is finished. Raises OSError."""
    append_line(run.folder / "written.jsonl", json.dumps({"written": path}))


def kept_bytes(run: Run, record: FileRecord, side: Literal["before", "after"]) -> bytes:
    """The old or new bytes as the run kept them. Raises DamagedJournalError, RefusedPathError, OSError."""
    name = f"{_RUNS}/{run.id}/{side}/{record.path}"
    check_real(run.root, name)
    data = read_file(run.root / name)
    if data is None or sha256(data) != (record.before if side == "before" else record.after):
        raise DamagedJournalError(
            f"{name} is missing or damaged, so {record.path} was left as it is. "
            f"Restore it from your version control, or look into {_RUNS}/{run.id}.",
            (record.path,),
        )
    return data


def drop_staged(run: Run) -> None:
    """Give the space of the new bytes back: a full disk needs it for the old ones."""
    shutil.rmtree(run.folder / "after", ignore_errors=True)


def _record(root: Path, write: FileWrite) -> FileRecord:
    if write.before is None:
        return FileRecord(write.path, None, None, sha256(write.after))
    mode = (root / write.path).stat().st_mode & 0o7777
    return FileRecord(write.path, mode, sha256(write.before), sha256(write.after))


def _missing_folders(root: Path, writes: Sequence[FileWrite]) -> tuple[str, ...]:
    parents = {parent for write in writes for parent in PurePosixPath(write.path).parents if parent.parts}
    return tuple(sorted(str(parent) for parent in parents if not (root / parent).is_dir()))


def _keep(run: Run, writes: Sequence[FileWrite], step: Step) -> None:
    run.folder.mkdir(parents=True)
    for write in writes:
        step("keep", write.path)
        if write.before is not None:
            create_file(run.folder / "before" / write.path, write.before)
        create_file(run.folder / "after" / write.path, write.after)
    for folder, _, _ in os.walk(run.folder):
        sync_folder(Path(folder))
    for above in (run.folder.parent, run.root / HOME):
        sync_folder(above)
    step("journal", "")
    _save(run)


def _save(run: Run) -> None:
    content = {
        "schema": SCHEMA,
        "id": run.id,
        "state": run.state,
        "tool": run.tool,
        "changes": run.change_ids,
        "folders": run.folders,
        "files": [asdict(record) | {"new": record.before is None} for record in run.records],
    }
    data = json.dumps(content, indent=1).encode()
    replace_file(run.journal, run.folder / "journal.json.new", data, None)


def _run_names(root: Path) -> list[str]:
    check_real(root, f"{_RUNS}/any")
    runs = root / _RUNS
    names = [entry.name for entry in runs.iterdir()] if runs.is_dir() else []
    return sorted(filter(_RUN_ID.fullmatch, names), key=_number)


def _number(run_id: str) -> int:
    return int(run_id.partition("-")[0])


def _next_id(root: Path) -> str:
    last = max(map(_number, _run_names(root)), default=0)
    return f"{last + 1:04d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _sweep(root: Path) -> None:
    for name in _run_names(root):
        if not (root / _RUNS / name / "journal.json").exists():
            shutil.rmtree(root / _RUNS / name, ignore_errors=True)


def _load(root: Path, run_id: str) -> Run:
    name = f"{_RUNS}/{run_id}/journal.json"
    check_real(root, name)
    try:
        return _parse(root, run_id, json.loads((root / name).read_bytes()))
    except (OSError, ValueError) as error:
        raise DamagedJournalError(
            f"{name} cannot be used: {error}. The old bytes of that run are in {_RUNS}/{run_id}/before. "
            "When you need them no more, remove that run's folder."
        ) from error


def _parse(root: Path, run_id: str, content: object) -> Run:
    match content:
        case {
            "schema": 1,
            "id": str(named),
            "state": str(state),
            "tool": str(tool),
            "changes": list(changes),
            "folders": list(folders),
            "files": list(files),
        } if named == run_id:
            records = tuple(map(_parse_record, files))
            _check_shapes(records)
            made = tuple(_parse_folders(folders, records))
            return Run(run_id, root, State(state), tool, tuple(map(str, changes)), made, records)
        case {"schema": int(schema)} if schema > SCHEMA:
            raise ValueError(f"a newer statelift wrote it (schema {schema}), use that version")
        case _:
            raise ValueError("it is not a journal of this run")


def _parse_record(content: object) -> FileRecord:
    match content:
        case {"path": str(path), "mode": None, "before": None, "after": str(after)}:
            return FileRecord(path, None, None, after)
        case {"path": str(path), "mode": int(mode), "before": str(before), "after": str(after)}:
            return FileRecord(path, mode & 0o7777, before, after)
        case _:
            raise ValueError(f"not a file record: {content!r}")


def _check_shapes(records: Sequence[FileRecord]) -> None:
    for record in records:
        if fault := shape_fault(record.path):
            raise ValueError(f"{record.path!r}: {fault}")


def _parse_folders(folders: list[object], records: Sequence[FileRecord]) -> Iterator[str]:
    """Only parents of the run's own files: undo removes these folders, when they are empty."""
    parents = {str(parent) for record in records for parent in PurePosixPath(record.path).parents}
    for folder in folders:
        if not isinstance(folder, str) or folder not in parents:
            raise ValueError(f"not a folder of this run: {folder!r}")
        yield folder
