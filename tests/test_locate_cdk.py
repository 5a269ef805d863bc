import pytest
from located import locate, only, the_problem

HEAD = """from pathlib import Path
import os
from aws_cdk import Duration, Stack, aws_lambda as _lambda
from constructs import Construct

class Shop(Stack):
    def __init__(self, scope, id, **kwargs):
        super().__init__(scope, id, **kwargs)
"""
BODY = """        fn = _lambda.Function(
            self, "Hello",
            runtime=_lambda.Runtime.PYTHON_3_12,
            handler="app.handler",
            code=CODE,
        )
"""
ASSET = '_lambda.Code.from_asset("src")'
PLAIN = HEAD + BODY.replace("CODE", ASSET)


def project(stack, *names, **others):
    return {"cdk.json": "{}", "shop/stack.py": stack, **dict.fromkeys(names or ["src/app.py"], ""), **others}


def test_a_function_of_a_stack():
    function = only(project(PLAIN))
    assert (function.tool, function.template, function.line) == ("cdk", "shop/stack.py", 9)
    assert (function.logical_id, function.root, function.path) == ("Hello", "src", "src/app.py")
    assert (function.runtime, function.packaging) == ("python3.12", "")


@pytest.mark.parametrize(
    ("imports", "prefix"),
    [
        ("import aws_cdk.aws_lambda as fn\n", "fn."),
        ("import aws_cdk as cdk\n", "cdk.aws_lambda."),
        ("import aws_cdk.aws_lambda\n", "aws_cdk.aws_lambda."),
        ("from aws_cdk import aws_lambda\n", "aws_lambda."),
        ("from aws_cdk.aws_lambda import Function, Code, Runtime\n# aws_lambda\n", ""),
    ],
)
def test_ways_to_import(imports, prefix):
    stack = imports + PLAIN.replace(", aws_lambda as _lambda", "").replace("_lambda.", prefix)
    assert only(project(stack)).path == "src/app.py"


@pytest.mark.parametrize(
    "path",
    [
        '"./src/"',
        'os.path.join(os.path.dirname(__file__), "..", "src")',
        'str(Path(__file__).parent.parent / "src")',
        'Path(__file__).resolve().parents[1].joinpath("src").as_posix()',
        'os.path.join(os.getcwd(), "src")',
        'f"{FOLDER}"',
        "FOLDER",
        "self.folder",
        'FOLDERS["a"]',
        'FOLDERS["b"][-1]',
        '"s" + "rc"',
        "local",
        "settings.FOLDER",
        "OTHER",
    ],
)
def test_paths_that_are_known_without_a_run(path):
    stack = PLAIN.replace('"src"', path, 1).replace(
        "        fn =", '        self.folder = "src"\n        local = "src"\n        fn =', 1
    )
    stack = "from shop import settings\nfrom .settings import FOLDER as OTHER\n" + stack
    stack = stack.replace("class Shop", 'FOLDER = "src"\nFOLDERS = {"a": "src", "b": ["x", "src"]}\nclass Shop')
    assert only(project(stack, **{"src/app.py": "", "shop/settings.py": 'FOLDER = "src"\n'})).path == "src/app.py"


@pytest.mark.parametrize(
    "path",
    [
        "unknown",
        "make()",
        "os.environ['X']",
        "twice",
        "loop",
        "1",
        '"../outside"',
        "Path(__file__).unknown",
        "FOLDER[9]",
    ],
)
def test_paths_that_only_a_run_knows_are_reported(path):
    stack = PLAIN.replace('"src"', path, 1).replace("class Shop", 'FOLDER = "a"\nloop = loop\nclass Shop')
    stack = stack.replace("        fn =", '        twice = "src"\n        twice = "b"\n        fn =')
    assert "only the program knows" in the_problem(project(stack)).message


