"""paths -> the files of the project: what is there, what was asked for, what could not be read."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pathspec import GitIgnoreSpec

from statelift.installed import DIST_INFO, installed_files
from statelift.model import Problem
from statelift.patterns import compiled
from statelift.tracked import DamagedIndexError, tracked_files, work_tree

SKIPPED = frozenset(
    ".git .hg .venv node_modules __pycache__ .aws-sam cdk.out .serverless .terraform build dist "
    "site-packages .tox .mypy_cache .ipynb_checkpoints .statelift".split()
)

_READINGS = 3  # of a file that changes meanwhile


class PathNotFoundError(Exception):
    """A path of the command line does not exist."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not exist. Name a file or folder that does.")
        self.path = path


class PatternError(ValueError):
    """An exclude pattern is not in the syntax of .gitignore."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"The exclude pattern {pattern!r} is not valid. Write it as in .gitignore, with at most three `**`."
        )
        self.pattern = pattern


@dataclass(frozen=True, slots=True)
class Project:
    """The files below the root of a run: POSIX paths relative to `root`, sorted.

    `files` are all that are not ignored, of any kind; `wanted` are the Python files asked for, all in `files`.
    """

    root: Path
    files: tuple[str, ...]
    wanted: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Ignore:
    """The patterns of one .gitignore, and its folder: absolute, with a final slash.

    Folders have patterns of their own: pathspec reads a path as a file, and `*` + `!*/` would hide them all.
    """

    folder: str
    files: GitIgnoreSpec
    folders: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """True: ignored, False: expressly kept, None: nothing said. Folders end with a slash."""
        name = path.removeprefix(self.folder)
        if name.endswith("/"):
            return self.folders.check_file(name[:-1]).include
        return self.files.check_file(name).include if name else None


def discover(
    paths: Sequence[Path], exclude: Sequence[str] = (), exclude_from: Path | None = None
) -> Project:  # fmt: skip
    """The project that the paths lie in: one folder is the root, of several paths it is the common parent.

    A file that is named is wanted even where .gitignore hides it; `exclude` (gitignore patterns, relative to
    `exclude_from` where that lies around the root, else to the root) always wins. Raises PathNotFoundError and
    PatternError.
    """
    named = [_absolute(path) for path in paths or [Path()]]
    root = _root(named)
    is_around = exclude_from is not None and root.is_relative_to(exclude_from)
    walk = _Walk(root, _exclusion(exclude_from if exclude_from is not None and is_around else root, exclude))
    if not _is_alone_or_wide(named, root):
        walk.below(root)
    for path in named:
        walk.take(path)
    folders = tuple(f"{walk.name(path)}/" for path in named if path != root)
    files = {walk.name(path) for path in named}
    wanted = (
        name
        for name in walk.files
        if name.endswith(".py") and (root in named or name in files or name.startswith(folders))
    )
    return Project(root, tuple(sorted(walk.files)), tuple(sorted(wanted)), tuple(dict.fromkeys(walk.problems)))


def read_file(root: Path, path: str) -> bytes:
    """The bytes of a regular file that nobody changed meanwhile. Raises nothing but OSError, whatever the path."""
    try:
        for _ in range(_READINGS):
            with open(root / path, "rb", opener=_without_waiting) as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise OSError(errno.EINVAL, "is not a regular file", path)
                data = file.read()
                if _version(os.fstat(file.fileno())) == _version(before) and len(data) == before.st_size:
                    return data
    except ValueError as error:
        raise OSError(errno.EINVAL, f"is not a possible file name ({error})", path) from error
    except MemoryError as error:
        raise OSError(errno.ENOMEM, "is larger than the memory here", path) from error
    raise OSError(errno.EBUSY, "changes while it is read. Try again when nobody writes to it", path)


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size


def _without_waiting(name: str, flags: int) -> int:
    """A pipe that nobody writes to would be waited for."""
    return os.open(name, flags | os.O_NONBLOCK)


class _Walk:
    """Collects the files below a root. Links are not followed."""

    def __init__(self, root: Path, exclusion: _Ignore) -> None:
        self.root = root
        self.files: set[str] = set()
        self.problems: list[Problem] = []
        self._exclusion = exclusion
        self._prefix = len(_slashed(root))
        self._seen: set[str] = set()
        self._trees: set[Path] = set()
        self._installed: set[str] = set()
        self._installed_in = cache(installed_files)

    def name(self, path: Path) -> str:
        """The POSIX path below the root."""
        return path.relative_to(self.root).as_posix()

    def take(self, path: Path) -> None:
        """Adds what was named on the command line, or the problem with it."""
        name = self.name(path)
        if path.is_symlink():
            self._problem(name, "symlink", "is a symbolic link, and links are not followed. Name its target.")
        elif path.is_dir():
            self.below(path)
        elif self._exclusion.verdict(str(path)):
            return
        elif not path.is_file():
            self._problem(name, "unreadable", "is neither a file nor a folder.")
        elif path.suffix != ".py":
            self._problem(name, "not-python", "is not a Python file (.py). Name the folder or the handler's file.")
        else:
            self.files.add(name)

    def below(self, folder: Path) -> None:
        """Adds the files below a folder that are neither ignored nor excluded."""
        start = _slashed(folder)
        if start in self._seen or self._exclusion.verdict(start):
            return
        try:
            stack = [(start, _ignores_above(folder))]
        except OSError as error:
            self._problem(self.name(folder), "unreadable", f"lies in a repository that cannot be read: {error}.")
            return
        self._trees = {top} if (top := work_tree(folder)) else set()
        while stack:
            current, ignores = stack.pop()
            if current not in self._seen:
                self._seen.add(current)
                stack.extend(self._entered(current, ignores))
        for top in sorted(self._trees):
            self._take_tracked(top, start)

    def _take_tracked(self, top: Path, start: str) -> None:
        """Adds what git tracks below a folder: git ignores no such file, whatever .gitignore says."""
        try:
            paths = sorted(f"{_slashed(top)}{name}" for name in tracked_files(top))
        except (OSError, DamagedIndexError) as error:
            index = top / ".git" / "index"
            name = self.name(index) if index.is_relative_to(self.root) else ""
            message = f"{index} cannot be read: {error}. Files that git tracks and .gitignore matches are left out."
            self.problems.append(Problem(name, 1, "unreadable", message))
            return
        for path in paths:
            name = path[self._prefix :]
            if path.startswith(start) and name not in self.files and self._is_source(path, start):
                self.files.add(name)

    def _is_source(self, path: str, start: str) -> bool:
        """Is a tracked file one that would be read but for .gitignore?"""
        inner = [Path(path[: match.end()]) for match in re.finditer("/", path) if match.end() > len(start)]
        if any(_is_skipped(folder) or self._exclusion.verdict(_slashed(folder)) for folder in inner):
            return False
        if any(path in self._installed_in(_slashed(folder)) for folder in (Path(start), *inner)):
            return False
        is_plain = Path(path).is_file() and os.path.realpath(path) == path
        return is_plain and not self._exclusion.verdict(path)

    def _entered(self, folder: str, ignores: tuple[_Ignore, ...]) -> Iterator[tuple[str, tuple[_Ignore, ...]]]:
        """Adds the files of one folder; yields its folders, with the .gitignore files that hold there."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            ignores = (*ignores, *_ignore_of(folder))
        except OSError as error:
            name = self.name(Path(folder))
            self._problem(name, "unreadable", f"cannot be read: {error.strerror}. Check its permissions.")
            return
        if any(entry.name == ".git" for entry in entries):
            self._trees.add(Path(folder))
        if any(entry.name.endswith(DIST_INFO) for entry in entries):
            self._installed |= self._installed_in(folder)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                path = f"{entry.path}/"
                if not (_is_skipped(entry) or self._is_hidden(path, ignores)):
                    yield path, ignores
            elif entry.is_file(follow_symlinks=False) and not self._is_left_out(entry.path, ignores):
                self.files.add(entry.path[self._prefix :])

    def _is_left_out(self, path: str, ignores: tuple[_Ignore, ...]) -> bool:
        return path in self._installed or self._is_hidden(path, ignores)

    def _is_hidden(self, path: str, ignores: tuple[_Ignore, ...]) -> bool:
        """Is a path excluded, or ignored by the nearest .gitignore that mentions it?"""
        verdicts = (ignore.verdict(path) for ignore in reversed(ignores))
        said = next((verdict for verdict in verdicts if verdict is not None), False)
        return said or self._exclusion.verdict(path) is True

    def _problem(self, name: str, kind: str, message: str) -> None:
        self.problems.append(Problem(name, 1, kind, f"{name} {message}"))


