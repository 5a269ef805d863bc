"""The documentation says what is true: its commands run, its links lead somewhere, its lists are complete."""

import contextlib
import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
from write_rules import PAGE, rules_page

from statelift.cli import run, statelift
from statelift.compose import compose
from statelift.discover import read_file
from statelift.model import Options, Tier
from statelift.planning import make_plan

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "fixtures" / "README.md"])
RUN_ID = re.compile(r"\d{4}-\d{8}T\d{6}Z")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIES = {"shop": "fixtures/projects/shop", "login": "fixtures/seeds/sessions_inline_sam/before"}


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- commands


@dataclass
class Command:
    words: list[str]
    exit_code: int
    shown: list[str] = field(default_factory=list)


def commands(page: Path) -> Iterator[Command]:
    """The `$ ` lines of console blocks with what is shown below them; `# exit N` names the exit code."""
    for block in blocks(page, "console"):
        found: list[Command] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                code = re.search(r"#.*\bexit (\d+)", line)
                found.append(Command(shlex.split(line[2:], comments=True), int(code[1]) if code else 0))
            else:
                found[-1].shown.append(line)
        yield from found


def missing_line(shown: list[str], said: str) -> str | None:
    """The first shown line that does not follow in the output; a line of three dots stands for any."""
    said_lines = iter(RUN_ID.sub("RUN", line).rstrip() for line in said.splitlines())
    for line in shown:
        wanted = RUN_ID.sub("RUN", line).rstrip()
        if wanted not in ("...", "") and not any(each == wanted for each in said_lines):
            return line
    return None


def run_here(words: list[str]) -> tuple[int, str]:
    """Exit code and everything said, stdout and stderr in the order of writing."""
    raw = io.BytesIO()
    said = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(words)
    said.flush()
    return code, raw.getvalue().decode("utf-8", "replace")


def run_on_terminal(words: list[str], answers: list[str]) -> tuple[int, str]:
    """As run_here, on a terminal where somebody types the answers."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "statelift", *words]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said, waiting = b"", list(answers)
    with contextlib.suppress(OSError):  # the terminal is gone when the process ends
        while data := os.read(ours, 65536):
            said += data
            if said.endswith(b"?] "):
                os.write(ours, f"{waiting.pop(0) if waiting else 'q'}\n".encode())
    os.close(ours)
    return process.wait(), said.decode("utf-8", "replace").replace("\r\n", "\n")


def answers_in(shown: list[str]) -> list[str]:
    return [line.rpartition("?] ")[2] for line in shown if line.startswith("Accept ")]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies of the fixtures, as the pages take it for granted."""
    (tmp_path / "fixtures").mkdir()
    for name, source in COPIES.items():
        shutil.copytree(ROOT / source, tmp_path / name)
        shutil.copytree(ROOT / source, tmp_path / source)
    script = blocks(ROOT / "docs" / "bowler.md", "python")[0]
    (tmp_path / "rename.py").write_text(script, encoding="utf-8")
    (tmp_path / "repos.txt").write_text("login\nshop\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_do_what_the_page_shows(page: Path, workplace: Path) -> None:
    for command in commands(page):
        if command.words[0] != "statelift":
            continue
        if command.words[1] == "review":
            code, said = run_on_terminal(command.words[1:], answers_in(command.shown))
        else:
            code, said = run_here(command.words[1:])
        title = shlex.join(command.words)
        assert code == command.exit_code, f"{title}\n{said[-2000:]}"
        assert missing_line(command.shown, said) is None, f"{title}\n{said[-6000:]}"


def test_a_shown_line_that_is_not_said_is_noticed() -> None:
    assert missing_line(["a", "...", "c"], "a\nb\nc\n") is None
    assert missing_line(["c", "a"], "a\nb\nc\n") == "a"
    assert missing_line(["b "], "a\nbc\n") == "b "


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_console_blocks_hold_only_what_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"\$\(([A-Z]\w*)\)", makefile))
    for command in commands(page):
        match command.words:
            case ["make", *goals]:
                names = {goal.partition("=")[0] for goal in goals}
                assert names <= targets | variables
            case ["cp", "-R", source, name]:
                assert COPIES[name] == source
            case [program, *_]:
                assert program in ("statelift", "pip")


