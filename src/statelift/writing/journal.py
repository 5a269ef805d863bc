"""FileWrites -> Run: the record of one apply, complete on disk before the first user file changes.

    .statelift/runs/<id>/journal.json    what the run writes, and its state
    .statelift/runs/<id>/before/<path>   the old bytes: what undo puts back
    .statelift/runs/<id>/after/<path>    the new bytes: what resume writes
    .statelift/runs/<id>/written.jsonl   a line per finished file, for people; decisions go by hashes only

It lies at the top of the git repository around the root, so that code which is packaged from a folder further
down holds no journal, and every command in that repository finds it; without git, in the root itself.
A folder without journal.json is an apply that never began.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from statelift import __version__
from statelift.model import FileWrite
from statelift.writing.disk import append_line, create_below, make_folders, read_below, replace_below, sync_folder
from statelift.writing.errors import DamagedJournalError
from statelift.writing.guard import check_real
from statelift.writing.runs import HOME, RUNS, FileRecord, Run, State, run_from_json, run_to_json

_IGNORE = f"{HOME}/.gitignore"
_RUN_ID = re.compile(r"(\d{4,})-\d{8}T\d{6}Z")

Step: TypeAlias = Callable[[str, str], None]
"""Called with (event, path) in front of every durable step; tests stop the process there."""


def no_step(event: str, path: str) -> None:
    """The step that does nothing."""


def sha256(data: bytes) -> str:
    """The hash that journals use."""
    return hashlib.sha256(data).hexdigest()


def home_of(root: Path) -> Path:
    """The folder that holds `.statelift`: the top of the repository around `root`, else `root` itself.

    One that belongs to somebody else than `root` does not count: what lies in /tmp must not steer us.
    """
    owner = root.stat().st_uid
    for folder in (root, *root.parents):
        if os.path.lexists(folder / ".git"):
            is_ours = {folder.stat().st_uid, (folder / ".git").lstat().st_uid} == {owner}
            return folder if is_ours else root
    return root


def open_home(home: Path) -> None:
    """Make `.statelift`, which git never sees. Raises RefusedPathError for a link, OSError."""
    for name in (_IGNORE, f"{HOME}/lock"):
        check_real(home, name)
    if not read_below(home, _IGNORE):  # empty, if the process that made it was killed
        make_folders(home, HOME)
        replace_below(home, _IGNORE, ".gitignore.new", b"*\n", None)


def list_runs(root: Path) -> list[Run]:
    """Every run that is recorded for `root` or its repository, oldest first.

    Raises DamagedJournalError, RefusedPathError.
    """
    home = home_of(root)
    return [_load(home, name) for name in _run_names(home) if (home / RUNS / name / "journal.json").exists()]


def prepare(root: Path, writes: Sequence[FileWrite], change_ids: Sequence[str], step: Step) -> Run:
    """Record a run, with old and new bytes, flushed. On OSError nothing of it is left."""
    home = home_of(root)
    _sweep(home)
    run = Run(
        id=_next_id(home),
        home=home,
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
    append_line(run.home, f"{run.place}/written.jsonl", json.dumps({"written": path}))


def kept_bytes(run: Run, record: FileRecord, side: Literal["before", "after"]) -> bytes:
    """The old or new bytes as the run kept them. Raises DamagedJournalError, RefusedPathError, OSError."""
    name = f"{run.place}/{side}/{record.path}"
    check_real(run.home, name)
    data = read_below(run.home, name)
    if data is None or sha256(data) != (record.before if side == "before" else record.after):
        raise DamagedJournalError(
            f"{name} is missing or damaged, so {record.path} was left as it is. "
            f"Restore it from your version control, or look into {run.folder}.",
            (record.path,),
        )
    return data


def drop_staged(run: Run) -> None:
    """Give the space of the new bytes back: a full disk needs it for the old ones."""
    shutil.rmtree(run.folder / "after", ignore_errors=True)


def _record(root: Path, write: FileWrite) -> FileRecord:
    if write.before is None:
        return FileRecord(write.path, None, None, sha256(write.after))
    mode = stat.S_IMODE((root / write.path).lstat().st_mode)
    return FileRecord(write.path, mode, sha256(write.before), sha256(write.after))


def _missing_folders(root: Path, writes: Sequence[FileWrite]) -> tuple[str, ...]:
    parents = {parent for write in writes for parent in PurePosixPath(write.path).parents if parent.parts}
    return tuple(sorted(str(parent) for parent in parents if not (root / parent).is_dir()))


def _keep(run: Run, writes: Sequence[FileWrite], step: Step) -> None:
    make_folders(run.home, run.place)
    for write in writes:
        step("keep", write.path)
        if write.before is not None:
            create_below(run.home, f"{run.place}/before/{write.path}", write.before)
        create_below(run.home, f"{run.place}/after/{write.path}", write.after)
    for folder, _, _ in os.walk(run.folder):
        sync_folder(run.home, os.path.relpath(folder, run.home))
    step("journal", "")
    _save(run)


def _save(run: Run) -> None:
    replace_below(run.home, f"{run.place}/journal.json", "journal.json.new", run_to_json(run), None)


def _run_names(home: Path) -> list[str]:
    check_real(home, f"{RUNS}/any")
    runs = home / RUNS
    try:
        names = [entry.name for entry in runs.iterdir()] if runs.is_dir() else []
    except OSError as error:
        raise DamagedJournalError(f"The journals in {runs} cannot be listed: {error.strerror}.") from error
    return sorted(filter(_RUN_ID.fullmatch, names), key=_number)


def _number(run_id: str) -> int:
    return int(run_id.partition("-")[0])


def _next_id(home: Path) -> str:
    last = max(map(_number, _run_names(home)), default=0)
    return f"{last + 1:04d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _sweep(home: Path) -> None:
    for name in _run_names(home):
        if not (home / RUNS / name / "journal.json").exists():
            shutil.rmtree(home / RUNS / name, ignore_errors=True)


def _load(home: Path, run_id: str) -> Run:
    name = f"{RUNS}/{run_id}/journal.json"
    check_real(home, name)
    try:
        return run_from_json(home, run_id, read_below(home, name) or b"")
    except OSError as error:  # nothing is said about the journal itself: no handles left, no right to read
        raise DamagedJournalError(
            f"{home / name} cannot be read now: {error.strerror}. Nothing was written. "
            "Remove the cause, then try again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DamagedJournalError(
            f"{home / name} cannot be used: {error}. The old bytes of that run are in `before` beside it. "
            "When you need them no more, remove that run's folder."
        ) from error