# ---------------------------------------------------------------- roots


def _absolute(path: Path) -> Path:
    """The path without links in its parents; a link that is named stays a link."""
    if not os.path.lexists(path):
        raise PathNotFoundError(path)
    return path.parent.resolve() / path.name if path.is_symlink() else path.resolve()


def _root(named: Sequence[Path]) -> Path:
    folders = [path if path.is_dir() and not path.is_symlink() else path.parent for path in named]
    return Path(os.path.commonpath(folders))


def _is_alone_or_wide(named: Sequence[Path], root: Path) -> bool:
    """Is the root a place that nobody asked to read: the parent of a lone link, a whole home or disk?"""
    if len(named) == 1:
        return named[0].is_symlink()
    try:
        home = Path.home()
    except RuntimeError:  # nobody's home: a bare container
        return root.parent == root
    return root.parent == root or home.is_relative_to(root)


def _slashed(folder: Path) -> str:
    return f"{str(folder).rstrip('/')}/"


# ---------------------------------------------------------------- what is left out


def _is_skipped(folder: os.DirEntry[str] | Path) -> bool:
    return folder.name in SKIPPED or os.path.lexists(f"{os.fspath(folder)}/pyvenv.cfg")


def _ignores_above(folder: Path) -> tuple[_Ignore, ...]:
    """The .gitignore files between the top of the git repository and a folder, without those that hide the
    folder as a whole: who names a folder wants to see it."""
    parents = list(folder.parents)
    depth = next((depth for depth, one in enumerate([folder, *parents]) if (one / ".git").exists()), 0)
    found = (ignore for parent in reversed(parents[:depth]) for ignore in _ignore_of(_slashed(parent)))
    return tuple(ignore for ignore in found if ignore.verdict(_slashed(folder)) is not True)


def _ignore_of(folder: str) -> tuple[_Ignore, ...]:
    """The .gitignore of a folder, if it has one. Lines that are no pattern are passed over, as git does: they
    would hide files, not show any."""
    path = Path(folder, ".gitignore")
    if not path.is_file() or path.is_symlink():
        return ()
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    return (_ignore(folder, re.split(r"\r?\n", text)),)


def _exclusion(folder: Path, patterns: Sequence[str]) -> _Ignore:
    if bad := next((pattern for pattern in patterns if compiled([pattern]) is None), None):
        raise PatternError(bad)
    return _ignore(_slashed(folder), patterns)


def _ignore(folder: str, lines: Sequence[str]) -> _Ignore:
    bare = [re.sub(r"/\s*$", "", line) for line in lines]
    return _Ignore(folder, _valid(lines), _valid(bare))


def _valid(lines: Sequence[str]) -> GitIgnoreSpec:
    """The patterns among the lines."""
    return compiled(lines) or compiled([line for line in lines if compiled([line])]) or GitIgnoreSpec([])
