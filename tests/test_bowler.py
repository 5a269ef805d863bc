import codecs
import os
import subprocess
import sys

import pytest

from statelift.bowler_adapter import Rewritten, ScriptError, run_script
from statelift.model import SourceFile

RENAME = """
from bowler import Query
Query(".").select_function("login").rename("sign_in").diff(interactive=True)
"""
BY_MAIN = """
import sys
from bowler import Query

def main():
    old, new = sys.argv[1:]
    (
        Query()
        .select_function(old)
        .rename(new)
        .write()
    )
"""
SOURCE = "def login(user):\n    return user\n\nlogin('a')\n"
RENAMED = SOURCE.replace("login", "sign_in")


@pytest.fixture
def run(tmp_path):
    def apply(script, *texts, argv=(), paths=None, root=None):
        path = tmp_path / "codemod.py"
        path.write_text(script)
        names = paths or [f"app{number}.py" for number in range(len(texts))]
        data = [text if isinstance(text, bytes) else text.encode() for text in texts]
        files = [SourceFile(name, one) for name, one in zip(names, data, strict=True)]
        return run_script(path, argv, files, root)

    return apply


def test_a_script_of_module_level_calls_is_applied(run):
    assert run(RENAME, SOURCE) == (Rewritten("app0.py", "changed", RENAMED.encode()),)


def test_a_script_with_main_sees_its_arguments(run):
    [result] = run(BY_MAIN, SOURCE, argv=["login", "sign_in"])
    assert result.after == RENAMED.encode()


@pytest.mark.parametrize("terminal", [".diff()", ".idiff()", ".write()", ".silent()", ".execute(write=True)"])
def test_every_terminal_is_recorded_once(run, terminal):
    script = f"""
from bowler import Query
query = Query().select_function("login").add_argument("token", "None")
query.diff()
query{terminal}
"""
    [result] = run(script, SOURCE)
    assert result.after == SOURCE.replace("user):", "user, token=None):").encode()


def test_files_come_back_in_their_order_and_unchanged_ones_are_said_so(run):
    results = run(RENAME, "x = 1\n", SOURCE, "", paths=["b.py", "a.py", "empty.py"])
    assert [(result.path, result.status) for result in results] == [
        ("b.py", "unchanged"),
        ("a.py", "changed"),
        ("empty.py", "unchanged"),
    ]
    assert results[0].after == b"x = 1\n"


def test_the_queries_of_one_script_compose_in_order(run):
    second = RENAME.replace('"login"', '"sign_in"').replace('rename("sign_in")', 'rename("enter")')
    [result] = run(RENAME + second, SOURCE)
    assert result.after == SOURCE.replace("login", "enter").encode()
    [result] = run(second + RENAME, SOURCE)
    assert result.after == RENAMED.encode()


@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "text",
    [
        "login(1)\n",
        "login(1)",
        "\n\nlogin(1)\n\n\n",
        "\x0clogin(1)\n\x0c\nx = 1\n",
        "x = 'é \x1c\x85\u2028 日本'\nlogin('😀')  # ü",
        "if x:\n\tlogin(1)\n# the end",
    ],
)
def test_only_the_changed_tokens_change(run, text, newline, bom):
    data = bom + text.encode().replace(b"\n", newline)
    [result] = run(RENAME, data)
    assert result == Rewritten("app0.py", "changed", data.replace(b"login", b"sign_in"))


def test_a_file_keeps_its_own_encoding(run):
    data = "# coding: latin-1\nlogin('é')\n".encode("latin-1")
    [result] = run(RENAME, data)
    assert result.after == data.replace(b"login", b"sign_in")


INSERT_ARROW = """
from bowler import Query

def arrow(node, capture, filename):
    node.value = "x\\N{RIGHTWARDS ARROW}"

Query().select("'login'").modify(arrow).write()
"""


def test_text_that_does_not_fit_the_encoding_is_bad_output(run):
    data = "# coding: latin-1\nlogin = 'é'\n".encode("latin-1")
    [result] = run(INSERT_ARROW, data)
    assert (result.status, result.after) == ("bad-output", data)
    assert "does not fit" in result.reason


