"""What cannot be read is told with its path, left as it is, and stops nothing else: through the command line."""

import ast
import codecs
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import copied, tree, written

from statelift import gathering
from statelift.model import Edit, Problem, SourceFile
from statelift.source import parse_source
from statelift.spans import splice

SESSIONS = Path(__file__).parents[1] / "fixtures" / "seeds" / "sessions_sam" / "before"
TEMPLATE = (SESSIONS / "template.yaml").read_bytes()
RUNNING = sys.version_info[:2]


@pytest.fixture
def project(tmp_path):
    """A program with one SAFE change."""
    return copied(SESSIONS, tmp_path / "project")


def findings(out):
    return [finding["path"] for finding in json.loads(out)["findings"]]


def problems(out):
    return {(problem["path"], problem["kind"]) for problem in json.loads(out)["errors"]}


def told_once(text, path, words):
    """Is there one line about the path, with these words, and no trace of a crash?"""
    lines = [line for line in text.splitlines() if f"{path}:" in line]
    return len(lines) == 1 and words in lines[0] and "Traceback" not in text


# ---------------------------------------------------------------- Python files

NEWER = {
    "type_statement": ((3, 12), "type Alias = int\n"),
    "type_parameters": ((3, 12), "def first[T: (int, str), *Ts, **P](items: list[T]) -> T:\n    return items[0]\n"),
    "nested_quotes": ((3, 12), 'x = f"{event["key"]}"\n'),
    "backslash": ((3, 12), "x = f\"{'\\n'.join(lines)}\"\n"),
    "comment_in_field": ((3, 12), 'x = f"{\n    a  # one\n    + b}"\n'),
    "nested_fields": ((3, 12), "x = f'{a:{f'{b['c']:{d}}'}}'\n"),
    "default_type": ((3, 13), "class Box[T = int]:\n    pass\n"),
    "template_string": ((3, 14), "x = t'{y}'\n"),
    "bare_except": ((3, 14), "try:\n    f()\nexcept ValueError, mod.Error:\n    pass\n"),
    "bare_except_group": ((3, 14), "try:\n    f()\nexcept* ValueError, KeyError:\n    pass\n"),
    "lazy_import": ((3, 15), "lazy import json\n"),
    "unpacking": ((3, 15), "x = [*row for row in rows]\n"),
}
BAD = {
    "not_utf8": (b"X = {}\ny = '\xe9'\n", "encoding", "not utf-8"),
    "wrong_cookie": (b"# coding: ascii\ny = '\xc3\xa9'\n", "encoding", "not ascii"),
    "unknown_cookie": (b"# coding: nonsense\n", "encoding", "unknown encoding: nonsense"),
    "cookie_against_bom": (codecs.BOM_UTF8 + b"# coding: latin-1\n", "encoding", "byte order mark"),
    "utf16": ("x = 1\n".encode("utf-16"), "encoding", "UTF-16"),
    "surrogate": (b"x = '\xed\xa0\x80'\n", "encoding", "not utf-8"),
    "nul_bytes": (b"x = 1\n\0\n", "nul-bytes", "NUL"),
    "lone_cr": (b"x = 1\ry = 2\r", "newlines", "lone CR"),
    "mixed_line_ends": (b"x = 1\r\ny = 2\n", "newlines", "CRLF"),
    "syntax_error": (b"def f(:\n", "syntax-error", "invalid syntax"),
    "half_a_path": (b"x = 'C:" + b"\\temp" * 200 + b"\n", "syntax-error", "unterminated string"),
    "python2_print": (b"import sys\nprint 'x'\n", "python2", "this is Python 2"),
    "python2_except": (b"try:\n    f()\nexcept ValueError, e:\n    pass\n", "python2", "this is Python 2"),
    "brackets": (b"x = " + b"[" * 3000 + b"]" * 3000 + b"\n", "too-deep", "too deeply"),
    "open_brackets": (b"def f():\n    " + b"[" * 300_000 + b"\n", "too-deep", "too deeply"),
    "minus": (b"x = " + b"-" * 100_000 + b"1\n", "too-deep", "too deeply"),
    "call_chain": (b"def f(x):\n    return x" + b".a()" * 3000 + b"\n", "too-deep", "too deeply"),
    "long_sum": (b"def f(x):\n    return x" + b" + 1" * 5000 + b"\n", "too-deep", "too deeply"),
    "long_elif": (b"def f(x):\n    if x: pass\n" + b"    elif x: pass\n" * 3000, "too-deep", "too deeply"),
    "long_number": (b"x = " + b"1" * 5000 + b"\n", "syntax-error", "4300 digits"),
    "broken_f_string": (b'x = f"{a b}"\n', "syntax-error", "not valid Python"),
    **{
        name: (text.encode(), "newer-syntax", f"needs Python {version[0]}.{version[1]}")
        for name, (version, text) in NEWER.items()
        if version > RUNNING
    },
}
GOOD = {
    "empty": b"",
    "only_a_bom": codecs.BOM_UTF8,
    "only_blank": b"\n\x0c\n  \n",
    "crlf": b"def f(x):\r\n    return x\r\n",
    "form_feed": b"\x0cdef f(x):\n\x0c    return x\n",
    "no_final_newline": b"x = 1",
    "deep_but_fine": b"x = " + b"[" * 90 + b"]" * 90 + b"\n",
    **{name: text.encode() for name, (version, text) in NEWER.items() if version <= RUNNING},
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_and_left_and_the_others_are_written(name, project, said):
    data, kind, words = BAD[name]
    written(project, {"bad.py": data})
    before = tree(project)
    code, out, _ = said("scan", "--format", "json", project)
    assert (code, problems(out), findings(out)) == (3, {("bad.py", kind)}, ["app.py"])
    code, out, told = said("plan", project)
    assert code == 3 and told_once(told, "bad.py", words)
    assert "+++ b/app.py" in out and "bad.py" not in out
    assert tree(project) == before
    code, out, told = said("apply", project)
    assert code == 3 and told_once(told, "bad.py", words)
    assert {"app.py", "template.yaml", "statelift_state.py"} == set(out.splitlines())
    assert (project / "bad.py").read_bytes() == data


@pytest.mark.parametrize("name", GOOD)
def test_an_odd_file_is_no_bad_one(name, project, said):
    written(project, {"odd.py": GOOD[name]})
    assert said("apply", project)[0] == 0
    assert (project / "odd.py").read_bytes() == GOOD[name]


def test_a_file_that_only_newer_pythons_read_is_told_wherever_the_new_syntax_stands(project, said):
    texts = [text for version, text in NEWER.values() if version > RUNNING]
    if not texts:
        pytest.skip("this Python reads all that statelift knows of")
    newest = max(version for version, _ in NEWER.values())
    written(project, {"bad.py": "VALUE = 'type A = int'  # def f[T]()\n" * 3000 + "".join(texts)})
    code, _, told = said("plan", project)
    assert code == 3 and told_once(told, "bad.py", f"needs Python {newest[0]}.{newest[1]}")


@pytest.mark.parametrize("name", [name for name, (version, _) in NEWER.items() if version > RUNNING])
def test_new_syntax_in_a_broken_file_is_a_syntax_error(name, project, said):
    written(project, {"bad.py": f"{NEWER[name][1]}\ndef broken(:\n"})
    assert problems(said("scan", "--format", "json", project)[1]) == {("bad.py", "syntax-error")}


def test_what_a_bad_file_mentions_is_not_rewritten(project, said):
    written(project, {"bad.py": "from app import ACTIVE_SESSIONS\nprint 'x'\n"})
    before = tree(project)
    code, out, told = said("apply", project)
    assert (code, out) == (3, "") and told_once(told, "bad.py", "Python 2")
    assert tree(project) == before


@pytest.mark.parametrize("bad", [name for name, (_, kind, _) in BAD.items() if kind in ("encoding", "newlines")])
def test_a_bad_file_with_state_is_left_alone(bad, project, said):
    data = BAD[bad][0] + (SESSIONS / "app.py").read_bytes()
    written(project, {"app.py": data})
    assert said("apply", "--tier", "review", project)[0] == 3
    assert (project / "app.py").read_bytes() == data


def test_ten_megabytes_of_generated_code_are_told_when_they_are_too_much(project, said, monkeypatch):
    monkeypatch.setattr(gathering, "NODES_AT_MOST", 10_000)
    written(project, {"bad.py": "x = 1\n" * 20_000})
    code, out, told = said("apply", project)
    assert code == 3 and told_once(told, "bad.py", "--exclude")
    assert "app.py" in out


@pytest.mark.slow
def test_ten_megabytes_of_generated_code_neither_crash_nor_hang(project):
    row = "    {'key': 'value', 'numbers': [1, 2, 3]},\n"
    written(project, {"bad.py": f"ROWS = [\n{row * (10_000_000 // len(row))}]\n\ndef f():\n    return ROWS\n"})
    done = cli("scan", project)
    assert done.returncode == 3 and "too-large" in done.stdout, done.stderr


def test_a_file_that_the_analysis_fails_on_is_told(project, said, monkeypatch):
    collect = gathering.collect_facts

    def fail(parsed):
        if parsed.path == "bad.py":
            raise KeyError("lost")
        return collect(parsed)

    monkeypatch.setattr(gathering, "collect_facts", fail)
    written(project, {"bad.py": "x = {}\n\ndef f():\n    return x  # test_a_file_that_the_analysis_fails_on\n"})
    code, out, told = said("apply", project)
    assert code == 3 and told_once(told, "bad.py", "KeyError: 'lost'")
    assert "app.py" in out


def cli(*arguments, seconds=120):
    """A process of its own: a stack that overflows must not take the tests with it."""
    command = [sys.executable, "-m", "statelift", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def test_no_depth_overflows_the_stack(project):
    shapes = {
        "call": "f({})",
        "list": "[{}]",
        "not": "not {}",
        "lambda": "lambda: {}",
        "index": "{}[0]",
        "or": "{} or x",
    }
    for name, shape in shapes.items():
        for depth in (80, 180, 330, 480, 950, 4000):
            head, tail = shape.split("{}")
            text = (
                f"CELL = {{}}\n\ndef {name}(x):\n    CELL[x] = 1\n    return {head * depth}CELL[x]{tail * depth}\n"
            )
            written(project, {f"{name}_{depth}.py": text})
    done = cli("plan", "--tier", "safe", project)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr and "+++ b/app.py" in done.stdout
    assert "call_4000.py" in done.stderr and "call_80.py" not in done.stderr


# ---------------------------------------------------------------- line ends

PIECES = [
    "x = 1",
    "y = 'é日'",
    "if x:",
    "    z = {}",
    "'''a",
    "b'''",
    "# é",
    "\x0c",
    "\x0b",
    "\x1c",
    "\u2028",
    "(1,",
    ")",
]
ENDS = ["\n", "\r\n", "\r", "\\\n", "\\\r\n", "\n\x0c", ""]


@given(
    st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(ENDS)), max_size=12),
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]),
)
def test_offsets_are_exact_or_the_file_is_refused(lines, encoding):
    head = "# coding: latin-1\n" if encoding == "latin-1" else ""
    data = (head + "".join(piece + end for piece, end in lines)).encode(encoding, "ignore")
    parsed = parse_source(SourceFile("app.py", data))
    if isinstance(parsed, Problem):
        assert parsed.message
        return
    assert data.count(b"\r") in (0, data.count(b"\n"))
    spans = [parsed.span(node) for node in parsed.tree.body]
    for node, span in zip(parsed.tree.body, spans, strict=True):
        segment = ast.parse(parsed.segment(span)).body
        assert [ast.dump(each) for each in segment] == [ast.dump(node)]
    edits = [Edit("app.py", span.start, span.end, "pass") for span in spans]
    after = parse_source(SourceFile("app.py", splice(data, edits, parsed.encoding)))
    assert [type(node) for node in after.tree.body] == [ast.Pass] * len(spans)


