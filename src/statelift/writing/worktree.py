"""paths -> nothing, or DirtyTreeError: asks git whether the files to be written have uncommitted changes.

Only touched files count, each in the nearest work tree around it (nested repositories and submodules have
their own). No git, or no repository: nothing to protect. A git that cannot answer counts as dirty.
"""

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from statelift.writing.errors import DirtyTreeError, listing

_PATIENCE = 120  # seconds; a configuration may include a pipe that nobody writes to
_AT_ONCE = 200  # paths per call: far below the limit of a command line
# A repository's own configuration must not get to run anything, and asking must not write.
_SETTINGS = (
    *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.sshCommand=false"),
)
_STATUS = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all")
_FILTERS = ("config", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|smudge|process|required)$")


def check_clean(root: Path, paths: Sequence[str]) -> None:
    """Raise DirtyTreeError if git knows one of the files as modified, staged or untracked (ignored is fine)."""
    git = _git()
    if git is None:
        return
    dirty = tuple(sorted(_dirty(git, root, paths)))
    if dirty:
        raise DirtyTreeError(
            f"Not committed yet: {listing(dirty)}. Nothing was written. "
            "Commit or stash these changes first, or pass --allow-dirty to write on top of them.",
            dirty,
        )


def _git() -> str | None:
    """The git on the path, but for relative entries: those would mean a program of the project."""
    entries = os.get_exec_path()
    return shutil.which("git", path=os.pathsep.join(entry for entry in entries if os.path.isabs(entry)))  # noqa: PTH117


def _dirty(git: str, root: Path, paths: Sequence[str]) -> Iterator[str]:
    for tree, files in _by_tree(root, paths).items():
        for start in range(0, len(files), _AT_ONCE):
            for file in _ask(git, tree, files[start : start + _AT_ONCE]):
                yield os.path.relpath(tree / file, root)


def _by_tree(root: Path, paths: Sequence[str]) -> dict[Path, list[str]]:
    trees: dict[Path, list[str]] = defaultdict(list)
    for path in paths:
        file = root / path
        tree = next((parent for parent in file.parents if os.path.lexists(parent / ".git")), None)
        if tree is not None:
            trees[tree].append(file.relative_to(tree).as_posix())
    return trees


def _ask(git: str, tree: Path, files: Sequence[str]) -> list[str]:
    filters = _without_filters(tree, _run(git, tree, _FILTERS, nothing=1))
    answer = _run(git, tree, ("--literal-pathspecs", *filters, *_STATUS, "--", *files))
    return [os.fsdecode(entry[3:]) for entry in answer if entry]


def _without_filters(tree: Path, keys: Sequence[bytes]) -> Iterator[str]:
    """Settings that switch the filters off, which are commands that git would run on the files."""
    for key in map(os.fsdecode, filter(None, keys)):
        if "=" in key:
            raise _unanswered(tree, f"the filter {key!r} of its configuration cannot be switched off")
        yield from ("-c", f"{key}=false" if key.endswith(".required") else f"{key}=")


def _run(git: str, tree: Path, words: Sequence[str], nothing: int = 0) -> list[bytes]:
    """What git answers, cut at NULs; exit code `nothing` stands for an empty answer."""
    command = [git, *_SETTINGS, "-C", str(tree), *words]
    try:
        answer = subprocess.run(  # noqa: S603 - an argument list without a shell, paths after "--"
            command,
            env=_environment(tree),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise _unanswered(tree, f"it gave no answer within {_PATIENCE} seconds") from error
    except OSError as error:
        raise _unanswered(tree, f"it could not be started ({error.strerror})") from error
    if answer.returncode not in (0, nothing):
        raise _unanswered(tree, os.fsdecode(answer.stderr).strip() or f"exit {answer.returncode}")
    return answer.stdout.split(b"\0")


def _unanswered(tree: Path, said: str) -> DirtyTreeError:
    return DirtyTreeError(
        f"git could not say whether the files in {tree} are committed: {said}. Nothing was written. "
        "Make `git status` work there, or pass --allow-dirty."
    )


def _environment(tree: Path) -> dict[str, str]:
    """Ours without any GIT_ variable: those point git at other repositories when we run inside a hook."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",  # what a partial clone lacks is not fetched,
        "GIT_ALLOW_PROTOCOL": "none",  # neither by older versions: this outranks protocol.ext.allow
        "GIT_CEILING_DIRECTORIES": str(tree.parent),
    }