def test_output_that_is_not_python_is_refused_and_the_bytes_are_kept(run):
    [result] = run(INSERT_ARROW, SOURCE)
    assert (result.status, result.after) == ("bad-output", SOURCE.encode())
    assert "line 1" in result.reason.lower()


def test_output_that_the_next_query_cannot_read_is_bad_output(run):
    break_it = INSERT_ARROW.replace("x\\N{RIGHTWARDS ARROW}", "login (")
    [result] = run(break_it + RENAME, SOURCE)
    assert (result.status, result.after) == ("bad-output", SOURCE.encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("login(1)\rx = 1\r", "lone CR"),
        ("login(1)\r\nx = 1\n", "CRLF"),
        ("match login(1):\n    case 1:\n        pass\n", "Line 1: Bowler's old grammar"),
        ("def login(user, /):\n    pass\n", "Bowler's old grammar"),
        ("login(\n", "Line 1"),
        ("print 'login'\n", "Python 2"),
        (b"login('\xe9')\n", "utf-8"),
    ],
)
def test_what_cannot_be_parsed_is_said_and_never_silent(run, text, reason):
    [result] = run(RENAME, text)
    assert (result.status, result.after) == ("unparsed", text if isinstance(text, bytes) else text.encode())
    assert reason in result.reason


def test_one_unparsable_file_does_not_stop_the_others(run):
    results = run(RENAME, "match login(1):\n    case 1:\n        pass\n", SOURCE)
    assert [result.status for result in results] == ["unparsed", "changed"]


def test_new_syntax_does_not_matter_where_nothing_can_match(run):
    [result] = run(RENAME, "match x:\n    case 1:\n        pass\n")
    assert result.status == "unchanged"


@pytest.mark.parametrize("raised", ["ValueError('no way')", "SystemExit('no way')"])
@pytest.mark.parametrize("step", ["filter", "modify", "process"])
def test_an_exception_in_a_callback_fails_the_file_only(run, step, raised):
    script = f"""
from bowler import Query

def callback(*args):
    if args[-1] == "app0.py" or args[0] == "app0.py":
        raise {raised}
    return None if "{step}" == "modify" else True

Query().select_function("login").{step}(callback).rename("sign_in").write()
"""
    bad, good = run(script, SOURCE, SOURCE)
    assert (bad.status, bad.after) == ("failed", SOURCE.encode())
    assert "no way (codemod.py, line 6)" in bad.reason
    assert good.after == RENAMED.encode()


FAR_APART = "login(1)\n" + "x = 1\n" * 10 + "login(2)\n" + "y = 1\n" * 10 + "login(3)"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_processor_vetoes_single_hunks(run, newline):
    script = """
import json, sys
from bowler import Query

def veto(filename, hunk):
    assert hunk[:2] == ["--- app0.py", "+++ app0.py"] and hunk[2].startswith("@@ -"), hunk
    assert not any(line.endswith(("\\n", "\\r")) for line in hunk)
    return "-login(2)" not in hunk

def nothing(filename, hunk):
    return None

Query().select_function("login").rename("sign_in").process(veto).process(nothing).write()
"""
    data = FAR_APART.replace("\n", newline).encode()
    [result] = run(script, data)
    assert result.after == data.replace(b"login", b"sign_in").replace(b"sign_in(2)", b"login(2)")


def test_a_veto_of_everything_leaves_the_file_unchanged(run):
    [result] = run(RENAME.replace(".diff", ".process(lambda *hunk: False).diff"), SOURCE)
    assert result == Rewritten("app0.py", "unchanged", SOURCE.encode())


@pytest.mark.parametrize(
    "query",
    [
        'Query(filename_matcher=lambda name: name.endswith(".pyi"))',
        'Query("src", "lib/one.py")',
        'Query(["elsewhere"])',
    ],
)
def test_a_query_takes_only_its_files(run, query):
    script = RENAME.replace('Query(".")', query)
    paths = ["src/app.py", "lib/one.py", "lib/two.py", "app.pyi", "srcs/app.py"]
    results = run(script, *[SOURCE] * 5, paths=paths)
    changed = {result.path for result in results if result.status == "changed"}
    assert (
        changed
        == {"pyi": {"app.pyi"}, "src": {"src/app.py", "lib/one.py"}, "els": set()}[
            next(key for key in ("pyi", "src", "els") if key in query)
        ]
    )
    assert all("takes this file" in result.reason for result in results if result.status == "unchanged")