# ---------------------------------------------------------------- files and folders


def refusing(monkeypatch, name, call, code):
    """Let a call of `os` fail for paths with this name, as it would for somebody who is not root."""
    original = getattr(os, call)

    def refuse(path, *arguments, **options):
        if Path(os.fsdecode(path)).name == name:
            raise OSError(code, os.strerror(code), path)
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, call, refuse)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ELOOP])
def test_a_file_that_cannot_be_opened_is_told(code, project, said, monkeypatch):
    written(project, {"bad.py": "x = 1\n"})
    refusing(monkeypatch, "bad.py", "open", code)
    code_of_scan, out, _ = said("scan", "--format", "json", project)
    assert (code_of_scan, problems(out), findings(out)) == (3, {("bad.py", "unreadable")}, ["app.py"])
    exit_code, out, told = said("apply", project)
    assert exit_code == 3 and told_once(told, "bad.py", os.strerror(code))
    assert "app.py" in out


def test_a_folder_that_cannot_be_read_is_told(project, said, monkeypatch):
    written(project, {"secret/bad.py": "x = 1\n"})
    refusing(monkeypatch, "secret", "scandir", errno.EACCES)
    exit_code, out, told = said("apply", project)
    assert exit_code == 3 and told_once(told, "secret", "Permission denied")
    assert "app.py" in out


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["secret/bad.py", "secret"])
def test_what_the_permissions_forbid_is_told(name, project, said):
    written(project, {"secret/bad.py": "x = 1\n"})
    (project / name).chmod(0)
    code, _, told = said("apply", project)
    (project / name).chmod(0o700)
    assert code == 3 and told_once(told, name, "Permission denied")


def test_links_in_a_circle_are_neither_followed_nor_an_error(project, said):
    (project / "loop").symlink_to(project)
    (project / "a.py").symlink_to(project / "b.py")
    (project / "b.py").symlink_to(project / "a.py")
    assert said("apply", project)[0] == 0
    code, out, _ = said("scan", project / "a.py")
    assert code == 3 and "a.py is a symbolic link" in out


def test_a_pipe_is_not_waited_for(project, said):
    os.mkfifo(project / "pipe.py")
    os.mkfifo(project / "other.yaml")
    assert said("apply", project)[0] == 0
    assert said("scan", project / "pipe.py")[0] == 3


@pytest.mark.parametrize("is_constant", [True, False])
def test_a_file_that_changes_while_it_is_read_is_read_again_or_told(is_constant, project, said, monkeypatch):
    bad = written(project, {"bad.py": "x = 1\n"}) / "bad.py"
    fstat, inode, seen = os.fstat, bad.stat().st_ino, []

    def change(descriptor):
        status = fstat(descriptor)
        if status.st_ino == inode and (is_constant or len(seen) < 1):
            seen.append(status)
            with bad.open("a") as file:
                file.write("y = 2\n")
        return status

    monkeypatch.setattr(os, "fstat", change)
    code, out, told = said("apply", project)
    assert "app.py" in out and seen
    if is_constant:
        assert code == 3 and told_once(told, "bad.py", "changes while it is read")
    else:
        assert code == 0