@pytest.mark.parametrize(
    ("code", "packaging"),
    [
        ('_lambda.Code.asset("src")', ""),
        ('_lambda.AssetCode("src")', ""),
        ('_lambda.Code.from_asset(path="src", exclude=["*.md", "tests"])', ""),
        ('_lambda.Code.from_asset("src", exclude=["*.py", "!app.py"])', "exclude patterns"),
        ('_lambda.Code.from_asset("src", exclude=PATTERNS)', "exclude patterns"),
        ('_lambda.Code.from_asset("src", bundling=BundlingOptions(command=["x"]))', "commands of its bundling"),
    ],
)
def test_what_an_asset_holds(code, packaging):
    function = only(project(HEAD + BODY.replace("CODE", code)))
    assert packaging in function.packaging
    assert bool(packaging) == bool(function.packaging)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ('_lambda.Code.from_inline("x")', "inline-code", "inline code is not handled"),
        ('_lambda.InlineCode("x")', "inline-code", "inline code is not handled"),
        ("_lambda.Code.from_bucket(bucket, 'k')", "not-located", "an object in S3"),
        ('_lambda.Code.from_asset("src.zip")', "not-located", "ready-made archive src.zip"),
    ],
)
def test_code_that_is_no_folder_is_reported(code, kind, words):
    problem = the_problem(project(HEAD + BODY.replace("CODE", code)))
    assert problem.kind == kind
    assert words in problem.message


@pytest.mark.parametrize(
    ("code", "names", "root"),
    [
        ('_lambda.Code.from_asset(".", bundling=BundlingOptions(command=["x"]))', ["src/app.py"], "src"),
        ('_lambda.Code.from_asset(".build/out")', ["src/app.py"], "src"),
        ('_lambda.Code.from_asset("a/.build")', ["src/app.py", "a/b/app.py"], "a/b"),
    ],
)
def test_the_only_folder_that_a_build_step_can_have_taken(code, names, root):
    function = only(project(HEAD + BODY.replace("CODE", code), *names))
    assert function.root == root
    assert "may leave new files out" in function.packaging


@pytest.mark.parametrize("names", [["a/app.py", "b/app.py"], ["other.py"]])
def test_what_a_build_step_took_is_not_guessed_among_several(names):
    stack = HEAD + BODY.replace("CODE", '_lambda.Code.from_asset(".build/out")')
    assert "neither .build/out/app.py" in the_problem(project(stack, *names)).message


def test_paths_above_the_project_are_outside():
    path = 'str(Path(__file__).parent.parent.parent / "src")'
    stack = HEAD + BODY.replace("CODE", f"_lambda.Code.from_asset({path})")
    assert "only the program knows" in the_problem(project(stack)).message


def test_functions_of_the_python_construct():
    stack = HEAD.replace("aws_lambda as _lambda", "aws_lambda as _lambda, aws_lambda_python_alpha as python") + (
        '        python.PythonFunction(self, "A", entry="src", runtime=_lambda.Runtime.PYTHON_3_12)\n'
        '        python.PythonFunction(self, "B", entry="src", index="b.py", handler="run",\n'
        "                              runtime=_lambda.Runtime.PYTHON_3_12)\n"
    )
    found = locate(project(stack, "src/index.py", "src/b.py"))
    assert [(f.logical_id, f.path, f.attribute) for f in found.functions] == [
        ("A", "src/index.py", "handler"),
        ("B", "src/b.py", "run"),
    ]


def test_images():
    stack = HEAD + (
        '        _lambda.DockerImageFunction(self, "A", code=_lambda.DockerImageCode.from_image_asset(\n'
        '            "img", cmd=["app.run"], file="Run"))\n'
    )
    files = project(stack, **{"img/Run": 'FROM x\nCOPY . ./\nCMD ["x.y"]\n', "img/app.py": ""})
    assert (only(files).path, only(files).attribute) == ("img/app.py", "run")


def test_other_languages_are_none_of_our_business():
    found = locate(project(PLAIN.replace("PYTHON_3_12", "NODEJS_20_X")))
    assert found.functions == found.problems == ()


