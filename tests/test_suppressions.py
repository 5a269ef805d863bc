"""`# statelift: ignore[RULE] reason` hides a finding, and is told where it hides nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import written

from statelift.model import Options, Tier
from statelift.planfile import load_plan
from statelift.planning import make_plan
from statelift.suppressing import suppressions_in

USES = """

def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""
REASON = "# statelift: ignore[SL101] one container by design"


def plan_of(folder, head, more=""):
    written(folder, {"app.py": head + USES + more})
    return make_plan([folder], Options())


def kinds(plan):
    return [(warning.kind, warning.line) for warning in plan.warnings]


# ---------------------------------------------------------------- what is hidden


@pytest.mark.parametrize(
    "head",
    [
        f"SESSIONS = {{}}  {REASON}\n",
        f"{REASON}\nSESSIONS = {{}}\n",
        f"{REASON}\n\n# more words\n\nSESSIONS = {{}}\n",
        f"SESSIONS = {{\n    # nothing yet\n}}  {REASON}\n",
        f"SESSIONS = {{\n    {REASON}\n}}\n",
        f"SESSIONS = \\\n    {{}}  {REASON}\n",
        f"SESSIONS = {{}}  # type: ignore  {REASON}\n",
        "SESSIONS = {}  #statelift:ignore[SL101]reason\n",
        "SESSIONS = {}  # statelift: ignore[ sl1 , SL401x ] x\n".replace(" , SL401x", ""),
        "SESSIONS = {}  # statelift: ignore[session-in-memory] by name\n",
        "'''Module.'''\n# statelift: ignore-file[SL101] all of it\nimport os\nSESSIONS = {}\n",
        "SESSIONS = {}\n# statelift: ignore-file[SL1] below is fine, too\n",
    ],
)
def test_a_suppressed_finding_is_no_finding_and_gets_no_change(tmp_path, head):
    plan = plan_of(tmp_path, head)
    assert (plan.findings, plan.changes, plan.files, plan.warnings) == ((), (), (), ())
    (hidden,) = plan.suppressed
    assert (hidden.finding.rule, hidden.finding.symbol, hidden.by) == ("SL101", "SESSIONS", "comment")
    assert hidden.reason


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("SESSIONS = {}  # statelift: ignore[SL101]\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignore[SL101] --\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignore[] why\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignore why\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignore[SL999] why\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignroe[SL101] why\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignore[SL101 why\n", "malformed-suppression"),
        ("SESSIONS = {}  # statelift: ignore[SL201] another rule\n", "unused-suppression"),
        ("SESSIONS = {}\nx = 1  # statelift: ignore[SL101] another statement\n", "unused-suppression"),
        ("SESSIONS = {}\n# statelift: ignore[SL101] the next statement is not it\nx = 1\n", "unused-suppression"),
    ],
)
def test_a_comment_that_hides_nothing_is_told(tmp_path, head, kind):
    plan = plan_of(tmp_path, head)
    assert [finding.rule for finding in plan.findings] == ["SL101"]
    line = next(number for number, text in enumerate(head.split("\n"), 1) if "statelift" in text)
    assert kinds(plan) == [(kind, line)]


@pytest.mark.parametrize(
    "head",
    [
        "SESSIONS = {}\nTEXT = '# statelift: ignore[SL101] inside a string'\n",
        "'''\n# statelift: ignore-file[SL101] inside a docstring\n'''\nSESSIONS = {}\n",
        "SESSIONS = {}; TEXT = f'{1} # statelift: ignore[SL101] x'\n",
        "# about statelift: nothing\nSESSIONS = {}\n".replace("statelift:", "statelift -"),
    ],
)
def test_a_string_is_no_comment(tmp_path, head):
    plan = plan_of(tmp_path, head)
    assert [finding.rule for finding in plan.findings] == ["SL101"]
    assert plan.warnings == ()


MEMO = """\
import functools
{above}
@functools.lru_cache(
    maxsize=8,{inside}
){between}
def rows(key):{behind}
    return [key]


def handler(event, context):
    rows(event["key"]).append(1)
    return rows(event["key"])
"""


@pytest.mark.parametrize("place", ["above", "inside", "between", "behind"])
def test_decorators_and_the_line_of_their_function_are_one_statement(tmp_path, place):
    places = dict.fromkeys(("above", "inside", "between", "behind"), "")
    comment = {place: "  # statelift: ignore[SL106] answers are small"}
    written(tmp_path, {"app.py": MEMO.format(**(places | comment))})
    plan = make_plan([tmp_path], Options())
    assert (plan.findings, plan.warnings) == ((), ())
    assert [each.finding.rule for each in plan.suppressed] == ["SL106"]


def test_a_comment_below_the_line_of_the_function_is_not_of_its_statement(tmp_path):
    places = dict.fromkeys(("above", "inside", "between"), "")
    below = "\n    # statelift: ignore[SL106] x"
    written(tmp_path, {"app.py": MEMO.format(behind=below, **places)})
    plan = make_plan([tmp_path], Options())
    assert [each.rule for each in plan.findings] == ["SL106"]
    assert kinds(plan) == [("unused-suppression", 7)]