def test_a_folder_in_the_place_of_the_helper_file_is_a_reason_not_to_write(project, said):
    (project / "statelift_state.py").mkdir()
    before = tree(project)
    code, out, _ = said("scan", project)
    assert code == 1 and "statelift_state.py cannot be read: Is a directory" in out
    assert said("apply", "--tier", "review", project)[1] == ""
    assert tree(project) == before


# ---------------------------------------------------------------- templates

LAUGHS = b"\na0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
BAD_TEMPLATES = {
    "duplicate_keys": (TEMPLATE + b"\nDescription: a\nDescription: b\n", "stands twice"),
    "several_documents": (TEMPLATE + b"\n---\na: 1\n", "several YAML documents"),
    "billion_laughs": (TEMPLATE + LAUGHS, "more than a million nodes"),
    "contains_itself": (TEMPLATE + b"\nX: &x [*x]\n", "contains itself"),
    "not_utf8": (TEMPLATE + b"# \xff\n", "not UTF-8"),
    "nul_bytes": (TEMPLATE + b"# \0\n", "U+0000"),
    "tab": (TEMPLATE + b"\n\tx: 1\n", "not valid YAML"),
    "deep": (TEMPLATE + b"\nX: " + b"[" * 100_000 + b"]" * 100_000 + b"\n", "too deeply"),
    "deep_keys": (TEMPLATE + b"\nX: " + b"{? " * 50_000 + b"\n", "too deeply"),
    "large": (TEMPLATE + b"\n" + b"".join(b"K%d: [1, 2, 3]\n" % n for n in range(90_000)), "too large"),
    "not_json": (b'{"Resources": {"F": {"Type": "AWS::Lambda::Function",,}}}', "not valid YAML"),
}


@pytest.mark.parametrize("name", BAD_TEMPLATES)
def test_a_bad_template_is_told_and_left(name, project, said):
    data, words = BAD_TEMPLATES[name]
    written(project, {"template.yaml": data})
    code, out, _ = said("scan", "--format", "json", project)
    assert code == 3 and ("template.yaml", "template-error") in problems(out) and findings(out) == ["app.py"]
    code, _, told = said("apply", "--tier", "review", project)
    assert code == 3 and told_once(told, "template.yaml", words)
    assert (project / "template.yaml").read_bytes() == data
    assert (project / "app.py").read_bytes() != (SESSIONS / "app.py").read_bytes()


def test_no_depth_of_a_template_overflows_the_stack(project):
    written(project, {"template.yaml": TEMPLATE + b"\nX: " + b"[" * 1_000_000 + b"\n"})
    done = cli("scan", project)
    assert done.returncode == 3 and "too deeply" in done.stdout, done.returncode


