"""Refusals -> people: every way in which writing can end, each with what to do next.

Nothing here is raised half way in silence: the message says what state the files are in.
"""


class WritingError(Exception):
    """Writing was refused or failed. `paths` are the files it is about, relative to the root."""

    def __init__(self, message: str, paths: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.paths = paths


class RefusedPathError(WritingError):
    """A path that may not be written: outside the root, through a link, not a regular file."""


class NothingToWriteError(WritingError):
    """`apply_writes` was called without a single write."""


class StaleError(WritingError):
    """A file no longer holds the bytes that the plan was made from."""


class DirtyTreeError(WritingError):
    """A file to be written has changes that git does not know yet."""


class PendingRunError(WritingError):
    """An earlier run stopped half way and has to be finished or undone first."""


class BusyError(WritingError):
    """Another process is writing in this root right now."""


class WriteFailedError(WritingError):
    """The system refused a write. The message says whether everything was put back."""


class EditedSinceError(WritingError):
    """Files hold neither the old nor the new bytes of a run, so statelift leaves them alone."""


class NothingToUndoError(WritingError):
    """There is no such run, or it is undone already."""


class NothingToResumeError(WritingError):
    """There is no such run, or it was taken back."""


class DamagedJournalError(WritingError):
    """A journal or its kept bytes cannot be trusted."""


def listing(paths: tuple[str, ...], most: int = 10) -> str:
    """Up to `most` paths as one phrase: "a.py, b.py and 3 more"."""
    shown = ", ".join(paths[:most])
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown
