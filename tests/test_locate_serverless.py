import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from located import locate, only, the_problem

SERVICE = """service: shop
provider:
  name: aws
  runtime: python3.12
functions:
  hello:
    handler: src/app.handler
"""


def test_a_function_of_a_service():
    function = only({"svc/serverless.yml": SERVICE, "svc/src/app.py": ""})
    assert (function.tool, function.template, function.logical_id) == ("serverless", "svc/serverless.yml", "hello")
    assert (function.root, function.module, function.attribute) == ("svc", "src.app", "handler")
    assert (function.path, function.line, function.packaging) == ("svc/src/app.py", 6, "")


def test_the_service_is_the_root_of_all_its_functions():
    found = locate(
        {"serverless.yml": SERVICE + "  bye:\n    handler: other.bye\n", "src/app.py": "", "other.py": ""}
    )
    assert [(f.logical_id, f.root, f.path) for f in found.functions] == [
        ("hello", "", "src/app.py"),
        ("bye", "", "other.py"),
    ]


@pytest.mark.parametrize("provider", ["provider: aws\n", "provider:\n  name: ${opt:cloud, 'aws'}\n"])
def test_ways_to_name_the_provider(provider):
    service = provider + "functions:\n  hello:\n    handler: app.handler\n    runtime: python3.12\n"
    assert only({"serverless.yaml": service, "app.py": ""}).path == "app.py"


@pytest.mark.parametrize(
    "service",
    [
        SERVICE.replace("name: aws", "name: google") + "# aws\n",
        SERVICE.replace("python3.12", "nodejs20.x"),
        "notes: aws has functions\n",
        "- aws\n- functions\n",
    ],
)
def test_other_services_are_none_of_our_business(service):
    found = locate({"serverless.yml": service, "src/app.py": ""})
    assert found.functions == found.problems == ()


def test_only_serverless_files_are_read():
    found = locate({"config.yml": SERVICE, "node_modules/x/serverless.yml": SERVICE, "src/app.py": ""})
    assert found.functions == found.problems == ()


@pytest.mark.parametrize(
    ("functions", "others"),
    [
        ("functions: ${file(functions.yml)}\n", {"functions.yml": "hello:\n  handler: app.handler\n"}),
        ("functions: ${file(./all.yml):a.b}\n", {"all.yml": "a:\n  b:\n    hello: {handler: app.handler}\n"}),
        ("functions:\n  - ${file(a.yml)}\n", {"a.yml": "hello:\n  handler: app.handler\n"}),
        ("functions:\n  hello: ${file(a.json):hello}\n", {"a.json": '{"hello": {"handler": "app.handler"}}'}),
        ("functions:\n  hello: ${self:custom.one}\ncustom:\n  one:\n    handler: app.handler\n", {}),
        ("functions:\n  hello:\n    handler: ${self:custom.module}.handler\ncustom:\n  module: app\n", {}),
        ("functions:\n  hello:\n    handler: ${self:custom.${sls:stage}}\ncustom:\n  dev: app.handler\n", {}),
        ("functions:\n  hello:\n    handler: ${env:H, 'app.handler'}\n", {}),
        ("functions:\n  - hello:\n      handler: app.handler\n", {}),
    ],
)  # fmt: skip
def test_variables_are_followed(functions, others):
    service = "provider:\n  name: aws\n  runtime: python3.12\n" + functions
    function = only(
        {"s/serverless.yml": service, "s/app.py": "", **{f"s/{path}": text for path, text in others.items()}}
    )
    assert (function.logical_id, function.path) == ("hello", "s/app.py")


@pytest.mark.parametrize(
    "functions",
    [
        "functions: ${file(gone.yml)}\n",
        "functions: ${file(make.js)}\n",
        "functions: ${ssm:/functions}\n",
        "functions: ${self:functions}\n",
        "functions:\n  hello: ${file(gone.yml):hello}\n",
        "functions:\n  hello: ${self:functions.hello}\n",
        "functions:\n  hello:\n    handler: ${self:functions.hello.handler}\n",
        "functions:\n  hello:\n    handler: ${ssm:/handler}\n",
    ],
)
def test_what_only_a_run_knows_is_reported(functions):
    problem = the_problem({"serverless.yml": "provider:\n  name: aws\n  runtime: python3.12\n" + functions})
    assert (problem.kind, problem.path) == ("not-located", "serverless.yml")


def test_long_chains_and_texts_that_grow_end():
    chain = "".join(f"  v{n}: ${{self:custom.v{n + 1}}}${{self:custom.v{n + 1}}}\n" for n in range(400))
    service = SERVICE.replace("src/app.handler", "${self:custom.v0}") + f"custom:\n{chain}  v400: x\n"
    assert the_problem({"serverless.yml": service}).kind == "not-located"


def test_wsgi_applications():
    service = (
        SERVICE.replace("src/app.handler", "wsgi_handler.handler") + "custom:\n  wsgi:\n    app: api/main.app\n"
    )
    function = only({"serverless.yml": service, "api/main.py": ""})
    assert (function.path, function.attribute) == ("api/main.py", "app")


def test_modules_that_are_packaged_apart():
    service = SERVICE.replace("src/app", "app") + "    module: parts/one\npackage:\n  individually: true\n"
    assert only({"serverless.yml": service, "parts/one/app.py": ""}).root == "parts/one"