def test_paths_of_a_query_are_relative_to_the_current_folder_and_files_to_the_root(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = run(
        RENAME.replace('"."', '"code/src"'), SOURCE, SOURCE, paths=["src/a.py", "b.py"], root=tmp_path / "code"
    )
    assert [result.status for result in results] == ["changed", "unchanged"]


def test_a_matcher_that_raises_fails_the_file(run):
    [result] = run(RENAME.replace('"."', "filename_matcher=lambda name: 1 / 0"), SOURCE)
    assert result.status == "failed"
    assert "ZeroDivisionError" in result.reason


@pytest.mark.parametrize("is_bottom_up", [True, False])
def test_a_fixer_of_lib2to3_style_works(run, is_bottom_up):
    script = f"""
from bowler import Query
from fissix.fixer_base import BaseFix

class Upper(BaseFix):
    BM_compatible = {is_bottom_up}
    PATTERN = "name='login'"

    def __init__(self):
        pass

    def transform(self, node, results):
        results["name"].value = "LOGIN"
        results["name"].changed()

Query().fixer(Upper).write()
"""
    [result] = run(script, SOURCE)
    assert result.after == SOURCE.replace("login", "LOGIN").encode()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("raise ValueError('bad day')\n", r"ValueError: bad day \(codemod\.py, line 1\)"),
        ("def broken(:\n", "SyntaxError"),
        ("import sys\nsys.exit(2)\n", "ended with 2"),
        ("import nothing_like_this\n", "nothing_like_this"),
        ("def main():\n    1 / 0\n", r"ZeroDivisionError.*line 2"),
        ("from bowler import Query\nQuery().rename('x').diff()\n", "no selectors"),
        ("x = 1\n", "executes no query"),
    ],
)
def test_a_script_that_does_not_get_to_its_queries_is_an_error(run, script, words):
    with pytest.raises(ScriptError, match=words):
        run(script, SOURCE)


def test_a_script_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(ScriptError, match="does not exist"):
        run_script(tmp_path / "gone.py", [], [])


def test_bowler_is_as_before_after_a_script_that_raised(run):
    from bowler import Query

    before = Query.execute, sys.argv, sys.path, sys.dont_write_bytecode
    with pytest.raises(ScriptError):
        run("1 / 0", SOURCE)
    assert (Query.execute, sys.argv, sys.path, sys.dont_write_bytecode) == before


def test_what_the_script_prints_goes_to_stderr(run, capsys):
    script = RENAME.replace(".diff(interactive=True)", ".dump()")
    run(f"print('hello')\n{script}", SOURCE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def _snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_on_disk_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.py").write_text("NEW = 'sign_in'\n")
    (tmp_path / "app.py").write_text(SOURCE)
    script = tmp_path / "codemod.py"
    script.write_text(
        "from names import NEW\n"
        + RENAME.replace('"sign_in"', "NEW").replace(".diff", ".execute").replace("True", "False, write=True")
    )
    before = _snapshot(tmp_path)
    [result] = run_script(script, [], [SourceFile("app.py", SOURCE.encode())])
    assert result.after == RENAMED.encode()
    assert _snapshot(tmp_path) == before


def test_a_home_that_cannot_be_written_does_not_matter(tmp_path):
    script = tmp_path / "codemod.py"
    script.write_text(RENAME)
    program = (
        "import sys; from pathlib import Path; from statelift.bowler_adapter import run_script; "
        "from statelift.model import SourceFile; "
        "print(run_script(Path(sys.argv[1]), [], [SourceFile('a.py', b'login(1)')])[0].after)"
    )
    home = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"} | {"HOME": os.devnull}
    done = subprocess.run([sys.executable, "-c", program, script], env=home, capture_output=True, text=True)
    assert done.stdout.strip() == "b'sign_in(1)'", done.stderr


def test_bowler_is_not_imported_before_it_is_needed():
    program = "import sys, statelift.bowler_adapter; print([m for m in sys.modules if m in ('bowler', 'fissix')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
