"""A module that is deployed under two names has no place for a new file that both find."""

import pytest
from located import locate

HEAD = "Transform: AWS::Serverless-2016-10-31\nResources:\n"


def sam(name, folder, handler):
    return (
        f"  {name}:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: {folder}\n"
        f"      Handler: {handler}\n      Runtime: python3.12\n"
    )


def left_out(files):
    found = locate(files)
    assert found.problems == ()
    return {function.logical_id: function.packaging for function in found.functions if function.is_left_out}


TWO = HEAD + sam("Outer", ".", "app.handler") + sam("Inner", "sub/", "state.handler")


@pytest.mark.parametrize(
    "text",
    [
        "from sub.state import handler\n",
        "import sub.state as state\n",
        "import os, sub\n",
        "from .sub import state\n",
        "from . import sub\n",
        "import sys\nsys.path.append('sub')\nimport state\n",
        "import importlib\nmodule = importlib.import_module('sub.state')\n",
        "def handler(event, context):\n    from sub import state\n",
    ],
)
def test_a_folder_that_the_outer_function_imports(text):
    told = left_out({"template.yaml": TWO, "app.py": text, "sub/state.py": ""})
    assert set(told) == {"Inner"}
    assert told["Inner"].startswith("Outer of template.yaml takes modules of sub from a folder above it")


@pytest.mark.parametrize(
    "text", ["", "import os\nfrom other import sub2\n", "import subprocess\n", "# import sub\n"]
)
def test_folders_that_have_nothing_to_do_with_each_other(text):
    assert left_out({"template.yaml": TWO, "app.py": text, "sub/state.py": ""}) == {}


def test_one_file_under_two_names():
    template = HEAD + sam("Outer", ".", "sub.state.handler") + sam("Inner", "sub/", "state.handler")
    assert set(left_out({"template.yaml": template, "sub/state.py": ""})) == {"Outer", "Inner"}


def test_one_file_by_two_tools():
    service = "service: x\nprovider:\n  name: aws\n  runtime: python3.12\n"
    service += "functions:\n  a:\n    handler: src/app.handler\n"
    files = {"template.yaml": HEAD + sam("F", "src/", "app.handler"), "serverless.yml": service, "src/app.py": ""}
    assert set(left_out(files)) == {"F", "a"}


def test_an_import_further_inside():
    files = {"template.yaml": TWO, "app.py": "import lib.code\n", "lib/code.py": "from sub import state\n"}
    assert set(left_out({**files, "sub/state.py": ""})) == {"Inner"}


def test_tests_are_not_deployed():
    files = {"template.yaml": TWO, "app.py": "", "tests/test_state.py": "from sub import state\n"}
    assert left_out({**files, "sub/state.py": ""}) == {}


def test_roots_beside_each_other():
    template = HEAD + sam("One", "a/", "app.handler") + sam("Two", "b/", "app.handler")
    assert left_out({"template.yaml": template, "a/app.py": "import b\n", "b/app.py": ""}) == {}