@pytest.mark.parametrize(
    ("package", "is_packaged"),
    [
        ("patterns: ['!**', 'src/**']", False),
        ("patterns: ['!**', 'src/**', '*.py']", True),
        ("patterns: ['!node_modules/**', '!tests/**']", True),
        ("patterns: ['!./**', './*.{py,json}']", True),
        ("exclude: ['**']\n  include: ['src/app.py']", False),
        ("include: src/app.py\n  exclude: ['venv/**']", True),
        ("patterns: ['!**', 'statelift_state.p?']", True),
    ],
)
def test_package_patterns_decide_about_new_files(package, is_packaged):
    function = only({"serverless.yml": SERVICE + f"package:\n  {package}\n", "src/app.py": ""})
    assert (function.packaging == "") == is_packaged


@pytest.mark.parametrize(("individually", "is_packaged"), [("", False), ("individually: true\n  ", True)])
def test_patterns_of_a_function_count_where_it_is_packaged_by_itself(individually, is_packaged):
    service = SERVICE + "    package:\n      patterns: ['*.py']\n"
    service += f"package:\n  {individually}patterns: ['!**', 'src/**']\n"
    function = only({"serverless.yml": service, "src/app.py": ""})
    assert (function.packaging == "", function.is_left_out) == (is_packaged, not is_packaged)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("package:\n  patterns: ${file(patterns.js)}\n", "are not known"),
        ("package:\n  patterns: ['${param:left}']\n", "are not known"),
        ("package:\n  exclude: ['!x.py', '${env:X}']\n", "are not known"),
        ("layers:\n  common:\n    path: common\n", ""),
        ("layers:\n  common:\n    path: ${param:x}\n", "are not known"),
        ("plugins: [serverless-package-python-functions]\n", "The plugin serverless-package-python-functions"),
        ("plugins:\n  modules: [serverless-plugin-scripts]\n", "The plugin serverless-plugin-scripts"),
        ("plugins: [serverless-offline, serverless-python-requirements]\n", ""),
        ("package:\n  patterns:\n", ""),
    ],
)
def test_what_may_leave_new_files_out(lines, words):
    function = only({"serverless.yml": SERVICE + lines, "src/app.py": ""})
    assert words in function.packaging
    assert bool(words) == bool(function.packaging)
    assert not function.is_left_out


def test_what_an_exclude_takes_back_is_packaged():
    service = SERVICE + "package:\n  exclude: ['**', '!**/*.py']\n"
    assert only({"serverless.yml": service, "src/app.py": ""}).packaging == ""


def test_the_folder_of_a_layer_is_left_out_of_functions():
    service = SERVICE.replace("src/app", "app") + "    module: lib\npackage:\n  individually: true\n"
    service += "layers:\n  common:\n    path: lib\n"
    assert only({"serverless.yml": service, "lib/app.py": ""}).is_left_out


def test_a_ready_made_archive():
    service = SERVICE + "    package:\n      artifact: out/app.zip\n"
    assert "ready-made archive out/app.zip" in the_problem({"serverless.yml": service, "src/app.py": ""}).message


def test_images_of_the_service():
    service = SERVICE.replace("handler: src/app.handler", "image:\n      name: main\n      command: [app.handler]")
    service = service.replace("  runtime: python3.12\n", "  ecr:\n    images:\n      main:\n        path: ./img\n")
    function = only(
        {
            "serverless.yml": service,
            "img/Dockerfile": "FROM amazon/aws-lambda-python:3.12\nCOPY . ./\n",
            "img/app.py": "",
        }
    )
    assert (function.root, function.path, function.packaging) == ("img", "img/app.py", "")


def test_settings_come_from_provider_and_function():
    provider = "  timeout: 7\n  memorySize: 512\n  environment: {A: a, B: '${ssm:/b}'}\n  vpc: {subnetIds: [x]}\n"
    service = SERVICE.replace("functions:", f"{provider}functions:")
    service += "    timeout: 30\n    snapStart: true\n    role: arn:aws:iam::123456789012:role/r\n"
    service += "    environment:\n      A: c\n"
    found = only({"serverless.yml": service, "src/app.py": ""}).settings
    assert (found.timeout, found.memory, found.has_vpc, found.has_snap_start) == (30, 512, True, True)
    assert found.environment == (("A", "c"), ("B", None))
    assert found.role == "arn:aws:iam::123456789012:role/r"


@pytest.mark.parametrize(
    ("iam", "role"),
    [
        ("", ""),
        ("  iam:\n    role:\n      statements: []\n", ""),
        ("  iam:\n    role: arn:aws:iam::123456789012:role/r\n", "arn:aws:iam::123456789012:role/r"),
        ("  role: !GetAtt R.Arn\n", "(decided by the deployment)"),
    ],
)
def test_roles_of_the_provider(iam, role):
    service = SERVICE.replace("functions:", iam + "functions:")
    assert only({"serverless.yml": service, "src/app.py": ""}).settings.role == role


def test_programs_are_not_run():
    problem = the_problem({"serverless.ts": "export const x = {provider: {runtime: 'python3.12'}}"})
    assert "is a program, and no program is run" in problem.message
    assert locate({"serverless.ts": "runtime: 'nodejs20.x'"}).problems == ()


TEXT = st.sampled_from(
    ["${self:", "${file(", "}", ":", "custom", ".", "a", "0", "${opt:x, 'y'}", ")", "\n", " ", "- "]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT, max_size=12).map("".join), st.integers(0, len(SERVICE)))
def test_no_damaged_service_is_a_crash(text, position):
    found = locate({"serverless.yml": SERVICE[:position] + text + SERVICE[position:], "src/app.py": ""})
    assert len(found.functions) <= 1
