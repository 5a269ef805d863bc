"""fixtures -> their expected outputs: writes what `apply --tier review` makes of every program.

Only new and changed files are kept: a program without such a folder must stay as it is, byte for byte.
Look at the difference before you commit it: this tool believes whatever the codemods do today.
"""

import shutil
from pathlib import Path

from statelift.cli.options import Settled
from statelift.cli.plan import rendered
from statelift.compose import compose
from statelift.config import NAME, read_configuration
from statelift.discover import read_file
from statelift.model import Change, EnsureEnv, EnsureGrant, EnsureResource, Options, Tier
from statelift.planning import make_plan
from statelift.runtime import HELPER_FILE
from statelift.selecting import chosen_changes, without_rivals

FIXTURES = Path(__file__).parents[1] / "fixtures"


def cases() -> dict[str, tuple[Path, Path]]:
    """Each fixture program and the folder of its expected output, by name."""
    found: dict[str, tuple[Path, Path]] = {}
    for before in sorted(FIXTURES.glob("seeds/*/before")):
        found[f"seeds/{before.parent.name}"] = (before, before.with_name("after"))
    for described in sorted(FIXTURES.glob("projects/*.expected.json")):
        name = described.name.removesuffix(".expected.json")
        found[f"projects/{name}"] = (described.with_name(name), described.with_name(f"{name}.after"))
    return found


def asked_cases() -> dict[str, tuple[Path, Path]]:
    """Programs with a configuration that asks for something else than the defaults, likewise."""
    befores = sorted(FIXTURES.glob("styles/*/before"))
    return {f"styles/{before.parent.name}": (before, before.with_name("after")) for before in befores}


def deployed_cases() -> dict[str, tuple[Path, Path]]:
    """Programs that each tool deploys, with the edges of their templates, likewise."""
    befores = sorted(FIXTURES.glob("deployments/*/before"))
    return {f"deployments/{before.parent.name}": (before, before.with_name("after")) for before in befores}


def alternative_cases() -> dict[str, tuple[Path, Path]]:
    """Programs with several answers to a finding: one folder of expected output for each style of answer."""
    found: dict[str, tuple[Path, Path]] = {}
    for before in sorted(FIXTURES.glob("alternatives/*/before")):
        for style in sorted({_style(each) for each in make_plan([before], options_of(before)).changes}):
            found[f"alternatives/{before.parent.name} {style}"] = (before, before.with_name("after") / style)
    return found


def _style(change: Change) -> str:
    return change.id.partition(".")[2]


def chosen_style(program: Path, style: str) -> dict[str, bytes]:
    """As `migrated`, with the answers of one style; of the helper file which parts it holds."""
    plan = make_plan([program], options_of(program))
    chosen = {each.id for each in plan.changes if _style(each) == style}
    writes = compose(plan, chosen, lambda path: read_file(program, path))
    return {write.path: _named(write.path, write.after) for write in writes}


def deployed(program: Path) -> dict[str, bytes]:
    """As `migrated`, but of the helper file only which parts it holds: what is in them, other programs show."""
    return {path: _named(path, data) for path, data in migrated(program).items()}


def _named(path: str, data: bytes) -> bytes:
    lines = (line for line in data.splitlines(keepends=True) if line.startswith(b"# statelift parts:"))
    return b"".join(lines) if path.endswith(HELPER_FILE) else data


def printed_cases() -> dict[str, tuple[Path, str, Path]]:
    """Where `infra` is asked for a template to copy from: program, tool, expected output."""
    files = sorted(FIXTURES.glob("deployments/*/printed/*"))
    return {f"{file.parents[1].name} {file.stem}": (file.parents[1] / "before", file.stem, file) for file in files}


def printed(program: Path, target: str) -> str:
    """What `infra --target` prints for all changes of a program."""
    plan = make_plan([program], options_of(program))
    kinds = (EnsureResource, EnsureEnv, EnsureGrant)
    changes = without_rivals(plan.changes)
    return rendered([each for change in changes for each in change.ops if isinstance(each, kinds)], target)


def options_of(program: Path) -> Options:
    """What the program's own configuration asks for."""
    file = program / NAME
    return Settled({}, read_configuration(file)).options() if file.exists() else Options()


def migrated(program: Path) -> dict[str, bytes]:
    """The new bytes of all files that the safe and review changes touch, by path."""
    plan = make_plan([program], options_of(program))
    chosen = {change.id for change in chosen_changes(plan, Tier.REVIEW, only_accepted=False)}
    return {write.path: write.after for write in compose(plan, chosen, lambda path: read_file(program, path))}


def kept(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, by path; nothing where it does not exist."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def main() -> None:
    """Write every expected output again, and tell which ones changed."""
    every = {**cases(), **asked_cases(), **deployed_cases(), **alternative_cases()}
    for name, (program, golden) in every.items():
        if name.startswith("alternatives/"):
            wanted = chosen_style(program, golden.name)
        else:
            wanted = deployed(program) if name in deployed_cases() else migrated(program)
        if wanted == kept(golden):
            continue
        shutil.rmtree(golden, ignore_errors=True)
        for path, data in wanted.items():
            file = golden / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        print(f"{name}: {', '.join(wanted) or 'stays as it is'}")
    for program, target, file in printed_cases().values():
        file.write_text(printed(program, target))


if __name__ == "__main__":
    main()
