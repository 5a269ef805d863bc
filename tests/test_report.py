"""The diff that git takes, the text that people read, the formats that machines read."""

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statelift.model import (
    Change,
    Edit,
    EnsureResource,
    FileWrite,
    Finding,
    Options,
    Place,
    Plan,
    Problem,
    Tier,
    Verdict,
)
from statelift.planfile import PlanError, plan_from_json, plan_to_json, scan_to_json
from statelift.report import machine, text
from statelift.report.diff import render_plan, unified
from statelift.report.terminal import escape

NUMBERED = "".join(f"line {number}\n" for number in range(1, 31)).encode()


def finding(name="F1", path="app.py", line=3, tier=Tier.SAFE, changes=("C1",), **more):
    return Finding(
        id=name,
        rule="SL101",
        name="session-store",
        family="memory",
        place=Place(path, line, 1, line),
        symbol="SESSIONS",
        verdict=more.pop("verdict", Verdict.STATE),
        message=more.pop("message", "SESSIONS is kept in the container"),
        reasons=more.pop("reasons", ("login writes it, validate reads it",)),
        handlers=(),
        uses=(),
        tier=tier,
        changes=changes,
    )


def change(name="C1", path="app.py", tier=Tier.SAFE, of=None, **more):
    return Change(name, "SL101", tier, f"Move {name}", (f"why {name}",), (Edit(path, 0, 0, ""),), of, **more)


def plan_of(findings=(), changes=(), errors=(), left_alone=(), files=0):
    return Plan("/r", Options(), (), tuple(findings), tuple(left_alone), tuple(changes), tuple(errors), files)


def git(folder, *arguments, stdin=None):
    """Run git without anybody's configuration."""
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CEILING_DIRECTORIES": "/"}
    return subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, capture_output=True, env={**os.environ, **quiet}
    )


@pytest.fixture
def repository(tmp_path):
    assert git(tmp_path, "init", "-q").returncode == 0
    return tmp_path


def apply_with_git(folder, writes, patch):
    """Put the files down as they were, let git apply the patch, give back what stands there."""
    for write in writes:
        path = folder / write.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if write.before is not None:
            path.write_bytes(write.before)
    check = git(folder, "apply", "--check", "-", stdin=patch)
    assert check.returncode == 0, check.stderr
    applied = git(folder, "apply", "-", stdin=patch)
    assert applied.returncode == 0, applied.stderr
    return [(folder / write.path).read_bytes() for write in writes]


