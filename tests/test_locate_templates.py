import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from infra_templates import EVERY_ACCEPTED, JSON, REFUSED, ROLE
from located import locate, only, the_problem

from statelift.locate.functions import locate_functions

SAM = """Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
"""
LAMBDA = SAM.replace("Serverless::", "Lambda::")


def test_a_function_beside_its_template():
    function = only({"template.yaml": SAM, "app.py": ""})
    assert (function.template, function.logical_id, function.root) == ("template.yaml", "F", "")
    assert (function.module, function.attribute, function.path) == ("app", "handler", "app.py")
    assert (function.runtime, function.packaging, function.patchable) == ("python3.12", "", "")


@pytest.mark.parametrize(
    ("uri", "root"),
    [("src/", "svc/src"), ("./src", "svc/src"), (".", "svc"), ("../shared", "shared"), ("..", ""), ("''", "svc")],
)
@pytest.mark.parametrize("template", [SAM + "      CodeUri: {}\n", LAMBDA + "      Code: {}\n"])
def test_folders_are_relative_to_the_template(template, uri, root):
    path = f"{root}/app.py".lstrip("/")
    function = only({"svc/template.yml": template.format(uri), path: ""})
    assert (function.root, function.path, function.packaging) == (root, path, "")


@pytest.mark.parametrize(
    ("handler", "module", "path"),
    [
        ("src/app.handler", "src.app", "src/app.py"),
        ("src.app.handler", "src.app", "src/app.py"),
        ("app.handler", "app", "app/__init__.py"),
    ],
)
def test_modules_as_the_runtime_imports_them(handler, module, path):
    function = only({"template.yaml": SAM.replace("app.handler", handler), path: ""})
    assert (function.module, function.attribute, function.path) == (module, "handler", path)


def test_globals_fill_in_and_own_properties_win():
    template = """Globals:
  Function:
    Handler: main.run
    Runtime: python3.11
    CodeUri: code/
Resources:
  A:
    Type: AWS::Serverless::Function
  B:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: other, Runtime: python3.13}
  C:
    Type: AWS::Lambda::Function
    Properties: {Handler: main.run, Runtime: nodejs20.x}
"""
    found = locate({"template.yaml": template, "code/main.py": "", "other/main.py": ""})
    assert [(f.logical_id, f.path, f.runtime) for f in found.functions] == [
        ("A", "code/main.py", "python3.11"),
        ("B", "other/main.py", "python3.13"),
    ]
    assert found.problems == ()


def test_merge_keys_are_followed_but_not_patched():
    template = "Base: &base\n  Runtime: python3.12\n  Handler: app.handler\n" + SAM.replace(
        "      Handler: app.handler\n      Runtime: python3.12\n", "      <<: *base\n"
    )
    function = only({"template.yaml": template, "app.py": ""})
    assert function.path == "app.py"
    assert "merge key" in function.patchable


@pytest.mark.parametrize("runtime", ["", "      Runtime: !Ref PythonVersion\n"])
def test_an_unknown_runtime_counts_where_the_handler_is_python(runtime):
    template = SAM.replace("      Runtime: python3.12\n", runtime)
    assert only({"template.yaml": template, "app.py": ""}).runtime == ""
    javascript = locate({"template.yaml": template, "app.js": ""})
    assert javascript.functions == javascript.problems == ()
    assert the_problem({"template.yaml": template}).kind == "not-located"


@pytest.mark.parametrize(
    "path",
    [".aws-sam/build/template.yaml", "cdk.out/S.template.json", "a/node_modules/b/t.yaml", "t.txt", "dist/t.yml"],
)
def test_copies_and_other_files_are_not_read(path):
    found = locate({path: SAM, "app.py": ""})
    assert found.functions == found.problems == ()


def test_json_templates():
    assert only({"t.template": JSON, "src/app.py": ""}).path == "src/app.py"


@pytest.mark.parametrize(
    "template",
    [
        SAM + "      InlineCode: |\n        def handler(e, c): ...\n",
        LAMBDA + "      Code:\n        ZipFile: |\n          def handler(e, c): ...\n",
        SAM.replace("python3.12", "!Ref R") + "      InlineCode: 'x'\n",
    ],
)
def test_inline_code_is_reported(template):
    problem = the_problem({"a/template.yaml": template})
    assert (problem.kind, problem.path, problem.line) == ("inline-code", "a/template.yaml", 3)
    assert "The function F of a/template.yaml" in problem.message
    assert "inline code is not handled" in problem.message


