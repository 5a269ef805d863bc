"""`statelift verify` as people and machines run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import copied, written

SEEDS = Path(__file__).parents[1] / "fixtures" / "seeds"
LOST = """SESSIONS = {}


def handler(event, context):
    if event["action"] == "login":
        SESSIONS[event["user"]] = event["value"]
        return {"ok": True}
    return {"value": SESSIONS.get(event["user"])}
"""


@pytest.fixture
def sessions(tmp_path):
    return copied(SEEDS / "sessions_inline_sam" / "before", tmp_path / "login")


def tree_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_equivalent_migration_exits_with_0_and_touches_nothing(sessions, said):
    before = tree_bytes(sessions)
    code, out, _ = said(
        "verify", sessions, "--yes", "--runs", 1, "--events", SEEDS / "sessions_inline_sam/events.json"
    )
    assert (code, tree_bytes(sessions)) == (0, before)
    assert out.startswith(".: EQUIVALENT (")
    assert "2 of 2 changed statements ran" in out
    assert "handler app:handler EQUIVALENT" in out
    assert "prove" not in out


def test_nothing_is_run_without_consent(tmp_path, said):
    marker = tmp_path / "marker"
    folder = written(tmp_path / "app", {"app.py": f"open({str(marker)!r}, 'w').close()\n{LOST}"})
    code, out, err = said("verify", folder)
    assert (code, out, marker.exists()) == (2, "", False)
    assert "--yes" in err


# Its files have names that are computed, so no step is put around reading and writing: REVIEW, with the reason.
A_FILE_EACH = """import os


def handler(event, context):
    path = f"/tmp/visits_{event['user']}.txt"
    count = 0
    if os.path.exists(path):
        with open(path) as f:
            count = int(f.read())
    with open(path, "w") as f:
        f.write(str(count + 1))
    return count + 1
