import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from located import locate, only, the_problem

from statelift.locate import hcl

ZIP = """
data "archive_file" "zip" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  output_path = "${path.module}/out.zip"
}
"""
FUNCTION = """
resource "aws_lambda_function" "hello" {
  function_name = "hello"
  handler       = "app.handler"
  runtime       = "python3.12"
  filename      = data.archive_file.zip.output_path
  role          = aws_iam_role.hello.arn
}
"""
PLAIN = ZIP + FUNCTION


def test_a_function_with_an_archive():
    function = only({"infra/main.tf": PLAIN, "infra/src/app.py": ""})
    assert (function.tool, function.template, function.line) == ("terraform", "infra/main.tf", 8)
    assert (function.logical_id, function.root) == ("aws_lambda_function.hello", "infra/src")
    assert (function.path, function.attribute, function.packaging) == ("infra/src/app.py", "handler", "")
    assert (function.runtime, function.settings.role) == ("python3.12", "aws_iam_role.hello")


def test_the_files_of_a_folder_are_one_module():
    assert only({"a.tf": ZIP, "b.tofu": FUNCTION, "src/app.py": ""}).path == "src/app.py"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"${path.module}/src"', '"src"'),
        ('"${path.module}/src"', '"${path.root}/src/"'),
        ('"${path.module}/src"', "local.source }\nlocals { source = abspath(\"${path.module}/src\")"),
        ('"${path.module}/src"', "var.source }\nvariable \"source\" { default = \"./src\""),
        ('"${path.module}/src"', 'join("/", [path.module, "src"])'),
        ('"${path.module}/src"', 'format("%s/src", path.module)'),
        ('"${path.module}/src"', 'true ? "src" : "gone"'),
        ('"${path.module}/src"', 'coalesce("", "src")'),
        ('"${path.module}/src"', 'lookup({ a = "src" }, "a")'),
        ('"${path.module}/src"', 'merge({ a = "x" }, { a = "src" })["a"]'),
        ('"${path.module}/src"', 'dirname("src/x")'),
        ("data.archive_file.zip.output_path", '"${data.archive_file.zip.output_path}"'),
        ("data.archive_file.zip.output_path", '"${path.module}/out.zip"'),
        ("data.archive_file.zip.output_path", '"out.zip"'),
        ('"app.handler"', '"${element(["app"], 0)}.handler"'),
    ],
)  # fmt: skip
def test_values_that_are_known_before_the_deployment(old, new):
    assert old in PLAIN
    assert only({"main.tf": PLAIN.replace(old, new), "src/app.py": ""}).path == "src/app.py"


def test_values_of_tfvars_count_over_defaults():
    text = PLAIN.replace('"${path.module}/src"', "var.source") + 'variable "source" { default = "gone" }\n'
    files = {"main.tf": text, "terraform.tfvars": 'source = "src"\n', "src/app.py": ""}
    assert only(files).root == "src"


def test_objects_in_s3_that_terraform_uploads():
    text = PLAIN.replace("filename      = data.archive_file.zip.output_path", "s3_key = aws_s3_object.code.key")
    text += 'resource "aws_s3_object" "code" {\n  source = data.archive_file.zip.output_path\n}\n'
    assert only({"main.tf": text, "src/app.py": ""}).packaging == ""


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        ('source_file = "src/app.py"', "Only the file src/app.py is packaged"),
        ('source_dir = "src"\n  excludes = ["*.py"]', "excludes of its archive"),
        ('source_dir = "src"\n  excludes = var.excludes', "excludes of its archive"),
        ('source_dir = "src"\n  excludes = ["tests/**"]', ""),
        ('source {\n    content = file("${path.module}/src/app.py")\n    filename = "app.py"\n  }',
         "Only the files that archive_file.zip names"),
    ],
)  # fmt: skip
def test_what_an_archive_holds(archive, words):
    text = f'data "archive_file" "zip" {{\n  {archive}\n}}\n{FUNCTION}'
    function = only({"main.tf": text, "src/app.py": ""})
    assert (function.root, function.path) == ("src", "src/app.py")
    assert words in function.packaging
    assert bool(words) == bool(function.packaging)


@pytest.mark.parametrize(
    ("ignored", "words"),
    [
        ("[source_code_hash]", "something else deploys them"),
        ("[filename, tags]", "something else deploys them"),
        ("all", "something else deploys them"),
        ("[description]", ""),
    ],
)
def test_code_whose_changes_are_ignored(ignored, words):
    lines = f"  lifecycle {{\n    ignore_changes = {ignored}\n  }}\n}}\n"
    function = only({"main.tf": ZIP + FUNCTION.rstrip().removesuffix("}") + lines, "src/app.py": ""})
    assert words in function.packaging
    assert bool(words) == bool(function.packaging)
    assert not function.is_left_out


