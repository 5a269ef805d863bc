"""Batches, explanations, infrastructure, hooks and the action: the command line on whole projects."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import copied, git, repository, written

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHOP = FIXTURES / "projects" / "shop"
SESSIONS_SAM = FIXTURES / "seeds" / "sessions_sam" / "before"
BROKEN = {"app.py": "def handler(event, context:\n"}
CLEAN = {"app.py": "def handler(event, context):\n    return event\n"}


# ---------------------------------------------------------------- batch


@pytest.fixture
def three(tmp_path):
    """A folder with three repositories; one has a file that is no Python."""
    home = tmp_path / "repos"
    repository(copied(SESSIONS_SAM, home / "accounts"))
    repository(written(home / "broken", BROKEN))
    repository(written(home / "clean", CLEAN))
    return home


def by_name(out):
    return {Path(each["repository"]).name: each for each in json.loads(out)["repositories"]}


def test_a_batch_goes_on_past_a_broken_repository(three, said):
    code, out, _ = said("batch", "plan", "--repos", three, "--format", "json")
    assert code == 3
    found = by_name(out)
    assert {name: found[name]["errors"] for name in found} == {"accounts": 0, "broken": 1, "clean": 0}
    assert found["accounts"]["status"] == "planned"
    assert found["accounts"]["safe"] + found["accounts"]["review"] == 1
    assert found["clean"]["status"] == "clean"

    assert (
        by_name(said("batch", "status", "--repos", three, "--format", "json")[1])["accounts"]["status"] == "planned"
    )
    code, out, _ = said("batch", "apply", "--repos", three, "--tier", "review", "--format", "json")
    assert code == 3
    assert by_name(out)["accounts"]["status"] == "applied"
    assert by_name(out)["accounts"]["written"] == 3
    changed = git(three / "accounts", "status", "--porcelain").stdout.decode()
    assert sorted(line[3:] for line in changed.splitlines()) == ["app.py", "statelift_state.py", "template.yaml"]
    assert (
        by_name(said("batch", "status", "--repos", three, "--format", "json")[1])["accounts"]["status"] == "applied"
    )
    assert said("undo", "--root", three / "accounts")[0] == 0
    assert git(three / "accounts", "status", "--porcelain").stdout == b""


def test_a_list_names_repositories_and_a_missing_one_is_told(three, said):
    repos = three.parent / "repos.txt"
    repos.write_text("# ours\nrepos/accounts\n\nrepos/clean\nrepos/gone\n")
    code, out, _ = said("batch", "plan", "--repos", repos, "--format", "json")
    assert code == 3
    assert {name: each["status"] for name, each in by_name(out).items()} == {
        "accounts": "planned", "clean": "clean", "gone": "failed",
    }  # fmt: skip


def test_a_batch_of_clean_repositories_is_exit_0_and_shows_a_table(three, said):
    code, out, _ = said("batch", "plan", "--repos", three / "clean")
    assert code == 0
    assert "clean" in out and "1 repositor" in out


# ---------------------------------------------------------------- explain, rules, infra


def test_every_rule_has_a_page(said):
    rules = json.loads(said("rules", "--format", "json")[1])
    assert len(rules) >= 10
    for rule in rules:
        code, out, _ = said("explain", rule["code"])
        assert code == 0
        assert rule["name"] in out and rule["summary"] in out
        assert said("explain", rule["name"]) == (code, out, "")
    assert said("rules", "--format", "markdown")[1].count("\n| SL") == len(rules)


def test_a_line_is_explained_as_part_of_its_project(shop, said, monkeypatch):
    line = next(n for n, text in enumerate((shop / "src/sessions.py").read_text().splitlines(), 1) if "{}" in text)
    code, out, _ = said("explain", f"{shop}/src/sessions.py:{line}")
    assert code == 0
    tier = said("scan", "--format", "json", shop)[1]
    found = next(each for each in json.loads(tier)["findings"] if each["symbol"] == "SESSIONS")
    assert f"SL101 state · {found['tier']}" in out
    monkeypatch.chdir(shop / "src")
    assert said("explain", f"sessions.py:{line}") == (0, out, "")


def test_what_is_left_alone_is_explained(shop, said):
    line = next(n for n, text in enumerate((shop / "src/prices.py").read_text().splitlines(), 1) if "= {}" in text)
    code, out, _ = said("explain", f"{shop}/src/prices.py:{line}")
    assert code == 0
    assert "cache · left alone" in out and "src/prices.py" in out


def test_a_line_without_state_is_said_to_have_none(clean, said):
    assert "nothing here outlives" in said("explain", f"{clean}/app.py:2")[1]


MANY = """\
import boto3

HITS = 0


