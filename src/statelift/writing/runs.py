"""Run <-> JSON: one apply as a value, and as its journal file spells it.

A journal may have come with a repository: nothing in it is trusted. Shapes are checked here, paths by the guard,
kept bytes by their hash.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from statelift.writing.guard import shape_fault

SCHEMA = 1
HOME = ".statelift"
RUNS = f"{HOME}/runs"


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
    """One apply. `root`, and `home` with the journal, are absolute; `folders`: those it makes, outermost first."""

    id: str
    home: Path
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
        return self.home / self.place

    @property
    def place(self) -> str:
        """The same, below `home`."""
        return f"{RUNS}/{self.id}"

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


def run_to_json(run: Run) -> bytes:
    """The journal file of a run."""
    content = {
        "schema": SCHEMA,
        "id": run.id,
        "root": run.root.relative_to(run.home).as_posix(),
        "state": run.state,
        "tool": run.tool,
        "changes": run.change_ids,
        "folders": run.folders,
        "files": [asdict(record) | {"new": record.before is None} for record in run.records],
    }
    return json.dumps(content, indent=1).encode()


def run_from_json(home: Path, run_id: str, data: bytes) -> Run:
    """The run that a journal file tells. Raises ValueError, RecursionError."""
    match json.loads(data):
        case {
            "schema": 1,
            "id": str(named),
            "root": str(root),
            "state": str(state),
            "tool": str(tool),
            "changes": list(changes),
            "folders": list(folders),
            "files": list(files),
        } if named == run_id:
            records = tuple(map(_parse_record, files))
            _check_shapes(records)
            made = tuple(_parse_folders(folders, records))
            return Run(
                run_id, home, _parse_root(home, root), State(state), tool, tuple(map(str, changes)), made, records
            )
        case {"schema": int(schema)} if schema > SCHEMA:
            raise ValueError(f"a newer statelift wrote it (schema {schema}), use that version")
        case _:
            raise ValueError("it is not a journal of this run")


def _parse_root(home: Path, root: str) -> Path:
    if root != "." and shape_fault(root):
        raise ValueError(f"{root!r} is no folder below {home}: {shape_fault(root)}")
    if (home / root).resolve() != home / root:
        raise ValueError(f"{root!r} passes through a link")
    return home / root


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
