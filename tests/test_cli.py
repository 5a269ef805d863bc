"""The command line keeps its promises: exit codes, what goes to stdout, what people are told."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from repositories import copied, git, repository, tree, written

from statelift.cli import run

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHOP = FIXTURES / "projects" / "shop"
SESSIONS_SAM = FIXTURES / "seeds" / "sessions_sam" / "before"
CLEAN = {"app.py": "def handler(event, context):\n    return event\n"}
BROKEN = {"app.py": "def handler(event, context:\n"}
STORE = """SESSIONS = {}


def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""


@pytest.fixture
def clean(tmp_path):
    return written(tmp_path / "clean", CLEAN)


@pytest.fixture
def shop(tmp_path):
    return copied(SHOP, tmp_path / "shop")


@pytest.fixture
def said(capfd):
    """Run the command line in this process: exit code, stdout, stderr."""

    def call(*arguments):
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


def statelift(*arguments, **options):
    command = [sys.executable, "-m", "statelift", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize("command", ["scan", "plan", "diff", "apply", "infra"])
def test_a_clean_project_is_exit_0(command, clean, said):
    assert said(command, clean)[0] == 0
    assert tree(clean) == {name: text.encode() for name, text in CLEAN.items()}


@pytest.mark.parametrize("command", ["scan", "plan", "diff"])
def test_findings_and_changes_are_exit_1(command, shop, said):
    assert said(command, shop)[0] == 1
    assert tree(shop) == tree(SHOP)


@pytest.mark.parametrize("command", ["scan", "plan", "apply", "infra"])
def test_a_path_that_does_not_exist_is_exit_2(command, tmp_path, said):
    code, out, told = said(command, tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere does not exist" in told


@pytest.mark.parametrize("command", ["scan", "plan", "apply", "infra"])
def test_an_unknown_rule_is_exit_2_and_the_nearest_one_is_named(command, clean, said):
    code, _, told = said(command, "--select", "sesion-in-memory", clean)
    assert code == 2
    assert "sesion-in-memory" in told and "Did you mean session-in-memory?" in told


@pytest.mark.parametrize(
    "arguments",
    ["frobnicate", "scan --frobnicate", "scan --format xml", "scan --output full", "explain SL999"],
)
def test_wrong_usage_is_exit_2(arguments, clean, said, monkeypatch):
    monkeypatch.chdir(clean)
    code, _, told = said(*arguments.split())
    assert code == 2
    assert told.strip()


def test_the_tier_of_fail_on_decides(tmp_path, said):
    review = written(tmp_path / "review", {"app.py": STORE})
    safe = copied(SESSIONS_SAM, tmp_path / "safe")
    codes = {
        (name, tier): said("scan", "--fail-on", tier, folder)[0]
        for name, folder in (("review", review), ("safe", safe))
        for tier in ("safe", "review", "manual", "never")
    }
    assert [codes["review", tier] for tier in ("safe", "review", "manual", "never")] == [1, 1, 0, 0]
    assert codes["safe", "never"] == 0
    assert codes["safe", "safe"] == 1


def test_only_selected_rules_count(shop, said):
    code, out, _ = said("scan", "--format", "json-lines", "--select", "SL2", shop)
    assert code == 1
    assert {json.loads(line)["rule"] for line in out.splitlines() if "rule" in json.loads(line)} == {
        "SL201",
        "SL202",
    }
    assert said("scan", "--select", "SL2", "--ignore", "SL201", "--ignore", "read-counter-in-memory", shop)[0] == 0


@pytest.mark.parametrize("command", ["scan", "plan", "apply"])
def test_a_broken_file_is_exit_3_and_the_others_are_still_done(command, shop, said):
    written(shop, {"src/broken.py": BROKEN["app.py"]})
    code, out, told = said(command, *(["--tier", "review"] if command == "apply" else []), shop)
    assert code == 3
    assert "src/broken.py:1" in (out if command == "scan" else told)
    assert "src/sessions.py" in out
    assert ("Store" in tree(shop)["src/sessions.py"].decode()) == (command == "apply")


def test_a_stale_plan_is_exit_2_and_nothing_is_written(shop, tmp_path, said):
    plan = tmp_path / "plan.json"
    assert said("plan", shop, "-o", plan)[0] == 1
    sessions = shop / "src" / "sessions.py"
    sessions.write_text(sessions.read_text() + "\n# edited since\n")
    before = tree(shop)
    code, out, told = said("apply", plan)
    assert (code, out) == (2, "")
    assert "src/sessions.py" in told and "new plan" in told
    assert tree(shop) == before


def test_a_file_that_is_no_plan_is_exit_2(tmp_path, said):
    written(tmp_path, {"plan.json": "{}", "other.json": "not json"})
    for name in ("plan.json", "other.json", "missing.json"):
        code, _, told = said("apply", tmp_path / name)
        assert code == 2
        assert name in told or "plan" in told


def test_uncommitted_files_are_exit_2_unless_allowed(shop, said):
    repository(shop)
    sessions = shop / "src" / "sessions.py"
    sessions.write_text(sessions.read_text() + "\n# not committed\n")
    before = tree(shop)
    code, _, told = said("apply", shop)
    assert code == 2
    assert "src/sessions.py" in told
    assert tree(shop) == before
    assert said("apply", "--allow-dirty", shop)[0] == 0
    assert b"# not committed" in tree(shop)["src/sessions.py"] != before["src/sessions.py"]


def test_an_interruption_is_exit_130(shop, said, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("statelift.analysis.analyse", interrupted)
    monkeypatch.setattr("statelift.cli.options.analysis_of", interrupted)
    code, _, told = said("scan", shop)
    assert code == 130
    assert "Interrupted" in told


def test_an_internal_error_is_exit_2_and_never_looks_like_findings():
    program = (
        "import sys, statelift.cli as cli\ndef fail(_): raise LookupError('boom')\ncli.run = fail\ncli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert "LookupError: boom" in done.stderr and "report it" in done.stderr


def test_undo_without_a_run_is_exit_2(clean, said):
    code, _, told = said("undo", "--root", clean)
    assert code == 2
    assert "nothing to undo" in told


# ---------------------------------------------------------------- data and talk


def test_json_is_all_that_goes_to_stdout(shop, said):
    _, out, _ = said("scan", "--format", "json", shop)
    rules = {finding["rule"] for finding in json.loads(out)["findings"]}
    assert {"SL101", "SL201", "SL202", "SL301", "SL401", "SL402"} <= rules


def test_every_line_of_json_lines_is_json(shop, said):
    _, out, _ = said("scan", "--format", "json-lines", shop)
    assert all(isinstance(json.loads(line), dict) for line in out.splitlines())
    assert len(out.splitlines()) > 5


def test_annotations_name_file_and_line(shop, said):
    _, out, _ = said("scan", "--format", "github", shop)
    lines = out.splitlines()
    assert lines and all(re.match(r"::(notice|warning|error) .*file=.+,line=\d+", line) for line in lines)


@pytest.mark.parametrize("form", ["full", "concise", "github"])
def test_people_and_annotations_get_paths_as_seen_from_the_working_folder(form, shop, said, monkeypatch):
    written(shop, {"src/broken.py": BROKEN["app.py"]})
    monkeypatch.chdir(shop.parent)
    out = said("scan", "--format", form, shop)[1]
    assert "shop/src/sessions.py" in out and "shop/src/broken.py" in out
    monkeypatch.chdir(shop)
    assert said("scan", "--format", form)[1] == out.replace("shop/src/", "src/")
    monkeypatch.chdir("tests")
    assert said("scan", "--format", form, shop)[1] == out.replace("shop/src/", "src/")


def test_the_diff_is_on_stdout_and_the_summary_on_stderr(shop, said):
    _, out, told = said("plan", shop)
    assert "--- a/src/sessions.py\n+++ b/src/sessions.py\n" in out
    assert "findings (" in told and "findings (" not in out


def test_apply_names_the_written_files_on_stdout_and_nothing_else(shop, said):
    before = tree(shop)
    code, out, told = said("apply", shop)
    assert code == 0
    changed = {name for name, data in tree(shop).items() if data != before.get(name)}
    assert set(out.splitlines()) == changed
    assert "written" in told and "wait for review" in told and "statelift undo" in told


def test_reports_are_written_on_the_side(shop, tmp_path, said):
    target = tmp_path / "scan.json"
    _, out, _ = said("scan", "--format", "concise", "--output", f"json={target}", shop)
    assert not out.startswith("{")
    assert json.loads(target.read_text())["findings"]


def test_a_closed_pipe_is_no_error(shop):
    command = f"{sys.executable} -m statelift plan {shop} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("# ") and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


# ---------------------------------------------------------------- review


def test_review_without_a_terminal_is_exit_2_with_a_way_out(shop):
    done = statelift("review", shop, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "not a terminal" in done.stderr and "statelift plan" in done.stderr and "--tier review" in done.stderr


def test_a_person_accepts_one_change_and_just_that_is_written(shop, tmp_path, said):
    plan = tmp_path / "plan.json"
    said("plan", shop, "-o", plan)
    ids = [change["id"] for change in json.loads(plan.read_text())["changes"]]
    shown = on_a_terminal(["review", plan], "n\ny\nq\n")
    assert "1 accepted, 1 rejected" in shown
    decisions = {change["id"]: change.get("decision") for change in json.loads(plan.read_text())["changes"]}
    accepted = [name for name, decision in decisions.items() if decision == "accepted"]
    assert len(accepted) == 1 and list(decisions.values()).count("rejected") == 1
    assert set(decisions) == set(ids)

    expected = copied(shop, tmp_path / "expected")
    apply_only(accepted[0], expected)
    code, _, told = said("apply", plan, "--only-accepted")
    assert code == 0
    assert "1 written" in told
    assert tree(shop) == tree(expected) != tree(SHOP)


def apply_only(change, folder):
    from statelift.compose import compose
    from statelift.discover import read_file
    from statelift.model import Options
    from statelift.planning import make_plan

    for write in compose(make_plan([folder], Options()), {change}, lambda path: read_file(folder, path)):
        (folder / write.path).write_bytes(write.after)


def on_a_terminal(arguments, answers):
    """Run a command on a pseudo terminal; what it showed."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "statelift", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answers.encode())
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown.decode()
    return shown.decode()


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


# ---------------------------------------------------------------- fast


def test_help_loads_nothing_heavy():
    program = (
        "import sys; from statelift.cli import run; code = run(['--help'])\n"
        "heavy = {'libcst', 'jinja2', 'yaml', 'bowler', 'boto3', 'rich', 'asyncio'} & set(sys.modules)\n"
        "assert code == 0 and not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "scan" in done.stdout and "Exit codes" in done.stdout


def test_help_takes_a_few_times_as_long_as_python_itself():
    def seconds(*arguments):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return time.perf_counter() - started

    pairs = [(seconds("-m", "statelift", "--help"), seconds("-c", "pass")) for _ in range(5)]
    assert statistics.median(one / other for one, other in pairs) < 30
