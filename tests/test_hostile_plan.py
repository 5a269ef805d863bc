"""A plan.json from a stranger: it writes what it lists below its root, or nothing, and runs nothing."""

import hashlib
import json
import os
import subprocess
import sys
import time

import pytest
import yaml

from statelift import __version__
from statelift.cli import run

APP = """\
SESSIONS = {}


def handler(event, context):
    SESSIONS[event["id"]] = "é"
    return SESSIONS.get(event["of"])
""".encode()
INSIDE = APP.index("é".encode()) + 1
TEMPLATE = b"""\
Resources:
  Api:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    (root / "app.py").write_bytes(APP)
    monkeypatch.chdir(tmp_path)
    return root


def sha(data):
    return hashlib.sha256(data).hexdigest()


def change(*ops, name="c1", **more):
    parts = {"rule": "SL101", "tier": "safe", "title": "t", "reasons": [], "alternatives_of": None, "needs": []}
    return {"id": name, **parts, "decision": None, "ops": list(ops), **more}


def edit(path="app.py", start=0, end=8, text="SESSIONZ"):
    return {"op": "edit", "path": path, "start": start, "end": end, "text": text}


def helper(path="statelift_state.py", part="store.get", text=None):
    return {"op": "ensure_helper_part", "path": path, "part": part, "text": text}


def resource(name="SessionsTable", template="template.yaml", kind="table", **properties):
    return {"op": "ensure_resource", "id": name, "kind": kind, "properties": properties, "template": template}


def plan(root, *changes, **files):
    hashes = {"app.py": sha(APP), **files}
    return {
        "schema": 1,
        "tool_version": __version__,
        "root": str(root),
        "options": {
            "strict_handlers": False,
            "select": [],
            "ignore": [],
            "codemods": [],
            "metrics": "emf",
            "is_ephemeral": False,
            "style": "store",
            "stores": [],
            "bucket": "",
            "bucket_env": "",
            "fix_original": False,
            "counter_metric": False,
            "metric_namespace": "",
            "metric_unit": "Count",
            "metric_dimensions": [],
        },
        "files": [{"path": path, "sha256": value} for path, value in hashes.items()],
        "findings": [],
        "left_alone": [],
        "errors": [],
        "changes": list(changes),
        "summary": {
            "files": 1,
            "functions": 1,
            "findings_by_family": dict.fromkeys(("memory", "counter", "tmp", "connection", "foreign"), 0),
            "findings_by_tier": dict.fromkeys(("safe", "review", "manual"), 0),
            "left_alone": 0,
            "errors": 0,
        },
    }


def applied(made, tmp_path, capfd):
    """Exit code and what was said."""
    (tmp_path / "plan.json").write_text(json.dumps(made))
    code = run(["apply", "plan.json"])
    return code, "".join(capfd.readouterr())


def tree(folder):
    kept = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name != "plan.json":
            kept[name] = (
                str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "other"
            )
    return kept


def refused(made, tmp_path, capfd):
    """Exit 2, one message, no traceback, not a byte written; the message."""
    before = tree(tmp_path)
    code, said = applied(made, tmp_path, capfd)
    assert (code, "Traceback" in said) == (2, False), said
    assert {name: kept for name, kept in tree(tmp_path).items() if ".statelift" not in name} == before
    assert not list(tmp_path.glob("**/.statelift/runs/*"))
    assert not any(ord(character) < 32 and character != "\n" for character in said)
    return said


def test_the_plan_that_the_others_are_made_from_is_written(root, tmp_path, capfd):
    code, _ = applied(plan(root, change(edit(), edit(start=45, end=45, text=""))), tmp_path, capfd)
    assert code in (0, 1)
    assert (root / "app.py").read_bytes() == APP.replace(b"SESSIONS", b"SESSIONZ", 1)


PATHS = [
    *("/etc/passwd", "../app.py", "a/../../app.py", "./app.py", "a//b.py", "C:/x.py", "a\\b.py", "a\0.py", "", "."),
    *(".git/config", ".git/hooks/pre-commit.py", ".GIT/x.py", ".g\u200cit/x.py", "git~1/x.py", ".statelift/x.py"),
    *("APP.py", "\ud800.py", "x" * 300 + ".py", "\x1b[2Japp.py", "app.py/inner.py", "/dev/stdout", "//dev/null"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("make", [edit, helper])
def test_paths_that_lead_elsewhere(root, tmp_path, capfd, path, make):
    (root / ".git" / "hooks").mkdir(parents=True)
    refused(plan(root, change(make(path)), **{path: ""}), tmp_path, capfd)


@pytest.mark.parametrize("path", PATHS)
def test_a_template_that_lies_elsewhere(root, tmp_path, capfd, path):
    refused(plan(root, change(resource(template=path)), **{path: sha(TEMPLATE)}), tmp_path, capfd)


@pytest.mark.parametrize("make", [edit, helper])
def test_a_path_that_the_plan_does_not_list(root, tmp_path, capfd, make):
    (root / "sub").mkdir()
    (root / "sub" / "statelift_state.py").write_bytes(APP)
    made = plan(root, change(make("sub/statelift_state.py")))
    assert "not among the files" in refused(made, tmp_path, capfd)


@pytest.mark.parametrize(
    "path", ["workflow.yml", ".bashrc", "setup.cfg", "x.pth", "Makefile", ".github/workflows/ci.yml"]
)
def test_only_python_is_edited(root, tmp_path, capfd, path):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(b"x = 1\n")
    made = plan(root, change(edit(path, 0, 1, "y")), **{path: sha(b"x = 1\n")})
    assert "no Python file" in refused(made, tmp_path, capfd)


@pytest.mark.parametrize(
    "path", ["app/__init__.py", "conftest.py", ".github/workflows/ci.yml", "sitecustomize.py", "x.pth"]
)
def test_only_the_helper_is_new(root, tmp_path, capfd, path):
    assert "not called statelift_state.py" in refused(
        plan(root, change(helper(path)), **{path: ""}), tmp_path, capfd
    )


@pytest.mark.parametrize(
    "template", [".github/workflows/ci.yml", ".pre-commit-config.yaml", "compose.yml", "app.py"]
)
def test_only_templates_get_resources(root, tmp_path, capfd, template):
    data = b"on: push\njobs:\n  x:\n    runs-on: any\n"
    (root / template).parent.mkdir(parents=True, exist_ok=True)
    (root / template).write_bytes(data)
    refused(plan(root, change(resource(template=template)), **{template: sha(data)}), tmp_path, capfd)


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "device", "folder"])
def test_what_stands_there_is_no_plain_file(root, tmp_path, capfd, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "app.py").write_bytes(APP)
    path = "pkg/app.py" if kind == "folder link" else "there.py"
    match kind:
        case "link":
            (root / path).symlink_to(outside / "app.py")
        case "folder link":
            (root / "pkg").symlink_to(outside)
        case "pipe":
            os.mkfifo(root / path)
        case "device":
            (root / path).symlink_to("/dev/zero")
        case "folder":
            (root / path).mkdir()
    refused(plan(root, change(edit(path)), **{path: sha(APP)}), tmp_path, capfd)


@pytest.mark.parametrize(
    ("ops", "said"),
    [
        pytest.param([edit(start=-1)], "whole number", id="negative"),
        pytest.param([edit(start=9, end=3)], "behind the end", id="backwards"),
        pytest.param([edit(start=10**30, end=10**30)], "outside of the file", id="behind the file"),
        pytest.param([edit(end=10**4000)], "outside of the file", id="a number of 4000 digits"),
        pytest.param([edit(start=1.5)], "whole number", id="a half"),
        pytest.param([edit(start=True)], "whole number", id="true"),
        pytest.param([edit(), edit(start=4, end=12)], "overlaps", id="overlapping"),
        pytest.param([edit(start=0, end=40), edit(start=5, end=5)], "overlaps", id="inserted into a replacement"),
        pytest.param([edit(start=INSIDE, end=INSIDE, text="x")], "cut a character", id="inside a character"),
        pytest.param([edit(start=INSIDE - 1, end=INSIDE, text="")], "cut a character", id="half a character"),
        pytest.param([edit(text="\ud800")], "do not fit", id="a lone surrogate"),
        pytest.param([edit(text="\udcff = 1; SESSIONS")], "afterwards", id="a byte that is no UTF-8"),
        pytest.param([edit(text="def (")], "afterwards", id="no Python any more"),
        pytest.param([edit(text="x\0")], "afterwards", id="a NUL"),
        pytest.param([edit(text="(" * 5000 + ")" * 5000 + ";SESSIONS")], "afterwards", id="nested too deeply"),
        pytest.param([helper("app.py")], "not called", id="a module as helper"),
        pytest.param([helper(part="store.no_such_part")], "store.no_such_part", id="a part that does not exist"),
        pytest.param([helper(part="../../etc/passwd")], "passwd", id="a part as a path"),
        pytest.param([helper(part="{{ 7*7 }}")], "{{ 7*7 }}", id="a part as a template"),
        pytest.param([helper(), edit("statelift_state.py", 0, 0)], "at once", id="a helper that is edited, too"),
        pytest.param(
            [helper("app.py", "x", "import os; os.system('x'")], "do not fit", id="a definition that is none"
        ),
        pytest.param(
            [{"op": "ensure_import", "path": "app.py", "module": "a\nb", "name": None}],
            "not the name",
            id="two lines",
        ),
        pytest.param([{"op": "run", "command": "true"}], "must be one of", id="an operation that does not exist"),
        pytest.param([edit() | {"mode": "0o4777"}], "unknown keys", id="a key more"),
    ],
)
def test_operations_that_do_not_fit(root, tmp_path, capfd, ops, said):
    assert said in refused(plan(root, change(*ops), **{"statelift_state.py": ""}), tmp_path, capfd)


def test_control_characters_are_shown_escaped(root, tmp_path, capfd):
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    made = plan(root, change(edit(text="def ("), name=evil, title=evil, rule=evil, reasons=[evil]), **{evil: ""})
    said = refused(made, tmp_path, capfd)
    assert "\x1b" not in said
    made = plan(root, change(edit(), name=evil, title=evil, needs=[evil + "x"]))
    assert "\x1b" not in refused(made, tmp_path, capfd)
    code, said = applied(plan(root, change(edit(), name=evil, title=evil)), tmp_path, capfd)
    assert code in (0, 1)
    assert "\x1b" not in said


EVIL = [
    "x\n  Evil:\n    Type: AWS::IAM::User",
    "x: y",
    "!Ref AWS::AccountId",
    "*anchor",
    "&a b",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "${AWS::AccountId}",
    '"]}',
    "'",
    "# comment",
    "yes",
    "\ttab",
    "\u2028",
    "\x00",
    "\x1b[2J",
    "<<",
]


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("key", [None, "origin", "key", "ttl"])
def test_properties_that_would_be_yaml(root, tmp_path, capfd, text, key):
    """Either refused, or one scalar with exactly this text and nothing beside it."""
    (root / "template.yaml").write_bytes(TEMPLATE)
    made = plan(root, change(resource(**({key: text} if key else {text: "x"}))), **{"template.yaml": sha(TEMPLATE)})
    code, said = applied(made, tmp_path, capfd)
    assert "Traceback" not in said
    written = (root / "template.yaml").read_bytes()
    if code == 2:
        assert written == TEMPLATE
        return
    assert code in (0, 1), said
    read = yaml.load(written, Loader=yaml.BaseLoader)
    assert list(read) == ["Resources"]
    assert set(read["Resources"]) == {"Api", "SessionsTable"}
    assert read["Resources"]["Api"] == yaml.load(TEMPLATE, Loader=yaml.BaseLoader)["Resources"]["Api"]
    body = read["Resources"]["SessionsTable"]
    assert body["Type"] == "AWS::DynamoDB::Table"
    texts = [*body["Metadata"]["statelift"].items()]
    assert any(text in pair for pair in texts) or key == "ttl"


@pytest.mark.parametrize("name", [*(each for each in EVIL if each != "yes"), "Api", "A" * 300, "../x"])
def test_names_of_resources_that_would_be_yaml(root, tmp_path, capfd, name):
    (root / "template.yaml").write_bytes(TEMPLATE)
    made = plan(root, change(resource(name)), **{"template.yaml": sha(TEMPLATE)})
    code, said = applied(made, tmp_path, capfd)
    assert "Traceback" not in said
    if name == "A" * 300:
        return
    assert code == 2, said
    assert (root / "template.yaml").read_bytes() == TEMPLATE


@pytest.mark.parametrize("action", ["*", "dynamodb:*", "iam:PassRole", "s3:GetObject", "dynamodb:GetItem\n  - '*'"])
def test_rights_that_nothing_needs(root, tmp_path, capfd, action):
    (root / "template.yaml").write_bytes(TEMPLATE)
    grant = {"op": "ensure_grant", "function": "Api", "resource": "SessionsTable", "actions": [action]}
    grant |= {"key_prefix": None, "condition": None, "template": "template.yaml"}
    refused(plan(root, change(resource(), grant), **{"template.yaml": sha(TEMPLATE)}), tmp_path, capfd)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"schema": ' + "9" * 5000 + "}", id="a huge number"),
        pytest.param('{"schema": 1e999}', id="infinity"),
        pytest.param('{"schema": NaN}', id="not a number"),
        pytest.param('{"schema": 1, "schema": 1}', id="twice"),
        pytest.param("", id="empty"),
        pytest.param("\x1b[2J", id="an escape"),
        pytest.param('{"\x1b[2J": 1}', id="a raw escape in a key"),
        pytest.param('{"\\u001b[2J": 1, "\\u001b[2J": 2}', id="an escape in a key, twice"),
    ],
)
def test_a_file_that_is_no_plan(root, tmp_path, capfd, text):
    (tmp_path / "plan.json").write_text(text)
    assert run(["apply", "plan.json"]) == 2
    said = "".join(capfd.readouterr())
    assert "plan.json" in said
    assert "\x1b" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("where", ["missing", "file", ".git", "relative"])
def test_a_root_that_is_none(root, tmp_path, capfd, where):
    (tmp_path / "file").touch()
    (tmp_path / ".git").mkdir()
    made = plan("relative" if where == "relative" else tmp_path / where, change(edit()))
    refused(made, tmp_path, capfd)


def test_a_chain_of_needs_does_not_take_for_ever(root, tmp_path, capfd):
    """20,000 changes, each needs the next, and the last was rejected: none is written."""
    count = 20_000
    chain = [change(name=f"c{number}", needs=[f"c{number + 1}"]) for number in range(count)]
    made = plan(root, *chain, change(edit(), name=f"c{count}", decision="rejected"))
    started = time.monotonic()
    code, said = applied(made, tmp_path, capfd)
    assert "Traceback" not in said
    assert code in (0, 1)
    assert time.monotonic() - started < 20
    assert (root / "app.py").read_bytes() == APP


def test_very_many_operations_do_not_take_for_ever(root, tmp_path, capfd):
    ops = [edit(start=0, end=0, text="#\n") for _ in range(20_000)]
    made = plan(root, *(change(op, name=f"c{number}") for number, op in enumerate(ops)))
    started = time.monotonic()
    code, said = applied(made, tmp_path, capfd)
    assert code in (0, 1), said
    assert time.monotonic() - started < 20
    assert (root / "app.py").read_bytes() == b"#\n" + APP


def test_nothing_of_the_project_is_run(root, tmp_path):
    """A module that would tell, in every place from which Python starts something by itself."""
    proof = tmp_path / "proof"
    tell = f"open({str(proof)!r}, 'w')\n".encode()
    for name in ("sitecustomize.py", "usercustomize.py", "conftest.py", "json.py", "ast.py", "yaml.py", "click.py"):
        (root / name).write_bytes(tell)
    (root / "app.py").write_bytes(APP + tell)
    (root / "statelift_state.py").write_bytes(tell)
    (root / "pyproject.toml").write_text("[tool.other]\nrun = 'touch proof'\n")
    script = "import sys; from statelift.cli import run; sys.exit(run(sys.argv[1:]))"
    for words in (
        ["scan", "root"],
        ["plan", "root", "-o", "plan.json"],
        ["apply", "plan.json", "--tier", "review"],
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-c", script, *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 2, 3)
    assert not proof.exists()


def test_a_plan_that_a_repository_brought_along_does_not_reach_out_in_batch(root, tmp_path, capfd):
    """`batch apply` takes the plan in .statelift: it counts for this repository only."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "app.py").write_bytes(APP)
    (root / ".statelift").mkdir()
    (root / "link.py").symlink_to(other / "app.py")
    for made in (
        plan(other, change(edit("link.py")), **{"link.py": sha(APP)}),
        plan(other, change(edit("../other/app.py"))),
    ):
        (root / ".statelift" / "plan.json").write_text(json.dumps(made))
        assert run(["batch", "apply", "--repos", str(root)]) == 3
        assert "Traceback" not in "".join(capfd.readouterr())
    (root / ".statelift" / "plan.json").write_text(json.dumps(plan(other, change(edit()))))
    run(["batch", "apply", "--repos", str(root)])
    assert (other / "app.py").read_bytes() == APP
    assert (root / "app.py").read_bytes() != APP