@pytest.mark.parametrize(
    ("role", "is_patchable", "is_bounded"),
    [
        ("", True, False),
        ("  permissions_boundary = var.boundary\n", True, True),
        ('  inline_policy {\n    name = "x"\n  }\n', True, False),
        ("  inline_policy {}\n", True, False),
        ('  dynamic "inline_policy" {\n    for_each = []\n    content {}\n  }\n', True, False),
        ("  managed_policy_arns = []\n", True, False),
        ("  managed_policy_arns = []\n  inline_policy {}\n", False, False),
    ],
)
def test_what_a_role_says(role, is_patchable, is_bounded):
    text = f'{PLAIN}resource "aws_iam_role" "hello" {{\n{role}}}\n'
    function = only({"main.tf": text, "src/app.py": ""})
    ending = ".name" if "inline_policy" in role and is_patchable else ".id" if is_patchable else ""
    assert function.principal.endswith(ending)
    assert (not function.patchable, function.settings.is_bounded) == (is_patchable, is_bounded)


@pytest.mark.parametrize(
    ("filename", "names", "root"),
    [
        ('"build/hello.zip"', ["build/hello/app.py", "x/app.py"], "build/hello"),
        ('"${path.module}/hello.zip"', ["app.py", "x/app.py"], ""),
        ("var.zip", ["code/app.py"], "code"),
        ('"../out/hello.zip"', ["deep/er/app.py"], "deep/er"),
    ],
)
def test_zips_of_something_else_are_guessed_and_not_trusted(filename, names, root):
    text = FUNCTION.replace("data.archive_file.zip.output_path", filename)
    function = only({"main.tf": text, **dict.fromkeys(names, "")})
    assert function.root == root
    assert "zipped by something else than Terraform" in function.packaging


@pytest.mark.parametrize(
    ("filename", "words"),
    [('"gone.zip"', "ready-made archive gone.zip"), ("var.zip", "only the deployment knows")],
)
def test_zips_that_cannot_be_guessed_are_reported(filename, words):
    text = FUNCTION.replace("data.archive_file.zip.output_path", filename)
    assert words in the_problem({"main.tf": text, "a/app.py": "", "b/app.py": ""}).message


def test_elements_of_for_each():
    text = """
locals { names = { one = "a", two = "b" } }
data "archive_file" "zip" {
  for_each    = local.names
  source_dir  = "${path.module}/src/${each.value}"
  output_path = "${each.key}.zip"
}
resource "aws_lambda_function" "all" {
  for_each = local.names
  filename = data.archive_file.zip[each.key].output_path
  handler  = "app.handler"
  runtime  = "python3.12"
  role     = "arn:aws:iam::123456789012:role/r"
}
"""
    found = locate({"main.tf": text, "src/a/app.py": "", "src/b/app.py": ""})
    assert [(f.logical_id, f.path) for f in found.functions] == [
        ('aws_lambda_function.all["one"]', "src/a/app.py"),
        ('aws_lambda_function.all["two"]', "src/b/app.py"),
    ]


def test_copies_of_count_are_one_function_and_none_for_zero():
    assert only({"main.tf": PLAIN.replace("function_name", "count = 3\n function_name"), "src/app.py": ""}).path
    none = locate({"main.tf": PLAIN.replace("function_name", "count = 0\n function_name"), "src/app.py": ""})
    assert none.functions == none.problems == ()


def test_roles_whose_policies_are_listed_are_not_written_to():
    listed = 'resource "aws_iam_role_policies_exclusive" "x" {\n  role_name = aws_iam_role.hello.name\n}\n'
    assert "are listed" in only({"main.tf": PLAIN + listed, "src/app.py": ""}).patchable


MODULE = """
variable "name" {}
variable "folder" {}
variable "handler" { default = "app.handler" }
resource "aws_lambda_function" "this" {
  filename = data.archive_file.zip.output_path
  handler  = var.handler
  runtime  = "python3.12"
}
data "archive_file" "zip" {
  source_dir  = var.folder
  output_path = "${var.name}.zip"
}
"""


def test_modules_are_followed_with_the_values_of_each_call():
    calls = """
module "one" {
  source = "./modules/fn"
  name   = "one"
  folder = "${path.module}/src/one"
}
module "two" {
  source  = "./modules/fn"
  name    = "two"
  folder  = "src/two"
  handler = "other.run"
}
"""
    files = {"main.tf": calls, "modules/fn/main.tf": MODULE, "src/one/app.py": "", "src/two/other.py": ""}
    found = locate(files)
    assert found.problems == ()
    assert [(f.logical_id, f.template, f.path) for f in found.functions] == [
        ("module.one.aws_lambda_function.this", "modules/fn/main.tf", "src/one/app.py"),
        ("module.two.aws_lambda_function.this", "modules/fn/main.tf", "src/two/other.py"),
    ]


COMMUNITY = """
module "hello" {
  source  = "terraform-aws-modules/lambda/aws"
  version = "~> 7.0"
  handler = "app.handler"
  runtime = "python3.12"
  source_path = SOURCE
  environment_variables = { A = "a" }
  timeout = 20
}
"""