def test_inline_code_of_other_languages_is_none_of_our_business():
    assert locate({"t.yaml": SAM.replace("python3.12", "nodejs20.x") + "      InlineCode: x\n"}).problems == ()


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (SAM + "      CodeUri: s3://bucket/key\n", "s3://bucket/key"),
        (SAM + "      CodeUri: {Bucket: b, Key: k}\n", "an object in S3"),
        (SAM + "      CodeUri: !Ref Where\n", "only the deployment knows"),
        (SAM + "      CodeUri: build.zip\n", "ready-made archive build.zip"),
        (SAM + "      CodeUri: ../..\n", "outside of the analysed folder"),
        (SAM + "      CodeUri: /opt/code\n", "outside of the analysed folder"),
        (LAMBDA, "no Code property"),
        (LAMBDA + "      Code: {S3Bucket: b, S3Key: k}\n", "an object in S3"),
        (SAM.replace("app.handler", "!Ref Handler"), "no handler that is written"),
        (SAM.replace("app.handler", "handler"), "no handler that is written"),
        (SAM.replace("      Handler: app.handler\n", "      PackageType: Image\n"), "container image"),
        (LAMBDA + "      Code: {ImageUri: repo}\n", "container image"),
    ],
)
def test_code_that_cannot_be_followed_is_reported(template, words):
    problem = the_problem({"template.yaml": template, "app.py": ""})
    assert problem.kind == "not-located"
    assert words in problem.message


def test_images_of_other_languages_are_not_reported():
    template = (
        SAM.split("      Handler")[0] + "      PackageType: Image\n    Metadata:\n      DockerContext: ./img\n"
    )
    assert locate({"template.yaml": template, "img/app.js": "", "app.py": ""}).problems == ()
    assert the_problem({"template.yaml": template, "img/app.py": ""}).kind == "not-located"


def test_a_handler_without_its_file_is_kept_and_reported():
    found = locate({"template.yaml": SAM})
    assert [function.path for function in found.functions] == [None]
    assert "neither app.py nor app/__init__.py" in found.problems[0].message


@pytest.mark.parametrize(
    ("template", "files", "words"),
    [
        (SAM + "    Metadata:\n      BuildMethod: makefile\n", {"app.py": ""}, "BuildMethod (makefile)"),
        (SAM + "      CodeUri: code/app.py\n", {"code/app.py": ""}, "Only the file code/app.py"),
    ],
)
def test_packages_that_may_leave_new_files_out(template, files, words):
    assert words in only({"template.yaml": template, **files}).packaging


def test_a_python_build_method_packages_the_folder():
    template = SAM + "    Metadata:\n      BuildMethod: python3.12\n"
    assert only({"template.yaml": template, "app.py": ""}).packaging == ""


@pytest.mark.parametrize("name", EVERY_ACCEPTED)
def test_every_patchable_template_is_located(name):
    found = locate({"template.yaml": EVERY_ACCEPTED[name], "src/app.py": "", "a.py": ""})
    assert next(function for function in found.functions if function.logical_id == "F").patchable == ""


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "shared-properties"])
def test_the_reason_against_patching_is_told(name):
    template, reason = REFUSED[name]
    found = locate({"template.yaml": template, "src/app.py": "", "src/other.py": ""})
    assert [reason in function.patchable for function in found.functions] == [True]


def test_a_role_of_the_same_template_is_patchable():
    assert only({"template.yaml": ROLE, "src/app.py": ""}).patchable == ""


