"""Small CDK programs, one per edge, for the tests of the patcher."""

HEAD = """from aws_cdk import Stack
from aws_cdk import aws_lambda as _lambda
from constructs import Construct


class Shop(Stack):
    def __init__(self, scope: Construct, id: str, **kwargs) -> None:
        super().__init__(scope, id, **kwargs)
"""
FUNCTION = """        fn = _lambda.Function(
            self,
            "F",
            runtime=_lambda.Runtime.PYTHON_3_12,
            handler="app.handler",
            code=_lambda.Code.from_asset("src"),
        )
"""
PLAIN = HEAD + FUNCTION
_HANDLER = '            handler="app.handler",\n'
_SELF = 'self,\n            "F"'


def _with(argument, text=PLAIN):
    return text.replace(_HANDLER, _HANDLER + argument)


_ROLE = "        role = iam.Role(self, 'R', assumed_by=iam.ServicePrincipal('lambda.amazonaws.com'))\n"
_DEEPER = FUNCTION.replace("        fn", "            fn")

ACCEPTED = {
    "plain": PLAIN,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "bom": "\ufeff" + PLAIN,
    "no-final-newline": PLAIN.rstrip("\n"),
    "tabs": PLAIN.replace("    ", "\t"),
    "comments": HEAD + "\n        # the one\n        # and only\n" + FUNCTION + "        # behind it\n",
    "attribute": PLAIN.replace("fn = ", "self.fn = "),
    "annotated": PLAIN.replace("fn = ", "fn: _lambda.Function = "),
    "used-behind": PLAIN + "        fn.add_layers(1)\n        self.fn = fn\n",
    "whole-package": PLAIN.replace("from aws_cdk import Stack", "import aws_cdk as cdk\nfrom aws_cdk import Stack"),
    "imported": PLAIN.replace("import Stack", "import RemovalPolicy, Stack, aws_dynamodb as d, aws_iam, aws_s3"),
    "name-taken": PLAIN.replace("        fn = ", "        orders_table = 1\n        fn = "),
    "environment": _with('            environment={"A": "a"},\n'),
    "environment-name": _with("            environment=common,\n"),
    "role-beside": _with("            role=role,\n", HEAD + _ROLE + FUNCTION).replace(
        "Stack\n", "Stack, aws_iam as iam\n", 1
    ),
    "unusual-characters": PLAIN.replace("class Shop", "X = '\u2028\x0c\u20ac'\n\n\nclass Shop"),
    "future": "from __future__ import annotations\n\n" + PLAIN,
    "docstring": '"""What it is.\n\nimport nothing\n"""\n\n' + PLAIN,
    "other-scope": PLAIN.replace(_SELF, 'scope,\n            "F"'),
    "module-level": "from aws_cdk import App, Stack, aws_lambda\n\nstack = Stack(App(), 'S')\n"
    "fn = aws_lambda.Function(\n    stack, 'F', handler='app.handler',\n"
    "    runtime=aws_lambda.Runtime.PYTHON_3_12, code=aws_lambda.Code.from_asset('src'))  # end\n",
    "keywords": PLAIN.replace(_SELF, 'scope=self,\n            id="F"'),
}  # fmt: skip

REFUSED = {
    "unbound": (PLAIN.replace("fn = _lambda", "_lambda"), "not bound to a name"),
    "in-a-list": (PLAIN.replace("fn = _lambda", "fns = [_lambda").rstrip() + "]\n", "not bound to a name"),
    "loop": (HEAD + "        for n in range(2):\n" + _DEEPER, "inside of a loop"),
    "condition": (HEAD + "        if id:\n" + _DEEPER, "a condition"),
    "rebound": (PLAIN + "        fn = 1\n", "bound more than once"),
    "two": (PLAIN + FUNCTION.replace("fn", "other"), "exactly one function"),
    "dynamic-id": (PLAIN.replace('"F"', "name"), "literal id"),
    "dynamic-ids": (PLAIN.replace('"F"', "name") + FUNCTION.replace('"F"', "other"), "literal id"),
    "scope": (PLAIN.replace(_SELF, 'self.scope,\n            "F"'), "not a plain name"),
    "spread": (_with("            **more,\n"), "gets arguments with"),
    "role-imported": (_with("            role=iam.Role.from_role_arn(self, 'R', ARN),\n"), "not made beside it"),
    "role-parameter": (_with("            role=scope,\n"), "not made beside it"),
    "version-1": (PLAIN.replace("import Stack", "import core"), "CDK 1"),
    "variable-taken": (_with('            environment={"ORDERS_TABLE_NAME": "mine"},\n'), "another value"),
    "variable-added": (PLAIN + '        fn.add_environment("ORDERS_TABLE_NAME", "mine")\n', "another value"),
    "construct-taken": (
        PLAIN.replace("        fn = ", '        t = other.Table(self, "OrdersTable")\n        fn = '),
        "construct OrdersTable that statelift did not add",
    ),
    "package-taken": (PLAIN + "        aws_dynamodb = 1\n", "a name aws_dynamodb for something else"),
    "one-line": (PLAIN.rstrip() + "; x = 1\n", "shares its line"),
    "broken": (PLAIN + "        )\n", "cannot be read"),
}  # fmt: skip
