"""The diff that `plan` shows is what `apply` writes, byte for byte, and `undo` takes it back."""

import subprocess
import sys

import pytest
from repositories import copied, git, repository, tree, written
from update_goldens import cases

from statelift.cli import run

CASES = cases()
CHANGING = [name for name, (_, golden) in CASES.items() if golden.exists()]
LEFT = [name for name in CASES if name not in CHANGING]

SESSIONS = '''"""Grüße aus dem Behälter."""

SESSIONS = {}


def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
        return {"note": "gespeichert: ü"}
    return {"user": SESSIONS.get(event["id"])}'''

FORMS = {
    "windows line ends": SESSIONS.replace("\n", "\r\n").encode(),
    "a byte order mark": b"\xef\xbb\xbf" + SESSIONS.encode(),
    "no final newline": SESSIONS.encode(),
    "latin-1": b"# -*- coding: latin-1 -*-\n" + SESSIONS.encode("latin-1"),
    "everything at once": b"\xef\xbb\xbf" + SESSIONS.replace("\n", "\r\n").encode(),
    "form feeds": SESSIONS.replace("\n\n\ndef", "\n\f\n\ndef").encode() + b"\n\f\n",
}


def diff_of(capfdbinary, folder):
    """What `plan` prints for a folder, and its exit code."""
    capfdbinary.readouterr()
    code = run(["plan", str(folder)])
    return capfdbinary.readouterr().out, code


def is_diff(shown):
    return b"\n@@ " in shown


# ---------------------------------------------------------------- every fixture


@pytest.mark.parametrize("name", CHANGING)
def test_git_applies_the_plan_to_the_bytes_that_apply_writes(name, tmp_path, capfdbinary):
    program, _ = CASES[name]
    applied = copied(program, tmp_path / "applied")
    diff, code = diff_of(capfdbinary, applied)
    assert code == 1 and is_diff(diff)
    assert run(["apply", "--tier", "review", str(applied)]) == 0

    top = repository(copied(program, tmp_path / "top"))
    git(top, "apply", "--check", stdin=diff)
    git(top, "apply", stdin=diff)
    assert tree(top) == tree(applied) != tree(program)

    repository(written(tmp_path / "mono", {"README.md": "many services\n"}))
    inner = copied(program, tmp_path / "mono" / "services" / "one")
    git(inner, "apply", "--check", stdin=diff)
    git(inner, "apply", stdin=diff)
    assert tree(inner) == tree(applied)


@pytest.mark.parametrize("name", CHANGING)
def test_a_second_plan_changes_nothing_and_undo_restores_every_byte(name, tmp_path, capfdbinary):
    program, _ = CASES[name]
    folder = repository(copied(program, tmp_path / "project"))
    assert run(["apply", "--tier", "review", str(folder)]) == 0
    shown, code = diff_of(capfdbinary, folder)
    assert code == 0 and not is_diff(shown)
    assert run(["undo", "--root", str(folder)]) == 0
    assert tree(folder) == tree(program)
    assert git(folder, "status", "--porcelain").stdout == b""


@pytest.mark.parametrize("name", LEFT)
def test_where_nothing_changes_nothing_is_written(name, tmp_path, capfdbinary):
    program, _ = CASES[name]
    folder = copied(program, tmp_path / "project")
    shown, code = diff_of(capfdbinary, folder)
    is_open = b"not chosen yet" in shown  # of two answers, a person has to choose one
    assert code == int(is_open) and not is_diff(shown)
    assert run(["apply", "--tier", "review", str(folder)]) == 0
    assert tree(folder) == tree(program)


# ---------------------------------------------------------------- every form of a file


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_file_survives(form, tmp_path, capfdbinary):
    program = written(tmp_path / "program", {"app.py": FORMS[form]})
    applied = copied(program, tmp_path / "applied")
    diff, code = diff_of(capfdbinary, applied)
    assert code == 1
    assert run(["apply", "--tier", "review", str(applied)]) == 0
    top = repository(copied(program, tmp_path / "top"))
    git(top, "apply", stdin=diff)
    assert tree(top) == tree(applied)
    before, after = FORMS[form], tree(applied)["app.py"]
    assert before.endswith(b"\n") == after.endswith(b"\n")
    assert (b"\r\n" in before) == (b"\r\n" in after)
    assert after.count(b"\r\n") in (0, after.count(b"\n"))
    lines = iter(after.splitlines(keepends=True))
    kept = [line for line in before.splitlines(keepends=True) if b"SESSIONS" not in line]
    assert all(line in lines for line in kept), "a line that no edit touches has changed"
    assert run(["undo", "--root", str(applied)]) == 0
    assert tree(applied) == tree(program)


# ---------------------------------------------------------------- as people call it


@pytest.mark.parametrize("name", ["projects/shop", "seeds/tmp_sam"])
def test_the_same_holds_for_the_real_command(name, tmp_path):
    program, _ = CASES[name]
    applied = copied(program, tmp_path / "applied")

    def statelift(*arguments):
        return subprocess.run([sys.executable, "-m", "statelift", *arguments], cwd=applied, capture_output=True)

    planned = statelift("plan")
    assert planned.returncode == 1
    assert statelift("apply", "--tier", "review").returncode == 0
    top = repository(copied(program, tmp_path / "top"))
    git(top, "apply", stdin=planned.stdout)
    assert tree(top) == tree(applied)
    assert statelift("undo").returncode == 0
    assert tree(applied) == tree(program)