def handler(event, context):
    client = boto3.client(
        "s3",
        region_name="eu-west-1",
    )
    return client.list_buckets()
"""


@pytest.mark.parametrize("line", ["7:14", "7", "8", "9", "10"])
def test_a_line_is_any_of_its_statement_and_may_have_a_column(tmp_path, said, line):
    code, out, _ = said("explain", f"{written(tmp_path, {'app.py': MANY})}/app.py:{line}")
    assert (code, out.partition(":")[0]) == (0, "SL401 per-call · safe")


@pytest.mark.parametrize("data", [MANY.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + MANY.encode()])
def test_line_ends_and_signatures_move_no_line(tmp_path, said, data):
    (tmp_path / "app.py").write_bytes(data)
    code, out, _ = said("explain", f"{tmp_path}/app.py:8")
    assert (code, out.partition(":")[0]) == (0, "SL401 per-call · safe")


@pytest.mark.parametrize(
    ("subject", "code", "words"),
    [
        ("app.py:11", 0, "nothing here outlives an invocation"),
        ("app.py:11", 0, "Of this file, line 7 can be explained."),
        ("app.py:12", 0, "nothing here outlives"),
        ("app.py:99", 2, "app.py has 12 lines: there is no line 99."),
        ("app.py:0", 2, "there is no line 0."),
        ("app.py", 2, "Name a rule, or a file with a line: app.py:12."),
        ("gone.py", 2, "Name a rule, or a file with a line: gone.py:12."),
        ("folder", 2, "Name a rule, or a file with a line: FILE:12."),
        ("", 2, "Name a rule, or a file with a line: FILE:12."),
        ("README.md:1", 0, "this is no Python file"),
        ("ignored.py:3", 0, "this file is not looked at"),
    ],
)
def test_what_cannot_be_explained_is_told_kindly(tmp_path, said, monkeypatch, subject, code, words):
    texts = {"app.py": MANY, "ignored.py": MANY, ".gitignore": "ignored.py", "README.md": "#", "folder/a.txt": ""}
    monkeypatch.chdir(written(tmp_path, texts))
    (tmp_path / ".git").mkdir()
    got, out, told = said("explain", subject)
    assert got == code
    assert words in (told if code else out)


def test_a_line_of_a_broken_file_is_exit_3(tmp_path, said):
    code, out, told = said("explain", f"{written(tmp_path, BROKEN)}/app.py:1")
    assert (code, out) == (3, "")
    assert "app.py:1: syntax-error" in told


@pytest.mark.parametrize("target", ["cloudformation", "sam"])
def test_the_infrastructure_of_the_shop_has_no_lint(target, said):
    from cfnlint.api import ManualArgs, lint

    code, out, _ = said("infra", SHOP, "--target", target)
    assert code == 0
    assert "AWS::DynamoDB::Table" in out and "AWS::S3::Bucket" in out
    assert [str(match) for match in lint(out, config=ManualArgs(regions=["eu-west-1"]))] == []


def test_the_patched_template_of_the_shop_has_no_new_lint(shop, said):
    from cfnlint.api import ManualArgs, lint

    def findings():
        text = (shop / "template.yaml").read_text()
        return {match.message for match in lint(text, config=ManualArgs(regions=["eu-west-1"]))}

    before = findings()
    assert said("apply", "--tier", "review", shop)[0] == 0
    assert findings() <= before


# ---------------------------------------------------------------- where others call it


def test_the_hooks_for_pre_commit_are_commands_that_work(clean, said, monkeypatch):
    import yaml

    monkeypatch.chdir(clean)
    hooks = yaml.safe_load((FIXTURES.parent / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["statelift-scan", "statelift-apply"]
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert program == "statelift" and hook["pass_filenames"] is False
        assert said(*arguments)[0] == 0


def test_the_action_annotates_and_fails_like_scan(shop, said):
    import yaml

    action = yaml.safe_load((FIXTURES.parent / "action.yml").read_text())
    script = action["runs"]["steps"][-1]["run"]
    defaults = {name.upper().replace("-", "_"): each["default"] for name, each in action["inputs"].items()}
    place = shop.parent / "statelift" / "bin" / "statelift"
    written(shop.parent, {"statelift/bin/statelift": f'#!/bin/sh\nexec {sys.executable} -m statelift "$@"\n'})
    place.chmod(0o755)
    environment = os.environ | defaults | {"RUNNER_TEMP": str(shop.parent), "PATHS": "shop"}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=shop.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "::warning file=shop/src/sessions.py,line=5" in done.stdout
    environment |= {"FAIL_ON": "never", "SELECT": "SL1 SL2", "IGNORE": "SL101"}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=shop.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and "SL101" not in done.stdout and "SL201" in done.stdout