# ---------------------------------------------------------------- options


def leaves(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name} ")
        elif name != "diff":
            yield f"{prefix}{name}", command


def sections(page: Path) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", prose(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options_of(command: click.Command) -> set[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    return {name for each in options for name in (*each.opts, *each.secondary_opts)}


def test_every_option_stands_in_its_section_and_no_other() -> None:
    found = sections(ROOT / "docs" / "commands.md")
    shared = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", found["Options of scan, plan, review, apply and infra"]))
    by_section: dict[str, set[str]] = {}
    for name, command in leaves(statelift):
        by_section.setdefault(name.split()[0], set()).update(options_of(command))
    for name, known in by_section.items():
        rows = "\n".join(line for line in found[name].splitlines() if line.startswith("| `"))
        told = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", rows))
        has_shared = "--select" in known
        assert known - (shared if has_shared else set()) <= told, name
        assert told <= known, name


def test_every_command_and_format_is_named() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, command in leaves(statelift):
        assert f"statelift {name}" in text or f"`{name}`" in text
        for option in command.params:
            if isinstance(option.type, click.Choice):
                assert all(f"`{choice}`" in text for choice in option.type.choices), (name, option.name)


# ---------------------------------------------------------------- links and lists


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        goal = page.parent / name if name else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), target


def test_rules_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "run: .venv/bin/python tools/write_rules.py"


def test_every_rule_has_an_entry() -> None:
    from statelift.judge.rules import RULES

    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| SL")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {rule.code}" for rule in RULES]


def rooms() -> dict[str, set[str]]:
    """Module or package of the engine -> the modules in it, as the source tree has them."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "src" / "statelift").rglob("*.py"):
        head, *rest = path.relative_to(ROOT / "src" / "statelift").with_suffix("").parts
        if head != "__init__":
            found.setdefault(head, set()).update(name for name in rest if name != "__init__")
    return found


def test_architecture_names_every_module_and_no_other() -> None:
    text = sections(ROOT / "ARCHITECTURE.md")["The rooms"]
    told: dict[str, str] = {}
    for room, words in re.findall(r"^\| `([\w.]+)` \| (.+) \|$", text, re.MULTILINE):
        head, _, inner = room.partition(".")  # a room in a room has a row of its own
        told[head] = f"{told.get(head, '')} `{inner}` {words}"
    known = rooms()
    assert set(told) == set(known)
    for name, inner in known.items():
        assert inner <= set(re.findall(r"`(\w+)`", told[name])), name


def test_architecture_justifies_every_dependency_and_extra() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = sections(ROOT / "ARCHITECTURE.md")["Dependencies"]
    names = [re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]]
    for name in (*names, *project["optional-dependencies"]):
        assert re.search(rf"^\| {re.escape(name)} \| \S", text, re.MULTILINE), name


# ---------------------------------------------------------------- the codemod of the guide


def test_the_codemod_of_the_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "counter"
    shutil.copytree(ROOT / "fixtures/seeds/counter_sam/before", project)
    codemod = types.ModuleType("acme_codemods.logs")
    exec(blocks(ROOT / "docs" / "writing-a-codemod.md", "python")[0], codemod.__dict__)
    monkeypatch.setattr("statelift.registry.codemods", lambda: {"logs": codemod})

    plan = make_plan([project], Options())

    (change,) = plan.changes
    assert change.tier is Tier.REVIEW
    (write,) = compose(plan, {change.id}, lambda path: read_file(project, path))
    assert b'    print("request_count", 1)\n' in write.after
