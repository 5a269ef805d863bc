"""Repositories -> one result each: a repository that fails never stops the others."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from statelift.model import Plan, Tier

Status = Literal["clean", "planned", "applied", "partly", "failed"]
PLAN_FILE = Path(".statelift") / "plan.json"


class RepositoryListError(ValueError):
    """The list of repositories cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one repository."""

    repository: str
    status: Status
    files: int = 0
    safe: int = 0
    review: int = 0
    manual: int = 0
    written: int = 0
    errors: int = 0
    message: str = ""


def repositories(given: Sequence[Path]) -> list[Path]:
    """Folders named directly, each sub-folder of a folder of repositories, or the lines of a file."""
    found: list[Path] = []
    for path in given:
        if path.is_file():
            found += _listed(path)
        elif path.is_dir():
            found += [path] if _is_repository(path) else _folders(path)
        else:
            raise RepositoryListError(f"{path} does not exist.")
    return list(dict.fromkeys(found))


def _is_repository(path: Path) -> bool:
    """A folder with files of its own, or under git, is a repository; one with folders only holds repositories."""
    return any(each.is_file() or each.name == ".git" for each in path.iterdir())


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def _listed(path: Path) -> list[Path]:
    """One folder per line, relative to the list; blank lines and # comments are skipped."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RepositoryListError(f"{path} cannot be read as a list of folders: {error}.") from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [path.parent / name for name in names]


def each_outcome(
    folders: Sequence[Path], work: Callable[[Path], Outcome], tell: Callable[[str], None]
) -> Iterator[Outcome]:
    """Run `work` on every repository. An expected failure becomes an outcome, and the rest goes on."""
    from statelift.compose import ComposeError, StalePlanError
    from statelift.discover import PathNotFoundError
    from statelift.planfile import PlanError
    from statelift.writing.errors import WritingError

    for number, folder in enumerate(folders, start=1):
        tell(f"[{number}/{len(folders)}] {folder}")
        try:
            yield work(folder)
        except (PathNotFoundError, WritingError, ComposeError, StalePlanError, PlanError, OSError) as error:
            yield Outcome(str(folder), "failed", message=str(error))


def plan_repository(folder: Path, make: Callable[[Path], Plan]) -> Outcome:
    """Plan one repository and keep the plan in its .statelift folder. RefusedPathError where that is a link."""
    from statelift.planfile import save_plan
    from statelift.writing.guard import check_real

    made = make(folder)
    home = folder / PLAN_FILE.parent
    for name in (PLAN_FILE, PLAN_FILE.with_name(".gitignore")):
        check_real(folder, name.as_posix())
    home.mkdir(exist_ok=True)
    (home / ".gitignore").write_text("*\n", encoding="utf-8")
    save_plan(made, folder / PLAN_FILE)
    return outcome_of(folder, made, "planned" if made.changes else "clean")


def apply_repository(folder: Path, make: Callable[[Path], Plan], upto: Tier, *, allow_dirty: bool) -> Outcome:
    """Apply the kept plan of one repository, or a new one where none is kept."""
    from statelift.compose import compose
    from statelift.discover import read_file
    from statelift.planfile import load_plan
    from statelift.selecting import chosen_changes, waiting
    from statelift.writing.apply import apply_writes
    from statelift.writing.guard import check_paths, real_root

    kept = folder / PLAN_FILE
    made = load_plan(kept) if kept.exists() else make(folder)
    chosen = chosen_changes(made, upto, only_accepted=False)
    check_paths(real_root(folder), [each.path for each in made.files])
    writes = compose(made, {change.id for change in chosen}, lambda path: read_file(folder, path))
    if not writes:
        return outcome_of(folder, made, "clean")
    run = apply_writes(folder, writes, allow_dirty=allow_dirty, change_ids=[change.id for change in chosen])
    kept.unlink(missing_ok=True)
    is_all = not waiting(made, chosen) and not any(change.decision == "rejected" for change in made.changes)
    status: Status = "applied" if is_all else "partly"
    return outcome_of(folder, made, status, len(run.files))


def status_of(folder: Path) -> Outcome:
    """What is known of a repository without analysing it again."""
    from statelift.planfile import load_plan
    from statelift.writing.guard import real_root
    from statelift.writing.journal import list_runs
    from statelift.writing.runs import State

    if not folder.is_dir():
        return Outcome(str(folder), "failed", message=f"{folder} does not exist")
    root = real_root(folder)
    done = [run for run in list_runs(root) if run.state is State.DONE and run.root == root]
    if (folder / PLAN_FILE).exists():
        return outcome_of(folder, load_plan(folder / PLAN_FILE), "planned")
    if done:
        return Outcome(str(folder), "applied", written=len(done[-1].files), message=f"run {done[-1].id}")
    return Outcome(str(folder), "clean", message="not planned yet")


def outcome_of(folder: Path, made: Plan, status: Status, written: int = 0) -> Outcome:
    """The outcome of a plan."""
    tiers = [finding.tier for finding in made.findings]
    safe, review, manual = (tiers.count(tier) for tier in (Tier.SAFE, Tier.REVIEW, Tier.MANUAL))
    return Outcome(str(folder), status, made.file_count, safe, review, manual, written, len(made.errors))


def to_json(outcomes: Sequence[Outcome]) -> str:
    """All outcomes as one JSON document."""
    return json.dumps({"schema": 1, "repositories": [asdict(each) for each in outcomes]}, indent=2) + "\n"