def test_the_wrong_rule_is_told_with_the_right_one(tmp_path):
    plan = plan_of(tmp_path, "SESSIONS = {}  # statelift: ignore[SL401] a test\n")
    (warning,) = plan.warnings
    assert "There is one of SL101: name that, or remove it from the comment." in warning.message


def test_a_comment_on_a_use_does_not_split_the_cell(tmp_path):
    uses = USES.replace('["user"]\n', f'["user"]  {REASON}\n')
    written(tmp_path, {"app.py": "SESSIONS = {}\n" + uses})
    plan = make_plan([tmp_path], Options())
    assert len(plan.findings) == 1 and len(plan.changes) == 1
    assert kinds(plan) == [("unused-suppression", 6)]


def test_of_several_rules_the_unused_one_is_told(tmp_path):
    plan = plan_of(tmp_path, "SESSIONS = {}  # statelift: ignore[SL101, SL301] two\n")
    assert len(plan.suppressed) == 1
    assert kinds(plan) == [("unused-suppression", 1)]
    assert "SL301" in plan.warnings[0].message


def test_a_rule_that_is_not_selected_leaves_its_comment_used(tmp_path):
    written(tmp_path, {"app.py": f"SESSIONS = {{}}  {REASON}\n{USES}"})
    plan = make_plan([tmp_path], Options(select=("SL4",)))
    assert (plan.suppressed, plan.warnings) == ((), ())


def test_the_neighbour_keeps_its_change(tmp_path):
    head = f"SESSIONS = {{}}  {REASON}\nOTHER = {{}}\n"
    more = "\n\ndef other(event, context):\n    OTHER[event['a']] = event['b']\n    return OTHER.get(event['c'])\n"
    plan = plan_of(tmp_path, head, more)
    assert [finding.symbol for finding in plan.findings] == ["OTHER"]
    assert [change.title.count("OTHER") for change in plan.changes] == [1]
    assert plan.findings[0].tier is not Tier.MANUAL


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("cookie", "encoding"), [("", "utf-8"), ("# coding: latin-1\n", "latin-1")])
def test_encodings_and_line_ends(tmp_path, newline, cookie, encoding):
    text = f"{cookie}SESSIONS = {{}}  # statelift: ignore[SL101] schön\n{USES}".replace("\n", newline)
    (tmp_path / "app.py").write_bytes(text.encode(encoding))
    (hidden,) = make_plan([tmp_path], Options()).suppressed
    assert hidden.reason == "schön"


@given(st.binary(max_size=60), st.sampled_from([b"", b"# statelift: ignore[SL101] x\n", b"#statelift:"]))
def test_reading_comments_never_raises(data, comment):
    found, warnings = suppressions_in("app.py", comment + data)
    assert all(each.reason for each in found)
    assert all(warning.path == "app.py" for warning in warnings)


# ---------------------------------------------------------------- the command line


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = f"SESSIONS = {{}}  {REASON}\nx = 1  # statelift: ignore[SL201] nothing here\n"
    return written(tmp_path, {"app.py": head + USES})


def test_scan_tells_warnings_and_numbers(project, said):
    code, out, told = said("scan")
    assert code == 0
    assert "0 findings" in out and "1 suppressed" in out
    assert "app.py:2: unused-suppression:" in told


def test_json_lists_what_is_suppressed(project, said):
    scan = json.loads(said("scan", "--format", "json")[1])
    (hidden,) = scan["suppressed"]
    assert (hidden["rule"], hidden["by"], hidden["reason"]) == ("SL101", "comment", "one container by design")
    assert [warning["kind"] for warning in scan["warnings"]] == ["unused-suppression"]
    lines = [json.loads(line) for line in said("scan", "--format", "json-lines")[1].splitlines()]
    assert [line["type"] for line in lines] == ["suppressed", "warning", "summary"]
    assert said("scan", "--format", "github")[1].startswith("::notice file=app.py,line=2,")


def test_a_saved_plan_keeps_them_and_apply_writes_nothing(project, said):
    before = (project / "app.py").read_bytes()
    assert said("plan", "-o", "plan.json")[0] == 0
    plan = load_plan(project / "plan.json")
    assert len(plan.suppressed) == 1 and len(plan.warnings) == 1
    assert said("apply", "--tier", "review", "plan.json")[0] == 0
    assert said("apply", "--tier", "review")[0] == 0
    assert (project / "app.py").read_bytes() == before


def test_explain_tells_the_reason(project, said):
    out = said("explain", "app.py:1")[1]
    assert "SL101 state · suppressed" in out
    assert "suppressed by the comment: one container by design" in out


def test_the_reason_cannot_speak_to_the_terminal(tmp_path, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"app.py": f"SESSIONS = {{}}  {REASON}\x1b[31m\u202e\n{USES}"})
    out = said("explain", "app.py:1")[1]
    assert "\x1b" not in out and "\u202e" not in out and "design\\x1b[31m\\u202e" in out
