"""Small templates, one per edge, and the operations that the tests ask for."""

from statelift.model import EnsureEnv, EnsureGrant, EnsureResource

HEAD = "Transform: AWS::Serverless-2016-10-31\nResources:\n"
FUNCTION = """  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      CodeUri: src/
"""
PLAIN = HEAD + FUNCTION

ROLE = """Resources:
  F:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      Code: ./src
      Role: !GetAtt R.Arn
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: sts:AssumeRole
"""

JSON = """{
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "F": {
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


def _with(lines: str, base: str = PLAIN) -> str:
    return base + lines


# name -> template; whole lines are only added
ACCEPTED = {
    "plain": PLAIN,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "bom": "\ufeff" + PLAIN,
    "no-final-newline": PLAIN.rstrip("\n"),
    "comments": HEAD + "  # the function\n" + FUNCTION + "      # Timeout: 3\n\n# the end\n",
    "four-columns": PLAIN.replace("  ", "    "),
    "dashes-below-their-key": _with(
        "      Policies:\n      - AWSLambdaBasicExecutionRole\n      Layers:\n      - !Ref L\n"
    ),
    "policies-list": _with("      Policies:\n        - AWSLambdaBasicExecutionRole # needed\n"),
    "policies-list-with-template": _with("      Policies:\n        - S3ReadPolicy:\n            BucketName: b\n"),
    "environment": _with("      Environment:\n        Variables:\n          LEVEL: b # c\n          ZONE: z\n"),
    "environment-empty": _with("      Environment:\n"),
    "variables-empty": _with("      Environment:\n        Variables: # none yet\n      Timeout: 3\n"),
    "globals": "Globals:\n  Function:\n    Environment:\n      Variables:\n        LEVEL: info\n" + PLAIN,
    "block-scalar-last": _with("      Description: |\n        two\n        lines\n\n"),
    "block-scalar-at-end-of-file": _with("      Description: |\n        two\n        lines"),
    "block-scalar-kept-lines": _with("      Description: |+\n        two\n\n\nOutputs: {}\n"),
    "folded-stripped": _with("      Description: >-\n        two\n        lines"),
    "long-intrinsics": _with("      Layers:\n        - Ref: L\n        - Fn::GetAtt: [M, Arn]\n"),
    "outputs-behind": _with("\n# results\nOutputs:\n  Name:\n    Value: !Ref F\n"),
    "blank-lines": HEAD + FUNCTION + "\n" + FUNCTION.replace("F:", "G:", 1) + "\n\nOutputs: {}\n",
    "other-anchors": _with(
        "      Tags: &tags\n        team: a\n  H:\n    Type: AWS::S3::Bucket\n    Metadata: *tags\n"
    ),
    "own-anchors": _with("      Policies: &p\n        - A\n").replace("Properties:", "Properties: &q # c"),
    "alias-last": "X: &x {a: b}\n" + _with("      Tags: *x\n"),
    "document-marks": "---\n" + PLAIN + "...\n",
    "role": ROLE,
    "role-on-serverless": ROLE.replace("AWS::Lambda::Function", "AWS::Serverless::Function").replace(
        "Code:", "CodeUri:"
    ),
    "role-long": ROLE.replace("!GetAtt R.Arn", "{'Fn::GetAtt': [R, Arn]}"),
    "role-substituted": ROLE.replace("!GetAtt R.Arn", '!Sub "${R.Arn}"'),
    "role-substituted-long": ROLE.replace("!GetAtt R.Arn", "{'Fn::Sub': '${R.Arn}'}"),
    "role-with-policies": ROLE
    + "      Policies:\n        - PolicyName: own\n          PolicyDocument:\n            Version: '2012-10-17'\n"
    + "            Statement:\n              - {Effect: Allow, Action: 's3:ListAllMyBuckets', Resource: '*'}\n",
    "odd-unicode": HEAD + "  # é 😀 \u3042\n" + FUNCTION + "      Description: 'naïve 😀'\n",
}

# name -> template; a line is changed, but characters are only added
ACCEPTED_IN_LINE = {
    "policies-scalar": _with("      Policies: AWSLambdaBasicExecutionRole # needed\n"),
    "policies-flow-list": _with("      Policies: [AWSLambdaBasicExecutionRole]\n"),
    "policies-flow-mapping": _with("      Policies: {SQSPollerPolicy: {QueueName: q}}\n"),
    "environment-flow": _with("      Environment: {Variables: {A: b}}\n"),
    "environment-flow-empty": _with("      Environment: {}\n"),
    "environment-flow-lines": _with(
        "      Environment: {\n        Variables: {\n          A: b, # c\n        }\n      }\n"
    ),
    "resources-flow": "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {Handler: a.b}}}\n",
    "json": JSON,
    "json-crlf": JSON.replace("\n", "\r\n"),
    "json-tabs": JSON.replace("    ", "\t"),
    "json-empty-collections": JSON.replace('"src/"', '"src/", "Environment": {}, "Policies": []'),
    "json-policy-text": JSON.replace('"src/"', '"src/",\n                "Policies": "ReadOnlyAccess"'),
    "json-one-line": "".join(line.strip() for line in JSON.splitlines()),
}

# name -> template, in which two spaces become a dash
ACCEPTED_WITH_DASH = {
    "policies-mapping": _with("      Policies:\n        # one\n        S3ReadPolicy:\n          BucketName: b\n"),
}

# name -> (template, words of the reason)
REFUSED = {
    "shared-properties": (PLAIN.replace("Properties:", "Properties: &p") + "  G:\n    Properties: *p\n", "anchor"),
    "alias-as-environment": ("E: &e {Variables: {A: b}}\n" + _with("      Environment: *e\n"), "anchor"),
    "merge-key": ("E: &e {Timeout: 3}\n" + _with("      <<: *e\n"), "merge key"),
    "duplicate-key": (_with("      Handler: other.handler\n"), "twice"),
    "environment-intrinsic": (
        _with("      Environment: !If [A, {Variables: {}}, !Ref AWS::NoValue]\n"),
        "plain mapping",
    ),
    "environment-null": (_with("      Environment: null\n"), "plain mapping"),
    "variables-from-mapping": (
        _with("      Environment:\n        Variables:\n          Fn::Transform: x\n"),
        "plain mapping",
    ),
    "globals-intrinsic": ("Globals:\n  Function:\n    Environment: !Ref E\n" + PLAIN, "Globals"),
    "policies-intrinsic": (_with("      Policies: !If [A, [B], [C]]\n"), "Policies"),
    "policies-shared": ("P: &p [A]\n" + _with("      Policies: *p\n"), "anchor"),
    "role-literal": (_with("      Role: arn:aws:iam::123456789012:role/r\n"), "Role"),
    "role-parameter": (_with("      Role: !Ref RoleArn\n"), "Role"),
    "role-substituted-name": (_with("      Role: !Sub 'arn:aws:iam::1:role/${R.Arn}'\n"), "Role"),
    "role-missing": (ROLE.split("  R:")[0], "Role"),
    "role-absent": (ROLE.replace("      Role: !GetAtt R.Arn\n", ""), "Role"),
    "role-policies-intrinsic": (ROLE + "      Policies: !If [A, [], []]\n", "Policies"),
    "macro": (
        PLAIN.replace("Transform: AWS::Serverless-2016-10-31", "Transform: [AWS::Serverless-2016-10-31, Own]"),
        "macro",
    ),
    "question-key": (_with("      ? [a, b]\n      : c\n"), "key that is not"),
}

RESOURCES = (
    EnsureResource("OrdersTable", "table", (("origin", "app.py:ORDERS"),)),
    EnsureResource("ActiveSessionsTable", "table", (("origin", "app.py:ACTIVE_SESSIONS"),)),
    EnsureResource("ResultsBucket", "bucket", (("origin", "app.py:/tmp/results.json"),)),
)


def operations_for(function: str = "F"):
    """One list of operations per resource, as three changes would bring them."""
    orders, sessions, results = RESOURCES
    return (
        (
            orders,
            EnsureEnv(function, "ORDERS_TABLE_NAME", "OrdersTable"),
            EnsureGrant(function, "OrdersTable", ("dynamodb:UpdateItem", "dynamodb:GetItem")),
        ),
        (
            sessions,
            EnsureEnv(function, "ACTIVE_SESSIONS_TABLE_NAME", "ActiveSessionsTable"),
            EnsureGrant(function, "ActiveSessionsTable", ("dynamodb:PutItem",)),
            EnsureGrant(function, "ActiveSessionsTable", ("dynamodb:GetItem",)),
        ),
        (
            results,
            EnsureEnv(function, "RESULTS_BUCKET_NAME", "ResultsBucket"),
            EnsureGrant(function, "ResultsBucket", ("s3:GetObject", "s3:ListBucket"), "tmp/results.json"),
            EnsureGrant(function, "ResultsBucket", ("s3:PutObject",), "tmp/parts/"),
        ),
    )


ALL = tuple(operation for change in operations_for() for operation in change)
EVERY_ACCEPTED = ACCEPTED | ACCEPTED_IN_LINE | ACCEPTED_WITH_DASH