@pytest.mark.parametrize(
    ("source", "packaging"),
    [
        ('"src"', ""),
        ('"${path.module}/src"', ""),
        ('["src"]', ""),
        ('[{ path = "src" }]', ""),
        ('[{ path = "src", patterns = ["!.*", "app.py"] }]', "patterns or commands"),
        ('[{ path = "src", prefix_in_zip = "lib" }]', "prefix_in_zip"),
        ('"src/app.py"', "Only the file src/app.py"),
        ('["lib", "src"]', ""),
    ],
)
def test_the_community_module(source, packaging):
    function = only({"main.tf": COMMUNITY.replace("SOURCE", source), "src/app.py": "", "lib/x.py": ""})
    assert (function.logical_id, function.path) == ("module.hello", "src/app.py")
    assert packaging in function.packaging
    assert bool(packaging) == bool(function.packaging)
    assert (function.settings.environment, function.settings.timeout) == ((("A", "a"),), 20)


def test_layers_of_the_community_module_are_no_functions():
    text = COMMUNITY.replace("SOURCE", '"src"').replace("timeout = 20", "create_layer = true")
    found = locate({"main.tf": text, "src/app.py": ""})
    assert found.functions == found.problems == ()


def test_an_unknown_module_is_read_like_a_function_and_not_patched():
    text = COMMUNITY.replace("terraform-aws-modules/lambda/aws", "acme/fn/aws").replace(
        "source_path = SOURCE", ZIPPED
    )
    function = only({"main.tf": text + ZIP, "src/app.py": ""})
    assert (function.path, function.packaging) == ("src/app.py", "")
    assert "acme/fn/aws is not known" in function.patchable


ZIPPED = "filename = data.archive_file.zip.output_path"


def test_images():
    text = FUNCTION.replace("filename      = data.archive_file.zip.output_path", 'package_type = "Image"')
    files = {
        "main.tf": text,
        "Dockerfile": 'FROM public.ecr.aws/lambda/python:3.12\nCOPY . ./\nCMD ["app.handler"]\n',
        "app.py": "",
    }
    assert "is assumed to build the image" in only(files).packaging


def test_settings():
    text = PLAIN.replace(
        'function_name = "hello"',
        'timeout = 9\n  memory_size = 256\n  vpc_config {\n    subnet_ids = []\n  }\n'
        '  snap_start {\n    apply_on = "PublishedVersions"\n  }\n'
        '  environment {\n    variables = { A = "a", B = var.b }\n  }',
    )  # fmt: skip
    found = only({"main.tf": text, "src/app.py": ""}).settings
    assert (found.timeout, found.memory, found.has_vpc, found.has_snap_start) == (9, 256, True, True)
    assert found.environment == (("A", "a"), ("B", None))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (PLAIN + "resource {{\n", 15, "not valid Terraform"),
        (PLAIN.encode() + b"# \xff\n", 15, "not UTF-8"),
        (PLAIN + "locals {\n  x = " + "[" * 200 + "]" * 200 + "\n}\n", 16, "nested too deeply"),
    ],
)
def test_files_that_cannot_be_read_are_reported(text, line, words):
    problem = the_problem({"main.tf": text, "src/app.py": ""})
    assert (problem.kind, problem.line) == ("template-error", line)
    assert words in problem.message


def test_json_syntax_is_reported():
    assert "Terraform in JSON" in the_problem({"main.tf.json": '{"resource": {"aws_lambda_function": {}}}'}).message


def test_a_missing_parser_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "tree_sitter_hcl", None)
    hcl._parser.cache_clear()
    problem = the_problem({"main.tf": PLAIN, "src/app.py": ""})
    hcl._parser.cache_clear()
    assert "pip install tree-sitter tree-sitter-hcl" in problem.message


def test_values_made_of_themselves_end():
    text = PLAIN.replace('"${path.module}/src"', "local.a") + 'locals {\n  a = "${local.b}"\n  b = local.a\n}\n'
    assert the_problem({"main.tf": text}).kind == "not-located"


def test_modules_that_call_each_other_end():
    files = {
        "main.tf": 'module "a" {\n  source = "./a"\n}\n',
        "a/main.tf": PLAIN + 'module "b" {\n  source = "../b"\n}\n',
        "b/main.tf": 'module "a" {\n  source = "../a"\n}\n',
        "a/src/app.py": "",
    }
    assert {function.path for function in locate(files).functions} == {"a/src/app.py"}


PIECES = st.sampled_from(
    ['"', "${", "}", "{", "[", "]", "(", ")", "each.key", "var.x", "=", "\n", "local.a[0]", "?", ":"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join), st.integers(0, len(PLAIN)))
def test_no_damaged_file_is_a_crash(text, position):
    found = locate({"main.tf": PLAIN[:position] + text + PLAIN[position:], "src/app.py": ""})
    assert len(found.functions) <= 1