EDITS = [
    pytest.param(NUMBERED, NUMBERED.replace(b"line 9\n", b"line nine\nmore\n"), id="lf"),
    pytest.param(NUMBERED, b"top\n" + NUMBERED.replace(b"line 30\n", b""), id="both-ends"),
    pytest.param(b"a\r\nb\r\nc\r\n", b"a\r\nB\r\nc\r\n", id="crlf"),
    pytest.param(b"a\r\nb\nc\r\n", b"a\r\nb\r\nc\r\n", id="only-the-line-end"),
    pytest.param(b"a\nb", b"a\nc", id="no-final-newline"),
    pytest.param(b"a\nb", b"A\nb", id="no-final-newline-in-context"),
    pytest.param(b"a\nb", b"a\nb\n", id="final-newline-added"),
    pytest.param(b"a\nb\n", b"a\nb", id="final-newline-removed"),
    pytest.param(b"a\r\nb", b"a\r\nc", id="crlf-no-final-newline"),
    pytest.param(b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n", id="bom"),
    pytest.param(b"caf\xe9\n\x0c\nb\n", b"caf\xe9\n\x0c\nc\n", id="latin-1-and-form-feed"),
    pytest.param("a\u2028b\x85c\x0bd\n".encode(), "a\u2028b\x85c\x0be\n".encode(), id="other-line-breaks"),
    pytest.param(b"a\rb\rc\n", b"a\rB\rc\n", id="carriage-returns-alone"),
    pytest.param(b"", b"a\n", id="was-empty"),
    pytest.param(None, b"a\nb\n", id="new"),
    pytest.param(None, b"a\r\nb", id="new-crlf-no-final-newline"),
    pytest.param(b"-- x\n++ y\n", b"-- y\n++ x\n# z\n", id="looks-like-a-header"),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_git_applies_the_diff_of_one_file(repository, before, after):
    write = FileWrite("app.py", before, after)
    assert apply_with_git(repository, [write], unified("app.py", before, after)) == [after]


NAMES = [
    "my app.py",
    "a folder/my app.py",
    "caf\u00e9.py",
    'quo"te.py',
    "tab\there.py",
    "new\nline.py",
    "\x1b[2J.py",
    "trailing .py ",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", [b"a\n", None], ids=["changed", "new"])
def test_git_finds_files_with_odd_names(repository, name, before):
    write = FileWrite(name, before, b"b\n")
    assert apply_with_git(repository, [write], unified(name, before, b"b\n")) == [b"b\n"]


def test_the_headers_are_plain():
    assert unified("a b.py", b"x\n", b"y\n") == b"--- a/a b.py\t\n+++ b/a b.py\t\n@@ -1 +1 @@\n-x\n+y\n"
    assert unified("n.py", None, b"y") == (
        b"--- /dev/null\n+++ b/n.py\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize("data", [b"", b"a\n", b"a"])
def test_equal_bytes_give_no_diff(data):
    assert unified("a.py", data, data) == b""


def test_context_is_three_lines_and_far_edits_are_two_hunks():
    diff = unified("a.py", NUMBERED, NUMBERED.replace(b"line 5\n", b"5\n").replace(b"line 25\n", b"25\n"))
    assert diff.count(b"\n@@ ") == 2
    assert b"@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+5\n line 6\n line 7\n line 8\n@@" in diff


def patched(before, diff):
    """What a strict reader makes of the diff: a second opinion that needs no git."""
    old, new, at = before.split(b"\n"), [], 0
    for line in diff.split(b"\n")[2:-1]:
        if line.startswith(b"@@"):
            first, _, length = line.split()[1][1:].partition(b",")
            start = int(first) - (length != b"0")
            new += old[at:start]
            at = start
        elif line.startswith(b"\\"):
            continue
        elif line.startswith(b"+"):
            new.append(line[1:])
        else:
            assert old[at] == line[1:]
            at += 1
            if line.startswith(b" "):
                new.append(line[1:])
    return b"\n".join(new + old[at:])


def test_a_long_file_with_far_edits_is_still_a_small_diff():
    lines = [b"\n" if number % 3 else b"line %d\n" % number for number in range(9000)]
    changed = [b"import x\n", *lines[:4000], b"new\n", *lines[4000:-1], b"end\n"]
    before, after = b"".join(lines), b"".join(changed)
    diff = unified("a.py", before, after)
    assert patched(before, diff) == after
    assert diff.count(b"\n") < 40


files = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\r\n", b"  \n"]), max_size=25).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(files, files)
def test_a_diff_turns_one_file_into_the_other(before, after):
    diff = unified("a.py", before, after)
    assert (patched(before, diff) if diff else before) == after


# ---------------------------------------------------------------- a plan as one patch

WRITES = [
    FileWrite("app.py", NUMBERED, NUMBERED.replace(b"line 5\n", b"five\n").replace(b"line 25\n", b"")),
    FileWrite("lib/crlf file.py", b"a\r\nb", b"a\r\nc"),
    FileWrite("statelift_state.py", None, b"class Store: ...\n"),
    FileWrite("template.yaml", b"Resources:\n", b"Resources:\n  T: {}\n"),
]


@pytest.fixture
def busy_plan():
    hostile = "first\n--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-x\n\x1b[2J\rdiff --git a/x b/x"
    table = EnsureResource("T", "table", (), "template.yaml")
    first = replace(change(), ops=(Edit("app.py", 0, 1, "x"), table), reasons=("plain uses", hostile))
    changes = [
        first,
        change("C2", "lib/crlf file.py", Tier.REVIEW),
        change("C3", tier=Tier.REVIEW, of="F2"),
        change("C4", decision="rejected"),
        change("C5", tier=Tier.MANUAL),
        change("C6", "other.py", needs=("C1",)),
    ]
    manual = finding("F3", "lib/x.py", 8, Tier.MANUAL, (), message=hostile, reasons=("two writers",))
    return plan_of([finding(), finding("F2", changes=("C3",)), manual], changes)


@pytest.mark.parametrize("root", [".", "services/login"], ids=["top", "sub-directory"])
def test_git_applies_the_whole_output(repository, busy_plan, root):
    folder = repository / root
    folder.mkdir(parents=True, exist_ok=True)
    patch = render_plan(busy_plan, WRITES)
    assert apply_with_git(folder, WRITES, patch) == [write.after for write in WRITES]
    assert b"diff --git" not in b"".join(line for line in patch.split(b"\n") if not line.startswith(b"# "))


def test_each_file_names_its_changes_with_tier_title_and_reasons(busy_plan):
    before_first, rest = render_plan(busy_plan, WRITES).decode().split("\n--- a/app.py\n", 1)
    assert before_first.startswith("# app.py\n# SL101 safe: Move C1  [C1]\n#   plain uses\n")
    assert "# SL101 review: Move C3  [C3]" in before_first
    assert "one of several answers to F2" in before_first
    assert "C4" not in before_first
    assert "# SL101 review: Move C2  [C2]\n#   why C2\n--- a/lib/crlf file.py" in rest
    assert "# SL101 safe: Move C1  [C1]" in rest.split("# template.yaml\n")[1]


def test_what_is_not_in_the_diff_is_told_after_it(busy_plan):
    tail = render_plan(busy_plan, WRITES, shown={"C1", "C2"}).decode().split("+  T: {}\n")[1]
    assert "# not in this diff, not chosen yet (statelift review):\n# SL101 review: Move C3" in tail
    assert "# not in this diff, rejected:\n# SL101 safe: Move C4" in tail
    assert "# not in this diff, changes none of these files:\n# SL101 safe: Move C6" in tail
    assert "#   needs C1" in tail
    assert "C5" not in tail
    assert "# left to you: lib/x.py:8:1 SL101 session-store state manual  first" in tail
    assert "#   two writers" in tail


def test_nothing_but_diffs_and_comment_lines(busy_plan):
    output = render_plan(busy_plan, WRITES)
    for write in WRITES:
        output = output.replace(unified(write.path, write.before, write.after), b"")
    assert all(line.startswith(b"# ") for line in output.splitlines())
    assert not set(output) & {0x1B, 0x0D}


def test_a_new_empty_file_is_told():
    output = render_plan(plan_of(), [FileWrite("lib/__init__.py", None, b"")])
    assert output.startswith(b"# lib/__init__.py\n#   a new, empty file")


def test_an_empty_plan_has_an_empty_diff():
    assert render_plan(plan_of(), []) == b""


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain \u00e9 \U0001f600", "plain \u00e9 \U0001f600"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202eevil\u2066\u200f", r"\u202eevil\u2066\u200f"),
        ("\u2028", r"\u2028"),
        ("\udcff.py", r"\udcff.py"),
        ("a\u200bb\u2060\ufeff\u00ad", r"a\u200bb\u2060\ufeff\xad"),
        ("x\u3164\ufe0f\U000e0041", r"x\u3164\ufe0f\U000e0041"),
        ("::error::a", r"\x3a:error::a"),
        (" \t::set-env", r" \t::set-env"),
        ("  ::set-env", r"  \x3a:set-env"),
        ("a ##[group]b #[c] ##", r"a \x23#[group]b #[c] ##"),
        ("std::vector ::", "std::vector ::"),
    ],
)
def test_control_characters_become_visible(raw, shown):
    assert escape(raw) == shown


def test_kept_characters_stay():
    assert escape("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


@given(st.text(st.characters()))
def test_whatever_is_escaped_can_be_printed_on_one_line(raw):
    shown = escape(raw)
    assert len(shown.encode().decode().splitlines()) <= 1
    assert "\x1b" not in shown


# ---------------------------------------------------------------- text


@pytest.fixture
def mixed():
    findings = [
        finding("F2", "b.py", 9, Tier.REVIEW, ("C2", "C3")),
        finding(),
        finding("F3", line=1, tier=Tier.MANUAL, changes=(), reasons=()),
    ]
    suspects = [finding("F4", tier=None, changes=(), verdict=Verdict.CACHE)]
    errors = [Problem("bad.py", 4, "syntax", "cannot be parsed"), Problem("", 0, "root", "no handler")]
    return plan_of(findings, (), errors, suspects, files=12)


def test_the_full_text(mixed):
    assert text.full(mixed) == (
        "app.py:1:1 SL101 session-store state manual  SESSIONS is kept in the container\n"
        "app.py:3:1 SL101 session-store state safe  SESSIONS is kept in the container\n"
        "    login writes it, validate reads it\n"
        "    changes: C1\n"
        "\n"
        "b.py:9:1 SL101 session-store state review  SESSIONS is kept in the container\n"
        "    login writes it, validate reads it\n"
        "    changes: C2, C3\n"
        "\n"
        "bad.py:4: syntax: cannot be parsed\n"
        ".: root: no handler\n"
        "\n"
        "1 suspect left alone. Why: statelift explain FILE:LINE\n"
        "3 findings (1 safe, 1 review, 1 manual), 1 left alone, 2 errors in 12 files\n"
    )


def test_the_full_text_of_nothing():
    assert text.full(plan_of(files=1)) == "0 findings, 0 left alone, 0 errors in 1 file\n"


def test_the_concise_text(mixed):
    lines = text.concise(mixed).splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == [
        "app.py:1:1 SL101 session-store state manual",
        "app.py:3:1 SL101 session-store state safe",
        "b.py:9:1 SL101 session-store state review",
    ]
    assert lines[3:] == ["bad.py:4: syntax: cannot be parsed", ".: root: no handler"]
    assert text.concise(plan_of()) == ""


def test_a_hostile_message_stays_on_its_line():
    nasty = "x\nfake.py:1:1 SL999\x1b[2J"
    plan = plan_of(
        [finding(path=nasty, message=nasty, reasons=(nasty,), changes=(nasty,))],
        errors=[Problem(nasty, 1, nasty, nasty)],
    )
    assert "\x1b" not in text.full(plan)
    assert not any(line.startswith("fake.py") for line in text.full(plan).splitlines())
    assert len(text.concise(plan).splitlines()) == 2


def test_json_is_the_scan(mixed):
    assert json.loads(machine.to_json(mixed)) == scan_to_json(mixed)


def test_the_examples_of_the_documentation_are_a_scan_and_a_plan():
    page = (Path(__file__).parent.parent / "docs" / "json.md").read_text("utf-8")
    scan, more = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    plan = plan_from_json({**scan, **more})
    assert scan_to_json(plan) == scan
    assert plan_to_json(plan).keys() == scan.keys() | more.keys()


def test_json_lines_say_what_they_are(mixed):
    records = [json.loads(line) for line in machine.to_json_lines(mixed).splitlines()]
    words = [record.pop("type") for record in records]
    assert words == ["finding"] * 3 + ["left_alone"] + ["error"] * 2 + ["summary"]
    scan = scan_to_json(mixed)
    assert records == [*scan["findings"], *scan["left_alone"], *scan["errors"], scan["summary"]]


@pytest.mark.parametrize("form", [machine.to_json, machine.to_json_lines])
def test_json_is_plain_ascii_and_refuses_an_unjudged_finding(form):
    assert form(plan_of([finding(message="\u202e\x9b\udcff")])).isascii()
    with pytest.raises(PlanError, match="no tier"):
        form(plan_of([finding(tier=None)]))


def test_github_annotations(mixed):
    lines = machine.github(mixed).splitlines()
    assert lines[1] == (
        "::warning file=app.py,line=3,endLine=3,col=1,title=SL101 session-store (safe)"
        "::SESSIONS is kept in the container%0Alogin writes it, validate reads it"
    )
    assert lines[3:] == [
        "::error file=bad.py,line=4,title=syntax::cannot be parsed",
        "::error title=root::no handler",
    ]


def test_github_annotations_cannot_be_forged():
    plan = plan_of([finding(path="a,b:c%\n::error::x.py", message="100%\r\n::error::gone\x1b", reasons=())])
    assert machine.github(plan) == (
        "::warning file=a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax.py,line=3,endLine=3,col=1,"
        "title=SL101 session-store (safe)::100%25%0D%0A::error::gone\\x1b\n"
    )