def test_constructs_of_other_packages_are_none():
    found = locate(project(PLAIN.replace("aws_lambda as _lambda", "aws_lambda_like as _lambda") + "# aws_lambda\n"))
    assert found.functions == found.problems == ()


HELPER = """
    def make(self, name, config, folder="src"):
        return _lambda.Function(self, name, runtime=_lambda.Runtime.PYTHON_3_12,
                                handler=config["handler"], code=_lambda.Code.from_asset(folder))
"""


@pytest.mark.parametrize(
    "calls",
    [
        '        self.make("A", {"handler": "a.run"})\n        self.make("B", config={"handler": "b.run"})\n',
        '        for name, config in CONFIGS.items():\n            self.make(name, config)\n',
        '        for name in ["A", "B"]:\n            self.make(name, CONFIGS[name], "src")\n',
        '        for name, file in (("A", "a"), ("B", "b")):\n'
        '            self.make(name, {"handler": file + ".run"})\n',
    ],
)  # fmt: skip
def test_methods_and_loops_that_make_functions(calls):
    configs = 'CONFIGS = {"A": {"handler": "a.run"}, "B": {"handler": "b.run"}}\n'
    found = locate(
        project(HEAD.replace("class Shop", f"{configs}class Shop") + calls + HELPER, "src/a.py", "src/b.py")
    )
    assert found.problems == ()
    assert [(f.logical_id, f.path) for f in found.functions] == [("A", "src/a.py"), ("B", "src/b.py")]


def test_constructs_of_the_project_are_followed():
    construct = PLAIN.replace("scope, id, **kwargs", "scope, id, folder").replace(
        "scope, id, folder)\n        fn", "scope, id)\n        fn"
    )
    construct = construct.replace('"src"', "folder").replace('"Hello"', 'f"{folder}Fn"')
    app = "from aws_cdk import App\nfrom shop.stack import Shop\n"
    app += 'Shop(App(), "One", "one")\nShop(App(), "Two", folder="two")\n'
    found = locate(project(construct, "one/app.py", "two/app.py") | {"app.py": app})
    assert [(f.logical_id, f.path) for f in found.functions] == [("oneFn", "one/app.py"), ("twoFn", "two/app.py")]


def test_paths_start_where_the_program_runs():
    files = {"infra/cdk.json": "{}", "infra/deep/stack.py": PLAIN, "infra/src/app.py": "", "src/app.py": ""}
    assert only(files).root == "infra/src"


def test_settings():
    extra = (
        'timeout=Duration.minutes(2), memory_size=256, vpc=vpc, role=self.role, environment={"A": "a", "B": x},\n'
    )
    found = only(project(PLAIN.replace("            code=", f"            {extra}            code="))).settings
    assert (found.timeout, found.memory, found.has_vpc, found.role) == (120, 256, True, "self.role")
    assert found.environment == (("A", "a"), ("B", None))


def test_tests_deploy_nothing():
    found = locate({"tests/test_stack.py": PLAIN, "src/app.py": ""})
    assert found.functions == found.problems == ()


@pytest.mark.parametrize(
    "text", ["def (", "\0", "x = " + "(" * 300 + ")" * 300, PLAIN + "\n    x = _lambda.Function()\n"]
)
def test_no_program_is_a_crash(text):
    found = locate(project(text + "\n# aws_cdk aws_lambda\n"))
    assert len(found.functions) <= 1


def test_values_made_of_each_other_end():
    stack = PLAIN.replace('"src"', "A").replace("class Shop", "A = B + 'x'\nB = A\nclass Shop")
    assert the_problem(project(stack)).kind == "not-located"
    calls = HEAD + '        self.make("A", {"handler": "a.run"})\n' + HELPER + "        self.make(name, config)\n"
    assert [f.path for f in locate(project(calls, "src/a.py")).functions] == ["src/a.py"]
