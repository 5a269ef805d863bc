"""The configuration says what is looked at, and nothing else; what is wrong with it is told with its line."""

import json
import os
from pathlib import Path

import pytest
from repositories import written

from statelift.config import KEYS, ConfigError, Settings, find_configuration, read_configuration

STORE = """SESSIONS = {}


def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""
COUNTER = """calls = 0


def handler(event, context):
    global calls
    calls += 1
    return event
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with a store and a counter; the working folder is the repository."""
    root = written(tmp_path / "project", {"app.py": STORE, "lib/count.py": COUNTER})
    (root / ".git").mkdir()
    monkeypatch.chdir(root)
    return root


def configured(root: Path, text: str, name: str = "statelift.toml") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def rules(said, *words):
    code, out, told = said("scan", "--format", "json", *words)
    assert code in (0, 1), told
    return {finding["rule"] for finding in json.loads(out)["findings"]}


# ---------------------------------------------------------------- the values count, the command line wins


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"SL101", "SL201"}),
        ('select = ["SL1"]', {"SL101"}),
        ('select = ["session-in-memory"]\nextend-select = ["SL201"]', {"SL101", "SL201"}),
        ('extend-select = ["SL201"]', {"SL101", "SL201"}),
        ('ignore = ["SL101"]', {"SL201"}),
        ('exclude = ["lib/"]', {"SL101"}),
        ('handler = ["count.handler"]', {"SL201"}),
        ('handler = ["app.handler", "lib.count.handler"]', {"SL101", "SL201"}),
    ],
)
def test_each_key_narrows_what_is_found(project, said, text, found):
    configured(project, text)
    assert rules(said) == found
    configured(project, f"[tool.statelift]\n{text}\n", "pyproject.toml")
    (project / "statelift.toml").unlink()
    assert rules(said) == found


def test_the_command_line_takes_the_place_of_the_file(project, said):
    configured(project, 'select = ["SL1"]\nexclude = ["app.py"]\nhandler = ["app.handler"]\n')
    assert rules(said, "--select", "SL2", "--handler", "count.handler") == {"SL201"}
    assert rules(said, "--exclude", "lib") == {"SL101"}
    assert rules(said, "--isolated") == {"SL101", "SL201"}
    assert rules(said, "--extend-select", "SL2", "--exclude", "none", "--handler", "lib.count.handler") == {"SL201"}


def test_a_flag_can_be_turned_off_again(project, said):
    written(project, {"app.py": STORE.replace("def handler(event, context)", "def login(event)")})
    (project / "lib/count.py").unlink()
    assert rules(said) == {"SL101"}
    configured(project, "strict-handlers = true\n")
    assert rules(said) == set()
    assert rules(said, "--no-strict-handlers") == {"SL101"}
    assert "left alone" not in said("explain", "app.py:1")[1]


def test_fail_on_comes_from_the_file(project, said):
    configured(project, 'fail-on = "never"\n')
    assert said("scan")[0] == 0
    assert said("scan", "--fail-on", "safe")[0] == 1


def test_plan_and_apply_follow_the_file(project, said):
    configured(project, 'ignore = ["SL101"]\n')
    before = (project / "app.py").read_bytes()
    code, out, _ = said("plan")
    assert code == 1 and "SL201" in out and "SL101" not in out
    (project / ".git").rmdir()
    assert said("apply", "--tier", "review")[0] == 0
    assert (project / "app.py").read_bytes() == before
    assert "calls" not in (project / "lib/count.py").read_text() or "count_metric" in (
        project / "lib/count.py"
    ).read_text() + "".join(path.read_text() for path in project.rglob("statelift_state.py"))


def test_each_repository_of_a_batch_has_its_own(tmp_path, said):
    quiet = written(tmp_path / "repos/quiet", {"app.py": STORE, "statelift.toml": 'select = ["SL4"]'})
    wrong = written(tmp_path / "repos/wrong", {"app.py": STORE, "statelift.toml": "colour = true"})
    loud = written(tmp_path / "repos/loud", {"app.py": STORE})
    code, out, _ = said("batch", "plan", "--repos", tmp_path / "repos", "--format", "json")
    outcomes = {Path(each["repository"]): each for each in json.loads(out)["repositories"]}
    assert code == 3
    assert [outcomes[each]["status"] for each in (quiet, wrong, loud)] == ["clean", "failed", "planned"]
    assert "there is no key colour" in outcomes[wrong]["message"]


# ---------------------------------------------------------------- which file holds


def test_exclude_patterns_start_from_the_folder_of_the_file(project, said):
    written(project, {"src/legacy/app.py": STORE, "src/new/app.py": COUNTER})
    configured(project, 'exclude = ["src/legacy", "/lib"]\n')
    assert rules(said, "src") == {"SL201"}
    assert rules(said, "src/new", "src/legacy") == {"SL201"}


def test_the_nearest_file_holds(project):
    outer = configured(project, "[tool.statelift]\n", "pyproject.toml")
    deep = project / "a/b"
    deep.mkdir(parents=True)
    assert find_configuration(deep) == outer
    inner = configured(project / "a", "")
    assert find_configuration(deep) == inner


def test_the_first_pyproject_and_the_repository_end_the_search(project):
    configured(project.parent, 'select = ["SL1"]')
    assert find_configuration(project) is None
    (project / ".git").rmdir()
    assert find_configuration(project) == project.parent / "statelift.toml"
    configured(project, "[project]\n", "pyproject.toml")
    assert find_configuration(project) is None


def test_a_folder_that_everybody_writes_to_configures_nobody(tmp_path):
    shared, own = tmp_path / "shared", tmp_path / "shared/own"
    own.mkdir(parents=True)
    configured(shared, "")
    assert find_configuration(own) == shared / "statelift.toml"
    shared.chmod(0o1777)
    assert find_configuration(own) is None


def test_two_configurations_in_one_folder_are_an_error(project, said):
    configured(project, "")
    configured(project, "[tool.statelift]\n", "pyproject.toml")
    code, _, told = said("scan")
    assert code == 2 and "keep one of them" in told


def test_config_names_a_file(project, tmp_path, said):
    other = configured(tmp_path, 'select = ["SL2"]\nexclude = ["nothing"]\n', "ci.toml")
    configured(project, 'select = ["SL1"]')
    assert rules(said, "--config", other) == {"SL201"}
    code, _, told = said("scan", "--config", tmp_path / "none.toml")
    assert code == 2 and "none.toml" in told


def test_a_broken_pyproject_that_never_names_statelift_is_not_ours(project, said):
    configured(project, "[project\nname = {{ name }}\n", "pyproject.toml")
    assert rules(said) == {"SL101", "SL201"}


# ---------------------------------------------------------------- what is wrong is told with its place


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('\nselct = ["SL1"]', 2, ["there is no key selct", "Did you mean select?"]),
        ("strict_handlers = true", 1, ["there is no key strict_handlers", "Did you mean strict-handlers?"]),
        ('select = "SL1"', 1, ["must be a list of strings", '["SL1"]']),
        ("select = [1]", 1, ["must be a list of strings, not a list"]),
        ('#\n\nignore = [\n  "sesion-in-memory",\n]', 3, ["no rule sesion-in-memory", "session-in-memory?"]),
        ('strict-handlers = "yes"', 1, ["must be true or false, not a string"]),
        ('fail-on = "reviw"', 1, ["must be one of safe, review, manual, never", "Did you mean review?"]),
        ("fail-on = 3", 1, ["must be one of", "not a number"]),
        ("exclude = {}", 1, ["must be a list of strings, not a table"]),
        ("select = [", 1, ["not valid TOML"]),
        ('[stores."app:SESSIONS"]\nstlye = "x"', 1, ['stores of "app:SESSIONS"', "no key stlye", "mean style?"]),
        ('[stores."app:SESSIONS"]\nstyle = "inlin"', 1, ["style must be one of store", "Did you mean inline?"]),
        ('style = "x"', 1, ["must be one of store, inline, transaction"]),
        ('[stores."SESSIONS"]', 1, ['write it as "module:NAME"']),
        ('stores = ["app:SESSIONS"]', 1, ["must be a table for each cell"]),
        ('[stores."app:SESSION"]', 1, ["there is no cell app:SESSION.", "Did you mean app:SESSIONS?"]),
        ('codemod = ["evil.py"]', 1, ["codemod can only be given on the command line"]),
        ('output = ["json=/etc/passwd"]', 1, ["output can only be given on the command line"]),
        ("allow_dirty = true", 1, ["allow_dirty can only be given on the command line"]),
        ('formatter = "rm -rf /"', 1, ["formatter can only be given on the command line"]),
        ('exclude = ["ok", "!"]', 1, ["exclude pattern", "not valid"]),
        ('handler = ["app.handle"]', 1, ["no entry point app.handle", "Did you mean app.handler?"]),
        ("fail-on = 1979-05-27", 1, ["not a date"]),
    ],
)
def test_a_wrong_file_is_exit_2_with_line_and_suggestion(project, said, text, line, words):
    configured(project, text + "\n")
    code, out, told = said("scan")
    assert (code, out) == (2, "")
    assert f"statelift.toml:{line}: " in told
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"select = ['\xff']", "not UTF-8"),
        (b"x = " + b"[" * 50_000, "statelift.toml"),
        (b"# " + b"x" * 1_000_001, "larger than a megabyte"),
    ],
)
def test_bytes_that_are_no_configuration_are_exit_2(project, said, data, words):
    (project / "statelift.toml").write_bytes(data)
    code, out, told = said("scan")
    assert (code, out) == (2, "")
    assert words in told and "Traceback" not in told


def test_a_pyproject_whose_tool_is_no_table_is_told(project):
    with pytest.raises(ConfigError, match="must be a table of keys, not a number"):
        read_configuration(configured(project, "[tool]\nstatelift = 1\n", "pyproject.toml"))


def test_control_characters_of_the_file_are_shown(project, said):
    configured(project, '"\\u001b[31mred" = 1\n')
    told = said("scan")[2]
    assert "\x1b" not in told and "\\x1b[31mred" in told


# ---------------------------------------------------------------- nothing outside, nothing run


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../base.json", "a/../../base.json", "~/base.json", "C:/base.json", "a\\\\b", "", "x\\u0000"],
)
def test_a_file_names_no_path_outside_of_its_folder(project, path):
    with pytest.raises(ConfigError, match=r"statelift.toml:1: baseline must"):
        read_configuration(configured(project, f'baseline = "{path}"'))


def test_a_path_inside_may_not_be_a_link_that_leads_out(project):
    (project.parent / "known.json").write_text("{}")
    (project / "up").symlink_to(project.parent)
    with pytest.raises(ConfigError, match="a link out of the project"):
        read_configuration(configured(project, 'baseline = "up/known.json"'))


def test_a_configuration_that_is_a_link_out_of_the_project_is_refused(project, said):
    target = configured(project.parent, 'select = ["SL2"]', "elsewhere.toml")
    (project / "statelift.toml").symlink_to(target)
    code, _, told = said("scan")
    assert code == 2 and "link out of the project" in told
    assert rules(said, "--isolated") == {"SL101", "SL201"}


def test_a_pipe_is_no_configuration_and_is_not_waited_for(project, said):
    os.mkfifo(project / "statelift.toml")
    assert rules(said) == {"SL101", "SL201"}
    code, _, told = said("scan", "--config", "statelift.toml")
    assert code == 2 and "not a regular file" in told


# ---------------------------------------------------------------- config show, documentation


def test_config_show_tells_values_and_origins(project, said):
    configured(project, '[tool.statelift]\nselect = ["SL1"]\n\nfail-on = "manual"\n', "pyproject.toml")
    code, out, _ = said("config", "show", "--ignore", "SL102", ".")
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and list(rows) == list(KEYS)
    assert rows["select"].split("= ")[1].split() == ['["SL1"]', "#", "pyproject.toml:2"]
    assert rows["fail-on"].endswith("# pyproject.toml:4")
    assert rows["ignore"].endswith("# command line")
    assert rows["strict-handlers"].endswith("# default")
    shown = json.loads(said("config", "show", "--format", "json")[1])
    assert shown["file"] == str(project / "pyproject.toml")
    assert shown["values"]["select"] == {"value": ["SL1"], "origin": "pyproject.toml:2"}


def test_without_a_file_all_is_default():
    assert all(Settings().origin(key) == "default" for key in KEYS)


def test_the_page_lists_the_keys_and_no_other():
    page = (Path(__file__).parents[1] / "docs/configuration.md").read_text(encoding="utf-8")
    table = page.split("## Keys")[1].split("## Which")[0]
    told = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert told == set(KEYS)