"""


def test_a_difference_exits_with_4_and_prints_a_program_that_shows_it_again(tmp_path, said):
    folder = written(tmp_path / "cart", {"app.py": A_FILE_EACH})
    events = tmp_path / "events.json"
    events.write_text(json.dumps([{"user": user} for user in ("ann", "ben", "ann", "ann", "ben", "ann")]))
    code, out, _ = said("verify", folder, "--yes", "--format", "json", "--events", events)
    assert code == 4
    [result] = json.loads(out)["results"]
    example = result["counterexample"]
    assert result["verdict"] == "DIVERGES"
    assert [event["concurrent"] for event in example["events"]] == [True, True]
    assert [change["verdict"] for change in result["changes"]] == ["DIVERGES"]
    script = tmp_path / "again.py"
    script.write_text(example["script"])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("They part.\n"), done.stderr
    assert example["expected"] in done.stdout


def test_what_shows_nothing_exits_with_3(tmp_path, said):
    folder = written(tmp_path / "app", {"app.py": LOST})
    events = tmp_path / "events.json"
    events.write_text('[{"action": "login"}]')
    code, out, _ = said("verify", folder, "--yes", "--runs", 0, "--events", events, "--format", "json")
    [result] = json.loads(out)["results"]
    assert (code, result["verdict"]) == (3, "VACUOUS")
    assert "no event ran" in result["reason"] or "with an error" in result["reason"]


def test_the_original_alone_is_shown_to_keep_state(tmp_path, said):
    folder = written(tmp_path / "app", {"app.py": LOST})
    code, out, _ = said("verify", folder, "--yes", "--original-only", "--format", "json")
    [result] = json.loads(out)["results"]
    assert (code, result["verdict"]) == (0, "STATEFUL")
    payloads = [event["payload"] for event in result["counterexample"]["events"]]
    assert len(payloads) == 2
    assert payloads[0]["action"] == "login"


def test_a_saved_plan_is_verified_without_what_was_rejected(tmp_path, sessions, said):
    plan = tmp_path / "plan.json"
    said("plan", sessions, "-o", plan)
    made = json.loads(plan.read_text())
    for change in made["changes"]:
        change["decision"] = "rejected"
    plan.write_text(json.dumps(made))
    code, out, err = said("verify", plan, "--yes")
    assert (code, out) == (0, "")
    assert "nothing to verify" in err


def test_what_apply_wrote_is_verified_against_what_was_there_before(sessions, said):
    assert said("apply", sessions)[0] == 0
    written_tree = tree_bytes(sessions)
    code, out, err = said("verify", sessions, "--yes", "--runs", 1)
    assert (code, tree_bytes(sessions)) == (0, written_tree), out
    assert "Verified is what run 0001-" in err
    assert out.startswith(".: EQUIVALENT (24 events, 2 of 2 changed statements ran)")
    app = sessions / "app.py"
    app.write_text(app.read_text().replace('value=event["user_id"]', 'value="somebody"'))
    assert app.read_bytes() != written_tree[Path("app.py")]
    code, out, _ = said("verify", sessions, "--yes", "--runs", 2, "--run", "last", "--format", "json")
    [result] = json.loads(out)["results"]
    assert (code, result["verdict"]) == (4, "DIVERGES"), result
    script = sessions.parent / "again.py"
    script.write_text(result["counterexample"]["script"])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("They part.\n"), done.stderr
    assert result["counterexample"]["expected"] in done.stdout


def test_what_was_written_in_another_style_is_verified_as_well(tmp_path, sessions, said):
    said("plan", sessions, "--style", "transaction", "-o", tmp_path / "plan.json")
    assert said("apply", tmp_path / "plan.json", "--tier", "review")[0] == 0
    assert "@stateless" in (sessions / "app.py").read_text()
    code, out, err = said("verify", sessions, "--yes", "--runs", 1, "--run", "last", "--format", "json")
    [result] = json.loads(out)["results"]
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), (result, err)
    assert all(each["name"].endswith(".transaction") for each in result["changes"]), result


def test_a_run_that_no_plan_has_is_not_nothing_to_verify(sessions, said):
    said("apply", sessions)
    [journal] = (sessions / ".statelift/runs").glob("*/journal.json")
    told = json.loads(journal.read_text())
    journal.write_text(json.dumps(told | {"changes": ["SL101-000000.store"]}))
    code, out, err = said("verify", sessions, "--yes", "--run", "last")
    assert (code, out) == (2, "")
    assert "wrote SL101-000000.store, and no plan of what was there before has that" in err


def test_a_run_that_is_not_there_is_said(sessions, said):
    code, out, err = said("verify", sessions, "--yes", "--run", "0007")
    assert (code, out) == (2, "")
    assert "no run that was written" in err


def test_a_stale_plan_is_refused(tmp_path, sessions, said):
    plan = tmp_path / "plan.json"
    said("plan", sessions, "-o", plan)
    with (sessions / "app.py").open("a") as file:
        file.write("\n# edited\n")
    code, _, err = said("verify", plan, "--yes")
    assert code == 2
    assert "has changed since the plan was made" in err


@pytest.mark.parametrize(
    "options, word",
    [
        (["--ignore", "a["], "--ignore a["),
        (["--python", "/nowhere/python"], "/nowhere/python"),
        (["--resources", __file__], "not JSON"),
        (["--events", __file__], "not JSON"),
    ],
)
def test_wrong_options_are_said(sessions, said, options, word):
    code, out, err = said("verify", sessions, "--yes", *options)
    assert (code, out) == (2, "")
    assert word in err


def test_an_events_folder_is_used_and_replies_can_be_ignored(tmp_path, said):
    program = LOST.replace('{"value": SESSIONS', '{"container": id(handler), "value": SESSIONS')
    event = json.dumps({"action": "login", "user": "ann", "value": 1})
    show = json.dumps({"action": "show", "user": "ann"})
    folder = written(tmp_path / "app", {"app.py": program, "events/1.json": event, "events/2.json": show})
    code, out, _ = said("verify", folder, "--yes", "--runs", 0, "--ignore", "container", "--format", "json")
    [result] = json.loads(out)["results"]
    assert (code, result["verdict"]) == (0, "EQUIVALENT"), result
    assert result["events"] == 6


def test_the_same_seed_gives_the_same_report(sessions, said):
    said_twice = [said("verify", sessions, "--yes", "--runs", 2, "--seed", 3, "--format", "json") for _ in range(2)]
    assert said_twice[0] == said_twice[1]
