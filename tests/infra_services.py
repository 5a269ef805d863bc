"""Small services, one per edge, for the tests of the patcher."""

HEAD = """service: shop
provider:
  name: aws
  runtime: python3.12
"""
FUNCTIONS = """functions:
  F:
    handler: app.handler
"""
PLAIN = HEAD + FUNCTIONS
STATEMENTS = """  iam:
    role:
      statements:
        - Effect: Allow
          Action: s3:GetObject
          Resource: '*'
"""
OLD_STATEMENTS = "  iamRoleStatements:\n    - Effect: Allow\n      Action: '*'\n      Resource: '*'\n"
LISTED = "resources:\n  - ${file(other.yml)}\n  - Resources:\n      Own:\n        Type: AWS::SNS::Topic\n"
IN_FILE = "  iam:\n    role:\n      statements: ${file(iam.yml)}\n"
RESOURCES = "resources:\n  Resources:\n    Own:\n      Type: AWS::SNS::Topic\n"

# name -> service; whole lines are only added
ACCEPTED = {
    "plain": PLAIN,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "bom": "\ufeff" + PLAIN,
    "no-final-newline": PLAIN.rstrip("\n"),
    "comments": "# shop\n" + PLAIN + "    # more\n\n# end\n",
    "statements": HEAD + STATEMENTS + FUNCTIONS,
    "statements-old": HEAD + OLD_STATEMENTS + FUNCTIONS,
    "statements-empty-role": HEAD + "  iam:\n    role:\n" + FUNCTIONS,
    "framework-1": "frameworkVersion: '>=1.0.0 <2'\n" + PLAIN,
    "statements-file": HEAD + IN_FILE + FUNCTIONS,
    "statements-file-old": HEAD + "  iamRoleStatements: ${file(iam.yml)}\n" + FUNCTIONS + RESOURCES,
    "statements-file-resources-list": HEAD + IN_FILE + FUNCTIONS + LISTED,
    "role-with-tags": HEAD + "  iam:\n    role:\n      name: x\n" + FUNCTIONS,
    "resources": PLAIN + RESOURCES,
    "resources-first": RESOURCES + PLAIN,
    "resources-outputs": PLAIN + "resources:\n  Outputs:\n    A:\n      Value: b\n",
    "resources-empty": PLAIN + "resources:\n",
    "resources-list": PLAIN + LISTED,
    "resources-list-of-files": PLAIN + "resources:\n  - ${file(other.yml)}\n",
    "environment": PLAIN + "    environment:\n      LEVEL: ${opt:level, 'info'} # low\n    timeout: 3\n",
    "provider-environment": HEAD + "  environment:\n    LEVEL: info\n" + FUNCTIONS,
    "function-list": HEAD + "functions:\n  - F:\n      handler: app.handler\n",
    "four-columns": PLAIN.replace("  ", "    "),
    "dashes-below-their-key": HEAD + "plugins:\n- serverless-wsgi\n" + FUNCTIONS,
    "own-roles": HEAD + STATEMENTS + "plugins:\n  - serverless-iam-roles-per-function\n" + FUNCTIONS,
    "own-roles-with-statements": HEAD + "plugins:\n  - serverless-iam-roles-per-function\n" + FUNCTIONS
    + "    iamRoleStatements:\n      - Effect: Allow\n        Action: s3:GetObject\n        Resource: '*'\n",
    "blank-lines": PLAIN + "\n" + RESOURCES + "\n    Other:\n      Type: AWS::SNS::Topic\n",
}  # fmt: skip

# name -> service; a line is changed, but characters are only added
ACCEPTED_IN_LINE = {
    "resources-file": PLAIN + "resources: ${file(other.yml)}\n",
    "statements-file-resources-file": HEAD + IN_FILE + FUNCTIONS + "resources: ${file(other.yml)}\n",
    "environment-flow": PLAIN + "    environment: {A: b}\n",
    "json": '{"provider": {"name": "aws"}, "functions": {"F": {"handler": "app.handler"}}}\n',
}

# name -> (service, words of the reason)
REFUSED = {
    "role": (HEAD + "  role: arn:aws:iam::123456789012:role/r\n" + FUNCTIONS, "names a role"),
    "role-new": (HEAD + "  iam:\n    role: arn:aws:iam::123456789012:role/r\n" + FUNCTIONS, "names a role"),
    "function-role": (PLAIN + "    role: own\n", "F names its role"),
    "function-file": (HEAD + "functions: ${file(functions.yml)}\n", "stands in another file"),
    "function-text": (HEAD + "functions:\n  F: ${file(f.yml)}\n", "not a plain mapping"),
    "environment-text": (PLAIN + "    environment: ${file(env.yml)}\n", "not a plain mapping"),
    "environment-merged": ("x: &x {A: b}\n" + PLAIN + "    environment:\n      <<: *x\n      C: d\n", "merge key"),
    "shared-function": (HEAD + "functions:\n  F: &f\n    handler: app.handler\n  G: *f\n", "anchor"),
    "twice": (PLAIN + "    handler: other.handler\n", "twice"),
    "provider-word": ("provider: aws\n" + FUNCTIONS, "not a plain mapping"),
    "resources-anchor": (PLAIN + "resources: &r\n  Resources:\n    A: {Type: AWS::SNS::Topic}\nx: *r\n", "anchor"),
}

EVERY_ACCEPTED = ACCEPTED | ACCEPTED_IN_LINE
