"""A folder -> the files in it that pip has put there: they belong to packages, not to the project."""

import csv
import os
from pathlib import Path

DIST_INFO = ".dist-info"  # what the folder with the data of an installed package ends with
RECORD_AT_MOST = 5_000_000  # bytes: ten times what the largest packages write


def installed_files(folder: str) -> frozenset[str]:
    """Absolute paths of the files that the `RECORD` of each `*.dist-info` in a folder lists.

    That is what `pip install --target` leaves beside a handler. The format is that of the packaging specification
    "Recording installed projects". What cannot be read lists nothing.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(DIST_INFO)]
    except OSError:
        return frozenset()
    return frozenset(path for name in sorted(names) for path in _recorded(folder, Path(folder, name, "RECORD")))


def _recorded(folder: str, record: Path) -> list[str]:
    try:
        is_plain = record.is_file() and not record.is_symlink() and record.stat().st_size <= RECORD_AT_MOST
        text = record.read_text(encoding="utf-8", errors="replace") if is_plain else ""
        rows = list(csv.reader(text.splitlines()))
    except (OSError, csv.Error):
        return []
    return [os.path.normpath(f"{folder}/{row[0]}") for row in rows if row and row[0]]
