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
from repositories import copied, repository, tree, written

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHOP = FIXTURES / "projects" / "shop"
SESSIONS_SAM = FIXTURES / "seeds" / "sessions_sam" / "before"
BROKEN = {"app.py": "def handler(event, context:\n"}
STORE = """SESSIONS = {}


def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""


def statelift(*arguments, **options):
    command = [sys.executable, "-m", "statelift", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize("command", ["scan", "plan", "diff", "apply", "infra"])
def test_a_clean_project_is_exit_0(command, clean, said):
    assert said(command, clean)[0] == 0
    assert tree(clean) == {"app.py": b"def handler(event, context):\n    return event\n"}


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
