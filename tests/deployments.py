"""One program that needs every kind of right, deployed by each tool, and events that use all of its rights."""

from dataclasses import dataclass, replace
from pathlib import Path

from repositories import written

from statelift.analysis import analyse
from statelift.compose import compose_changes
from statelift.model import EntryPoint, Operation, Options, Tier
from statelift.planning import plan_of
from statelift.selecting import chosen_changes
from statelift.verify.deployment.reading import deployed_of, variables_of
from statelift.verify.events.steps import Step
from statelift.verify.playing.driver import Pair
from statelift.verify.subjects import Given, Subject, subjects_of
from statelift.verify.values import Deployed

PROGRAM = """import json
import os

SESSIONS = {}
NOTES = "/tmp/notes.json"


def handler(event, context):
    action = event["action"]
    if action == "login":
        SESSIONS[event["token"]] = event["user"]
    elif action == "who":
        return {"user": SESSIONS.get(event["token"])}
    elif action == "logout":
        return {"was": SESSIONS.pop(event["token"], None)}
    elif action == "all":
        return {"count": len(SESSIONS)}
    elif action == "write":
        with open(NOTES, "w") as file:
            json.dump(event["notes"], file)
    elif action == "read":
        try:
            with open(NOTES) as file:
                return {"notes": json.load(file)}
        except FileNotFoundError:
            return {"notes": None}
    elif action == "forget":
        os.remove(NOTES)
    return {"done": action}
"""
EVENTS = (
    {"action": "read"},
    {"action": "login", "token": "t1", "user": "ann"},
    {"action": "login", "token": "t2", "user": "ben"},
    {"action": "who", "token": "t1"},
    {"action": "all"},
    {"action": "logout", "token": "t1"},
    {"action": "who", "token": "t1"},
    {"action": "write", "notes": {"a": 1}},
    {"action": "read"},
    {"action": "forget"},
    {"action": "read"},
)
SAM = """AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Environment:
      Variables:
        STAGE: test
Resources:
  Api:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      CodeUri: src/
      Policies:
        - AWSLambdaBasicExecutionRole
"""
SAM_JSON = """{
  "Transform": "AWS::Serverless-2016-10-31",
  "Resources": {
    "Api": {
      "Type": "AWS::Serverless::Function",
      "Properties": {
        "Handler": "app.handler",
        "Runtime": "python3.12",
        "CodeUri": "src/"
      }
    }
  }
}
"""
CLOUDFORMATION = """Resources:
  Api:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      Code: ./src
      Role: !GetAtt ApiRole.Arn
  ApiRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: sts:AssumeRole
"""
SERVICE = """service: notes
provider:
  name: aws
  runtime: python3.12
functions:
  api:
    handler: src/app.handler
"""
TERRAFORM = """data "archive_file" "api" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  output_path = "${path.module}/api.zip"
}

resource "aws_lambda_function" "api" {
  function_name = "api"
  handler       = "app.handler"
  runtime       = "python3.12"
  filename      = data.archive_file.api.output_path
  role          = aws_iam_role.api.arn
}

resource "aws_iam_role" "api" {
  assume_role_policy = "{}"
}
"""
MODULE = """module "api" {
  source        = "terraform-aws-modules/lambda/aws"
  function_name = "api"
  handler       = "app.handler"
  runtime       = "python3.12"
  source_path   = "${path.module}/src"
}
"""
CDK = """from aws_cdk import Stack
from aws_cdk import aws_lambda
from constructs import Construct


class Notes(Stack):
    def __init__(self, scope: Construct, id: str, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
        api = aws_lambda.Function(
            self,
            "Api",
            handler="app.handler",
            runtime=aws_lambda.Runtime.PYTHON_3_12,
            code=aws_lambda.Code.from_asset("src"),
        )
"""
CHALICE = """from chalice import Chalice

app = Chalice(app_name="notes")
SESSIONS = {}


@app.lambda_function()
def handler(event, context):
    action = event["action"]
    if action == "login":
        SESSIONS[event["token"]] = event["user"]
    elif action == "who":
        return {"user": SESSIONS.get(event["token"])}
    elif action == "logout":
        return {"was": SESSIONS.pop(event["token"], None)}
    elif action == "all":
        return {"count": len(SESSIONS)}
    return {"done": action}
"""
# What of the framework is needed to import such a program.
STAND_IN = """class Chalice:
    def __init__(self, app_name):
        self.app_name = app_name

    def lambda_function(self):
        return lambda function: function
"""
STAGES = """{
  "version": "2.0",
  "app_name": "notes",
  "stages": {
    "dev": {"autogen_policy": false},
    "prod": {"autogen_policy": false, "environment_variables": {"STAGE": "prod"}}
  }
}
"""
POLICY = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "logs:*", "Resource": "arn:aws:logs:*:*:*"}
  ]
}
"""
PROJECTS: dict[str, dict[str, str]] = {
    "sam": {"template.yaml": SAM},
    "sam-json": {"template.json": SAM_JSON},
    "cloudformation": {"template.yaml": CLOUDFORMATION},
    "serverless": {"serverless.yml": SERVICE},
    "terraform": {"main.tf": TERRAFORM},
    "serverless-own-roles": {"serverless.yml": SERVICE + "plugins: [serverless-iam-roles-per-function]\n"},
    "terraform-module": {"main.tf": MODULE},
    "cdk": {"stack.py": CDK, "cdk.json": '{"app": "python stack.py"}'},
    "chalice": {
        "app.py": CHALICE,
        "chalice.py": STAND_IN,
        ".chalice/config.json": STAGES,
        ".chalice/policy-dev.json": POLICY,
        ".chalice/policy-prod.json": POLICY,
    },
    "snippet": {},
}


@dataclass(frozen=True)
class Deploying:
    """A migrated project: its subject, and what its patched templates can be read with."""

    subject: Subject
    calls: list[tuple[str, EntryPoint]]
    operations: list[Operation]
    files: dict[str, bytes]

    @property
    def pair(self) -> Pair:
        return self.subject.pair

    @property
    def steps(self) -> list[Step]:
        """The events, for the first handler."""
        entry, *_ = self.subject.entries
        return [Step(entry.call, "lambda", dict(event)) for event in EVENTS]

    def deployed(self) -> Deployed:
        """What the files say, as they are here."""
        return deployed_of(self.calls, self.operations, self.files.__getitem__)

    def under(self, deployed: Deployed) -> Pair:
        """Both programs with other rights."""
        environment = {**self.pair.setting.environment, **variables_of(deployed)}
        setting = replace(self.pair.setting, environment=environment, deployed=deployed)
        return replace(self.pair, setting=setting)


def deploying(
    folder: Path,
    files: dict[str, str],
    program: str = PROGRAM,
    options: Options = Options(),  # noqa: B008 - frozen
) -> Deploying:
    """Write the project, plan it and choose all changes that can be made."""
    place = "src/app.py" if files else "app.py"
    written(folder, files if "app.py" in files else {place: program, **files})
    analysis = analyse([folder], options)
    plan = plan_of(analysis, options)
    chosen = chosen_changes(plan, Tier.REVIEW, only_accepted=False)
    [subject] = subjects_of(plan, analysis, chosen, Given())
    [workspace] = analysis.workspaces
    operations = [operation for change in chosen for operation in change.ops]
    entries = workspace.program.root.entries
    calls = [(made.call, entry) for made, entry in zip(subject.entries, entries, strict=True)]
    patched = {write.path: write.after for write in compose_changes(chosen, analysis.read)}
    return Deploying(subject, calls, operations, {name: text.encode() for name, text in files.items()} | patched)
