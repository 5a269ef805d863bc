"""The accuracy tool: what counts as found, lost and wrong, and that the labels are well formed."""

import json
import re
from pathlib import Path

import accuracy
import pytest

from statelift.model import Verdict

ROOT = Path(__file__).parents[1]
PER_CALL = """\
import boto3


def handler(event, context):
    table = boto3.resource("dynamodb").Table("t")
    return table.get_item(Key={"id": event["id"]})
"""
SESSIONS = """\
SESSIONS = {}


def handler(event, context):
    if event["login"]:
        SESSIONS[event["user"]] = event["token"]
    return SESSIONS.get(event["user"])
"""


def label(**changed):
    kept = {"family": "connection", "line": 5, "symbol": "x", "verdict": "per-call", "flag": True, "note": "why"}
    return {**kept, **changed}


def row(*labels, path="app.py", repository="some/one"):
    return {"repo": repository, "commit": "0" * 40, "path": path, "stratum": "random", "labels": list(labels)}


@pytest.fixture
def run(tmp_path, capsys):
    """Writes programs and labels, runs the tool, and gives its exit code and output."""

    def running(rows, programs, folder="some+one"):
        for path, text in programs.items():
            target = tmp_path / "checkouts" / folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        labels = tmp_path / "labels.jsonl"
        labels.write_text("\n".join(json.dumps(each) for each in rows))
        code = accuracy.main(["--checkouts", str(tmp_path / "checkouts"), "--labels", str(labels)])
        return code, capsys.readouterr().out

    return running


@pytest.mark.parametrize("folder", ["some+one", "some/one"])
def test_what_a_label_asks_for_is_found(run, folder):
    code, out = run([row(label())], {"app.py": PER_CALL}, folder)
    assert code == 0
    assert re.search(r"connection +all +1 +0 +0 +1\.000", out)


def test_a_cell_is_found_by_its_name(run):
    code, out = run(
        [row(label(family="memory", line=99, symbol="SESSIONS", verdict="state"))], {"app.py": SESSIONS}
    )
    assert code == 0
    assert re.search(r"memory\+counter +all +1 +0 +0 .* 1/1", out)


def test_what_nothing_is_said_of_is_lost(run):
    code, out = run([row(label(line=1), label())], {"app.py": PER_CALL})
    assert code == 1
    assert re.search(r"connection +all +1 +1 +0 ", out)
    assert "connection: not found: some/one/app.py:1" in out
    assert "recall 0.500, the aim is 0.97" in out


@pytest.mark.parametrize("labels", [[], [label(flag=False, verdict="lazy-client")]])
def test_what_no_label_asks_for_is_wrong(run, labels):
    code, out = run([row(*labels)], {"app.py": PER_CALL})
    assert code == 1
    assert re.search(r"connection +all +0 +0 +1 ", out)
    assert "connection: not expected: some/one/app.py:5" in out
    assert ("label: lazy-client" in out) == bool(labels)


def test_one_finding_answers_one_label(run):
    _, out = run([row(label(), label())], {"app.py": PER_CALL})
    assert re.search(r"connection +all +1 +1 +0 ", out)


def test_one_fault_may_be_told_at_several_lines(run):
    two = PER_CALL.replace("    return", '    boto3.client("s3").list_buckets()\n    return')
    code, out = run(
        [row(label(line=5, also=[6])), row(label(line=1, also=[5]), path="b.py")], {"app.py": two, "b.py": PER_CALL}
    )
    assert code == 0, out
    assert re.search(r"connection +all +2 +0 +0 ", out)


def test_a_file_in_tmp_is_found_where_another_module_is_told(run):
    store = 'def add(row):\n    with open("/tmp/rows", "a") as file:\n        file.write(row)\n'
    app = "import os\nimport store\n\n\ndef handler(event, context):\n    store.add(event['row'])\n"
    app += "    return os.path.getsize('/tmp/rows')\n"
    wanted = label(family="tmp", symbol="/tmp/rows", verdict="state")
    for place in ({"line": 7}, {"line": 1, "also": ["store.py:2"]}):
        code, out = run([row({**wanted, **place})], {"app.py": app, "store.py": store})
        assert code == 0, out
        assert re.search(r"tmp files +all +1 +0 +0 ", out)


def test_what_gets_no_change_is_told_with_the_reason(run):
    mail = "import smtplib\n\n\ndef handler(event, context):\n    server = smtplib.SMTP('mail')\n"
    mail += "    return server.noop()\n"
    rows = [row(label()), row(label(), path="mail.py"), row(label(line=1), path="other.py")]
    _, out = run(rows, {"app.py": PER_CALL, "mail.py": mail, "other.py": "X = 1\n"})
    assert "connections that get a change: 1 of 3, 0.333; the aim is 0.9" in out
    assert re.search(r"no change: connection: some/one/mail.py:5: x: .*smtplib", out)
    assert "no change: connection: some/one/other.py:1: x: not found" in out


def test_a_frozen_value_is_asked_for_no_change(run):
    _, out = run([row(label(family="memory", line=1, symbol="SESSIONS", verdict="frozen"))], {"app.py": SESSIONS})
    assert "that last" not in out and "no change" not in out


def test_files_without_labels_are_not_counted(run):
    code, out = run([row(label())], {"app.py": PER_CALL, "other.py": PER_CALL})
    assert code == 0
    assert re.search(r"connection +all +1 +0 +0 ", out)


def test_a_file_that_does_not_parse_is_told(run):
    code, out = run([row(label())], {"app.py": "def handler(event, context:\n"})
    assert code == 1
    assert "connection: not analysed: some/one/app.py:5" in out


@pytest.mark.parametrize("rows", [[row(label(), repository="no/body")], [row(label(), path="gone.py")]])
def test_a_missing_checkout_is_no_figure(run, rows):
    code, out = run(rows, {"app.py": PER_CALL})
    assert code == 2
    assert "precision" not in out


def test_the_interval_is_wilson_s():
    assert accuracy.rate(87, 97) == "0.897 (0.82-0.94)"
    assert accuracy.rate(0, 0) == "-"
    assert accuracy.rate(1, 1) == "1.000 (0.21-1.00)"


# ---------------------------------------------------------------- the labels


def labels_of(files):
    return [each for path in files for each in accuracy.read_labels(path.read_text().splitlines())]


def test_labels_are_well_formed():
    files = labels_of(sorted((ROOT / "labels").glob("*.jsonl")))
    assert len(files) >= 200
    assert len({(each.repository, each.commit, each.path) for each in files}) == len(files)
    for each in files:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", each.repository)
        assert re.fullmatch(r"[0-9a-f]{40}", each.commit)
        assert each.path.endswith(".py")
        for told in each.labels:
            assert told.family in accuracy.AIMS
            assert told.line > 0 and told.symbol and told.note
            assert Verdict(told.verdict)


def test_clean_means_that_nothing_is_to_be_reported():
    for path in (ROOT / "labels").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            given = json.loads(line)
            assert given["clean"] == (not any(each["flag"] for each in given["labels"])), given["path"]