def test_functions_that_use_one_role_share_its_rights_and_that_is_said():
    two = SAM.replace("  F:", "  R: {Type: AWS::IAM::Role}\n  F:") + "      Role: !GetAtt R.Arn\n"
    two += two[two.index("  F:") :].replace("  F:", "  G:")
    alone = two[two.index("  F:") : two.index("  G:")].replace("  F:", "  H:").replace("R.Arn", "Other.Arn")
    found = locate({"template.yaml": two + alone, "app.py": ""}).functions
    told = "2 functions use the role R: all of them get these rights"
    assert [(each.logical_id, each.sharing) for each in found] == [("F", told), ("G", told), ("H", "")]


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (SAM + "      Bad: [\n", 9, "not valid YAML"),
        (SAM + "---\na: 1\n", 9, "several YAML documents"),
        (SAM.encode() + b"# \xff\n", 8, "not UTF-8"),
        (SAM + "X: &x [*x]\n", 8, "contains itself"),
        (SAM + "X: " + "[" * 200 + "]" * 200 + "\n", 8, "nested too deeply"),
        (SAM + "A: &a [x,x,x,x,x,x,x,x,x,x]\n"
         + "".join(f"{n}: &{n} [{','.join(['*' + m] * 10)}]\n" for m, n in zip("abcdefg", "bcdefgh", strict=True)),
         13, "more than a million"),
    ],
)  # fmt: skip
def test_templates_that_cannot_be_read_are_reported(data, line, words):
    problem = the_problem({"template.yaml": data, "app.py": ""})
    assert (problem.kind, problem.line) == ("template-error", line)
    assert words in problem.message


def test_a_duplicate_key_is_reported_and_its_function_still_found():
    found = locate({"template.yaml": SAM + "      Runtime: python3.13\n", "app.py": ""})
    assert [(problem.kind, problem.line) for problem in found.problems] == [("template-error", 8)]
    assert [function.runtime for function in found.functions] == ["python3.13"]


def test_a_file_that_cannot_be_opened_is_reported():
    def read(path):
        raise PermissionError(13, "Permission denied")

    (problem,) = locate_functions(["t.yaml"], read).problems
    assert problem.message == "This template cannot be read: Permission denied."


def test_loops_are_reported():
    template = """Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Functions:
    - Name
    - [A, B]
    - F${Name}:
        Type: AWS::Lambda::Function
        Properties: {Runtime: python3.12, Handler: a.b, Code: .}
"""
    assert "Fn::ForEach::Functions are not handled" in the_problem({"t.yaml": template}).message


@pytest.mark.parametrize(
    "text", ["- AWS::Serverless::Function\n", "a: AWS::Lambda::Function\n", "# AWS::Lambda::Function\n"]
)
def test_files_that_only_mention_a_function_are_no_templates(text):
    found = locate({"notes.yaml": text})
    assert found.functions == found.problems == ()


KEYS = "Resources Properties Type Code CodeUri Handler Runtime Globals Function Ref <<".split()
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("AWS::Lambda::Function")
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(NESTED, NESTED)
def test_no_shape_of_template_is_a_crash(properties, rest):
    kind = "AWS::Serverless::Function"
    template = {"Resources": {"F": {"Type": kind, "Properties": properties, "Metadata": rest}}, "Globals": rest}
    found = locate({"t.json": json.dumps(template, ensure_ascii=False, allow_nan=False), "app.py": ""})
    assert all(function.template == "t.json" for function in found.functions)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SAM)), st.text(max_size=6))
def test_no_damaged_template_is_a_crash(position, text):
    found = locate({"t.yaml": (SAM[:position] + text + SAM[position:]).encode("utf-8", "replace"), "app.py": ""})
    assert len(found.functions) <= 1


@pytest.mark.parametrize("home", ["function", "globals", "role"])
def test_permissions_boundaries(home):
    boundary = "PermissionsBoundary: !Ref Boundary\n"
    lines = {
        "function": ("", f"      {boundary}", ""),
        "globals": (f"Globals:\n  Function:\n    {boundary}", "", ""),
        "role": (
            "",
            "      Role: !GetAtt R.Arn\n",
            f"  R:\n    Type: AWS::IAM::Role\n    Properties:\n      {boundary}",
        ),
    }
    above, inside, below = lines[home]
    head = f"Transform: AWS::Serverless-2016-10-31\n{above}Resources:\n  F:\n    Type: AWS::Serverless::Function\n"
    properties = "    Properties:\n      Handler: app.handler\n      Runtime: python3.12\n"
    assert only({"template.yaml": head + properties + inside + below, "app.py": ""}).settings.is_bounded
    assert not only({"template.yaml": head.replace(above, "") + properties, "app.py": ""}).settings.is_bounded
