"""Small Terraform files, one per edge, for the tests of the patcher."""

START = """resource "aws_lambda_function" "F" {
  function_name = "f"
  handler       = "app.handler"
  runtime       = "python3.12"
  filename      = "src.zip"
  role          = aws_iam_role.r.arn
"""
PLAIN = START + "}\n"


def _with(lines, start=START):
    return f"{start}{lines}}}\n"


def _variables(value):
    return _with(f"\n  environment {{\n    variables = {value}\n  }}\n")


# name -> file; lines are only added, but for spaces that keep signs in one column
ACCEPTED = {
    "plain": PLAIN,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "bom": "\ufeff" + PLAIN,
    "no-final-newline": PLAIN.rstrip("\n"),
    "tabs": PLAIN.replace("  ", "\t"),
    "comments": "# a\n" + _with("  # b\n  timeout = 3 # c\n  # d\n") + "# e\n",
    "lifecycle": _with("\n  lifecycle {\n    ignore_changes = [description, tags]\n  }\n"),
    "other-blocks": _with("\n  vpc_config {\n    subnet_ids = []\n  }\n"),
    "blank-line-last": _with("\n  timeout = 3\n\n"),
    "environment-empty": _with("  environment {\n  }\n"),
    "variables": _variables('{\n      A = "a" # x\n      B = var.b\n    }'),
    "variables-long-name": _variables('{\n      A_VERY_LONG_NAME_OF_A_VARIABLE_THAT_IS_THERE = "a"\n    }'),
    "variables-unaligned": _variables('{\n      A = "a"\n      LONGER   = "b"\n    }'),
    "variables-commas": _variables('{\n      A = "a",\n      B = "b",\n    }'),
    "variables-comma-missing": _variables('{\n      A = "a",\n      B = "b"\n    }'),
    "variables-quoted": _variables('{\n      "A" = "a"\n    }'),
    "variables-colons": _variables('{\n      "A" : "a"\n    }'),
    "variables-empty": _variables("{}"),
    "variables-empty-lines": _variables("{\n    }"),
    "variables-one-line": _variables('{ A = "a" }'),
    "variables-nested": _variables('{\n      A = jsonencode({\n        b = "c"\n      })\n    }'),
    "variables-heredoc": _variables("{\n      A = <<EOT\ntext\nEOT\n    }"),
    "variables-group": _variables('{\n      LONG_NAME_OF_ONE = "a"\n\n      B = "b"\n    }'),
    "local": _variables("local.common"),
    "parentheses": _variables("(local.common)"),
    "choice": _variables("var.x ? local.a : local.b"),
    "call": _variables('tomap(local.common)'),
    "merge": _variables("merge(local.a, local.b)"),
    "merge-lines": _variables("merge(\n      local.a,\n      local.b\n    )"),
    "merge-mapping": _variables('merge(local.a, {\n      A = "a"\n    })'),
    "role-with-count": PLAIN.replace("aws_iam_role.r.arn", "aws_iam_role.r[0].arn"),
    "role-of-for-each": PLAIN.replace("aws_iam_role.r.arn", 'aws_iam_role.r["a"].arn'),
    "role-interpolated": PLAIN.replace("aws_iam_role.r.arn", '"${aws_iam_role.r.arn}"'),
    "count": _with("  count = 1\n"),
    "count-choice": _with('  count = var.is_on ? 1 : 0\n'),
    "count-interpolated": _with('  count = "${var.is_on ? 1 : 0}"\n'),
    "others-around": "locals {\n  a = 1\n}\n\n" + PLAIN + 'resource "aws_lambda_function" "G" {\n  role = 1\n}\n',
}  # fmt: skip

MODULE = """module "F" {
  source      = "terraform-aws-modules/lambda/aws"
  handler     = "app.handler"
  runtime     = "python3.12"
  source_path = "src"
"""
MODULES = {
    "module": MODULE + "}\n",
    "module-variables": MODULE + '\n  environment_variables = {\n    A = "a"\n  }\n}\n',
    "module-merge": MODULE + "  environment_variables = merge(local.a, {})\n}\n",
    "module-role": MODULE + "  create_role = false\n  lambda_role = aws_iam_role.r.arn\n}\n",
}

# name -> (file, words of the reason)
REFUSED = {
    "dynamic": (_with('  dynamic "environment" {\n    for_each = [1]\n    content {}\n  }\n'), "dynamic block"),
    "for-each": (_with("  for_each = toset([])\n"), "for each of several"),
    "count": (_with("  count = 2\n"), "a count that may be more than one"),
    "count-of-module": (MODULE + "  count = 1\n}\n", "has a count"),
    "ignored": (_with("\n  lifecycle {\n    ignore_changes = [environment]\n  }\n"), "ignores changes"),
    "ignored-inside": (
        _with("\n  lifecycle {\n    ignore_changes = [timeout, environment[0].variables]\n  }\n"),
        "ignores changes",
    ),
    "ignored-all": (_with("\n  lifecycle {\n    ignore_changes = all\n  }\n"), "ignores changes"),
    "role-literal": (
        PLAIN.replace("aws_iam_role.r.arn", '"arn:aws:iam::123456789012:role/r"'),
        "not an aws_iam_role",
    ),
    "role-expression": (
        PLAIN.replace("aws_iam_role.r.arn", "var.is_on ? var.role : aws_iam_role.r.arn"),
        "not an aws_iam_role",
    ),
    "role-other-attribute": (PLAIN.replace("aws_iam_role.r.arn", "aws_iam_role.r.name"), "not an aws_iam_role"),
    "null": (_variables("null"), "is null"),
    "merge-spread": (_variables("merge(local.many...)"), "leaves no room"),
    "one-line-block": (_with('  environment { variables = { A = "a" } }\n').replace('{ A = "a" }', "{}"), ""),
    "taken": (_variables('{\n      ORDERS_TABLE_NAME = "mine"\n    }'), "another value"),
    "broken": (PLAIN + "}", "not valid Terraform"),
}
del REFUSED["one-line-block"]

EVERY_ACCEPTED = ACCEPTED | MODULES
