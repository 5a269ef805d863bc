"""A baseline knows the findings of today by what they mean: new ones are told, moved ones are not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import written

from statelift.baseline import BaselineError, load_baseline, statement_hash

USES = """

def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""
STORE = f"SESSIONS = {{}}\n{USES}"
COUNTER = """calls = 0


def count(event, context):
    global calls
    calls += 1
    return event
"""


@pytest.fixture
def project(tmp_path, monkeypatch, said):
    """A store in app.py that the baseline known.json knows."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"app.py": STORE})
    code, _, told = said("baseline", "create", "known.json")
    assert code == 0 and "1 known finding in known.json" in told
    return tmp_path


def rules(said, *words):
    code, out, told = said("scan", "--format", "json", "--baseline", "known.json", *words)
    assert code in (0, 1), told
    return [finding["rule"] for finding in json.loads(out)["findings"]]


def entries(project):
    return [
        (row["rule"], row["path"], row["symbol"])
        for row in json.loads((project / "known.json").read_text())["findings"]
    ]


# ---------------------------------------------------------------- what is known


def test_known_findings_are_suppressed_and_get_no_change(project, said):
    assert rules(said) == []
    scan = json.loads(said("scan", "--format", "json", "--baseline", "known.json")[1])
    assert [(each["by"], each["reason"]) for each in scan["suppressed"]] == [("baseline", "known.json")]
    assert said("plan", "--baseline", "known.json")[0] == 0
    before = (project / "app.py").read_bytes()
    assert said("apply", "--tier", "review", "--baseline", "known.json")[0] == 0
    assert (project / "app.py").read_bytes() == before
    assert said("scan")[0] == 1


def test_a_new_finding_is_told(project, said):
    written(project, {"app.py": STORE + "\n\n" + COUNTER.replace("count(", "handle_count(")})
    assert rules(said) == ["SL201"]


@pytest.mark.parametrize(
    "text",
    [
        "import os\n\n\nOTHER = os.sep\n" + STORE,
        STORE.replace("SESSIONS = {}", "SESSIONS = {  # a comment\n}"),
        STORE.replace("SESSIONS = {}", "SESSIONS=(  {} )"),
        STORE.replace("SESSIONS = {}", "SESSIONS = \\\n    {}"),
        STORE.replace("\n", "\r\n"),
        STORE.replace('"id"', "'id'"),
        STORE + "\n\ndef more(event, context):\n    return SESSIONS.get(event['id'])\n",
    ],
)
def test_moved_and_reformatted_findings_stay_known(project, said, text):
    (project / "app.py").write_bytes(text.encode())
    assert rules(said) == []
    assert "stale-baseline" not in said("scan", "--baseline", "known.json")[2]


def test_a_file_with_another_name_has_the_same_findings(project, said):
    (project / "app.py").rename(project / "sessions.py")
    assert rules(said) == []
    assert "stale-baseline" not in said("scan", "--baseline", "known.json")[2]
    said("baseline", "prune", "known.json")
    assert '"sessions.py"' in (project / "known.json").read_text()


def test_a_copy_of_a_file_is_new(project, said):
    written(project, {"copy.py": STORE})
    assert rules(said) == ["SL101"]


def test_a_baseline_that_is_not_there_is_told(project, said):
    assert "There is no baseline gone.json." in said("scan", "--baseline", "gone.json")[2]


def test_entries_that_stand_for_nothing_are_told_with_the_file(project, said):
    written(project, {"app.py": "def handler(event, context):\n    return 1\n"})
    assert "known.json:1: stale-baseline: 1 entry stands" in said("scan", "--baseline", "known.json")[2]


def test_another_statement_or_name_is_new(project, said):
    written(project, {"app.py": STORE.replace("SESSIONS = {}", "SESSIONS = dict()")})
    assert rules(said) == ["SL101"]
    written(project, {"app.py": STORE.replace("SESSIONS", "CARTS")})
    assert rules(said) == ["SL101"]
    told = said("scan", "--baseline", "known.json")[2]
    assert "1 entry stands for nothing any more in known.json" in told


def test_as_many_are_known_as_there_are_entries(project, said):
    one = "\n\ndef one(event, context):\n    import boto3\n    return boto3.client('sns').publish()\n"
    written(project, {"app.py": one})
    assert said("baseline", "update", "known.json")[0] == 0
    first = rules(said)
    written(project, {"app.py": one + one.replace("one(", "two(")})
    assert (first, len(rules(said))) == ([], 1)


def test_paths_start_from_the_folder_of_the_baseline(project, said):
    written(project, {"src/api/app.py": STORE})
    assert said("baseline", "update", "known.json")[0] == 0
    assert ("SL101", "src/api/app.py", "SESSIONS") in entries(project)
    assert rules(said, "src") == rules(said, "src/api") == rules(said, "src/api/app.py") == rules(said, ".") == []


def test_the_configuration_names_a_baseline(project, said):
    written(project, {"statelift.toml": 'baseline = "known.json"\n'})
    assert said("scan")[0] == 0
    assert said("scan", "--isolated")[0] == 1
    assert "suppressed by the baseline" in said("explain", "app.py:1")[1]


# ---------------------------------------------------------------- create, update, prune


def test_create_replaces_nothing(project, said):
    before = (project / "known.json").read_bytes()
    code, _, told = said("baseline", "create", "known.json")
    assert code == 2 and "baseline update known.json" in told
    (project / "link.json").symlink_to(project / "elsewhere.json")
    assert said("baseline", "create", "link.json")[0] == 2
    assert (project / "known.json").read_bytes() == before
    assert not (project / "elsewhere.json").exists()


def test_update_adds_and_drops(project, said):
    written(project, {"app.py": STORE.replace("SESSIONS", "CARTS"), "lib/count.py": COUNTER})
    code, _, told = said("baseline", "update", "known.json")
    assert code == 0 and "2 added, 1 removed: 2 known findings" in told
    assert entries(project) == [("SL101", "app.py", "CARTS"), ("SL201", "lib/count.py", "calls")]


def test_prune_only_drops(project, said):
    written(project, {"app.py": "x = 1\n", "lib/count.py": COUNTER})
    code, _, told = said("baseline", "prune", "known.json")
    assert code == 0 and "0 added, 1 removed: 0 known findings" in told
    assert entries(project) == []


def test_what_a_run_does_not_look_at_is_kept(project, said):
    written(project, {"lib/count.py": COUNTER})
    assert said("baseline", "update", "known.json")[0] == 0
    both = entries(project)
    assert len(both) == 2
    (project / "app.py").write_text("x = 1\n")
    for words in (["lib"], ["--select", "SL2"]):
        assert said("baseline", "prune", "known.json", *words)[0] == 0
        assert entries(project) == both
    (project / "app.py").write_text("def broken(:\n")
    assert said("baseline", "prune", "known.json")[0] == 3
    assert entries(project) == both
    (project / "app.py").unlink()
    assert said("baseline", "prune", "known.json")[0] == 0
    assert entries(project) == [("SL201", "lib/count.py", "calls")]


def test_what_a_comment_suppresses_is_not_in_the_baseline(project, said):
    written(project, {"app.py": STORE.replace("= {}", "= {}  # statelift: ignore[SL101] by design")})
    assert said("baseline", "update", "known.json")[0] == 0
    assert entries(project) == []


# ---------------------------------------------------------------- a file from a stranger


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "null", '{"schema": 2, "findings": []}', '{"schema": 1}', '{"schema": 1, "findings": {}}',
        '{"schema": 1, "findings": [], "more": 1}', '{"schema": 1, "findings": [{"rule": "SL101"}]}',
        '{"schema": 1, "findings": [{"rule": 1, "path": "a", "symbol": "b", "statement": "c"}]}', "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_exit_2_and_left_as_it_is(project, said, text):
    (project / "known.json").write_text(text)
    for words in (["scan", "--baseline", "known.json"], ["baseline", "update", "known.json"]):
        code, out, told = said(*words)
        assert (code, out) == (2, "")
        assert "known.json" in told and "Traceback" not in told
    assert (project / "known.json").read_text() == text


def test_a_baseline_that_is_not_there_is_exit_2(project, said):
    assert said("scan", "--baseline", "none.json")[0] == 2
    with pytest.raises(BaselineError, match=r"none\.json"):
        load_baseline(project / "none.json")


# ---------------------------------------------------------------- the hash


@given(st.integers(0, 5), st.integers(0, 3), st.sampled_from(["{}", "{ }", "(\n{}\n)", "{  # c\n}"]))
def test_the_hash_knows_neither_place_nor_layout(above, inside, value):
    text = "\n" * above + "if True:\n" + "    " * (inside + 1) + f"x = {value}\n"
    assert statement_hash(text.encode(), above + 2) == statement_hash(b"x = {}\n", 1)


def test_the_hash_of_a_block_is_that_of_its_head():
    one = statement_hash(b"with open('a') as f:\n    f.read()\n", 1)
    assert one == statement_hash(b"with open('a') as f:\n    pass\n", 1)
    assert one != statement_hash(b"with open('b') as f:\n    pass\n", 1)


def test_different_statements_have_different_hashes():
    texts = [
        b"x = {}",
        b"x = []",
        b"y = {}",
        b"x = {1: 2}",
        b"x = {2: 1}",
        b"x: dict = {}",
        b"x = y = {}",
        b"x += {}",
    ]
    assert len({statement_hash(text, 1) for text in texts}) == len(texts)