def test_unknown_tags_are_kept_and_never_constructed(project, said):
    more = b"\nMetadata:\n  A: !Nonsense {a: 1}\n  B: !!python/object/apply:os.mkdir [constructed]\n"
    written(project, {"template.yaml": TEMPLATE + more})
    assert said("apply", project)[0] == 0
    assert more.strip() in (project / "template.yaml").read_bytes()
    assert not Path("constructed").exists()


# ---------------------------------------------------------------- plans


def truncated(text):
    return text[: len(text) // 2]


def edited(**values):
    return lambda text: json.dumps(json.loads(text) | values)


def with_operation(**values):
    def edit(text):
        plan = json.loads(text)
        for operation in plan["changes"][0]["ops"]:
            if operation["op"] == "edit":
                operation.update(values)
        return json.dumps(plan)

    return edit


BAD_PLANS = {
    "truncated": (truncated, "cannot be read as a plan"),
    "empty": (lambda text: "", "cannot be read as a plan"),
    "not_a_plan": (lambda text: "[]", "must be an object"),
    "other_schema": (edited(schema=2), "this statelift reads 1"),
    "other_version": (edited(tool_version="99.0"), "'99.0'"),
    "deep": (lambda text: "[" * 100_000, "cannot be read as a plan"),
    "same_key_twice": (lambda text: text.replace('"schema": 1', '"schema": 1, "schema": 1'), "repeats 'schema'"),
    "unknown_key": (edited(more=1), "unknown keys: 'more'"),
    "root_is_gone": (edited(root="/nowhere/at/all"), "/nowhere/at/all"),
    "root_is_no_path": (edited(root="/\ud800"), "$.root"),
    "offsets_moved": (with_operation(start=1, end=2), "app.py"),
    "offsets_outside": (with_operation(start=10**9, end=10**9), "app.py"),
    "text_is_no_python": (with_operation(text="(((("), "app.py"),
    "text_has_no_bytes": (with_operation(text="\ud800"), "app.py"),
    "path_is_no_path": (with_operation(path="\ud800.py"), "no file name can have"),
}


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_bad_plan_is_refused_with_the_reason_and_writes_nothing(name, project, tmp_path, said):
    made = tmp_path / "plan.json"
    assert said("plan", project, "-o", made)[0] == 1
    edit, words = BAD_PLANS[name]
    made.write_text(edit(made.read_text()))
    before = tree(project)
    code, out, told = said("apply", made)
    assert (code, out) == (2, "") and words in told and "Traceback" not in told
    assert tree(project) == before


# ---------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "nowhere.py"], "nowhere.py does not exist"),
        (["apply", "nowhere.json"], "nowhere.json"),
        (["explain", "nowhere.py:3"], "nowhere.py"),
        (["scna"], "Did you mean 'scan'?"),
        (["batch", "plna", "--repos", "."], "Did you mean 'plan'?"),
        (["scan", "--fail-onn", "safe"], "Did you mean '--fail-on'?"),
        (["scan", "--fail-on", "reveiw"], "Did you mean review?"),
        (["scan", "--format", "jsn"], "Did you mean json?"),
        (["scan", "--output", "jsn=x"], "Did you mean json?"),
        (["plan", "--format", "dif"], "Did you mean diff?"),
        (["apply", "--tier", "saef"], "Did you mean safe?"),
        (["infra", "--target", "cloudfromation"], "Did you mean cloudformation?"),
        (["scan", "--select", "SL1011"], "Did you mean SL101?"),
        (["scan", "--ignore", "sesion-in-memory"], "Did you mean session-in-memory?"),
        (["explain", "sesion-in-memory"], "Did you mean session-in-memory?"),
        (["explain", "SL1"], "how several rules begin"),
        (["scan", "--exclude", "!"], "exclude pattern '!'"),
    ],
)
def test_wrong_usage_is_exit_2_with_the_nearest_right_one(arguments, words, project, said, monkeypatch):
    monkeypatch.chdir(project)
    before = tree(project)
    code, out, told = said(*arguments)
    assert (code, out) == (2, "") and words in told
    assert tree(project) == before


@pytest.mark.parametrize("name", ["pyproject.toml", "statelift.toml"])
def test_an_unknown_configuration_key_is_exit_2_with_the_nearest_one(name, project, said):
    head = "[tool.statelift]\n" if name == "pyproject.toml" else ""
    written(project, {name: f'{head}selct = ["SL101"]\n'})
    code, out, told = said("scan", project)
    assert (code, out) == (2, "") and name in told and "Did you mean select?" in told
