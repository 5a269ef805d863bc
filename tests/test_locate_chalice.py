import json

import pytest
from located import locate, only, the_problem
from repositories import written

from statelift.cli import run

CONFIG = '{"version": "2.0", "app_name": "shop", "stages": {"dev": {"api_gateway_stage": "api"}}}'
APP = """from chalice import Chalice, Blueprint
app = Chalice(app_name="shop")

@app.route("/")
def index():
    return {}

@app.route("/orders/{name}", methods=["POST"])
def order(name):
    return {}
"""
PROJECT = {"shop/.chalice/config.json": CONFIG, "shop/app.py": APP}


def test_all_routes_are_one_function():
    function = only(PROJECT)
    assert (function.tool, function.template) == ("chalice", "shop/.chalice/config.json")
    assert (function.logical_id, function.root, function.path) == ("APIHandler", "shop", "shop/app.py")
    assert (function.module, function.attribute, function.helper) == ("app", "app", "chalicelib")


@pytest.mark.parametrize(
    ("decorator", "name"),
    [
        ("@app.lambda_function()", "OnUpload"),
        ('@app.lambda_function(name="nightly-job")', "NightlyJob"),
        ("@app.schedule('rate(1 hour)')", "OnUpload"),
        ("@app.on_s3_event(bucket='b')", "OnUpload"),
        ("@app.on_sqs_message(queue='q')", "OnUpload"),
        ("@app.on_ws_connect()", "WebsocketConnect"),
        ("@app.authorizer()", "OnUpload"),
    ],
)
def test_other_functions_are_deployed_by_themselves(decorator, name):
    app = (
        f"from chalice import Chalice\napp = Chalice(app_name='x')\n{decorator}\ndef on_upload(event):\n    pass\n"
    )
    function = only(PROJECT | {"shop/app.py": app})
    assert (function.logical_id, function.module, function.attribute) == (name, "app", "on_upload")


def test_blueprints():
    blueprint = """from chalice import Blueprint
jobs = Blueprint(__name__)
@jobs.lambda_function()
def nightly(event, context):
    pass
@jobs.route("/jobs")
def listing():
    pass
"""
    app = "from chalice import Chalice\nfrom chalicelib.jobs import jobs\napp = Chalice('x')\n"
    app += "app.register_blueprint(jobs)\n"
    files = {".chalice/config.json": CONFIG, "app.py": app, "chalicelib/jobs.py": blueprint}
    assert [(f.logical_id, f.path, f.attribute) for f in locate(files).functions] == [
        ("Nightly", "chalicelib/jobs.py", "nightly"),
        ("APIHandler", "app.py", "app"),
    ]


def test_settings_of_the_first_stage():
    config = json.loads(CONFIG)
    config |= {
        "environment_variables": {"A": "a"},
        "lambda_timeout": 5,
        "subnet_ids": ["s"],
        "manage_iam_role": False,
    }
    config["stages"]["dev"] |= {
        "lambda_memory_size": 512,
        "iam_role_arn": "arn:r",
        "environment_variables": {"B": "b"},
    }
    found = only(PROJECT | {"shop/.chalice/config.json": json.dumps(config)}).settings
    assert (found.timeout, found.memory, found.has_vpc, found.role) == (5, 512, True, "arn:r")
    assert found.environment == (("A", "a"), ("B", "b"))


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        ({"shop/.chalice/config.json": "{"}, "template-error", "no configuration of Chalice"),
        ({"shop/.chalice/config.json": "[]"}, "template-error", "it holds no object"),
        ({"shop/.chalice/config.json": b"\xff"}, "template-error", "no configuration of Chalice"),
        ({"shop/app.py": None}, "not-located", "shop/app.py, the program of this Chalice app"),
    ],
)
def test_what_cannot_be_read_is_reported(files, kind, words):
    project = {path: text for path, text in (PROJECT | files).items() if text is not None}
    problem = the_problem(project)
    assert problem.kind == kind
    assert words in problem.message


@pytest.mark.parametrize(
    "config", ['{"stages": []}', '{"stages": {"dev": 3}}', '{"environment_variables": 3}', "{}"]
)
def test_no_configuration_is_a_crash(config):
    assert only(PROJECT | {"shop/.chalice/config.json": config}).logical_id == "APIHandler"


def test_functions_that_nobody_decorates_are_none():
    found = locate(
        PROJECT | {"shop/app.py": "from chalice import Chalice\napp = Chalice('x')\ndef other(): pass\n"}
    )
    assert found.functions == found.problems == ()


LOGIN = """
SESSIONS = {}

@app.lambda_function()
def login(event, context):
    if "user" in event:
        SESSIONS[event["token"]] = event["user"]
    else:
        return SESSIONS.get(event["token"])
"""


def test_the_helper_goes_where_chalice_packages_it(tmp_path, capfd):
    app = APP + LOGIN
    root = written(tmp_path / "shop", {".chalice/config.json": CONFIG, "app.py": app, "chalicelib/__init__.py": ""})
    run(["apply", str(root), "--tier", "review", "--allow-dirty"])
    said = capfd.readouterr()
    assert (root / "chalicelib" / "statelift_state.py").is_file(), said
    assert "from chalicelib.statelift_state import Store" in (root / "app.py").read_text()
