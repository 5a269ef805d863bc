"""A change that brings a new file is SAFE only where that file is provably deployed and can do its work there."""

import pytest
from repositories import written

from statelift.model import Options, Tier
from statelift.planning import make_plan

STATE = """\
SESSIONS = {}


def handler(event, context):
    if "name" in event:
        SESSIONS[event["user"]] = event["name"]
        return None
    return SESSIONS.get(event["user"])
"""
HEAD = "Transform: AWS::Serverless-2016-10-31\nResources:\n"
SERVICE = "service: x\nprovider:\n  name: aws\n  runtime: python3.12\nfunctions:\n  a:\n    handler: app.handler\n"
TERRAFORM = """\
data "archive_file" "zip" {
  type        = "zip"
  SOURCE
  output_path = "out.zip"
}
resource "aws_lambda_function" "f" {
  function_name = "f"
  handler       = "app.handler"
  runtime       = "python3.12"
  filename      = data.archive_file.zip.output_path
  role          = aws_iam_role.r.arn
}
resource "aws_iam_role" "r" {
}
"""
DOCKER = 'FROM public.ecr.aws/lambda/python:3.12\nCOPY {} ./\nCMD ["app.handler"]\n'
IMAGE = (
    f"{HEAD}  F:\n    Type: AWS::Serverless::Function\n    Metadata:\n      DockerContext: .\n"
    "    Properties:\n      PackageType: Image\n"
)


def sam(name, folder, handler, more=""):
    return (
        f"  {name}:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: {folder}\n"
        f"      Handler: {handler}\n      Runtime: python3.12\n{more}"
    )


def the_finding(tmp_path, files):
    (finding,) = make_plan([written(tmp_path, files)], Options()).findings
    return finding


MISSING = {
    "sam-file": {"template.yaml": HEAD + sam("F", "app.py", "app.handler")},
    "serverless": {"serverless.yml": f"{SERVICE}package:\n  exclude: ['*.py', '!app.py']\n"},
    "terraform-file": {"main.tf": TERRAFORM.replace("SOURCE", 'source_file = "app.py"')},
    "terraform-excludes": {"main.tf": TERRAFORM.replace("SOURCE", 'source_dir = "."\n  excludes = ["*.p?"]')},
    "dockerignore": {"template.yaml": IMAGE, "Dockerfile": DOCKER.format("."), ".dockerignore": "*\n!app.py\n"},
    "outer-root": {
        "template.yaml": HEAD + sam("A", ".", "main.handler") + sam("B", "sub/", "app.handler"),
        "main.py": "from sub.app import handler\n", "sub/app.py": STATE,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_a_file_that_is_provably_not_deployed(tmp_path, name):
    files = MISSING[name]
    finding = the_finding(tmp_path, files if "sub/app.py" in files else {"app.py": STATE, **files})
    assert finding.tier is Tier.MANUAL
    assert any("would be missing in the cloud" in reason for reason in finding.reasons)


DOUBTFUL = {
    "vpc": ("      VpcConfig:\n        SubnetIds: [a]\n", "runs in a VPC"),
    "boundary": ("      PermissionsBoundary: !Ref B\n", "permissions boundary"),
    "makefile": ("    Metadata:\n      BuildMethod: makefile\n", "may not be deployed"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_a_person_has_to_look_at(tmp_path, name):
    lines, words = DOUBTFUL[name]
    template = HEAD + sam("F", ".", "app.handler", lines)
    finding = the_finding(tmp_path, {"app.py": STATE, "template.yaml": template})
    assert finding.tier is Tier.REVIEW
    assert any(words in reason for reason in finding.reasons)


def test_a_function_that_only_imports_the_file_needs_the_helper_too(tmp_path):
    """`other` never runs into the state, but its image holds two files by name: the import would fail there."""
    docker = DOCKER.format("other.py app.py").replace("app.handler", "other.handler")
    template = HEAD + sam("F", ".", "app.handler") + IMAGE.removeprefix(HEAD).replace("F:", "G:")
    files = {"template.yaml": template, "Dockerfile": docker, "app.py": STATE}
    using = "from app import handler as unused\n\n\ndef handler(event, context):\n    return 1\n"
    apart = "def handler(event, context):\n    return 1\n"
    finding = the_finding(tmp_path / "one", files | {"other.py": using})
    assert finding.tier is Tier.REVIEW
    assert "Dockerfile gets a line that packages statelift_state.py" in finding.reasons
    assert the_finding(tmp_path / "two", files | {"other.py": apart}).tier is Tier.SAFE


def test_whole_folders_are_safe(tmp_path):
    terraform = {"main.tf": TERRAFORM.replace("SOURCE", 'source_dir = "."'), "app.py": STATE}
    assert the_finding(tmp_path / "one", terraform).tier is Tier.SAFE
    image = {"template.yaml": IMAGE, "Dockerfile": DOCKER.format("."), "app.py": STATE}
    assert "may not be deployed" not in " ".join(the_finding(tmp_path / "two", image).reasons)
